#include "gpu.h"

#include <string.h>

static int32_t code(fm_dtype dtype) {
    return dtype == FM_F32 ? FM_CODE_F32 : dtype == FM_F16 ? FM_CODE_F16 : FM_CODE_BF16;
}

static uint64_t float_bytes(fm_dtype dtype) {
    return dtype == FM_F32 ? 4 : 2;
}

/* Rows that begin at multiples of 16 bytes, if the matrix does; packs of affine weights need no such thing. */
bool fm_gpu_aligned(const fm_format *f) {
    return f->dtype == FM_AFFINE || f->cols * float_bytes(f->dtype) % 16 == 0;
}

uint32_t fm_gpu_shift(const fm_format *f) {
    uint32_t shift = 5;
    while (f->dtype == FM_AFFINE && 1u << shift < f->group)
        shift++;
    return shift;
}

/* Lanes of a SIMD group that share a row, from 4 to all: two packs of 32 columns each, which are under way at once. */
static uint32_t lanes_of(uint32_t cols) {
    uint32_t packs = (cols + 31) / 32, lanes = 4;
    while (2 * lanes < packs && lanes < FM_SIMD)
        lanes *= 2;
    return lanes;
}

uint32_t fm_gpu_sets(uint32_t rows, uint32_t cols) {
    uint32_t of_set = FM_SIMD / lanes_of(cols) * FM_ROWS;
    return (rows + of_set - 1) / of_set;
}

/* As many groups as the GPU runs at once, and all of their SIMD groups at work: where there are too few sets of rows
 * for that, columns are split too, and groups are made smaller so that each core gets one. */
fm_gpu_share fm_gpu_share_of(const fm_backend *b, uint32_t cols, uint32_t sets, uint32_t times) {
    uint32_t packs = (cols + 31) / 32, groups = b->device->limits.groups / times, simds = FM_VECTOR_THREADS / FM_SIMD;
    fm_gpu_share s = {.lanes = lanes_of(cols), .split = 1};
    groups = groups ? groups : 1;
    /* Of columns that are staged together a lane keeps a pack at least. */
    uint32_t staged = packs < FM_TILE_COLUMNS / 32 ? packs : FM_TILE_COLUMNS / 32;
    while (s.lanes == FM_SIMD && s.split < simds && s.lanes * s.split * 2 <= staged &&
           sets * s.split * 2 <= groups * simds)
        s.split *= 2;
    while (simds > s.split && simds > 8 && 2 * sets * s.split <= groups * simds)
        simds /= 2;
    uint32_t wanted = (sets * s.split + simds - 1) / simds;
    s.threads = simds * FM_SIMD;
    s.groups = wanted < groups ? wanted : groups;
    return s;
}

/* Of the groups for `all` sets, those for `sets` of them. */
static uint32_t groups_for(fm_gpu_share share, uint32_t sets, uint32_t all) {
    uint32_t groups = (uint32_t)((uint64_t)share.groups * sets / all);
    return groups ? groups : 1;
}

fm_status fm_gpu_kernels_for(fm_backend *b, const fm_format *f, bool aligned, const char *vector, const char *block,
                             fm_gpu_kernels *kernels, fm_error *err) {
    const fm_constant constants[] = {
        {"FORMAT", f->dtype == FM_AFFINE ? (int32_t)f->bits : code(f->dtype)},
        {"SCALE", f->dtype == FM_AFFINE ? code(f->scale_dtype) : FM_CODE_BF16},
        {"ALIGNED", aligned},
    };
    fm_status status = fm_kernel_get(b->device, vector, constants, 3, FM_VECTOR_THREADS, &kernels->vector, err);
    if (status == FM_OK)
        status = fm_kernel_get(b->device, block, constants, 3, b->tile_threads, &kernels->block, err);
    if (status == FM_OK)
        status = fm_kernel_get(b->device, "experts_down", constants, 3, FM_VECTOR_THREADS, &kernels->down, err);
    return status;
}

static uint64_t weight_bytes(const fm_gpu_matrix *m) {
    return fm_format_weight_bytes(&m->format);
}

static uint64_t scale_bytes(const fm_gpu_matrix *m) {
    return m->format.dtype == FM_AFFINE ? fm_format_scale_bytes(&m->format) : weight_bytes(m);
}

fm_arg fm_gpu_weight_arg(const fm_gpu_matrix *m) {
    return fm_bytes(m->weight, weight_bytes(m));
}

fm_arg fm_gpu_scale_arg(const fm_gpu_matrix *m) {
    return fm_bytes(m->scales, scale_bytes(m));
}

fm_arg fm_gpu_bias_arg(const fm_gpu_matrix *m) {
    return fm_bytes(m->biases, scale_bytes(m));
}

/* Matrices that one pipeline and one grid can multiply. */
static bool alike(const fm_gpu_matrix *a, const fm_gpu_matrix *b) {
    return a->kernels.vector == b->kernels.vector && a->format.cols == b->format.cols &&
           fm_gpu_shift(&a->format) == fm_gpu_shift(&b->format);
}

/* An output that is not there. Another one for each dispatch of a section, since all count as written. */
static fm_arg nowhere(fm_backend *b) {
    b->unused = (b->unused + 1) % FM_UNUSED;
    return fm_bytes(fm_at(b->scratch.unused, 16 * (uint64_t)b->unused), 16);
}

