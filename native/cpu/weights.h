/* The dense weights of the CPU backend, in memory: matrices as the kernels take them, vectors widened to float32. */
#ifndef FM_CPU_WEIGHTS_H
#define FM_CPU_WEIGHTS_H

#include "../model/load.h"
#include "kernels.h"

/* Channels of the convolution are kept in blocks, each with its weights and state together, so that threads can share
 * them out: block b holds channels [b * FM_CONV_BLOCK, …). */
enum { FM_CONV_BLOCK = 512 };

typedef struct fm_layer {
    bool full;
    const float *input_norm, *post_norm; /* [hidden], shifted */
    /* full attention */
    fm_matrix q, k, v, o;
    const float *q_norm, *k_norm; /* [head_dim], shifted */
    /* Gated DeltaNet */
    fm_matrix in_qkv, in_z, in_a, in_b, out;
    const float *conv;        /* blocks of [conv_kernel][channels of the block] */
    const float *decay;       /* [linear_value_heads]: -exp(A_log) */
    const float *dt_bias;     /* [linear_value_heads] */
    const float *linear_norm; /* [linear_value_dim] */
    /* MoE */
    fm_matrix router, shared_gate, shared_up, shared_down, shared_expert_gate;
    fm_matrix expert[FM_EXPERT_MATRICES]; /* formats only: the bytes come with each view */
} fm_layer;

typedef struct fm_weights {
    fm_matrix embed, head;
    const float *norm; /* [hidden], shifted */
    fm_layer *layers;
    uint8_t *memory;
    uint64_t bytes;
} fm_weights;

/* Bytes of memory that fm_weights_load will take. */
uint64_t fm_weights_bytes(const fm_table *table);

/* Into the weights of a backend that has its scratch and threads. */
fm_status fm_weights_load(struct fm_backend *backend, const fm_file *files, fm_progress progress,
                          void *progress_context, fm_error *err);
void fm_weights_free(fm_weights *weights);

#endif
