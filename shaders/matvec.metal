/* Products of matrices with one vector: decode.
 *
 * A SIMD group takes a set of rows at a time: FM_ROWS rows whose packs of 32 columns its lanes share out, a 16-byte load
 * each at 4 bits. Rows shorter than 32 packs use fewer lanes, and the set has more rows. Where there are few sets, `split`
 * SIMD groups share one and each takes a part of its columns. Threadgroups stay: they stage x once in threadgroup memory
 * and go from set to set, so the host makes as many of them as the GPU runs at once.
 *
 * x is staged on the way through the norm before the product or the SwiGLU: neither is a dispatch of its own. The factor
 * of the norm is a scalar, so it multiplies the result. The sum of each pack of x, which the biases need, is made there
 * too, and so is the prescaling of formats.h. */
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

/* Reads of x under way in stage(): more take registers that the products need, and spill. */
#define STAGE_AT_ONCE 2

/* Columns [from, from + FM_TILE_COLUMNS) of x, on their way through the norm or the SwiGLU, and the sum of each pack;
 * returns this thread's share of the sum of squares of x. */
inline float stage(device const float *x, device const float *second, uint how, uint cols, uint from,
                   threadgroup float4 *staged, threadgroup float *totals, uint thread_index, uint threads) {
    float squares = 0;
    uint fours = min((cols + 31) / 32 - from / 32, uint(FM_TILE_COLUMNS / 32)) * 8;
    for (uint base = thread_index / 32 * 32; base < fours; base += STAGE_AT_ONCE * threads) { /* whole SIMD groups */
        float4 values[STAGE_AT_ONCE], others[STAGE_AT_ONCE];
        UNROLL
        for (uint b = 0; b < STAGE_AT_ONCE; b++) {
            uint i = base + b * threads + thread_index % 32, column = i < fours ? from + i * 4 : cols;
            values[b] = four_of(x, column, cols);
            others[b] = how == FM_STAGE_PLAIN ? values[b] : four_of(second, column, cols);
        }
        UNROLL
        for (uint b = 0; b < STAGE_AT_ONCE; b++) {
            uint i = base + b * threads + thread_index % 32;
            if (base + b * threads >= fours) /* the same for all of a SIMD group */
                break;
            float4 v = values[b];
            if (how == FM_STAGE_NORM) {
                squares += dot(v, v);
                v *= others[b];
            } else if (how == FM_STAGE_SWIGLU) {
                v = float4(silu(v.x), silu(v.y), silu(v.z), silu(v.w)) * others[b];
            }
            float total = sum_of_lanes((v.x + v.y) + (v.z + v.w), 8);
            if (i < fours) {
                int c = int(i % 8) * 4;
                if (i % 8 == 0)
                    totals[i / 8] = total;
                staged[staged_at(i / 8, i % 8)] =
                    v * float4(prescale(c), prescale(c + 1), prescale(c + 2), prescale(c + 3));
            }
        }
    }
    return squares;
}

/* What a lane has read of its rows, ahead of its use: one pack of each, and PACKS of these at a time, so that enough
 * reads are under way. */
struct fetched {
    uint words[FM_ROWS][8];
    uint scale[FM_ROWS], bias[FM_ROWS];
};

#ifndef PACKS
#define PACKS (FORMAT <= 4 ? 2 : 1)
#endif
#define PACKS_MOST 2

/* `first`: the first of the lane's rows; those past the end of the matrix repeat its last. */
inline void fetch(weights m, uint first, uint pack, thread fetched &f) {
    uint packs = m.cols / 32, scales_of_row = m.cols >> m.group_shift, last = m.rows - 1;
    first = min(first, last);
    device const uchar *words = m.weight + ulong(first) * packs * (4 * FORMAT);
    ulong scales = ulong(first) * scales_of_row + (pack * 32 >> m.group_shift);
    UNROLL
    for (uint r = 0; r < FM_ROWS; r++) {
        uint row = min(r, last - first);
        load_pack(words + (row * packs + pack) * (4 * FORMAT), f.words[r]);
        f.scale[r] = load_bits(m.scales, scales + row * scales_of_row, SCALE);
        f.bias[r] = load_bits(m.biases, scales + row * scales_of_row, SCALE);
    }
}

