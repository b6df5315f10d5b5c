/* The pass of a block of tokens through the model:
 *
 *     x = embed(tokens)
 *     for each layer:   x = x + mixer(N1(x))
 *                       x = x + moe(N1(x))
 *     logits = head(N1(x))
 *
 * The tokens are those of one session, or one each of several. A block of one token has a way of its own through the
 * experts; anything more goes through a layer whole before the next, and every expert that any of its tokens chose is
 * read at most once. */
#include "model.h"

#include "../base/error.h"
#include "../base/system.h"

#include <stdlib.h>
#include <string.h>

/* Experts of one backend call: enough that small jobs share a parallel region. */
enum { BATCH = 32 };
/* Progress is reported at most this often, in seconds. */
#define REPORT_EVERY 0.05

/* ---- routing, turned around ------------------------------------------------------------------------------------- */

static uint8_t *carve(uint8_t *memory, uint64_t *at, uint64_t bytes) {
    uint8_t *p = memory ? memory + *at : NULL;
    *at += fm_round_up(bytes, FM_LINE);
    return p;
}

static uint64_t layout(fm_routing *r, const fm_config *c, const fm_plan *plan, uint8_t *memory) {
    uint64_t pairs = (uint64_t)plan->sweep * plan->experts_per_token, at = 0;
    r->ids = (int32_t *)carve(memory, &at, pairs * sizeof *r->ids);
    r->weights = (float *)carve(memory, &at, pairs * sizeof *r->weights);
    r->tokens = (int32_t *)carve(memory, &at, pairs * sizeof *r->tokens);
    r->token_weights = (float *)carve(memory, &at, pairs * sizeof *r->token_weights);
    r->first = (uint32_t *)carve(memory, &at, (c->experts + 1) * sizeof *r->first);
    r->distinct = (int32_t *)carve(memory, &at, c->experts * sizeof *r->distinct);
    r->all = (int32_t *)carve(memory, &at, c->experts * sizeof *r->all);
    r->choices = (int32_t *)carve(memory, &at, (uint64_t)c->layers * plan->experts_per_token * sizeof *r->choices);
    return at;
}

uint64_t fm_routing_bytes(const fm_config *c, const fm_plan *plan) {
    fm_routing ignored;
    return layout(&ignored, c, plan, NULL);
}

fm_status fm_routing_new(fm_routing *r, const fm_config *c, const fm_plan *plan, fm_error *err) {
    r->bytes = fm_routing_bytes(c, plan);
    r->memory = fm_pages_new((size_t)r->bytes);
    if (!r->memory)
        return fm_fail(err, FM_NO_MEMORY, "the system refused %llu bytes for routing", (unsigned long long)r->bytes);
    layout(r, c, plan, r->memory);
    for (uint32_t e = 0; e < c->experts; e++)
        r->all[e] = (int32_t)e;
    return FM_OK;
}

void fm_routing_free(fm_routing *r) {
    if (r->memory)
        fm_pages_free(r->memory, (size_t)r->bytes);
    r->memory = NULL;
}

/* Groups the tokens by expert; returns how many experts have any. */
static uint32_t group_by_expert(fm_routing *r, uint32_t experts, uint32_t n, uint32_t k) {
    memset(r->first, 0, (experts + 1) * sizeof *r->first);
    for (uint32_t i = 0; i < n * k; i++)
        r->first[r->ids[i] + 1]++;
    uint32_t distinct = 0;
    for (uint32_t e = 0; e < experts; e++) {
        if (r->first[e + 1])
            r->distinct[distinct++] = (int32_t)e;
        r->first[e + 1] += r->first[e];
    }
    for (uint32_t i = 0; i < n * k; i++) {
        uint32_t at = r->first[r->ids[i]]++;
        r->tokens[at] = (int32_t)(i / k);
        r->token_weights[at] = r->weights[i];
    }
    for (uint32_t e = experts; e > 0; e--)
        r->first[e] = r->first[e - 1];
    r->first[0] = 0;
    return distinct;
}

/* ---- progress and cancelling --------------------------------------------------------------------------------------
 */

