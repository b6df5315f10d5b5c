// matmul and experts_matmul of matmul.metal, for NVIDIA's tensor cores: what simdgroup matrices give there is a fiftieth.
//
// A group of eight warps makes a tile of TILE_TOKENS tokens by TILE_ROWS rows; a warp has 32 by 32 of it. Codes are exact
// as bf16, and x is the sum of two bf16 numbers to 16 bits, so two products in bf16 with sums in float32 give float32's
// result to about 1e-5. Scales are applied to the sums of a group of columns. Weights of f16 and f32 are two parts too.
//
// A product of matrices may number its columns as it likes. Here a pack of 32 columns is 16 words of two bf16: word
// 4 t + i has columns 8 t + i and 8 t + i + 4, which is how a word of eight 4-bit codes falls apart; a lane of a warp
// then finds what it needs for 32 columns in 16 bytes.
#pragma once

#define TILE_TOKENS 64
#define TILE_ROWS 128
#define TILE_THREADS 256

constexpr int WEIGHT_PARTS = FORMAT == FM_CODE_F16 || FORMAT == FM_CODE_F32 ? 2 : 1;
constexpr int STEP_PACKS = WEIGHT_PARTS == 1 ? 2 : 1; // packs of columns in shared memory
constexpr int X_FLOATS = STEP_PACKS * 8;              // of x that a thread brings for a step

// low | high << 16, rounded to bf16.
static inline __attribute__((always_inline)) uint two_bf16(float low, float high) {
    uint d;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
}

// Codes of up to 6 bits: the bits of 128 + q are those of 128 and of q. The 128 goes at once, since sums of products with
// it would leave too little of those with q.
static inline __attribute__((always_inline)) uint codes(uint bits) {
    uint d;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(bits | 0x43004300u), "r"(0x3f803f80u), "r"(0xc300c300u));
    return d;
}

static inline __attribute__((always_inline)) void multiply(float *d, uint a0, uint a1, uint a2, uint a3, uint b0, uint b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// Words of eight floats: what is left of each goes to `rest`.
static inline __attribute__((always_inline)) void split_octet(const float *v, uint *words, uint *rest) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        words[i] = two_bf16(v[i], v[i + 4]);
        rest[i] = two_bf16(v[i] - as_type<float>(words[i] << 16), v[i + 4] - as_type<float>(words[i] & 0xffff0000u));
    }
}

// What a thread reads of the weights for a step: one pack of one row, or half of it where packs have two parts.
struct weights_ahead {
    uint words[FORMAT <= 8 ? FORMAT : 16];
    uint scale, bias;
};

static inline __attribute__((always_inline)) void read_weights(weights m, uint row, uint pack, uint part, weights_ahead &w) {
    row = min(row, m.rows - 1);
    if (is_affine()) {
        if (pack * 32 >= m.cols) {
#pragma unroll
            for (int i = 0; i < FORMAT && i < 16; i++)
                w.words[i] = 0;
            w.scale = w.bias = 0;
            return;
        }
        load_pack(m.weight + (ulong(row) * (m.cols / 32) + pack) * (4 * FORMAT), w.words);
        ulong s = ulong(row) * (m.cols >> m.group_shift) + (pack * 32 >> m.group_shift);
        w.scale = load_bits(m.scales, s, SCALE);
        w.bias = load_bits(m.biases, s, SCALE);
    } else if (WEIGHT_PARTS == 1) {
#pragma unroll
        for (uint t = 0; t < 4; t++) {
            uint column = pack * 32 + t * 8;
            if (ALIGNED && column + 8 <= m.cols) {
                uint4 v = ((const uint4 *)(m.weight + (ulong(row) * m.cols + column) * 2))[0];
                w.words[4 * t] = v.x, w.words[4 * t + 1] = v.y, w.words[4 * t + 2] = v.z, w.words[4 * t + 3] = v.w;
            } else {
#pragma unroll
                for (uint i = 0; i < 4; i++) {
                    uint c = column + 2 * i;
                    uint low = c < m.cols ? load_bits(m.weight, ulong(row) * m.cols + c, FORMAT) : 0;
                    uint high = c + 1 < m.cols ? load_bits(m.weight, ulong(row) * m.cols + c + 1, FORMAT) : 0;
                    w.words[4 * t + i] = low | high << 16;
                }
            }
        }
    } else {
#pragma unroll
        for (uint t = 0; t < 2; t++) {
            float v[8];
            load_octet(m, row, pack * 32 + part * 16 + t * 8, v);
#pragma unroll
            for (int i = 0; i < 8; i++)
                w.words[8 * t + i] = as_type<uint>(v[i]);
        }
    }
}

