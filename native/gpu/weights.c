#include "gpu.h"

#include "../base/error.h"
#include "../base/system.h"
#include "../model/load.h"
#include "../stream/layout.h"

#include <stdlib.h>
#include <string.h>

/* Of tensors in a buffer. */
enum { ALIGN = 256 };

typedef struct loader {
    fm_backend *b;
    fm_loader read;
    fm_buffer *buffer; /* being filled */
    uint64_t at;
    uint8_t *staging;
    fm_error *err;
} loader;

static uint64_t layer_bytes(const fm_table *table, int32_t layer) {
    uint64_t bytes = 0;
    for (int role = 0; role < FM_ROLES; role++)
        bytes += fm_tensor_bytes(fm_table_tensor(table, (fm_role)role, layer), ALIGN);
    return bytes;
}

uint64_t fm_gpu_weights_bytes(const fm_table *table) {
    uint64_t bytes = 0;
    for (int32_t layer = -1; layer < (int32_t)table->config.layers; layer++)
        bytes += layer_bytes(table, layer);
    return bytes;
}

static fm_range take(loader *l, uint64_t bytes) {
    fm_range r = {l->buffer, l->at};
    l->at += fm_round_up(bytes, ALIGN);
    return r;
}

static fm_status load_extent(loader *l, const fm_extent *e, fm_range *out) {
    *out = take(l, e->length);
    uint8_t *host = l->buffer->host;
    if (host)
        return fm_load_bytes(&l->read, e, 0, e->length, host + out->offset, l->err);
    fm_status status = FM_OK;
    for (uint64_t at = 0; at < e->length && status == FM_OK; at += FM_LOAD_PIECE) {
        uint64_t n = e->length - at < FM_LOAD_PIECE ? e->length - at : FM_LOAD_PIECE;
        status = fm_load_bytes(&l->read, e, at, n, l->staging, l->err);
        if (status == FM_OK)
            status = fm_upload(l->buffer, out->offset + at, l->staging, n, l->err);
    }
    return status;
}

static fm_status load_matrix(loader *l, fm_role role, int32_t layer, fm_gpu_matrix *m) {
    const fm_tensor *t = fm_table_tensor(l->b->table, role, layer);
    m->format = t->format;
    fm_status status = load_extent(l, &t->weight, &m->weight);
    m->scales = m->biases = m->weight;
    if (status == FM_OK && t->scales.length)
        status = load_extent(l, &t->scales, &m->scales);
    if (status == FM_OK && t->biases.length)
        status = load_extent(l, &t->biases, &m->biases);
    if (status == FM_OK)
        status =
            fm_gpu_kernels_for(l->b, &m->format, fm_gpu_aligned(&m->format), "matvec", "matmul", &m->kernels, l->err);
    return status;
}

/* A vector as float32 with `shift` added, or what the delta rule's decay is of it. */
static fm_status load_vector(loader *l, fm_role role, int32_t layer, float shift, bool decay, fm_range *out) {
    const fm_tensor *t = fm_table_tensor(l->b->table, role, layer);
    uint64_t n = (uint64_t)t->format.rows * t->format.cols;
    float *v = malloc(n * sizeof *v);
    if (!v)
        return fm_fail(l->err, FM_NO_MEMORY, "out of memory while loading %s", t->name);
    fm_status status = fm_load_vector(&l->read, t, shift, v, l->err);
    if (decay)
        fm_decay_of_logarithm(v, n);
    if (status == FM_OK) {
        *out = take(l, n * sizeof *v);
        status = fm_upload(out->buffer, out->offset, v, n * sizeof *v, l->err);
    }
    free(v);
    return status;
}

#define LOAD(call)                                                                                                     \
    do {                                                                                                               \
        fm_status status_ = (call);                                                                                    \
        if (status_ != FM_OK)                                                                                          \
            return status_;                                                                                            \
    } while (0)

static fm_status begin(loader *l, uint64_t bytes, fm_buffer **buffer) {
    fm_status status = fm_buffer_new(l->b->device, bytes, FM_PRIVATE, false, buffer, l->err);
    l->buffer = *buffer;
    l->at = 0;
    return status;
}

/* Addresses of a layer's experts in their slots: words need 4 bytes, and 16 make loads wide. */
static fm_status expert_kernels(loader *l, int32_t i, fm_gpu_layer *layer) {
    const fm_expert_table *t = &l->b->table->experts[i];
    fm_part_place places[FM_EXPERT_PARTS];
    uint64_t staging = 0;
    fm_place_parts(t, places, &staging);
    for (int m = 0; m < FM_EXPERT_MATRICES; m++) {
        const fm_format *f = &t->matrix[m];
        bool aligned = fm_gpu_aligned(f);
        for (uint32_t e = 0; e < l->b->config.experts; e++)
            for (int part = 3 * m; part < 3 * m + 3; part++) {
                const fm_extent *x = &t->extents[(size_t)e * FM_EXPERT_PARTS + (size_t)part];
                if (!x->length || !l->b->device->limits.unified || !places[part].in_place)
                    continue; /* copied to a multiple of 64 bytes */
                if (x->offset % 4)
                    return fm_fail(l->err, FM_UNSUPPORTED,
                                   "%s: %s begins at byte %llu, which is not a multiple of 4 as the GPU needs; "
                                   "`flashmoe convert` writes an aligned copy",
                                   l->read.files[x->file].path, t->name, (unsigned long long)x->offset);
                aligned = aligned && x->offset % 16 == 0;
            }
        layer->expert[m].format = *f;
        LOAD(fm_gpu_kernels_for(l->b, f, aligned, "experts_matvec", "experts_matmul", &layer->expert[m].kernels,
                                l->err));
    }
    return FM_OK;
}

