/* The sparse half of a layer: router, shared expert, routed experts, combine.
 *
 * Outputs of routed experts are summed in ascending order of expert ids. In decode they are computed in the order in
 * which experts arrive, kept apart, and summed at the end; in prefill they are computed and summed in that order. */
#include "cpu.h"

#include <math.h>
#include <string.h>

/* ---- router ------------------------------------------------------------------------------------------------------ */

/* The k largest logits (the lower id first among equals), their softmax over the k, in ascending order of ids.
 * The softmax over all experts, renormalised over the k, is the same thing. */
static void choose(const float *logits, uint32_t experts, uint32_t k, int32_t *ids, float *weights) {
    uint32_t kept = 0;
    for (uint32_t e = 0; e < experts; e++) {
        if (kept == k && !(logits[e] > weights[k - 1]))
            continue;
        uint32_t at = kept < k ? kept++ : k - 1;
        for (; at > 0 && logits[e] > weights[at - 1]; at--) {
            weights[at] = weights[at - 1];
            ids[at] = ids[at - 1];
        }
        weights[at] = logits[e];
        ids[at] = (int32_t)e;
    }
    float max = weights[0], sum = 0;
    for (uint32_t i = 0; i < k; i++)
        sum += weights[i] = expf(weights[i] - max);
    for (uint32_t i = 0; i < k; i++)
        weights[i] /= sum;
    for (uint32_t i = 1; i < k; i++)
        for (uint32_t at = i; at > 0 && ids[at] < ids[at - 1]; at--) {
            int32_t id = ids[at];
            float w = weights[at];
            ids[at] = ids[at - 1], weights[at] = weights[at - 1];
            ids[at - 1] = id, weights[at - 1] = w;
        }
}

typedef struct choose_task {
    const fm_backend *b;
    int32_t *ids;
    float *weights;
} choose_task;

static void choose_one(void *context, uint32_t t, uint32_t thread) {
    (void)thread;
    const choose_task *task = context;
    uint32_t experts = task->b->config.experts, k = task->b->plan.experts_per_token;
    choose(task->b->scratch.router + (size_t)t * experts, experts, k, task->ids + (size_t)t * k,
           task->weights + (size_t)t * k);
}

/* h = N1(x) and the choice for the tokens [first, first + count), at most a chunk. */
static void route_rows(fm_backend *b, uint32_t layer, uint32_t first, uint32_t count, float *h, int32_t *ids,
                       float *weights) {
    const fm_layer *l = &b->weights.layers[layer];
    fm_scratch *s = &b->scratch;
    uint32_t hidden = b->config.hidden, k = b->plan.experts_per_token;
    fm_norm_rows(b, s->x + (size_t)first * hidden, hidden, l->post_norm, count, h, hidden);
    fm_prepared rows = fm_prepare_rows(h, hidden, count, hidden);
    fm_products_run(
        b, &(fm_product){&l->router, fm_prepared_for(b, &rows, &l->router.format), count, s->router, b->config.experts},
        1);
    fm_pool_run(b->pool, count, choose_one, &(choose_task){b, ids + (size_t)first * k, weights + (size_t)first * k});
}

fm_status fm_cpu_route(fm_backend *b, uint32_t layer, uint32_t n, int32_t *ids, float *weights, fm_error *err) {
    (void)err;
    for (uint32_t first = 0; first < n; first += b->plan.chunk) {
        uint32_t count = n - first < b->plan.chunk ? n - first : b->plan.chunk;
        route_rows(b, layer, first, count, b->scratch.h + (size_t)first * b->config.hidden, ids, weights);
    }
    return FM_OK;
}

void fm_cpu_guess(fm_backend *b, uint32_t layer, int32_t *ids, float *weights) {
    route_rows(b, layer, 0, 1, b->scratch.out, ids, weights); /* the experts' outputs are not there yet */
}

/* ---- shared expert ---------------------------------------------------------------------------------------------- */

typedef struct silu_task {
    fm_backend *b;
    float *gate;
    const float *up;
    uint32_t width;
} silu_task;

static void silu_one(void *context, uint32_t row, uint32_t thread) {
    (void)thread;
    const silu_task *t = context;
    size_t at = (size_t)row * t->width;
    t->b->kernels->silu_mul(t->gate + at, t->up + at, t->width, t->gate + at);
}

