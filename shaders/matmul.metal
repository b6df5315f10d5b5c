/* Products of matrices with many vectors: prefill.
 *
 * A threadgroup of four SIMD groups makes a tile of FM_BLOCK tokens by FM_BLOCK rows: 32 columns at a time of x and of
 * the weights, unpacked, lie in threadgroup memory, and each SIMD group multiplies a quarter of the tile as 8 by 8
 * matrices. A token's result is the same bits in any row of any tile, so it does not depend on how a prompt was cut or
 * which tokens share an expert. */
#include "formats.h"

#define STRIDE 36 /* of a row in threadgroup memory: 32 and some, against bank conflicts */

/* tile[token][row] = sum over columns of x[token] W[row]; x rows are x_rows[0 … count). */
inline void tile_product(weights m, uint first_row, device const float *x, device const float *second, uint how,
                         threadgroup const uint *x_rows, uint count, threadgroup float *x_tile,
                         threadgroup float *w_tile, threadgroup float *out, uint simd, uint lane) {
    simdgroup_float8x8 sums[2][2];
    UNROLL
    for (uint i = 0; i < 2; i++)
        UNROLL
        for (uint j = 0; j < 2; j++)
            sums[i][j] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
    uint index = simd * 32 + lane, tile_row = index / 4, octet = index % 4 * 8;
    uint token0 = simd / 2 * 16, row0 = simd % 2 * 16;
    for (uint column = 0; column < m.cols; column += 32) {
        float values[8];
        if (first_row + tile_row < m.rows) {
            load_octet(m, first_row + tile_row, column + octet, values);
        } else {
            UNROLL
            for (uint i = 0; i < 8; i++)
                values[i] = 0;
        }
        UNROLL
        for (uint i = 0; i < 8; i++)
            w_tile[tile_row * STRIDE + octet + i] = values[i];
        ulong at = ulong(x_rows[tile_row]) * m.cols + column + octet;
        UNROLL
        for (uint i = 0; i < 8; i++) {
            float v = 0;
            if (tile_row < count && column + octet + i < m.cols) {
                v = x[at + i];
                if (how == FM_STAGE_SWIGLU)
                    v = silu(v) * second[at + i];
            }
            x_tile[tile_row * STRIDE + octet + i] = v;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint k = 0; k < 32; k += 8) {
            simdgroup_float8x8 a[2], b[2];
            UNROLL
            for (uint i = 0; i < 2; i++) {
                simdgroup_load(a[i], x_tile + (token0 + 8 * i) * STRIDE + k, STRIDE);
                simdgroup_load(b[i], w_tile + (row0 + 8 * i) * STRIDE + k, STRIDE, ulong2(0, 0), true);
            }
            UNROLL
            for (uint i = 0; i < 2; i++)
                UNROLL
                for (uint j = 0; j < 2; j++)
                    simdgroup_multiply_accumulate(sums[i][j], a[i], b[j], sums[i][j]);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    UNROLL
    for (uint i = 0; i < 2; i++)
        UNROLL
        for (uint j = 0; j < 2; j++)
            simdgroup_store(sums[i][j], out + (token0 + 8 * i) * STRIDE + row0 + 8 * j, STRIDE);
    threadgroup_barrier(mem_flags::mem_threadgroup);
}

/* y[t] = W x[t], or += ; groups: x over rows, y over tokens. 128 threads. */
kernel void matmul(device const uchar *weight [[buffer(0)]], device const uchar *scales [[buffer(1)]],
                   device const uchar *biases [[buffer(2)]], device const float *x [[buffer(3)]],
                   device const float *second [[buffer(4)]], device float *y [[buffer(5)]],
                   constant fm_matmul_args &args [[buffer(6)]], uint3 group [[threadgroup_position_in_grid]],
                   uint lane [[thread_index_in_simdgroup]], uint simd [[simdgroup_index_in_threadgroup]]) {
    threadgroup float x_tile[FM_BLOCK * STRIDE];
    threadgroup float w_tile[FM_BLOCK * STRIDE];
    threadgroup float out[FM_BLOCK * STRIDE];
    threadgroup uint x_rows[FM_BLOCK];
    uint first_token = group.y * FM_BLOCK, first_row = group.x * FM_BLOCK;
    uint count = min(args.n - first_token, uint(FM_BLOCK));
    uint index = simd * 32 + lane;
    if (index < FM_BLOCK)
        x_rows[index] = first_token + min(index, count - 1);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    weights m;
    m.weight = weight;
    m.scales = scales;
    m.biases = biases;
    m.rows = args.rows;
    m.cols = args.cols;
    m.group_shift = args.group_shift;
    tile_product(m, first_row, x, second, args.stage, x_rows, count, x_tile, w_tile, out, simd, lane);
    for (uint i = index; i < FM_BLOCK * FM_BLOCK; i += 128) {
        uint t = i / FM_BLOCK, r = i % FM_BLOCK;
        if (t < count && first_row + r < args.rows) {
            ulong at = ulong(first_token + t) * args.rows + first_row + r;
            float v = out[t * STRIDE + r];
            y[at] = args.add ? y[at] + v : v;
        }
    }
}

/* Routed experts on the tokens that chose them, all of one dispatch: groups x over rows, y over tiles, z over
 * args.matrix. A pair is token * k + place; y has a row for each pair, and so has x unless pairs share their token's
 * row (args.per_token = k). 128 threads. */
kernel void experts_matmul(device const fm_expert *table [[buffer(0)]], device const fm_tile *tiles [[buffer(1)]],
                           device const int *pairs [[buffer(2)]], device const float *x [[buffer(3)]],
                           device const float *second [[buffer(4)]], device float *y0 [[buffer(5)]],
                           device float *y1 [[buffer(6)]], constant fm_experts_matmul_args &args [[buffer(7)]],
                           uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]],
                           uint simd [[simdgroup_index_in_threadgroup]]) {
    threadgroup float x_tile[FM_BLOCK * STRIDE];
    threadgroup float w_tile[FM_BLOCK * STRIDE];
    threadgroup float out[FM_BLOCK * STRIDE];
    threadgroup uint x_rows[FM_BLOCK];
    uint count = tiles[group.y].count, first = tiles[group.y].first, first_row = group.x * FM_BLOCK;
    uint index = simd * 32 + lane;
    if (index < FM_BLOCK)
        x_rows[index] = uint(pairs[first + min(index, count - 1)]) / args.per_token;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    uint part = 3 * (group.z == 0 ? args.matrix[0] : args.matrix[1]);
    device const fm_expert *expert = table + tiles[group.y].expert;
    weights m;
    m.weight = in_device(expert->part[part]);
    m.scales = in_device(expert->part[part + 1]);
    m.biases = in_device(expert->part[part + 2]);
    m.rows = args.rows;
    m.cols = args.cols;
    m.group_shift = args.group_shift;
    tile_product(m, first_row, x, second, args.stage, x_rows, count, x_tile, w_tile, out, simd, lane);
    device float *y = group.z == 0 ? y0 : y1;
    for (uint i = index; i < FM_BLOCK * FM_BLOCK; i += 128) {
        uint t = i / FM_BLOCK, r = i % FM_BLOCK;
        if (t < count && first_row + r < args.rows)
            y[ulong(uint(pairs[first + t])) * args.rows + first_row + r] = out[t * STRIDE + r];
    }
}
