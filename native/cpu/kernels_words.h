/* Products with affine matrices (kernels_quantise.h) by instructions that multiply words of 16 bits, written once over
 * the vectors of an instruction set. A prepared row of x is fm_words.
 *
 * Four rows of weights are multiplied with a few tokens at a time, group by group, lanes being columns. One or two
 * tokens unpack the weights in registers; for more, a group of four rows is unpacked into a buffer once.
 *
 * The file that includes this defines, beside V, LANES and load_numbers: words (a vector of WORDS 16-bit integers),
 * sums (a vector of 32-bit integers), sums_zero, sums_add(sums, words, words): plus the products, words_load,
 * words_store, words_unpack(bits, p): WORDS columns, for which it may read UNPACK_READS bytes,
 *   add_groups(y, sums[4], scale[4], bias[4], step, sum): the step of the definition for four rows at once, y [4]
 *   WORD_TOKENS: tokens whose sums with four rows fit in registers */

enum { WORD_ROWS = 4, WORD_BATCH = 64, UNPACKED = 16 };

/* One matrix during a call. */
typedef struct {
    const fm_matrix *m;
    size_t row_bytes, scale_bytes;
    uint32_t row1;
    const uint8_t *end; /* of the weights of the rows */
} affine;

/* Group g of four rows and some tokens, whose prepared rows start at x; bits UNPACKED: w are words in a buffer. */
INLINE void words_group(int bits, int tokens, const fm_format *f, uint32_t g, const uint8_t *const *w, const uint8_t *x,
                        size_t stride, const float *scale, const float *bias, float (*y)[WORD_ROWS]) {
    fm_words token[WORD_TOKENS];
    sums s[WORD_TOKENS][WORD_ROWS];
    UNROLL
    for (int t = 0; t < tokens; t++) {
        token[t] = fm_words_at(f, x + (size_t)t * stride);
        UNROLL
        for (int r = 0; r < WORD_ROWS; r++)
            s[t][r] = sums_zero();
    }
    for (uint32_t c = 0; c < f->group; c += WORDS) {
        UNROLL
        for (int r = 0; r < WORD_ROWS; r++) {
            words v = bits == UNPACKED ? words_load((const int16_t *)(const void *)w[r] + c)
                                       : words_unpack(bits, w[r] + c / 8 * (uint32_t)bits);
            UNROLL
            for (int t = 0; t < tokens; t++)
                s[t][r] = sums_add(s[t][r], v, words_load(token[t].q + (size_t)g * f->group + c));
        }
    }
    UNROLL
    for (int t = 0; t < tokens; t++)
        add_groups(y[t], s[t], scale, bias, token[t].step[g], token[t].sum[g]);
}