static bool stopped(void *context) {
    fm_call *call = context;
    double now;
    if (call->progress && (now = fm_now()) >= call->report_next) {
        call->report_next = now + REPORT_EVERY;
        if (call->progress(call->progress_context, call->done, call->total))
            return true;
    }
    for (uint32_t i = 0; i < call->count; i++)
        if (atomic_load(&call->sessions[i]->cancelled))
            return true;
    return false;
}

static fm_status cancelled(fm_error *err) {
    return fm_fail(err, FM_CANCELLED, "the call was cancelled");
}

/* What was done since the operation before was work of this kind. */
static void spent(fm_call *call, fm_work work) {
    double now = fm_now();
    call->on[work] += now - call->mark;
    call->mark = now;
}

/* ---- the MoE of a layer --------------------------------------------------------------------------------------------
 */

/* Experts of a request that were given to the backend: indices of the request. */
struct batch {
    int32_t which[BATCH];
    uint32_t count;
    fm_ticket ticket;
};

/* Waits until the backend is through with them, then their slots are free again. */
static fm_status release(fm_model *m, struct batch *batch, fm_error *err) {
    if (batch->count == 0)
        return FM_OK;
    fm_status status = m->ops->wait(m->backend, batch->ticket, err);
    for (uint32_t i = 0; i < batch->count; i++)
        fm_experts_release(m->experts, batch->which[i]);
    batch->count = 0;
    return status;
}

/* As fm_experts_acquire; when only a release can help, that of the batch before. */
static fm_status acquire(fm_model *m, int32_t which, bool wait, struct batch *before, int32_t *got,
                         fm_expert_view *view, fm_error *err) {
    fm_status status = fm_experts_acquire(m->experts, which, wait, got, view, err);
    if (status != FM_OK || *got >= 0 || !wait)
        return status;
    status = release(m, before, err);
    return status != FM_OK ? status : fm_experts_acquire(m->experts, which, true, got, view, err);
}

/* One token: its k experts in the order in which they are there, hits first. The last batch stays pinned until the next
 * router's choice is there, when the backend is through with it. */
static fm_status experts_of_token(fm_model *m, uint32_t layer, fm_error *err) {
    static const int32_t token = 0;
    static const float unit = 1.0f;
    uint32_t k = m->plan.experts_per_token;
    struct batch before = {.count = 0};
    for (uint32_t done = 0; done < k;) {
        fm_expert_job jobs[BATCH];
        struct batch now = {.count = 0};
        while (now.count < BATCH && done + now.count < k) {
            fm_expert_job *job = &jobs[now.count];
            int32_t got;
            fm_status status = acquire(m, FM_ANY, now.count == 0, &before, &got, &job->view, err);
            if (status != FM_OK)
                return status;
            if (got < 0)
                break;
            job->tokens = &token;
            job->weights = &unit;
            job->n = 1;
            job->place = (uint32_t)got;
            now.which[now.count++] = got;
        }
        now.ticket = m->ops->experts(m->backend, layer, 1, jobs, now.count);
        done += now.count;
        /* Kept for a release if one is needed: all of them, where they fit. */
        if (before.count + now.count > BATCH) {
            fm_status status = release(m, &before, err);
            if (status != FM_OK)
                return status;
        }
        for (uint32_t i = 0; i < now.count; i++)
            before.which[before.count++] = now.which[i];
        before.ticket = now.ticket;
    }
    return FM_OK;
}

/* A block: every expert that some token chose, in ascending order, each on all of its tokens. Experts that are already
 * there share a call. */
