#include "gpu.h"

#include "../base/system.h"

#include <string.h>

enum { ALIGN = 256 };

typedef struct carver {
    fm_buffer *buffer;
    uint64_t at;
} carver;

static fm_range carve(carver *c, uint64_t words) {
    fm_range r = {c->buffer, c->at};
    c->at += fm_round_up(words * 4 + 4, ALIGN);
    return r;
}

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Layout for these buffers; with NULLs it only counts. */
static void lay_out(fm_gpu_scratch *s, const fm_table *table, const fm_plan *plan, carver *m, carver *large,
                    carver *host, bool unified) {
    const fm_config *c = &table->config;
    uint64_t sweep = plan->sweep, chunk = plan->chunk, k = plan->experts_per_token, pairs = sweep * k;
    uint64_t query = (uint64_t)c->heads * c->head_dim, value = (uint64_t)c->linear_value_heads * c->linear_value_dim;
    uint64_t kv = (uint64_t)c->kv_heads * c->head_dim, channels = fm_linear_channels(c), tail;
    s->x = carve(m, sweep * c->hidden);
    s->h = carve(m, sweep * c->hidden);
    s->shared = carve(m, sweep * c->hidden);
    s->shared_gate = carve(m, sweep);
    uint64_t choices = larger(pairs, c->layers * fm_gpu_choice(plan));
    s->choice = carve(m, choices);
    s->weights = carve(m, choices);
    s->gate = carve(large, pairs * c->moe_inner);
    s->up = carve(large, pairs * c->moe_inner);
    s->out = carve(large, pairs * c->hidden);
    s->rotation = carve(m, sweep * c->rope_dim);
    s->norm = carve(m, chunk * c->hidden);
    s->qg = carve(m, chunk * 2 * query);
    s->q = carve(m, chunk * query);
    s->k = carve(m, chunk * kv);
    s->v = carve(m, chunk * kv);
    uint64_t spans = (uint64_t)plan->context / FM_SPAN + 1;
    s->partial = carve(m, c->heads * larger(spans, FM_SPANS) * (c->head_dim + FM_SPAN_STRIDE));
    s->u = carve(m, chunk * channels);
    s->conv = carve(m, chunk * channels);
    s->z = carve(m, chunk * value);
    s->o = carve(m, chunk * value);
    s->a = carve(m, chunk * c->linear_value_heads);
    s->b = carve(m, chunk * c->linear_value_heads);
    s->mixed = carve(m, chunk * larger(query, value));
    s->recurrent = carve(m, fm_gpu_layer_recurrent_bytes(c, &tail) / 4);
    s->router = carve(m, chunk * c->experts);
    s->inner[0] = carve(m, chunk * c->shared_inner);
    s->inner[1] = carve(m, chunk * c->shared_inner);
    s->entries = carve(m, (uint64_t)c->layers * c->experts * sizeof(struct fm_expert) / 4);
    s->entry = carve(m, k * sizeof(struct fm_expert) / 4);
    s->unused = carve(m, 4 * FM_UNUSED);

    s->jobs_most = (uint32_t)(c->experts + pairs / chunk + 64);
    s->tiles_most = (uint32_t)(s->jobs_most + pairs / FM_BLOCK);
    s->pairs_most = (uint32_t)(pairs + 4 * (uint64_t)s->jobs_most);
    s->ids = carve(host, sweep);
    s->rotation_made = carve(host, sweep * c->rope_dim);
    s->chosen = carve(host, choices);
    s->weighted = carve(host, choices);
    s->table = carve(host, (uint64_t)s->jobs_most * sizeof(struct fm_expert) / 4);
    s->pairs = carve(host, s->pairs_most);
    s->tiles = carve(host, (uint64_t)s->tiles_most * sizeof(struct fm_tile) / 4);
    s->logits = carve(host, (uint64_t)FM_HEAD_ROWS * c->vocab);
    s->logits_made = unified ? s->logits : carve(m, (uint64_t)FM_HEAD_ROWS * c->vocab);
}

fm_status fm_gpu_scratch_new(fm_gpu_scratch *s, const fm_table *table, const fm_plan *plan, fm_device *device,
                             fm_error *err) {
    memset(s, 0, sizeof *s);
    carver m = {0}, large = {0}, host = {0};
    /* Without a device, for one that needs the most. */
    lay_out(s, table, plan, &m, &large, &host, device && device->limits.unified);
    s->bytes = m.at + large.at + host.at;
    if (!device)
        return FM_OK;
    fm_status status = fm_buffer_new(device, m.at, FM_PRIVATE, false, &s->memory, err);
    if (status == FM_OK)
        status = fm_buffer_new(device, large.at, FM_PRIVATE, false, &s->large, err);
    if (status == FM_OK)
        status = fm_buffer_new(device, host.at, FM_SHARED, false, &s->host, err);
    m = (carver){s->memory, 0};
    large = (carver){s->large, 0};
    host = (carver){s->host, 0};
    lay_out(s, table, plan, &m, &large, &host, device->limits.unified);
    return status;
}

void fm_gpu_scratch_free(fm_gpu_scratch *s) {
    fm_buffer_free(s->memory);
    fm_buffer_free(s->large);
    fm_buffer_free(s->host);
    memset(s, 0, sizeof *s);
}
