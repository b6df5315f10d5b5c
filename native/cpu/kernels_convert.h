/* Rows of stored weights as float32. */
#ifndef FM_CPU_KERNELS_CONVERT_H
#define FM_CPU_KERNELS_CONVERT_H

#include "../base/convert.h"
#include "kernels.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of one row of weights. */
static inline size_t fm_row_bytes(const fm_format *f) {
    return f->dtype == FM_AFFINE ? (size_t)f->cols / 8 * f->bits : f->cols * fm_dtype_bytes(f->dtype);
}

/* Bytes of one row of scales, and of biases. */
static inline size_t fm_row_scale_bytes(const fm_format *f) {
    return f->dtype == FM_AFFINE ? f->cols / f->group * fm_dtype_bytes(f->scale_dtype) : 0;
}

/* The integers of an affine row for columns [col, col + len), both multiples of 8. */
static inline void fm_unpack(const fm_format *f, const uint8_t *row, uint32_t col, uint32_t len, uint8_t *out) {
    const uint8_t *p = row + (size_t)col / 8 * f->bits;
    uint32_t mask = (1u << f->bits) - 1;
    for (uint32_t i = 0; i < len; i++) {
        uint32_t bit = i * f->bits, byte = bit / 8, shift = bit % 8;
        uint32_t value = p[byte];
        if (shift + f->bits > 8)
            value |= (uint32_t)p[byte + 1] << 8;
        out[i] = (uint8_t)(value >> shift & mask);
    }
}

/* The row function of every table: one row is little work, and all tables agree on it bit for bit. */
static inline void fm_row(const fm_matrix *m, uint32_t r, float *out) {
    const fm_format *f = &m->format;
    const uint8_t *row = m->weight + r * fm_row_bytes(f);
    for (uint32_t c = 0; f->dtype != FM_AFFINE && c < f->cols; c++)
        out[c] = fm_load_float(f->dtype, row, c);
    for (uint32_t c = 0; f->dtype == FM_AFFINE && c < f->cols; c += f->group) {
        uint8_t w[128];
        fm_unpack(f, row, c, f->group, w);
        float scale = fm_load_float(f->scale_dtype, m->scales + r * fm_row_scale_bytes(f), c / f->group);
        float bias = fm_load_float(f->scale_dtype, m->biases + r * fm_row_scale_bytes(f), c / f->group);
        for (uint32_t i = 0; i < f->group; i++)
            out[c + i] = scale * (float)w[i] + bias;
    }
}

#endif