// The same as bf16 words in shared memory.
static inline __attribute__((always_inline)) void store_weights(const weights_ahead &w, uint part, uint *to, uint *to_rest) {
    if (FORMAT == 4) {
#pragma unroll
        for (int t = 0; t < 4; t++) {
            uint4 v;
            v.x = codes(w.words[t] & 0x000f000fu);
            v.y = codes(w.words[t] >> 4 & 0x000f000fu);
            v.z = codes(w.words[t] >> 8 & 0x000f000fu);
            v.w = codes(w.words[t] >> 12 & 0x000f000fu);
            ((uint4 *)to)[t] = v;
        }
    } else if (is_affine()) {
#pragma unroll
        for (int t = 0; t < 4; t++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint q[2];
#pragma unroll
                for (int j = 0; j < 2; j++) {
                    int bit = (8 * t + i + 4 * j) * FORMAT, word = bit >> 5, shift = bit & 31;
                    q[j] = w.words[word] >> shift;
                    if (shift + FORMAT > 32)
                        q[j] |= w.words[word + 1] << (32 - shift);
                    q[j] &= (1u << FORMAT) - 1;
                }
                if (FORMAT <= 6)
                    to[4 * t + i] = codes(q[0] | q[1] << 16);
                else // 2^23 + q is exact, and so is q
                    to[4 * t + i] = two_bf16(as_type<float>(q[0] | 0x4b000000u) - 8388608.0f,
                                             as_type<float>(q[1] | 0x4b000000u) - 8388608.0f);
            }
    } else if (WEIGHT_PARTS == 1) {
#pragma unroll
        for (int t = 0; t < 4; t++) {
            const uint *v = w.words + 4 * t;
            to[4 * t] = (v[0] & 0xffff) | v[2] << 16;
            to[4 * t + 1] = v[0] >> 16 | (v[2] & 0xffff0000u);
            to[4 * t + 2] = (v[1] & 0xffff) | v[3] << 16;
            to[4 * t + 3] = v[1] >> 16 | (v[3] & 0xffff0000u);
        }
    } else {
#pragma unroll
        for (int t = 0; t < 2; t++) {
            float v[8];
#pragma unroll
            for (int i = 0; i < 8; i++)
                v[i] = as_type<float>(w.words[8 * t + i]);
            split_octet(v, to + (part * 2 + t) * 4, to_rest + (part * 2 + t) * 4);
        }
    }
}

// Columns [column, column + X_FLOATS) of x, on their way through the SwiGLU; 0 past the end.
static inline __attribute__((always_inline)) void read_x(const float *x, const float *second, uint how, ulong row, uint column, uint cols, bool there,
                          float *v) {
#pragma unroll
    for (uint i = 0; i < X_FLOATS; i += 4) {
        float4 a = float4(0.0f, 0.0f, 0.0f, 0.0f), b = a;
        if (there) {
            a = four_of(x + row * cols, column + i, cols);
            if (how == FM_STAGE_SWIGLU) {
                b = four_of(second + row * cols, column + i, cols);
                a = float4(silu(a.x), silu(a.y), silu(a.z), silu(a.w)) * b;
            }
        }
        v[i] = a.x, v[i + 1] = a.y, v[i + 2] = a.z, v[i + 3] = a.w;
    }
}

struct tile_memory {
    uint x[2][STEP_PACKS][TILE_TOKENS][16];
    uint w[WEIGHT_PARTS][STEP_PACKS][TILE_ROWS][16];
    float totals[STEP_PACKS][TILE_TOKENS]; // of x of a pack
    float scale[STEP_PACKS][TILE_ROWS], bias[STEP_PACKS][TILE_ROWS];
    uint rows_of_x[TILE_TOKENS];
};

