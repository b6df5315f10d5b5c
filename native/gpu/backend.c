#include "gpu.h"

#include "../base/error.h"
#include "../base/system.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void fm_gpu_sizes(const fm_table *table, const fm_plan *plan, fm_backend_sizes *sizes) {
    fm_gpu_scratch s;
    fm_gpu_scratch_new(&s, table, plan, NULL, NULL);
    *sizes = (fm_backend_sizes){
        .dense = fm_gpu_weights_bytes(table),
        .scratch = s.bytes,
        .session_fixed = fm_gpu_state_fixed_bytes(&table->config),
        .session_context = fm_gpu_state_context_bytes(&table->config, plan->context),
    };
}

/* ---- lists ---------------------------------------------------------------------------------------------------------
 */

fm_commands *fm_gpu_list(fm_backend *b) {
    if (!b->list)
        b->list = fm_commands_begin(b->device);
    return b->list;
}

fm_ticket fm_gpu_commit(fm_backend *b) {
    if (b->list) {
        b->last = fm_commit(b->device, b->list);
        b->list = NULL;
    }
    return b->last;
}

void fm_gpu_barrier(fm_backend *b) {
    fm_barrier(b->device, fm_gpu_list(b));
}

static fm_status gpu_wait(fm_backend *b, fm_ticket ticket, fm_error *err) {
    return fm_wait(b->device, ticket, err);
}

static fm_status gpu_finish(fm_backend *b, fm_error *err) {
    return fm_wait(b->device, fm_gpu_commit(b), err);
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static void gpu_close(fm_backend *b) {
    if (!b)
        return;
    if (b->device) {
        gpu_finish(b, NULL);
        fm_gpu_slots_free(b);
        fm_gpu_weights_free(b);
        fm_gpu_scratch_free(&b->scratch);
        fm_device_close(b->device);
    }
    free(b->inv_freq);
    free(b->place_of_token);
    free(b->entries);
    free(b);
}

static fm_status check_model(const fm_config *c, uint32_t k, fm_error *err) {
    if (c->head_dim > FM_HEAD_MOST || c->linear_key_dim > FM_HEAD_MOST || c->linear_value_dim > FM_HEAD_MOST)
        return fm_fail(err, FM_UNSUPPORTED,
                       "this model has heads of more than %d elements, the GPU kernels do not: use "
                       "the cpu backend",
                       FM_HEAD_MOST);
    if (c->head_dim % 8)
        return fm_fail(err, FM_UNSUPPORTED,
                       "this model's head size of %u is not a multiple of 8 as the GPU kernels need: use the cpu "
                       "backend",
                       c->head_dim);
    if (c->linear_key_dim % 4 || c->linear_value_dim % 4)
        return fm_fail(
            err, FM_UNSUPPORTED,
            "this model's linear heads of %u and %u elements are not multiples of 4 as the GPU kernels need: "
            "use the cpu backend",
            c->linear_key_dim, c->linear_value_dim);
    if (c->experts > FM_EXPERTS_MOST || k > FM_CHOSEN_MOST)
        return fm_fail(err, FM_UNSUPPORTED,
                       "%u of %u experts a token are more than the GPU kernels take (%d of %d): use the cpu backend", k,
                       c->experts, FM_CHOSEN_MOST, FM_EXPERTS_MOST);
    return FM_OK;
}

static fm_status get_kernels(fm_backend *b, fm_error *err) {
    const struct {
        const char *name;
        fm_kernel **kernel;
        uint32_t threads;
    } all[] = {
        {"copy_words", &b->copy_words, FM_THREADS},
        {"norm_rows", &b->norm_rows, FM_THREADS},
        {"combine", &b->combine, FM_THREADS},
        {"choose", &b->choose, FM_SIMD},
        {"rope", &b->rope, FM_SIMD},
        {"attend_split", &b->attend_split, 2 * FM_THREADS},
        {"attend_merge", &b->attend_merge, 4 * FM_THREADS},
        {"attend_block", &b->attend_block, FM_THREADS},
        {"delta_step", &b->delta_step, 4 * FM_THREADS},
        {"conv_rows", &b->conv_rows, FM_THREADS},
        {"delta_norm", &b->delta_norm, FM_SIMD},
        {"delta_scan", &b->delta_scan, FM_THREADS},
        {"gated_norm", &b->gated_norm, FM_SIMD},
    };
    /* These kernels read no weights; the constants are there because every kernel of the library could use them. */
    const fm_constant constants[] = {{"FORMAT", 4}, {"SCALE", FM_CODE_BF16}, {"ALIGNED", 1}};
    fm_status status = FM_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && status == FM_OK; i++)
        status = fm_kernel_get(b->device, all[i].name, constants, 3, all[i].threads, all[i].kernel, err);
    return status;
}

