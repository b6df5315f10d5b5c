/* Products of a few tokens (kernels_vnni.h): a block of rows passes through the registers once, in the order of memory,
 * and all tokens are multiplied with what was unpacked. */

enum {
    BLOCK_TOKENS = 4,   /* at most */
    BLOCK_AHEAD = 4096, /* bytes of weights that are asked for early, into the second cache */
};

/* A block of rows with some tokens, whose prepared rows start at x: y [tokens] vectors. */
INLINE void direct_block(int bits, int tokens, const affine *a, uint32_t block, const uint8_t *x, size_t stride,
                         __m512 *y) {
    enum { CHAINS = 2 }; /* of one token's sums, so that a product need not wait for the one before */
    const fm_format *f = &a->m->format;
    const int chains = tokens == 1 ? CHAINS : 1;
    const uint32_t lanes = lanes_of(a, block), units = f->group / UNIT_COLS;
    const size_t vector_bytes = 4 * (size_t)lanes;
    const __mmask16 mask = first_lanes(lanes);
    const uint8_t *w = a->m->weight + (size_t)block * BLOCK_ROWS * a->row_bytes;
    const uint8_t *scales = a->m->scales + (size_t)block * BLOCK_ROWS * a->scale_bytes;
    const uint8_t *biases = a->m->biases + (size_t)block * BLOCK_ROWS * a->scale_bytes;
    const float *step = (const float *)(const void *)(x + 2 * a->plane);
    UNROLL
    for (int t = 0; t < tokens; t++)
        y[t] = _mm512_setzero_ps();
    for (uint32_t g = 0; g < a->groups; g++) {
        __m512i high[BLOCK_TOKENS][CHAINS], low[BLOCK_TOKENS][CHAINS];
        UNROLL
        for (int t = 0; t < tokens; t++)
            UNROLL
        for (int i = 0; i < chains; i++)
            high[t][i] = low[t][i] = _mm512_setzero_si512();
        for (uint32_t u = 0; u < units; u++, w += (size_t)bits * vector_bytes, x += UNIT_COLS) {
            __m512i part[UNIT_PARTS];
            UNROLL
            for (int i = 0; i < bits; i++)
                __builtin_prefetch(w + BLOCK_AHEAD + 64 * i, 0, 2);
            unpack_unit(bits, w, vector_bytes, mask, part);
            UNROLL
            for (int p = 0; p < UNIT_PARTS; p++)
                UNROLL
            for (int t = 0; t < tokens; t++) {
                const uint8_t *at = x + (size_t)t * stride + 4 * p;
                high[t][p % chains] = add_products_at(high[t][p % chains], part[p], at);
                low[t][p % chains] = add_products_at(low[t][p % chains], part[p], at + a->plane);
            }
        }
        const __m512 scale = load_scales(f->scale_dtype, scales, g, lanes);
        const __m512 bias = load_scales(f->scale_dtype, biases, g, lanes);
        UNROLL
        for (int t = 0; t < tokens; t++) {
            const float *s = (const float *)(const void *)((const uint8_t *)step + (size_t)t * stride) + g;
            __m512i h = high[t][0], l = low[t][0];
            if (chains == 2)
                h = _mm512_add_epi32(h, high[t][1]), l = _mm512_add_epi32(l, low[t][1]);
            y[t] = add_group(y[t], _mm512_add_epi32(_mm512_slli_epi32(h, 8), l), scale, bias, s, s + a->groups);
        }
    }
}