// sums[i][j]: rows 16 i, tokens 8 j of the warp's part of the tile, as the tensor cores leave them.
static inline __attribute__((always_inline)) void tile_product(weights m, uint first_row, const float *x, const float *second, uint how, uint count,
                                tile_memory &s, float (*sums)[4][4]) {
    uint thread = threadIdx_x(), lane = thread % 32, warp = thread / 32;
    // As a reader: of x, token and a quarter of the step's columns; of weights, a row and a pack or a part.
    uint token = thread / 4, quarter = thread % 4, weight_row = thread % TILE_ROWS, which = thread / TILE_ROWS;
    uint my_pack = STEP_PACKS == 2 ? which : 0, my_part = STEP_PACKS == 2 ? 0 : which;
    uint g = lane / 4, t = lane % 4, row0 = warp % 4 * 32, token0 = warp / 4 * 32;
    bool halves = is_affine() && m.group_shift == 5; // each pack has a scale of its own
    ulong x_row = s.rows_of_x[token];
    float part[2][4][4];
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                sums[i][j][e] = part[i][j][e] = 0;
    float mine[X_FLOATS];
    weights_ahead w;
    read_x(x, second, how, x_row, quarter * X_FLOATS, m.cols, token < count, mine);
    read_weights(m, first_row + weight_row, my_pack, my_part, w);
    for (uint column = 0; column < m.cols; column += 32 * STEP_PACKS) {
        if (column > 0)
            __syncthreads();
        float total = 0;
#pragma unroll
        for (int o = 0; o < X_FLOATS / 8; o++) {
            uint words[4], rest[4], at = quarter * X_FLOATS + o * 8;
            split_octet(mine + 8 * o, words, rest);
            ((uint4 *)s.x[0][at / 32][token])[at % 32 / 8] = uint4{words[0], words[1], words[2], words[3]};
            ((uint4 *)s.x[1][at / 32][token])[at % 32 / 8] = uint4{rest[0], rest[1], rest[2], rest[3]};
#pragma unroll
            for (int i = 0; i < 8; i++)
                total += mine[8 * o + i];
        }
        // Threads of a token that share a pack: two or four neighbours.
        total += simd_shuffle_xor(total, 1);
        if (STEP_PACKS == 1)
            total += simd_shuffle_xor(total, 2);
        if (quarter % (4 / STEP_PACKS) == 0)
            s.totals[quarter / (4 / STEP_PACKS)][token] = total;
        store_weights(w, my_part, s.w[0][my_pack][weight_row], s.w[WEIGHT_PARTS - 1][my_pack][weight_row]);
        if (is_affine()) {
            s.scale[my_pack][weight_row] = float_of(w.scale, SCALE);
            s.bias[my_pack][weight_row] = float_of(w.bias, SCALE);
        }
        __syncthreads();
        uint next = column + 32 * STEP_PACKS;
        if (next < m.cols) {
            read_weights(m, first_row + weight_row, next / 32 + my_pack, my_part, w);
            read_x(x, second, how, x_row, next + quarter * X_FLOATS, m.cols, token < count, mine);
        }
#pragma unroll
        for (int p = 0; p < STEP_PACKS; p++) {
            uint4 a[WEIGHT_PARTS][2][2];
#pragma unroll
            for (int k = 0; k < WEIGHT_PARTS; k++)
#pragma unroll
                for (int i = 0; i < 2; i++)
#pragma unroll
                    for (int h = 0; h < 2; h++)
                        a[k][i][h] = ((const uint4 *)s.w[k][p][row0 + 16 * i + 8 * h + g])[t];
#pragma unroll
            for (int j = 0; j < 4; j++) {
                uint4 b[2];
#pragma unroll
                for (int k = 0; k < 2; k++)
                    b[k] = ((const uint4 *)s.x[k][p][token0 + 8 * j + g])[t];
#pragma unroll
                for (int i = 0; i < 2; i++)
#pragma unroll
                    for (int k = 0; k < WEIGHT_PARTS; k++)
#pragma unroll
                        for (int l = 0; l + k < 2; l++) {
                            multiply(part[i][j], a[k][i][0].x, a[k][i][1].x, a[k][i][0].y, a[k][i][1].y, b[l].x, b[l].y);
                            multiply(part[i][j], a[k][i][0].z, a[k][i][1].z, a[k][i][0].w, a[k][i][1].w, b[l].z, b[l].w);
                        }
            }
            if (!is_affine() || (p + 1 < STEP_PACKS && !halves))
                continue;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                uint of = token0 + 8 * j + 2 * t;
                float x0 = s.totals[p][of], x1 = s.totals[p][of + 1];
                if (STEP_PACKS == 2 && !halves) {
                    x0 += s.totals[0][of];
                    x1 += s.totals[0][of + 1];
                }
#pragma unroll
                for (int i = 0; i < 2; i++)
#pragma unroll
                    for (int h = 0; h < 2; h++) {
                        // Without halves both packs have the scale of the first, which is there even past the end.
                        uint row = row0 + 16 * i + 8 * h + g;
                        float scale = s.scale[halves ? p : 0][row], bias = s.bias[halves ? p : 0][row];
                        float *sum = sums[i][j] + 2 * h, *of_codes = part[i][j] + 2 * h;
                        sum[0] = fma(scale, of_codes[0], fma(bias, x0, sum[0]));
                        sum[1] = fma(scale, of_codes[1], fma(bias, x1, sum[1]));
                        of_codes[0] = of_codes[1] = 0;
                    }
            }
        }
    }
    if (!is_affine()) {
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int j = 0; j < 4; j++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    sums[i][j][e] = part[i][j][e];
    }
}

