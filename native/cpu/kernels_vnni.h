/* Products with affine matrices (kernels_quantise.h) by VNNI, whose vpdpbusd adds four products of a byte of weights
 * and a signed byte of x in each of 16 lanes. Lanes are rows, of matrices that were packed for it.
 *
 *   kernels_vnni_blocks.h   the packed form
 *   kernels_vnni_direct.h   a few tokens
 *   kernels_vnni_tile.h     many
 *
 * A prepared row of x is the high bytes of all columns, the low bytes, and step and sum of each group. */

/* vpdpbusd in place. From the intrinsic, gcc 12 makes two copies and a store of every sum. */
INLINE __m512i add_products(__m512i sum, __m512i w, __m512i x) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
    return sum;
}

/* The same with the four bytes of x at `at` in all lanes. */
INLINE __m512i add_products_at(__m512i sum, __m512i w, const uint8_t *at) {
    typedef int32_t four __attribute__((aligned(1), may_alias));
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(w), "m"(*(const four *)(const void *)at));
    return sum;
}

/* The step of the definition: y over one more group whose sum is s. */
INLINE __m512 add_group(__m512 y, __m512i s, __m512 scale, __m512 bias, const float *step, const float *sum) {
    y = _mm512_fmadd_ps(_mm512_mul_ps(scale, _mm512_set1_ps(*step)), _mm512_cvtepi32_ps(s), y);
    return _mm512_fmadd_ps(bias, _mm512_set1_ps(*sum), y);
}

#include "kernels_vnni_blocks.h"

/* Writes the rows of a block that are in [row0, row1). */
INLINE void store_block(float *y, uint32_t block, uint32_t row0, uint32_t row1, __m512 sums) {
    const uint32_t row = block * BLOCK_ROWS, first = row < row0 ? row0 - row : 0,
                   end = row1 - row < BLOCK_ROWS ? row1 - row : BLOCK_ROWS;
    _mm512_mask_storeu_ps(y + row, first_lanes(end) & (__mmask16)~first_lanes(first), sums);
}

#include "kernels_vnni_direct.h"
#include "kernels_vnni_tile.h"

/* ---- x ----------------------------------------------------------------------------------------------------------- */

static size_t affine_prepared_bytes(const fm_format *f) {
    size_t lines = (2 * (size_t)f->cols + 8 * (size_t)(f->cols / f->group) + 63) / 64;
    return 64 * (lines | 1); /* odd, so that the same column of many tokens does not fall on one line of the cache */
}

static void affine_prepare(const fm_format *f, const float *x, void *out) {
    uint8_t *high = out, *low = high + f->cols;
    float *step = (float *)(void *)(low + f->cols), *sum = step + f->cols / f->group;
    for (uint32_t g = 0; g < f->cols / f->group; g++) {
        int16_t q[FM_LARGEST_GROUP] __attribute__((aligned(64)));
        fm_quantise_group(x + (size_t)g * f->group, f->group, q, step + g, sum + g);
        for (uint32_t c = 0; c < f->group; c += 32, high += 32, low += 32) {
            __m512i words = _mm512_load_si512(q + c), rounded = _mm512_add_epi16(words, _mm512_set1_epi16(128));
            _mm256_storeu_si256((__m256i *)low, _mm512_cvtepi16_epi8(words));
            _mm256_storeu_si256((__m256i *)high, _mm512_cvtepi16_epi8(_mm512_srli_epi16(rounded, 8)));
        }
    }
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

INLINE void affine_product(int bits, const fm_matrix *m, uint32_t row0, uint32_t row1, const fm_activations *x,
                           uint32_t n, float *y, size_t ldy) {
    const affine a = affine_of(m);
    if (n > BLOCK_TOKENS) {
        tiled(bits, &a, row0, row1, x, n, y, ldy);
        return;
    }
    for (uint32_t block = row0 / BLOCK_ROWS; block <= (row1 - 1) / BLOCK_ROWS; block++) {
        __m512 sums[BLOCK_TOKENS];
        switch (n) {
        case 1: direct_block(bits, 1, &a, block, x->rows, x->stride, sums); break;
        case 2: direct_block(bits, 2, &a, block, x->rows, x->stride, sums); break;
        case 3: direct_block(bits, 3, &a, block, x->rows, x->stride, sums); break;
        default: direct_block(bits, 4, &a, block, x->rows, x->stride, sums);
        }
        for (uint32_t t = 0; t < n; t++)
            store_block(y + t * ldy, block, row0, row1, sums[t]);
    }
}

#define AFFINE(BITS)                                                                                                   \
    NOINLINE void affine_##BITS(const fm_matrix *m, uint32_t row0, uint32_t row1, const fm_activations *x, uint32_t n, \
                                float *y, size_t ldy) {                                                                \
        affine_product(BITS, m, row0, row1, x, n, y, ldy);                                                             \
    }
AFFINE(2)
AFFINE(3)
AFFINE(4)
AFFINE(5)
AFFINE(6)
AFFINE(8)
#undef AFFINE

static void affine_matmul(const fm_matrix *m, uint32_t row0, uint32_t row1, const fm_activations *x, uint32_t n,
                          float *y, size_t ldy) {
    static void (*const product_of[])(const fm_matrix *, uint32_t, uint32_t, const fm_activations *, uint32_t, float *,
                                      size_t) = {
        [2] = affine_2, [3] = affine_3, [4] = affine_4, [5] = affine_5, [6] = affine_6, [8] = affine_8,
    };
    product_of[m->format.bits](m, row0, row1, x, n, y, ldy);
}
