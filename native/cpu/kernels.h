/* The arithmetic of the CPU backend, one table of functions for each instruction set.
 *
 * Owns: products of stored matrices with activations, attention over a run of positions, the delta rule, and the
 * elementwise pieces. Does not own: threads, memory, which layer calls what (backend.c does).
 *
 * Rules for every implementation:
 *   - Nothing allocates, locks or fails. Arguments were checked when the model was opened.
 *   - A result depends only on its own inputs: the value for (row, token) is the same bits whatever the range of rows,
 *     the number of tokens in the call, or the position of the token in it. Prefill therefore equals decode, and any
 *     split over threads gives the same bits.
 *   - Products with affine matrices are computed in integers, and every table gives the same bits (kernels_quantise.h).
 *     Other sums are in float32, and each table has its own order of additions.
 *   - Weight, scale and bias pointers have no alignment beyond one byte: they point into files as they are.
 *   - Activations and outputs are float32, aligned to 64 bytes at the first row.
 *   - No read past the last byte of a weight, scale or bias row range; of a row of x, nothing past its cols. */
#ifndef FM_CPU_KERNELS_H
#define FM_CPU_KERNELS_H

#include "flashmoe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A matrix [rows, cols]; scales and biases [rows, cols / group] when affine, else NULL. Affine matrices are packed for
 * the table that takes them (see fm_kernels.pack). */
typedef struct fm_matrix {
    fm_format format;
    uint8_t *weight;
    uint8_t *scales;
    uint8_t *biases;
    bool raw; /* still to be packed; kernels do not ask */
} fm_matrix;

/* Activations of n tokens, ready for products with matrices of one order (see fm_kernels.order): row t starts at byte
 * t * stride. For order 0 a row is float32 [cols]; otherwise it is what `prepare` made. */
typedef struct fm_activations {
    const void *rows;
    size_t stride; /* bytes, a multiple of 64 unless the order is 0 */
} fm_activations;

typedef enum fm_part { FM_WEIGHT, FM_SCALES, FM_BIASES } fm_part; /* of a matrix */

/* Rows whose bytes stay together when a matrix is packed. */
enum { FM_PACKED_ROWS = 16 };

enum { FM_ATTEND_SPAN = 256 }; /* positions of one attend_span call at most */

/* What n tokens bring to one value head of the delta rule; pointers are to the first token's. */
typedef struct fm_delta_tokens {
    const float *q, *k; /* [dk], normalised */
    const float *v;     /* [dv] */
    size_t ld;          /* floats from one token's q, k and v to the next's */
    const float *decay, *beta;
    size_t ld_gates; /* floats from one token's decay and beta to the next's */
    float *o;        /* [dv] */
    size_t ldo;
    uint32_t n;
} fm_delta_tokens;

typedef struct fm_kernels {
    const char *name; /* "c", "avx2", "avx512", "neon" */

    /* NULL: matrices are taken as they are stored. Else affine matrices are taken packed, in an order of bytes of the
     * table's own, and this brings rows of a part to it: FM_PACKED_ROWS, from a row that is a multiple of it on, or the
     * last ones of the matrix. `to` has as many bytes as `from` and does not overlap. */
    void (*pack)(const fm_format *format, fm_part part, uint32_t rows, const uint8_t *from, uint8_t *to);

    /* Which preparation x needs for products with this format: formats that return the same order and have the same
     * cols can share one fm_activations. 0: x as it is. Below FM_ORDERS. */
    int (*order)(const fm_format *format);

    /* Bytes of one prepared row, for an order above 0. */
    size_t (*prepared_bytes)(const fm_format *format);

    /* Prepares one row: x [cols] -> out [prepared_bytes], aligned to 64. Not called for order 0. */
    void (*prepare)(const fm_format *format, const float *x, void *out);

    /* y[t * ldy + r] = sum_c W[r, c] x[t, c] for r in [row0, row1), t in [0, n). */
    void (*matmul)(const fm_matrix *m, uint32_t row0, uint32_t row1, const fm_activations *a, uint32_t n, float *y,
                   size_t ldy);

    /* One row of a matrix as float32 (embedding): out [cols]. */
    void (*row)(const fm_matrix *m, uint32_t row, float *out);

    /* Attention of queries that share one key/value head over `len` <= FM_ATTEND_SPAN positions: `heads` of each of
     * some tokens, which are ldq floats apart.
     *   q [tokens][heads][dim], already scaled; k, v [len][dim]; for each row r = token * heads + head of the queries,
     *   out_r = sum_j exp(q_r.k_j - max_r) v_j  [dim], unnormalised,  sum_r = sum_j exp(q_r.k_j - max_r). */
    void (*attend_span)(const float *q, size_t ldq, uint32_t tokens, uint32_t heads, const float *k, const float *v,
                        uint32_t len, uint32_t dim, float *out, float *max, float *sum);

    /* The gated delta rule of one value head, token after token; state S [dk][dv], row-major, s_in before the first and
     * s_out after the last, which may be the same. Per token, with S as it was before it:
     *   d = beta * (v - decay * S^T k);  o = decay * S^T q + (k . q) d;  S = decay * S + k d^T
     * which is S^T q of the new S, taken apart so that S is passed through once. */
    void (*delta_rule)(const float *s_in, float *s_out, uint32_t dk, uint32_t dv, const fm_delta_tokens *tokens);

    /* out = x * rsqrt(mean(x^2) + eps) * w, [n]; out may equal x. */
    void (*rms_norm)(const float *x, const float *w, uint32_t n, float eps, float *out);

    /* x *= scale * rsqrt(sum(x^2) + 1e-6), [n]. */
    void (*l2_norm)(float *x, uint32_t n, float scale);

    /* out = silu(gate) * up, [n]; out may equal gate or up. silu(v) = v / (1 + exp(-v)). */
    void (*silu_mul)(const float *gate, const float *up, uint32_t n, float *out);

    /* x *= sigmoid(gate), [n]. */
    void (*sigmoid_mul)(float *x, const float *gate, uint32_t n);

    /* out = w * (o * rsqrt(mean(o^2) + eps)) * silu(z), [n]: the gated norm of one value head; out may equal o. */
    void (*gated_norm)(const float *o, const float *z, const float *w, uint32_t n, float eps, float *out);

    /* Causal depthwise convolution with silu, for channels [0, channels) of n tokens in order.
     *   u [n][ldu] new inputs; tail_in [K-1][channels] the inputs before them, oldest first; tail_out receives the
     *   last K-1 inputs and may equal tail_in; w [K][channels] (transposed from the file, w[K-1] multiplies the
     *   current token); out [n][ldo], not overlapping u. */
    void (*conv_silu)(const float *u, size_t ldu, const float *tail_in, float *tail_out, const float *w,
                      uint32_t channels, uint32_t k, uint32_t n, float *out, size_t ldo);

    /* y += a * x, [n]. */
    void (*axpy)(float a, const float *x, float *y, uint32_t n);
} fm_kernels;

enum { FM_ORDERS = 16 };

/* The best table for this processor; `name` NULL chooses, otherwise that one or NULL when it cannot run here. */
const fm_kernels *fm_kernels_find(const char *name);

/* The tables, NULL where not compiled for this target. */
extern const fm_kernels *const fm_kernels_c;
extern const fm_kernels *const fm_kernels_avx2;
extern const fm_kernels *const fm_kernels_avx512;
extern const fm_kernels *const fm_kernels_neon;

#endif
