// Declarations only: the Metal that the shaders use, with real address spaces, so that a pointer or reference of the
// wrong one does not compile. Nothing here runs.
#define __METAL_VERSION__ 310
#define device            __attribute__((address_space(1)))
#define constant          const __attribute__((address_space(2)))
#define threadgroup       __attribute__((address_space(3)))
#define thread
#define kernel

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef _Float16 half;
typedef float float4 __attribute__((ext_vector_type(4)));
typedef uint uint2 __attribute__((ext_vector_type(2)));
typedef uint uint3 __attribute__((ext_vector_type(3)));
typedef uint uint4 __attribute__((ext_vector_type(4)));
typedef ulong ulong2 __attribute__((ext_vector_type(2)));
#define float4(...) (float4{__VA_ARGS__})
#define ulong2(...) (ulong2{__VA_ARGS__})

template <typename T, typename U> T as_type(U value);
float min(float, float);
float max(float, float);
uint min(uint, uint);
uint max(uint, uint);
float exp(float);
float log(float);
float rsqrt(float);
float fma(float, float, float);
float dot(float4, float4);

enum class mem_flags { mem_none, mem_device, mem_threadgroup };
void threadgroup_barrier(mem_flags);
float simd_sum(float);
float simd_max(float);
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
