/* The kernels for AVX-512 with VBMI (Ice Lake, Zen 4 and later). */
#include "kernels.h"

#if defined(__x86_64__)
#include <math.h>
#include <string.h>

/* The target is set here and not by compiler flags, so that one build serves all processors and architectures. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,fma,f16c"))),   \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,fma,f16c,prefer-vector-width=512")
#endif
#include <immintrin.h>

#include "kernels_convert.h"

#define LANES                  16
#define MOST_TOKENS            6
#define DIRECT_TOKENS          4
#define DIRECT_MOST            8
#define AHEAD(rows, row_bytes) ((rows) == 1 ? 4096 : 4 * (row_bytes) + 256)
typedef __m512 V;

static inline V v_zero(void) {
    return _mm512_setzero_ps();
}
static inline V v_set1(float x) {
    return _mm512_set1_ps(x);
}
static inline V v_load(const float *p) {
    return _mm512_load_ps(p);
}
static inline V v_loadu(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, V x) {
    _mm512_store_ps(p, x);
}
static inline void v_storeu(float *p, V x) {
    _mm512_storeu_ps(p, x);
}
static inline V v_sub(V a, V b) {
    return _mm512_sub_ps(a, b);
}
static inline V v_div(V a, V b) {
    return _mm512_div_ps(a, b);
}
static inline V v_fnma(V a, V b, V c) {
    return _mm512_fnmadd_ps(a, b, c);
}
static inline V v_min(V a, V b) {
    return _mm512_min_ps(a, b);
}
static inline V v_max(V a, V b) {
    return _mm512_max_ps(a, b);
}
static inline V v_round(V x) {
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline V v_pow2(V n) {
    __m512i biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(biased, 23));
}
static inline V v_clear_less(V x, V limit, V y) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), y);
}
static inline __mmask16 first_lanes(uint32_t count) {
    return (__mmask16)((1u << count) - 1);
}
static inline V v_load_part(const float *p, uint32_t count) {
    return _mm512_maskz_loadu_ps(first_lanes(count), p);
}
static inline void v_store_part(float *p, V x, uint32_t count) {
    _mm512_mask_storeu_ps(p, first_lanes(count), x);
}
static inline float v_sum(V x) {
    return _mm512_reduce_add_ps(x);
}
static inline float v_most(V x) {
    return _mm512_reduce_max_ps(x);
}
static inline V v_add(V a, V b) {
    return _mm512_add_ps(a, b);
}
static inline V v_mul(V a, V b) {
    return _mm512_mul_ps(a, b);
}
static inline V v_fma(V a, V b, V c) {
    return _mm512_fmadd_ps(a, b, c);
}

/* The sums of four vectors, all in the same order of additions. */
static inline void reduce4(V a, V b, V c, V d, float *out) {
    V ab = v_add(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    V cd = v_add(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    V lo = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd)));
    V hi = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd)));
    V all = v_add(lo, hi);
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

static inline V load_numbers(fm_dtype dtype, const uint8_t *p, uint32_t count) {
    __mmask16 mask = first_lanes(count);
    if (dtype == FM_F32)
        return _mm512_maskz_loadu_ps(mask, p);
    __m256i half = _mm256_maskz_loadu_epi16(mask, p);
    return dtype == FM_F16 ? _mm512_cvtph_ps(half)
                           : _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

static inline V pick_scales(V scales, const uint32_t *index) {
    return _mm512_permutexvar_ps(_mm512_load_si512(index), scales);
}

/* ---- unpacking
 * ------------------------------------------------------------------------------------------------------- */

/* Dwords whose lane i holds columns 8 i to 8 i + 7 of a chunk, or as many of them as fit: the low ones in a, and where
 * they do not all fit, the high ones in b. */
typedef struct {
    __m512i a, b;
} chunk;

/* Bytes of each dword lane for vpermb. 8 lanes of 5 or 6 bytes at a time, since 16 do not lie in one register: lanes 0
 * to 7 count from the start of the chunk, 8 to 15 from the start of the second load. */
#define LANE(n, at) (n) + (at), (n) + (at) + 1, (n) + (at) + 2, (n) + (at) + 3
#define LANES8(step, base, at)                                                                                         \
    LANE(0 * (step), (base) + (at)), LANE(1 * (step), (base) + (at)), LANE(2 * (step), (base) + (at)),                 \
        LANE(3 * (step), (base) + (at)), LANE(4 * (step), (base) + (at)), LANE(5 * (step), (base) + (at)),             \
        LANE(6 * (step), (base) + (at)), LANE(7 * (step), (base) + (at))
#define BYTES static const uint8_t __attribute__((aligned(64)))
BYTES bytes3[64] = {LANES8(3, 0, 0), LANES8(3, 24, 0)};
BYTES bytes5a[64] = {LANES8(5, 0, 0), LANES8(5, 24, 0)}; /* the second load starts at byte 16 */
BYTES bytes5b[64] = {LANES8(5, 0, 1), LANES8(5, 24, 1)};
BYTES bytes6a[64] = {LANES8(6, 0, 0), LANES8(6, 16, 0)}; /* at byte 32 */
BYTES bytes6b[64] = {LANES8(6, 0, 2), LANES8(6, 16, 2)};

static inline __m512i load_bytes(const uint8_t *p) {
    return _mm512_loadu_si512(p);
}

static inline __m512i two_loads(const uint8_t *index, const uint8_t *low, const uint8_t *high) {
    __m512i bytes = _mm512_load_si512(index);
    return _mm512_mask_permutexvar_epi8(_mm512_permutexvar_epi8(bytes, load_bytes(low)), 0xffffffff00000000, bytes,
                                        load_bytes(high));
}

#include "kernels_product.h"
#include "kernels_vector.h"

INLINE uint32_t chunk_slack(kind k) {
    return k == W4 ? 3 : 0;
}

INLINE chunk chunk_load(kind k, const uint8_t *p) {
    chunk c = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    switch (k) {
    case W2: c.a = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)); break;
    case W3: c.a = _mm512_permutexvar_epi8(_mm512_load_si512(bytes3), _mm512_maskz_loadu_epi32(0xfff, p)); break;
    case W5:
        c.a = two_loads(bytes5a, p, p + 16);
        c.b = two_loads(bytes5b, p, p + 16);
        break;
    case W6:
        c.a = two_loads(bytes6a, p, p + 32);
        c.b = two_loads(bytes6b, p, p + 32);
        break;
    case W8: {
        const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        c.a = _mm512_permutex2var_epi32(load_bytes(p), even, load_bytes(p + 64));
        c.b =
            _mm512_permutex2var_epi32(load_bytes(p), _mm512_add_epi32(even, _mm512_set1_epi32(1)), load_bytes(p + 64));
        break;
    }
    default: break; /* four bits and floats are read part by part */
    }
    return c;
}

