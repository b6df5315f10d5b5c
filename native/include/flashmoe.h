/* flashmoe: Mixture-of-Experts language models larger than memory, exactly, on one machine.
 *
 * Two opaque objects. A model is weights: the dense ones in memory, the routed experts behind a cache that streams them
 * from the files they came in. A session is a timeline: the tokens seen so far as KV cache and recurrent state.
 *
 *     fm_error err;
 *     fm_model *model;
 *     if (fm_model_open(&spec, &options, &model, &err)) …err.message says what and where…
 *     fm_session *session;
 *     fm_session_new(model, &session, &err);
 *     fm_session_eval(session, ids, n, logits, FM_LAST_LOGITS, &err);
 *
 * Rules:
 *   - No globals, no printing, no parsing of configuration: the caller describes the model as a table of tensors, and
 *     every field of it is checked again here.
 *   - The caller owns the memory budget. The plan is computed before anything is loaded; nothing is allocated by eval.
 *   - Every call that can fail returns a status and fills an error with a sentence. A failed eval leaves the session at
 *     the last position that was complete.
 *   - Calls on different sessions of a model may come from different threads: they take turns, a call at a time.
 *   - Output is the same bits at any budget, reader, thread count and order of arrival of experts. */
#ifndef FLASHMOE_H
#define FLASHMOE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fm_model fm_model;
typedef struct fm_session fm_session;

/* ---- errors -------------------------------------------------------------------------------------------------- */

typedef enum fm_status {
    FM_OK = 0,
    FM_BAD_ARGUMENT, /* the caller's mistake: a token id out of range, an empty prompt */
    FM_BAD_MODEL,    /* the table contradicts itself or the files */
    FM_OVER_BUDGET,  /* the memory budget cannot hold it; the message gives the smallest that would */
    FM_NO_MEMORY,    /* the operating system refused memory that the plan counted on */
    FM_IO,           /* a read failed or came short; the message names file and offset */
    FM_CONTEXT_FULL, /* more tokens than the session's context holds */
    FM_CANCELLED,
    FM_UNSUPPORTED, /* a backend or format that this build or machine lacks */
} fm_status;

typedef struct fm_error {
    fm_status status;
    char message[1024]; /* UTF-8, one sentence or two */
} fm_error;

/* ---- the model as data ----------------------------------------------------------------------------------------- */

typedef enum fm_dtype { FM_F32, FM_F16, FM_BF16, FM_AFFINE } fm_dtype;

/* How a matrix is stored. Affine (docs/format.md): w = scale * q + bias, q unsigned of `bits` bits as an LSB-first bit
 * stream along the row, one scale and bias of scale_dtype for each `group` columns. */
typedef struct fm_format {
    fm_dtype dtype;
    uint32_t rows, cols;
    uint32_t bits, group; /* 0 unless affine; bits in {2,3,4,5,6,8}, group in {32,64,128}, cols % group == 0 */
    fm_dtype scale_dtype; /* f32, f16 or bf16; meaningful only when affine */
} fm_format;

/* A run of bytes of a file of the model. length 0: absent. */
typedef struct fm_extent {
    int32_t file;
    uint64_t offset, length;
} fm_extent;

/* Roles of the dense weights. X(name, rows, cols) with sizes in terms of `c`, an fm_config; vectors have rows 1. */
#define FM_GLOBAL_ROLES(X)                                                                                             \
    X(EMBED, c->vocab, c->hidden)                                                                                      \
    X(NORM, 1, c->hidden)                                                                                              \
    X(HEAD, c->vocab, c->hidden) /* absent when tied */
#define FM_SHARED_ROLES(X)                                                                                             \
    X(INPUT_NORM, 1, c->hidden)                                                                                        \
    X(POST_NORM, 1, c->hidden)                                                                                         \
    X(ROUTER, c->experts, c->hidden)                                                                                   \
    X(SHARED_GATE, c->shared_inner, c->hidden)                                                                         \
    X(SHARED_UP, c->shared_inner, c->hidden)                                                                           \
    X(SHARED_DOWN, c->hidden, c->shared_inner)                                                                         \
    X(SHARED_EXPERT_GATE, 1, c->hidden)
