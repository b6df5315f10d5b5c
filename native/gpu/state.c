#include "gpu.h"

#include "../base/system.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGN = 256 };

static uint64_t kv_bytes(const fm_config *c, uint32_t context) {
    return 2ull * c->kv_heads * fm_round_up(context, FM_KEYS) * c->head_dim * sizeof(float);
}

/* The tail of the convolution [conv_kernel - 1][channels], then S [value heads][value dim][key dim]. */
uint64_t fm_gpu_layer_recurrent_bytes(const fm_config *c, uint64_t *tail) {
    *tail = fm_round_up((uint64_t)(c->conv_kernel - 1) * fm_linear_channels(c) * sizeof(float), ALIGN);
    uint64_t s = (uint64_t)c->linear_value_heads * c->linear_key_dim * c->linear_value_dim * sizeof(float);
    return *tail + fm_round_up(s, ALIGN);
}

static uint32_t full_layers(const fm_config *c) {
    uint32_t n = 0;
    for (uint32_t l = 0; l < c->layers; l++)
        n += c->full_attention[l] != 0;
    return n;
}

static uint64_t recurrent_bytes(const fm_config *c) {
    uint64_t tail;
    return (c->layers - full_layers(c)) * fm_gpu_layer_recurrent_bytes(c, &tail);
}

uint64_t fm_gpu_state_fixed_bytes(const fm_config *c) {
    return 2 * recurrent_bytes(c);
}

uint64_t fm_gpu_state_context_bytes(const fm_config *c, uint32_t context) {
    return full_layers(c) * kv_bytes(c, context);
}

fm_state *fm_gpu_state_new(fm_backend *b) {
    const fm_config *c = &b->config;
    fm_state *state = calloc(1, sizeof *state);
    if (!state)
        return NULL;
    state->config = c;
    state->context = (uint32_t)fm_round_up(b->plan.context, FM_KEYS);
    state->recurrent_bytes = recurrent_bytes(c);
    state->kv = calloc(c->layers, sizeof *state->kv);
    state->recurrent_at = calloc(c->layers, sizeof *state->recurrent_at);
    fm_status status = state->kv && state->recurrent_at ? FM_OK : FM_NO_MEMORY;
    uint64_t at = 0, tail;
    for (uint32_t l = 0; l < c->layers && status == FM_OK; l++) {
        if (c->full_attention[l]) {
            status = fm_buffer_new(b->device, kv_bytes(c, b->plan.context), FM_PRIVATE, false, &state->kv[l], NULL);
        } else {
            state->recurrent_at[l] = at;
            at += fm_gpu_layer_recurrent_bytes(c, &tail);
        }
    }
    for (int i = 0; i < 2 && status == FM_OK; i++)
        status = fm_buffer_new(b->device, state->recurrent_bytes, FM_PRIVATE, false, &state->recurrent[i], NULL);
    if (status != FM_OK) {
        fm_gpu_state_free(b, state);
        return NULL;
    }
    return state;
}

void fm_gpu_state_free(fm_backend *b, fm_state *state) {
    (void)b;
    if (!state)
        return;
    for (uint32_t l = 0; state->kv && l < state->config->layers; l++)
        fm_buffer_free(state->kv[l]);
    fm_buffer_free(state->recurrent[0]);
    fm_buffer_free(state->recurrent[1]);
    free(state->kv);
    free(state->recurrent_at);
    free(state->mirror);
    free(state);
}

void fm_gpu_state_commit(fm_state *state) {
    state->current ^= 1;
}

/* The state as runs of buffers: the recurrent state, then each layer's keys and values up to `position`. */
typedef struct run {
    fm_buffer *buffer;
    uint64_t offset, bytes;
} run;

static size_t list_runs(const fm_state *state, uint32_t position, run *runs) {
    const fm_config *c = state->config;
    size_t n = 0;
    if (state->recurrent_bytes) {
        if (runs)
            runs[n] = (run){state->recurrent[state->current], 0, state->recurrent_bytes};
        n++;
    }
    uint64_t row = (uint64_t)c->head_dim * sizeof(float);
    for (uint32_t l = 0; l < c->layers; l++)
        for (uint32_t h = 0; c->full_attention[l] && h < 2 * c->kv_heads; h++, n++)
            if (runs)
                runs[n] = (run){state->kv[l], (uint64_t)h * state->context * row, position * row};
    return n;
}

size_t fm_gpu_state_runs(fm_state *state, uint32_t position, fm_run *out, size_t room) {
    size_t n = list_runs(state, position, NULL), bytes = 0;
    run *runs = calloc(n + 1, sizeof *runs);
    if (!runs)
        return 0;
    list_runs(state, position, runs);
    for (size_t i = 0; i < n; i++)
        bytes += runs[i].bytes;
    bool mirrored = n && !runs[0].buffer->host && room;
    if (mirrored) {
        free(state->mirror);
        state->mirror = malloc(bytes + 1);
        state->mirror_bytes = bytes;
        mirrored = state->mirror != NULL;
        n = mirrored ? n : 0;
    }
    for (size_t i = 0, at = 0; i < n && i < room; at += runs[i++].bytes) {
        out[i] = (fm_run){mirrored ? state->mirror + at : (uint8_t *)runs[i].buffer->host + runs[i].offset,
                          (size_t)runs[i].bytes};
        if (mirrored)
            fm_download(runs[i].buffer, runs[i].offset, out[i].data, runs[i].bytes, NULL);
    }
    free(runs);
    return n;
}

void fm_gpu_state_filled(fm_state *state, uint32_t position) {
    if (!state->mirror)
        return;
    size_t n = list_runs(state, position, NULL);
    run *runs = calloc(n + 1, sizeof *runs);
    if (!runs)
        return;
    list_runs(state, position, runs);
    for (size_t i = 0, at = 0; i < n && at + runs[i].bytes <= state->mirror_bytes; at += runs[i++].bytes)
        fm_upload(runs[i].buffer, runs[i].offset, state->mirror + at, runs[i].bytes, NULL);
    free(runs);
    free(state->mirror);
    state->mirror = NULL;
}

void fm_gpu_state_copy(fm_state *to, const fm_state *from, uint32_t position) {
    size_t n = list_runs(from, position, NULL);
    run *a = calloc(n + 1, sizeof *a), *b = calloc(n + 1, sizeof *b);
    if (a && b) {
        list_runs(from, position, a);
        list_runs(to, position, b);
        for (size_t i = 0; i < n; i++)
            if (a[i].bytes)
                fm_copy(b[i].buffer, b[i].offset, a[i].buffer, a[i].offset, a[i].bytes, NULL);
    }
    free(a);
    free(b);
}
