// Plays metal_stdlib on an NVIDIA GPU, for shaders that translate.py has prepared and clang compiles to PTX. No CUDA
// headers: builtins and a few lines of PTX are all it takes. A SIMD group is a warp.
#pragma once

#pragma clang force_cuda_host_device begin

#define FM_CUDA 1
#define FM_DENORMALS 1 // formats.h
#define __shared__ __attribute__((shared))
#define __global__ __attribute__((global))

#include "metal_types.hpp"

static inline uint threadIdx_x() {
    return __nvvm_read_ptx_sreg_tid_x();
}
static inline uint blockDim_x() {
    return __nvvm_read_ptx_sreg_ntid_x();
}
static inline uint blockIdx_x() {
    return __nvvm_read_ptx_sreg_ctaid_x();
}
static inline uint blockIdx_y() {
    return __nvvm_read_ptx_sreg_ctaid_y();
}
static inline uint blockIdx_z() {
    return __nvvm_read_ptx_sreg_ctaid_z();
}
static inline uint gridDim_x() {
    return __nvvm_read_ptx_sreg_nctaid_x();
}
static inline uint gridDim_y() {
    return __nvvm_read_ptx_sreg_nctaid_y();
}
static inline uint gridDim_z() {
    return __nvvm_read_ptx_sreg_nctaid_z();
}

template <typename T, typename U> static inline T as_type(U value) {
    static_assert(sizeof(T) == sizeof(U), "as_type between types of different sizes");
    return __builtin_bit_cast(T, value);
}

static inline float min(float a, float b) {
    return __nvvm_fmin_f(a, b);
}
static inline float max(float a, float b) {
    return __nvvm_fmax_f(a, b);
}
static inline uint min(uint a, uint b) {
    return a < b ? a : b;
}
static inline uint max(uint a, uint b) {
    return a > b ? a : b;
}
static inline uint popcount(uint x) {
    return __builtin_popcount(x);
}
static inline float fma(float a, float b, float c) {
    return __builtin_fmaf(a, b, c);
}
static inline float rsqrt(float x) {
    return __nvvm_rsqrt_approx_f(x);
}
// exp by way of 2^x, with what the rounding of x * log2(e) has lost.
static inline float exp(float x) {
    x = x < -200.0f ? -200.0f : x;
    float t = x * 1.44269504f;
    float lost = fma(x, 1.92596303e-8f, fma(x, 1.44269504f, -t));
    return __nvvm_ex2_approx_f(t) * fma(lost, 0.69314718f, 1.0f);
}
static inline float log(float x) {
    return __nvvm_lg2_approx_f(x) * 0.69314718f;
}
static inline float dot(float4 a, float4 b) {
    return fma(a.x, b.x, a.y * b.y) + fma(a.z, b.z, a.w * b.w);
}

// A dispatch may begin before the one before it has ended (programmatic dependent launch, in cuda.c): it waits here, and
// only then lets the next one begin, so that what was written two dispatches ago is there from the start.
static inline void inputs_ready() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

static inline void will_read(const float *p) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
}

static inline void computed(float &value) {
    asm volatile("" : "+f"(value));
}

// Says that it is no address of shared memory.
static inline const uchar *in_device(const uchar *p) {
    return (const uchar *)(const __attribute__((address_space(1))) uchar *)p;
}

enum class mem_flags { mem_none, mem_device, mem_threadgroup };
static inline void threadgroup_barrier(mem_flags) {
    __syncthreads();
}

static inline float simd_shuffle_xor(float value, ushort mask) {
    return __nvvm_shfl_sync_bfly_f32(0xffffffffu, value, mask, 31);
}
static inline uint simd_shuffle_xor(uint value, ushort mask) {
    return __nvvm_shfl_sync_bfly_i32(0xffffffffu, value, mask, 31);
}
static inline float simd_sum(float value) {
    for (ushort step = 16; step > 0; step /= 2)
        value += simd_shuffle_xor(value, step);
    return value;
}
static inline float simd_max(float value) {
    for (ushort step = 16; step > 0; step /= 2)
        value = max(value, simd_shuffle_xor(value, step));
    return value;
}

static inline uint simd_max(uint value) {
    uint most;
    asm volatile("redux.sync.max.u32 %0, %1, 0xffffffff;" : "=r"(most) : "r"(value));
    return most;
}
static inline uint simd_min(uint value) {
    uint least;
    asm volatile("redux.sync.min.u32 %0, %1, 0xffffffff;" : "=r"(least) : "r"(value));
    return least;
}

// ---- simdgroup matrices: lane l has elements (l / 4, l % 4 * 2) and its right neighbour; plain fused multiply-adds,
// float32 throughout, with the operands passed around by shuffles ----

struct simdgroup_float8x8 {
    float e[2];
};

template <typename T, int R, int C> static inline simdgroup_float8x8 make_filled_simdgroup_matrix(float value) {
    return {{value, value}};
}

static inline void simdgroup_load(simdgroup_float8x8 &m, const float *p, ulong stride, ulong2 origin = ulong2{0, 0},
                                  bool transpose = false) {
    uint lane = threadIdx_x() % 32, row = lane / 4, column = lane % 4 * 2;
    if (transpose) {
        m.e[0] = p[(origin.x + column) * stride + origin.y + row];
        m.e[1] = p[(origin.x + column + 1) * stride + origin.y + row];
    } else {
        m.e[0] = p[(origin.y + row) * stride + origin.x + column];
        m.e[1] = p[(origin.y + row) * stride + origin.x + column + 1];
    }
}

static inline void simdgroup_store(simdgroup_float8x8 m, float *p, ulong stride) {
    uint lane = threadIdx_x() % 32;
    p[lane / 4 * stride + lane % 4 * 2] = m.e[0];
    p[lane / 4 * stride + lane % 4 * 2 + 1] = m.e[1];
}

static inline float from_lane(float value, uint lane) {
    return __nvvm_shfl_sync_idx_f32(0xffffffffu, value, lane, 31);
}

static inline void simdgroup_multiply_accumulate(simdgroup_float8x8 &d, simdgroup_float8x8 a, simdgroup_float8x8 b,
                                                 simdgroup_float8x8 c) {
    uint lane = threadIdx_x() % 32, row = lane / 4, pair = lane % 4;
    float x = c.e[0], y = c.e[1];
#pragma unroll
    for (uint k = 0; k < 8; k++) {
        float left = from_lane(k % 2 ? a.e[1] : a.e[0], row * 4 + k / 2);
        x = fma(left, from_lane(b.e[0], k * 4 + pair), x);
        y = fma(left, from_lane(b.e[1], k * 4 + pair), y);
    }
    d.e[0] = x;
    d.e[1] = y;
}

static inline void simdgroup_multiply(simdgroup_float8x8 &d, simdgroup_float8x8 a, simdgroup_float8x8 b) {
    simdgroup_multiply_accumulate(d, a, b, simdgroup_float8x8{{0, 0}});
}
