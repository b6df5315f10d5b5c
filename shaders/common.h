/* What every shader uses. The dialect (docs/gpu.md): no overloads that differ by address space, no kernel templates,
 * finite constants, every SIMD operation and barrier reached by all threads of its group. */
#ifndef FM_SHADERS_COMMON_H
#define FM_SHADERS_COMMON_H

#include <metal_simdgroup_matrix>
#include <metal_stdlib>
using namespace metal;

#include "types.h"

constant int FORMAT [[function_constant(0)]];
constant int SCALE [[function_constant(1)]];
constant int ALIGNED [[function_constant(2)]];

/* Before loops over arrays that belong in registers: their indices must be known when it compiles. */
#define UNROLL _Pragma("unroll")

/* Reads that are under way at once: a loop that uses what it has just read waits every time around. */
#define AT_ONCE 4

/* Below every logit and score, and finite: fast math assumes that infinities do not occur. */
constant float LEAST = -3.0e38f;

/* A GPU may begin a dispatch while the one before it runs (CUDA does, as cuda.hpp says; Metal does not). Before this a
 * kernel may read weights, and what was written two dispatches ago or earlier; a kernel that does not call it has it at
 * its start. */
#ifndef FM_CUDA
inline void inputs_ready() {}

/* Soon read, by whoever: fetches it into the GPU's cache. Only before inputs_ready. */
inline void will_read(device const float *p) {
    (void)p;
}

/* Compilers may not put off what makes this value: else one keeps its inputs, which are many more. */
inline void computed(thread float &value) {
    (void)value;
}

/* An address that came out of a table. */
inline device const uchar *in_device(device const uchar *p) {
    return p;
}
#endif

/* The same for much of it, by all threads of a group. */
inline void will_read_all(device const float *p, uint count, uint thread_index, uint threads) {
    for (uint i = thread_index * 32; i < count; i += threads * 32)
        will_read(p + i);
}

inline float sigmoid(float x) {
    return 1.0f / (1.0f + exp(-x));
}

inline float silu(float x) {
    return x / (1.0f + exp(-x));
}

/* log(1 + exp(x)), exact where exp(x) is small too. */
inline float softplus(float x) {
    if (x > 20.0f)
        return x;
    float e = exp(x);
    return e < 0.001f ? e * (1.0f - e * (0.5f - e * 0.33333333f)) : log(1.0f + e);
}

/* Sum over the `lanes` neighbours (a power of two) that share a row; every one of them gets it. */
inline float sum_of_lanes(float value, uint lanes) {
    for (uint offset = lanes / 2; offset > 0; offset /= 2)
        value += simd_shuffle_xor(value, ushort(offset));
    return value;
}

/* a b + c. */
inline float4 fma_of(float4 a, float b, float4 c) {
    return float4(fma(a.x, b, c.x), fma(a.y, b, c.y), fma(a.z, b, c.z), fma(a.w, b, c.w));
}

#endif
