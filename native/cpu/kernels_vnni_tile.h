/* Products of many tokens (kernels_vnni.h): two blocks of rows are unpacked into a tile once, and then 12 tokens at a
 * time keep their sums in registers. */

enum {
    TILE_COLS = 512,  /* columns of a tile at most: with the bytes of a batch's tokens it stays in the nearest cache */
    TILE_GROUPS = 16, /* groups of TILE_COLS columns at most */
    TILE_TOKENS = 12, /* whose sums are in registers */
    TILE_BATCH = 128, /* for which a tile is made once */
};

typedef struct {
    __m512i w[TILE_COLS / 4][2]; /* bytes [rows][4 columns] of both blocks */
    __m512 scales[TILE_GROUPS][2], biases[TILE_GROUPS][2];
    __m512 sums[TILE_BATCH][2];
    const uint8_t *ahead, *ahead_end; /* weights of the next rows, see read_ahead */
    uint32_t ahead_lines;             /* of the cache, for each group of some tokens */
} tile;

/* The weights of the rows after two blocks are brought nearer, a little during each group of each of the runs of
 * tokens: all of them at once would hold up the loads of x until they were there. Their scales are few. */
INLINE void read_ahead(const affine *a, tile *t, uint32_t block, uint32_t row1, uint32_t runs) {
    const size_t next = (size_t)(block + 2) * BLOCK_ROWS, first = next < row1 ? next : row1,
                 last = first + 2 * BLOCK_ROWS < row1 ? first + 2 * BLOCK_ROWS : row1;
    t->ahead = a->m->weight + first * a->row_bytes;
    t->ahead_end = a->m->weight + last * a->row_bytes;
    t->ahead_lines = 1 + (uint32_t)((last - first) * a->row_bytes / 64 / runs / a->groups);
    for (size_t at = first * a->scale_bytes; at < last * a->scale_bytes; at += 64) {
        __builtin_prefetch(a->m->scales + at, 0, 2);
        __builtin_prefetch(a->m->biases + at, 0, 2);
    }
}

/* Groups [g, g + count) of one block, the first or second of the tile. */
INLINE void fill_tile(int bits, const affine *a, tile *t, uint32_t block, uint32_t which, uint32_t g, uint32_t count) {
    const fm_format *f = &a->m->format;
    const uint32_t lanes = lanes_of(a, block), unit = g * f->group / UNIT_COLS, units = count * f->group / UNIT_COLS;
    const size_t vector_bytes = 4 * (size_t)lanes, first = (size_t)block * BLOCK_ROWS;
    const uint8_t *w = a->m->weight + first * a->row_bytes + (size_t)unit * (size_t)bits * vector_bytes;
    for (uint32_t u = 0; u < units; u++, w += (size_t)bits * vector_bytes) {
        __m512i part[UNIT_PARTS];
        unpack_unit(bits, w, vector_bytes, first_lanes(lanes), part);
        UNROLL
        for (int p = 0; p < UNIT_PARTS; p++)
            t->w[UNIT_PARTS * u + (uint32_t)p][which] = part[p];
    }
    for (uint32_t i = 0; i < count; i++) {
        t->scales[i][which] = load_scales(f->scale_dtype, a->m->scales + first * a->scale_bytes, g + i, lanes);
        t->biases[i][which] = load_scales(f->scale_dtype, a->m->biases + first * a->scale_bytes, g + i, lanes);
    }
}

/* Adds one group of `dwords` times four columns: the inner loop of prefill. */
INLINE void tile_group(int tokens, const affine *a, const __m512i (*w)[2], uint32_t dwords, const uint8_t *x,
                       size_t stride, const __m512 *scale, const __m512 *bias, const float *step, __m512 (*sums)[2]) {
    __m512i acc[TILE_TOKENS][2];
    UNROLL
    for (int t = 0; t < tokens; t++)
        acc[t][0] = acc[t][1] = _mm512_setzero_si512();
    const size_t stride3 = 3 * stride;
    for (int plane = 0; plane < 2; plane++) {
        const uint8_t *x0 = x + (size_t)plane * a->plane, *x4 = x0 + 4 * stride, *x8 = x0 + 8 * stride;
        const __m512i(*v)[2] = w;
        for (uint32_t d = 0; d < dwords; d++, v++, x0 += 4, x4 += 4, x8 += 4) {
            __m512i first = (*v)[0], second = (*v)[1];
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
                acc[t][0] = add_products(acc[t][0], first, b);
                acc[t][1] = add_products(acc[t][1], second, b);
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
    const uint32_t dwords = a->m->format.group / 4;
    const float *step = (const float *)(const void *)(x + 2 * a->plane);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t line = 0; line < t->ahead_lines && t->ahead < t->ahead_end; line++, t->ahead += 64)
            __builtin_prefetch(t->ahead, 0, 2);
        tile_group(tokens, a, (const __m512i(*)[2])t->w + (size_t)i * dwords, dwords, x + 4 * (size_t)(g + i) * dwords,
                   stride, t->scales[i], t->biases[i], step + g + i, sums);
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

INLINE void tiled(int bits, const affine *a, uint32_t row0, uint32_t row1, const fm_activations *x, uint32_t n,
                  float *y, size_t ldy) {
    static void (*const groups_of[])(const affine *, tile *, uint32_t, uint32_t, const uint8_t *, size_t,
                                     __m512(*)[2]) = {
        tile_groups_1, tile_groups_2, tile_groups_3, tile_groups_4,  tile_groups_5,  tile_groups_6,
        tile_groups_7, tile_groups_8, tile_groups_9, tile_groups_10, tile_groups_11, tile_groups_12,
    };
    tile t;
    const uint32_t depth = TILE_COLS / a->m->format.group, last = (row1 - 1) / BLOCK_ROWS;
    for (uint32_t t0 = 0; t0 < n; t0 += TILE_BATCH) {
        const uint32_t batch = n - t0 < TILE_BATCH ? n - t0 : TILE_BATCH,
                       runs = (batch + TILE_TOKENS - 1) / TILE_TOKENS;
        for (uint32_t block = row0 / BLOCK_ROWS; block <= last; block += 2) {
            memset(t.sums, 0, batch * sizeof *t.sums);
            read_ahead(a, &t, block, row1, runs);
            for (uint32_t g = 0; g < a->groups; g += depth) {
                uint32_t count = a->groups - g < depth ? a->groups - g : depth;
                fill_tile(bits, a, &t, block, 0, g, count);
                fill_tile(bits, a, &t, block < last ? block + 1 : block, 1, g, count); /* or the same again */
                for (uint32_t i = 0, at = 0; i < runs; i++) { /* of nearly the same number of tokens */
                    uint32_t tokens = batch / runs + (i < batch % runs);
                    groups_of[tokens - 1](a, &t, g, count, (const uint8_t *)x->rows + (t0 + at) * x->stride, x->stride,
                                          t.sums + at);
                    at += tokens;
                }
            }
            for (uint32_t i = 0; i < batch; i++)
                for (uint32_t b = 0; b < 2 && block + b <= last; b++)
                    store_block(y + (t0 + i) * ldy, block + b, row0, row1, t.sums[i][b]);
        }
    }
}
