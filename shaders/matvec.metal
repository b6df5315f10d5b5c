/* Products of matrices with one vector: decode.
 *
 * A SIMD group takes up to FM_ROWS rows at a time, fewer where there are too few rows to keep the GPU busy; its lanes share out the packs of 32 columns of a row, a 16-byte load each
 * at 4 bits, and add up at the end. Rows shorter than 32 packs use fewer lanes, and the SIMD group takes more rows.
 * x is staged in threadgroup memory once for all rows of the group, on the way through the norm before the product or
 * the SwiGLU: neither is a dispatch of its own. The factor of the norm is a scalar, so it multiplies the result. */
#include "formats.h"

/* x in threadgroup memory: float4 j of pack p at [p / 32][j][p % 32], so that neighbouring lanes read neighbours; rows of
 * j are one longer than 32, so that neighbouring threads of stage() store to different banks. */
#define STAGED_ROW 33
#define STAGED (FM_TILE_COLUMNS / 32 / 32 * 8 * STAGED_ROW)

inline uint staged_at(uint pack, uint j) {
    return (pack / 32 * 8 + j) * STAGED_ROW + pack % 32;
}

/* Four columns of x from `column`; 0 past the end. */
inline float4 four_of(device const float *x, uint column, uint cols) {
    if (cols % 4 == 0 && column < cols)
        return ((device const float4 *)(x + column))[0];
    float4 v = float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (column < cols)
        v.x = x[column];
    if (column + 1 < cols)
        v.y = x[column + 1];
    if (column + 2 < cols)
        v.z = x[column + 2];
    if (column + 3 < cols)
        v.w = x[column + 3];
    return v;
}

/* Columns [from, from + FM_TILE_COLUMNS) of x, on their way through the norm or the SwiGLU; returns this thread's share
 * of the sum of squares of x. */
inline float stage(device const float *x, device const float *second, uint how, uint cols, uint from,
                   threadgroup float4 *staged, uint thread_index, uint threads) {
    float squares = 0;
    uint packs = min((cols + 31) / 32 - from / 32, uint(FM_TILE_COLUMNS / 32));
    for (uint i = thread_index; i < packs * 8; i += threads) {
        float4 v = four_of(x, from + i * 4, cols);
        if (how == FM_STAGE_NORM) {
            squares += dot(v, v);
            v *= four_of(second, from + i * 4, cols);
        } else if (how == FM_STAGE_SWIGLU) {
            v = float4(silu(v.x), silu(v.y), silu(v.z), silu(v.w)) * four_of(second, from + i * 4, cols);
        }
        staged[staged_at(i / 8, i % 8)] = v;
    }
    return squares;
}

/* What a lane has read of FM_ROWS rows, ahead of its use. */
struct fetched {
    uint words[FM_ROWS][8];
    float scale[FM_ROWS], bias[FM_ROWS];
};

/* Pack `pack` of rows [first, first + many), `many` up to FM_ROWS; rows past the end repeat the last. */
inline void fetch(weights m, uint first, uint many, uint pack, thread fetched &f) {
    uint packs = m.cols / 32, scales_of_row = m.cols >> m.group_shift;
    UNROLL
    for (uint r = 0; r < FM_ROWS; r++)
        if (r < many) {
            uint row = min(first + r, m.rows - 1);
            load_pack(m.weight + (ulong(row) * packs + pack) * (4 * FORMAT), f.words[r]);
            ulong s = ulong(row) * scales_of_row + (pack * 32 >> m.group_shift);
            f.scale[r] = load_float(m.scales, s, SCALE);
            f.bias[r] = load_float(m.biases, s, SCALE);
        }
}

