/* Every kernel table that can run here against formulas in float64, and the rules of kernels.h:
 *
 *   - values, on random sizes that are odd where they may be, at weight pointers of any alignment;
 *   - for products with affine matrices, every bit of the definition in kernels_quantise.h;
 *   - the same bits for a row and a token whatever the range of rows, the number of tokens or the alignment;
 *   - no access outside a buffer: each ends at a page that cannot be touched, what lies before it is checked, and
 *     outputs start as NaN.
 *
 * test_kernels [table [seed]] prints a line for each failing case, with what repeats it, and returns 1 if there was
 * one. */
#define _GNU_SOURCE
#include "../../native/cpu/kernels.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const fm_kernels *kernels; /* the table under test */
static uint64_t seed;             /* of the case that runs */
static char what[256];            /* its name and sizes */
static int failures;

static void fail(const char *format, ...) {
    if (++failures > 50)
        return;
    va_list args;
    va_start(args, format);
    printf("FAIL %s %s (seed %llu): ", kernels->name, what, (unsigned long long)seed);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

/* A touch of a guard page: says where, then crashes. */
static void crashed(int number) {
    char line[400];
    int n = snprintf(line, sizeof line, "CRASH %s %s (seed %llu)\n", kernels->name, what, (unsigned long long)seed);
    if (write(1, line, (size_t)n) < 0)
        _exit(3);
    signal(number, SIG_DFL);
}

/* ---- random numbers ------------------------------------------------------------------------------------------------
 */

static uint64_t random_state;

static uint64_t random_bits(void) { /* splitmix64 */
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint32_t random_in(uint32_t low, uint32_t high) { /* both included */
    return low + (uint32_t)(random_bits() >> 11) % (high - low + 1);
}

static double random_unit(void) { /* [-1, 1) */
    return (double)(int64_t)random_bits() * 0x1p-63;
}

static float random_float(void) { /* roughly normal */
    return (float)(random_unit() + random_unit() + random_unit());
}

static void random_floats(float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = random_float();
}

/* ---- guarded memory ------------------------------------------------------------------------------------------------
 */

enum { CANARY = 0xa5 };

static struct guarded {
    uint8_t *base, *data;
    size_t bytes, mapped;
} buffers[64];
static size_t buffer_count;

/* `bytes` bytes whose end is the start of an untouchable page, or up to `align` before it. All bytes are 0xff, which
 * is NaN as float32. */
static void *guarded(size_t bytes, size_t align) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), usable = (bytes + align + page - 1) / page * page;
    uint8_t *base = mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + usable, page, PROT_NONE) || buffer_count == 64) {
        perror("guarded");
        exit(2);
    }
    memset(base, CANARY, usable);
    uint8_t *data = base + (usable - bytes) / align * align;
    memset(data, 0xff, bytes);
    buffers[buffer_count++] = (struct guarded){base, data, bytes, usable + page};
    return data;
}

static float *floats(size_t n) {
    return guarded(n * sizeof(float), 64);
}

static void release_all(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < buffer_count; i++) {
        struct guarded *b = &buffers[i];
        for (uint8_t *p = b->base; p < b->base + b->mapped - page; p++)
            if ((p < b->data || p >= b->data + b->bytes) && *p != CANARY) {
                fail("wrote %td bytes from the start of a buffer of %zu", p - b->data, b->bytes);
                break;
            }
        munmap(b->base, b->mapped);
    }
    buffer_count = 0;
}

static void start(uint64_t case_seed, const char *format, ...) {
    seed = random_state = case_seed;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
}

/* ---- comparisons ---------------------------------------------------------------------------------------------------
 */

static void near(const char *name, size_t i, float got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance))
        fail("%s[%zu] is %.9g, should be %.9g within %.2g", name, i, got, want, tolerance);
}

static void same(const char *name, size_t i, float got, float want) {
    if (memcmp(&got, &want, sizeof got))
        fail("%s[%zu] is %.9g, was %.9g: not the same bits", name, i, got, want);
}

static void untouched(const char *name, size_t i, float got) {
    uint32_t bits;
    memcpy(&bits, &got, sizeof bits);
    if (bits != UINT32_MAX)
        fail("%s[%zu] was written: %.9g", name, i, got);
}

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
static void check_products(uint64_t base) {
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

static void check_small(uint64_t base) {
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

int main(int argc, char **argv) {
    signal(SIGSEGV, crashed);
    signal(SIGBUS, crashed);
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was found before a crash is seen */
    uint64_t base = argc > 2 ? strtoull(argv[2], NULL, 0) : 20261124;
    int tables = 0;
    for (const char *const *name = fm_kernel_names(); *name; name++) {
        if (argc > 1 && strcmp(argv[1], *name))
            continue;
        int before = failures;
        kernels = fm_kernels_find(*name);
        tables++;
        check_products(base);
        check_attends(base);
        check_deltas(base);
        check_small(base);
        printf("%s: %s\n", kernels->name, failures == before ? "ok" : "FAILED");
    }
    if (!tables)
        printf("no such table here\n");
    if (fm_kernels_find("none") || !fm_kernels_find("c") ||
        fm_kernels_find(NULL) != fm_kernels_find(*fm_kernel_names()))
        failures++, printf("FAIL fm_kernels_find\n");
    return failures || !tables;
}
