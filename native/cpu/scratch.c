#include "cpu.h"

#include "../base/system.h"

#include <string.h>

/* Hands out pieces of `memory`, or only counts them when it is NULL. */
typedef struct carver {
    uint8_t *memory;
    uint64_t at;
} carver;

static float *carve(carver *c, uint64_t floats) {
    float *p = c->memory ? (float *)(c->memory + c->at) : NULL;
    c->at += fm_round_up(floats * sizeof(float), FM_LINE);
    return p;
}

static uint32_t larger(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

uint32_t fm_attention_spans(uint32_t positions) {
    return (positions + FM_ATTEND_SPAN - 1) / FM_ATTEND_SPAN;
}

/* Makes room for x as one more format wants it, order 0 being x itself, and for rows of the matrix to be packed. */
static void widen(fm_scratch *s, const fm_kernels *kernels, const fm_format *f) {
    int order = kernels->order(f);
    size_t bytes = order ? kernels->prepared_bytes(f) : 0;
    if (s->stride[order] < bytes)
        s->stride[order] = bytes;
    bytes = fm_packs(kernels, f) ? (size_t)f->cols / 8 * f->bits * FM_PACKED_ROWS : 0;
    if (s->pack_bytes < bytes)
        s->pack_bytes = fm_round_up(bytes, FM_LINE);
}

static void widen_all(fm_scratch *s, const fm_table *table, const fm_kernels *kernels) {
    for (int32_t l = -1; l < (int32_t)table->config.layers; l++)
        for (int role = 0; role < FM_ROLES; role++) {
            const fm_tensor *t = fm_table_tensor(table, (fm_role)role, l);
            if (t->weight.length)
                widen(s, kernels, &t->format);
        }
    for (uint32_t l = 0; l < table->config.layers; l++)
        for (int m = 0; m < FM_EXPERT_MATRICES; m++)
            widen(s, kernels, &table->experts[l].matrix[m]);
}

uint64_t fm_scratch_layout(fm_scratch *s, const fm_table *table, const fm_plan *plan, const fm_kernels *kernels,
                           uint8_t *memory) {
    const fm_config *c = &table->config;
    memset(s, 0, sizeof *s);
    carver m = {memory, 0};
    uint64_t sweep = plan->sweep, chunk = plan->chunk;
    uint64_t rows = larger(plan->chunk, plan->experts_per_token);
    uint32_t query = c->heads * c->head_dim, value = c->linear_value_heads * c->linear_value_dim;
    uint32_t channels = fm_linear_channels(c);

    s->x = carve(&m, sweep * c->hidden);
    s->h = carve(&m, sweep * c->hidden);
    s->y = carve(&m, sweep * c->hidden);

    widen_all(s, table, kernels);
    for (int o = 1; o < FM_ORDERS; o++)
        s->prepared[o] = (uint8_t *)carve(&m, rows * s->stride[o] / sizeof(float));

    s->norm = carve(&m, chunk * c->hidden);
    s->delta = carve(&m, chunk * c->hidden);
    /* The two kinds of mixer never run at once. */
    carver full = m, linear = m;
    s->qg = carve(&full, chunk * 2 * query);
    s->qn = carve(&full, chunk * query);
    s->k = carve(&full, chunk * c->kv_heads * c->head_dim);
    s->v = carve(&full, chunk * c->kv_heads * c->head_dim);
    /* A partial result, and the maximum and sum of a running total beside it. */
    uint64_t span = (uint64_t)c->heads / c->kv_heads * (c->head_dim + 4);
    uint64_t pieces = (uint64_t)c->kv_heads * fm_attention_spans(plan->context);
    uint64_t prefill = (uint64_t)plan->threads * FM_ATTEND_TOKENS;
    s->span_floats = (size_t)fm_round_up(span, 16);
    s->spans = carve(&full, (pieces > prefill ? pieces : prefill) * s->span_floats);
    s->u = carve(&linear, chunk * channels);
    s->conv = carve(&linear, chunk * channels);
    s->z = carve(&linear, chunk * value);
    s->a = carve(&linear, chunk * c->linear_value_heads);
    s->b = carve(&linear, chunk * c->linear_value_heads);
    m.at = full.at > linear.at ? full.at : linear.at;
    s->mixed = carve(&m, chunk * larger(query, value));

    s->router = carve(&m, chunk * c->experts);
    s->shared_gate = carve(&m, chunk * c->shared_inner);
    s->shared_up = carve(&m, chunk * c->shared_inner);
    s->shared_scale = carve(&m, chunk);
    s->gate = carve(&m, rows * c->moe_inner);
    s->up = carve(&m, rows * c->moe_inner);
    s->out = carve(&m, rows * c->hidden);
    s->rows = (int32_t *)carve(&m, rows);
    s->packing = (uint8_t *)carve(&m, plan->threads * s->pack_bytes / sizeof(float));
    return m.at;
}