static fm_status experts_of_block(fm_call *call, uint32_t layer, uint32_t n, uint32_t distinct, fm_error *err) {
    fm_model *m = call->model;
    const fm_routing *r = &m->routing;
    struct batch before = {.count = 0};
    for (uint32_t done = 0; done < distinct;) {
        fm_expert_job jobs[BATCH];
        uint32_t acquired = 0, count = 0, rows = 0;
        while (count < BATCH && done + acquired < distinct && rows < m->plan.chunk) {
            uint32_t expert = (uint32_t)r->distinct[done + acquired];
            uint32_t at = r->first[expert], end = r->first[expert + 1];
            if (acquired && rows + end - at > m->plan.chunk)
                break;
            int32_t got;
            fm_expert_view view;
            fm_status status = acquire(m, (int32_t)(done + acquired), acquired == 0, &before, &got, &view, err);
            if (status != FM_OK)
                return status;
            if (got < 0)
                break;
            acquired++;
            rows += end - at;
            /* More tokens than one product takes: in pieces, while the expert is here. */
            while (at < end) {
                if (count == BATCH) {
                    m->ops->experts(m->backend, layer, n, jobs, count);
                    count = 0;
                }
                uint32_t piece = end - at < m->plan.chunk ? end - at : m->plan.chunk;
                jobs[count++] = (fm_expert_job){view, r->tokens + at, r->token_weights + at, piece, 0};
                at += piece;
            }
        }
        fm_ticket ticket = m->ops->experts(m->backend, layer, n, jobs, count);
        fm_status status = release(m, &before, err); /* while this batch is computed */
        if (status != FM_OK)
            return status;
        for (uint32_t i = 0; i < acquired; i++)
            before.which[i] = (int32_t)(done + i);
        before.count = acquired;
        before.ticket = ticket;
        done += acquired;
        if (stopped(call))
            return cancelled(err);
    }
    return release(m, &before, err);
}

/* Decode: what the next layer's router says of the state that this layer's experts are given is mostly what it will say
 * when its turn comes. So its choice is read, the heaviest first, while the disk would have nothing to do. */
static void guess(fm_model *m, uint32_t layer) {
    uint32_t k = m->plan.experts_per_token;
    int32_t *ids = m->routing.tokens; /* only blocks need them */
    float *weights = m->routing.token_weights;
    m->ops->guess(m->backend, layer, ids, weights);
    for (uint32_t i = 1; i < k; i++)
        for (uint32_t at = i; at > 0 && weights[at] > weights[at - 1]; at--) {
            int32_t id = ids[at];
            float weight = weights[at];
            ids[at] = ids[at - 1], weights[at] = weights[at - 1];
            ids[at - 1] = id, weights[at - 1] = weight;
        }
    fm_experts_prefetch(m->experts, layer, ids, k, true);
}

static fm_status moe(fm_call *call, uint32_t layer, uint32_t n, fm_error *err) {
    fm_model *m = call->model;
    fm_routing *r = &m->routing;
    const fm_config *c = &m->table->config;
    uint32_t k = m->plan.experts_per_token;
    fm_status status = m->ops->route(m->backend, layer, n, r->ids, r->weights, err);
    fm_experts_finish(m->experts); /* of the layer before, whose experts the backend is through with */
    if (status != FM_OK)
        return status;
    for (uint32_t i = 0, rows = n / call->count; i < call->count; i++) {
        const fm_session *s = call->sessions[i];
        if (s->trace)
            s->trace(s->trace_context, layer, rows, r->ids + (size_t)i * rows * k);
    }
    uint32_t distinct = n == 1 ? k : group_by_expert(r, c->experts, n, k);
    fm_experts_chosen(m->experts, layer, r->ids, n, k);
    call->shared += n * k - distinct;
    uint32_t missed = fm_experts_request(m->experts, layer, n == 1 ? r->ids : r->distinct, distinct);
    /* Where all experts have room, a layer that missed nothing says that no other will. */
    bool complete = m->plan.cache_slots == c->layers * c->experts;
    if (n == 1 && (missed || !complete) && layer + 1 < c->layers && m->ops->guess)
        guess(m, layer + 1);
    spent(call, FM_WORK_ROUTER);
    m->ops->shared(m->backend, layer, n); /* while misses are read */
    spent(call, FM_WORK_SHARED);
    status = n == 1 ? experts_of_token(m, layer, err) : experts_of_block(call, layer, n, distinct, err);
    if (status != FM_OK)
        return status;
    if (!m->plan.gpu) /* a GPU is through with them when its next choice is there */
        fm_experts_finish(m->experts);
    m->ops->combine(m->backend, layer, n, r->weights);
    spent(call, FM_WORK_EXPERTS);
    /* A long block will want nearly every expert of the next layer too: keep the disk busy during its mixer. */
    if (distinct > c->experts / 4 * 3 && layer + 1 < c->layers)
        fm_experts_prefetch(m->experts, layer + 1, r->all, c->experts, false);
    return FM_OK;
}