// Row and token within the tile of element e of sums[i][j].
static inline __attribute__((always_inline)) uint tile_row(int i, int e) {
    return threadIdx_x() / 32 % 4 * 32 + 16 * i + e / 2 * 8 + threadIdx_x() % 32 / 4;
}
static inline __attribute__((always_inline)) uint tile_token(int j, int e) {
    return threadIdx_x() / 128 * 32 + 8 * j + threadIdx_x() % 4 * 2 + e % 2;
}

extern "C" __global__ __attribute__((launch_bounds(TILE_THREADS, 2))) void
matmul(const uchar *__restrict__ weight, const uchar *__restrict__ scales, const uchar *__restrict__ biases,
       const float *x, const float *second, float *y, const fm_matmul_args args) {
    inputs_ready();
    __shared__ tile_memory s;
    uint first_token = blockIdx_y() * TILE_TOKENS, first_row = blockIdx_x() * TILE_ROWS;
    uint count = min(args.n - first_token, uint(TILE_TOKENS));
    if (threadIdx_x() < TILE_TOKENS)
        s.rows_of_x[threadIdx_x()] = first_token + min(threadIdx_x(), count - 1);
    __syncthreads();
    weights m{weight, scales, biases, args.rows, args.cols, args.group_shift};
    float sums[2][4][4];
    tile_product(m, first_row, x, second, args.stage, count, s, sums);
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
        for (int i = 0; i < 2; i++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                uint token = tile_token(j, e), row = first_row + tile_row(i, e);
                if (token < count && row < args.rows) {
                    float *to = y + ulong(first_token + token) * args.rows + row;
                    *to = args.add ? *to + sums[i][j][e] : sums[i][j][e];
                }
            }
}

extern "C" __global__ __attribute__((launch_bounds(TILE_THREADS, 2))) void
experts_matmul(const fm_expert *table, const fm_tile *tiles, const int *pairs, const float *x, const float *second,
               float *y0, float *y1, const fm_experts_matmul_args args) {
    inputs_ready();
    __shared__ tile_memory s;
    uint count = tiles[blockIdx_y()].count, first = tiles[blockIdx_y()].first, first_row = blockIdx_x() * TILE_ROWS;
    if (threadIdx_x() < TILE_TOKENS)
        s.rows_of_x[threadIdx_x()] = uint(pairs[first + min(threadIdx_x(), count - 1)]) / args.per_token;
    __syncthreads();
    uint part = 3 * (blockIdx_z() == 0 ? args.matrix[0] : args.matrix[1]);
    const fm_expert *expert = table + tiles[blockIdx_y()].expert;
    weights m{in_device(expert->part[part]), in_device(expert->part[part + 1]), in_device(expert->part[part + 2]),
              args.rows, args.cols, args.group_shift};
    float sums[2][4][4];
    tile_product(m, first_row, x, second, args.stage, count, s, sums);
    float *y = blockIdx_z() == 0 ? y0 : y1;
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            uint token = tile_token(j, e);
            if (token >= count)
                continue;
            float *to = y + ulong(uint(pairs[first + token])) * args.rows;
#pragma unroll
            for (int i = 0; i < 2; i++)
                if (first_row + tile_row(i, e) < args.rows)
                    to[first_row + tile_row(i, e)] = sums[i][j][e];
        }
}