/* sums[r] += the fetched pack of row r times x, of which `total` is the sum. */
inline void use(thread fetched &f, uint many, thread float4 *x, thread float *sums) {
    float4 total4 = ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + (x[6] + x[7]));
    float total = (total4.x + total4.y) + (total4.z + total4.w);
    UNROLL
    for (int j = 0; j < 8; j++)
        x[j] *= float4(prescale(4 * j), prescale(4 * j + 1), prescale(4 * j + 2), prescale(4 * j + 3));
    UNROLL
    for (uint r = 0; r < FM_ROWS; r++)
        if (r < many) {
            float a = 0, b = 0, c = 0, d = 0;
            UNROLL
            for (int j = 0; j < 8; j++) {
                a = fma(unpack(f.words[r], 4 * j), x[j].x, a);
                b = fma(unpack(f.words[r], 4 * j + 1), x[j].y, b);
                c = fma(unpack(f.words[r], 4 * j + 2), x[j].z, c);
                d = fma(unpack(f.words[r], 4 * j + 3), x[j].w, d);
            }
            sums[r] = fma(f.scale[r], ((a + b) + (c + d)) * postscale(), fma(f.bias[r], total, sums[r]));
        }
}

/* Whether weights are fetched one pack ahead. Wider codes would take too many registers. */
inline bool ahead() {
    return FORMAT <= 4;
}

/* Rows [first, first + many) of one matrix times x, in every lane of those that share a row; the whole threadgroup
 * comes here together. What is fetched ahead is fetched before x is staged too. */
inline void rows_times_x(weights m, uint first, uint many, device const float *x, device const float *second, uint how,
                         float eps, uint lane, uint lanes, threadgroup float4 *staged, threadgroup float *partial,
                         uint simd, uint simds, uint simd_lane, thread float *sums) {
    uint packs = (m.cols + 31) / 32, pack = lane;
    fetched f;
    if (is_affine() && ahead() && pack < packs)
        fetch(m, first, many, pack, f);
    float squares = 0;
    UNROLL
    for (uint r = 0; r < FM_ROWS; r++)
        sums[r] = 0;
    for (uint from = 0; from < m.cols; from += FM_TILE_COLUMNS) {
        if (from > 0)
            threadgroup_barrier(mem_flags::mem_threadgroup);
        squares += stage(x, second, how, m.cols, from, staged, simd * 32 + simd_lane, simds * 32);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        uint begin = from / 32, end = min(packs, begin + FM_TILE_COLUMNS / 32);
        for (; pack < end; pack += lanes) {
            uint at = pack - begin;
            float4 part[8];
            UNROLL
            for (uint j = 0; j < 8; j++)
                part[j] = staged[staged_at(at, j)];
            if (is_affine()) {
                if (!ahead())
                    fetch(m, first, many, pack, f);
                fetched now = f;
                if (ahead() && pack + lanes < packs)
                    fetch(m, first, many, pack + lanes, f);
                use(now, many, part, sums);
            } else {
                UNROLL
                for (uint r = 0; r < FM_ROWS; r++)
                    if (r < many)
                        sums[r] += float_pack_dot(m, min(first + r, m.rows - 1), pack, part);
            }
        }
    }
    float factor = 1;
    if (how == FM_STAGE_NORM) {
        squares = simd_sum(squares);
        if (simd_lane == 0)
            partial[simd] = squares;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        float all = 0;
        for (uint i = 0; i < simds; i++)
            all += partial[i];
        factor = rsqrt(all / float(m.cols) + eps);
    }
    UNROLL
    for (uint r = 0; r < FM_ROWS; r++)
        if (r < many)
            sums[r] = sum_of_lanes(sums[r], lanes) * factor;
}

