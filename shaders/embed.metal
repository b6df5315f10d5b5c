/* The embedding. */
#include "formats.h"

/* x[t] = row ids[t] of the embedding; a group for each token. The token's rotations, which the host made, go to where they
 * are read fast. */
kernel void embed(device const uchar *weight [[buffer(0)]], device const uchar *scales [[buffer(1)]],
                  device const uchar *biases [[buffer(2)]], device const int *ids [[buffer(3)]],
                  device const float *made [[buffer(4)]], device float *x [[buffer(5)]],
                  device float *rotation [[buffer(6)]], constant fm_embed_args &args [[buffer(7)]],
                  uint3 group [[threadgroup_position_in_grid]], uint3 thread_index [[thread_position_in_threadgroup]],
                  uint3 threads [[threads_per_threadgroup]]) {
    weights m;
    m.weight = weight;
    m.scales = scales;
    m.biases = biases;
    m.rows = args.rows;
    m.cols = args.cols;
    m.group_shift = args.group_shift;
    for (uint i = thread_index.x; i < args.rotations; i += threads.x)
        rotation[ulong(group.x) * args.rotations + i] = made[ulong(group.x) * args.rotations + i];
    uint row = uint(ids[group.x]);
    for (uint column = thread_index.x * 8; column < args.cols; column += threads.x * 8) {
        float values[8];
        load_octet(m, row, column, values);
        for (uint i = 0; i < 8; i++)
            if (column + i < args.cols)
                x[ulong(group.x) * args.cols + column + i] = values[i];
    }
}
