/* Work on whole rows: the norm of a block of tokens, the sum at the end of a layer. */
#include "common.h"

/* y = x: what the host wrote, to where kernels read it fast. */
kernel void copy_words(device const uint *x [[buffer(0)]], device uint *y [[buffer(1)]],
                       constant fm_copy_args &args [[buffer(2)]], uint3 group [[threadgroup_position_in_grid]],
                       uint3 thread_index [[thread_position_in_threadgroup]],
                       uint3 threads [[threads_per_threadgroup]]) {
    uint i = group.x * threads.x + thread_index.x;
    if (i < args.count)
        y[i] = x[i];
}

/* y[t] = x[t] * rsqrt(mean(x[t]^2) + eps) * weight; a group for each row. */
kernel void norm_rows(device const float *x [[buffer(0)]], device const float *weight [[buffer(1)]],
                      device float *y [[buffer(2)]], constant fm_norm_args &args [[buffer(3)]],
                      uint3 group [[threadgroup_position_in_grid]],
                      uint3 thread_index [[thread_position_in_threadgroup]], uint3 threads [[threads_per_threadgroup]],
                      uint lane [[thread_index_in_simdgroup]], uint simd [[simdgroup_index_in_threadgroup]],
                      uint simds [[simdgroups_per_threadgroup]]) {
    threadgroup float partial[32];
    ulong row = ulong(group.x) * args.cols;
    float squares = 0;
    for (uint i = thread_index.x; i < args.cols; i += threads.x)
        squares += x[row + i] * x[row + i];
    squares = simd_sum(squares);
    if (lane == 0)
        partial[simd] = squares;
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float all = 0;
    for (uint i = 0; i < simds; i++)
        all += partial[i];
    float factor = rsqrt(all / float(args.cols) + args.eps);
    for (uint i = thread_index.x; i < args.cols; i += threads.x)
        y[row + i] = x[row + i] * factor * weight[i];
}


/* x[t] += sigmoid(gate[t]) * shared[t] + sum over places of weights[t][place] * experts[t][place], in the order of
 * places, which is that of expert ids. Groups: x over columns, y over tokens. */
kernel void combine(device float *x [[buffer(0)]], device const float *shared [[buffer(1)]],
                    device const float *gate [[buffer(2)]], device const float *experts [[buffer(3)]],
                    device const float *weights [[buffer(4)]], constant fm_combine_args &args [[buffer(5)]],
                    uint3 group [[threadgroup_position_in_grid]],
                    uint3 thread_index [[thread_position_in_threadgroup]],
                    uint3 threads [[threads_per_threadgroup]]) {
    uint i = group.x * threads.x + thread_index.x;
    if (i >= args.hidden)
        return;
    ulong t = group.y;
    float y = sigmoid(gate[t]) * shared[t * args.hidden + i];
    for (uint from = 0; from < args.k; from += AT_ONCE) {
        float weight[AT_ONCE], value[AT_ONCE];
        UNROLL
        for (uint j = 0; j < AT_ONCE; j++) {
            ulong place = t * args.k + min(from + j, args.k - 1);
            weight[j] = weights[place];
            value[j] = experts[place * args.hidden + i];
        }
        UNROLL
        for (uint j = 0; j < AT_ONCE; j++)
            if (from + j < args.k)
                y = fma(weight[j], value[j], y);
    }
    x[t * args.hidden + i] += y;
}
