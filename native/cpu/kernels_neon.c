/* The kernels for 64-bit ARM, whose base has NEON with fused multiply-add and half-precision conversion. */
#include "kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "kernels_convert.h"

#define LANES                  4
#define MOST_TOKENS            6
#define DIRECT_TOKENS          4
#define ATTEND_HEADS           4
#define DIRECT_MOST            4
#define AHEAD(rows, row_bytes) ((rows) == 1 ? 1024 : 4 * (row_bytes))
typedef float32x4_t V;

static inline V v_zero(void) {
    return vdupq_n_f32(0);
}
static inline V v_set1(float x) {
    return vdupq_n_f32(x);
}
static inline V v_load(const float *p) {
    return vld1q_f32(p);
}
static inline V v_loadu(const float *p) {
    return vld1q_f32(p);
}
static inline void v_store(float *p, V x) {
    vst1q_f32(p, x);
}
static inline void v_storeu(float *p, V x) {
    vst1q_f32(p, x);
}
/* As any store: these processors find out by themselves that whole lines are overwritten. */
static inline void v_stream(float *p, V x) {
    v_storeu(p, x);
}
static inline void v_stream_end(void) {}
static inline V v_add(V a, V b) {
    return vaddq_f32(a, b);
}
static inline V v_sub(V a, V b) {
    return vsubq_f32(a, b);
}
static inline V v_mul(V a, V b) {
    return vmulq_f32(a, b);
}
static inline V v_div(V a, V b) {
    return vdivq_f32(a, b);
}
static inline V v_fma(V a, V b, V c) {
    return vfmaq_f32(c, a, b);
}
static inline V v_fnma(V a, V b, V c) {
    return vfmsq_f32(c, a, b);
}
static inline V v_min(V a, V b) {
    return vminq_f32(a, b);
}
static inline V v_max(V a, V b) {
    return vmaxq_f32(a, b);
}
static inline V v_round(V x) {
    return vrndnq_f32(x);
}
static inline V v_pow2(V n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23));
}
static inline V v_clear_less(V x, V limit, V y) {
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(y), vcltq_f32(x, limit)));
}
static inline V v_load_part(const float *p, uint32_t count) {
    float lanes[4] = {0};
    memcpy(lanes, p, count * sizeof *p);
    return vld1q_f32(lanes);
}
static inline void v_store_part(float *p, V x, uint32_t count) {
    float lanes[4];
    vst1q_f32(lanes, x);
    memcpy(p, lanes, count * sizeof *p);
}
static inline float v_sum(V x) {
    return vaddvq_f32(x);
}
static inline float v_most(V x) {
    return vmaxvq_f32(x);
}

/* The sums of four vectors, all in the same order of additions. */
static inline void reduce4(V a, V b, V c, V d, float *out) {
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

/* Stored numbers as float32: 4 of 16 bits, at any address. */
static inline V widen(fm_dtype dtype, const uint8_t *p) {
    uint16x4_t half = vreinterpret_u16_u8(vld1_u8(p));
    return dtype == FM_F16 ? vcvt_f32_f16(vreinterpret_f16_u16(half)) : vreinterpretq_f32_u32(vshll_n_u16(half, 16));
}

static inline V load_numbers(fm_dtype dtype, const uint8_t *p, uint32_t count) {
    uint8_t copy[16] = {0};
    if (count < LANES)
        p = memcpy(copy, p, count * (dtype == FM_F32 ? 4 : 2));
    return dtype == FM_F32 ? vreinterpretq_f32_u8(vld1q_u8(p)) : widen(dtype, p);
}

static inline V load_floats(fm_dtype dtype, const uint8_t *p) {
    return load_numbers(dtype, p, LANES);
}

#include "kernels_float.h"
#include "kernels_quantise.h"
#include "kernels_vector.h"

/* ---- words ------------------------------------------------------------------------------------------------------- */

enum { WORDS = 8, WORD_TOKENS = 4, UNPACK_READS = 8 };
typedef int16x8_t words;
typedef int32x4_t sums;

static inline words words_load(const int16_t *p) {
    return vld1q_s16(p);
}
static inline void words_store(int16_t *p, words x) {
    vst1q_s16(p, x);
}
static inline sums sums_zero(void) {
    return vdupq_n_s32(0);
}
static inline sums sums_add(sums s, words a, words b) {
    return vmlal_high_s16(vmlal_s16(s, vget_low_s16(a), vget_low_s16(b)), a, b);
}

/* Each word gets the two bytes that its weight lies in; a shift and a mask leave the weight. */
INLINE words words_unpack(int bits, const uint8_t *p) {
    uint8x8_t bytes = vld1_u8(p);
    if (bits == 8)
        return vreinterpretq_s16_u16(vmovl_u8(bytes));
#define PAIR(i) (uint8_t)(bits * (i) / 8), (uint8_t)(bits * (i) / 8 + 1)
#define DOWN(i) (int16_t)(-(bits * (i) % 8))
    const uint8x16_t pairs = {PAIR(0), PAIR(1), PAIR(2), PAIR(3), PAIR(4), PAIR(5), PAIR(6), PAIR(7)};
    const int16x8_t down = {DOWN(0), DOWN(1), DOWN(2), DOWN(3), DOWN(4), DOWN(5), DOWN(6), DOWN(7)};
#undef PAIR
#undef DOWN
    uint16x8_t in_pairs = vreinterpretq_u16_u8(vqtbl1q_u8(vcombine_u8(bytes, vdup_n_u8(0)), pairs));
    return vreinterpretq_s16_u16(vandq_u16(vshlq_u16(in_pairs, down), vdupq_n_u16((uint16_t)((1 << bits) - 1))));
}

static inline void add_groups(float *y, const sums *s, const float *scale, const float *bias, float step, float sum) {
    int32x4_t four = vpaddq_s32(vpaddq_s32(s[0], s[1]), vpaddq_s32(s[2], s[3]));
    float32x4_t out = vfmaq_f32(vld1q_f32(y), vmulq_n_f32(vld1q_f32(scale), step), vcvtq_f32_s32(four));
    vst1q_f32(y, vfmaq_n_f32(out, vld1q_f32(bias), sum));
}

#include "kernels_words.h"

static const fm_kernels table = {
    .name = "neon",
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
const fm_kernels *const fm_kernels_neon = &table;
#else
const fm_kernels *const fm_kernels_neon = NULL;
#endif
