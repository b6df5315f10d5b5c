/* Gated DeltaNet: causal convolution, delta rule, gated norm; for one token in one dispatch, for a block of tokens in
 * four. Per value head the state S is float32 [value_dim][key_dim]; a SIMD group keeps a row of it in registers:
 *
 *     S = g S;  d = beta (v - S k);  S = S + d k;  o = S q
 *
 * Key and value dimensions are multiples of 4. tail [kernel_size - 1][channels]: the inputs of the convolution before the block, oldest first. */
#include "common.h"


/* silu of the convolution of a channel at token t; u [n][channels]. */
inline float convolve(device const float *u, device const float *tail, device const float *weight, uint channel,
                      uint t, uint kernel_size, uint channels) {
    float sum = 0;
    for (uint from = 0; from < kernel_size; from += AT_ONCE) {
        float x[AT_ONCE], w[AT_ONCE];
        UNROLL
        for (uint j = 0; j < AT_ONCE; j++) {
            uint i = min(from + j, kernel_size - 1), at = t + i; /* in tail followed by u */
            x[j] = at < kernel_size - 1 ? tail[at * channels + channel]
                                        : u[ulong(at - (kernel_size - 1)) * channels + channel];
            w[j] = weight[channel * kernel_size + i];
        }
        UNROLL
        for (uint j = 0; j < AT_ONCE; j++)
            if (from + j < kernel_size)
                sum = fma(w[j], x[j], sum);
    }
    return silu(sum);
}

/* The tail after n more tokens. */
inline void advance_tail(device const float *u, device const float *tail, device float *next, uint channel, uint n,
                         uint kernel_size, uint channels) {
    for (uint from = 0; from + 1 < kernel_size; from += AT_ONCE) {
        float x[AT_ONCE];
        UNROLL
        for (uint j = 0; j < AT_ONCE; j++) {
            uint at = n + min(from + j, kernel_size - 2);
            x[j] = at < kernel_size - 1 ? tail[at * channels + channel]
                                        : u[ulong(at - (kernel_size - 1)) * channels + channel];
        }
        UNROLL
        for (uint j = 0; j < AT_ONCE; j++)
            if (from + j + 1 < kernel_size)
                next[(from + j) * channels + channel] = x[j];
    }
}

#define QUADS (FM_HEAD_MOST / 128) /* of a row of S that a lane has: elements 4 lane, 4 lane + 128, and the three after */

/* Four elements of a row from d; 0 past its end. */
inline float4 quad_of(device const float *row, uint d, uint dk) {
    float4 v = float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (d < dk)
        v = ((device const float4 *)(row + d))[0];
    return v;
}

/* One step of the delta rule for one row of S, of which a lane has `quads`; returns o. */
inline float delta_rule(thread float4 *s, thread const float4 *q, thread const float4 *k, uint quads, float v, float decay,
                        float beta) {
    float recalled = 0;
    UNROLL
    for (uint i = 0; i < QUADS; i++)
        if (i < quads) {
            s[i] *= decay;
            recalled += dot(s[i], k[i]);
        }
    float d = beta * (v - simd_sum(recalled)), o = 0;
    UNROLL
    for (uint i = 0; i < QUADS; i++)
        if (i < quads) {
            s[i] = fma_of(k[i], d, s[i]);
            o += dot(s[i], q[i]);
        }
    return simd_sum(o);
}

inline void store_quads(thread const float4 *s, device float *row, uint lane, uint dk) {
    UNROLL
    for (uint i = 0; i < QUADS; i++) {
        uint d = (i * 32 + lane) * 4;
        if (d < dk)
            ((device float4 *)(row + d))[0] = s[i];
    }
}

#define ROWS_AT_ONCE 8 /* of S that a SIMD group of delta_step has */

/* Rows from, from + step, … of a head's S, of which there are dv. */
inline void load_rows(device const float *state, uint from, uint step, uint dv, uint lane, uint dk, uint quads,
                      thread float4 *s) {
    UNROLL
    for (uint j = 0; j < ROWS_AT_ONCE; j++)
        UNROLL
        for (uint i = 0; i < QUADS; i++) {
            s[j * QUADS + i] = float4(0.0f, 0.0f, 0.0f, 0.0f);
            if (i < quads && from + j * step < dv)
                s[j * QUADS + i] = quad_of(state + ulong(from + j * step) * dk, (i * 32 + lane) * 4, dk);
        }
}

/* The channel of element i of a value head's query, key and value, one after the other. */
inline uint channel_of(constant fm_delta_args &args, uint head, uint i) {
    uint dk = args.key_dim, key_head = head / (args.value_heads / args.key_heads), key_width = args.key_heads * dk;
    return i < dk       ? key_head * dk + i
           : i < 2 * dk ? key_width + key_head * dk + i - dk
                        : 2 * key_width + head * args.value_dim + i - 2 * dk;
}

/* Decode: everything between the projections for one value head; a group for each. Some groups share a key head: the
 * first of them writes its tail. At least two SIMD groups. */
