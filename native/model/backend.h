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

typedef struct fm_backend_ops {
    const char *name;

    /* Makes the backend and its buffers as the plan says, then loads the dense weights with progress in bytes. */
    fm_status (*open)(const fm_table *table, const fm_plan *plan, const fm_file *files, fm_progress progress,
                      void *progress_context, fm_backend **backend, fm_error *err);
    void (*close)(fm_backend *backend);

    /* x = rows of the embedding. */
    void (*embed)(fm_backend *backend, const int32_t *ids, uint32_t n);
    /* x += mixer(N1(x)) for the stretches that make up the block; advances each state's pending copy. False when poll
     * stopped it. */
    bool (*mixer)(fm_backend *backend, uint32_t layer, const fm_stretch *stretches, uint32_t count, fm_poll poll,
                  void *poll_context);
    /* h = N1(x); the router's choice: experts [n][k] in ascending order of ids with weights [n][k]. */
    void (*route)(fm_backend *backend, uint32_t layer, uint32_t n, int32_t *experts, float *weights);
    /* y = sigmoid(shared_expert_gate h) * shared_expert(h). */
    void (*shared)(fm_backend *backend, uint32_t layer, uint32_t n);
    /* The experts of `jobs` on their tokens. With n > 1 the sums of y are taken here, so jobs come in ascending order
     * of expert ids; with n == 1 outputs are kept by place until combine. */
    void (*experts)(fm_backend *backend, uint32_t layer, uint32_t n, const fm_expert_job *jobs, uint32_t count);
    /* x += y + the kept outputs, in order of place (n == 1). */
    void (*combine)(fm_backend *backend, uint32_t layer, uint32_t n, const float *weights);
    /* logits [count][vocab] of tokens first … first + count - 1. */
    void (*head)(fm_backend *backend, uint32_t first, uint32_t count, float *logits);

    /* Session state. Recurrent state has two copies: layers write the pending one, `commit` makes it current, so that a
     * block that fails leaves the state as it was. */
    fm_state *(*state_new)(fm_backend *backend);
    void (*state_free)(fm_backend *backend, fm_state *state);
    void (*state_commit)(fm_state *state);
    void (*state_copy)(fm_state *to, const fm_state *from, uint32_t position);
    size_t (*state_runs)(fm_state *state, uint32_t position, fm_run *runs, size_t room);
} fm_backend_ops;

/* Bytes that a backend will use, for the plan. */
typedef struct fm_backend_sizes {
    uint64_t dense;           /* weights */
    uint64_t scratch;         /* activations for the plan's sweep, chunk, threads and context */
    uint64_t session_fixed;   /* of one session */
    uint64_t session_context; /* of one session at the plan's context */
} fm_backend_sizes;

extern const fm_backend_ops fm_cpu_backend;
/* Reads context, sweep, chunk, threads, experts_per_token and kernels of the plan. */
void fm_cpu_sizes(const fm_table *table, const fm_plan *plan, fm_backend_sizes *sizes);

#endif
