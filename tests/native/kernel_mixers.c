/* Attention over a span, and the delta rule. */
#include "kernel_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- attention
 * ------------------------------------------------------------------------------------------------------- */

static void check_attend(uint32_t tokens, uint32_t each, uint32_t len, uint32_t dim, double spread,
                         uint64_t case_seed) {
    start(case_seed, "attend_span %u tokens, heads %u, len %u, dim %u, spread %g", tokens, each, len, dim, spread);
    const uint32_t heads = tokens * each;
    const size_t ldq = (size_t)each * dim + 5;
    float *apart = guarded(4 * ((tokens - 1) * ldq + (size_t)each * dim), 4);
    float *q = floats((size_t)heads * dim), *k = floats((size_t)len * dim), *v = floats((size_t)len * dim);
    float *out = floats((size_t)heads * dim), *max = guarded(heads * 4, 4), *sum = guarded(heads * 4, 4);
    random_floats(q, (size_t)heads * dim);
    random_floats(k, (size_t)len * dim);
    random_floats(v, (size_t)len * dim);
    for (size_t i = 0; i < (size_t)heads * dim; i++)
        q[i] *= (float)(spread / sqrt(dim));
    for (uint32_t t = 0; t < tokens; t++)
        memcpy(apart + t * ldq, q + (size_t)t * each * dim, (size_t)each * dim * sizeof *q);
    kernels->attend_span(apart, ldq, tokens, each, k, v, len, dim, out, max, sum);
    double *score = malloc(len * sizeof *score);
    for (uint32_t h = 0; h < heads; h++) {
        double largest = -INFINITY, total = 0, size = 0;
        for (uint32_t j = 0; j < len; j++) {
            score[j] = 0;
            double one = 0;
            for (uint32_t i = 0; i < dim; i++) {
                score[j] += (double)q[h * dim + i] * k[j * dim + i];
                one += fabs((double)q[h * dim + i] * k[j * dim + i]);
            }
            largest = fmax(largest, score[j]);
            size = fmax(size, one);
        }
        double slack = 1e-6 * size; /* of a score, which the exponential turns into a relative error */
        near("max", h, max[h], largest, slack);
        for (uint32_t j = 0; j < len; j++)
            total += score[j] = exp(score[j] - largest);
        near("sum", h, sum[h], total, (2 * slack + 1e-6) * total);
        for (uint32_t i = 0; i < dim; i++) {
            double want = 0, weight = 0;
            for (uint32_t j = 0; j < len; j++) {
                want += score[j] * v[j * dim + i];
                weight += score[j] * fabs(v[j * dim + i]);
            }
            near("out", h * dim + i, out[h * dim + i], want, (2 * slack + 1e-6) * weight);
        }
    }
    free(score);
    float *query = floats(dim), *one = floats(dim), *one_max = guarded(4, 4), *one_sum = guarded(4, 4);
    for (uint32_t h = 0; h < heads; h++) { /* a head alone */
        memcpy(query, q + (size_t)h * dim, dim * sizeof *q);
        kernels->attend_span(query, dim, 1, 1, k, v, len, dim, one, one_max, one_sum);
        same("max alone", h, *one_max, max[h]);
        same("sum alone", h, *one_sum, sum[h]);
        for (uint32_t i = 0; i < dim; i++)
            same("out alone", h * dim + i, one[i], out[h * dim + i]);
    }
    release_all();
}

static void check_attends(uint64_t base) {
    for (uint64_t trial = 0; trial < 40; trial++) {
        random_state = base + trial;
        uint32_t tokens = trial % 2 ? 1 : random_in(2, 5), heads = random_in(1, 17),
                 len = trial % 4 ? random_in(1, 40) : random_in(200, FM_ATTEND_SPAN);
        uint32_t dim = trial % 3 ? random_in(1, 300) : 64 * random_in(1, 4);
        if (trial == 0)
            tokens = 4, heads = 8, len = FM_ATTEND_SPAN, dim = 256;
        check_attend(tokens, heads, len, dim, trial % 5 == 4 ? 200 : 2, random_bits());
    }
}

