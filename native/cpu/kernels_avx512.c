/* The kernels for AVX-512 with VBMI and VNNI (Ice Lake, Zen 4 and later). */
#include "kernels.h"

#if defined(__x86_64__)
#include <math.h>
#include <string.h>

/* The target is set here and not by compiler flags, so that one build serves all processors and architectures. */
#if defined(__clang__)
#pragma clang attribute push(                                                                                          \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,avx2,fma,f16c"))),                 \
    apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni,avx2,fma,f16c,prefer-vector-width=512")
#endif
#include <immintrin.h>

#include "kernels_convert.h"

#define LANES                  16
#define MOST_TOKENS            6
#define DIRECT_TOKENS          4
#define ATTEND_HEADS           4
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
static inline void v_stream(float *p, V x) {
    _mm512_stream_ps(p, x);
}
static inline void v_stream_end(void) {
    _mm_sfence();
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

static inline V load_floats(fm_dtype dtype, const uint8_t *p) {
    return load_numbers(dtype, p, LANES);
}

#include "kernels_quantise.h"

#include "kernels_float.h"
#include "kernels_vector.h"
#include "kernels_vnni.h"

static void matmul(const fm_matrix *m, uint32_t row0, uint32_t row1, const fm_activations *x, uint32_t n, float *y,
                   size_t ldy) {
    if (row0 < row1 && n)
        (m->format.dtype == FM_AFFINE ? affine_matmul : float_matmul)(m, row0, row1, x, n, y, ldy);
}

static void row_of(const fm_matrix *m, uint32_t row, float *out) {
    (m->format.dtype == FM_AFFINE ? affine_row : fm_row)(m, row, out);
}

static const fm_kernels table = {
    .name = "avx512",
    .pack = affine_pack,
    .order = fm_words_order,
    .prepared_bytes = affine_prepared_bytes,
    .prepare = affine_prepare,
    .matmul = matmul,
    .row = row_of,
    .attend_span = attend_span,
    .delta_rule = delta_rule,
    .rms_norm = rms_norm,
    .l2_norm = l2_norm,
    .silu_mul = silu_mul,
    .sigmoid_mul = sigmoid_mul,
    .gated_norm = gated_norm,
    .conv_silu = conv_silu,
    .axpy = axpy,
};
const fm_kernels *const fm_kernels_avx512 = &table;

#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
const fm_kernels *const fm_kernels_avx512 = NULL;
#endif