static void matvec_of(fm_backend *b, const fm_gpu_product *const *p, uint32_t count, fm_range x, fm_range second,
                      uint32_t stage, bool early, bool add, const fm_gpu_router *router) {
    const fm_format *f = &p[0]->m->format;
    uint32_t sets = 0;
    for (uint32_t i = 0; i < count; i++)
        sets += fm_gpu_sets(p[i]->m->format.rows, f->cols);
    fm_gpu_share share = fm_gpu_share_of(b, f->cols, sets, 1);
    uint32_t groups = 0;
    struct fm_matvec_args args = {
        .matrices = count,
        .cols = f->cols,
        .group_shift = fm_gpu_shift(f),
        .lanes = share.lanes,
        .split = share.split,
        .stage = stage,
        .early = early,
        .add = add,
        .experts = router ? router->experts : 0,
        .k = router ? router->k : 0,
        .eps = b->config.norm_eps,
    };
    fm_arg a[24];
    for (uint32_t i = 0; i < FM_MATRICES; i++) {
        const fm_gpu_product *of = p[i < count ? i : 0];
        a[4 * i] = fm_gpu_weight_arg(of->m);
        a[4 * i + 1] = fm_gpu_scale_arg(of->m);
        a[4 * i + 2] = fm_gpu_bias_arg(of->m);
        a[4 * i + 3] = i < count ? fm_floats(of->y, of->m->format.rows) : nowhere(b);
        if (i < count) {
            args.rows[i] = of->m->format.rows;
            args.first_group[i] = groups;
            groups += groups_for(share, fm_gpu_sets(args.rows[i], f->cols), sets);
            args.first_group[i + 1] = groups;
        }
    }
    a[16] = fm_floats(x, f->cols);
    a[17] = fm_floats(second, f->cols);
    const fm_arg unused = a[16];
    uint64_t entry = sizeof(struct fm_expert);
    a[18] = router ? fm_floats(router->logits, router->experts) : unused;
    a[19] = router ? fm_floats(router->choice, router->k) : nowhere(b);
    a[20] = router ? fm_floats(router->weights, router->k) : nowhere(b);
    a[21] = router ? fm_bytes(router->all, router->experts * entry) : unused;
    a[22] = router ? fm_bytes(router->table, router->k * entry) : nowhere(b);
    a[23] = FM_CONSTANTS(args);
    fm_dispatch(b->device, fm_gpu_list(b), p[0]->m->kernels.vector, a, 24, (fm_groups){groups + (router ? 1 : 0), 1, 1},
                share.threads);
}

/* In as few dispatches as formats allow; the router goes with the first. */
static void matvec(fm_backend *b, const fm_gpu_product *products, uint32_t count, fm_range x, fm_range second,
                   uint32_t stage, bool early, bool add, const fm_gpu_router *router) {
    bool done[8] = {0};
    for (uint32_t i = 0; i < count; i++) {
        const fm_gpu_product *same[FM_MATRICES];
        uint32_t n = 0;
        for (uint32_t j = i; j < count && n < FM_MATRICES; j++)
            if (!done[j] && alike(products[i].m, products[j].m)) {
                done[j] = true;
                same[n++] = &products[j];
            }
        if (n)
            matvec_of(b, same, n, x, second, stage, early, add, i == 0 ? router : NULL);
    }
}

void fm_gpu_matvec(fm_backend *b, const fm_gpu_product *products, uint32_t count, fm_range x, fm_range second,
                   uint32_t stage, bool add) {
    matvec(b, products, count, x, second, stage, false, add, NULL);
}

void fm_gpu_matvec_early(fm_backend *b, const fm_gpu_product *products, uint32_t count, fm_range x, fm_range second,
                         uint32_t stage, const fm_gpu_router *router) {
    matvec(b, products, count, x, second, stage, true, false, router);
}

void fm_gpu_matmul(fm_backend *b, const fm_gpu_matrix *m, uint32_t n, fm_range x, fm_range second, uint32_t stage,
                   fm_range y, bool add) {
    const fm_format *f = &m->format;
    struct fm_matmul_args args = {n, f->rows, f->cols, fm_gpu_shift(f), stage, add};
    uint64_t in = (uint64_t)n * f->cols;
    FM_DISPATCH(b, m->kernels.block, b->tile_threads, (f->rows + b->tile_rows - 1) / b->tile_rows,
                (n + b->tile_tokens - 1) / b->tile_tokens, 1, fm_gpu_weight_arg(m), fm_gpu_scale_arg(m),
                fm_gpu_bias_arg(m), fm_floats(x, in), fm_floats(stage == FM_STAGE_PLAIN ? x : second, in),
                fm_floats(y, (uint64_t)n * f->rows), FM_CONSTANTS(args));
}

void fm_gpu_norm_rows(fm_backend *b, fm_range x, fm_range weight, uint32_t n, fm_range y) {
    struct fm_norm_args args = {b->config.hidden, b->config.norm_eps};
    uint64_t floats = (uint64_t)n * b->config.hidden;
    FM_DISPATCH(b, b->norm_rows, FM_THREADS, n, 1, 1, fm_floats(x, floats), fm_floats(weight, b->config.hidden),
                fm_floats(y, floats), FM_CONSTANTS(args));
}
