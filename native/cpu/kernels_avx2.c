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

#define LANES                  8
#define MOST_TOKENS            3
#define DIRECT_TOKENS          2
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

static inline V pick_scales(V scales, const uint32_t *index) {
    return _mm256_permutevar8x32_ps(scales, _mm256_load_si256((const __m256i *)index));
}

/* ---- unpacking
 * ------------------------------------------------------------------------------------------------------- */

/* Dwords whose lane i holds columns 8 i to 8 i + 7 of a chunk, or as many of them as fit: the low ones in a, and where
 * they do not all fit, the high ones in b. */
typedef struct {
    __m256i a, b;
} chunk;

/* The dwords at p + 0, step, 2 step, 3 step in the low half and on in the high half, for a step of 3 to 6 bytes. `at`
 * is added to each. The low half is read from p, the high half from p + high, 16 bytes each. */
#define DWORDS(first, step)                                                                                            \
    _mm_setr_epi8((first), (first) + 1, (first) + 2, (first) + 3, (first) + (step), (first) + (step) + 1,              \
                  (first) + (step) + 2, (first) + (step) + 3, (first) + 2 * (step), (first) + 2 * (step) + 1,          \
                  (first) + 2 * (step) + 2, (first) + 2 * (step) + 3, (first) + 3 * (step), (first) + 3 * (step) + 1,  \
                  (first) + 3 * (step) + 2, (first) + 3 * (step) + 3)

static inline __m256i load_halves(const uint8_t *low, const uint8_t *high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)),
                                   _mm_loadu_si128((const __m128i *)high), 1);
}

static inline __m256i pick_halves(__m256i bytes, __m128i low, __m128i high) {
    return _mm256_shuffle_epi8(bytes, _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1));
}

#include "kernels_product.h"
#include "kernels_vector.h"

INLINE uint32_t chunk_slack(kind k) {
    (void)k;
    return 0;
}

INLINE chunk chunk_load(kind k, const uint8_t *p) {
    chunk c = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    switch (k) {
    case W2: c.a = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)); break;
    case W3: /* 24 bytes: lanes 0 to 3 are bytes 0 to 11, lanes 4 to 7 are 12 to 23, at 4 to 15 of those from 8 */
        c.a = pick_halves(load_halves(p, p + 8), DWORDS(0, 3), /* the top byte of the last would be the 17th: unused */
                          _mm_setr_epi8(4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1));
        break;
    case W4: c.a = _mm256_loadu_si256((const __m256i *)p); break;
    case W5: { /* 40 bytes: two halves of 20; the dwords of a start at 0, 5, 10, 15 and of b one further */
        __m256i a = load_halves(p, p + 20), b = load_halves(p + 4, p + 24);
        const __m128i low = _mm_setr_epi8(0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 15, -1, -1, -1);
        const __m128i last = _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 12, 13, 14);
        c.a = _mm256_or_si256(pick_halves(a, low, low), pick_halves(b, last, last));
        c.b = pick_halves(b, _mm_setr_epi8(-1, -1, -1, 0, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15),
                          _mm_setr_epi8(-1, -1, -1, 0, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15));
        c.b = _mm256_or_si256(c.b,
                              pick_halves(a, _mm_setr_epi8(1, 2, 3, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1),
                                          _mm_setr_epi8(1, 2, 3, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1)));
        break;
    }
    case W6: { /* 48 bytes: two halves of 24 */
        __m256i a = load_halves(p, p + 24), b = load_halves(p + 8, p + 32);
        const __m128i low = _mm_setr_epi8(0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15, -1, -1, -1, -1);
        const __m128i last = _mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 10, 11, 12, 13);
        c.a = _mm256_or_si256(pick_halves(a, low, low), pick_halves(b, last, last));
        const __m128i first = _mm_setr_epi8(2, 3, 4, 5, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
        const __m128i high = _mm_setr_epi8(-1, -1, -1, -1, 0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15);
        c.b = _mm256_or_si256(pick_halves(a, first, first), pick_halves(b, high, high));
        break;
    }
    case W8: {
        V low = _mm256_loadu_ps((const float *)p), high = _mm256_loadu_ps((const float *)(p + 32));
        const __m256i order = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
        c.a = _mm256_permutevar8x32_epi32(_mm256_castps_si256(_mm256_shuffle_ps(low, high, 0x88)), order);
        c.b = _mm256_permutevar8x32_epi32(_mm256_castps_si256(_mm256_shuffle_ps(low, high, 0xdd)), order);
        break;
    }
    default: break;
    }
    return c;
}

INLINE V chunk_part(kind k, chunk c, const uint8_t *p, int s) {
    if (k == WF32)
        return _mm256_loadu_ps((const float *)(p + 32 * s));
    if (k == WF16)
        return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 16 * s)));
    if (k == WBF16)
        return _mm256_castsi256_ps(
            _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p + 16 * s))), 16));
    int bits = k == W8 ? 8 : k + 2;
    __m256i q = c.a;
    int shift = bits * s;
    if (s >= 4 && k >= W5) { /* b starts one, two or four bytes after a */
        q = c.b;
        shift -= k == W5 ? 8 : k == W6 ? 16 : 32;
    }
    if (shift)
        q = _mm256_srli_epi32(q, shift);
    if (!(k == W4 && s == 7))
        q = _mm256_and_si256(q, _mm256_set1_epi32((1 << bits) - 1));
    return _mm256_cvtepi32_ps(q);
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
        sums[g] = v_sum(sum);
    }
}

static const fm_kernels table = {
    .name = "avx2",
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
const fm_kernels *const fm_kernels_avx2 = &table;

#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
const fm_kernels *const fm_kernels_avx2 = NULL;
#endif