#define FM_FULL_ROLES(X)                                                                                               \
    X(Q, 2 * c->heads * c->head_dim, c->hidden) /* per head: query rows, then output gate rows */                      \
    X(K, c->kv_heads * c->head_dim, c->hidden)                                                                         \
    X(V, c->kv_heads * c->head_dim, c->hidden)                                                                         \
    X(O, c->hidden, c->heads * c->head_dim)                                                                            \
    X(Q_NORM, 1, c->head_dim)                                                                                          \
    X(K_NORM, 1, c->head_dim)
#define FM_LINEAR_ROLES(X)                                                                                             \
    X(IN_QKV, fm_linear_channels(c), c->hidden) /* rows q | k | v */                                                   \
    X(IN_Z, c->linear_value_heads * c->linear_value_dim, c->hidden)                                                    \
    X(IN_A, c->linear_value_heads, c->hidden)                                                                          \
    X(IN_B, c->linear_value_heads, c->hidden)                                                                          \
    X(CONV, fm_linear_channels(c), c->conv_kernel)                                                                     \
    X(A_LOG, 1, c->linear_value_heads)                                                                                 \
    X(DT_BIAS, 1, c->linear_value_heads)                                                                               \
    X(LINEAR_NORM, 1, c->linear_value_dim)                                                                             \
    X(OUT, c->hidden, c->linear_value_heads * c->linear_value_dim)

typedef enum fm_role {
#define X(name, rows, cols) FM_##name,
    FM_GLOBAL_ROLES(X) FM_SHARED_ROLES(X) FM_FULL_ROLES(X) FM_LINEAR_ROLES(X)
#undef X
        FM_ROLES
} fm_role;

typedef struct fm_tensor {
    fm_role role;
    int32_t layer;    /* -1 for a global role */
    const char *name; /* as in the checkpoint, for messages; copied */
    fm_format format;
    fm_extent weight, scales, biases;
} fm_tensor;

enum { FM_GATE, FM_UP, FM_DOWN, FM_EXPERT_MATRICES };
enum { FM_EXPERT_PARTS = 9 }; /* gate.{weight, scales, biases}, up.{…}, down.{…} */

/* The routed experts of one layer; extents [experts][FM_EXPERT_PARTS]. */
typedef struct fm_expert_table {
    const char *name;
    fm_format matrix[FM_EXPERT_MATRICES]; /* gate, up [moe_inner, hidden]; down [hidden, moe_inner] */
    const fm_extent *extents;
} fm_expert_table;

typedef struct fm_config {
    uint32_t vocab, hidden, layers;
    const uint8_t *full_attention; /* [layers]: 1 full attention, 0 Gated DeltaNet */
    uint32_t heads, kv_heads, head_dim, rope_dim;
    double rope_theta;
    uint32_t linear_key_heads, linear_value_heads, linear_key_dim, linear_value_dim, conv_kernel;
    uint32_t experts, experts_per_token, moe_inner, shared_inner;
    float norm_eps, norm_shift; /* norm_shift is added to every N1 weight: 1 for files centred on zero */
    bool tied_head;
    uint32_t max_context;
} fm_config;

/* Channels of the DeltaNet convolution: q | k | v. */
static inline uint32_t fm_linear_channels(const fm_config *c) {
    return 2 * c->linear_key_heads * c->linear_key_dim + c->linear_value_heads * c->linear_value_dim;
}

typedef struct fm_spec {
    fm_config config;
    const char *const *files;
    uint32_t file_count;
    const fm_tensor *tensors;
    uint32_t tensor_count;
    const fm_expert_table *experts; /* [layers] */
} fm_spec;

/* ---- the memory plan --------------------------------------------------------------------------------------------- */

typedef enum fm_read_mode { FM_READ_AUTO, FM_READ_DIRECT, FM_READ_BUFFERED } fm_read_mode;

typedef struct fm_options {
    uint64_t memory;            /* bytes, the ceiling of all model memory; of a card, where that is apart */
    uint64_t host_memory;       /* bytes beside a card's memory that may hold experts; 0: as few as reading needs */
    uint32_t threads;           /* compute threads; 0: one for each core that the process may use */
    uint32_t context;           /* positions of a session; 0: as many as a small share of the budget holds */
    uint32_t experts_per_token; /* 0: as the config says */
    fm_read_mode read_mode;
    const char *backend;   /* NULL or "cpu", or a device of the GPU backend: "soft", "cuda", "metal" */
    const char *shaders;   /* where the device's kernels are (gpu/device.h) */
    uint32_t shader_order; /* soft: the order of what is unordered; see gpu/device.h */
    const char *kernels;   /* NULL: the best for this processor; else "c", "avx2", "avx512", "neon" */
} fm_options;