/* gate = silu(gate) * up for n rows. */
static void silu_rows(fm_backend *b, float *gate, const float *up, uint32_t width, uint32_t n) {
    fm_pool_run(b->pool, n, silu_one, &(silu_task){b, gate, up, width});
}

void fm_cpu_shared(fm_backend *b, uint32_t layer, uint32_t n) {
    const fm_layer *l = &b->weights.layers[layer];
    fm_scratch *s = &b->scratch;
    uint32_t hidden = b->config.hidden, inner = b->config.shared_inner;
    for (uint32_t first = 0; first < n; first += b->plan.chunk) {
        uint32_t count = n - first < b->plan.chunk ? n - first : b->plan.chunk;
        float *y = s->y + (size_t)first * hidden;
        fm_prepared rows = fm_prepare_rows(s->h + (size_t)first * hidden, hidden, count, hidden);
        fm_product products[] = {
            {&l->shared_gate, fm_prepared_for(b, &rows, &l->shared_gate.format), count, s->shared_gate, inner},
            {&l->shared_up, fm_prepared_for(b, &rows, &l->shared_up.format), count, s->shared_up, inner},
            {&l->shared_expert_gate, fm_prepared_for(b, &rows, &l->shared_expert_gate.format), count, s->shared_scale,
             1},
        };
        fm_products_run(b, products, 3);
        silu_rows(b, s->shared_gate, s->shared_up, inner, count);
        rows = fm_prepare_rows(s->shared_gate, inner, count, inner);
        fm_products_run(
            b, &(fm_product){&l->shared_down, fm_prepared_for(b, &rows, &l->shared_down.format), count, y, hidden}, 1);
        for (uint32_t t = 0; t < count; t++) {
            float scale = 1.0f / (1.0f + expf(-s->shared_scale[t]));
            for (uint32_t i = 0; i < hidden; i++)
                y[(size_t)t * hidden + i] *= scale;
        }
    }
}

/* ---- routed experts ------------------------------------------------------------------------------------------------
 */

/* Jobs of one call take consecutive rows of the scratch: job i has rows [start[i], start[i] + jobs[i].n). */
typedef struct experts_task {
    fm_backend *b;
    const fm_layer *layer;
    const fm_expert_job *jobs;
    uint32_t count, step;
    fm_activations down;
} experts_task;

static fm_matrix expert_matrix(const fm_backend *b, const fm_layer *l, const fm_expert_job *job, int which) {
    uint8_t *const *part = job->view.part + 3 * which;
    const fm_format *f = &l->expert[which].format;
    return (fm_matrix){*f, part[0], part[1], part[2], *job->view.raw && fm_packs(b->kernels, f)};
}

/* Rows of h that the jobs ask for, one after another. In decode every job has the one row. */
static fm_prepared gather(fm_backend *b, const fm_expert_job *jobs, uint32_t count, uint32_t n) {
    fm_scratch *s = &b->scratch;
    uint32_t hidden = b->config.hidden;
    if (n == 1)
        return fm_prepare_rows(s->h, hidden, 1, hidden);
    fm_prepared x = fm_prepare_rows(s->h, hidden, 0, hidden);
    for (uint32_t j = 0; j < count; x.n += jobs[j++].n)
        memcpy(s->rows + x.n, jobs[j].tokens, jobs[j].n * sizeof *s->rows);
    x.index = s->rows;
    x.gathered = s->out;
    return x;
}

/* Where the activations of a job start: its own rows in prefill, the shared one in decode. */
static fm_activations rows_from(fm_activations a, uint32_t row) {
    return (fm_activations){(const uint8_t *)a.rows + row * a.stride, a.stride};
}

