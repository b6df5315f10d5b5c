/* Inside the GPU backend: what its files share. One forward pass over the device interface.
 *
 *   backend.c   the operations table, making and closing, lists of commands, embedding and head
 *   weights.c   the dense weights in buffers
 *   scratch.c   every activation, laid out once
 *   state.c     KV cache and recurrent state of a session
 *   products.c  matrices times one token (matvec) or many (matmul)
 *   mixer.c     gated full attention and Gated DeltaNet
 *   moe.c       router, shared expert, routed experts, combine
 *   slots.c     the memory of the expert cache
 *
 * Operations encode into the open list and return; who needs a result commits and waits. A layer's router is the one
 * place where a token waits for the GPU: see moe.c, and docs/gpu.md for the timeline. */
#ifndef FM_GPU_GPU_H
#define FM_GPU_GPU_H

#include "../model/backend.h"
#include "../stream/file.h"
#include "device.h"

#include "types.h"

/* A run of a buffer. */
typedef struct fm_range {
    fm_buffer *buffer;
    uint64_t offset;
} fm_range;

/* How experts and dense matrices of a format are multiplied. */
typedef struct fm_gpu_kernels {
    fm_kernel *vector, *block, *down;
} fm_gpu_kernels;

typedef struct fm_gpu_matrix {
    fm_format format;
    fm_range weight, scales, biases; /* without scales: weight again */
    fm_gpu_kernels kernels;
} fm_gpu_matrix;

typedef struct fm_gpu_layer {
    bool full;
    fm_range input_norm, post_norm;
    fm_gpu_matrix q, k, v, o;
    fm_range q_norm, k_norm;
    fm_gpu_matrix in_qkv, in_z, in_a, in_b, out;
    fm_range conv, decay, dt_bias, linear_norm;
    fm_gpu_matrix router, shared_gate, shared_up, shared_down, shared_expert_gate;
    fm_gpu_matrix expert[FM_EXPERT_MATRICES]; /* formats and kernels; the bytes come with each job */
    fm_buffer *memory;
} fm_gpu_layer;

typedef struct fm_gpu_weights {
    fm_gpu_matrix embed, head;
    fm_kernel *embed_rows;
    fm_range norm;
    fm_gpu_layer *layers;
    fm_buffer *globals[3]; /* embedding, norm, head */
} fm_gpu_weights;

/* Shapes in floats unless said otherwise; s the sweep, c the chunk, k experts a token. */
typedef struct fm_gpu_scratch {
    fm_range x, h;                /* [s][hidden]: the residual stream; its norm before the MoE, in a block */
    fm_range shared, shared_gate; /* [s][hidden], [s]: the shared expert and its gate before the sigmoid */
    fm_range choice, weights;     /* int [s][k], [s][k]; or of all layers, for a token that nobody waits for */
    fm_range gate, up;            /* [s * k][moe_inner] */
    fm_range out;                 /* [s * k][hidden] */
    fm_range rotation;            /* copy of rotation_made */
    fm_range norm;                /* [c][hidden] */
    fm_range qg, q, k, v;         /* [c][heads][2 dim], [c][heads][dim], [c][kv_heads][dim] twice */
    fm_range partial;             /* [heads][spans][dim + 2] */
    fm_range u, conv, z, o;       /* [c][channels] twice, [c][value heads][value dim] twice */
    fm_range a, b;                /* [c][value heads] twice */
    fm_range mixed;               /* [c][what the output projection reads] */
    fm_range recurrent;           /* one layer's recurrent state, between chunks */
    fm_range router;              /* [c][experts] */
    fm_range inner[2];            /* [c][shared_inner]: gate and up of the shared expert */
    fm_range entries;             /* fm_expert [layers][experts], when all are in memory */
    fm_range entry;               /* fm_expert [k]: of a token */
    fm_range unused;              /* bytes that are bound where a kernel wants a buffer and uses none */
    fm_buffer *memory, *large;    /* `large` holds gate, up and out */

    /* Shared with the host. */
    fm_range ids;           /* int [s] */
    fm_range rotation_made; /* [s][rope_dim / 2][2]: cosine, sine */
    fm_range chosen;        /* int [s][k], copy of choice */
    fm_range weighted;      /* [s][k], copy of weights */
    fm_range table;         /* fm_expert [jobs] */
    fm_range pairs;         /* int [s * k] and padding: prefill */
    fm_range tiles;         /* fm_tile [tiles] */
    fm_range logits;        /* [FM_HEAD_ROWS][vocab] */
    fm_range logits_made;   /* where the GPU puts them: the same, or memory of its own */
    fm_buffer *host;
    uint32_t jobs_most, tiles_most, pairs_most;
    uint64_t bytes;
} fm_gpu_scratch;

