/* The router's choice: the k largest logits of a token, the lower id first among equals, their softmax over the k
 * (which is the softmax over all, renormalised), in ascending order of ids. */
#include "common.h"


/* One SIMD group for each token. The host gets a copy, so that the kernels after this one need not read its memory. With
 * every expert in memory, `all` has an entry for each, and `table` gets those of the chosen, for experts_matvec: then the
 * host need not know the choice, and nothing waits for it. Entries are copied as words. */
kernel void choose(device const float *logits [[buffer(0)]], device int *ids [[buffer(1)]],
                   device float *weights [[buffer(2)]], device int *host_ids [[buffer(3)]],
                   device float *host_weights [[buffer(4)]], device const ulong *all [[buffer(5)]],
                   device ulong *table [[buffer(6)]], constant fm_choose_args &args [[buffer(7)]],
                   uint3 group [[threadgroup_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
    threadgroup float left[FM_EXPERTS_MOST];
    threadgroup float value[FM_CHOSEN_MOST];
    threadgroup int chosen[FM_CHOSEN_MOST];
    threadgroup int sorted[FM_CHOSEN_MOST];
    device const float *mine = logits + ulong(group.x) * args.experts;
    /* Taken ones get a value below every other, so that each round finds one even among NaNs. */
    const float taken = -3.4e38f;
    for (uint from = 0; from < args.experts; from += 32 * AT_ONCE) {
        float v[AT_ONCE];
        UNROLL
        for (uint j = 0; j < AT_ONCE; j++)
            v[j] = mine[min(from + j * 32 + lane, args.experts - 1)];
        UNROLL
        for (uint j = 0; j < AT_ONCE; j++)
            if (from + j * 32 + lane < args.experts)
                left[from + j * 32 + lane] = v[j] > LEAST ? v[j] : LEAST;
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint round = 0; round < args.k; round++) {
        float best = taken;
        uint where = args.experts;
        for (uint e = lane; e < args.experts; e += 32)
            if (left[e] > best) {
                best = left[e];
                where = e;
            }
        for (ushort offset = 16; offset > 0; offset /= 2) {
            float other = simd_shuffle_xor(best, offset);
            uint there = simd_shuffle_xor(where, offset);
            if (other > best || (other == best && there < where)) {
                best = other;
                where = there;
            }
        }
        threadgroup_barrier(mem_flags::mem_threadgroup); /* every lane has read `left` */
        if (lane == 0) {
            value[round] = best;
            chosen[round] = int(where);
            left[where] = taken;
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);
    }
    float sum = 0;
    for (uint i = 0; i < args.k; i++)
        sum += exp(value[i] - value[0]);
    for (uint i = lane; i < args.k; i += 32) {
        uint rank = 0;
        for (uint j = 0; j < args.k; j++)
            rank += chosen[j] < chosen[i] ? 1 : 0;
        ulong at = ulong(args.first + group.x) * args.k + rank;
        float weight = exp(value[i] - value[0]) / sum;
        ids[at] = chosen[i];
        weights[at] = weight;
        host_ids[at] = chosen[i];
        host_weights[at] = weight;
        sorted[rank] = chosen[i];
    }
    if (args.resident) {
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint i = lane; i < args.k * FM_EXPERT_WORDS; i += 32) {
            uint place = i / FM_EXPERT_WORDS, word = i % FM_EXPERT_WORDS;
            table[i] = word == FM_EXPERT_WORDS - 1 ? ulong(place) : all[uint(sorted[place]) * FM_EXPERT_WORDS + word];
        }
    }
}
