// Declarations only: the Metal that the shaders use, with real address spaces, so that a pointer or reference of the
// wrong one does not compile. Nothing here runs.
#define __METAL_VERSION__ 310
#define device            __attribute__((address_space(1)))
#define constant          const __attribute__((address_space(2)))
#define threadgroup       __attribute__((address_space(3)))
#define thread
#define kernel

#include "../../python/flashmoe/gpu/metal_types.hpp"

template <typename T, typename U> T as_type(U value);
float min(float, float);
float max(float, float);
uint min(uint, uint);
uint max(uint, uint);
uint popcount(uint);
float exp(float);
float log(float);
float rsqrt(float);
float fma(float, float, float);
float dot(float4, float4);

enum class mem_flags { mem_none, mem_device, mem_threadgroup };
void threadgroup_barrier(mem_flags);
float simd_sum(float);
float simd_max(float);
uint simd_max(uint);
uint simd_min(uint);
template <typename T> T simd_shuffle_xor(T, ushort);

struct simdgroup_float8x8 {
    float e[2];
};
template <typename T, int R, int C> simdgroup_float8x8 make_filled_simdgroup_matrix(float);
void simdgroup_load(simdgroup_float8x8 &, device const float *, ulong, ulong2 = {}, bool = false);
void simdgroup_load(simdgroup_float8x8 &, threadgroup const float *, ulong, ulong2 = {}, bool = false);
void simdgroup_store(simdgroup_float8x8, threadgroup float *, ulong);
void simdgroup_multiply(simdgroup_float8x8 &, simdgroup_float8x8, simdgroup_float8x8);
void simdgroup_multiply_accumulate(simdgroup_float8x8 &, simdgroup_float8x8, simdgroup_float8x8, simdgroup_float8x8);