/* vpermps looks at the low 4 bits of a lane only, and vpermi2ps at 5: a table needs no mask. */
INLINE V chunk_part(kind k, chunk c, const uint8_t *p, int s) {
    switch (k) {
    case W2: {
        const V table = _mm512_setr_ps(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
        return _mm512_permutexvar_ps(_mm512_srli_epi32(c.a, 2 * (unsigned)s), table);
    }
    case W3: {
        const V table = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
        return _mm512_permutexvar_ps(_mm512_srli_epi32(c.a, 3 * (unsigned)s), table);
    }
    case W4: { /* a load shifts by bytes for nothing */
        const V table = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        __m512i q = load_bytes(p + s / 2);
        return _mm512_permutexvar_ps(s % 2 ? _mm512_srli_epi32(q, 4) : q, table);
    }
    case W5: {
        const V low = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        const V high = _mm512_setr_ps(16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
        return _mm512_permutex2var_ps(
            low, s < 4 ? _mm512_srli_epi32(c.a, 5 * (unsigned)s) : _mm512_srli_epi32(c.b, 5 * (unsigned)s - 8), high);
    }
    case W6: {
        __m512i q = s < 4 ? _mm512_srli_epi32(c.a, 6 * (unsigned)s) : _mm512_srli_epi32(c.b, 6 * (unsigned)s - 16);
        return _mm512_cvtepi32_ps(_mm512_and_si512(q, _mm512_set1_epi32(63)));
    }
    case W8: {
        __m512i q = _mm512_srli_epi32(s < 4 ? c.a : c.b, 8 * ((unsigned)s % 4));
        return _mm512_cvtepi32_ps(_mm512_and_si512(q, _mm512_set1_epi32(255)));
    }
    case WF32: return _mm512_loadu_ps(p + 64 * s);
    case WF16: return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p + 32 * s)));
    default:
        return _mm512_castsi512_ps(
            _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(p + 32 * s))), 16));
    }
}

static void prepare(const fm_format *f, const float *x, float *out, float *sums) {
    for (uint32_t col = 0; col < f->cols; col += CHUNK) {
        uint32_t lanes = f->cols - col < CHUNK ? (f->cols - col) / 8 : LANES;
        for (uint32_t s = 0; s < 8; s++)
            for (uint32_t i = 0; i < lanes; i++)
                out[col + s * lanes + i] = x[col + 8 * i + s];
    }
    for (uint32_t g = 0; g < f->cols / f->group; g++) {
        V sum = v_zero();
        for (uint32_t c = 0; c < f->group; c += LANES)
            sum = v_add(sum, v_loadu(x + g * f->group + c));
        sums[g] = _mm512_reduce_add_ps(sum);
    }
}

static const fm_kernels table = {
    .name = "avx512",
    .order = order,
    .prepare = prepare,
    .matmul = matmul,
    .row = fm_row,
    .attend_span = attend_span,
    .delta_step = delta_step,
    .rms_norm = rms_norm,
    .silu_mul = silu_mul,
    .sigmoid_mul = sigmoid_mul,
    .gated_norm = gated_norm,
    .conv_silu = conv_silu,
    .axpy = axpy,
    .softmax = softmax,
};
const fm_kernels *const fm_kernels_avx512 = &table;

#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
const fm_kernels *const fm_kernels_avx512 = NULL;
#endif