/* sums[r] += the fetched pack of row r times x, of which `total` is the sum. */
inline void use(thread fetched &f, threadgroup const float4 *x, float total, thread float *sums) {
    float dots[FM_ROWS];
    UNROLL
    for (uint r = 0; r < FM_ROWS; r++)
        dots[r] = 0;
    UNROLL
    for (int j = 0; j < 8; j++) {
        float4 v = x[j * STAGED_ROW];
        UNROLL
        for (uint r = 0; r < FM_ROWS; r++) {
            dots[r] = fma(unpack(f.words[r], 4 * j), v.x, dots[r]);
            dots[r] = fma(unpack(f.words[r], 4 * j + 1), v.y, dots[r]);
            dots[r] = fma(unpack(f.words[r], 4 * j + 2), v.z, dots[r]);
            dots[r] = fma(unpack(f.words[r], 4 * j + 3), v.w, dots[r]);
        }
    }
    UNROLL
    for (uint r = 0; r < FM_ROWS; r++) {
        sums[r] = fma(float_of(f.bias[r], SCALE), total, sums[r]);
        sums[r] = fma(float_of(f.scale[r], SCALE), dots[r] * postscale(), sums[r]);
        computed(sums[r]);
    }
}

/* The sums of four rows over `lanes` lanes, at least 4: each quarter of them gets the row of its number. */
inline float sums_of_lanes(thread const float *sums, uint lane, uint lanes) {
    ushort half_of = ushort(lanes / 2), quarter = ushort(lanes / 4);
    bool upper = (lane & half_of) != 0, odd = (lane & quarter) != 0;
    float a = (upper ? sums[2] : sums[0]) + simd_shuffle_xor(upper ? sums[0] : sums[2], half_of);
    float b = (upper ? sums[3] : sums[1]) + simd_shuffle_xor(upper ? sums[1] : sums[3], half_of);
    return sum_of_lanes((odd ? b : a) + simd_shuffle_xor(odd ? a : b, quarter), lanes / 4);
}

/* What is multiplied: one matrix, or all that the experts of a table have in `part`, one after the other: then the rows
 * of a matrix are `rows`, rounded up to whole sets. */
struct product {
    weights m;
    device float *y[2];
    device const fm_expert *table;
    uint part[2];
    uint matrices, experts, rows;
};

/* The matrix of a row of the whole, and how many rows come before it. */
inline weights matrix_of(product w, uint row, thread uint &before, thread uint &which) {
    weights m = w.m;
    before = which = 0;
    if (w.experts > 0) {
        which = row / w.rows;
        before = which * w.rows;
        uint part = which % w.matrices == 0 ? w.part[0] : w.part[1];
        device const fm_expert *expert = w.table + which / w.matrices;
        m.weight = in_device(expert->part[part]);
        m.scales = in_device(expert->part[part + 1]);
        m.biases = in_device(expert->part[part + 2]);
    }
    return m;
}

/* Where a thread is, and what is shared out how. */
struct place {
    uint group, groups;     /* of those that share the rows */
    uint lane, simd, simds; /* of the threadgroup */
    uint lanes, split;      /* lanes that share a row, SIMD groups that share a set */
};

/* The first of a lane's rows in a round, past the end when there are none left. */
inline uint first_row(place p, uint round) {
    uint set = (round * (p.simds / p.split) + p.simd / p.split) * p.groups + p.group;
    return (set * (32 / p.lanes) + p.lane / p.lanes) * FM_ROWS;
}

/* The first pack of a lane. */
inline uint first_pack(place p) {
    return p.simd % p.split * p.lanes + p.lane % p.lanes;
}

/* All rows. */
inline uint rows_of(product w) {
    return w.experts > 0 ? w.experts * w.matrices * w.rows : w.m.rows;
}

/* Fetches what the thread will need first; reads nothing but weights, and the table. */
inline void fetch_first(product w, place p, thread fetched *f) {
    uint row = first_row(p, 0), before, which;
    if (!is_affine() || row >= rows_of(w))
        return;
    weights m = matrix_of(w, row, before, which);
    UNROLL
    for (uint i = 0; i < PACKS; i++) {
        uint pack = first_pack(p) + i * p.lanes * p.split;
        if (pack < m.cols / 32)
            fetch(m, row - before, pack, f[i]);
    }
}

