/* Weights as they are stored: affine of 2, 3, 4, 5, 6 or 8 bits, and plain floats. FORMAT, SCALE and ALIGNED are
 * function constants, so that each pipeline holds the code of one format.
 *
 * A row is read in packs of 32 columns. An affine pack is FORMAT words of 32 bits, an LSB-first stream: column i has
 * bits [i * FORMAT, (i + 1) * FORMAT). Its 32 columns share one scale and bias, since groups are multiples of 32:
 *
 *     sum w x = scale * sum q x + bias * sum x
 *
 * so that a multiplication and an addition a column are all the arithmetic there is, and sum x is shared by all rows.
 */
#ifndef FM_SHADERS_FORMATS_H
#define FM_SHADERS_FORMATS_H

#include "common.h"

struct weights {
    device const uchar *weight;
    device const uchar *scales;
    device const uchar *biases;
    uint rows, cols, group_shift;
};

inline bool is_affine() {
    return FORMAT <= 8;
}

inline float from_bf16(uint bits) {
    return as_type<float>(bits << 16);
}

inline float from_f16(ushort bits) {
    return float(as_type<half>(bits));
}

/* The bits of element `index` of an array of floats of dtype `code`, and what they mean. Two steps, so that a number
 * can be fetched long before its use. */
inline uint load_bits(device const uchar *p, ulong index, int code) {
    return code == FM_CODE_F32 ? ((device const uint *)p)[index] : uint(((device const ushort *)p)[index]);
}

inline float float_of(uint bits, int code) {
    return code == FM_CODE_BF16 ? from_bf16(bits) : code == FM_CODE_F16 ? from_f16(ushort(bits)) : as_type<float>(bits);
}

/* Element `index` of an array of floats of dtype `code`. */
inline float load_float(device const uchar *p, ulong index, int code) {
    return float_of(load_bits(p, index, code), code);
}

/* The words of an affine pack. Packs of 4 and 8 bits begin at multiples of 16 bytes, of 2 and 6 bits at 8. */
inline void load_pack(device const uchar *p, thread uint *words) {
    if (ALIGNED && (FORMAT == 4 || FORMAT == 8)) {
        UNROLL
        for (int i = 0; i < FORMAT / 4; i++) {
            uint4 v = ((device const uint4 *)p)[i];
            words[4 * i] = v.x, words[4 * i + 1] = v.y, words[4 * i + 2] = v.z, words[4 * i + 3] = v.w;
        }
    } else if (ALIGNED && (FORMAT == 2 || FORMAT == 6)) {
        UNROLL
        for (int i = 0; i < FORMAT / 2; i++) {
            uint2 v = ((device const uint2 *)p)[i];
            words[2 * i] = v.x, words[2 * i + 1] = v.y;
        }
    } else {
        UNROLL
        for (int i = 0; i < FORMAT; i++)
            words[i] = ((device const uint *)p)[i];
    }
}

/* Where float32 has denormals at full speed (NVIDIA; Apple flushes them), a code is masked and read as a float where it
 * stands, which is q * 2^(its bit - 149), exactly: no shift and no conversion. x is multiplied by 2^(100 - bit) once
 * for all rows, and the sum by 2^49; all of that is exact too. That holds up to bit 23, since the numbers with exponent
 * 1 go on where the denormals end; the codes above are shifted down. */
#ifdef FM_DENORMALS
inline bool in_place() {
    return FORMAT == 2 || FORMAT == 4 || FORMAT == 8;
}
#else
inline bool in_place() {
    return false;
}
#endif

/* Codes of a word that are read where they stand. */
inline int low_codes() {
    return 24 / FORMAT;
}

/* What x of column i is multiplied by before, and the sum after. */
inline float prescale(int i) {
    int bit = i % (32 / FORMAT);
    bit = bit < low_codes() ? bit * FORMAT : 0;
    return in_place() ? as_type<float>(uint(127 + 100 - bit) << 23) : 1.0f;
}

inline float postscale() {
    return in_place() ? 562949953421312.0f : 1.0f; /* 2^49 */
}