enum { FM_HEAD_ROWS = 32, FM_THREADS = 128, FM_UNUSED = 256 };

struct fm_backend {
    fm_device *device;
    const fm_table *table;
    fm_config config;
    fm_plan plan;
    fm_gpu_weights weights;
    fm_gpu_scratch scratch;
    float *inv_freq; /* [rope_dim / 2] */
    fm_kernel *copy_words, *norm_rows, *combine, *choose, *rope, *attend_split, *attend_merge, *attend_block,
        *delta_step, *conv_rows, *delta_norm, *delta_scan, *gated_norm;
    uint32_t block; /* tokens of the block */
    fm_range rotation_of_chunk;
    uint64_t rotation_stride; /* bytes of a token's rotations */
    fm_commands *list;        /* the open one, or NULL */
    fm_ticket last;           /* of what was committed */
    uint32_t unused;          /* see products.c */

    /* The memory of expert slots: pages wrapped in pieces, or a buffer of the device, and of the second tier. */
    fm_buffer *host_slots;
    uint8_t *slots, *slots_memory;
    uint64_t slots_bytes, piece_bytes;
    fm_buffer **pieces;
    uint32_t piece_count;

    uint32_t tile_tokens, tile_rows, tile_threads; /* of products with many tokens */
    struct fm_expert *entries;                     /* [layers][experts], where the cache may hold all: */
    bool settled;                                  /* s->entries has them */

    /* Of the layer whose experts are being computed. */
    uint32_t jobs, tiles, pairs; /* entries used of the tables */
    uint16_t *place_of_token;    /* [s] */
};

/* backend.c: the open list, begun if need be; committing it; a barrier in it. */
fm_commands *fm_gpu_list(fm_backend *b);
fm_ticket fm_gpu_commit(fm_backend *b);
void fm_gpu_barrier(fm_backend *b);
static inline fm_range fm_at(fm_range r, uint64_t bytes) {
    return (fm_range){r.buffer, r.offset + bytes};
}
/* Arguments of a dispatch. */
static inline fm_arg fm_floats(fm_range r, uint64_t count) {
    return (fm_arg){r.buffer, r.offset, count * 4, NULL};
}
static inline fm_arg fm_bytes(fm_range r, uint64_t bytes) {
    return (fm_arg){r.buffer, r.offset, bytes, NULL};
}
#define FM_CONSTANTS(value) ((fm_arg){NULL, 0, sizeof(value), &(value)})
#define FM_DISPATCH(b, kernel, threads, x, y, z, ...)                                                                  \
    do {                                                                                                               \
        const fm_arg args_[] = {__VA_ARGS__};                                                                          \
        fm_dispatch((b)->device, fm_gpu_list(b), kernel, args_, sizeof args_ / sizeof *args_, (fm_groups){x, y, z},    \
                    threads);                                                                                          \
    } while (0)

/* weights.c */
uint64_t fm_gpu_weights_bytes(const fm_table *table);
fm_status fm_gpu_weights_load(fm_backend *b, const fm_file *files, fm_progress progress, void *progress_context,
                              fm_error *err);
void fm_gpu_weights_free(fm_backend *b);

/* scratch.c: buffers NULL: only counts. */
static inline uint64_t fm_gpu_choice(const fm_plan *plan) { /* ints from layer to layer in a choice of all layers */
    return (plan->experts_per_token + 3) / 4 * 4;
}
fm_status fm_gpu_scratch_new(fm_gpu_scratch *s, const fm_table *table, const fm_plan *plan, fm_device *device,
                             fm_error *err);
void fm_gpu_scratch_free(fm_gpu_scratch *s);

/* products.c: y = W x, staged as shaders/types.h says (`second` is the norm's weight, or what silu(x) is times). */
typedef struct fm_gpu_product {
    const fm_gpu_matrix *m;
    fm_range y;
} fm_gpu_product;
fm_status fm_gpu_kernels_for(fm_backend *b, const fm_format *format, bool aligned, const char *vector,
                             const char *block, fm_gpu_kernels *kernels, fm_error *err);