/* ---- delta rule
 * ------------------------------------------------------------------------------------------------------ */

static void check_delta(uint32_t dk, uint32_t dv, uint32_t n, uint64_t case_seed) {
    start(case_seed, "delta_rule dk %u, dv %u, %u tokens", dk, dv, n);
    size_t size = (size_t)dk * dv, ld = 2 * dk + dv + 3, ldo = dv + 2;
    float *in = floats(size), *out = floats(size), *gates = guarded(8 * n, 4);
    float *rows = guarded(4 * ((n - 1) * ld + 2 * dk + dv), 4), *o = guarded(4 * ((n - 1) * ldo + dv), 4);
    random_floats(in, size);
    random_floats(rows, (n - 1) * ld + 2 * dk + dv);
    for (uint32_t i = 0; i < 2 * n; i++)
        gates[i] = (float)fabs(random_unit());
    for (uint32_t t = 0; t < n; t++) /* as the model has them: otherwise S grows from token to token */
        for (uint32_t i = 0; i < 2 * dk; i++)
            rows[t * ld + i] /= sqrtf((float)dk);
    fm_delta_tokens tokens = {rows, rows + dk, rows + 2 * dk, ld, gates, gates + 1, 2, o, ldo, n};
    kernels->delta_rule(in, out, dk, dv, &tokens);
    for (uint32_t j = 0; j < dv; j++) {
        double s[300], s_error[300]; /* one column of the state */
        for (uint32_t i = 0; i < dk; i++)
            s[i] = in[(size_t)i * dv + j], s_error[i] = 0;
        for (uint32_t t = 0; t < n; t++) {
            const float *q = rows + t * ld, *k = q + dk, decay = gates[2 * t], beta = gates[2 * t + 1], v = k[dk + j];
            double read = 0, read_error = fabs(v) * 1e-6, want = 0, want_error = 0;
            for (uint32_t i = 0; i < dk; i++) {
                read += (double)decay * s[i] * k[i];
                read_error += decay * fabs((double)k[i]) * (s_error[i] + 1e-6 * fabs(s[i]));
            }
            double d = beta * (v - read), d_error = beta * read_error;
            for (uint32_t i = 0; i < dk; i++) {
                double before = decay * s[i];
                s[i] = before + k[i] * d;
                s_error[i] = decay * s_error[i] + 1e-6 * (fabs(before) + fabs(k[i] * d)) + d_error * fabs((double)k[i]);
                want += s[i] * q[i];
                want_error += fabs((double)q[i]) * (s_error[i] + 1e-6 * (fabs(before) + fabs(k[i] * d)));
            }
            near("o", t * dv + j, o[t * ldo + j], want, want_error);
        }
        for (uint32_t i = 0; i < dk; i++)
            near("state", (size_t)i * dv + j, out[(size_t)i * dv + j], s[i], s_error[i]);
    }
    float *o_again = floats((n - 1) * ldo + dv);
    for (uint32_t t = 0; t < n; t++) { /* token by token, in place */
        tokens = (fm_delta_tokens){rows + t * ld,
                                   rows + t * ld + dk,
                                   rows + t * ld + 2 * dk,
                                   ld,
                                   gates + 2 * t,
                                   gates + 2 * t + 1,
                                   2,
                                   o_again + t * ldo,
                                   ldo,
                                   1};
        kernels->delta_rule(in, in, dk, dv, &tokens);
    }
    for (size_t i = 0; i < size; i++)
        same("state token by token", i, in[i], out[i]);
    for (uint32_t i = 0; i < n * dv; i++)
        same("o token by token", i, o_again[i / dv * ldo + i % dv], o[i / dv * ldo + i % dv]);
    release_all();
}

static void check_deltas(uint64_t base) {
    for (uint64_t trial = 0; trial < 20; trial++) {
        random_state = base + trial;
        uint32_t dk = trial ? random_in(1, 140) : 128, dv = trial ? random_in(1, 300) : 128;
        check_delta(dk, dv, trial % 2 ? 1 : random_in(2, 9), random_bits());
    }
}

void check_mixers(uint64_t base) {
    check_attends(base);
    check_deltas(base);
}