/* ---- every expert in memory ---------------------------------------------------------------------------------------
 */

fm_status fm_model_settle(fm_model *m, fm_error *err) {
    const fm_config *c = &m->table->config;
    uint64_t changes;
    if (!m->views)
        return FM_OK;
    bool all = fm_experts_all(m->experts, &changes);
    if (all == m->settled && (!all || changes == m->settled_changes))
        return FM_OK;
    m->settled = false;
    if (!all)
        return m->ops->settle(m->backend, NULL, err);
    for (uint32_t l = 0; l < c->layers; l++)
        for (uint32_t e = 0; e < c->experts; e++)
            fm_experts_view_of(m->experts, l, (int32_t)e, &m->views[(size_t)l * c->experts + e]);
    fm_status status = m->ops->settle(m->backend, m->views, err);
    m->settled = status == FM_OK;
    m->settled_changes = changes;
    return status;
}

/* What a token chose, when it went through without anyone looking. */
static void account(fm_call *call) {
    fm_model *m = call->model;
    uint32_t k = m->plan.experts_per_token;
    const fm_session *s = call->sessions[0];
    m->ops->chosen(m->backend, m->routing.choices);
    for (uint32_t l = 0; l < m->table->config.layers; l++) {
        const int32_t *ids = m->routing.choices + (size_t)l * k;
        if (s->trace)
            s->trace(s->trace_context, l, 1, ids);
        fm_experts_used(m->experts, l, ids, k);
    }
}

/* ---- all layers ----------------------------------------------------------------------------------------------------
 */

static fm_status forward(fm_call *call, const int32_t *ids, const fm_stretch *stretches, uint32_t stretch_count,
                         uint32_t n, uint32_t logits_count, float *logits, fm_error *err) {
    fm_model *m = call->model;
    const fm_config *c = &m->table->config;
    uint64_t before = call->done;
    call->mark = fm_now();
    fm_status status = n == 1 ? fm_model_settle(m, err) : FM_OK;
    if (status != FM_OK)
        return status;
    bool settled = n == 1 && m->settled;
    m->ops->embed(m->backend, ids, n, stretches, stretch_count);
    spent(call, FM_WORK_ENDS);
    for (uint32_t layer = 0; layer < c->layers; layer++) {
        if (!m->ops->mixer(m->backend, layer, stretches, stretch_count, stopped, call))
            return cancelled(err);
        spent(call, c->full_attention[layer] ? FM_WORK_ATTENTION : FM_WORK_DELTA);
        if (settled)
            m->ops->settled(m->backend, layer);
        else
            status = moe(call, layer, n, err);
        if (status != FM_OK)
            return status;
        call->done = before + (uint64_t)n * (layer + 1) / c->layers;
    }
    if (logits_count)
        status = m->ops->head(m->backend, n - logits_count, logits_count, logits, err);
    if (status == FM_OK && settled) {
        status = m->ops->finish(m->backend, err);
        if (status == FM_OK)
            account(call);
    }
    return status;
}

fm_status fm_forward(fm_call *call, const int32_t *ids, const fm_stretch *stretches, uint32_t stretch_count, uint32_t n,
                     uint32_t logits_count, float *logits, fm_error *err) {
    fm_model *m = call->model;
    fm_status status = forward(call, ids, stretches, stretch_count, n, logits_count, logits, err);
    /* Also after an error: nothing may use experts or state any more. */
    fm_status finished = m->ops->finish(m->backend, status == FM_OK ? err : NULL);
    fm_experts_finish(m->experts);
    spent(call, FM_WORK_ENDS);
    return status != FM_OK ? status : finished;
}
