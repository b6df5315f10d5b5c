/* Products: values, every bit of the definition in kernels_quantise.h, and rows of a matrix. */
#include "kernel_cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- stored numbers, read in float64
 * --------------------------------------------------------------------------------- */

static size_t size_of(fm_dtype dtype) {
    return dtype == FM_F32 ? 4 : 2;
}

static double stored(fm_dtype dtype, const uint8_t *p, size_t i) {
    p += i * size_of(dtype);
    if (dtype == FM_F32 || dtype == FM_BF16) {
        uint32_t bits =
            dtype == FM_F32 ? p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24 : (uint32_t)(p[0] | p[1] << 8) << 16;
        float value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    uint32_t bits = p[0] | p[1] << 8, exponent = bits >> 10 & 31;
    double magnitude = exponent ? ldexp(1024 + (bits & 1023), (int)exponent - 25) : ldexp(bits & 1023, -24);
    return bits >> 15 ? -magnitude : magnitude;
}

/* A random number of about the given size, as dtype stores it. */
static void store_random(fm_dtype dtype, uint8_t *p, size_t i, double size) {
    float value = (float)(random_unit() * size);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (dtype == FM_F16) {
        int exponent;
        double fraction = fabs(frexp(value, &exponent));
        int biased = exponent + 14; /* value = fraction * 2^exponent, fraction in [1/2, 1) */
        bits = (value < 0 ? 0x8000u : 0) |
               (biased <= 0 ? 0 : (uint32_t)biased << 10 | ((uint32_t)(fraction * 2048) & 1023));
    } else if (dtype == FM_BF16) {
        bits >>= 16;
    }
    for (size_t b = 0; b < size_of(dtype); b++)
        p[i * size_of(dtype) + b] = (uint8_t)(bits >> 8 * b);
}

static uint32_t quantised(const uint8_t *row, uint32_t bits, uint32_t i) {
    uint32_t value = 0;
    for (uint32_t b = 0; b < bits; b++) {
        uint32_t bit = i * bits + b;
        value |= (uint32_t)(row[bit / 8] >> bit % 8 & 1) << b;
    }
    return value;
}

typedef struct {
    fm_matrix m;
    size_t row_bytes, scale_bytes; /* of one row */
    double *w, *parts;             /* [rows][cols] the weight, and |scale q| + |bias| for the tolerance */
} matrix;

/* A random matrix; its weights end `shift` bytes before the guard. */
static matrix matrix_new(fm_format f, size_t shift) {
    matrix x = {.m.format = f};
    bool affine = f.dtype == FM_AFFINE;
    x.row_bytes = affine ? (size_t)f.cols * f.bits / 8 : f.cols * size_of(f.dtype);
    x.scale_bytes = affine ? f.cols / f.group * size_of(f.scale_dtype) : 0;
    uint8_t *w = guarded(f.rows * x.row_bytes + shift, 1), *scales = NULL, *biases = NULL;
    if (affine) {
        scales = guarded(f.rows * x.scale_bytes + shift, 1);
        biases = guarded(f.rows * x.scale_bytes + shift, 1);
        for (size_t i = 0; i < f.rows * x.row_bytes; i++)
            w[i] = (uint8_t)random_bits();
        for (size_t i = 0; i < (size_t)f.rows * (f.cols / f.group); i++) {
            store_random(f.scale_dtype, scales, i, 0.02);
            store_random(f.scale_dtype, biases, i, 0.02 * (1 << (f.bits - 1)));
        }
    } else {
        for (size_t i = 0; i < (size_t)f.rows * f.cols; i++)
            store_random(f.dtype, w, i, 0.1);
    }
    x.m.weight = w;
    x.m.scales = scales;
    x.m.biases = biases;
    x.w = malloc(sizeof(double) * f.rows * f.cols);
    x.parts = malloc(sizeof(double) * f.rows * f.cols);
    for (uint32_t r = 0; r < f.rows; r++)
        for (uint32_t c = 0; c < f.cols; c++) {
            size_t i = (size_t)r * f.cols + c;
            if (affine) {
                double scale = stored(f.scale_dtype, scales, i / f.group);
                double bias = stored(f.scale_dtype, biases, i / f.group);
                double q = quantised(w + r * x.row_bytes, f.bits, c);
                x.w[i] = scale * q + bias;
                x.parts[i] = fabs(scale * q) + fabs(bias);
            } else {
                x.w[i] = stored(f.dtype, w, i);
                x.parts[i] = fabs(x.w[i]);
            }
        }
    return x;
}

static void matrix_free(matrix *x) {
    free(x->w);
    free(x->parts);
}

static const char *format_name(const fm_format *f) {
    static char name[64];
    static const char *const dtypes[] = {"f32", "f16", "bf16"};
    if (f->dtype == FM_AFFINE)
        snprintf(name, sizeof name, "%u bits, groups of %u, %s scales", f->bits, f->group, dtypes[f->scale_dtype]);
    else
        snprintf(name, sizeof name, "%s", dtypes[f->dtype]);
    return name;
}

/* ---- products
 * -------------------------------------------------------------------------------------------------------- */

/* The definition of an affine product, one token: y [rows]; error [rows] is how far quantising x may move it. */
static void define_product(const matrix *w, const float *x, float *y, double *error) {
    const fm_format *f = &w->m.format;
    for (uint32_t r = 0; r < f->rows; r++)
        y[r] = 0, error[r] = 0;
    for (uint32_t g = 0; g < f->cols / f->group; g++) {
        int32_t q[128], total = 0;
        float m = 0;
        for (uint32_t c = 0; c < f->group; c++)
            m = fmaxf(m, fabsf(x[g * f->group + c]));
        float factor = 32639 / m, step = m / 32639;
        for (uint32_t c = 0; c < f->group; c++) {
            volatile float scaled = x[g * f->group + c] * factor;
            q[c] = m < 0x1p-100f ? 0 : (int32_t)rintf(scaled);
            total += q[c];
        }
        if (m < 0x1p-100f)
            step = 0;
        for (uint32_t r = 0; r < f->rows; r++) {
            int64_t sum = 0;
            for (uint32_t c = 0; c < f->group; c++)
                sum += q[c] * (int64_t)quantised(w->m.weight + r * w->row_bytes, f->bits, g * f->group + c);
            size_t i = r * (size_t)(f->cols / f->group) + g;
            volatile float scaled = (float)stored(f->scale_dtype, w->m.scales, i) * step;
            volatile float bias_sum = step * (float)total;
            y[r] = fmaf(scaled, (float)sum, y[r]);
            y[r] = fmaf((float)stored(f->scale_dtype, w->m.biases, i), bias_sum, y[r]);
            for (uint32_t c = 0; c < f->group; c++)
                error[r] += fabs(w->w[(size_t)r * f->cols + g * f->group + c]) * m / 65000;
        }
    }
}

/* A part of a matrix as the table takes it: packed, or a copy, which ends `shift` bytes before a guard. */
static uint8_t *taken(const fm_format *f, fm_part part, const uint8_t *from, size_t row_bytes, size_t shift) {
    uint8_t *to = guarded(f->rows * row_bytes + shift, 1);
    if (!kernels->pack)
        return memcpy(to, from, f->rows * row_bytes);
    for (uint32_t row = 0; row < f->rows; row += FM_PACKED_ROWS) {
        uint32_t rows = f->rows - row < FM_PACKED_ROWS ? f->rows - row : FM_PACKED_ROWS;
        kernels->pack(f, part, rows, from + row * row_bytes, to + row * row_bytes);
    }
    return to;
}

/* The first rows of a matrix as a matrix for the table. */
static fm_matrix taken_rows(const matrix *w, uint32_t rows, size_t shift) {
    fm_matrix m = w->m;
    m.format.rows = rows;
    if (m.format.dtype != FM_AFFINE) {
        m.weight = memcpy(guarded(rows * w->row_bytes + shift, 1), w->m.weight, rows * w->row_bytes);
        return m;
    }
    m.weight = taken(&m.format, FM_WEIGHT, w->m.weight, w->row_bytes, shift);
    m.scales = taken(&m.format, FM_SCALES, w->m.scales, w->scale_bytes, shift);
    m.biases = taken(&m.format, FM_BIASES, w->m.biases, w->scale_bytes, shift);
    return m;
}

static void check_product(fm_format f, uint32_t n, uint64_t case_seed) {
    start(case_seed, "matmul %s, rows %u, cols %u, n %u", format_name(&f), f.rows, f.cols, n);
    matrix w = matrix_new(f, random_in(0, 3));
    bool affine = f.dtype == FM_AFFINE;
    size_t ldx = f.cols + random_in(0, 3);
    float *raw = floats(n * ldx);
    for (uint32_t t = 0; t < n; t++)
        random_floats(raw + t * ldx, f.cols);
    for (uint32_t g = 0; affine && g < f.cols / f.group; g++) /* groups of zeros, of nearly nothing, and of huge ones */
        if (random_in(0, 9) == 0) {
            static const float sizes[] = {0, 1e-38f, 0x1p-100f, 1e-20f, 1e15f};
            float size = sizes[random_in(0, 4)];
            for (uint32_t c = g * f.group; c < (g + 1) * f.group; c++)
                raw[(size_t)random_in(0, n - 1) * ldx + c] *= size;
        }
    int order = kernels->order(&f);
    if (order < 0 || order >= FM_ORDERS || affine != (order > 0))
        fail("order %d is out of range", order);
    size_t bytes = affine ? kernels->prepared_bytes(&f) : ldx * sizeof *raw, stride = bytes;
    if (affine) {
        if (bytes % 64)
            fail("%zu bytes of a prepared row", bytes);
        stride += 64 * random_in(0, 1);
    }
    /* The last row ends at the guard. */
    uint8_t *x = affine ? guarded((n - 1) * stride + bytes, 64) : (uint8_t *)raw;
    for (uint32_t t = 0; affine && t < n; t++) {
        float *one = raw + t * ldx;
        if (buffer_count < 40) /* many tokens: one guard each is too much */
            one = memcpy(guarded(f.cols * sizeof *one, 4), one, f.cols * sizeof *one);
        kernels->prepare(&f, one, x + t * stride);
    }
    fm_activations a = {x, stride};

    size_t ldy = f.rows + random_in(0, 3);
    float *y = floats(n * ldy);
    float *defined = malloc(f.rows * sizeof *defined);
    double *error = calloc(f.rows, sizeof *error);
    const fm_matrix whole = taken_rows(&w, f.rows, random_in(0, 3));
    kernels->matmul(&whole, 0, f.rows, &a, n, y, ldy);
    for (uint32_t t = 0; t < n; t++) {
        if (affine)
            define_product(&w, raw + t * ldx, defined, error);
        for (uint32_t r = 0; r < f.rows; r++) {
            double want = 0, size = 0;
            for (uint32_t c = 0; c < f.cols; c++) {
                want += w.w[(size_t)r * f.cols + c] * raw[t * ldx + c];
                size += w.parts[(size_t)r * f.cols + c] * fabs(raw[t * ldx + c]);
            }
            near("y", t * ldy + r, y[t * ldy + r], want, 1e-6 * size + 1.01 * error[r] + 1e-30);
            if (affine)
                same("y as defined", t * ldy + r, y[t * ldy + r], defined[r]);
        }
        for (size_t r = f.rows; r < ldy; r++)
            untouched("y", t * ldy + r, y[t * ldy + r]);
    }
    free(defined);
    free(error);

    /* The same bits from any range of rows and tokens, and from weights that lie elsewhere. */
    float *part = floats(n * ldy);
    const fm_matrix moved = taken_rows(&w, f.rows, random_in(0, 67));
    for (uint32_t trial = 0; trial < 6; trial++) {
        uint32_t r0 = random_in(0, f.rows), r1 = random_in(r0, f.rows), t0 = random_in(0, n - 1),
                 tn = random_in(1, n - t0);
        if (trial == 0)
            r0 = 0, r1 = f.rows, t0 = 0, tn = 1;
        if (trial == 1)
            r0 = f.rows - 1, r1 = f.rows, t0 = n - 1, tn = 1;
        /* Rows are found relative to the start of the matrix; the range ends at the guard. */
        fm_activations some = {x + t0 * stride, stride};
        memset(part, 0xff, n * ldy * sizeof *part);
        kernels->matmul(trial & 1 ? &moved : &whole, r0, r1, &some, tn, part, ldy);
        for (uint32_t t = 0; t < n; t++)
            for (size_t r = 0; r < ldy; r++)
                if (t < tn && r >= r0 && r < r1)
                    same("part of y", t * ldy + r, part[t * ldy + r], y[(t0 + t) * ldy + r]);
                else
                    untouched("part of y", t * ldy + r, part[t * ldy + r]);
    }
    /* Token by token over a matrix that ends at each row: no read past a range of rows. */
    uint32_t rows = random_in(1, f.rows);
    const fm_matrix cut = taken_rows(&w, rows, 0);
    for (uint32_t t = 0; t < n; t++) {
        fm_activations some = {x + t * stride, stride};
        kernels->matmul(&cut, 0, rows, &some, 1, part, ldy);
        for (uint32_t r = 0; r < rows; r++)
            same("y of one token", t * ldy + r, part[r], y[t * ldy + r]);
    }

    float *out = floats(f.cols);
    for (uint32_t r = 0; r < f.rows; r++) {
        kernels->row(&whole, r, out);
        for (uint32_t c = 0; c < f.cols; c++) {
            size_t i = (size_t)r * f.cols + c;
            near("row", i, out[c], w.w[i], f.dtype == FM_AFFINE ? 1.2e-7 * w.parts[i] : 0);
        }
    }
    matrix_free(&w);
    release_all();
}

/* A group with a value that is no number makes its token's results NaN, and no other's. */
static void check_infinite(uint64_t base) {
    start(base, "infinite and NaN");
    fm_format f = {.dtype = FM_AFFINE, .bits = 4, .group = 64, .scale_dtype = FM_BF16, .rows = 5, .cols = 192};
    matrix w = matrix_new(f, 0);
    size_t stride = kernels->prepared_bytes(&f);
    uint8_t *x = guarded(3 * stride, 64);
    float *raw = floats(f.cols), *y = floats(15);
    for (int t = 0; t < 3; t++) {
        random_floats(raw, f.cols);
        raw[70] = t == 0 ? NAN : t == 1 ? -INFINITY : 1;
        kernels->prepare(&f, raw, x + (size_t)t * stride);
    }
    const fm_matrix m = taken_rows(&w, f.rows, 0);
    kernels->matmul(&m, 0, 5, &(fm_activations){x, stride}, 3, y, 5);
    for (size_t i = 0; i < 15; i++)
        if (isnan(y[i]) != (i < 10))
            fail("y[%zu] is %.9g", i, y[i]);
    matrix_free(&w);
    release_all();
}

/* Tokens so unlike each other that a mix-up of sums or rows cannot hide, and sizes that cross every blocking. */
void check_products(uint64_t base) {
    static const uint32_t widths[] = {2, 3, 4, 5, 6, 8};
    fm_format formats[57];
    size_t count = 0;
    for (int d = FM_F32; d <= FM_BF16; d++)
        formats[count++] = (fm_format){.dtype = (fm_dtype)d};
    for (size_t b = 0; b < 6; b++)
        for (uint32_t group = 32; group <= 128; group *= 2)
            for (int d = FM_F32; d <= FM_BF16; d++)
                formats[count++] =
                    (fm_format){.dtype = FM_AFFINE, .bits = widths[b], .group = group, .scale_dtype = (fm_dtype)d};
    for (size_t i = 0; i < count; i++)
        for (uint64_t trial = 0; trial < 8; trial++) {
            fm_format f = formats[i];
            random_state = base + 1000 * i + trial;
            f.rows = random_in(1, 9);
            uint32_t n = random_in(1, 9);
            f.cols = f.dtype == FM_AFFINE ? f.group * random_in(1, 7) : random_in(1, 300);
            if (trial == 0)
                n = 1;
            if (trial == 6) /* many tokens and rows */
                f.rows = random_in(10, 40), n = random_in(10, 40);
            if (trial == 7) /* long rows */
                f.cols = f.dtype == FM_AFFINE ? f.group * random_in(1, 2560 / f.group) : random_in(300, 2500);
            check_product(f, n, random_bits());
        }

    for (uint32_t i = 0; i < 18; i++) /* enough rows and tokens for every kind of tile */
        check_product((fm_format){.dtype = FM_AFFINE,
                                  .bits = widths[i % 6],
                                  .group = 32u << i / 6,
                                  .scale_dtype = FM_BF16,
                                  .rows = 77,
                                  .cols = 128 * random_in(1, 20)},
                      random_in(100, 140), base + i);
    check_infinite(base);

    start(base, "row, every f16 number");
    uint8_t *all = guarded(65536 * 2, 1);
    for (uint32_t i = 0; i < 65536; i++)
        all[2 * i] = (uint8_t)i, all[2 * i + 1] = (uint8_t)(i >> 8);
    fm_matrix m = {.format = {.dtype = FM_F16, .rows = 1, .cols = 65536}, .weight = all};
    float *out = floats(65536);
    kernels->row(&m, 0, out);
    for (uint32_t i = 0; i < 65536; i++)
        if ((i >> 10 & 31) == 31 ? (i & 1023 ? !isnan(out[i]) : out[i] != (i >> 15 ? -INFINITY : INFINITY))
                                 : (double)out[i] != stored(FM_F16, all, i))
            fail("%04x is read as %.9g", i, out[i]);
    release_all();
}