/* q of column i of a pack, or q 2^-49 / prescale(i). */
inline float unpack(thread const uint *words, int i) {
    if (in_place()) {
        uint word = words[i / (32 / FORMAT)];
        int at = i % (32 / FORMAT);
        if (at >= low_codes()) {
            word >>= at * FORMAT;
            at = 0;
        }
        return as_type<float>(word & (((1u << FORMAT) - 1) << (at * FORMAT)));
    }
    int bit = i * FORMAT, word = bit >> 5, shift = bit & 31;
    uint q = words[word] >> shift;
    if (shift + FORMAT > 32)
        q |= words[word + 1] << (32 - shift);
    return float(q & ((1u << FORMAT) - 1));
}

/* Columns 32 pack … of a row of floats times x; columns past the end are not read. */
inline float float_pack_dot(weights m, uint row, uint pack, thread const float4 *x) {
    ulong at = ulong(row) * m.cols + pack * 32;
    float sum = 0;
    if (ALIGNED && pack * 32 + 32 <= m.cols) {
        if (FORMAT == FM_CODE_F32) {
            device const float4 *w = (device const float4 *)m.weight + at / 4;
            UNROLL
            for (int i = 0; i < 8; i++)
                sum += dot(w[i], x[i]);
        } else {
            device const uint4 *w = (device const uint4 *)m.weight + at / 8;
            UNROLL
            for (int i = 0; i < 4; i++) {
                uint4 v = w[i];
                float4 low, high;
                if (FORMAT == FM_CODE_BF16) {
                    low = float4(as_type<float>(v.x << 16), as_type<float>(v.x & 0xffff0000u),
                                 as_type<float>(v.y << 16), as_type<float>(v.y & 0xffff0000u));
                    high = float4(as_type<float>(v.z << 16), as_type<float>(v.z & 0xffff0000u),
                                  as_type<float>(v.w << 16), as_type<float>(v.w & 0xffff0000u));
                } else {
                    low = float4(from_f16(ushort(v.x & 0xffffu)), from_f16(ushort(v.x >> 16)),
                                 from_f16(ushort(v.y & 0xffffu)), from_f16(ushort(v.y >> 16)));
                    high = float4(from_f16(ushort(v.z & 0xffffu)), from_f16(ushort(v.z >> 16)),
                                  from_f16(ushort(v.w & 0xffffu)), from_f16(ushort(v.w >> 16)));
                }
                sum += dot(low, x[2 * i]) + dot(high, x[2 * i + 1]);
            }
        }
        return sum;
    }
    uint left = m.cols - pack * 32;
    UNROLL
    for (uint i = 0; i < 8; i++) {
        float4 w = float4(0.0f, 0.0f, 0.0f, 0.0f);
        if (4 * i < left)
            w.x = load_float(m.weight, at + 4 * i, FORMAT);
        if (4 * i + 1 < left)
            w.y = load_float(m.weight, at + 4 * i + 1, FORMAT);
        if (4 * i + 2 < left)
            w.z = load_float(m.weight, at + 4 * i + 2, FORMAT);
        if (4 * i + 3 < left)
            w.w = load_float(m.weight, at + 4 * i + 3, FORMAT);
        sum += dot(w, x[i]);
    }
    return sum;
}

/* Eight columns from `column`, a multiple of 8, of a row as floats; 0 past the end. */
inline void load_octet(weights m, uint row, uint column, thread float *out) {
    if (is_affine()) {
        if (column >= m.cols) {
            UNROLL
            for (int i = 0; i < 8; i++)
                out[i] = 0;
            return;
        }
        ulong bytes = (ulong(row) * m.cols + column) / 8 * FORMAT;
        device const uint *words = (device const uint *)(m.weight + (bytes & ~3ul));
        uint shift = uint(bytes & 3) * 8;
        ulong bits = words[0];
        if (shift + 8 * FORMAT > 32)
            bits |= ulong(words[1]) << 32;
        bits >>= shift;
        ulong at = ulong(row) * (m.cols >> m.group_shift) + (column >> m.group_shift);
        float scale = load_float(m.scales, at, SCALE), bias = load_float(m.biases, at, SCALE);
        UNROLL
        for (int i = 0; i < 8; i++)
            out[i] = fma(scale, float(uint(bits >> (i * FORMAT)) & ((1u << FORMAT) - 1)), bias);
    } else {
        UNROLL
        for (uint i = 0; i < 8; i++)
            out[i] = column + i < m.cols ? load_float(m.weight, ulong(row) * m.cols + column + i, FORMAT) : 0.0f;
    }
}

#endif
