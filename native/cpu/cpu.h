/* Inside the CPU backend: what its files share.
 *
 *   backend.c   the operations table, making and closing, embedding and head
 *   scratch.c   every buffer, laid out once
 *   state.c     KV cache and recurrent state of a session
 *   product.c   products of several matrices with prepared activations, shared out over threads
 *   mixer.c     gated full attention and Gated DeltaNet
 *   moe.c       router, shared expert, routed experts, combine
 *   weights.c   the dense weights */
#ifndef FM_CPU_CPU_H
#define FM_CPU_CPU_H

#include "../model/backend.h"
#include "kernels.h"
#include "pool.h"
#include "weights.h"

/* Rows of activations, each `ld` floats apart, made ready once for every order that products ask for. */
typedef struct fm_prepared {
    const float *x; /* row t is at x + index[t] * ld, or x + t * ld without an index */
    size_t ld;
    uint32_t n, cols;
    const int32_t *index; /* [n] or NULL */
    float *gathered;      /* [n][cols], where order 0 has the rows of an index */
    uint32_t ready;       /* bit o: order o is in the scratch already */
} fm_prepared;

/* Sizes in floats unless said otherwise; c is the chunk, s the sweep, r = max(chunk, experts a token) rows. */
typedef struct fm_scratch {
    float *x, *h, *y; /* [s][hidden] residual stream, its norm before the MoE, the sum of the experts */

    uint8_t *prepared[FM_ORDERS]; /* [r][stride] for each order needed */
    size_t stride[FM_ORDERS];     /* bytes of the largest row; 0 for an order that no matrix needs */

    float *norm;                 /* [c][hidden] */
    float *delta;                /* [c][hidden] what a block adds to x */
    float *qg, *qn, *k, *v;      /* [c][2 heads head_dim], [c][heads head_dim], [c][kv_heads head_dim] twice */
    float *u, *conv, *z, *a, *b; /* [c][channels] twice, [c][value width], [c][value heads] twice */
    float *mixed;                /* [c][max(heads head_dim, value width)] */
    float *spans;                /* partial attention: see mixer.c */
    size_t span_floats;          /* of one token and key/value head */

    float *router;                  /* [c][experts] */
    float *shared_gate, *shared_up; /* [c][shared_inner] */
    float *shared_scale;            /* [c] */
    float *gate, *up;               /* [r][moe_inner] */
    float *out;                     /* [r][hidden]; with n == 1 the experts' outputs by place */
    int32_t *rows;                  /* [r] tokens of the experts' rows */

    uint8_t *packing; /* [threads][pack_bytes] the rows that are being packed */
    size_t pack_bytes;
} fm_scratch;

struct fm_backend {
    const fm_backend_ops *ops;
    const fm_table *table;
    fm_config config;
    fm_plan plan;
    const fm_kernels *kernels;
    fm_pool *pool;
    fm_weights weights;
    float *inv_freq; /* [rope_dim / 2] */
    fm_scratch scratch;
    uint8_t *scratch_memory;
    uint64_t scratch_bytes;
};

/* One product of a region: y[t][r] = W a_t. */
typedef struct fm_product {
    const fm_matrix *m;
    fm_activations a;
    uint32_t n;
    float *y;
    size_t ldy;
} fm_product;

enum { FM_PRODUCTS = 4 * 64 };
enum { FM_ATTEND_TOKENS = 4 }; /* tokens that pass through keys and values together in prefill */

/* scratch.c */
uint64_t fm_scratch_layout(fm_scratch *scratch, const fm_table *table, const fm_plan *plan, const fm_kernels *kernels,
                           uint8_t *memory);
uint32_t fm_attention_spans(uint32_t positions);

/* product.c */
fm_prepared fm_prepare_rows(const float *x, size_t ld, uint32_t n, uint32_t cols);
fm_activations fm_prepared_for(fm_backend *b, fm_prepared *rows, const fm_format *format);
/* Whether the kernels take matrices of this format packed. */
bool fm_packs(const fm_kernels *kernels, const fm_format *format);
/* Packs rows [row0, row1) in place: row0 is a multiple of FM_PACKED_ROWS, row1 too or the end. */
void fm_pack_rows(const fm_backend *b, const fm_matrix *m, uint32_t row0, uint32_t row1, uint32_t thread);
void fm_pack(fm_backend *b, const fm_matrix *m);
void fm_products_run(fm_backend *b, const fm_product *products, uint32_t count);
void fm_norm_rows(fm_backend *b, const float *x, size_t ldx, const float *w, uint32_t n, float *out, size_t ldo);
void fm_add_rows(fm_backend *b, float *x, const float *delta, uint32_t n);

/* mixer.c */
bool fm_cpu_mixer(fm_backend *b, uint32_t layer, const fm_stretch *stretches, uint32_t count, fm_poll poll,
                  void *poll_context);

/* moe.c */
fm_status fm_cpu_route(fm_backend *b, uint32_t layer, uint32_t n, int32_t *experts, float *weights, fm_error *err);
void fm_cpu_guess(fm_backend *b, uint32_t layer, int32_t *experts, float *weights);
void fm_cpu_shared(fm_backend *b, uint32_t layer, uint32_t n);
fm_ticket fm_cpu_experts(fm_backend *b, uint32_t layer, uint32_t n, const fm_expert_job *jobs, uint32_t count);
void fm_cpu_combine(fm_backend *b, uint32_t layer, uint32_t n, const float *weights);

/* state.c */
struct fm_state {
    const fm_config *config;
    uint32_t context;
    uint8_t *memory;
    uint64_t bytes;
    float **kv; /* [layers]: keys [kv_heads][context][head_dim], then values; NULL for DeltaNet layers */
    struct fm_recurrent {
        float *tail, *s;        /* conv tail in blocks of [K - 1][channels of the block]; S [value heads][dk][dv] */
    } *recurrent[2];            /* [layers] twice: two copies */
    uint32_t current;           /* which copy is committed; the other is pending */
    float *recurrent_memory[2]; /* all layers of a copy in one piece */
    uint64_t recurrent_bytes;   /* of one copy */
};

uint64_t fm_state_fixed_bytes(const fm_config *c);
uint64_t fm_state_context_bytes(const fm_config *c, uint32_t context);
fm_state *fm_cpu_state_new(fm_backend *b);
void fm_cpu_state_free(fm_backend *b, fm_state *state);
void fm_cpu_state_commit(fm_state *state);
void fm_cpu_state_copy(fm_state *to, const fm_state *from, uint32_t position);
size_t fm_cpu_state_runs(fm_state *state, uint32_t position, fm_run *runs, size_t room);
void fm_cpu_state_filled(fm_state *state, uint32_t position);
/* Keys (or values) of one key/value head: [context][head_dim]. */
float *fm_state_keys(const fm_state *state, uint32_t layer, uint32_t kv_head);
float *fm_state_values(const fm_state *state, uint32_t layer, uint32_t kv_head);

#endif
