/* Inside the core: a model and a session, and the pass through the layers. */
#ifndef FM_MODEL_MODEL_H
#define FM_MODEL_MODEL_H

#include "../stream/experts.h"
#include "backend.h"
#include "plan.h"

#include <pthread.h>
#include <stdatomic.h>

/* The router's choice for a block of tokens, and the same choice turned around: for each expert its tokens. k is
 * plan.experts_per_token. */
typedef struct fm_routing {
    int32_t *ids;         /* [sweep][k], ascending in each row */
    float *weights;       /* [sweep][k] */
    int32_t *tokens;      /* [sweep * k], grouped by expert, ascending within one */
    float *token_weights; /* [sweep * k], likewise */
    uint32_t *first;      /* [experts + 1]: where an expert's tokens begin */
    int32_t *distinct;    /* [experts]: those that have tokens, ascending */
    int32_t *all;         /* [experts]: 0, 1, 2, … */
    uint8_t *memory;
    uint64_t bytes;
} fm_routing;

struct fm_model {
    fm_table *table;
    fm_plan plan;
    fm_file *files; /* [table->file_count] */
    fm_experts *experts;
    const fm_backend_ops *ops;
    fm_backend *backend;
    fm_routing routing;
    bool direct;
    uint32_t sessions;
    pthread_mutex_t lock; /* held by the one call that uses the backend, the cache or the routing */

    pthread_mutex_t closing_lock; /* guards: */
    fm_session *closing;          /* sessions that were closed while a call ran; see session.c */
};

struct fm_session {
    fm_model *model;
    fm_state *state;
    int32_t *tokens; /* [plan.context] */
    uint32_t position;
    fm_stats stats;
    atomic_bool cancelled;
    fm_session *next_closing;
    fm_trace trace; /* may be NULL */
    void *trace_context;

    /* of the running eval */
    fm_progress progress;
    void *progress_context;
    uint64_t progress_done, progress_total; /* tokens */
    double progress_next;                   /* when to report again, seconds of fm_now */
};

/* Frees the sessions in `closing`; the lock is held, or nothing runs any more. */
void fm_model_free_closed(fm_model *model);

uint64_t fm_routing_bytes(const fm_config *c, const fm_plan *plan);
fm_status fm_routing_new(fm_routing *routing, const fm_config *c, const fm_plan *plan, fm_error *err);
void fm_routing_free(fm_routing *routing);

/* One block of n <= plan.sweep tokens from the session's position through every layer; the caller commits. Logits
 * [count][vocab] of the last `count` tokens. */
fm_status fm_forward(fm_session *session, const int32_t *ids, uint32_t n, uint32_t count, float *logits, fm_error *err);

#endif