/* y = W x, after fetch_first; the whole threadgroup comes here together. */
inline void rows_times_x(product w, place p, thread fetched *f, device const float *x,
                         device const float *second, uint how, bool add, float eps, threadgroup float4 *staged,
                         threadgroup float *totals, threadgroup float *partial) {
    uint cols = w.m.cols, all_rows = rows_of(w), packs = (cols + 31) / 32, step = p.lanes * p.split, in_row = p.lane % p.lanes, quarter = p.lanes / 4;
    uint rows_of_round = p.simds / p.split * p.groups * (32 / p.lanes) * FM_ROWS;
    float squares = 0, factor = 1;
    for (uint round = 0; round * rows_of_round < all_rows; round++) {
        uint row = first_row(p, round), before = 0, which = 0;
        float sums[FM_ROWS];
        UNROLL
        for (uint r = 0; r < FM_ROWS; r++)
            sums[r] = 0;
        uint pack = first_pack(p);
        for (uint from = 0; from < cols; from += FM_TILE_COLUMNS) {
            if (round == 0 || cols > FM_TILE_COLUMNS) {
                if (round > 0 || from > 0)
                    threadgroup_barrier(mem_flags::mem_threadgroup);
                squares += stage(x, second, how, cols, from, staged, totals, p.simd * 32 + p.lane, p.simds * 32);
                threadgroup_barrier(mem_flags::mem_threadgroup);
            }
            uint begin = from / 32, end = row < all_rows ? min(packs, begin + FM_TILE_COLUMNS / 32) : 0;
            for (; pack < end; pack += is_affine() ? PACKS * step : step) {
                if (is_affine()) {
                    bool last = pack + PACKS * step >= packs;
                    uint then = last ? first_row(p, round + 1) : row;
                    uint coming = last ? first_pack(p) : pack + PACKS * step;
                    weights m = matrix_of(w, min(then, all_rows - 1), before, which);
                    UNROLL
                    for (uint i = 0; i < PACKS; i++) {
                        uint at = pack + i * step - begin;
                        if (at + begin < end)
                            use(f[i], staged + staged_at(at, 0), totals[at], sums);
                        if (then < all_rows && coming + i * step < packs)
                            fetch(m, then - before, coming + i * step, f[i]);
                    }
                } else {
                    weights m = matrix_of(w, row, before, which);
                    threadgroup const float4 *mine = staged + staged_at(pack - begin, 0);
                    float4 part[8];
                    UNROLL
                    for (uint j = 0; j < 8; j++)
                        part[j] = mine[j * STAGED_ROW];
                    UNROLL
                    for (uint r = 0; r < FM_ROWS; r++)
                        sums[r] += float_pack_dot(m, min(row - before + r, m.rows - 1), pack, part);
                }
            }
        }
        if (round == 0 && how == FM_STAGE_NORM) {
            squares = simd_sum(squares);
            if (p.lane == 0)
                partial[p.simd] = squares;
            threadgroup_barrier(mem_flags::mem_threadgroup);
            float all = 0;
            for (uint i = 0; i < p.simds; i++)
                all += partial[i];
            factor = rsqrt(all / float(cols) + eps);
        }
        float sum = sums_of_lanes(sums, in_row, p.lanes);
        if (w.experts > 0 && row < all_rows)
            which = row / w.rows, row -= which * w.rows;
        else
            which = 0;
        bool valid = first_row(p, round) < all_rows;
        row += in_row / quarter;
        if (p.split > 1) { /* a set has FM_ROWS rows then */
            threadgroup_barrier(mem_flags::mem_threadgroup);
            if (in_row % quarter == 0)
                partial[p.simd * FM_ROWS + in_row / quarter] = sum;
            threadgroup_barrier(mem_flags::mem_threadgroup);
            sum = 0;
            for (uint i = 0; i < p.split; i++)
                sum += partial[(p.simd / p.split * p.split + i) * FM_ROWS + in_row / quarter];
        }
        if (p.simd % p.split == 0 && in_row % quarter == 0 && valid && row < w.m.rows) {
            device float *y = w.y[0];
            if (w.experts > 0)
                y = (which % w.matrices == 0 ? w.y[0] : w.y[1]) + ulong(w.table[which / w.matrices].place) * w.m.rows;
            y[row] = add ? y[row] + sum * factor : sum * factor;
        }
    }
}

