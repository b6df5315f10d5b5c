/* Stored numbers as float32, one at a time: exact for every value, whatever the alignment. */
#ifndef FM_BASE_CONVERT_H
#define FM_BASE_CONVERT_H

#include "flashmoe.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline float fm_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t fm_load_u16(const uint8_t *p) {
    uint16_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline float fm_float_of_bf16(uint16_t bits) {
    return fm_float_of_bits((uint32_t)bits << 16);
}

static inline float fm_float_of_f16(uint16_t bits) {
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent == 31)
        return fm_float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) { /* zero and denormals: fraction * 2^-24 */
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return fm_float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static inline size_t fm_dtype_bytes(fm_dtype dtype) {
    return dtype == FM_F32 ? 4 : 2;
}

/* Element i of an array of F32, F16 or BF16. */
static inline float fm_load_float(fm_dtype dtype, const uint8_t *array, size_t i) {
    if (dtype == FM_F32) {
        float value;
        memcpy(&value, array + 4 * i, sizeof value);
        return value;
    }
    uint16_t bits = fm_load_u16(array + 2 * i);
    return dtype == FM_BF16 ? fm_float_of_bf16(bits) : fm_float_of_f16(bits);
}

#endif
