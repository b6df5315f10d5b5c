/* A backend: the arithmetic of a block of n tokens, one operation of the layer at a time (seam 3 of the design).
 *
 * The layer loop in forward.c calls these in the order of the model's equations and owns nothing but the order; the
 * backend owns the weights that stay in memory, the activations of the block (x, the residual stream; h, its norm; y,
 * the sum of the expert outputs), and the state of sessions. Every operation is for tokens [0, n) of the block given
 * to `embed`, n <= plan.sweep. */
#ifndef FM_MODEL_BACKEND_H
#define FM_MODEL_BACKEND_H

#include "../stream/experts.h"
#include "spec.h"

typedef struct fm_backend fm_backend;
typedef struct fm_state fm_state; /* KV cache and recurrent state of one session */

/* Tokens of the block that follow one another in a session. A block is one stretch (a session's eval) or several, of
 * sessions that all differ. */
typedef struct fm_stretch {
    fm_state *state;
    uint32_t position; /* of the first token */
    uint32_t n;
} fm_stretch;

/* One expert and the tokens of the block that chose it. `place` numbers the expert within a decoded token, in ascending
 * order of expert ids: outputs are summed in that order whatever order they are computed in. */
typedef struct fm_expert_job {
    fm_expert_view view;
    const int32_t *tokens; /* [n] ascending */
    const float *weights;  /* [n] */
    uint32_t n;
    uint32_t place;
} fm_expert_job;

/* Returns true to stop: the call was cancelled. */
typedef bool (*fm_poll)(void *context);

/* Memory for the expert cache. */
typedef struct fm_slots {
    uint8_t *base; /* of slot 0 */
    /* NULL: base is memory of the host, and experts are read straight into it. Else base is an address that only the
     * backend understands, and this is memory of the host for plan.host_slots, from where they are moved. */
    uint8_t *host;
    fm_moves moves;
} fm_slots;

/* Operations may only start their work: what they were given (views of experts) stays valid until `wait` for their
 * ticket or `finish`. Those that return a status report what went wrong in any operation before. */
typedef uint64_t fm_ticket;

typedef struct fm_backend_ops {
    const char *name;

    /* Makes the backend and its buffers as the plan says, then loads the dense weights with progress in bytes. */
    fm_status (*open)(const fm_table *table, const fm_plan *plan, const fm_file *files, const fm_options *options,
                      fm_progress progress, void *progress_context, fm_backend **backend, fm_error *err);
    void (*close)(fm_backend *backend);

    /* NULL: ordinary memory will do. As the plan says. Freed by close, when no read is under way any more. */
    fm_status (*slots_new)(fm_backend *backend, fm_slots *memory, fm_error *err);

    /* x = rows of the embedding, for a block of n tokens that are these stretches. */
    void (*embed)(fm_backend *backend, const int32_t *ids, uint32_t n, const fm_stretch *stretches, uint32_t count);
    /* x += mixer(N1(x)) for the stretches that make up the block; advances each state's pending copy. False when poll
     * stopped it. */
    bool (*mixer)(fm_backend *backend, uint32_t layer, const fm_stretch *stretches, uint32_t count, fm_poll poll,
                  void *poll_context);
    /* h = N1(x); the router's choice: experts [n][k] in ascending order of ids with weights [n][k]. */
    fm_status (*route)(fm_backend *backend, uint32_t layer, uint32_t n, int32_t *experts, float *weights,
                       fm_error *err);
    /* What `route` of a later layer says of the block's one token as it is now; h stays as it is. Between route and
     * experts. NULL where it would have to be waited for. */
    void (*guess)(fm_backend *backend, uint32_t layer, int32_t *experts, float *weights);
    /* y = sigmoid(shared_expert_gate h) * shared_expert(h). */
    void (*shared)(fm_backend *backend, uint32_t layer, uint32_t n);
    /* The experts of `jobs` on their tokens. With n > 1 the sums of y are taken here, so jobs come in ascending order
     * of expert ids; with n == 1 outputs are kept by place until combine. */
    fm_ticket (*experts)(fm_backend *backend, uint32_t layer, uint32_t n, const fm_expert_job *jobs, uint32_t count);
    /* x += y + the kept outputs, in order of place (n == 1). */
    void (*combine)(fm_backend *backend, uint32_t layer, uint32_t n, const float *weights);
    /* The five above for a block of one token, when every expert is in memory: nobody waits for the choice. `settle`
     * says where the experts are, views [layers][experts], or with NULL that they do not stay any more; `chosen` gives
     * the choices of the token [layers][k] when all is finished. NULL where it does not pay. */
    fm_status (*settle)(fm_backend *backend, const fm_expert_view *views, fm_error *err);
    void (*settled)(fm_backend *backend, uint32_t layer);
    void (*chosen)(fm_backend *backend, int32_t *experts);
    /* logits [count][vocab] of tokens first … first + count - 1. */
    fm_status (*head)(fm_backend *backend, uint32_t first, uint32_t count, float *logits, fm_error *err);
    /* Until the work of a ticket is done; until all is. */
    fm_status (*wait)(fm_backend *backend, fm_ticket ticket, fm_error *err);
    fm_status (*finish)(fm_backend *backend, fm_error *err);

    /* Session state. Recurrent state has two copies: layers write the pending one, `commit` makes it current, so that a
     * block that fails leaves the state as it was. */
    fm_state *(*state_new)(fm_backend *backend);
    void (*state_free)(fm_backend *backend, fm_state *state);
    void (*state_commit)(fm_state *state);
    void (*state_copy)(fm_state *to, const fm_state *from, uint32_t position);
    size_t (*state_runs)(fm_state *state, uint32_t position, fm_run *runs, size_t room);
    /* The runs for `position` were filled. */
    void (*state_filled)(fm_state *state, uint32_t position);
} fm_backend_ops;

/* Bytes that a backend will use, for the plan. */
typedef struct fm_backend_sizes {
    uint64_t dense;           /* weights */
    uint64_t scratch;         /* activations for the plan's sweep, chunk, threads and context */
    uint64_t session_fixed;   /* of one session */
    uint64_t session_context; /* of one session at the plan's context */
} fm_backend_sizes;

extern const fm_backend_ops fm_cpu_backend;
extern const fm_backend_ops fm_gpu_backend;
/* Reads context, sweep, chunk, threads, experts_per_token and kernels of the plan. */
void fm_cpu_sizes(const fm_table *table, const fm_plan *plan, fm_backend_sizes *sizes);
void fm_gpu_sizes(const fm_table *table, const fm_plan *plan, fm_backend_sizes *sizes);

#endif
