// Metal's scalar and vector types, as far as the shaders use them, for the compilers that are not Metal's: soft.hpp,
// cuda.hpp, and the strict pass of the tests.
#pragma once

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef _Float16 half;
typedef float float2 __attribute__((ext_vector_type(2)));
typedef float float4 __attribute__((ext_vector_type(4)));
typedef uint uint2 __attribute__((ext_vector_type(2)));
typedef uint uint3 __attribute__((ext_vector_type(3)));
typedef uint uint4 __attribute__((ext_vector_type(4)));
typedef ulong ulong2 __attribute__((ext_vector_type(2)));
// Constructors with several values, which C++ has not.
#define float4(...) (float4{__VA_ARGS__})
#define ulong2(...) (ulong2{__VA_ARGS__})
