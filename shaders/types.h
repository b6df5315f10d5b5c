/* What the host and the shaders share: the structs of small constants and tables, read as C and as Metal.
 *
 * Metal sees `uint` and pointers into device memory; C sees uint32_t and 64-bit addresses. Every struct has the same
 * layout in both: 4-byte fields, 8-byte addresses first. */
#ifndef FM_SHADERS_TYPES_H
#define FM_SHADERS_TYPES_H

#ifdef __METAL_VERSION__
#define FM_ADDRESS(name) device const uchar *name
#define FM_UINT          uint
#else
#include <stdint.h>
#define FM_ADDRESS(name) uint64_t name
#define FM_UINT          uint32_t
#endif

/* Function constants. FORMAT: 2, 3, 4, 5, 6, 8 are affine bits; the others, and SCALE, are one of FM_CODE_*.
 * ALIGNED: weights begin, and rows of floats are multiples, at 16 bytes. */
#define FM_CODE_BF16 15
#define FM_CODE_F16  16
#define FM_CODE_F32  32

#define FM_ROWS           4    /* matvec: rows of a lane at a time */
#define FM_TILE_COLUMNS   4096 /* matvec: columns of x in threadgroup memory */
#define FM_VECTOR_THREADS 512  /* matvec: threads of a group at most */
#define FM_BLOCK          32   /* matmul: tokens and rows of a tile */
#define FM_MATRICES       4    /* matvec: matrices of one dispatch */
#define FM_SPAN           256  /* attend_split: positions of a span at most */
#define FM_SPAN_LEAST     32   /* and what it is a multiple of */
#define FM_SPANS          128  /* as many as a GPU is busy with */
#define FM_SPAN_STRIDE    4    /* attend_split: floats of a span's result beside its sums */
#define FM_SPAN_HEADS     8    /* attend_split: query heads of a group */
#define FM_KEYS           32   /* attend_block: positions of a tile; the KV cache is a multiple of it long */
#define FM_QUERIES        16   /* attend_block: query rows of a group */
#define FM_HEAD_MOST      256  /* head sizes: keys, values, linear keys, linear values */
#define FM_EXPERTS_MOST   2048
#define FM_CHOSEN_MOST    32  /* experts of a token */
#define FM_DOWN_PACKS     192 /* experts_down: packs of 32 columns of all experts of a token */
#define FM_DOWN_ROWS      32  /* experts_down: rows of a group */

/* How x gets into threadgroup memory. */
#define FM_STAGE_PLAIN  0
#define FM_STAGE_NORM   1 /* x * weight, and the result times rsqrt(mean(x^2) + eps) */
#define FM_STAGE_SWIGLU 2 /* silu(x) * second */

struct fm_matrix_shape {
    FM_UINT rows, cols;
    FM_UINT group_shift; /* log2 of the columns that share a scale */
};

struct fm_matvec_args {
    FM_UINT rows[FM_MATRICES];
    FM_UINT first_group[FM_MATRICES + 1]; /* of the grid, where a matrix begins */
    FM_UINT matrices;
    FM_UINT cols, group_shift;
    FM_UINT lanes; /* of a SIMD group that share a row: 4 to 32, a power of two */
    FM_UINT split; /* SIMD groups that share a set; more than 1 only with 32 lanes */
    FM_UINT stage;
    FM_UINT early;      /* x is from two dispatches ago or earlier */
    FM_UINT add;        /* y += instead of y = */
    FM_UINT experts, k; /* of a router whose k largest logits one more group chooses; or 0 */
    float eps;
};

/* Where the parts of a routed expert lie: gate, up, down, each weight, scales, biases; and its place among the token's
 * experts, in decode. */
struct fm_expert {
    FM_ADDRESS(part[9]);
    FM_UINT place, unused;
};
#define FM_EXPERT_WORDS 10 /* of 64 bits; the last is the place */

struct fm_experts_matvec_args {
    FM_UINT matrix[2]; /* 0 gate, 1 up, 2 down */
    FM_UINT matrices;  /* how many of them */
    FM_UINT experts;   /* that each group works on: all where they share x, else the one of grid y */
    FM_UINT rows, cols, group_shift, lanes, split, stage;
    FM_UINT x_stride; /* floats from place to place; 0: all read the same row */
    float eps;
};

struct fm_experts_down_args {
    FM_UINT rows, cols, group_shift, lanes;
    FM_UINT k;
    FM_UINT sets; /* of rows, of a group */
};

struct fm_matmul_args {
    FM_UINT n; /* tokens */
    FM_UINT rows, cols, group_shift;
    FM_UINT stage, add;
};

/* Up to FM_BLOCK pairs of one expert: rows [first, first + count) of the list of pairs. */
struct fm_tile {
    FM_UINT expert; /* index into the table */
    FM_UINT first, count;
    FM_UINT unused;
};

struct fm_experts_matmul_args {
    FM_UINT matrix[2];
    FM_UINT rows, cols, group_shift, stage;
    FM_UINT per_token; /* pairs of a token: x's row is pair / per_token; 1: the pair's own row */
};

struct fm_embed_args {
    FM_UINT rows, cols, group_shift;
    FM_UINT rotations; /* floats of a token's rotations */
};

struct fm_copy_args {
    FM_UINT count;
};

struct fm_norm_args {
    FM_UINT cols;
    float eps;
};

struct fm_rope_args {
    FM_UINT heads, kv_heads, dim, rope_dim;
    FM_UINT position, first, n; /* first: the token of the buffers that has `position` */
    FM_UINT context;            /* positions of the cache, its stride */
    float eps, scale;
};

struct fm_attend_args {
    FM_UINT heads, kv_heads, dim;
    FM_UINT position; /* of the first token */
    FM_UINT first;    /* where it is in the buffers */
    FM_UINT n;        /* tokens; 1 in attend_split */
    FM_UINT context;
    FM_UINT spans, span; /* how many, positions of one */
};

struct fm_delta_args {
    FM_UINT key_heads, value_heads, key_dim, value_dim;
    FM_UINT kernel_size, channels;
    FM_UINT first, n; /* tokens [first, first + n) of the buffers */
    float eps;
};

struct fm_choose_args {
    FM_UINT experts, k;
    FM_UINT first; /* token of the outputs that has the first logits */
};

struct fm_combine_args {
    FM_UINT hidden, k, n;
};

#endif
