#include "cpu.h"

#include <string.h>

fm_prepared fm_prepare_rows(const float *x, size_t ld, uint32_t n, uint32_t cols) {
    return (fm_prepared){.x = x, .ld = ld, .n = n, .cols = cols};
}

typedef struct prepare_task {
    fm_backend *b;
    const fm_prepared *rows;
    const fm_format *format;
    int order;
} prepare_task;

static void prepare_one(void *context, uint32_t row, uint32_t thread) {
    (void)thread;
    const prepare_task *t = context;
    const fm_scratch *s = &t->b->scratch;
    const float *x = t->rows->x + (t->rows->index ? (size_t)t->rows->index[row] : row) * t->rows->ld;
    if (t->order)
        t->b->kernels->prepare(t->format, x, s->prepared[t->order] + row * s->stride[t->order]);
    else
        memcpy(t->rows->gathered + (size_t)row * t->rows->cols, x, t->rows->cols * sizeof *x);
}

/* The rows in the order that this format wants, prepared at the first request. */
fm_activations fm_prepared_for(fm_backend *b, fm_prepared *rows, const fm_format *format) {
    const fm_scratch *s = &b->scratch;
    int order = b->kernels->order(format);
    if (order == 0 && !rows->index)
        return (fm_activations){rows->x, rows->ld * sizeof(float)};
    if (!(rows->ready & 1u << order)) {
        fm_pool_run(b->pool, rows->n, prepare_one, &(prepare_task){b, rows, format, order});
        rows->ready |= 1u << order;
    }
    return order ? (fm_activations){s->prepared[order], s->stride[order]}
                 : (fm_activations){rows->gathered, rows->cols * sizeof(float)};
}

bool fm_packs(const fm_kernels *kernels, const fm_format *format) {
    return kernels->pack && format->dtype == FM_AFFINE;
}

void fm_pack_rows(const fm_backend *b, const fm_matrix *m, uint32_t row0, uint32_t row1, uint32_t thread) {
    const fm_format *f = &m->format;
    uint8_t *buffer = b->scratch.packing + thread * b->scratch.pack_bytes;
    uint8_t *const parts[] = {m->weight, m->scales, m->biases};
    const size_t row_bytes = (size_t)f->cols / 8 * f->bits, scale_bytes = (size_t)fm_format_scale_bytes(f) / f->rows;
    for (uint32_t row = row0; row < row1; row += FM_PACKED_ROWS) {
        uint32_t rows = row1 - row < FM_PACKED_ROWS ? row1 - row : FM_PACKED_ROWS;
        for (int p = 0; p < 3; p++) {
            size_t bytes = p == FM_WEIGHT ? row_bytes : scale_bytes;
            uint8_t *at = parts[p] + row * bytes;
            memcpy(buffer, at, rows * bytes);
            b->kernels->pack(f, (fm_part)p, rows, buffer, at);
        }
    }
}

typedef struct pack_task {
    const fm_backend *b;
    const fm_matrix *m;
} pack_task;

enum { PACK_ROWS = 8 * FM_PACKED_ROWS }; /* of a task */

static void pack_one(void *context, uint32_t task, uint32_t thread) {
    const pack_task *t = context;
    uint32_t first = task * PACK_ROWS, left = t->m->format.rows - first;
    fm_pack_rows(t->b, t->m, first, first + (left < PACK_ROWS ? left : PACK_ROWS), thread);
}

void fm_pack(fm_backend *b, const fm_matrix *m) {
    fm_pool_run(b->pool, (m->format.rows + PACK_ROWS - 1) / PACK_ROWS, pack_one, &(pack_task){b, m});
}

/* A region of several products is cut into runs of rows of about equal work. */
typedef struct products_task {
    fm_backend *b;
    const fm_product *products;
    uint32_t count, step;
} products_task;

static uint32_t runs_of(uint32_t rows, uint32_t step) {
    return (rows + step - 1) / step;
}

static void product_one(void *context, uint32_t task, uint32_t thread) {
    const products_task *t = context;
    const fm_product *p = t->products;
    while (task >= runs_of(p->m->format.rows, t->step)) {
        task -= runs_of(p->m->format.rows, t->step);
        p++;
    }
    uint32_t first = task * t->step, last = first + t->step;
    if (last > p->m->format.rows)
        last = p->m->format.rows;
    if (p->m->raw) /* now that its rows pass through the nearest cache anyway */
        fm_pack_rows(t->b, p->m, first, last, thread);
    t->b->kernels->matmul(p->m, first, last, &p->a, p->n, p->y, p->ldy);
}

void fm_products_run(fm_backend *b, const fm_product *products, uint32_t count) {
    /* Enough runs that an unlucky thread holds up little, few enough that drawing them costs nothing. */
    enum { RUNS_OF_THREAD = 6 };
    /* Rows that kernels take together, for one token and for several: a run of whole ones leaves none half empty, and
     * nothing of it is packed by two tasks. */
    const uint32_t least = products->n == 1 ? 16 : 32;
    uint64_t rows = 0;
    for (uint32_t i = 0; i < count; i++)
        rows += products[i].m->format.rows;
    uint64_t step = rows / (RUNS_OF_THREAD * fm_pool_threads(b->pool));
    step = (step + least - 1) / least * least;
    products_task t = {b, products, count, step < least ? least : (uint32_t)step};
    uint32_t runs = 0;
    for (uint32_t i = 0; i < count; i++)
        runs += runs_of(products[i].m->format.rows, t.step);
    fm_pool_run(b->pool, runs, product_one, &t);
}

typedef struct norm_task {
    fm_backend *b;
    const float *x, *w;
    size_t ldx, ldo;
    float *out;
} norm_task;

static void norm_one(void *context, uint32_t row, uint32_t thread) {
    (void)thread;
    const norm_task *t = context;
    t->b->kernels->rms_norm(t->x + row * t->ldx, t->w, t->b->config.hidden, t->b->config.norm_eps,
                            t->out + row * t->ldo);
}

/* out_t = N1(w, x_t) for n rows of the hidden size. */
void fm_norm_rows(fm_backend *b, const float *x, size_t ldx, const float *w, uint32_t n, float *out, size_t ldo) {
    fm_pool_run(b->pool, n, norm_one, &(norm_task){b, x, w, ldx, ldo, out});
}

typedef struct add_task {
    fm_backend *b;
    float *x;
    const float *delta;
} add_task;

static void add_one(void *context, uint32_t row, uint32_t thread) {
    (void)thread;
    const add_task *t = context;
    size_t hidden = t->b->config.hidden, at = row * hidden;
    t->b->kernels->axpy(1.0f, t->delta + at, t->x + at, (uint32_t)hidden);
}

/* x += delta for n rows of the hidden size. */
void fm_add_rows(fm_backend *b, float *x, const float *delta, uint32_t n) {
    fm_pool_run(b->pool, n, add_one, &(add_task){b, x, delta});
}
