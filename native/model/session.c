#include "model.h"

#include "../base/error.h"
#include "../base/system.h"

#include <stdlib.h>
#include <string.h>

/* The cache gets what the sessions leave of the budget. FM_OVER_BUDGET when that is too little. The lock is held. */
static fm_status share_memory(fm_model *m, uint32_t sessions, fm_error *err) {
    const fm_plan *p = &m->plan;
    uint64_t session = fm_plan_session_bytes(p);
    uint64_t fixed = p->dense + p->scratch + p->readers + session * (sessions ? sessions : 1);
    uint64_t slots = p->budget > fixed ? (p->budget - fixed) / p->slot : 0;
    uint32_t least = fm_plan_least_slots(p, m->table);
    if (slots < least)
        return fm_fail(err, FM_OVER_BUDGET,
                       "the memory budget of %.1f MiB has no room for session number %u (%.1f MiB at a context of %u "
                       "tokens): close a session, choose a shorter context, or raise the budget to %.1f MiB",
                       (double)p->budget / 1048576, sessions, (double)session / 1048576, p->context,
                       (double)(fixed + least * p->slot) / 1048576);
    fm_experts_resize(m->experts, slots < p->cache_slots ? (uint32_t)slots : p->cache_slots);
    m->sessions = sessions;
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

/* Ends a call that took the lock. A session that is closed meanwhile, perhaps by this very thread from its progress
 * callback, waits in `closing` instead of for the lock; who lets go of the lock frees it. */
static void unlock(fm_model *m) {
    for (bool more = true; more;) {
        fm_model_free_closed(m);
        pthread_mutex_unlock(&m->lock);
        pthread_mutex_lock(&m->closing_lock);
        more = m->closing != NULL;
        pthread_mutex_unlock(&m->closing_lock);
        more = more && pthread_mutex_trylock(&m->lock) == 0;
    }
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
    pthread_mutex_lock(&m->lock);
    fm_status status = new_session(m, session, err);
    unlock(m);
    return status;
}

fm_status fm_session_fork(fm_session *from, fm_session **forked, fm_error *err) {
    fm_model *m = from->model;
    pthread_mutex_lock(&m->lock);
    fm_status status = new_session(m, forked, err);
    if (status == FM_OK) {
        fm_session *to = *forked;
        m->ops->state_copy(to->state, from->state, from->position);
        memcpy(to->tokens, from->tokens, from->position * sizeof *to->tokens);
        to->position = from->position;
    }
    unlock(m);
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
        unlock(m);
}

static fm_status check_call(const fm_session *s, const int32_t *ids, size_t n, fm_error *err) {
    uint32_t vocab = s->model->table->config.vocab, context = s->model->plan.context;
    if (n == 0)
        return fm_fail(err, FM_BAD_ARGUMENT, "there are no tokens to evaluate");
    if (n > context - s->position)
        return fm_fail(err, FM_CONTEXT_FULL,
                       "%zu more tokens do not fit: the session is at %u of %u positions; open the model with a larger "
                       "context or start a new session",
                       n, s->position, context);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= vocab)
            return fm_fail(err, FM_BAD_ARGUMENT, "token id %d at index %zu is outside the vocabulary of %u", ids[i], i,
                           vocab);
    return FM_OK;
}

/* Block after block; each is committed as it ends, so a failure keeps those before it. */
static fm_status eval_blocks(fm_session *s, const int32_t *ids, uint32_t n, fm_logits which, float *logits,
                             fm_error *err) {
    fm_model *m = s->model;
    uint32_t vocab = m->table->config.vocab;
    for (uint32_t done = 0; done < n;) {
        uint32_t block = n - done < m->plan.sweep ? n - done : m->plan.sweep;
        uint32_t count = which == FM_ALL_LOGITS ? block : which == FM_LAST_LOGITS && done + block == n ? 1 : 0;
        fm_status status = fm_forward(s, ids + done, block, count,
                                      which == FM_ALL_LOGITS ? logits + (size_t)done * vocab : logits, err);
        if (status != FM_OK)
            return status;
        m->ops->state_commit(s->state);
        memcpy(s->tokens + s->position, ids + done, block * sizeof *ids);
        s->position += block;
        done += block;
    }
    return FM_OK;
}

fm_status fm_session_eval(fm_session *s, const int32_t *ids, size_t n, fm_logits which, float *logits,
                          fm_progress progress, void *progress_context, fm_error *err) {
    fm_model *m = s->model;
    atomic_store(&s->cancelled, false);
    pthread_mutex_lock(&m->lock);
    fm_status status = check_call(s, ids, n, err);
    if (status == FM_OK) {
        fm_experts_stats before, after;
        fm_experts_stats_get(m->experts, &before);
        double start = fm_now();
        uint32_t position = s->position;
        s->progress = progress;
        s->progress_context = progress_context;
        s->progress_done = 0;
        s->progress_total = n;
        s->progress_next = start;
        status = eval_blocks(s, ids, (uint32_t)n, which, logits, err);
        s->progress = NULL;
        fm_experts_stats_get(m->experts, &after);
        fm_phase_stats *phase = n == 1 ? &s->stats.decode : &s->stats.prefill;
        phase->tokens += s->position - position;
        phase->expert_hits += after.hits - before.hits;
        phase->expert_misses += after.misses - before.misses;
        phase->bytes_read += after.bytes_read - before.bytes_read;
        phase->seconds += fm_now() - start;
        phase->seconds_reading += after.seconds_reading - before.seconds_reading;
        phase->seconds_waiting += after.seconds_waiting - before.seconds_waiting;
    }
    unlock(m);
    return status;
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
        fm_status status = check_call(s, ids, position, err);
        if (status != FM_OK)
            return status;
    }
    memcpy(s->tokens, ids, position * sizeof *ids);
    s->position = position;
    return FM_OK;
}