kernel void delta_step(device const float *u [[buffer(0)]], device const float *z [[buffer(1)]],
                       device const float *a [[buffer(2)]], device const float *b [[buffer(3)]],
                       device const float *conv [[buffer(4)]], device const float *decay_rate [[buffer(5)]],
                       device const float *dt_bias [[buffer(6)]], device const float *norm [[buffer(7)]],
                       device const float *tail [[buffer(8)]], device float *next_tail [[buffer(9)]],
                       device const float *state [[buffer(10)]], device float *next_state [[buffer(11)]],
                       device float *out [[buffer(12)]], constant fm_delta_args &args [[buffer(13)]],
                       uint3 group [[threadgroup_position_in_grid]],
                       uint3 thread_index [[thread_position_in_threadgroup]],
                       uint3 threads [[threads_per_threadgroup]], uint lane [[thread_index_in_simdgroup]],
                       uint simd [[simdgroup_index_in_threadgroup]], uint simds [[simdgroups_per_threadgroup]]) {
    threadgroup float4 quads_of_q[FM_HEAD_MOST / 4];
    threadgroup float4 quads_of_k[FM_HEAD_MOST / 4];
    threadgroup float v[FM_HEAD_MOST];
    threadgroup float o[FM_HEAD_MOST];
    threadgroup float factor[2];
    uint head = group.x, dk = args.key_dim, dv = args.value_dim, share = args.value_heads / args.key_heads;
    bool first = head % share == 0;
    device const float *inputs = u + ulong(args.first) * args.channels;
    ulong token = ulong(args.first) * args.value_heads + head;
    threadgroup float *q = (threadgroup float *)quads_of_q, *k = (threadgroup float *)quads_of_k;
    uint quads = (dk + 127) / 128;
    device const float *mine = state + ulong(head) * dv * dk;
    float4 s[ROWS_AT_ONCE * QUADS];
    load_rows(mine, simd, simds, dv, lane, dk, quads, s);
    for (uint i = thread_index.x * 8; i < 2 * dk + dv; i += threads.x * 8) {
        uint channel = channel_of(args, head, i);
        will_read(conv + channel * args.kernel_size);
        for (uint j = 0; i % 32 == 0 && j + 1 < args.kernel_size; j++)
            will_read(tail + j * args.channels + channel);
    }
    inputs_ready();
    for (uint i = thread_index.x; i < 2 * dk + dv; i += threads.x) {
        uint channel = channel_of(args, head, i);
        float x = convolve(inputs, tail, conv, channel, 0, args.kernel_size, args.channels);
        if (i < dk)
            q[i] = x;
        else if (i < 2 * dk)
            k[i - dk] = x;
        else
            v[i - 2 * dk] = x;
    }
    for (uint i = dk + thread_index.x; i < quads * 128; i += threads.x) /* lanes past the end have zeros */
        q[i] = k[i] = 0;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simd < 2) {
        float squares = 0;
        for (uint i = lane; i < dk; i += 32) {
            float x = simd == 0 ? q[i] : k[i];
            squares = fma(x, x, squares);
        }
        squares = simd_sum(squares);
        if (lane == 0)
            factor[simd] = rsqrt(squares + 1e-6f) * (simd == 0 ? rsqrt(float(dk)) : 1.0f);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float beta = sigmoid(b[token]), decay = exp(decay_rate[head] * softplus(a[token] + dt_bias[head]));
    float4 my_q[QUADS], my_k[QUADS];
    UNROLL
    for (uint i = 0; i < QUADS; i++) {
        my_q[i] = my_k[i] = float4(0.0f, 0.0f, 0.0f, 0.0f);
        if (i < quads) {
            my_q[i] = quads_of_q[i * 32 + lane] * factor[0];
            my_k[i] = quads_of_k[i * 32 + lane] * factor[1];
        }
    }
    for (uint from = simd; from < dv; from += simds * ROWS_AT_ONCE) {
        if (from > simd)
            load_rows(mine, from, simds, dv, lane, dk, quads, s);
        UNROLL
        for (uint j = 0; j < ROWS_AT_ONCE; j++) {
            uint row = from + j * simds;
            float x = delta_rule(s + j * QUADS, my_q, my_k, quads, v[min(row, dv - 1)], decay, beta);
            if (row < dv) {
                store_quads(s + j * QUADS, next_state + (ulong(head) * dv + row) * dk, lane, dk);
                if (lane == 0)
                    o[row] = x;
            }
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float squares = 0;
    for (uint i = lane; i < dv; i += 32)
        squares = fma(o[i], o[i], squares);
    float scale = rsqrt(simd_sum(squares) / float(dv) + args.eps);
    for (uint i = thread_index.x; i < dv; i += threads.x)
        out[token * dv + i] = norm[i] * (o[i] * scale) * silu(z[token * dv + i]);
    for (uint i = (first ? 0 : 2 * dk) + thread_index.x; i < 2 * dk + dv; i += threads.x)
        advance_tail(inputs, tail, next_tail, channel_of(args, head, i), 1, args.kernel_size, args.channels);
}

/* Prefill, first: c [n][channels] = silu of the convolution; the tail after the block. Groups: x over channels, y over
 * tokens, of which the first group writes the tail. */
kernel void conv_rows(device const float *u [[buffer(0)]], device const float *conv [[buffer(1)]],
                      device const float *tail [[buffer(2)]], device float *next_tail [[buffer(3)]],
                      device float *c [[buffer(4)]], constant fm_delta_args &args [[buffer(5)]],
                      uint3 group [[threadgroup_position_in_grid]],
                      uint3 thread_index [[thread_position_in_threadgroup]],
                      uint3 threads [[threads_per_threadgroup]]) {
    uint channel = group.x * threads.x + thread_index.x, t = group.y;
    if (channel >= args.channels)
        return;
    device const float *inputs = u + ulong(args.first) * args.channels;
    c[ulong(args.first + t) * args.channels + channel] =
        convolve(inputs, tail, conv, channel, t, args.kernel_size, args.channels);
    if (t == 0)
        advance_tail(inputs, tail, next_tail, channel, args.n, args.kernel_size, args.channels);
}

/* Second: norm of q and k of each token and key head, in place; one SIMD group each. Groups: x key heads, y tokens. */
kernel void delta_norm(device float *c [[buffer(0)]], constant fm_delta_args &args [[buffer(1)]],
                       uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
    uint dk = args.key_dim;
    device float *q = c + ulong(args.first + group.y) * args.channels + group.x * dk;
    device float *k = q + args.key_heads * dk;
    float of_q = 0, of_k = 0;
    for (uint i = lane; i < dk; i += 32) {
        of_q = fma(q[i], q[i], of_q);
        of_k = fma(k[i], k[i], of_k);
    }
    float scale_q = rsqrt(simd_sum(of_q) + 1e-6f) * rsqrt(float(dk)), scale_k = rsqrt(simd_sum(of_k) + 1e-6f);
    for (uint i = lane; i < dk; i += 32) {
        q[i] *= scale_q;
        k[i] *= scale_k;
    }
}

/* Third: the delta rule over the block, token by token with the state in registers. Groups: x blocks of rows of S, one a
 * SIMD group, y value heads. o [n][value heads][value_dim]. */
kernel void delta_scan(device const float *c [[buffer(0)]], device const float *a [[buffer(1)]],
                       device const float *b [[buffer(2)]], device const float *decay_rate [[buffer(3)]],
                       device const float *dt_bias [[buffer(4)]], device const float *state [[buffer(5)]],
                       device float *next_state [[buffer(6)]], device float *o [[buffer(7)]],
                       constant fm_delta_args &args [[buffer(8)]], uint3 group [[threadgroup_position_in_grid]],
                       uint lane [[thread_index_in_simdgroup]], uint simd [[simdgroup_index_in_threadgroup]],
                       uint simds [[simdgroups_per_threadgroup]]) {
    uint head = group.y, row = group.x * simds + simd, dk = args.key_dim, dv = args.value_dim;
    if (row >= dv)
        return; /* a whole SIMD group, and there is no barrier below */
    uint key_head = head / (args.value_heads / args.key_heads), key_width = args.key_heads * dk;
    ulong at = (ulong(head) * dv + row) * dk;
    float4 s[QUADS];
    uint quads = (dk + 127) / 128;
    UNROLL
    for (uint i = 0; i < QUADS; i++)
        s[i] = quad_of(state + at, (i * 32 + lane) * 4, dk);
    for (uint t = 0; t < args.n; t++) {
        device const float *mine = c + ulong(args.first + t) * args.channels;
        float4 q[QUADS], k[QUADS];
        UNROLL
        for (uint i = 0; i < QUADS; i++)
            if (i < quads) {
                q[i] = quad_of(mine + key_head * dk, (i * 32 + lane) * 4, dk);
                k[i] = quad_of(mine + key_width + key_head * dk, (i * 32 + lane) * 4, dk);
            }
        ulong token = ulong(args.first + t) * args.value_heads + head;
        float decay = exp(decay_rate[head] * softplus(a[token] + dt_bias[head]));
        float x = delta_rule(s, q, k, quads, mine[2 * key_width + head * dv + row], decay, sigmoid(b[token]));
        if (lane == 0)
            o[token * dv + row] = x;
    }
    store_quads(s, next_state + at, lane, dk);
}

/* Fourth: out = norm * (o * rsqrt(mean(o^2) + eps)) * silu(z); one SIMD group for each token and value head. */
kernel void gated_norm(device const float *o [[buffer(0)]], device const float *z [[buffer(1)]],
                       device const float *norm [[buffer(2)]], device float *out [[buffer(3)]],
                       constant fm_delta_args &args [[buffer(4)]], uint3 group [[threadgroup_position_in_grid]],
                       uint lane [[thread_index_in_simdgroup]]) {
    uint dv = args.value_dim;
    ulong at = (ulong(args.first + group.y) * args.value_heads + group.x) * dv;
    float squares = 0;
    for (uint i = lane; i < dv; i += 32)
        squares = fma(o[at + i], o[at + i], squares);
    float scale = rsqrt(simd_sum(squares) / float(dv) + args.eps);
    for (uint i = lane; i < dv; i += 32)
        out[at + i] = norm[i] * (o[at + i] * scale) * silu(z[at + i]);
}