/* y_i = W_i x for up to four matrices of one format and width. Groups [first_group[i], …) have matrix i. */
kernel void matvec(device const uchar *weight0 [[buffer(0)]], device const uchar *scales0 [[buffer(1)]],
                   device const uchar *biases0 [[buffer(2)]], device float *y0 [[buffer(3)]],
                   device const uchar *weight1 [[buffer(4)]], device const uchar *scales1 [[buffer(5)]],
                   device const uchar *biases1 [[buffer(6)]], device float *y1 [[buffer(7)]],
                   device const uchar *weight2 [[buffer(8)]], device const uchar *scales2 [[buffer(9)]],
                   device const uchar *biases2 [[buffer(10)]], device float *y2 [[buffer(11)]],
                   device const uchar *weight3 [[buffer(12)]], device const uchar *scales3 [[buffer(13)]],
                   device const uchar *biases3 [[buffer(14)]], device float *y3 [[buffer(15)]],
                   device const float *x [[buffer(16)]], device const float *second [[buffer(17)]],
                   constant fm_matvec_args &args [[buffer(18)]], uint3 group [[threadgroup_position_in_grid]],
                   uint simd_lane [[thread_index_in_simdgroup]], uint simd [[simdgroup_index_in_threadgroup]],
                   uint simds [[simdgroups_per_threadgroup]]) {
    threadgroup float4 staged[STAGED];
    threadgroup float partial[32];
    uint which = 0, rows = args.rows[0], first_group = 0;
    for (uint i = 1; i < args.matrices; i++)
        if (group.x >= args.first_group[i]) {
            which = i;
            rows = args.rows[i];
            first_group = args.first_group[i];
        }
    weights m;
    m.weight = which == 0 ? weight0 : which == 1 ? weight1 : which == 2 ? weight2 : weight3;
    m.scales = which == 0 ? scales0 : which == 1 ? scales1 : which == 2 ? scales2 : scales3;
    m.biases = which == 0 ? biases0 : which == 1 ? biases1 : which == 2 ? biases2 : biases3;
    device float *y = which == 0 ? y0 : which == 1 ? y1 : which == 2 ? y2 : y3;
    m.rows = rows;
    m.cols = args.cols;
    m.group_shift = args.group_shift;

    uint lanes = args.lanes, lane = simd_lane % lanes, sets = 32 / lanes;
    uint first = (((group.x - first_group) * simds + simd) * sets + simd_lane / lanes) * args.many;
    float sums[FM_ROWS];
    rows_times_x(m, first, args.many, x, second, args.stage, args.eps, lane, lanes, staged, partial, simd, simds, simd_lane, sums);
    UNROLL
    for (uint r = 0; r < FM_ROWS; r++)
        if (r < args.many && lane == r % lanes && first + r < rows)
            y[first + r] = args.add ? y[first + r] + sums[r] : sums[r];
}

/* y[place] = W x, for the routed experts at places[group.y] of the token's choice, all of one dispatch; group.z chooses
 * among args.matrix, whose results are y0 and y1. Expert of a place: table[ids[place]]. */
kernel void experts_matvec(device const fm_expert *table [[buffer(0)]], device const int *ids [[buffer(1)]],
                           device const int *places [[buffer(2)]], device const float *x [[buffer(3)]],
                           device const float *second [[buffer(4)]], device float *y0 [[buffer(5)]],
                           device float *y1 [[buffer(6)]], constant fm_experts_matvec_args &args [[buffer(7)]],
                           uint3 group [[threadgroup_position_in_grid]],
                           uint simd_lane [[thread_index_in_simdgroup]], uint simd [[simdgroup_index_in_threadgroup]],
                           uint simds [[simdgroups_per_threadgroup]]) {
    threadgroup float4 staged[STAGED];
    threadgroup float partial[32];
    uint place = uint(places[group.y]), part = 3 * (group.z == 0 ? args.matrix[0] : args.matrix[1]);
    device const fm_expert *expert = table + ids[place];
    weights m;
    m.weight = expert->part[part];
    m.scales = expert->part[part + 1];
    m.biases = expert->part[part + 2];
    m.rows = args.rows;
    m.cols = args.cols;
    m.group_shift = args.group_shift;

    uint lanes = args.lanes, lane = simd_lane % lanes, sets = 32 / lanes;
    uint first = ((group.x * simds + simd) * sets + simd_lane / lanes) * args.many;
    float sums[FM_ROWS];
    device const float *mine = x + place * args.x_stride;
    device const float *also = args.stage == FM_STAGE_SWIGLU ? second + place * args.x_stride : second;
    rows_times_x(m, first, args.many, mine, also, args.stage, args.eps, lane, lanes, staged, partial, simd, simds, simd_lane,
                 sums);
    device float *y = (group.z == 0 ? y0 : y1) + ulong(place) * args.rows;
    UNROLL
    for (uint r = 0; r < FM_ROWS; r++)
        if (r < args.many && lane == r % lanes && first + r < args.rows)
            y[first + r] = sums[r];
}