fm_arg fm_gpu_weight_arg(const fm_gpu_matrix *m);
fm_arg fm_gpu_scale_arg(const fm_gpu_matrix *m);
fm_arg fm_gpu_bias_arg(const fm_gpu_matrix *m);
bool fm_gpu_aligned(const fm_format *format);
uint32_t fm_gpu_shift(const fm_format *format);
/* How a product with one token is shared out: see shaders/matvec.metal. */
typedef struct fm_gpu_share {
    uint32_t threads, groups;
    uint32_t lanes; /* that share a row */
    uint32_t split; /* SIMD groups that share a set of rows */
} fm_gpu_share;
/* Sets of rows of a matrix; how `sets` of them are shared out, when the dispatch has `times` such products. */
uint32_t fm_gpu_sets(uint32_t rows, uint32_t cols);
fm_gpu_share fm_gpu_share_of(const fm_backend *b, uint32_t cols, uint32_t sets, uint32_t times);
/* One token. add: y += . */
void fm_gpu_matvec(fm_backend *b, const fm_gpu_product *products, uint32_t count, fm_range x, fm_range second,
                   uint32_t stage, bool add);
/* Of a token that nobody waits for: a group of a product's dispatch chooses. */
typedef struct fm_gpu_router {
    uint32_t experts, k;
    fm_range logits, choice, weights; /* [experts], int [k], [k] */
    fm_range all, table;              /* fm_expert [experts]; [k], of the chosen ones */
} fm_gpu_router;
/* One token, whose x is from two dispatches ago or earlier; a router or NULL. */
void fm_gpu_matvec_early(fm_backend *b, const fm_gpu_product *products, uint32_t count, fm_range x, fm_range second,
                         uint32_t stage, const fm_gpu_router *router);
/* n tokens. */
void fm_gpu_matmul(fm_backend *b, const fm_gpu_matrix *m, uint32_t n, fm_range x, fm_range second, uint32_t stage,
                   fm_range y, bool add);
void fm_gpu_norm_rows(fm_backend *b, fm_range x, fm_range weight, uint32_t n, fm_range y);

/* mixer.c */
bool fm_gpu_mixer(fm_backend *b, uint32_t layer, const fm_stretch *stretches, uint32_t count, fm_poll poll,
                  void *poll_context);

/* moe.c */
fm_status fm_gpu_route(fm_backend *b, uint32_t layer, uint32_t n, int32_t *experts, float *weights, fm_error *err);
void fm_gpu_shared(fm_backend *b, uint32_t layer, uint32_t n);
fm_ticket fm_gpu_experts(fm_backend *b, uint32_t layer, uint32_t n, const fm_expert_job *jobs, uint32_t count);
void fm_gpu_combine(fm_backend *b, uint32_t layer, uint32_t n, const float *weights);
fm_status fm_gpu_settle(fm_backend *b, const fm_expert_view *views, fm_error *err);
void fm_gpu_settled(fm_backend *b, uint32_t layer);
void fm_gpu_chosen(fm_backend *b, int32_t *experts);

/* slots.c */
/* Where kernels see a part of an expert; 0 for none. */
uint64_t fm_gpu_address_of(const fm_backend *b, const uint8_t *part);
fm_status fm_gpu_slots_new(fm_backend *b, fm_slots *out, fm_error *err);
void fm_gpu_slots_free(fm_backend *b);

/* state.c */
struct fm_state {
    const fm_config *config;
    uint32_t context; /* a multiple of FM_KEYS */
    fm_buffer **kv;   /* [layers]: keys [kv_heads][context][head_dim], then values; NULL for DeltaNet layers */
    fm_buffer *recurrent[2];
    uint64_t *recurrent_at; /* [layers]: offset of a layer's tail in a copy; S follows */
    uint64_t recurrent_bytes;
    uint32_t current;
    uint8_t *mirror; /* where the host cannot see buffers: what state_runs gave out */
    uint64_t mirror_bytes;
};
uint64_t fm_gpu_layer_recurrent_bytes(const fm_config *c, uint64_t *tail);
uint64_t fm_gpu_state_fixed_bytes(const fm_config *c);
uint64_t fm_gpu_state_context_bytes(const fm_config *c, uint32_t context);
fm_state *fm_gpu_state_new(fm_backend *b);
void fm_gpu_state_free(fm_backend *b, fm_state *state);
void fm_gpu_state_commit(fm_state *state);
void fm_gpu_state_copy(fm_state *to, const fm_state *from, uint32_t position);
size_t fm_gpu_state_runs(fm_state *state, uint32_t position, fm_run *runs, size_t room);
void fm_gpu_state_filled(fm_state *state, uint32_t position);

#endif