/* Rows [first, last) of the hidden size for every job in turn, so that sums keep the order of experts. */
static void down_and_sum_one(void *context, uint32_t task, uint32_t thread) {
    const experts_task *t = context;
    fm_backend *b = t->b;
    uint32_t hidden = b->config.hidden, first = task * t->step, last = first + t->step, row = 0;
    if (last > hidden)
        last = hidden;
    for (uint32_t j = 0; j < t->count; j++) {
        const fm_expert_job *job = &t->jobs[j];
        fm_matrix down = expert_matrix(b, t->layer, job, FM_DOWN);
        fm_activations a = rows_from(t->down, row);
        float *out = b->scratch.out + (size_t)row * hidden;
        if (down.raw)
            fm_pack_rows(b, &down, first, last, thread);
        b->kernels->matmul(&down, first, last, &a, job->n, out, hidden);
        for (uint32_t i = 0; i < job->n; i++)
            b->kernels->axpy(job->weights[i], out + (size_t)i * hidden + first,
                             b->scratch.y + (size_t)job->tokens[i] * hidden + first, last - first);
        row += job->n;
    }
}

fm_ticket fm_cpu_experts(fm_backend *b, uint32_t layer, uint32_t n, const fm_expert_job *jobs, uint32_t count) {
    const fm_layer *l = &b->weights.layers[layer];
    fm_scratch *s = &b->scratch;
    uint32_t hidden = b->config.hidden, inner = b->config.moe_inner;
    fm_product products[FM_PRODUCTS];
    fm_matrix matrices[FM_PRODUCTS];
    for (uint32_t begin = 0; begin < count;) {
        /* As many jobs at a time as the scratch has rows and the region has products. The pieces of one expert go one
         * after the other, since the first may pack it. */
        uint32_t end = begin, rows = 0,
                 most = b->plan.chunk > b->plan.experts_per_token ? b->plan.chunk : b->plan.experts_per_token;
        while (end < count && rows + jobs[end].n <= most && 2 * (end + 1 - begin) <= FM_PRODUCTS &&
               (end == begin || jobs[end].view.raw != jobs[end - 1].view.raw))
            rows += jobs[end++].n;
        uint32_t taken = end - begin;
        const fm_expert_job *batch = jobs + begin;
        begin = end;

        fm_prepared x = gather(b, batch, taken, n);
        fm_activations gate = fm_prepared_for(b, &x, &l->expert[FM_GATE].format);
        fm_activations up = fm_prepared_for(b, &x, &l->expert[FM_UP].format);
        for (uint32_t j = 0, row = 0; j < taken; row += batch[j++].n) {
            uint32_t from = n == 1 ? 0 : row;
            matrices[2 * j] = expert_matrix(b, l, &batch[j], FM_GATE);
            matrices[2 * j + 1] = expert_matrix(b, l, &batch[j], FM_UP);
            products[2 * j] =
                (fm_product){&matrices[2 * j], rows_from(gate, from), batch[j].n, s->gate + (size_t)row * inner, inner};
            products[2 * j + 1] =
                (fm_product){&matrices[2 * j + 1], rows_from(up, from), batch[j].n, s->up + (size_t)row * inner, inner};
        }
        fm_products_run(b, products, 2 * taken);
        silu_rows(b, s->gate, s->up, inner, rows);
        x = fm_prepare_rows(s->gate, inner, rows, inner);
        fm_activations down = fm_prepared_for(b, &x, &l->expert[FM_DOWN].format);
        if (n == 1) {
            for (uint32_t j = 0; j < taken; j++) {
                matrices[j] = expert_matrix(b, l, &batch[j], FM_DOWN);
                products[j] =
                    (fm_product){&matrices[j], rows_from(down, j), 1, s->out + (size_t)batch[j].place * hidden, hidden};
            }
            fm_products_run(b, products, taken);
        } else {
            uint32_t step = hidden / (4 * fm_pool_threads(b->pool));
            step = (step + 15) / 16 * 16;
            experts_task t = {b, l, batch, taken, step < 16 ? 16 : step, down};
            fm_pool_run(b->pool, (hidden + t.step - 1) / t.step, down_and_sum_one, &t);
        }
        for (uint32_t j = 0; j < taken; j++)
            *batch[j].view.raw = false;
    }
    return 0;
}

void fm_cpu_combine(fm_backend *b, uint32_t layer, uint32_t n, const float *weights) {
    (void)layer;
    fm_scratch *s = &b->scratch;
    uint32_t hidden = b->config.hidden;
    if (n == 1)
        for (uint32_t place = 0; place < b->plan.experts_per_token; place++)
            b->kernels->axpy(weights[place], s->out + (size_t)place * hidden, s->y, hidden);
    fm_add_rows(b, s->x, s->y, n);
}
