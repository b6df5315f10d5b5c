#include "cpu.h"

#include "../base/error.h"
#include "../base/system.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct loader {
    fm_backend *b;
    fm_loader read;
    uint8_t *at; /* next free byte of the arena */
    fm_error *err;
} loader;

uint64_t fm_weights_bytes(const fm_table *table) {
    uint64_t bytes = 0;
    for (int32_t layer = -1; layer < (int32_t)table->config.layers; layer++)
        for (int role = 0; role < FM_ROLES; role++)
            bytes += fm_tensor_bytes(fm_table_tensor(table, (fm_role)role, layer), FM_LINE);
    return bytes;
}

static uint8_t *take(loader *l, uint64_t bytes) {
    uint8_t *p = l->at;
    l->at += fm_round_up(bytes, FM_LINE);
    return p;
}

static fm_status load_matrix(loader *l, fm_role role, int32_t layer, fm_matrix *m) {
    const fm_tensor *t = fm_table_tensor(l->read.table, role, layer);
    const fm_extent *parts[] = {&t->weight, &t->scales, &t->biases};
    uint8_t *places[3] = {NULL, NULL, NULL};
    for (int p = 0; p < 3; p++) {
        if (!parts[p]->length)
            continue;
        uint8_t *place = take(l, parts[p]->length);
        fm_status status = fm_load_bytes(&l->read, parts[p], 0, parts[p]->length, place, l->err);
        if (status != FM_OK)
            return status;
        places[p] = place;
    }
    *m = (fm_matrix){t->format, places[0], places[1], places[2], false};
    if (t->weight.length && fm_packs(l->b->kernels, &t->format))
        fm_pack(l->b, m);
    return FM_OK;
}

static fm_status load_vector(loader *l, fm_role role, int32_t layer, float shift, const float **out) {
    const fm_tensor *t = fm_table_tensor(l->read.table, role, layer);
    float *values = (float *)take(l, (uint64_t)t->format.rows * t->format.cols * sizeof *values);
    *out = values;
    return fm_load_vector(&l->read, t, shift, values, l->err);
}

/* [channels][K] as in the file -> blocks of [K][channels of the block]; in place through a copy. */
static fm_status transpose_conv(const loader *l, float *w, uint32_t channels, uint32_t kernel) {
    float *copy = malloc((size_t)channels * kernel * sizeof *copy);
    if (!copy)
        return fm_fail(l->err, FM_NO_MEMORY, "out of memory while loading a convolution");
    memcpy(copy, w, (size_t)channels * kernel * sizeof *copy);
    for (uint32_t first = 0; first < channels; first += FM_CONV_BLOCK) {
        uint32_t width = channels - first < FM_CONV_BLOCK ? channels - first : FM_CONV_BLOCK;
        for (uint32_t i = 0; i < kernel; i++)
            for (uint32_t c = 0; c < width; c++)
                w[(size_t)first * kernel + i * width + c] = copy[(size_t)(first + c) * kernel + i];
    }
    free(copy);
    return FM_OK;
}

#define LOAD(call)                                                                                                     \
    do {                                                                                                               \
        fm_status status_ = (call);                                                                                    \
        if (status_ != FM_OK)                                                                                          \
            return status_;                                                                                            \
    } while (0)

static fm_status load_layer(loader *l, int32_t i, fm_layer *layer) {
    const fm_config *c = &l->read.table->config;
    float shift = c->norm_shift;
    layer->full = c->full_attention[i];
    LOAD(load_vector(l, FM_INPUT_NORM, i, shift, &layer->input_norm));
    LOAD(load_vector(l, FM_POST_NORM, i, shift, &layer->post_norm));
    if (layer->full) {
        LOAD(load_matrix(l, FM_Q, i, &layer->q));
        LOAD(load_matrix(l, FM_K, i, &layer->k));
        LOAD(load_matrix(l, FM_V, i, &layer->v));
        LOAD(load_matrix(l, FM_O, i, &layer->o));
        LOAD(load_vector(l, FM_Q_NORM, i, shift, &layer->q_norm));
        LOAD(load_vector(l, FM_K_NORM, i, shift, &layer->k_norm));
    } else {
        LOAD(load_matrix(l, FM_IN_QKV, i, &layer->in_qkv));
        LOAD(load_matrix(l, FM_IN_Z, i, &layer->in_z));
        LOAD(load_matrix(l, FM_IN_A, i, &layer->in_a));
        LOAD(load_matrix(l, FM_IN_B, i, &layer->in_b));
        LOAD(load_matrix(l, FM_OUT, i, &layer->out));
        LOAD(load_vector(l, FM_CONV, i, 0, &layer->conv));
        LOAD(transpose_conv(l, (float *)layer->conv, fm_linear_channels(c), c->conv_kernel));
        LOAD(load_vector(l, FM_A_LOG, i, 0, &layer->decay));
        fm_decay_of_logarithm((float *)layer->decay, c->linear_value_heads);
        LOAD(load_vector(l, FM_DT_BIAS, i, 0, &layer->dt_bias));
        LOAD(load_vector(l, FM_LINEAR_NORM, i, 0, &layer->linear_norm));
    }
    LOAD(load_matrix(l, FM_ROUTER, i, &layer->router));
    LOAD(load_matrix(l, FM_SHARED_GATE, i, &layer->shared_gate));
    LOAD(load_matrix(l, FM_SHARED_UP, i, &layer->shared_up));
    LOAD(load_matrix(l, FM_SHARED_DOWN, i, &layer->shared_down));
    LOAD(load_matrix(l, FM_SHARED_EXPERT_GATE, i, &layer->shared_expert_gate));
    for (int m = 0; m < FM_EXPERT_MATRICES; m++)
        layer->expert[m].format = l->read.table->experts[i].matrix[m];
    return FM_OK;
}

static fm_status load_all(loader *l, fm_weights *w) {
    LOAD(load_matrix(l, FM_EMBED, -1, &w->embed));
    LOAD(load_vector(l, FM_NORM, -1, l->read.table->config.norm_shift, &w->norm));
    if (l->read.table->config.tied_head)
        w->head = w->embed;
    else
        LOAD(load_matrix(l, FM_HEAD, -1, &w->head));
    for (uint32_t i = 0; i < l->read.table->config.layers; i++)
        LOAD(load_layer(l, (int32_t)i, &w->layers[i]));
    return FM_OK;
}

fm_status fm_weights_load(fm_backend *b, const fm_file *files, fm_progress progress, void *progress_context,
                          fm_error *err) {
    fm_weights *w = &b->weights;
    const fm_table *table = b->table;
    *w = (fm_weights){.bytes = fm_weights_bytes(table)};
    w->memory = fm_pages_new((size_t)w->bytes);
    w->layers = calloc(table->config.layers, sizeof *w->layers);
    if (!w->memory || !w->layers) {
        fm_weights_free(w);
        return fm_fail(err, FM_NO_MEMORY, "the system refused %llu bytes for the dense weights",
                       (unsigned long long)w->bytes);
    }
    loader l = {b, {table, files, progress, progress_context, w->bytes, 0}, w->memory, err};
    fm_status status = load_all(&l, w);
    if (status != FM_OK)
        fm_weights_free(w);
    return status;
}

void fm_weights_free(fm_weights *w) {
    if (w->memory)
        fm_pages_free(w->memory, (size_t)w->bytes);
    free(w->layers);
    *w = (fm_weights){0};
}
