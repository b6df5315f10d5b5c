/* Sessions: their making and closing, what they share of the memory budget, and their state as a value. */
#include "model.h"

#include "../base/error.h"
#include "../base/system.h"

#include <stdlib.h>
#include <string.h>

uint32_t fm_model_room(const fm_model *m) {
    const fm_plan *p = &m->plan;
    uint64_t least = fm_plan_fixed_bytes(p) + fm_plan_least_slots(p, m->table) * p->slot;
    uint64_t most = p->budget > least ? (p->budget - least) / fm_plan_session_bytes(p) : 0;
    uint32_t open = atomic_load(&m->sessions);
    return most <= open ? 0 : most - open < UINT32_MAX ? (uint32_t)(most - open) : UINT32_MAX;
}

/* The cache gets what the sessions leave of the budget. FM_OVER_BUDGET when that is too little. The lock is held. */
static fm_status share_memory(fm_model *m, uint32_t sessions, fm_error *err) {
    const fm_plan *p = &m->plan;
    uint64_t session = fm_plan_session_bytes(p);
    uint64_t fixed = fm_plan_fixed_bytes(p) + m->reserved + session * (sessions ? sessions : 1);
    uint64_t slots = p->budget > fixed ? (p->budget - fixed) / p->slot : 0;
    uint32_t least = fm_plan_least_slots(p, m->table);
    if (slots < least)
        return fm_fail(err, FM_OVER_BUDGET,
                       "the memory budget of %.1f MiB has no room for session number %u (%.1f MiB at a context of %u "
                       "tokens): close a session, choose a shorter context, or raise the budget to %.1f MiB",
                       (double)p->budget / 1048576, sessions, (double)session / 1048576, p->context,
                       (double)(fixed + least * p->slot) / 1048576);
    fm_experts_resize(m->experts, slots < p->cache_slots ? (uint32_t)slots : p->cache_slots);
    atomic_store(&m->sessions, sessions);
    return FM_OK;
}

void fm_model_free_closed(fm_model *m) {
    pthread_mutex_lock(&m->closing_lock);
    fm_session *s = m->closing;
    m->closing = NULL;
    pthread_mutex_unlock(&m->closing_lock);
    while (s) {
        fm_session *next = s->next_closing;
        m->ops->state_free(m->backend, s->state);
        free(s->tokens);
        free(s);
        share_memory(m, m->sessions - 1, NULL);
        s = next;
    }
}

/* The lock knows its owner (fm_model_open), so that a progress callback which uses the model is told so and does not
 * wait for the call that it was called from. */
fm_status fm_model_lock(fm_model *m, fm_error *err) {
    if (pthread_mutex_lock(&m->lock) == 0)
        return FM_OK;
    return fm_fail(err, FM_BAD_ARGUMENT,
                   "the model is in the middle of a call of this very thread, whose progress callback cannot use the "
                   "model: note there what is to be done, and do it when the call has returned");
}

/* A session that is closed meanwhile, perhaps by this very thread from its progress callback, waits in `closing`
 * instead of for the lock; who lets go of the lock frees it. */
void fm_model_unlock(fm_model *m) {
    for (bool more = true; more;) {
        fm_model_free_closed(m);
        pthread_mutex_unlock(&m->lock);
        pthread_mutex_lock(&m->closing_lock);
        more = m->closing != NULL;
        pthread_mutex_unlock(&m->closing_lock);
        more = more && pthread_mutex_trylock(&m->lock) == 0;
    }
}

fm_status fm_model_reserve(fm_model *m, uint64_t bytes, fm_error *err) {
    fm_status status = fm_model_lock(m, err);
    if (status != FM_OK)
        return status;
    fm_model_free_closed(m); /* what is closed makes room */
    uint64_t before = m->reserved;
    m->reserved = bytes;
    status = share_memory(m, m->sessions, NULL);
    if (status != FM_OK) {
        m->reserved = before;
        fm_fail(err, status, "the memory budget of %.1f MiB has no room for another %.1f MiB beside %u open sessions",
                (double)m->plan.budget / 1048576, (double)(bytes - before) / 1048576, m->sessions);
    }
    fm_model_unlock(m);
    return status;
}

/* fm_session_new under the lock. */
static fm_status new_session(fm_model *m, fm_session **out, fm_error *err) {
    fm_status status = share_memory(m, m->sessions + 1, err);
    if (status != FM_OK)
        return status;
    fm_session *s = calloc(1, sizeof *s);
    if (s) {
        s->model = m;
        s->tokens = malloc(m->plan.context * sizeof *s->tokens);
        s->state = m->ops->state_new(m->backend);
    }
    if (!s || !s->tokens || !s->state) {
        if (s) {
            m->ops->state_free(m->backend, s->state);
            free(s->tokens);
            free(s);
        }
        share_memory(m, m->sessions - 1, NULL);
        return fm_fail(err, FM_NO_MEMORY, "the system refused memory for a session");
    }
    *out = s;
    return FM_OK;
}

fm_status fm_session_new(fm_model *m, fm_session **session, fm_error *err) {
    fm_status status = fm_model_lock(m, err);
    if (status != FM_OK)
        return status;
    status = new_session(m, session, err);
    fm_model_unlock(m);
    return status;
}

fm_status fm_session_fork(fm_session *from, fm_session **forked, fm_error *err) {
    fm_model *m = from->model;
    fm_status status = fm_model_lock(m, err);
    if (status != FM_OK)
        return status;
    status = new_session(m, forked, err);
    if (status == FM_OK) {
        fm_session *to = *forked;
        m->ops->state_copy(to->state, from->state, from->position);
        memcpy(to->tokens, from->tokens, from->position * sizeof *to->tokens);
        to->position = from->position;
    }
    fm_model_unlock(m);
    return status;
}

void fm_session_close(fm_session *s) {
    if (!s)
        return;
    fm_model *m = s->model;
    pthread_mutex_lock(&m->closing_lock);
    s->next_closing = m->closing;
    m->closing = s;
    pthread_mutex_unlock(&m->closing_lock);
    if (pthread_mutex_trylock(&m->lock) == 0)
        fm_model_unlock(m);
}

void fm_session_cancel(fm_session *s) {
    atomic_store(&s->cancelled, true);
}
void fm_session_trace(fm_session *s, fm_trace trace, void *context) {
    s->trace = trace;
    s->trace_context = context;
}
uint32_t fm_session_position(const fm_session *s) {
    return s->position;
}
const int32_t *fm_session_tokens(const fm_session *s) {
    return s->tokens;
}
void fm_session_stats(const fm_session *s, fm_stats *stats) {
    *stats = s->stats;
}

size_t fm_session_state(fm_session *s, uint32_t position, fm_run *runs, size_t room) {
    if (position > s->model->plan.context)
        position = s->model->plan.context;
    return s->model->ops->state_runs(s->state, position, runs, room);
}

fm_status fm_session_restore(fm_session *s, const int32_t *ids, uint32_t position, fm_error *err) {
    s->position = 0;
    if (position > 0) {
        fm_status status = fm_session_check(s, ids, position, err);
        if (status != FM_OK)
            return status;
    }
    s->model->ops->state_filled(s->state, position);
    memcpy(s->tokens, ids, position * sizeof *ids);
    s->position = position;
    return FM_OK;
}
