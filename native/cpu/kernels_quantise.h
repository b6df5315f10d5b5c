/* Products with affine matrices: the definition that every table of kernels computes, bit for bit.
 *
 * A row x of activations is quantised to 16 bits, each group of columns (of the matrix's group size) by itself:
 *
 *     m = max |x_c|                      over the group
 *     step = m / 32639                   0 when m < 2^-100; NaN when some x_c is infinite or NaN
 *     q_c = x_c * (32639 / m)            rounded to the nearest integer, even on ties; 0 in those two cases
 *     sum = step * (q_0 + q_1 + ...)     the integers are added exactly
 *
 * The error of an x_c is at most m / 65278, less than that of rounding it to bfloat16 unless it is 250 times smaller
 * than the group's largest. With w the integers of a row of weights, again group by group,
 *
 *     S = w_0 q_0 + w_1 q_1 + ...        exact in 32 bits: 255 * 32639 * 128 < 2^31
 *     y = fma(scale * step, (float)S, y)
 *     y = fma(bias, sum, y)
 *
 * from y = 0 on, over the groups in ascending order, every operation rounded to float32 and scale and bias widened to
 * it. Sums of integers may be taken in any order, so each processor takes its own, and the floats leave no choice.
 *
 * 32639 = 127 * 257, so that q = 256 * high + low with two signed bytes, for instructions that multiply bytes. */
#ifndef FM_CPU_KERNELS_QUANTISE_H
#define FM_CPU_KERNELS_QUANTISE_H

#include "kernels.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FM_LARGEST_GROUP = 128 };

static inline void fm_quantise_group(const float *x, uint32_t group, int16_t *q, float *step, float *sum) {
    int32_t most = 0; /* absolute values of floats are ordered like their bits, and NaN comes last */
    for (uint32_t c = 0; c < group; c++) {
        int32_t bits;
        memcpy(&bits, x + c, sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    float m;
    memcpy(&m, &most, sizeof m);
    if (!(m >= 0x1p-100f && m <= 3.4028235e38f)) {
        memset(q, 0, group * sizeof *q);
        *step = *sum = m < 0x1p-100f ? 0 : m - m; /* infinity - infinity is NaN */
        return;
    }
    const float largest = 32639, factor = largest / m;
    const float magic = 0x1.8p23f; /* whose unit in the last place is 1: adding it rounds, to even on ties */
    int32_t total = 0;
    for (uint32_t c = 0; c < group; c++) {
        float rounded = x[c] * factor + magic;
        int32_t bits;
        memcpy(&bits, &rounded, sizeof bits);
        int32_t whole = bits - 0x4b400000; /* the bits of magic */
        q[c] = (int16_t)whole;
        total += whole;
    }
    *step = m / largest;
    *sum = *step * (float)total;
}

/* A prepared row of the tables that multiply words of 16 bits. */
typedef struct fm_words {
    int16_t *q;        /* [cols] */
    float *step, *sum; /* [groups] */
} fm_words;

static inline size_t fm_words_bytes(const fm_format *f) {
    return ((size_t)f->cols * 2 + 8ull * (f->cols / f->group) + 63) / 64 * 64;
}

static inline fm_words fm_words_at(const fm_format *f, const void *row) {
    float *step = (float *)((uintptr_t)row + (size_t)f->cols * 2);
    return (fm_words){(int16_t *)(uintptr_t)row, step, step + f->cols / f->group};
}

static inline void fm_words_prepare(const fm_format *f, const float *x, void *out) {
    fm_words words = fm_words_at(f, out);
    for (uint32_t g = 0; g < f->cols / f->group; g++)
        fm_quantise_group(x + (size_t)g * f->group, f->group, words.q + (size_t)g * f->group, words.step + g,
                          words.sum + g);
}

/* Rows of words differ between groups only; float formats take x as it is. */
static inline int fm_words_order(const fm_format *f) {
    return f->dtype != FM_AFFINE ? 0 : f->group == 32 ? 1 : f->group == 64 ? 2 : 3;
}

#endif