static fm_status load_layer(loader *l, int32_t i, fm_gpu_layer *layer) {
    const fm_config *c = &l->b->config;
    float shift = c->norm_shift;
    LOAD(begin(l, layer_bytes(l->b->table, i), &layer->memory));
    layer->full = c->full_attention[i];
    LOAD(load_vector(l, FM_INPUT_NORM, i, shift, false, &layer->input_norm));
    LOAD(load_vector(l, FM_POST_NORM, i, shift, false, &layer->post_norm));
    if (layer->full) {
        LOAD(load_matrix(l, FM_Q, i, &layer->q));
        LOAD(load_matrix(l, FM_K, i, &layer->k));
        LOAD(load_matrix(l, FM_V, i, &layer->v));
        LOAD(load_matrix(l, FM_O, i, &layer->o));
        LOAD(load_vector(l, FM_Q_NORM, i, shift, false, &layer->q_norm));
        LOAD(load_vector(l, FM_K_NORM, i, shift, false, &layer->k_norm));
    } else {
        LOAD(load_matrix(l, FM_IN_QKV, i, &layer->in_qkv));
        LOAD(load_matrix(l, FM_IN_Z, i, &layer->in_z));
        LOAD(load_matrix(l, FM_IN_A, i, &layer->in_a));
        LOAD(load_matrix(l, FM_IN_B, i, &layer->in_b));
        LOAD(load_matrix(l, FM_OUT, i, &layer->out));
        LOAD(load_vector(l, FM_CONV, i, 0, false, &layer->conv));
        LOAD(load_vector(l, FM_A_LOG, i, 0, true, &layer->decay));
        LOAD(load_vector(l, FM_DT_BIAS, i, 0, false, &layer->dt_bias));
        LOAD(load_vector(l, FM_LINEAR_NORM, i, 0, false, &layer->linear_norm));
    }
    LOAD(load_matrix(l, FM_ROUTER, i, &layer->router));
    LOAD(load_matrix(l, FM_SHARED_GATE, i, &layer->shared_gate));
    LOAD(load_matrix(l, FM_SHARED_UP, i, &layer->shared_up));
    LOAD(load_matrix(l, FM_SHARED_DOWN, i, &layer->shared_down));
    LOAD(load_matrix(l, FM_SHARED_EXPERT_GATE, i, &layer->shared_expert_gate));
    return expert_kernels(l, i, layer);
}

static fm_status load_all(loader *l) {
    fm_gpu_weights *w = &l->b->weights;
    const fm_table *table = l->b->table;
    LOAD(begin(l, fm_tensor_bytes(fm_table_tensor(table, FM_EMBED, -1), ALIGN), &w->globals[0]));
    LOAD(load_matrix(l, FM_EMBED, -1, &w->embed));
    fm_gpu_kernels rows;
    LOAD(fm_gpu_kernels_for(l->b, &w->embed.format, fm_gpu_aligned(&w->embed.format), "embed", "embed", &rows, l->err));
    w->embed_rows = rows.vector;
    LOAD(begin(l, fm_tensor_bytes(fm_table_tensor(table, FM_NORM, -1), ALIGN), &w->globals[1]));
    LOAD(load_vector(l, FM_NORM, -1, table->config.norm_shift, false, &w->norm));
    w->head = w->embed;
    if (!table->config.tied_head) {
        LOAD(begin(l, fm_tensor_bytes(fm_table_tensor(table, FM_HEAD, -1), ALIGN), &w->globals[2]));
        LOAD(load_matrix(l, FM_HEAD, -1, &w->head));
    }
    for (uint32_t i = 0; i < table->config.layers; i++)
        LOAD(load_layer(l, (int32_t)i, &w->layers[i]));
    return FM_OK;
}

fm_status fm_gpu_weights_load(fm_backend *b, const fm_file *files, fm_progress progress, void *progress_context,
                              fm_error *err) {
    loader l = {
        .b = b, .read = {b->table, files, progress, progress_context, fm_gpu_weights_bytes(b->table), 0}, .err = err};
    l.staging = malloc(FM_LOAD_PIECE);
    b->weights.layers = calloc(b->config.layers, sizeof *b->weights.layers);
    fm_status status = l.staging && b->weights.layers
                           ? load_all(&l)
                           : fm_fail(err, FM_NO_MEMORY, "out of memory while loading the dense weights");
    free(l.staging);
    return status;
}

void fm_gpu_weights_free(fm_backend *b) {
    for (uint32_t i = 0; b->weights.layers && i < b->config.layers; i++)
        fm_buffer_free(b->weights.layers[i].memory);
    for (int i = 0; i < 3; i++)
        fm_buffer_free(b->weights.globals[i]);
    free(b->weights.layers);
    b->weights = (fm_gpu_weights){0};
}
