/* The kernels for AVX2 with FMA and F16C (Haswell, Zen and later). */
#include "kernels.h"

#if defined(__x86_64__)
#include <math.h>
#include <string.h>

/* The target is set here and not by compiler flags, so that one build serves all processors and architectures. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif
#include <immintrin.h>

#include "kernels_convert.h"

#define LANES                  8
#define MOST_TOKENS            3
#define DIRECT_TOKENS          2
#define ATTEND_HEADS           2
#define DIRECT_MOST            2
#define AHEAD(rows, row_bytes) ((rows) == 1 ? 4096 : 4 * (row_bytes) + 256)
typedef __m256 V;

static inline V v_zero(void) {
    return _mm256_setzero_ps();
}
static inline V v_set1(float x) {
    return _mm256_set1_ps(x);
}
static inline V v_load(const float *p) {
    return _mm256_load_ps(p);
}
static inline V v_loadu(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, V x) {
    _mm256_store_ps(p, x);
}
static inline void v_stream(float *p, V x) {
    _mm256_stream_ps(p, x);
}
static inline void v_stream_end(void) {
    _mm_sfence();
}
static inline void v_storeu(float *p, V x) {
    _mm256_storeu_ps(p, x);
}
static inline V v_add(V a, V b) {
    return _mm256_add_ps(a, b);
}
static inline V v_sub(V a, V b) {
    return _mm256_sub_ps(a, b);
}
static inline V v_mul(V a, V b) {
    return _mm256_mul_ps(a, b);
}
static inline V v_div(V a, V b) {
    return _mm256_div_ps(a, b);
}
static inline V v_fma(V a, V b, V c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline V v_fnma(V a, V b, V c) {
    return _mm256_fnmadd_ps(a, b, c);
}
static inline V v_min(V a, V b) {
    return _mm256_min_ps(a, b);
}
static inline V v_max(V a, V b) {
    return _mm256_max_ps(a, b);
}
static inline V v_round(V x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline V v_pow2(V n) {
    __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}
static inline V v_clear_less(V x, V limit, V y) {
    return _mm256_and_ps(_mm256_cmp_ps(x, limit, _CMP_NLT_UQ), y);
}

static inline __m256i first_lanes(uint32_t count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline V v_load_part(const float *p, uint32_t count) {
    return _mm256_maskload_ps(p, first_lanes(count));
}
static inline void v_store_part(float *p, V x, uint32_t count) {
    _mm256_maskstore_ps(p, first_lanes(count), x);
}

/* The sums of four vectors, all in the same order of additions. */
static inline void reduce4(V a, V b, V c, V d, float *out) {
    V ab = v_add(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    V cd = v_add(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    V lo = _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(ab), _mm256_castps_pd(cd)));
    V hi = _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(ab), _mm256_castps_pd(cd)));
    V all = v_add(lo, hi);
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
}
static inline float v_sum(V x) {
    float sum[4];
    reduce4(x, v_zero(), v_zero(), v_zero(), sum);
    return sum[0];
}
static inline float v_most(V x) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

/* `count` bytes of a vector whose other bytes are zero, without reading past them. */
static inline __m128i load_bytes_part(const uint8_t *p, size_t count) {
    uint8_t bytes[16] = {0};
    memcpy(bytes, p, count);
    return _mm_loadu_si128((const __m128i *)bytes);
}

static inline V load_numbers(fm_dtype dtype, const uint8_t *p, uint32_t count) {
    if (dtype == FM_F32)
        return count == LANES ? _mm256_loadu_ps((const float *)p) : v_load_part((const float *)p, count);
    __m128i half = count == LANES ? _mm_loadu_si128((const __m128i *)p) : load_bytes_part(p, 2 * count);
    return dtype == FM_F16 ? _mm256_cvtph_ps(half)
                           : _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

static inline V load_floats(fm_dtype dtype, const uint8_t *p) {
    return load_numbers(dtype, p, LANES);
}

#include "kernels_float.h"
#include "kernels_quantise.h"
#include "kernels_vector.h"

/* ---- words ------------------------------------------------------------------------------------------------------- */

enum { WORDS = 16, WORD_TOKENS = 2, UNPACK_READS = 16 };
typedef __m256i words;
typedef __m256i sums;

static inline words words_load(const int16_t *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}
static inline void words_store(int16_t *p, words x) {
    _mm256_storeu_si256((__m256i *)p, x);
}
static inline sums sums_zero(void) {
    return _mm256_setzero_si256();
}
static inline sums sums_add(sums s, words a, words b) {
    return _mm256_add_epi32(s, _mm256_madd_epi16(a, b));
}

/* Each word gets the two bytes that its weight lies in; a product moves the weight to the top, a shift down again. */
INLINE words words_unpack(int bits, const uint8_t *p) {
#define PAIR(i)  (char)(bits * (i) / 8), (char)(bits == 8 ? -1 : bits * (i) / 8 + 1)
#define TIMES(i) (short)(1 << (16 - bits - bits * (i) % 8))
    const __m256i pairs =
        _mm256_setr_epi8(PAIR(0), PAIR(1), PAIR(2), PAIR(3), PAIR(4), PAIR(5), PAIR(6), PAIR(7), PAIR(8), PAIR(9),
                         PAIR(10), PAIR(11), PAIR(12), PAIR(13), PAIR(14), PAIR(15));
    const __m256i times =
        _mm256_setr_epi16(TIMES(0), TIMES(1), TIMES(2), TIMES(3), TIMES(4), TIMES(5), TIMES(6), TIMES(7), TIMES(8),
                          TIMES(9), TIMES(10), TIMES(11), TIMES(12), TIMES(13), TIMES(14), TIMES(15));
#undef PAIR
#undef TIMES
    __m256i bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
    __m256i in_pairs = _mm256_shuffle_epi8(bytes, pairs);
    return bits == 8 ? in_pairs : _mm256_srli_epi16(_mm256_mullo_epi16(in_pairs, times), 16 - bits);
}

static inline void add_groups(float *y, const sums *s, const float *scale, const float *bias, float step, float sum) {
    __m256i two = _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]), _mm256_hadd_epi32(s[2], s[3]));
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
    __m128 scaled = _mm_mul_ps(_mm_loadu_ps(scale), _mm_set1_ps(step));
    __m128 out = _mm_fmadd_ps(scaled, _mm_cvtepi32_ps(four), _mm_loadu_ps(y));
    _mm_storeu_ps(y, _mm_fmadd_ps(_mm_loadu_ps(bias), _mm_set1_ps(sum), out));
}

#include "kernels_words.h"

static const fm_kernels table = {
    .name = "avx2",
    .order = fm_words_order,
    .prepared_bytes = fm_words_bytes,
    .prepare = fm_words_prepare,
    .matmul = matmul,
    .row = fm_row,
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
const fm_kernels *const fm_kernels_avx2 = &table;

#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
const fm_kernels *const fm_kernels_avx2 = NULL;
#endif
