/* Gated full attention: norm and rotation of queries and keys, attention of one token split over the context, attention
 * of a block of tokens in tiles. Keys and values are float32 [kv head][context][dim], context a multiple of FM_KEYS. */
#include "common.h"

/* One SIMD group for each token and head: query heads, then key/value heads. q_gate [n][heads][2 dim]; rotation
 * [n][rope_dim / 2] pairs of cosine and sine. Queries come out scaled; keys and values enter the cache. */
kernel void rope(device const float *q_gate [[buffer(0)]], device const float *k [[buffer(1)]],
                 device const float *v [[buffer(2)]], device const float *q_norm [[buffer(3)]],
                 device const float *k_norm [[buffer(4)]], device const float *rotation [[buffer(5)]],
                 device float *q [[buffer(6)]], device float *keys [[buffer(7)]], device float *values [[buffer(8)]],
                 constant fm_rope_args &args [[buffer(9)]], uint3 group [[threadgroup_position_in_grid]],
                 uint lane [[thread_index_in_simdgroup]]) {
    threadgroup float head[FM_HEAD_MOST];
    uint t = args.first + group.y, dim = args.dim, half_dim = args.rope_dim / 2;
    bool query = group.x < args.heads;
    uint h = query ? group.x : group.x - args.heads;
    device const float *from =
        query ? q_gate + (ulong(t) * args.heads + h) * 2 * dim : k + (ulong(t) * args.kv_heads + h) * dim;
    device const float *weight = query ? q_norm : k_norm;
    float squares = 0, x[FM_HEAD_MOST / 32], w[FM_HEAD_MOST / 32];
    UNROLL
    for (uint i = 0; i < FM_HEAD_MOST / 32; i++) {
        uint d = i * 32 + lane;
        x[i] = d < dim ? from[d] : 0.0f;
        w[i] = d < dim ? weight[d] : 0.0f;
    }
    UNROLL
    for (uint i = 0; i < FM_HEAD_MOST / 32; i++)
        squares += x[i] * x[i];
    float factor = rsqrt(simd_sum(squares) / float(dim) + args.eps);
    UNROLL
    for (uint i = 0; i < FM_HEAD_MOST / 32; i++)
        if (i * 32 + lane < dim)
            head[i * 32 + lane] = x[i] * factor * w[i];
    threadgroup_barrier(mem_flags::mem_threadgroup);
    ulong cached = (ulong(h) * args.context + args.position + group.y) * dim;
    device float *to = query ? q + (ulong(t) * args.heads + h) * dim : keys + cached;
    float scale = query ? args.scale : 1.0f;
    for (uint d = lane; d < dim; d += 32) {
        float x = head[d];
        if (d < args.rope_dim) {
            uint j = d < half_dim ? d : d - half_dim;
            ulong at = (ulong(t) * half_dim + j) * 2;
            float cosine = rotation[at], sine = rotation[at + 1];
            x = d < half_dim ? x * cosine - head[d + half_dim] * sine : x * cosine + head[d - half_dim] * sine;
        }
        to[d] = x * scale;
    }
    if (!query)
        for (uint d = lane; d < dim; d += 32)
            values[cached + d] = v[(ulong(t) * args.kv_heads + h) * dim + d];
}

/* Keys of a position that 8 lanes read at once, each a float4 of every 8; positions whose values a thread does. */
#define KEY_QUADS (FM_HEAD_MOST / 4 / 8)
#define VALUES    8

/* Eight sums over eight lanes: each lane gets the one of its number. */
inline float sum_of_eight(thread float *s, uint lane) {
    UNROLL
    for (ushort half_of = 4; half_of > 0; half_of /= 2) {
        bool upper = (lane & half_of) != 0;
        UNROLL
        for (ushort i = 0; i < half_of; i++)
            s[i] = (upper ? s[i + half_of] : s[i]) + simd_shuffle_xor(upper ? s[i] : s[i + half_of], half_of);
    }
    return s[0];
}

/* One token, one span of positions, FM_SPAN_HEADS query heads of a key/value head. Groups: x spans, y blocks of query
 * heads of a key/value head, z key/value heads. partial [head][span][dim + FM_SPAN_STRIDE]: the sum weighted by
 * exp(score - largest), the largest score, the sum of the weights. dim: a multiple of 4, at most four for each thread.
 *
 * Eight lanes share a position's key, so a sum over them is for all heads at once; then a thread has four columns of the
 * values for a part of the positions. */
