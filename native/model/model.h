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
    int32_t *choices;     /* [layers][k]: of a token that nobody waited for */
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
    fm_stretch *stretches; /* [plan.sweep] of the step under way */
    bool direct;
    fm_expert_view *views;    /* [layers][experts], for the backend, where the cache may hold all */
    bool settled;             /* the backend knows where all experts are, as of: */
    uint64_t settled_changes; /* of fm_experts_all */
    uint64_t reserved;        /* bytes of the budget that the caller uses */
    atomic_uint sessions;     /* changes under the lock; read by fm_model_room without it */
    pthread_mutex_t lock;     /* held by the one call that uses the backend, the cache, the routing or the stretches */

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
};

/* A call under way: one session's eval, or a step of several. */
typedef struct fm_call {
    fm_model *model;
    fm_session *const *sessions; /* [count]; the cancelling of any of them ends the call */
    uint32_t count;
    fm_progress progress;
    void *progress_context;
    uint64_t done, total; /* tokens */
    double report_next;   /* seconds of fm_now */
    uint64_t shared;      /* choices of an expert that another token of the block had chosen too, but for one of them */
    double mark;          /* when the operation before ended */
    double on[FM_WORK];   /* seconds; waiting for reads is in FM_WORK_EXPERTS */
} fm_call;

/* Frees the sessions in `closing`; the lock is held, or nothing runs any more. */
void fm_model_free_closed(fm_model *model);
/* Begins a call: takes the lock. FM_BAD_ARGUMENT in a progress callback of a call that holds it. */
fm_status fm_model_lock(fm_model *model, fm_error *err);
/* Ends a call that took the lock. */
void fm_model_unlock(fm_model *model);

/* Whether n tokens may be appended to the session: ids, context. */
fm_status fm_session_check(const fm_session *session, const int32_t *ids, size_t n, fm_error *err);

uint64_t fm_routing_bytes(const fm_config *c, const fm_plan *plan);
fm_status fm_routing_new(fm_routing *routing, const fm_config *c, const fm_plan *plan, fm_error *err);
void fm_routing_free(fm_routing *routing);

/* Tells a backend that can use it where the experts are, or that they are not all in memory, when that has changed. */
fm_status fm_model_settle(fm_model *m, fm_error *err);

/* One block of n <= plan.sweep tokens, which the stretches share out, through every layer; the caller commits. Logits
 * [logits_count][vocab] of the last `logits_count` tokens. */
fm_status fm_forward(fm_call *call, const int32_t *ids, const fm_stretch *stretches, uint32_t stretch_count, uint32_t n,
                     uint32_t logits_count, float *logits, fm_error *err);

#endif
