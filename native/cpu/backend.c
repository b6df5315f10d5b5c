#include "cpu.h"

#include "../base/error.h"
#include "../base/system.h"

#include <math.h>
#include <stdlib.h>

void fm_cpu_sizes(const fm_table *table, const fm_plan *plan, fm_backend_sizes *sizes) {
    fm_scratch ignored;
    *sizes = (fm_backend_sizes){
        .dense = fm_weights_bytes(table),
        .scratch = fm_scratch_layout(&ignored, table, plan, fm_kernels_find(plan->kernels), NULL),
        .session_fixed = fm_state_fixed_bytes(&table->config),
        .session_context = fm_state_context_bytes(&table->config, plan->context),
    };
}

static void cpu_close(fm_backend *b) {
    if (!b)
        return;
    fm_pool_free(b->pool);
    fm_weights_free(&b->weights);
    fm_pages_free(b->scratch_memory, (size_t)b->scratch_bytes);
    free(b->inv_freq);
    free(b);
}

static fm_status cpu_open(const fm_table *table, const fm_plan *plan, const fm_file *files, const fm_options *options,
                          fm_progress progress, void *progress_context, fm_backend **out, fm_error *err) {
    (void)options;
    fm_backend *b = calloc(1, sizeof *b);
    if (!b)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the CPU backend");
    b->ops = &fm_cpu_backend;
    b->table = table;
    b->config = table->config;
    b->plan = *plan;
    b->kernels = fm_kernels_find(plan->kernels);
    b->inv_freq = calloc(table->config.rope_dim / 2 + 1, sizeof *b->inv_freq);
    b->scratch_bytes = fm_scratch_layout(&b->scratch, table, plan, b->kernels, NULL);
    b->scratch_memory = fm_pages_new((size_t)b->scratch_bytes);
    fm_status status = FM_OK;
    if (!b->inv_freq || !b->scratch_memory)
        status = fm_fail(err, FM_NO_MEMORY, "the system refused %llu bytes of scratch memory",
                         (unsigned long long)b->scratch_bytes);
    if (status == FM_OK) {
        fm_scratch_layout(&b->scratch, table, plan, b->kernels, b->scratch_memory);
        for (uint32_t j = 0; j < b->config.rope_dim / 2; j++)
            b->inv_freq[j] = (float)pow(b->config.rope_theta, -2.0 * j / b->config.rope_dim);
        status = fm_pool_new(&b->pool, plan->threads, err);
    }
    if (status == FM_OK)
        status = fm_weights_load(b, files, progress, progress_context, err);
    if (status != FM_OK) {
        cpu_close(b);
        return status;
    }
    *out = b;
    return FM_OK;
}

static void cpu_embed(fm_backend *b, const int32_t *ids, uint32_t n, const fm_stretch *stretches, uint32_t count) {
    (void)stretches, (void)count;
    for (uint32_t t = 0; t < n; t++)
        b->kernels->row(&b->weights.embed, (uint32_t)ids[t], b->scratch.x + (size_t)t * b->config.hidden);
}

static fm_status cpu_head(fm_backend *b, uint32_t first, uint32_t count, float *logits, fm_error *err) {
    (void)err;
    uint32_t hidden = b->config.hidden, vocab = b->config.vocab;
    fm_scratch *s = &b->scratch;
    for (uint32_t at = 0; at < count; at += b->plan.chunk) {
        uint32_t n = count - at < b->plan.chunk ? count - at : b->plan.chunk;
        fm_norm_rows(b, s->x + (size_t)(first + at) * hidden, hidden, b->weights.norm, n, s->norm, hidden);
        fm_prepared rows = fm_prepare_rows(s->norm, hidden, n, hidden);
        const fm_matrix *head = &b->weights.head;
        fm_products_run(
            b, &(fm_product){head, fm_prepared_for(b, &rows, &head->format), n, logits + (size_t)at * vocab, vocab}, 1);
    }
    return FM_OK;
}

/* Operations are done when they return. */
static fm_status cpu_wait(fm_backend *b, fm_ticket ticket, fm_error *err) {
    (void)b, (void)ticket, (void)err;
    return FM_OK;
}

static fm_status cpu_finish(fm_backend *b, fm_error *err) {
    return cpu_wait(b, 0, err);
}

const fm_backend_ops fm_cpu_backend = {
    .name = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .embed = cpu_embed,
    .mixer = fm_cpu_mixer,
    .route = fm_cpu_route,
    .guess = fm_cpu_guess,
    .shared = fm_cpu_shared,
    .experts = fm_cpu_experts,
    .combine = fm_cpu_combine,
    .head = cpu_head,
    .wait = cpu_wait,
    .finish = cpu_finish,
    .state_new = fm_cpu_state_new,
    .state_free = fm_cpu_state_free,
    .state_commit = fm_cpu_state_commit,
    .state_copy = fm_cpu_state_copy,
    .state_runs = fm_cpu_state_runs,
    .state_filled = fm_cpu_state_filled,
};
