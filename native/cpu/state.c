#include "cpu.h"

#include "../base/system.h"

#include <stdlib.h>
#include <string.h>

static uint64_t layer_kv_floats(const fm_config *c, uint32_t context) {
    return 2ull * c->kv_heads * context * c->head_dim;
}

static uint64_t tail_floats(const fm_config *c) {
    return fm_round_up((uint64_t)(c->conv_kernel - 1) * fm_linear_channels(c), FM_LINE / sizeof(float));
}

static uint64_t layer_recurrent_floats(const fm_config *c) {
    uint64_t s = (uint64_t)c->linear_value_heads * c->linear_key_dim * c->linear_value_dim;
    return tail_floats(c) + fm_round_up(s, FM_LINE / sizeof(float));
}

static uint32_t full_layers(const fm_config *c) {
    uint32_t n = 0;
    for (uint32_t l = 0; l < c->layers; l++)
        n += c->full_attention[l] != 0;
    return n;
}

static uint64_t recurrent_bytes(const fm_config *c) {
    return (c->layers - full_layers(c)) * layer_recurrent_floats(c) * sizeof(float);
}

uint64_t fm_state_fixed_bytes(const fm_config *c) {
    return 2 * recurrent_bytes(c);
}

uint64_t fm_state_context_bytes(const fm_config *c, uint32_t context) {
    return full_layers(c) * layer_kv_floats(c, context) * sizeof(float);
}

fm_state *fm_cpu_state_new(fm_backend *b) {
    const fm_config *c = &b->config;
    fm_state *state = calloc(1, sizeof *state);
    if (!state)
        return NULL;
    state->config = c;
    state->context = b->plan.context;
    state->recurrent_bytes = recurrent_bytes(c);
    state->bytes = 2 * state->recurrent_bytes + fm_state_context_bytes(c, state->context);
    state->memory = fm_pages_new((size_t)state->bytes);
    state->kv = calloc(c->layers, sizeof *state->kv);
    for (int i = 0; i < 2; i++)
        state->recurrent[i] = calloc(c->layers, sizeof *state->recurrent[i]);
    if (!state->memory || !state->kv || !state->recurrent[0] || !state->recurrent[1]) {
        fm_cpu_state_free(b, state);
        return NULL;
    }
    float *at = (float *)state->memory;
    for (int i = 0; i < 2; i++) {
        state->recurrent_memory[i] = at;
        for (uint32_t l = 0; l < c->layers; l++) {
            if (c->full_attention[l])
                continue;
            state->recurrent[i][l] = (struct fm_recurrent){at, at + tail_floats(c)};
            at += layer_recurrent_floats(c);
        }
    }
    for (uint32_t l = 0; l < c->layers; l++)
        if (c->full_attention[l]) {
            state->kv[l] = at;
            at += layer_kv_floats(c, state->context);
        }
    return state;
}

void fm_cpu_state_free(fm_backend *b, fm_state *state) {
    (void)b;
    if (!state)
        return;
    fm_pages_free(state->memory, (size_t)state->bytes);
    free(state->kv);
    free(state->recurrent[0]);
    free(state->recurrent[1]);
    free(state);
}

void fm_cpu_state_commit(fm_state *state) {
    state->current ^= 1;
}

float *fm_state_keys(const fm_state *state, uint32_t layer, uint32_t kv_head) {
    return state->kv[layer] + (size_t)kv_head * state->context * state->config->head_dim;
}

float *fm_state_values(const fm_state *state, uint32_t layer, uint32_t kv_head) {
    return fm_state_keys(state, layer, state->config->kv_heads + kv_head);
}

size_t fm_cpu_state_runs(fm_state *state, uint32_t position, fm_run *runs, size_t room) {
    const fm_config *c = state->config;
    size_t n = 0;
    if (state->recurrent_bytes) {
        if (n < room)
            runs[n] = (fm_run){state->recurrent_memory[state->current], (size_t)state->recurrent_bytes};
        n++;
    }
    for (uint32_t l = 0; l < c->layers; l++)
        for (uint32_t h = 0; c->full_attention[l] && h < 2 * c->kv_heads; h++, n++)
            if (n < room)
                runs[n] = (fm_run){fm_state_keys(state, l, h), (size_t)position * c->head_dim * sizeof(float)};
    return n;
}

void fm_cpu_state_filled(fm_state *state, uint32_t position) {
    (void)state, (void)position; /* the runs are the state itself */
}

void fm_cpu_state_copy(fm_state *to, const fm_state *from, uint32_t position) {
    const fm_config *c = from->config;
    memcpy(to->recurrent_memory[to->current], from->recurrent_memory[from->current], (size_t)from->recurrent_bytes);
    for (uint32_t l = 0; l < c->layers; l++)
        for (uint32_t h = 0; c->full_attention[l] && h < 2 * c->kv_heads; h++)
            memcpy(fm_state_keys(to, l, h), fm_state_keys(from, l, h), (size_t)position * c->head_dim * sizeof(float));
}