/* y_i = W_i x for up to four matrices of one format and width. Groups [first_group[i], first_group[i + 1]) have matrix i. */
[[max_total_threads_per_threadgroup(FM_VECTOR_THREADS)]]
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
                   uint lane [[thread_index_in_simdgroup]], uint simd [[simdgroup_index_in_threadgroup]],
                   uint simds [[simdgroups_per_threadgroup]]) {
    threadgroup float4 staged[STAGED];
    threadgroup float totals[FM_TILE_COLUMNS / 32];
    threadgroup float partial[FM_VECTOR_THREADS / 32 * FM_ROWS];
    uint which = 0, rows = args.rows[0], first = 0, end = args.first_group[1];
    for (uint i = 1; i < args.matrices; i++)
        if (group.x >= args.first_group[i]) {
            which = i;
            rows = args.rows[i];
            first = args.first_group[i];
            end = args.first_group[i + 1];
        }
    weights m;
    m.weight = which == 0 ? weight0 : which == 1 ? weight1 : which == 2 ? weight2 : weight3;
    m.scales = which == 0 ? scales0 : which == 1 ? scales1 : which == 2 ? scales2 : scales3;
    m.biases = which == 0 ? biases0 : which == 1 ? biases1 : which == 2 ? biases2 : biases3;
    device float *y = which == 0 ? y0 : which == 1 ? y1 : which == 2 ? y2 : y3;
    m.rows = rows;
    m.cols = args.cols;
    m.group_shift = args.group_shift;
    place p = {group.x - first, end - first, lane, simd, simds, args.lanes, args.split};
    fetched f[PACKS_MOST];
    product w;
    w.m = m;
    w.y[0] = y;
    w.experts = 0;
    fetch_first(w, p, f);
    inputs_ready();
    rows_times_x(w, p, f, x, second, args.stage, args.add != 0, args.eps, staged, totals, partial);
}

/* y[place] = W x, for the routed experts of a table, which say their places: of one matrix, or of two whose results are
 * y0 and y1. Groups: x over the rows of all experts where these share x, else y over experts. */
[[max_total_threads_per_threadgroup(FM_VECTOR_THREADS)]]
kernel void experts_matvec(device const fm_expert *table [[buffer(0)]], device const float *x [[buffer(1)]],
                           device const float *second [[buffer(2)]], device float *y0 [[buffer(3)]],
                           device float *y1 [[buffer(4)]], constant fm_experts_matvec_args &args [[buffer(5)]],
                           uint3 group [[threadgroup_position_in_grid]], uint3 groups [[threadgroups_per_grid]],
                           uint lane [[thread_index_in_simdgroup]], uint simd [[simdgroup_index_in_threadgroup]],
                           uint simds [[simdgroups_per_threadgroup]]) {
    threadgroup float4 staged[STAGED];
    threadgroup float totals[FM_TILE_COLUMNS / 32];
    threadgroup float partial[FM_VECTOR_THREADS / 32 * FM_ROWS];
    uint rows_of_set = 32 / args.lanes * FM_ROWS;
    product w;
    w.m.rows = args.rows;
    w.m.cols = args.cols;
    w.m.group_shift = args.group_shift;
    w.y[0] = y0;
    w.y[1] = y1;
    w.table = table + group.y;
    w.part[0] = 3 * args.matrix[0];
    w.part[1] = 3 * args.matrix[1];
    w.matrices = args.matrices;
    w.experts = args.experts;
    w.rows = (args.rows + rows_of_set - 1) / rows_of_set * rows_of_set;
    place p = {group.x, groups.x, lane, simd, simds, args.lanes, args.split};
    fetched f[PACKS_MOST];
    fetch_first(w, p, f);
    device const float *mine = x, *also = second;
    if (args.x_stride > 0) {
        mine += w.table->place * args.x_stride;
        also += w.table->place * args.x_stride;
    }
    rows_times_x(w, p, f, mine, also, args.stage, false, args.eps, staged, totals, partial);
}
