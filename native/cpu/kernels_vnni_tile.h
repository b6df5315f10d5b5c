/* Products of several tokens (kernels_vnni.h): lanes are rows. 32 rows are transposed into a tile once, and then 12
 * tokens at a time keep their sums in registers, x being four bytes that all lanes share. */

enum {
    TILE_ROWS = 32,   /* rows of a tile */
    TILE_COLS = 512,  /* columns of a tile at most: with the bytes of a block of tokens it stays in the nearest cache */
    TILE_GROUPS = 16, /* groups of TILE_COLS columns at most */
    TILE_TOKENS = 12, /* whose sums are in registers: a block */
    TILE_BATCH = 128, /* for which a tile is made once */
};

/* Lane i of the 16 vectors at rows becomes vector i: dwords. */
INLINE void transpose16(__m512i *v) {
    __m512i t[16];
    UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    UNROLL
    for (int i = 0; i < 16; i += 4) {
        v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL
    for (int i = 0; i < 4; i++) { /* column 4 l + i of rows 0 to 3 is in lane l of v[i], of rows 4 to 7 in v[4 + i] … */
        __m512i a = _mm512_shuffle_i32x4(v[i], v[4 + i], 0x44), b = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0x44);
        __m512i c = _mm512_shuffle_i32x4(v[i], v[4 + i], 0xee), d = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0xee);
        t[i] = _mm512_shuffle_i32x4(a, b, 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(a, b, 0xdd);
        t[8 + i] = _mm512_shuffle_i32x4(c, d, 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(c, d, 0xdd);
    }
    UNROLL
    for (int i = 0; i < 16; i++)
        v[i] = t[i];
}

typedef struct {
    __m512i w[TILE_COLS / 4][2]; /* bytes [16 rows][4], in the order of x's bytes */
    __m512 scales[TILE_GROUPS][2], biases[TILE_GROUPS][2];
    __m512 sums[TILE_BATCH][2];
    const uint8_t *ahead, *ahead_end; /* weights of the next rows: see read_ahead */
    uint32_t ahead_lines;             /* of the cache, for each group of a block */
} tile;

/* The weights of the rows after `row`'s are brought nearer, a little during each group of each of the blocks: all of
 * them at once would hold up the loads of x until they were there. Their scales are few. */
INLINE void read_ahead(const affine *a, tile *t, uint32_t row, uint32_t blocks) {
    const size_t first = row + TILE_ROWS < a->row1 ? row + TILE_ROWS : a->row1,
                 last = first + TILE_ROWS < a->row1 ? first + TILE_ROWS : a->row1;
    t->ahead = a->m->weight + first * a->row_bytes;
    t->ahead_end = a->m->weight + last * a->row_bytes;
    t->ahead_lines = 1 + (uint32_t)((last - first) * a->row_bytes / 64 / blocks / a->groups);
    for (size_t at = first * a->scale_bytes; at < last * a->scale_bytes; at += 64) {
        __builtin_prefetch(a->m->scales + at, 0, 2);
        __builtin_prefetch(a->m->biases + at, 0, 2);
    }
}

/* Chunks [c, c + n) of 32 rows. */
INLINE void fill_tile(int bits, const affine *a, tile *t, uint32_t row, uint32_t c, uint32_t n) {
    const int parts = parts_of(bits);
    for (uint32_t k = c; k < c + n; k++) {
        const __mmask16 mask = k + 1 < a->chunks ? first_lanes((uint32_t)(8 * parts * bits) / 4) : a->last;
        for (uint32_t half = 0; half < 2; half++) {
            __m512i v[16];
            UNROLL
            for (uint32_t r = 0; r < 16; r++) {
                uint32_t real = row + 16 * half + r < a->row1 ? row + 16 * half + r : a->row1 - 1;
                const uint8_t *p = a->m->weight + real * a->row_bytes + (size_t)k * (size_t)(8 * parts * bits);
                v[r] = load_chunk(bits, p, mask);
            }
            transpose16(v);
            UNROLL
            for (int j = 0; j < parts; j++)
                UNROLL
            for (uint32_t d = 0; d < 16; d++)
                t->w[((k - c) * (uint32_t)parts + (uint32_t)j) * 16 + d][half] = part_of(bits, v[d], j);
        }
    }
}

/* Adds one group, whose x lies in `runs` runs of `length` dwords, 64 bytes apart: the inner loop of prefill. */
INLINE void tile_group(int tokens, const affine *a, const __m512i (*w)[2], const uint8_t *x, size_t stride, int runs,
                       int length, const __m512 *scale, const __m512 *bias, const float *step, __m512 (*sums)[2]) {
    __m512i acc[TILE_TOKENS][2];
    UNROLL
    for (int t = 0; t < tokens; t++)
        acc[t][0] = acc[t][1] = _mm512_setzero_si512();
    const size_t stride3 = 3 * stride;
    for (int plane = 0; plane < 2; plane++) {
        for (int run = 0; run < runs; run++) {
            const uint8_t *x0 = x + (size_t)plane * a->plane + 64 * (size_t)run, *x4 = x0 + 4 * stride,
                          *x8 = x0 + 8 * stride;
            const __m512i(*v)[2] = w + 16 * run;
            for (int q = 0; q < length; q++, v++, x0 += 4, x4 += 4, x8 += 4) {
                __m512i low = (*v)[0], high = (*v)[1];
                UNROLL
                for (int t = 0; t < tokens; t++) {
                    const uint8_t *at = (t < 4   ? x0
                                         : t < 8 ? x4
                                                 : x8) +
                                        (t % 4 == 0   ? 0
                                         : t % 4 == 1 ? stride
                                         : t % 4 == 2 ? 2 * stride
                                                      : stride3);
                    int four;
                    memcpy(&four, at, sizeof four);
                    __m512i b = _mm512_set1_epi32(four);
                    acc[t][0] = add_products(acc[t][0], low, b);
                    acc[t][1] = add_products(acc[t][1], high, b);
                }
            }
        }
        if (plane == 0)
            UNROLL
        for (int t = 0; t < tokens; t++) {
            acc[t][0] = _mm512_slli_epi32(acc[t][0], 8);
            acc[t][1] = _mm512_slli_epi32(acc[t][1], 8);
        }
    }
    UNROLL
    for (int t = 0; t < tokens; t++) {
        const float *s = (const float *)(const void *)((const uint8_t *)step + (size_t)t * stride);
        sums[t][0] = add_group(sums[t][0], acc[t][0], scale[0], bias[0], s, s + a->groups);
        sums[t][1] = add_group(sums[t][1], acc[t][1], scale[1], bias[1], s, s + a->groups);
    }
}

/* Groups [g, g + count) for some tokens, which start at `x`. */
INLINE void tile_groups(int tokens, const affine *a, tile *t, uint32_t g, uint32_t count, const uint8_t *x,
                        size_t stride, __m512 (*sums)[2]) {
    const uint32_t group = a->m->format.group, parts = a->chunk_cols / 64;
    const int runs = (int)parts, length = (int)(group / 4 / parts);
    const float *step = (const float *)(const void *)(x + 2 * a->plane);
    const uint32_t first = g * group;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t line = 0; line < t->ahead_lines && t->ahead < t->ahead_end; line++, t->ahead += 64)
            __builtin_prefetch(t->ahead, 0, 2);
        uint32_t col = (g + i) * group, at = col / a->chunk_cols * a->chunk_cols + col % a->chunk_cols / parts;
        tile_group(tokens, a, (const __m512i(*)[2])t->w + (at - first) / 4, x + at, stride, runs, length, t->scales[i],
                   t->biases[i], step + g + i, sums);
    }
}