/* All groups of four rows for a batch of tokens. */
INLINE void words_rows(int bits, const affine *a, uint32_t row, const fm_activations *x, uint32_t t0, uint32_t n,
                       float (*y)[WORD_ROWS]) {
    const fm_format *f = &a->m->format;
    const uint32_t group = f->group, groups = f->cols / group, group_bytes = group / 8 * (uint32_t)bits;
    float scales[WORD_ROWS][LANES], biases[WORD_ROWS][LANES];
    memset(y, 0, n * sizeof *y);
    for (uint32_t g = 0; g < groups; g++) {
        uint8_t copies[WORD_ROWS][FM_LARGEST_GROUP + UNPACK_READS];
        int16_t buffer[WORD_ROWS][FM_LARGEST_GROUP] __attribute__((aligned(32)));
        const uint8_t *w[WORD_ROWS];
        float scale[WORD_ROWS], bias[WORD_ROWS];
        for (uint32_t r = 0; r < WORD_ROWS; r++) {
            const uint32_t real = row + r < a->row1 ? row + r : a->row1 - 1;
            if (g % LANES == 0) {
                uint32_t count = groups - g < LANES ? groups - g : LANES;
                size_t at = real * a->scale_bytes + g * fm_dtype_bytes(f->scale_dtype);
                v_storeu(scales[r], load_numbers(f->scale_dtype, a->m->scales + at, count));
                v_storeu(biases[r], load_numbers(f->scale_dtype, a->m->biases + at, count));
            }
            scale[r] = scales[r][g % LANES];
            bias[r] = biases[r][g % LANES];
            w[r] = a->m->weight + real * a->row_bytes + (size_t)g * group_bytes;
            if ((size_t)(a->end - w[r]) < group_bytes + UNPACK_READS)
                w[r] = memcpy(copies[r], w[r], group_bytes);
            else
                __builtin_prefetch(w[r] + 2 * WORD_ROWS * a->row_bytes);
            if (n <= 2)
                continue;
            for (uint32_t c = 0; c < group; c += WORDS)
                words_store(buffer[r] + c, words_unpack(bits, w[r] + c / 8 * (uint32_t)bits));
            w[r] = (const uint8_t *)buffer[r];
        }
        const uint8_t *token = (const uint8_t *)x->rows + t0 * x->stride;
        if (n == 1)
            words_group(bits, 1, f, g, w, token, x->stride, scale, bias, y);
        if (n == 2)
            words_group(bits, 2, f, g, w, token, x->stride, scale, bias, y);
        for (uint32_t t = 0; n > 2 && t < n;) {
            uint32_t tokens = n - t < WORD_TOKENS ? 1 : WORD_TOKENS;
            const uint8_t *from = token + t * x->stride;
            if (tokens == 1)
                words_group(UNPACKED, 1, f, g, w, from, x->stride, scale, bias, y + t);
            else
                words_group(UNPACKED, WORD_TOKENS, f, g, w, from, x->stride, scale, bias, y + t);
            t += tokens;
        }
    }
}

#define WORDS_ROWS(BITS)                                                                                               \
    NOINLINE void words_rows_##BITS(const affine *a, uint32_t row, const fm_activations *x, uint32_t t0, uint32_t n,   \
                                    float(*y)[WORD_ROWS]) {                                                            \
        words_rows(BITS, a, row, x, t0, n, y);                                                                         \
    }
WORDS_ROWS(2)
WORDS_ROWS(3)
WORDS_ROWS(4)
WORDS_ROWS(5)
WORDS_ROWS(6)
WORDS_ROWS(8)
#undef WORDS_ROWS

static void affine_matmul(const fm_matrix *m, uint32_t row0, uint32_t row1, const fm_activations *x, uint32_t n,
                          float *y, size_t ldy) {
    static void (*const rows_of[])(const affine *, uint32_t, const fm_activations *, uint32_t, uint32_t,
                                   float(*)[WORD_ROWS]) = {
        [2] = words_rows_2, [3] = words_rows_3, [4] = words_rows_4,
        [5] = words_rows_5, [6] = words_rows_6, [8] = words_rows_8,
    };
    const affine a = {m, fm_row_bytes(&m->format), fm_row_scale_bytes(&m->format), row1,
                      m->weight + row1 * fm_row_bytes(&m->format)};
    float acc[WORD_BATCH][WORD_ROWS] __attribute__((aligned(16)));
    for (uint32_t t0 = 0; t0 < n; t0 += WORD_BATCH) {
        const uint32_t batch = n - t0 < WORD_BATCH ? n - t0 : WORD_BATCH;
        for (uint32_t row = row0; row < row1; row += WORD_ROWS) {
            rows_of[m->format.bits](&a, row, x, t0, batch, acc);
            for (uint32_t t = 0; t < batch; t++)
                memcpy(y + (t0 + t) * ldy + row, acc[t],
                       (row1 - row < WORD_ROWS ? row1 - row : WORD_ROWS) * sizeof **acc);
        }
    }
}

static void matmul(const fm_matrix *m, uint32_t row0, uint32_t row1, const fm_activations *x, uint32_t n, float *y,
                   size_t ldy) {
    if (row0 < row1 && n)
        (m->format.dtype == FM_AFFINE ? affine_matmul : float_matmul)(m, row0, row1, x, n, y, ldy);
}
