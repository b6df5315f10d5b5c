/* The kernels in plain C: what the others are measured against, and what runs where no other table does.
 *
 * Every function is the formula of its declaration. Sums of floats run over blocks of columns in order, each block in
 * eight partial sums, which a compiler can vectorise without changing a bit. */
#include "kernels.h"

#include "kernels_convert.h"
#include "kernels_quantise.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 128 }; /* columns of a float format unpacked at a time */

/* ---- products ---------------------------------------------------------------------------------------------------- */

static float dot(const float *a, const float *b, uint32_t n) {
    float partial[8] = {0};
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (uint32_t j = 0; j < 8; j++)
            partial[j] += a[i + j] * b[i + j];
    for (uint32_t j = 0; i + j < n; j++)
        partial[j] += a[i + j] * b[i + j];
    return ((partial[0] + partial[4]) + (partial[1] + partial[5])) +
           ((partial[2] + partial[6]) + (partial[3] + partial[7]));
}

static void float_row(const fm_matrix *m, uint32_t r, const fm_activations *a, uint32_t n, float *y, size_t ldy) {
    const fm_format *f = &m->format;
    const uint8_t *row = m->weight + r * fm_row_bytes(f);
    for (uint32_t col = 0; col < f->cols; col += BLOCK) {
        float w[BLOCK];
        uint32_t len = f->cols - col < BLOCK ? f->cols - col : BLOCK;
        for (uint32_t c = 0; c < len; c++)
            w[c] = fm_load_float(f->dtype, row, col + c);
        for (uint32_t t = 0; t < n; t++)
            y[t * ldy + r] += dot(w, (const float *)((uintptr_t)a->rows + t * a->stride) + col, len);
    }
}

static void affine_row(const fm_matrix *m, uint32_t r, const fm_activations *a, uint32_t n, float *y, size_t ldy) {
    const fm_format *f = &m->format;
    for (uint32_t g = 0; g < f->cols / f->group; g++) {
        uint8_t w[FM_LARGEST_GROUP];
        fm_unpack(f, m->weight + r * fm_row_bytes(f), g * f->group, f->group, w);
        float scale = fm_load_float(f->scale_dtype, m->scales + r * fm_row_scale_bytes(f), g);
        float bias = fm_load_float(f->scale_dtype, m->biases + r * fm_row_scale_bytes(f), g);
        for (uint32_t t = 0; t < n; t++) {
            fm_words x = fm_words_at(f, (const void *)((uintptr_t)a->rows + t * a->stride));
            int32_t sum = 0;
            for (uint32_t c = 0; c < f->group; c++)
                sum += (int32_t)w[c] * x.q[g * f->group + c];
            float *out = y + t * ldy + r;
            *out = fmaf(scale * x.step[g], (float)sum, *out);
            *out = fmaf(bias, x.sum[g], *out);
        }
    }
}

static void c_matmul(const fm_matrix *m, uint32_t row0, uint32_t row1, const fm_activations *a, uint32_t n, float *y,
                     size_t ldy) {
    for (uint32_t r = row0; r < row1; r++) {
        for (uint32_t t = 0; t < n; t++)
            y[t * ldy + r] = 0;
        (m->format.dtype == FM_AFFINE ? affine_row : float_row)(m, r, a, n, y, ldy);
    }
}

/* ---- mixers ------------------------------------------------------------------------------------------------------ */

static void c_attend_span(const float *q, size_t ldq, uint32_t tokens, uint32_t heads, const float *k, const float *v,
                          uint32_t len, uint32_t dim, float *out, float *max, float *sum) {
    for (uint32_t h = 0; h < tokens * heads; h++) {
        const float *query = q + h / heads * ldq + (size_t)(h % heads) * dim;
        float score[FM_ATTEND_SPAN], largest = -INFINITY, total = 0;
        for (uint32_t j = 0; j < len; j++) {
            score[j] = dot(query, k + (size_t)j * dim, dim);
            largest = score[j] > largest ? score[j] : largest;
        }
        float *o = out + (size_t)h * dim;
        memset(o, 0, dim * sizeof *o);
        for (uint32_t j = 0; j < len; j++) {
            float weight = expf(score[j] - largest);
            total += weight;
            for (uint32_t i = 0; i < dim; i++)
                o[i] += weight * v[(size_t)j * dim + i];
        }
        max[h] = largest;
        sum[h] = total;
    }
}