static fm_status gpu_open(const fm_table *table, const fm_plan *plan, const fm_file *files, const fm_options *options,
                          fm_progress progress, void *progress_context, fm_backend **out, fm_error *err) {
    fm_status status = check_model(&table->config, plan->experts_per_token, err);
    if (status != FM_OK)
        return status;
    const fm_device_ops *ops = fm_device_find(options->backend);
    if (!ops)
        return fm_fail(err, FM_UNSUPPORTED, "this build has no device %s", options->backend);
    fm_backend *b = calloc(1, sizeof *b);
    if (!b)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the GPU backend");
    b->table = table;
    b->config = table->config;
    b->plan = *plan;
    b->rotation_stride = (uint64_t)b->config.rope_dim * sizeof(float);
    b->inv_freq = calloc(table->config.rope_dim / 2 + 1, sizeof *b->inv_freq);
    b->place_of_token = calloc(plan->sweep, sizeof *b->place_of_token);
    uint64_t experts = (uint64_t)b->config.layers * b->config.experts;
    b->entries = plan->cache_slots == experts ? calloc((size_t)experts, sizeof *b->entries) : NULL;
    if (!b->inv_freq || !b->place_of_token || (plan->cache_slots == experts && !b->entries))
        status = fm_fail(err, FM_NO_MEMORY, "out of memory for the GPU backend");
    for (uint32_t j = 0; status == FM_OK && j < b->config.rope_dim / 2; j++)
        b->inv_freq[j] = (float)pow(b->config.rope_theta, -2.0 * j / b->config.rope_dim);
    if (status == FM_OK)
        status = fm_device_open(ops, &(fm_device_options){options->shaders, options->shader_order, plan->apart},
                                &b->device, err);
    if (status == FM_OK) {
        const fm_device_limits *l = &b->device->limits;
        b->tile_tokens = l->tile_tokens ? l->tile_tokens : FM_BLOCK;
        b->tile_rows = l->tile_rows ? l->tile_rows : FM_BLOCK;
        b->tile_threads = l->tile_threads ? l->tile_threads : FM_THREADS;
        status = get_kernels(b, err);
    }
    if (status == FM_OK)
        status = fm_gpu_scratch_new(&b->scratch, table, plan, b->device, err);
    if (status == FM_OK)
        status = fm_gpu_weights_load(b, files, progress, progress_context, err);
    if (status != FM_OK) {
        gpu_close(b);
        return status;
    }
    *out = b;
    return FM_OK;
}

/* ---- the ends of a pass -------------------------------------------------------------------------------------------
 */

/* Cosine and sine of every token's angles are the same in all layers, and few: the CPU makes them. */
static void rotations(fm_backend *b, const fm_stretch *stretches, uint32_t count) {
    fm_range r = b->scratch.rotation_made;
    float *out = (float *)((uint8_t *)r.buffer->host + r.offset);
    uint32_t half = b->config.rope_dim / 2;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t t = 0; t < stretches[i].n; t++)
            for (uint32_t j = 0; j < half; j++, out += 2) {
                float angle = (float)(stretches[i].position + t) * b->inv_freq[j];
                out[0] = cosf(angle);
                out[1] = sinf(angle);
            }
}