/* Bytes unless said otherwise. */
typedef struct fm_plan {
    uint64_t budget;
    uint64_t dense;                  /* weights that stay in memory */
    uint64_t session_fixed;          /* recurrent state of one session */
    uint64_t session_context;        /* KV cache of one session at `context` positions */
    uint64_t scratch;                /* activations, for `sweep` tokens a layer and `chunk` tokens a product */
    uint64_t readers;                /* staging buffers of the read threads */
    uint64_t cache;                  /* expert cache: cache_slots * slot */
    uint64_t slot;                   /* one expert, with its alignment */
    uint64_t host;                   /* second tier of the cache, of the host, beside the budget: host_slots * slot */
    uint64_t smallest;               /* the smallest budget that would do */
    uint64_t experts_total;          /* all routed experts as stored */
    uint64_t expert_bytes_per_token; /* routed bytes that one decoded token needs, before any cache hit */
    uint64_t dense_bytes_per_token;  /* dense bytes that one decoded token reads from memory */
    uint32_t cache_slots, host_slots, context, sweep, chunk, threads, read_threads, experts_per_token;
    bool gpu;   /* for the GPU backend */
    bool apart; /* on a device whose memory is not the host's: the budget is of that, and readers are beside it too */
    const char *kernels;
} fm_plan;

/* Computes the plan without opening any file. FM_OVER_BUDGET when it cannot fit (plan->smallest is filled then). */
fm_status fm_plan_make(const fm_spec *spec, const fm_options *options, fm_plan *plan, fm_error *err);

/* ---- model ------------------------------------------------------------------------------------------------------- */

/* Called now and then from the thread that made the call, with done of total (tokens or bytes); true cancels. */
typedef bool (*fm_progress)(void *context, uint64_t done, uint64_t total);

fm_status fm_model_open(const fm_spec *spec, const fm_options *options, fm_progress progress, void *progress_context,
                        fm_model **model, fm_error *err);
/* Closes the model; its sessions must be closed before. NULL is allowed. */
void fm_model_close(fm_model *model);
const fm_plan *fm_model_plan(const fm_model *model);
/* Sets how much of the budget the caller itself uses, say for saved states: the expert cache gives up that much.
 * FM_OVER_BUDGET when there is no room for it; what was reserved before then stays. */
fm_status fm_model_reserve(fm_model *model, uint64_t bytes, fm_error *err);
/* "direct" (O_DIRECT or F_NOCACHE) or "buffered": how the expert files are read, as found when they were opened. */
const char *fm_model_reader(const fm_model *model);
/* How many more sessions the budget holds at the plan's context, with the expert cache at its least and nothing
 * reserved. Never waits. */
uint32_t fm_model_room(const fm_model *model);
/* What the cache does with each expert, [layers][experts]: how often it was asked for and how often read, modulo 2^32,
 * and whether it is in memory. Any thread may call, and does not wait for a running call. */
void fm_model_expert_map(const fm_model *model, uint32_t *asked, uint32_t *reads, uint8_t *resident);

/* ---- session ----------------------------------------------------------------------------------------------------- */

/* Kinds of arithmetic: full attention, Gated DeltaNet, the router (and guesses by it), shared expert, routed experts
 * with their sum, and embedding and head. */
typedef enum fm_work {
    FM_WORK_ATTENTION,
    FM_WORK_DELTA,
    FM_WORK_ROUTER,
    FM_WORK_SHARED,
    FM_WORK_EXPERTS,
    FM_WORK_ENDS,
    FM_WORK
} fm_work;

/* In prefill an expert counts once for a block, however many of its tokens chose it; in decode once for each token.
 * A step of n sessions counts in each of them: its own token; all of the seconds that it took and waited; and an nth of
 * the misses, bytes and reading, so that these add up over sessions to what was read. An expert that several chose and
 * that had to be read is one miss; the other choices of it are hits. */
