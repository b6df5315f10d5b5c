/* The calls that append tokens: eval, for one session, and step, for one token of each of several. Both check, run the
 * blocks under the model's lock, commit what is complete and count what it took. */
#include "model.h"

#include "../base/error.h"
#include "../base/system.h"

#include <string.h>

fm_status fm_session_check(const fm_session *s, const int32_t *ids, size_t n, fm_error *err) {
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

/* The session's past grows by tokens that went through every layer. */
static void commit(fm_session *s, const int32_t *ids, uint32_t n) {
    s->model->ops->state_commit(s->state);
    memcpy(s->tokens + s->position, ids, n * sizeof *ids);
    s->position += n;
}

/* Block after block; each is committed as it ends, so a failure keeps those before it. */
static fm_status eval_blocks(fm_call *call, const int32_t *ids, uint32_t n, fm_logits which, float *logits,
                             fm_error *err) {
    fm_model *m = call->model;
    fm_session *s = call->sessions[0];
    uint32_t vocab = m->table->config.vocab;
    for (uint32_t done = 0; done < n;) {
        uint32_t block = n - done < m->plan.sweep ? n - done : m->plan.sweep;
        /* A last block of one token would be computed as a decoded one, which a GPU sums in another order: what a
         * budget (by way of the sweep) may not decide. */
        if (n - done == block + 1 && block > 2)
            block--;
        uint32_t count = which == FM_ALL_LOGITS ? block : which == FM_LAST_LOGITS && done + block == n ? 1 : 0;
        fm_stretch stretch = {s->state, s->position, block};
        fm_status status = fm_forward(call, ids + done, &stretch, 1, block, count,
                                      which == FM_ALL_LOGITS ? logits + (size_t)done * vocab : logits, err);
        if (status != FM_OK)
            return status;
        commit(s, ids + done, block);
        done += block;
    }
    return FM_OK;
}

/* Seconds of a call that has ended, to a phase. All of them: sessions of a step share them. */
static void account_seconds(fm_phase_stats *phase, const fm_call *call, double start, const fm_experts_stats *before,
                            const fm_experts_stats *after) {
    double waiting = after->seconds_waiting - before->seconds_waiting;
    phase->seconds += fm_now() - start;
    phase->seconds_disk += after->seconds_disk - before->seconds_disk;
    phase->seconds_waiting += waiting;
    for (int work = 0; work < FM_WORK; work++)
        phase->seconds_on[work] += call->on[work] - (work == FM_WORK_EXPERTS ? waiting : 0);
}

fm_status fm_session_eval(fm_session *s, const int32_t *ids, size_t n, fm_logits which, float *logits,
                          fm_progress progress, void *progress_context, fm_error *err) {
    fm_model *m = s->model;
    atomic_store(&s->cancelled, false); /* before it waits for its turn, since it may be cancelled meanwhile */
    fm_status status = fm_model_lock(m, err);
    if (status != FM_OK)
        return status;
    status = fm_session_check(s, ids, n, err);
    if (status == FM_OK) {
        fm_experts_stats before, after;
        fm_experts_stats_get(m->experts, &before);
        double start = fm_now();
        uint32_t position = s->position;
        fm_call call = {m, &s, 1, progress, progress_context, .total = n, .report_next = start};
        status = eval_blocks(&call, ids, (uint32_t)n, which, logits, err);
        fm_experts_stats_get(m->experts, &after);
        fm_phase_stats *phase = n == 1 ? &s->stats.decode : &s->stats.prefill;
        phase->tokens += s->position - position;
        phase->expert_hits += after.hits - before.hits;
        phase->expert_misses += after.misses - before.misses;
        phase->bytes_read += after.bytes_read - before.bytes_read;
        phase->expert_host_hits += after.host_hits - before.host_hits;
        phase->bytes_moved += after.bytes_moved - before.bytes_moved;
        phase->seconds_reading += after.seconds_reading - before.seconds_reading;
        account_seconds(phase, &call, start, &before, &after);
    }
    fm_model_unlock(m);
    return status;
}

static fm_status check_step(const fm_model *m, fm_session *const *sessions, const int32_t *ids, size_t n,
                            fm_error *err) {
    if (n > m->plan.sweep)
        return fm_fail(
            err, FM_BAD_ARGUMENT,
            "a step takes at most %u sessions, the tokens that the plan's activations hold (plan.sweep), not "
            "%zu: step them in groups, or raise the memory budget",
            m->plan.sweep, n);
    for (size_t i = 0; i < n; i++) {
        if (sessions[i]->model != m)
            return fm_fail(err, FM_BAD_ARGUMENT, "session number %zu of the step belongs to another model", i);
        for (size_t j = 0; j < i; j++)
            if (sessions[j] == sessions[i])
                return fm_fail(
                    err, FM_BAD_ARGUMENT,
                    "sessions number %zu and %zu of the step are the same one; a step takes one token of each", j, i);
    }
    if (n == 0)
        return fm_fail(err, FM_BAD_ARGUMENT, "there are no sessions to step");
    for (size_t i = 0; i < n; i++) {
        fm_error inner = {0};
        fm_status status = fm_session_check(sessions[i], ids + i, 1, &inner);
        if (status != FM_OK)
            return fm_fail(err, status, "session number %zu of the step: %s", i, inner.message);
    }
    return FM_OK;
}

/* Share i of n equal ones of a count; the shares add up to it. */
static uint64_t share(uint64_t count, size_t i, size_t n) {
    return count * (i + 1) / n - count * i / n;
}

/* What a step of n sessions did, to their decode phases (fm_phase_stats). */
static void account_step(const fm_call *call, bool complete, double start, const fm_experts_stats *before,
                         const fm_experts_stats *after) {
    uint64_t misses = after->misses - before->misses, host = after->host_hits - before->host_hits;
    uint64_t choices = after->hits - before->hits + host + misses + call->shared;
    uint64_t bytes = after->bytes_read - before->bytes_read, moved = after->bytes_moved - before->bytes_moved;
    double reading = after->seconds_reading - before->seconds_reading;
    for (uint32_t i = 0, n = call->count; i < n; i++) {
        fm_phase_stats *phase = &call->sessions[i]->stats.decode;
        uint64_t missed = share(misses, i, n), from_host = share(host, i, n);
        phase->tokens += complete;
        phase->expert_hits += share(choices, i, n) - missed - from_host;
        phase->expert_host_hits += from_host;
        phase->bytes_moved += share(moved, i, n);
        phase->expert_misses += missed;
        phase->bytes_read += share(bytes, i, n);
        phase->seconds_reading += reading / n;
        account_seconds(phase, call, start, before, after);
    }
}

fm_status fm_model_step(fm_model *m, fm_session *const *sessions, const int32_t *ids, size_t n, float *logits,
                        fm_progress progress, void *progress_context, fm_error *err) {
    for (size_t i = 0; i < n; i++)
        atomic_store(&sessions[i]->cancelled, false);
    fm_status status = fm_model_lock(m, err);
    if (status != FM_OK)
        return status;
    status = check_step(m, sessions, ids, n, err);
    if (status == FM_OK) {
        fm_experts_stats before, after;
        fm_experts_stats_get(m->experts, &before);
        double start = fm_now();
        uint32_t count = (uint32_t)n;
        fm_call call = {m, sessions, count, progress, progress_context, .total = n, .report_next = start};
        for (uint32_t i = 0; i < count; i++)
            m->stretches[i] = (fm_stretch){sessions[i]->state, sessions[i]->position, 1};
        status = fm_forward(&call, ids, m->stretches, count, count, count, logits, err);
        for (uint32_t i = 0; status == FM_OK && i < count; i++)
            commit(sessions[i], ids + i, 1);
        fm_experts_stats_get(m->experts, &after);
        account_step(&call, status == FM_OK, start, &before, &after);
    }
    fm_model_unlock(m);
    return status;
}
