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
#include "choose.h"
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
    float4 v = float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (cols % 4 == 0) {
        if (column < cols)
            v = ((device const float4 *)(x + column))[0];
        return v;
    }
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

/* Columns [from, from + FM_TILE_COLUMNS) of x, on their way through the norm or the SwiGLU, and the sum of each pack, to
 * the places of packs from `first`; returns this thread's share of the sum of squares of x. */
inline float stage(device const float *x, device const float *second, uint how, uint cols, uint from, uint first,
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
                    totals[first + i / 8] = total;
                staged[staged_at(first + i / 8, i % 8)] =
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
    uint lanes, split;      /* lanes that share a row, SIMD groups that share a set: powers of two */
    uint lane_bits, split_bits;
};

inline place place_at(uint group, uint groups, uint lane, uint simd, uint simds, uint lanes, uint split) {
    place p = {group, groups, lane, simd, simds, lanes, split, popcount(lanes - 1), popcount(split - 1)};
    return p;
}

/* The first of a lane's rows in a round, past the end when there are none left. */
inline uint first_row(place p, uint round) {
    uint set = (round * (p.simds >> p.split_bits) + (p.simd >> p.split_bits)) * p.groups + p.group;
    return ((set << (5 - p.lane_bits)) + (p.lane >> p.lane_bits)) * FM_ROWS;
}

/* The first pack of a lane. */
inline uint first_pack(place p) {
    return (p.simd & (p.split - 1)) * p.lanes + (p.lane & (p.lanes - 1));
}

/* All rows. */
inline uint rows_of(product w) {
    return w.experts > 0 ? w.experts * w.matrices * w.rows : w.m.rows;
}

/* Fetches what the thread will need first; reads nothing but weights. */
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

/* sums[r] += row + r times the columns of packs [begin, end), of which `begin` is staged at the place `first`. `pack`: the
 * lane's next one. What was fetched is used; fetched is what comes then, in the end of row `next`. */