#define GROUPS(N)                                                                                                      \
    NOINLINE void tile_groups_##N(const affine *a, tile *t, uint32_t g, uint32_t count, const uint8_t *x,              \
                                  size_t stride, __m512(*sums)[2]) {                                                   \
        tile_groups(N, a, t, g, count, x, stride, sums);                                                               \
    }
GROUPS(1)
GROUPS(2)
GROUPS(3)
GROUPS(4)
GROUPS(5)
GROUPS(6)
GROUPS(7)
GROUPS(8)
GROUPS(9)
GROUPS(10)
GROUPS(11)
GROUPS(12)
#undef GROUPS

INLINE void tiled(int bits, const affine *a, uint32_t row0, const fm_activations *x, uint32_t n, float *y, size_t ldy) {
    static void (*const groups_of[])(const affine *, tile *, uint32_t, uint32_t, const uint8_t *, size_t,
                                     __m512(*)[2]) = {
        tile_groups_1, tile_groups_2, tile_groups_3, tile_groups_4,  tile_groups_5,  tile_groups_6,
        tile_groups_7, tile_groups_8, tile_groups_9, tile_groups_10, tile_groups_11, tile_groups_12,
    };
    tile t;
    const uint32_t group = a->m->format.group, depth_chunks = TILE_COLS / a->chunk_cols,
                   depth_groups = TILE_COLS / group;
    for (uint32_t t0 = 0; t0 < n; t0 += TILE_BATCH) {
        const uint32_t batch = n - t0 < TILE_BATCH ? n - t0 : TILE_BATCH,
                       blocks = (batch + TILE_TOKENS - 1) / TILE_TOKENS;
        for (uint32_t row = row0; row < a->row1; row += TILE_ROWS) {
            memset(t.sums, 0, batch * sizeof *t.sums);
            read_ahead(a, &t, row, blocks);
            for (uint32_t c = 0, g = 0; c < a->chunks; c += depth_chunks, g += depth_groups) {
                uint32_t count = a->groups - g < depth_groups ? a->groups - g : depth_groups;
                fill_tile(bits, a, &t, row, c, a->chunks - c < depth_chunks ? a->chunks - c : depth_chunks);
                for (uint32_t half = 0; half < 2; half++) {
                    load_scales(a, a->m->scales, row + 16 * half, g, count, &t.scales[0][half], 2);
                    load_scales(a, a->m->biases, row + 16 * half, g, count, &t.biases[0][half], 2);
                }
                for (uint32_t i = 0, at = 0; i < blocks; i++) { /* of nearly the same number of tokens */
                    uint32_t tokens = batch / blocks + (i < batch % blocks);
                    groups_of[tokens - 1](a, &t, g, count, (const uint8_t *)x->rows + (t0 + at) * x->stride, x->stride,
                                          t.sums + at);
                    at += tokens;
                }
            }
            for (uint32_t i = 0; i < batch; i++)
                for (uint32_t half = 0; half < 2 && row + 16 * half < a->row1; half++) {
                    uint32_t left = a->row1 - row - 16 * half;
                    _mm512_mask_storeu_ps(y + (t0 + i) * ldy + row + 16 * half, first_lanes(left < 16 ? left : 16),
                                          t.sums[i][half]);
                }
        }
    }
}