static void c_delta_rule(const float *s_in, float *s_out, uint32_t dk, uint32_t dv, const fm_delta_tokens *tokens) {
    const float *from = s_in;
    for (uint32_t t = 0; t < tokens->n; t++, from = s_out) {
        const float *q = tokens->q + t * tokens->ld, *k = tokens->k + t * tokens->ld, *v = tokens->v + t * tokens->ld;
        const float decay = tokens->decay[t * tokens->ld_gates], beta = tokens->beta[t * tokens->ld_gates];
        const float kq = dot(k, q, dk);
        for (uint32_t j = 0; j < dv; j++) {
            float by_k = 0, by_q = 0;
            for (uint32_t i = 0; i < dk; i++) {
                by_k += from[(size_t)i * dv + j] * k[i];
                by_q += from[(size_t)i * dv + j] * q[i];
            }
            float d = beta * (v[j] - decay * by_k);
            tokens->o[t * tokens->ldo + j] = decay * by_q + kq * d;
            for (uint32_t i = 0; i < dk; i++)
                s_out[(size_t)i * dv + j] = decay * from[(size_t)i * dv + j] + k[i] * d;
        }
    }
}

static float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

static float silu(float x) {
    return x / (1 + expf(-x));
}

static void c_conv_silu(const float *u, size_t ldu, const float *tail_in, float *tail_out, const float *w,
                        uint32_t channels, uint32_t k, uint32_t n, float *out, size_t ldo) {
    /* Input number p of the sequence tail_in | u, which has k - 1 + n. */
#define INPUT(p) ((p) < k - 1 ? tail_in + (size_t)(p) * channels : u + ((p) - (k - 1)) * ldu)
    for (uint32_t t = 0; t < n; t++)
        for (uint32_t c = 0; c < channels; c++) {
            float sum = 0;
            for (uint32_t i = 0; i < k; i++)
                sum += w[(size_t)i * channels + c] * INPUT(t + i)[c];
            out[t * ldo + c] = silu(sum);
        }
    for (uint32_t i = 0; i + 1 < k; i++) /* ascending, so in place is right */
        memmove(tail_out + (size_t)i * channels, INPUT(n + i), channels * sizeof *tail_out);
#undef INPUT
}

/* ---- elementwise ---------------------------------------------------------------------------------------------------
 */

static float inverse_rms(const float *x, uint32_t n, float eps) {
    return 1 / sqrtf(dot(x, x, n) / (float)n + eps);
}

static void c_rms_norm(const float *x, const float *w, uint32_t n, float eps, float *out) {
    float inverse = inverse_rms(x, n, eps);
    for (uint32_t i = 0; i < n; i++)
        out[i] = x[i] * inverse * w[i];
}

static void c_l2_norm(float *x, uint32_t n, float scale) {
    float factor = scale / sqrtf(dot(x, x, n) + 1e-6f);
    for (uint32_t i = 0; i < n; i++)
        x[i] *= factor;
}

static void c_gated_norm(const float *o, const float *z, const float *w, uint32_t n, float eps, float *out) {
    float inverse = inverse_rms(o, n, eps);
    for (uint32_t i = 0; i < n; i++)
        out[i] = w[i] * (o[i] * inverse) * silu(z[i]);
}

static void c_silu_mul(const float *gate, const float *up, uint32_t n, float *out) {
    for (uint32_t i = 0; i < n; i++)
        out[i] = silu(gate[i]) * up[i];
}

static void c_sigmoid_mul(float *x, const float *gate, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        x[i] *= sigmoid(gate[i]);
}

static void c_axpy(float a, const float *x, float *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static const fm_kernels table = {
    .name = "c",
    .order = fm_words_order,
    .prepared_bytes = fm_words_bytes,
    .prepare = fm_words_prepare,
    .matmul = c_matmul,
    .row = fm_row,
    .attend_span = c_attend_span,
    .delta_rule = c_delta_rule,
    .rms_norm = c_rms_norm,
    .l2_norm = c_l2_norm,
    .silu_mul = c_silu_mul,
    .sigmoid_mul = c_sigmoid_mul,
    .gated_norm = c_gated_norm,
    .conv_silu = c_conv_silu,
    .axpy = c_axpy,
};
const fm_kernels *const fm_kernels_c = &table;
