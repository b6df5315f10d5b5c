/* The router's choice: the k largest logits of a token, the lower id first among equals, their softmax over the k
 * (which is the softmax over all, renormalised), in ascending order of ids. */
#ifndef FM_SHADERS_CHOOSE_H
#define FM_SHADERS_CHOOSE_H

#include "common.h"

/* An unsigned number that is larger when v is; never 0. Both zeros are the same. */
inline uint sortable(float v) {
    uint bits = as_type<uint>(v == 0.0f ? 0.0f : v);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

inline float sorted_value(uint key) {
    return as_type<float>(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

/* value, chosen [k]: the largest logits in falling order, and whose they are. By one SIMD group; a lane looks at every
 * 32nd of `left` [experts], nobody else does. NaNs count as the least. */
inline void choose_largest(device const float *logits, uint experts, uint k, uint lane, threadgroup uint *left,
                           threadgroup float *value, threadgroup uint *chosen) {
    uint most = 0, where = experts; /* of this lane */
    for (uint from = lane; from < experts; from += 32 * AT_ONCE) {
        float v[AT_ONCE];
        UNROLL
        for (uint j = 0; j < AT_ONCE; j++)
            v[j] = logits[min(from + j * 32, experts - 1)];
        UNROLL
        for (uint j = 0; j < AT_ONCE; j++)
            if (from + j * 32 < experts) {
                uint key = sortable(v[j] > LEAST ? v[j] : LEAST);
                left[from + j * 32] = key;
                where = key > most ? from + j * 32 : where;
                most = max(key, most);
            }
    }
    for (uint round = 0; round < k; round++) {
        uint best = simd_max(most), id = simd_min(most == best ? where : experts);
        if (lane == id % 32) {
            value[round] = sorted_value(best);
            chosen[round] = id;
            left[id] = 0;
            most = 0;
            for (uint from = lane; from < experts; from += 32 * AT_ONCE) {
                uint key[AT_ONCE];
                UNROLL
                for (uint j = 0; j < AT_ONCE; j++)
                    key[j] = from + j * 32 < experts ? left[from + j * 32] : 0;
                UNROLL
                for (uint j = 0; j < AT_ONCE; j++) {
                    where = key[j] > most ? from + j * 32 : where;
                    most = max(key[j], most);
                }
            }
        }
    }
}

/* After a barrier: the place and the weight of the choice of this lane, which is below k. All of the SIMD group. */
inline uint place_of_choice(uint k, uint lane, threadgroup const float *value, threadgroup const uint *chosen,
                            thread float &weight) {
    float e = lane < k ? exp(value[lane] - value[0]) : 0.0f;
    weight = e / simd_sum(e);
    uint place = 0, mine = chosen[min(lane, k - 1)];
    for (uint i = 0; i < k; i++)
        place += chosen[i] < mine ? 1 : 0;
    return place;
}

/* The choice of one token for experts_matvec, by one SIMD group of a threadgroup that does nothing else: ids, weights,
 * and of a table of all experts the entries of the chosen ones, which are copied as words. */
inline void choose_entries(device const float *logits, uint experts, uint k, device int *ids, device float *weights,
                           device const ulong *all, device ulong *table, threadgroup uint *left,
                           threadgroup float *value, threadgroup uint *chosen, threadgroup uint *sorted, uint lane,
                           uint simd, uint simds) {
    if (simd == 0)
        choose_largest(logits, experts, k, lane, left, value, chosen);
    threadgroup_barrier(mem_flags::mem_threadgroup);
    if (simd == 0) {
        float weight;
        uint place = place_of_choice(k, lane, value, chosen, weight);
        if (lane < k) {
            ids[place] = int(chosen[lane]);
            weights[place] = weight;
            sorted[place] = chosen[lane];
        }
    }
    threadgroup_barrier(mem_flags::mem_threadgroup);
    for (uint i = simd * 32 + lane; i < k * FM_EXPERT_WORDS; i += simds * 32) {
        uint place = i / FM_EXPERT_WORDS, word = i % FM_EXPERT_WORDS;
        table[i] = word == FM_EXPERT_WORDS - 1 ? ulong(place) : all[sorted[place] * FM_EXPERT_WORDS + word];
    }
}

#endif
