#include "model.h"

#include "../base/error.h"

#include <stdlib.h>
#include <string.h>

static fm_status open_files(fm_model *m, const fm_options *options, fm_error *err) {
    uint32_t count = m->table->file_count;
    m->files = calloc(count + 1, sizeof *m->files);
    uint64_t *sizes = calloc(count + 1, sizeof *sizes);
    if (!m->files || !sizes) {
        free(sizes);
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the file table");
    }
    for (uint32_t f = 0; f < count; f++)
        m->files[f].buffered = m->files[f].direct = -1;
    bool direct = options->read_mode != FM_READ_BUFFERED;
    fm_status status = FM_OK;
    for (uint32_t f = 0; f < count && status == FM_OK; f++) {
        status = fm_file_open(&m->files[f], m->table->files[f], direct, err);
        sizes[f] = m->files[f].size;
    }
    if (status == FM_OK)
        status = fm_table_check_files(m->table, sizes, err);
    free(sizes);
    if (status != FM_OK)
        return status;
    m->direct = direct;
    for (uint32_t f = 0; f < count; f++)
        m->direct = m->direct && m->files[f].direct >= 0;
    if (options->read_mode == FM_READ_DIRECT && !m->direct)
        return fm_fail(err, FM_UNSUPPORTED,
                       "direct reads were asked for, but the file system of %s does not allow them; use the buffered "
                       "reader",
                       m->table->files[0]);
    return FM_OK;
}

/* Where the cache has room for every expert, a GPU gets all of them at once: then no token waits for a choice. */
static fm_status load_experts(fm_model *m, fm_progress progress, void *context, fm_error *err) {
    const fm_config *c = &m->table->config;
    m->views = calloc((size_t)c->layers * c->experts, sizeof *m->views);
    if (!m->views)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the table of experts");
    fm_status status = FM_OK;
    for (uint32_t l = 0; l < c->layers && status == FM_OK; l++) {
        fm_experts_request(m->experts, l, m->routing.all, c->experts);
        for (uint32_t e = 0; e < c->experts && status == FM_OK; e++) {
            fm_expert_view view;
            int32_t got;
            status = fm_experts_acquire(m->experts, (int32_t)e, true, &got, &view, err);
            if (status == FM_OK)
                fm_experts_release(m->experts, (int32_t)e);
        }
        fm_experts_finish(m->experts);
        uint64_t done = m->plan.dense + m->plan.experts_total / c->layers * (l + 1);
        if (status == FM_OK && progress && progress(context, done, m->plan.dense + m->plan.experts_total))
            status = fm_fail(err, FM_CANCELLED, "loading was cancelled");
    }
    return status == FM_OK ? fm_model_settle(m, err) : status;
}

fm_status fm_model_open(const fm_spec *spec, const fm_options *options, fm_progress progress, void *progress_context,
                        fm_model **out, fm_error *err) {
    fm_model *m = calloc(1, sizeof *m);
    if (!m)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the model");
    pthread_mutexattr_t owned; /* by a thread, which is told when it wants the lock again (fm_model_lock) */
    pthread_mutexattr_init(&owned);
    pthread_mutexattr_settype(&owned, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&m->lock, &owned);
    pthread_mutexattr_destroy(&owned);
    pthread_mutex_init(&m->closing_lock, NULL);
    m->ops = options->backend && strcmp(options->backend, "cpu") != 0 ? &fm_gpu_backend : &fm_cpu_backend;
    fm_status status = fm_table_new(spec, &m->table, err);
    if (status == FM_OK)
        status = fm_plan_for(m->table, options, &m->plan, err);
    if (status == FM_OK)
        status = open_files(m, options, err);
    if (status == FM_OK)
        status = fm_routing_new(&m->routing, &m->table->config, &m->plan, err);
    if (status == FM_OK && !(m->stretches = calloc(m->plan.sweep, sizeof *m->stretches)))
        status = fm_fail(err, FM_NO_MEMORY, "out of memory for the sessions of a step");
    if (status == FM_OK)
        status = m->ops->open(m->table, &m->plan, m->files, options, progress, progress_context, &m->backend, err);
    fm_slots slots = {0};
    if (status == FM_OK && m->ops->slots_new)
        status = m->ops->slots_new(m->backend, &slots, err);
    if (status == FM_OK) {
        fm_experts_options o = {
            .memory = slots.base,
            .host = slots.host,
            .host_slots = slots.host ? m->plan.host_slots : 0,
            .moves = slots.moves,
            .files = m->files,
            .tables = m->table->experts,
            .layers = m->table->config.layers,
            .experts = m->table->config.experts,
            .experts_per_token = m->plan.experts_per_token,
            .slots = m->plan.cache_slots,
            .threads = m->plan.read_threads,
            .direct = m->direct,
            .ring = true,
        };
        status = fm_experts_new(&m->experts, &o, err);
    }
    if (status == FM_OK && m->ops->settle && m->plan.cache_slots == m->table->config.layers * m->table->config.experts)
        status = load_experts(m, progress, progress_context, err);
    if (status != FM_OK) {
        fm_model_close(m);
        return status;
    }
    *out = m;
    return FM_OK;
}

void fm_model_close(fm_model *m) {
    if (!m)
        return;
    fm_model_free_closed(m);
    fm_experts_free(m->experts);
    if (m->backend)
        m->ops->close(m->backend);
    fm_routing_free(&m->routing);
    free(m->stretches);
    free(m->views);
    for (uint32_t f = 0; m->files && f < m->table->file_count; f++)
        fm_file_close(&m->files[f]);
    free(m->files);
    fm_table_free(m->table);
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->closing_lock);
    free(m);
}

const fm_plan *fm_model_plan(const fm_model *m) {
    return &m->plan;
}
void fm_model_expert_map(const fm_model *m, uint32_t *asked, uint32_t *reads, uint8_t *resident) {
    fm_experts_map(m->experts, asked, reads, resident);
}
const char *fm_model_reader(const fm_model *m) {
    return m->direct ? "direct" : "buffered";
}