[[max_total_threads_per_threadgroup(FM_VECTOR_THREADS)]]
kernel void attend_split(device const float *q [[buffer(0)]], device const float *keys [[buffer(1)]],
                         device const float *values [[buffer(2)]], device float *partial [[buffer(3)]],
                         constant fm_attend_args &args [[buffer(4)]], uint3 group [[threadgroup_position_in_grid]],
                         uint lane [[thread_index_in_simdgroup]], uint simd [[simdgroup_index_in_threadgroup]],
                         uint simds [[simdgroups_per_threadgroup]]) {
    threadgroup float4 quads_of_heads[FM_SPAN_HEADS * FM_HEAD_MOST / 4]; /* queries, then sums */
    threadgroup float4 weights[FM_SPAN_HEADS * FM_SPAN / 4];
    threadgroup float *weight = (threadgroup float *)weights;
    uint quads = args.dim / 4, share = args.heads / args.kv_heads, thread_index = simd * 32 + lane, threads = simds * 32;
    uint first_head = group.z * share + group.y * FM_SPAN_HEADS;
    uint heads = min(share - group.y * FM_SPAN_HEADS, uint(FM_SPAN_HEADS));
    uint from = group.x * args.span, count = min(args.position + 1 - from, args.span);
    ulong at = (ulong(group.z) * args.context + from) * quads;
    device const float4 *k = (device const float4 *)keys + at, *v = (device const float4 *)values + at;
    device const float4 *query = (device const float4 *)q + (ulong(args.first) * args.heads + first_head) * quads;

    for (uint i = thread_index; i < FM_SPAN_HEADS * quads; i += threads)
        quads_of_heads[i] = i < heads * quads ? query[i] : float4(0.0f, 0.0f, 0.0f, 0.0f);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint part = lane % 8;
    for (uint base = simd * 4; base < count; base += simds * 4) {
        uint p = base + lane / 8;
        device const float4 *row = k + min(p, count - 1) * quads;
        float4 key[KEY_QUADS];
        UNROLL
        for (uint j = 0; j < KEY_QUADS; j++)
            key[j] = part + 8 * j < quads ? row[part + 8 * j] : float4(0.0f, 0.0f, 0.0f, 0.0f);
        float score[FM_SPAN_HEADS];
        UNROLL
        for (uint h = 0; h < FM_SPAN_HEADS; h++)
            score[h] = 0;
        UNROLL
        for (uint j = 0; j < KEY_QUADS; j++)
            if (8 * j < quads) {
                UNROLL
                for (uint h = 0; h < FM_SPAN_HEADS; h++)
                    score[h] += dot(key[j], quads_of_heads[h * quads + min(part + 8 * j, quads - 1)]);
            }
        float of_part = sum_of_eight(score, lane);
        if (p < count)
            weight[part * FM_SPAN + p] = of_part;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint h = simd; h < heads; h += simds) {
        float most = LEAST, sum = 0;
        for (uint p = lane; p < count; p += 32)
            most = max(most, weight[h * FM_SPAN + p]);
        most = simd_max(most);
        for (uint p = lane; p < FM_SPAN; p += 32) {
            float w = p < count ? exp(weight[h * FM_SPAN + p] - most) : 0.0f;
            weight[h * FM_SPAN + p] = w;
            sum += w;
        }
        sum = simd_sum(sum);
        if (lane == 0) {
            ulong end = (ulong(first_head + h) * args.spans + group.x) * (args.dim + FM_SPAN_STRIDE) + args.dim;
            partial[end] = most;
            partial[end + 1] = sum;
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint parts = threads / quads, mine = thread_index / quads, column = thread_index % quads;
    float4 sums[FM_SPAN_HEADS];
    UNROLL
    for (uint h = 0; h < FM_SPAN_HEADS; h++)
        sums[h] = float4(0.0f, 0.0f, 0.0f, 0.0f);
    for (uint p = mine < parts ? mine * VALUES : count; p < count; p += parts * VALUES) {
        float4 value[VALUES];
        UNROLL
        for (uint j = 0; j < VALUES; j++)
            value[j] = v[min(p + j, count - 1) * quads + column];
        UNROLL
        for (uint j = 0; j < VALUES; j += 4)
            UNROLL
            for (uint h = 0; h < FM_SPAN_HEADS; h++)
                if (h < heads) {
                    float4 w = weights[(h * FM_SPAN + p + j) / 4];
                    sums[h] = fma_of(value[j], w.x, sums[h]);
                    sums[h] = fma_of(value[j + 1], w.y, sums[h]);
                    sums[h] = fma_of(value[j + 2], w.z, sums[h]);
                    sums[h] = fma_of(value[j + 3], w.w, sums[h]);
                }
    }
    /* One part after the other adds its sums, and the last has them all. */
    for (uint i = 0; i < parts; i++) {
        if (mine == i) {
            UNROLL
            for (uint h = 0; h < FM_SPAN_HEADS; h++)
                if (h < heads) {
                    if (i > 0)
                        sums[h] += quads_of_heads[h * quads + column];
                    if (i + 1 < parts)
                        quads_of_heads[h * quads + column] = sums[h];
                    else
                        ((device float4 *)partial)[(ulong(first_head + h) * args.spans + group.x) *
                                                       (quads + FM_SPAN_STRIDE / 4) +
                                                   column] = sums[h];
                }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
}

#define FACTORS 1024 /* of spans, in threadgroup memory */

/* out[head] = (sum over spans) * sigmoid(gate); a group for each head, of 512 threads at most and dim / 4 at least. */
kernel void attend_merge(device const float *partial [[buffer(0)]], device const float *q_gate [[buffer(1)]],
                         device float *out [[buffer(2)]], constant fm_attend_args &args [[buffer(3)]],
                         uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]],
                         uint simd [[simdgroup_index_in_threadgroup]], uint simds [[simdgroups_per_threadgroup]]) {
    threadgroup float factor[FACTORS];
    threadgroup float4 sums[FM_VECTOR_THREADS];
    threadgroup float largest[FM_VECTOR_THREADS / 32];
    threadgroup float totals[FM_VECTOR_THREADS / 32];
    uint dim = args.dim, quads = dim / 4, stride = dim + FM_SPAN_STRIDE;
    uint thread_index = simd * 32 + lane, threads = simds * 32;
    device const float *mine = partial + ulong(group.x) * args.spans * stride;
    float most = LEAST, total = 0;
    for (uint i = thread_index; i < args.spans; i += threads)
        most = max(most, mine[ulong(i) * stride + dim]);
    most = simd_max(most);
    if (lane == 0)
        largest[simd] = most;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = 0; i < simds; i++)
        most = max(most, largest[i]);
    uint parts = threads / quads, part = thread_index / quads, column = thread_index % quads;
    float4 sum = float4(0.0f, 0.0f, 0.0f, 0.0f);
    for (uint from = 0; from < args.spans; from += FACTORS) {
        uint count = min(args.spans - from, uint(FACTORS));
        device const float *spans = mine + ulong(from) * stride;
        for (uint i = thread_index; i < count; i += threads) {
            float f = exp(spans[ulong(i) * stride + dim] - most);
            factor[i] = f;
            total = fma(spans[ulong(i) * stride + dim + 1], f, total);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint first = part < parts ? part : count; first < count; first += parts * AT_ONCE) {
            float4 value[AT_ONCE];
            UNROLL
            for (uint j = 0; j < AT_ONCE; j++)
                value[j] = ((device const float4 *)(spans + ulong(min(first + j * parts, count - 1)) * stride))[column];
            UNROLL
            for (uint j = 0; j < AT_ONCE; j++)
                if (first + j * parts < count)
                    sum = fma_of(value[j], factor[first + j * parts], sum);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    total = simd_sum(total);
    if (lane == 0)
        totals[simd] = total;
    sums[thread_index] = sum;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (thread_index >= quads)
        return;
    total = 0;
    for (uint i = 0; i < simds; i++)
        total += totals[i];
    for (uint i = 1; i < parts; i++)
        sum += sums[i * quads + column];
    ulong head = ulong(args.first) * args.heads + group.x;
    device const float *gate = q_gate + head * 2 * dim + dim + 4 * column;
    float4 open = float4(sigmoid(gate[0]), sigmoid(gate[1]), sigmoid(gate[2]), sigmoid(gate[3]));
    ((device float4 *)(out + head * dim))[column] = sum * (1.0f / total) * open;
}

#define SCORES 36 /* stride of a row of scores */

/* A block of tokens: FM_QUERIES rows of (token, query head of one key/value head) against tiles of FM_KEYS positions
 * with a running maximum. Tiles begin at fixed positions, so a token's result does not depend on its block. The running
 * sums are rescaled by a product with a diagonal matrix, since where a SIMD group keeps its elements is its own affair.
 * dim: a multiple of 8. Groups: x blocks of rows, y key/value heads. 128 threads. */
kernel void attend_block(device const float *q [[buffer(0)]], device const float *keys [[buffer(1)]],
                         device const float *values [[buffer(2)]], device const float *q_gate [[buffer(3)]],
                         device float *out [[buffer(4)]], constant fm_attend_args &args [[buffer(5)]],
                         uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]],
                         uint simd [[simdgroup_index_in_threadgroup]]) {
    threadgroup float rows[FM_QUERIES * FM_HEAD_MOST]; /* the queries, and in the end the result */
    threadgroup float scores[FM_QUERIES * SCORES];
    threadgroup float rescale[FM_QUERIES * 8]; /* diagonal matrices */
    threadgroup float total[FM_QUERIES];
    uint dim = args.dim, share = args.heads / args.kv_heads, index = simd * 32 + lane;
    uint first = group.x * FM_QUERIES, all = args.n * share;
    uint count = min(all - first, uint(FM_QUERIES));
    device const float *k = keys + ulong(group.y) * args.context * dim;
    device const float *v = values + ulong(group.y) * args.context * dim;
    for (uint i = index; i < FM_QUERIES * dim; i += 128) {
        uint r = i / dim, row = first + min(r, count - 1);
        ulong head = ulong(args.first + row / share) * args.heads + group.y * share + row % share;
        rows[r * dim + i % dim] = q[head * dim + i % dim];
    }
    for (uint i = index; i < FM_QUERIES * 8; i += 128)
        rescale[i] = 0;
    simdgroup_float8x8 sums[2][FM_HEAD_MOST / 32];
    UNROLL
    for (uint i = 0; i < 2; i++)
        UNROLL
        for (uint f = 0; f < FM_HEAD_MOST / 32; f++)
            sums[i][f] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    /* Eight threads keep one row's maximum and sum, four keys each. */
    uint r = index / 8, part = index % 8;
    uint last = args.position + (first + min(r, count - 1)) / share; /* position of the row's token */
    float most = LEAST, sum = 0;
    uint end = args.position + (first + count - 1) / share + 1;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint tile = 0; tile < end; tile += FM_KEYS) {
        simdgroup_float8x8 score[2];
        UNROLL
        for (uint i = 0; i < 2; i++)
            score[i] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
        for (uint d = 0; d < dim; d += 8) {
            simdgroup_float8x8 key;
            simdgroup_load(key, k + ulong(tile + simd * 8) * dim + d, dim, ulong2(0, 0), true);
            UNROLL
            for (uint i = 0; i < 2; i++) {
                simdgroup_float8x8 query;
                simdgroup_load(query, rows + i * 8 * dim + d, dim);
                simdgroup_multiply_accumulate(score[i], query, key, score[i]);
            }
        }
        UNROLL
        for (uint i = 0; i < 2; i++)
            simdgroup_store(score[i], scores + i * 8 * SCORES + simd * 8, SCORES);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        float mine[4], highest = LEAST;
        UNROLL
        for (uint i = 0; i < 4; i++) {
            mine[i] = tile + part * 4 + i <= last ? scores[r * SCORES + part * 4 + i] : LEAST;
            highest = max(highest, mine[i]);
        }
        for (ushort offset = 4; offset > 0; offset /= 2)
            highest = max(highest, simd_shuffle_xor(highest, offset));
        highest = max(highest, most);
        float factor = exp(most - highest), added = 0;
        UNROLL
        for (uint i = 0; i < 4; i++) {
            float w = mine[i] > LEAST ? exp(mine[i] - highest) : 0.0f;
            scores[r * SCORES + part * 4 + i] = w;
            added += w;
        }
        for (ushort offset = 4; offset > 0; offset /= 2)
            added += simd_shuffle_xor(added, offset);
        sum = fma(sum, factor, added);
        most = highest;
        if (part == 0)
            rescale[r * 8 + r % 8] = factor;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        simdgroup_float8x8 weight[2][4], diagonal[2];
        UNROLL
        for (uint i = 0; i < 2; i++) {
            simdgroup_load(diagonal[i], rescale + i * 64, 8);
            UNROLL
            for (uint j = 0; j < 4; j++)
                simdgroup_load(weight[i][j], scores + i * 8 * SCORES + j * 8, SCORES);
        }
        UNROLL
        for (uint f = 0; f < FM_HEAD_MOST / 32; f++) {
            uint d = (f * 4 + simd) * 8;
            if (d < dim) {
                UNROLL
                for (uint i = 0; i < 2; i++)
                    simdgroup_multiply(sums[i][f], diagonal[i], sums[i][f]);
                UNROLL
                for (uint j = 0; j < 4; j++) {
                    simdgroup_float8x8 value;
                    simdgroup_load(value, v + ulong(tile + j * 8) * dim + d, dim);
                    UNROLL
                    for (uint i = 0; i < 2; i++)
                        simdgroup_multiply_accumulate(sums[i][f], weight[i][j], value, sums[i][f]);
                }
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    if (part == 0)
        total[r] = sum;
    UNROLL
    for (uint f = 0; f < FM_HEAD_MOST / 32; f++) {
        uint d = (f * 4 + simd) * 8;
        if (d < dim)
            UNROLL
            for (uint i = 0; i < 2; i++)
                simdgroup_store(sums[i][f], rows + i * 8 * dim + d, dim);
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = index; i < count * dim; i += 128) {
        uint at = i / dim, d = i % dim, row = first + at;
        ulong head = ulong(args.first + row / share) * args.heads + group.y * share + row % share;
        out[head * dim + d] = rows[at * dim + d] / total[at] * sigmoid(q_gate[head * 2 * dim + dim + d]);
    }
}
