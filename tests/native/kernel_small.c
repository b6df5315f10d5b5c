/* Elementwise kernels and the convolution. */
#include "kernel_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- elementwise
 * ----------------------------------------------------------------------------------------------------- */

/* Numbers of all sizes, so that exponentials underflow, overflow and everything between. */
static float random_wide(void) {
    return (float)(random_unit() * pow(10, 2.2 * random_unit()));
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* So many ulps of float32, and a floor: 1 / (1 + exp(-x)) may become zero where exp overflows, below -88. */
static double ulps(double x, double count) {
    return fabs(x) * 0x1p-23 * count + 1e-36;
}

static void check_elementwise(uint32_t n, uint64_t case_seed) {
    start(case_seed, "elementwise n %u", n);
    float *x = floats(n), *z = floats(n), *w = floats(n), *out = floats(n), eps = 1e-6f;
    for (uint32_t i = 0; i < n; i++)
        x[i] = random_float(), z[i] = random_wide(), w[i] = random_float();

    double squares = 0;
    for (uint32_t i = 0; i < n; i++)
        squares += (double)x[i] * x[i];
    double inverse = 1 / sqrt(squares / n + eps);
    kernels->rms_norm(x, w, n, eps, out);
    for (uint32_t i = 0; i < n; i++)
        near("rms_norm", i, out[i], x[i] * inverse * w[i], ulps(x[i] * inverse * w[i], 8));
    memcpy(out, x, n * sizeof *x);
    kernels->l2_norm(out, n, 3);
    for (uint32_t i = 0; i < n; i++)
        near("l2_norm", i, out[i], 3 * x[i] / sqrt(squares + 1e-6), ulps(3 * x[i] / sqrt(squares + 1e-6), 8));
    kernels->gated_norm(x, z, w, n, eps, out);
    for (uint32_t i = 0; i < n; i++) {
        double want = w[i] * (x[i] * inverse) * (z[i] * sigmoid(z[i]));
        near("gated_norm", i, out[i], want, ulps(want, 12));
    }
    kernels->silu_mul(z, w, n, out);
    for (uint32_t i = 0; i < n; i++) {
        double want = z[i] * sigmoid(z[i]) * w[i];
        near("silu_mul", i, out[i], want, ulps(want, 6));
    }
    float *again = floats(n);
    memcpy(again, z, n * sizeof *z);
    kernels->silu_mul(again, w, n, again);
    for (uint32_t i = 0; i < n; i++)
        same("silu_mul over gate", i, again[i], out[i]);
    memcpy(again, w, n * sizeof *w);
    kernels->silu_mul(z, again, n, again);
    for (uint32_t i = 0; i < n; i++)
        same("silu_mul over up", i, again[i], out[i]);
    for (uint32_t i = 0; i < n; i++) { /* position and company do not matter */
        float *g = guarded(4, 64), *u = guarded(4, 64);
        *g = z[i], *u = w[i];
        if (buffer_count > 50)
            break;
        kernels->silu_mul(g, u, 1, g);
        same("silu_mul alone", i, *g, out[i]);
    }

    memcpy(out, x, n * sizeof *x);
    kernels->sigmoid_mul(out, z, n);
    for (uint32_t i = 0; i < n; i++)
        near("sigmoid_mul", i, out[i], x[i] * sigmoid(z[i]), ulps(x[i] * sigmoid(z[i]), 6));

    memcpy(out, x, n * sizeof *x);
    kernels->axpy(w[0], z, out, n);
    for (uint32_t i = 0; i < n; i++)
        near("axpy", i, out[i], x[i] + (double)w[0] * z[i], ulps(fabs(x[i]) + fabs((double)w[0] * z[i]), 2));
    release_all();

    start(case_seed, "norms in place n %u", n);
    x = floats(n), z = floats(n), w = floats(n), out = floats(n);
    random_floats(x, n);
    random_floats(z, n);
    random_floats(w, n);
    kernels->gated_norm(x, z, w, n, eps, out);
    again = floats(n);
    memcpy(again, x, n * sizeof *x);
    kernels->gated_norm(again, z, w, n, eps, again);
    for (uint32_t i = 0; i < n; i++)
        same("gated_norm", i, again[i], out[i]);
    kernels->rms_norm(x, w, n, eps, out);
    kernels->rms_norm(x, w, n, eps, x);
    for (uint32_t i = 0; i < n; i++)
        same("rms_norm", i, x[i], out[i]);
    release_all();
}

/* The limits of exp as silu and softmax meet them. */
static void check_extremes(uint64_t base) {
    static const float values[] = {0,       -0.0f, 1e-30f, -1e-30f, 1e-45f, 87.3f, -87.3f, 88.0f,
                                   -88.0f,  88.8f, -88.8f, 89,      -89,    103,   -103,   104.5f,
                                   -104.5f, 1000,  -1000,  1e30f,   -1e30f, 3e38f, -3e38f};
    enum { COUNT = sizeof values / sizeof *values };
    start(base, "extreme values");
    float *gate = floats(COUNT), *up = floats(COUNT), *out = floats(COUNT);
    for (int i = 0; i < COUNT; i++)
        gate[i] = values[i], up[i] = 1;
    kernels->silu_mul(gate, up, COUNT, out);
    for (int i = 0; i < COUNT; i++) {
        double want = values[i] * sigmoid(values[i]);
        near("silu", (size_t)i, out[i], want, ulps(want, 6));
    }
    kernels->sigmoid_mul(up, gate, COUNT);
    for (int i = 0; i < COUNT; i++)
        near("sigmoid", (size_t)i, up[i], sigmoid(values[i]), ulps(sigmoid(values[i]), 6));
    kernels->silu_mul(gate, gate, 0, out); /* nothing to do is fine */
    release_all();
}

static void check_conv(uint32_t channels, uint32_t k, uint32_t n, uint64_t case_seed) {
    start(case_seed, "conv_silu channels %u, k %u, n %u", channels, k, n);
    size_t ldu = channels + random_in(0, 3), ldo = channels + random_in(0, 3), tail = (size_t)(k - 1) * channels;
    float *u = floats(n * ldu), *w = floats((size_t)k * channels), *out = floats(n * ldo);
    float *tail_in = floats(tail), *tail_out = floats(tail);
    for (uint32_t t = 0; t < n; t++)
        random_floats(u + t * ldu, channels);
    random_floats(w, (size_t)k * channels);
    random_floats(tail_in, tail);
    kernels->conv_silu(u, ldu, tail_in, tail_out, w, channels, k, n, out, ldo);
#define INPUT(p) ((p) < k - 1 ? tail_in + (size_t)(p) * channels : u + ((p) - (k - 1)) * ldu)
    for (uint32_t t = 0; t < n; t++) {
        for (uint32_t c = 0; c < channels; c++) {
            double sum = 0, size = 0;
            for (uint32_t i = 0; i < k; i++) {
                sum += (double)w[(size_t)i * channels + c] * INPUT(t + i)[c];
                size += fabs((double)w[(size_t)i * channels + c] * INPUT(t + i)[c]);
            }
            near("out", t * ldo + c, out[t * ldo + c], sum * sigmoid(sum), 1e-6 * size);
        }
        for (size_t c = channels; c < ldo; c++)
            untouched("out", t * ldo + c, out[t * ldo + c]);
    }
    for (uint32_t i = 0; i + 1 < k; i++)
        for (uint32_t c = 0; c < channels; c++)
            same("tail", (size_t)i * channels + c, tail_out[(size_t)i * channels + c], INPUT(n + i)[c]);
#undef INPUT
    float *one = floats(ldo); /* token by token, the tail in place */
    for (uint32_t t = 0; t < n; t++) {
        kernels->conv_silu(u + t * ldu, ldu, tail_in, tail_in, w, channels, k, 1, one, ldo);
        for (uint32_t c = 0; c < channels; c++)
            same("out of one token", t * ldo + c, one[c], out[t * ldo + c]);
    }
    for (size_t i = 0; i < tail; i++)
        same("tail in place", i, tail_in[i], tail_out[i]);
    release_all();
}

void check_small(uint64_t base) {
    for (uint64_t trial = 0; trial < 60; trial++) {
        random_state = base + trial;
        uint32_t n = trial < 40 ? (uint32_t)trial + 1 : random_in(40, 700);
        check_elementwise(n, random_bits());
    }
    check_extremes(base);
    for (uint64_t trial = 0; trial < 40; trial++) {
        random_state = base + 100 + trial;
        check_conv(random_in(1, 150), trial % 2 ? 4 : random_in(1, 6), random_in(1, 9), random_bits());
    }
}