static void gpu_embed(fm_backend *b, const int32_t *ids, uint32_t n, const fm_stretch *stretches, uint32_t count) {
    fm_gpu_scratch *s = &b->scratch;
    const fm_gpu_matrix *m = &b->weights.embed;
    b->block = n;
    b->device->repeats = n == 1 && b->settled;
    memcpy((uint8_t *)s->ids.buffer->host + s->ids.offset, ids, n * sizeof *ids);
    rotations(b, stretches, count);
    struct fm_embed_args args = {m->format.rows, m->format.cols, fm_gpu_shift(&m->format), b->config.rope_dim};
    uint64_t weight = fm_format_weight_bytes(&m->format);
    uint64_t scale = m->format.dtype == FM_AFFINE ? fm_format_scale_bytes(&m->format) : weight;
    FM_DISPATCH(b, b->weights.embed_rows, FM_THREADS, n, 1, 1, fm_bytes(m->weight, weight), fm_bytes(m->scales, scale),
                fm_bytes(m->biases, scale), fm_bytes(s->ids, n * sizeof *ids),
                fm_floats(s->rotation_made, (uint64_t)n * b->config.rope_dim),
                fm_floats(s->x, (uint64_t)n * b->config.hidden),
                fm_floats(s->rotation, (uint64_t)n * b->config.rope_dim), FM_CONSTANTS(args));
    fm_gpu_barrier(b);
}

static fm_status gpu_head(fm_backend *b, uint32_t first, uint32_t count, float *logits, fm_error *err) {
    fm_gpu_scratch *s = &b->scratch;
    uint64_t row = (uint64_t)b->config.hidden * sizeof(float), vocab = b->config.vocab;
    for (uint32_t at = 0; at < count;) {
        uint32_t n = count - at < FM_HEAD_ROWS ? count - at : FM_HEAD_ROWS;
        n = n < b->plan.chunk ? n : b->plan.chunk;
        fm_range x = fm_at(s->x, (first + at) * row);
        if (count == 1) {
            fm_gpu_matvec(b, &(fm_gpu_product){&b->weights.head, s->logits_made}, 1, x, b->weights.norm, FM_STAGE_NORM,
                          false);
        } else {
            fm_gpu_norm_rows(b, x, b->weights.norm, n, s->norm);
            fm_gpu_barrier(b);
            fm_gpu_matmul(b, &b->weights.head, n, s->norm, s->norm, FM_STAGE_PLAIN, s->logits_made, false);
        }
        fm_status status = gpu_finish(b, err);
        if (status == FM_OK && s->logits_made.buffer != s->logits.buffer)
            status = fm_download(s->logits_made.buffer, s->logits_made.offset,
                                 (uint8_t *)s->logits.buffer->host + s->logits.offset, n * vocab * sizeof(float), err);
        if (status != FM_OK)
            return status;
        memcpy(logits + at * vocab, (uint8_t *)s->logits.buffer->host + s->logits.offset, n * vocab * sizeof(float));
        at += n;
    }
    return FM_OK;
}

const fm_backend_ops fm_gpu_backend = {
    .name = "gpu",
    .open = gpu_open,
    .close = gpu_close,
    .slots_new = fm_gpu_slots_new,
    .embed = gpu_embed,
    .mixer = fm_gpu_mixer,
    .route = fm_gpu_route,
    .shared = fm_gpu_shared,
    .experts = fm_gpu_experts,
    .combine = fm_gpu_combine,
    .settle = fm_gpu_settle,
    .settled = fm_gpu_settled,
    .chosen = fm_gpu_chosen,
    .head = gpu_head,
    .wait = gpu_wait,
    .finish = gpu_finish,
    .state_new = fm_gpu_state_new,
    .state_free = fm_gpu_state_free,
    .state_commit = fm_gpu_state_commit,
    .state_copy = fm_gpu_state_copy,
    .state_runs = fm_gpu_state_runs,
    .state_filled = fm_gpu_state_filled,
};
