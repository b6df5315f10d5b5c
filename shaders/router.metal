/* The router's choice for the host, or for a block of tokens. */
#include "choose.h"

/* One SIMD group for each token. The host gets a copy, so that the kernels after this one need not read its memory. */
kernel void choose(device const float *logits [[buffer(0)]], device int *ids [[buffer(1)]],
                   device float *weights [[buffer(2)]], device int *host_ids [[buffer(3)]],
                   device float *host_weights [[buffer(4)]], constant fm_choose_args &args [[buffer(5)]],
                   uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
    threadgroup uint left[FM_EXPERTS_MOST];
    threadgroup float value[FM_CHOSEN_MOST];
    threadgroup uint chosen[FM_CHOSEN_MOST];
    choose_largest(logits + ulong(group.x) * args.experts, args.experts, args.k, lane, left, value, chosen);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    float weight;
    ulong at = ulong(args.first + group.x) * args.k + place_of_choice(args.k, lane, value, chosen, weight);
    if (lane < args.k) {
        ids[at] = int(chosen[lane]);
        weights[at] = weight;
        host_ids[at] = int(chosen[lane]);
        host_weights[at] = weight;
    }
}
