/* The kernels for 64-bit ARM, whose base has NEON with fused multiply-add and half-precision conversion. */
#include "kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#define LANES                  4
#define MOST_TOKENS            6
#define DIRECT_TOKENS          4
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

static inline V pick_scales(V scales, const uint32_t *index) {
    /* Lane numbers to byte numbers: i -> 4 i, 4 i + 1, 4 i + 2, 4 i + 3. */
    uint32x4_t bytes = vmlaq_u32(vdupq_n_u32(0x03020100), vld1q_u32(index), vdupq_n_u32(0x04040404));
    return vreinterpretq_f32_u8(vqtbl1q_u8(vreinterpretq_u8_f32(scales), vreinterpretq_u8_u32(bytes)));
}

/* ---- unpacking
 * ------------------------------------------------------------------------------------------------------- */

/* Dwords whose lane i holds columns 8 i to 8 i + 7 of a chunk, or as many of them as fit: the low ones in a, and where
 * they do not all fit, the high ones in b. */
typedef struct {
    uint32x4_t a, b;
} chunk;

#include "kernels_product.h"
#include "kernels_vector.h"

INLINE uint32_t chunk_slack(kind k) {
    (void)k;
    return 0;
}

/* The four dwords that start at bytes first, first + step, ... of the 8 + 8 or 16 + 16 bytes of a chunk. */
INLINE uint32x4_t spread(uint8x16x2_t bytes, uint32_t first, uint32_t step) {
    uint32x4_t start = {first, first + step, first + 2 * step, first + 3 * step};
    uint32x4_t index = vmlaq_u32(vdupq_n_u32(0x03020100), start, vdupq_n_u32(0x01010101));
    return vreinterpretq_u32_u8(vqtbl2q_u8(bytes, vreinterpretq_u8_u32(index)));
}

/* The chunk's 12, 20 or 24 bytes in two registers, none read past. */
INLINE uint8x16x2_t load_chunk(const uint8_t *p, size_t bytes) {
    uint8x16x2_t both = {{vdupq_n_u8(0), vdupq_n_u8(0)}};
    if (bytes == 24) {
        both.val[0] = vld1q_u8(p);
        both.val[1] = vcombine_u8(vld1_u8(p + 16), vdup_n_u8(0));
        return both;
    }
    uint32_t last;
    memcpy(&last, p + bytes - 4, 4);
    uint32x4_t end = vsetq_lane_u32(last, vdupq_n_u32(0), 0);
    if (bytes == 12) {
        both.val[0] = vcombine_u8(vld1_u8(p), vreinterpret_u8_u32(vget_low_u32(end)));
    } else {
        both.val[0] = vld1q_u8(p);
        both.val[1] = vreinterpretq_u8_u32(end);
    }
    return both;
}

INLINE chunk chunk_load(kind k, const uint8_t *p) {
    chunk c = {vdupq_n_u32(0), vdupq_n_u32(0)};
    switch (k) {
    case W2: c.a = vmovl_u16(vreinterpret_u16_u8(vld1_u8(p))); break;
    case W3: c.a = spread(load_chunk(p, 12), 0, 3); break;
    case W4: c.a = vreinterpretq_u32_u8(vld1q_u8(p)); break;
    case W5: {
        uint8x16x2_t bytes = load_chunk(p, 20);
        c.a = spread(bytes, 0, 5);
        c.b = spread(bytes, 1, 5);
        break;
    }
    case W6: {
        uint8x16x2_t bytes = load_chunk(p, 24);
        c.a = spread(bytes, 0, 6);
        c.b = spread(bytes, 2, 6);
        break;
    }
    case W8: {
        uint32x4_t low = vreinterpretq_u32_u8(vld1q_u8(p)), high = vreinterpretq_u32_u8(vld1q_u8(p + 16));
        c.a = vuzp1q_u32(low, high);
        c.b = vuzp2q_u32(low, high);
        break;
    }
    default: break;
    }
    return c;
}

INLINE V chunk_part(kind k, chunk c, const uint8_t *p, int s) {
    if (k == WF32)
        return vreinterpretq_f32_u8(vld1q_u8(p + 16 * s));
    if (k == WF16 || k == WBF16)
        return widen(k == WF16 ? FM_F16 : FM_BF16, p + 8 * s);
    int bits = k == W8 ? 8 : (int)k + 2, shift = bits * s;
    uint32x4_t q = c.a;
    if (s >= 4 && k >= W5) { /* b starts one, two or four bytes after a */
        q = c.b;
        shift -= k == W5 ? 8 : k == W6 ? 16 : 32;
    }
    if (k == W4) /* the conversion can divide by a power of two for nothing, which saves the shift: exact */
        switch (s) {
        case 0: return vcvtq_f32_u32(vandq_u32(q, vdupq_n_u32(15)));
        case 1: return vcvtq_n_f32_u32(vandq_u32(q, vdupq_n_u32(15u << 4)), 4);
        case 2: return vcvtq_n_f32_u32(vandq_u32(q, vdupq_n_u32(15u << 8)), 8);
        case 3: return vcvtq_n_f32_u32(vandq_u32(q, vdupq_n_u32(15u << 12)), 12);
        case 4: return vcvtq_n_f32_u32(vandq_u32(q, vdupq_n_u32(15u << 16)), 16);
        case 5: return vcvtq_n_f32_u32(vandq_u32(q, vdupq_n_u32(15u << 20)), 20);
        case 6: return vcvtq_n_f32_u32(vandq_u32(q, vdupq_n_u32(15u << 24)), 24);
        default: return vcvtq_f32_u32(vshrq_n_u32(q, 28));
        }
    q = vshlq_u32(q, vdupq_n_s32(-shift)); /* a shift to the right by a constant, once compiled */
    return vcvtq_f32_u32(vandq_u32(q, vdupq_n_u32((1u << bits) - 1)));
}

static void prepare(const fm_format *f, const float *x, float *out, float *sums) {
    for (uint32_t col = 0; col < f->cols; col += CHUNK)
        for (uint32_t s = 0; s < 8; s += 4) { /* 4 x 4 at a time */
            const float *in = x + col + s;
            V a = vld1q_f32(in), b = vld1q_f32(in + 8), c = vld1q_f32(in + 16), d = vld1q_f32(in + 24);
            float32x4x2_t ab = vtrnq_f32(a, b), cd = vtrnq_f32(c, d);
            float *to = out + col + s * LANES;
            vst1q_f32(to, vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0])));
            vst1q_f32(to + 4, vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1])));
            vst1q_f32(to + 8, vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0])));
            vst1q_f32(to + 12, vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1])));
        }
    for (uint32_t g = 0; g < f->cols / f->group; g++) {
        V sum = v_zero();
        for (uint32_t c = 0; c < f->group; c += LANES)
            sum = v_add(sum, v_loadu(x + g * f->group + c));
        sums[g] = v_sum(sum);
    }
}

static const fm_kernels table = {
    .name = "neon",
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
const fm_kernels *const fm_kernels_neon = &table;
#else
const fm_kernels *const fm_kernels_neon = NULL;
#endif