typedef struct fm_phase_stats {
    uint64_t tokens, expert_hits, expert_misses, bytes_read;
    uint64_t expert_host_hits, bytes_moved; /* found in the second tier; moved from there to a card's memory */
    double seconds;                         /* wall time inside eval */
    double seconds_reading;                 /* summed over the read threads */
    double seconds_disk;                    /* of `seconds`, with at least one read under way */
    double seconds_waiting;                 /* of `seconds`, waiting for reads; the rest is arithmetic: */
    double
        seconds_on[FM_WORK]; /* of `seconds`, by kind; on a GPU, where operations only start, by where it is waited */
} fm_phase_stats;

typedef struct fm_stats {
    fm_phase_stats prefill, decode; /* evals of more than one token; evals of one, and steps */
} fm_stats;

typedef enum fm_logits { FM_NO_LOGITS, FM_LAST_LOGITS, FM_ALL_LOGITS } fm_logits;

/* A new timeline at position 0. Its memory comes out of the budget: the expert cache gives up slots if need be. */
fm_status fm_session_new(fm_model *model, fm_session **session, fm_error *err);
/* A second timeline with the same past. */
fm_status fm_session_fork(fm_session *session, fm_session **forked, fm_error *err);
void fm_session_close(fm_session *session);

/* Appends n tokens. logits: float32 [vocab] (last) or [n][vocab] (all), or NULL with FM_NO_LOGITS. */
fm_status fm_session_eval(fm_session *session, const int32_t *ids, size_t n, fm_logits which, float *logits,
                          fm_progress progress, void *progress_context, fm_error *err);
/* Appends one token to each of n sessions of the model, all different, in one pass: an expert that several of them need
 * is read once. logits: float32 [n][vocab], the same bits as from n evals. n <= plan.sweep. All or nothing: after a
 * failure every session is where it was. */
fm_status fm_model_step(fm_model *model, fm_session *const *sessions, const int32_t *ids, size_t n, float *logits,
                        fm_progress progress, void *progress_context, fm_error *err);
/* Ends the session's running eval soon, or the step that it is part of, from any thread; a no-op when none runs. */
void fm_session_cancel(fm_session *session);

/* The router's choice for n tokens of a layer: experts [n][plan.experts_per_token], ascending in a row. */
typedef void (*fm_trace)(void *context, uint32_t layer, uint32_t n, const int32_t *experts);
/* From now on `trace` is called for every layer of every block, from the thread that evaluates; NULL ends it. Between
 * calls of eval. */
void fm_session_trace(fm_session *session, fm_trace trace, void *context);

uint32_t fm_session_position(const fm_session *session);
/* The tokens so far, position of them. */
const int32_t *fm_session_tokens(const fm_session *session);
void fm_session_stats(const fm_session *session, fm_stats *stats);

/* The session's state as runs of memory in a fixed order, valid until the next call on the session: what must be
 * written to save it, and what must be filled to load it. `position` chooses how much of the KV cache counts.
 * Returns the number of runs; fills at most `room` of them. */
typedef struct fm_run {
    void *data;
    size_t bytes;
} fm_run;
size_t fm_session_state(fm_session *session, uint32_t position, fm_run *runs, size_t room);
/* After filling the runs for `position`: the session's past becomes these tokens. */
fm_status fm_session_restore(fm_session *session, const int32_t *ids, uint32_t position, fm_error *err);

/* ---- the machine ---------------------------------------------------------------------------------------------------
 */

/* Names of the kernel tables that can run here, best first, NULL-terminated. */
const char *const *fm_kernel_names(void);
/* Bytes per second that `threads` threads read from a buffer of `bytes` bytes, best of a few passes. */
double fm_measure_memory(size_t bytes, uint32_t threads);
/* Bytes per second of reads of `size` bytes at pseudo-random aligned offsets of a file, `depth` at a time, for about
 * `seconds`. direct: past the page cache; FM_UNSUPPORTED where the file system refuses. */
fm_status fm_measure_disk(const char *path, size_t size, uint32_t depth, bool direct, double seconds, double *rate,
                          fm_error *err);

#ifdef __cplusplus
}
#endif
#endif