inline void add_packs(product w, place p, uint row, uint next, uint begin, uint end, uint first, thread uint &pack,
                      thread fetched *f, threadgroup const float4 *staged, threadgroup const float *totals,
                      thread float *sums) {
    uint packs = (w.m.cols + 31) / 32, step = p.lanes * p.split, all_rows = rows_of(w), before, which;
    for (; pack < end; pack += is_affine() ? PACKS * step : step) {
        if (is_affine()) {
            bool last = pack + PACKS * step >= packs;
            uint then = last ? next : row;
            uint coming = last ? first_pack(p) : pack + PACKS * step;
            weights m = matrix_of(w, min(then, all_rows - 1), before, which);
            UNROLL
            for (uint i = 0; i < PACKS; i++) {
                uint at = pack + i * step;
                if (at < end)
                    use(f[i], staged + staged_at(first + at - begin, 0), totals[first + at - begin], sums);
                if (then < all_rows && coming + i * step < packs)
                    fetch(m, then - before, coming + i * step, f[i]);
            }
        } else {
            weights m = matrix_of(w, row, before, which);
            threadgroup const float4 *mine = staged + staged_at(first + pack - begin, 0);
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

/* y = W x; the whole threadgroup comes here together. early: x and `second` are there before inputs_ready, but then the
 * table of experts, if there is one, is not. x_stride: floats from place to place, when x is that of an expert. */
inline void rows_times_x(product w, place p, device const float *x, device const float *second, uint x_stride,
                         uint how, bool early, bool add, float eps, threadgroup float4 *staged,
                         threadgroup float *totals, threadgroup float *partial) {
    uint cols = w.m.cols, all_rows = rows_of(w), packs = (cols + 31) / 32, in_row = p.lane & (p.lanes - 1);
    uint quarter_bits = p.lane_bits - 2, of_quarter = (1u << quarter_bits) - 1;
    uint rows_of_round = ((p.simds >> p.split_bits) * p.groups << (5 - p.lane_bits)) * FM_ROWS;
    float squares = 0, factor = 1;
    fetched f[PACKS_MOST];
    if (!early || w.experts == 0)
        fetch_first(w, p, f);
    if (!early && how == FM_STAGE_NORM)
        will_read_all(second, cols, p.simd * 32 + p.lane, p.simds * 32);
    if (!early)
        inputs_ready();
    if (x_stride > 0) { /* after the fetch, which need not wait for the place */
        uint at = w.table->place * x_stride;
        x += at;
        second += at;
    }
    for (uint round = 0; round * rows_of_round < all_rows; round++) {
        uint row = first_row(p, round), which = 0;
        float sums[FM_ROWS];
        UNROLL
        for (uint r = 0; r < FM_ROWS; r++)
            sums[r] = 0;
        uint pack = first_pack(p);
        for (uint from = 0; from < cols; from += FM_TILE_COLUMNS) {
            if (round == 0 || cols > FM_TILE_COLUMNS) {
                if (round > 0 || from > 0)
                    threadgroup_barrier(mem_flags::mem_threadgroup);
                squares += stage(x, second, how, cols, from, 0, staged, totals, p.simd * 32 + p.lane, p.simds * 32);
                if (early && round == 0 && from == 0) {
                    inputs_ready();
                    if (w.experts > 0)
                        fetch_first(w, p, f);
                }
                if (how == FM_STAGE_NORM) {
                    float sum = simd_sum(squares);
                    if (p.lane == 0)
                        partial[p.simd] = sum;
                }
                threadgroup_barrier(mem_flags::mem_threadgroup);
            }
            uint begin = from / 32, end = row < all_rows ? min(packs, begin + FM_TILE_COLUMNS / 32) : 0;
            add_packs(w, p, row, first_row(p, round + 1), begin, end, 0, pack, f, staged, totals, sums);
        }
        if (round == 0 && how == FM_STAGE_NORM) {
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
        row += in_row >> quarter_bits;
        if (p.split > 1) { /* a set has FM_ROWS rows then */
            threadgroup_barrier(mem_flags::mem_threadgroup);
            if ((in_row & of_quarter) == 0)
                partial[p.simd * FM_ROWS + (in_row >> quarter_bits)] = sum;
            threadgroup_barrier(mem_flags::mem_threadgroup);
            sum = 0;
            for (uint i = 0; i < p.split; i++)
                sum += partial[((p.simd & ~(p.split - 1)) + i) * FM_ROWS + (in_row >> quarter_bits)];
        }
        if ((p.simd & (p.split - 1)) == 0 && (in_row & of_quarter) == 0 && valid && row < w.m.rows) {
            device float *y = w.y[0];
            if (w.experts > 0)
                y = (which % w.matrices == 0 ? w.y[0] : w.y[1]) + ulong(w.table[which / w.matrices].place) * w.m.rows;
            y[row] = add ? y[row] + sum * factor : sum * factor;
        }
    }
}

/* y_i = W_i x for up to four matrices of one format and width. Groups [first_group[i], first_group[i + 1]) have matrix i.
 * One more group chooses the experts of a router, where the host need not know. */
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
                   device const float *logits [[buffer(18)]], device int *ids [[buffer(19)]],
                   device float *weights_chosen [[buffer(20)]], device const ulong *all [[buffer(21)]],
                   device ulong *table [[buffer(22)]], constant fm_matvec_args &args [[buffer(23)]], uint3 group [[threadgroup_position_in_grid]],
                   uint lane [[thread_index_in_simdgroup]], uint simd [[simdgroup_index_in_threadgroup]],
                   uint simds [[simdgroups_per_threadgroup]]) {
    threadgroup float4 staged[STAGED];
    threadgroup float totals[FM_TILE_COLUMNS / 32];
    threadgroup float partial[FM_VECTOR_THREADS / 32 * FM_ROWS];
    threadgroup float value[FM_CHOSEN_MOST];
    threadgroup uint chosen[FM_CHOSEN_MOST];
    threadgroup uint sorted[FM_CHOSEN_MOST];
    if (args.experts > 0 && group.x >= args.first_group[args.matrices]) {
        inputs_ready();
        choose_entries(logits, args.experts, args.k, ids, weights_chosen, all, table, (threadgroup uint *)staged, value,
                       chosen, sorted, lane, simd, simds);
        return;
    }
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
    place p = place_at(group.x - first, end - first, lane, simd, simds, args.lanes, args.split);
    product w;
    w.m = m;
    w.y[0] = y;
    w.experts = 0;
    rows_times_x(w, p, x, second, 0, args.stage, args.early != 0, args.add != 0, args.eps, staged, totals, partial);
}

/* y[place] = W x, for the routed experts of a table, which say their places: of one matrix, or of two whose results are
 * y0 and y1. Groups: x over the rows of all experts where these share x, else y over experts. Where they share x it is
 * from two dispatches ago or earlier, else the table is. */
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
    place p = place_at(group.x, groups.x, lane, simd, simds, args.lanes, args.split);
    rows_times_x(w, p, x, second, args.x_stride, args.stage, args.x_stride == 0, false, args.eps, staged, totals, partial);
}

#define DOWN_STAGED (FM_DOWN_PACKS / 32 * 8 * STAGED_ROW)

/* The end of a layer in one dispatch where every expert is in memory: the down projections of a token's experts and of the
 * shared expert, and combine of rows.metal, with the same sums in the same order:
 *
 *     y += sigmoid(gate) * shared + sum over places of weight * expert
 *
 * A SIMD group has an expert, the last one the shared expert; a group has `sets` sets of rows of each. gate, up [k][cols];
 * shared_gate, shared_up [cols]: what goes through the SwiGLU. The table is from two dispatches ago or earlier. */
[[max_total_threads_per_threadgroup(FM_VECTOR_THREADS)]]
kernel void experts_down(device const fm_expert *table [[buffer(0)]], device const float *weights_chosen [[buffer(1)]],
                         device const float *gate [[buffer(2)]], device const float *up [[buffer(3)]],
                         device const uchar *shared_weight [[buffer(4)]], device const uchar *shared_scales [[buffer(5)]],
                         device const uchar *shared_biases [[buffer(6)]], device const float *shared_gate [[buffer(7)]],
                         device const float *shared_up [[buffer(8)]], device const float *gate_of_shared [[buffer(9)]],
                         device float *y [[buffer(10)]], constant fm_experts_down_args &args [[buffer(11)]],
                         uint3 group [[threadgroup_position_in_grid]], uint3 groups [[threadgroups_per_grid]],
                         uint lane [[thread_index_in_simdgroup]], uint simd [[simdgroup_index_in_threadgroup]]) {
    threadgroup float4 staged[DOWN_STAGED];
    threadgroup float totals[FM_DOWN_PACKS];
    threadgroup float results[FM_VECTOR_THREADS / 32 * FM_DOWN_ROWS];
    bool is_last = simd == args.k;
    device const fm_expert *expert = table + (is_last ? 0 : simd);
    uint packs = (args.cols + 31) / 32, rows_of_set = 32 / args.lanes * FM_ROWS, first = simd * packs;
    place p = place_at(group.x, groups.x, lane, 0, 1, args.lanes, 1);
    fetched f[PACKS_MOST];
    product w;
    w.m.weight = is_last ? shared_weight : in_device(expert->part[6]);
    w.m.scales = is_last ? shared_scales : in_device(expert->part[7]);
    w.m.biases = is_last ? shared_biases : in_device(expert->part[8]);
    w.m.rows = args.rows;
    w.m.cols = args.cols;
    w.m.group_shift = args.group_shift;
    w.experts = 0;
    fetch_first(w, p, f);
    inputs_ready();
    /* The thread that sums up a row. */
    uint mine = simd * 32 + lane;
    uint row = (mine / rows_of_set * groups.x + group.x) * rows_of_set + mine % rows_of_set;
    bool sums_up = mine < args.sets * rows_of_set && row < args.rows;
    float old = sums_up ? y[row] : 0.0f, part_of_shared = sums_up ? gate_of_shared[0] : 0.0f;
    stage(is_last ? shared_gate : gate + simd * args.cols, is_last ? shared_up : up + simd * args.cols, FM_STAGE_SWIGLU,
          args.cols, 0, first, staged, totals, lane, 32);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint s = 0; s < args.sets; s++) {
        uint of_set = first_row(p, s), pack = first_pack(p), in_row = lane % args.lanes, quarter = args.lanes / 4;
        float sums[FM_ROWS];
        UNROLL
        for (uint r = 0; r < FM_ROWS; r++)
            sums[r] = 0;
        add_packs(w, p, of_set, first_row(p, s + 1), 0, of_set < args.rows ? packs : 0, first, pack, f, staged, totals,
                  sums);
        float sum = sums_of_lanes(sums, in_row, args.lanes);
        if (in_row % quarter == 0)
            results[simd * FM_DOWN_ROWS + s * rows_of_set + lane / args.lanes * FM_ROWS + in_row / quarter] = sum;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (sums_up) {
        float sum = sigmoid(part_of_shared) * results[args.k * FM_DOWN_ROWS + mine];
        for (uint e = 0; e < args.k; e++)
            sum = fma(weights_chosen[e], results[e * FM_DOWN_ROWS + mine], sum);
        y[row] = old + sum;
    }
}
