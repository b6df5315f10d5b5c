/* The sparse half of a layer. In decode:
 *
 *     list A   … mixer, router, choice                      committed by route, and waited for: the CPU needs the
 * choice list B   shared expert                                committed by route before it waits list C   the experts
 * that are in memory               committed by experts list D…  those that were read meanwhile               likewise
 *     list A   combine, the next layer's mixer, router, …
 *
 * so that the GPU has work while the CPU looks up experts and the disk reads them. The results of experts are kept by
 * token and place and summed by combine in the order of places, whenever they were computed. */
#include "gpu.h"

#include "../base/error.h"
#include "../base/system.h"

#include <string.h>

/* What is bound where a kernel writes nothing. Another one for each dispatch of a section, since all count as written.
 */
static fm_arg nothing(fm_backend *b) {
    b->unused = (b->unused + 1) % FM_UNUSED;
    return fm_bytes(fm_at(b->scratch.unused, 16 * (uint64_t)b->unused), 16);
}

static void choose_all(fm_backend *b, uint32_t first, uint32_t n) {
    fm_gpu_scratch *s = &b->scratch;
    uint64_t k = b->plan.experts_per_token;
    struct fm_choose_args args = {b->config.experts, b->plan.experts_per_token, first};
    uint64_t all = (first + n) * k;
    FM_DISPATCH(b, b->choose, FM_SIMD, n, 1, 1, fm_floats(s->router, (uint64_t)n * b->config.experts),
                fm_floats(s->choice, all), fm_floats(s->weights, all), fm_floats(s->chosen, all),
                fm_floats(s->weighted, all), FM_CONSTANTS(args));
}

/* What a token's router says, and the shared expert's gate. Dispatches of products are the same ones whether every
 * expert is resident or not, since how they are shared out decides the last bits. */
static void router_of_token(fm_backend *b, const fm_gpu_layer *l) {
    fm_gpu_scratch *s = &b->scratch;
    const fm_gpu_product products[] = {{&l->router, s->router}, {&l->shared_expert_gate, s->shared_gate}};
    fm_gpu_matvec(b, products, 2, s->x, l->post_norm, FM_STAGE_NORM, false);
    fm_gpu_barrier(b);
}

static void shared_gate_and_up(fm_backend *b, const fm_gpu_layer *l, const fm_gpu_router *router) {
    fm_gpu_scratch *s = &b->scratch;
    const fm_gpu_product products[] = {{&l->shared_gate, s->inner[0]}, {&l->shared_up, s->inner[1]}};
    fm_gpu_matvec_early(b, products, 2, s->x, l->post_norm, FM_STAGE_NORM, router);
    fm_gpu_barrier(b);
}

static void shared_down(fm_backend *b, const fm_gpu_layer *l) {
    fm_gpu_scratch *s = &b->scratch;
    fm_gpu_matvec(b, &(fm_gpu_product){&l->shared_down, s->shared}, 1, s->inner[0], s->inner[1], FM_STAGE_SWIGLU,
                  false);
}

static void shared_block(fm_backend *b, const fm_gpu_layer *l, uint32_t n) {
    fm_gpu_scratch *s = &b->scratch;
    uint32_t chunk = b->plan.chunk, hidden = b->config.hidden;
    fm_gpu_matmul(b, &l->shared_expert_gate, n, s->h, s->h, FM_STAGE_PLAIN, s->shared_gate, false);
    for (uint32_t first = 0; first < n; first += chunk) {
        uint32_t count = n - first < chunk ? n - first : chunk;
        uint64_t at = (uint64_t)first * hidden * sizeof(float);
        fm_gpu_matmul(b, &l->shared_gate, count, fm_at(s->h, at), s->h, FM_STAGE_PLAIN, s->inner[0], false);
        fm_gpu_matmul(b, &l->shared_up, count, fm_at(s->h, at), s->h, FM_STAGE_PLAIN, s->inner[1], false);
        fm_gpu_barrier(b);
        fm_gpu_matmul(b, &l->shared_down, count, s->inner[0], s->inner[1], FM_STAGE_SWIGLU, fm_at(s->shared, at),
                      false);
        fm_gpu_barrier(b);
    }
}

fm_status fm_gpu_route(fm_backend *b, uint32_t layer, uint32_t n, int32_t *experts, float *weights, fm_error *err) {
    const fm_gpu_layer *l = &b->weights.layers[layer];
    fm_gpu_scratch *s = &b->scratch;
    uint32_t chunk = b->plan.chunk, hidden = b->config.hidden;
    if (n == 1) {
        router_of_token(b, l);
        choose_all(b, 0, 1);
    } else {
        fm_gpu_norm_rows(b, s->x, l->post_norm, n, s->h);
        fm_gpu_barrier(b);
        for (uint32_t first = 0; first < n; first += chunk) {
            uint32_t count = n - first < chunk ? n - first : chunk;
            fm_gpu_matmul(b, &l->router, count, fm_at(s->h, (uint64_t)first * hidden * sizeof(float)), s->h,
                          FM_STAGE_PLAIN, s->router, false);
            fm_gpu_barrier(b);
            choose_all(b, first, count);
            fm_gpu_barrier(b);
        }
    }
    fm_ticket choice = fm_gpu_commit(b);
    if (n == 1) {
        shared_gate_and_up(b, l, NULL);
        shared_down(b, l);
    } else {
        shared_block(b, l, n);
    }
    fm_gpu_commit(b);
    fm_status status = fm_wait(b->device, choice, err);
    if (status != FM_OK)
        return status;
    size_t pairs = (size_t)n * b->plan.experts_per_token;
    memcpy(experts, (uint8_t *)s->chosen.buffer->host + s->chosen.offset, pairs * sizeof *experts);
    memcpy(weights, (uint8_t *)s->weighted.buffer->host + s->weighted.offset, pairs * sizeof *weights);
    for (size_t i = 0; i < pairs; i++)
        if (experts[i] < 0 || (uint32_t)experts[i] >= b->config.experts)
            return fm_fail(err, FM_BAD_MODEL, "the GPU chose expert %d of %u: its arithmetic went wrong", experts[i],
                           b->config.experts);
    b->jobs = b->tiles = b->pairs = 0;
    memset(b->place_of_token, 0, n * sizeof *b->place_of_token);
    return FM_OK;
}

void fm_gpu_shared(fm_backend *b, uint32_t layer, uint32_t n) {
    (void)b, (void)layer, (void)n; /* under way since route */
}

/* ---- routed experts ------------------------------------------------------------------------------------------------
 */

static struct fm_expert *table_entry(fm_backend *b, uint32_t i) {
    fm_range t = b->scratch.table;
    return (struct fm_expert *)((uint8_t *)t.buffer->host + t.offset) + i;
}

static void fill_entry(fm_backend *b, uint32_t i, const fm_expert_view *view) {
    struct fm_expert *e = table_entry(b, i);
    for (int p = 0; p < FM_EXPERT_PARTS; p++)
        e->part[p] = fm_gpu_address_of(b, view->part[p]);
}

/* Gate and up in one dispatch if one pipeline multiplies both, else in two that need no order. */
static uint32_t together(const fm_gpu_layer *l) {
    const fm_gpu_matrix *g = &l->expert[FM_GATE], *u = &l->expert[FM_UP];
    return g->kernels.vector == u->kernels.vector && fm_gpu_shift(&g->format) == fm_gpu_shift(&u->format) ? 2 : 1;
}

/* How `down` of an expert is shared out. By the token's experts, not this call's: bits may not depend on which of them
 * were there. */
static fm_gpu_share share_of_down(const fm_backend *b, const fm_gpu_matrix *m) {
    return fm_gpu_share_of(b, m->format.cols, fm_gpu_sets(m->format.rows, m->format.cols), b->plan.experts_per_token);
}

/* y[place] = W x[place] of `matrices` matrices from `which` for the experts of a table. */
static void token_product(fm_backend *b, const fm_gpu_layer *l, uint32_t which, uint32_t matrices, fm_range table,
                          uint32_t count) {
    fm_gpu_scratch *s = &b->scratch;
    const fm_gpu_matrix *m = &l->expert[which];
    bool down = which == FM_DOWN;
    uint32_t cols = m->format.cols, rows = m->format.rows, k = b->plan.experts_per_token;
    fm_gpu_share share =
        down ? share_of_down(b, m) : fm_gpu_share_of(b, cols, k * matrices * fm_gpu_sets(rows, cols), 1);
    struct fm_experts_matvec_args args = {
        .matrix = {which, FM_UP},
        .matrices = matrices,
        .experts = down ? 1 : count,
        .rows = rows,
        .cols = cols,
        .group_shift = fm_gpu_shift(&m->format),
        .lanes = share.lanes,
        .split = share.split,
        .stage = down ? FM_STAGE_SWIGLU : FM_STAGE_NORM,
        .x_stride = down ? cols : 0,
        .eps = b->config.norm_eps,
    };
    fm_range y = down ? s->out : which == FM_GATE ? s->gate : s->up;
    uint64_t in = (uint64_t)k * cols, out = (uint64_t)k * rows;
    FM_DISPATCH(b, m->kernels.vector, share.threads, share.groups, down ? count : 1, 1,
                fm_bytes(table, count * sizeof(struct fm_expert)),
                down ? fm_floats(s->gate, in) : fm_floats(s->x, cols),
                down ? fm_floats(s->up, in) : fm_floats(l->post_norm, cols), fm_floats(y, out),
                matrices == 2 ? fm_floats(s->up, out) : nothing(b), FM_CONSTANTS(args));
}

static void gate_and_up_of_token(fm_backend *b, const fm_gpu_layer *l, fm_range table, uint32_t count) {
    uint32_t both = together(l);
    token_product(b, l, FM_GATE, both, table, count);
    if (both == 1)
        token_product(b, l, FM_UP, 1, table, count);
    fm_gpu_barrier(b);
}

static fm_ticket experts_of_token(fm_backend *b, const fm_gpu_layer *l, const fm_expert_job *jobs, uint32_t count) {
    uint64_t at = b->jobs * sizeof(struct fm_expert);
    fm_range table = fm_at(b->scratch.table, at);
    for (uint32_t i = 0; i < count; i++) {
        fill_entry(b, b->jobs, &jobs[i].view);
        table_entry(b, b->jobs++)->place = jobs[i].place;
    }
    if (!b->device->limits.unified) { /* every SIMD group reads it */
        uint64_t bytes = count * sizeof(struct fm_expert);
        struct fm_copy_args args = {(uint32_t)(bytes / 4)};
        fm_range copy = fm_at(b->scratch.entry, at);
        FM_DISPATCH(b, b->copy_words, FM_THREADS, (args.count + FM_THREADS - 1) / FM_THREADS, 1, 1,
                    fm_bytes(table, bytes), fm_bytes(copy, bytes), FM_CONSTANTS(args));
        fm_gpu_barrier(b);
        table = copy;
    }
    gate_and_up_of_token(b, l, table, count);
    token_product(b, l, FM_DOWN, 1, table, count);
    return fm_gpu_commit(b);
}

static void block_product(fm_backend *b, const fm_gpu_layer *l, uint32_t which, uint32_t matrices, fm_range tiles,
                          uint32_t count, uint32_t n) {
    fm_gpu_scratch *s = &b->scratch;
    const fm_gpu_matrix *m = &l->expert[which];
    bool down = which == FM_DOWN;
    uint64_t pairs = (uint64_t)n * b->plan.experts_per_token, rows = m->format.rows, cols = m->format.cols;
    struct fm_experts_matmul_args args = {
        .matrix = {which, FM_UP},
        .rows = m->format.rows,
        .cols = m->format.cols,
        .group_shift = fm_gpu_shift(&m->format),
        .stage = down ? FM_STAGE_SWIGLU : FM_STAGE_PLAIN,
        .per_token = down ? 1 : b->plan.experts_per_token,
    };
    fm_range y = down ? s->out : which == FM_GATE ? s->gate : s->up;
    FM_DISPATCH(b, m->kernels.block, b->tile_threads, (m->format.rows + b->tile_rows - 1) / b->tile_rows, count,
                matrices, fm_bytes(s->table, b->jobs * sizeof(struct fm_expert)),
                fm_bytes(tiles, count * sizeof(struct fm_tile)), fm_floats(s->pairs, b->pairs),
                down ? fm_floats(s->gate, pairs * cols) : fm_floats(s->h, n * cols),
                down ? fm_floats(s->up, pairs * cols) : fm_floats(s->h, n * cols), fm_floats(y, pairs * rows),
                matrices == 2 ? fm_floats(s->up, pairs * rows) : nothing(b), FM_CONSTANTS(args));
}

static fm_ticket experts_of_block(fm_backend *b, const fm_gpu_layer *l, uint32_t n, const fm_expert_job *jobs,
                                  uint32_t count) {
    fm_gpu_scratch *s = &b->scratch;
    int32_t *pairs = (int32_t *)((uint8_t *)s->pairs.buffer->host + s->pairs.offset);
    struct fm_tile *tiles = (struct fm_tile *)((uint8_t *)s->tiles.buffer->host + s->tiles.offset);
    uint32_t first_tile = b->tiles;
    for (uint32_t j = 0; j < count; j++) {
        fill_entry(b, b->jobs, &jobs[j].view);
        for (uint32_t i = 0; i < jobs[j].n; i++) {
            if (i % b->tile_tokens == 0)
                tiles[b->tiles++] = (struct fm_tile){b->jobs, b->pairs, 0, 0};
            tiles[b->tiles - 1].count++;
            uint32_t token = (uint32_t)jobs[j].tokens[i];
            pairs[b->pairs++] = (int32_t)(token * b->plan.experts_per_token + b->place_of_token[token]++);
        }
        b->jobs++;
    }
    fm_range list = fm_at(s->tiles, (uint64_t)first_tile * sizeof(struct fm_tile));
    uint32_t both = together(l), made = b->tiles - first_tile;
    block_product(b, l, FM_GATE, both, list, made, n);
    if (both == 1)
        block_product(b, l, FM_UP, 1, list, made, n);
    fm_gpu_barrier(b);
    block_product(b, l, FM_DOWN, 1, list, made, n);
    return fm_gpu_commit(b);
}

fm_ticket fm_gpu_experts(fm_backend *b, uint32_t layer, uint32_t n, const fm_expert_job *jobs, uint32_t count) {
    const fm_gpu_layer *l = &b->weights.layers[layer];
    if (count == 0)
        return b->last;
    fm_ticket last = 0;
    for (uint32_t j = 0; j < count; j++)
        last = jobs[j].view.ticket > last ? jobs[j].view.ticket : last;
    if (last)
        fm_after(b->device, fm_gpu_list(b), last);
    return n == 1 ? experts_of_token(b, l, jobs, count) : experts_of_block(b, l, n, jobs, count);
}

static void combine(fm_backend *b, uint32_t n, fm_range weights) {
    fm_gpu_scratch *s = &b->scratch;
    uint64_t hidden = b->config.hidden, k = b->plan.experts_per_token;
    struct fm_combine_args args = {b->config.hidden, b->plan.experts_per_token, n};
    FM_DISPATCH(b, b->combine, FM_THREADS, (b->config.hidden + FM_THREADS - 1) / FM_THREADS, n, 1,
                fm_floats(s->x, n * hidden), fm_floats(s->shared, n * hidden), fm_floats(s->shared_gate, n),
                fm_floats(s->out, n * k * hidden), fm_floats(weights, n * k), FM_CONSTANTS(args));
    fm_gpu_barrier(b);
}

void fm_gpu_combine(fm_backend *b, uint32_t layer, uint32_t n, const float *weights) {
    (void)layer, (void)weights; /* the GPU has its own copy */
    combine(b, n, b->scratch.weights);
}

/* ---- every expert in memory ---------------------------------------------------------------------------------------
 */

fm_status fm_gpu_settle(fm_backend *b, const fm_expert_view *views, fm_error *err) {
    const fm_config *c = &b->config;
    b->settled = false;
    if (!views)
        return FM_OK;
    size_t count = (size_t)c->layers * c->experts;
    struct fm_expert *entries = b->entries;
    fm_ticket last = 0;
    for (size_t i = 0; i < count; i++)
        last = views[i].ticket > last ? views[i].ticket : last;
    fm_move_wait(b->device, last);
    for (size_t i = 0; i < count; i++)
        for (int p = 0; p < FM_EXPERT_PARTS; p++)
            entries[i].part[p] = fm_gpu_address_of(b, views[i].part[p]);
    fm_range to = b->scratch.entries;
    fm_status status = fm_wait(b->device, fm_gpu_commit(b), err);
    if (status == FM_OK)
        status = fm_upload(to.buffer, to.offset, entries, count * sizeof *entries, err);
    b->settled = status == FM_OK;
    return status;
}

/* Layers of a list; the first list has two, since the GPU begins with it while the CPU encodes the next. */
enum { LAYERS_OF_LIST = 8 };

/* Whether experts_down can end a layer, with the bits that the products and combine would give. */
static bool down_at_once(const fm_backend *b, const fm_gpu_layer *l) {
    const fm_gpu_matrix *e = &l->expert[FM_DOWN], *s = &l->shared_down;
    uint32_t k = b->plan.experts_per_token, packs = (e->format.cols + 31) / 32;
    return e->kernels.down && e->kernels.down == s->kernels.down && e->format.cols == s->format.cols &&
           fm_gpu_shift(&e->format) == fm_gpu_shift(&s->format) && (k + 1) * packs <= FM_DOWN_PACKS &&
           (k + 1) * FM_SIMD <= FM_VECTOR_THREADS && share_of_down(b, e).split == 1 &&
           fm_gpu_share_of(b, s->format.cols, fm_gpu_sets(s->format.rows, s->format.cols), 1).split == 1;
}

static void experts_down(fm_backend *b, const fm_gpu_layer *l, fm_range weights) {
    fm_gpu_scratch *s = &b->scratch;
    const fm_gpu_matrix *m = &l->expert[FM_DOWN], *shared = &l->shared_down;
    uint32_t rows = m->format.rows, k = b->plan.experts_per_token;
    uint32_t sets = fm_gpu_sets(rows, m->format.cols);
    fm_gpu_share share = share_of_down(b, m);
    uint32_t of_set = FM_SIMD / share.lanes * FM_ROWS;
    /* As few sets a group as make one round of groups, or as many as its memory has. */
    uint32_t most = FM_DOWN_ROWS / of_set, groups = b->device->limits.groups, each = (sets + groups - 1) / groups;
    each = each < most ? each : most;
    struct fm_experts_down_args args = {
        .rows = rows,
        .cols = m->format.cols,
        .group_shift = fm_gpu_shift(&m->format),
        .lanes = share.lanes,
        .k = k,
        .sets = each,
    };
    uint64_t in = (uint64_t)k * args.cols;
    FM_DISPATCH(b, m->kernels.down, (k + 1) * FM_SIMD, (sets + each - 1) / each, 1, 1,
                fm_bytes(s->entry, k * sizeof(struct fm_expert)), fm_floats(weights, k), fm_floats(s->gate, in),
                fm_floats(s->up, in), fm_gpu_weight_arg(shared), fm_gpu_scale_arg(shared), fm_gpu_bias_arg(shared),
                fm_floats(s->inner[0], args.cols), fm_floats(s->inner[1], args.cols), fm_floats(s->shared_gate, 1),
                fm_floats(s->x, rows), FM_CONSTANTS(args));
}

/* In one list: router; shared expert, and the choice beside it; experts; sum. The choice of each layer is kept. */
void fm_gpu_settled(fm_backend *b, uint32_t layer) {
    const fm_gpu_layer *l = &b->weights.layers[layer];
    const fm_config *c = &b->config;
    fm_gpu_scratch *s = &b->scratch;
    uint32_t k = b->plan.experts_per_token;
    uint64_t at = layer * fm_gpu_choice(&b->plan) * sizeof(int32_t), entry = sizeof(struct fm_expert);
    fm_range weights = fm_at(s->weights, at);
    const fm_gpu_router router = {
        c->experts, k, s->router, fm_at(s->choice, at), weights, fm_at(s->entries, layer * c->experts * entry),
        s->entry};
    router_of_token(b, l);
    shared_gate_and_up(b, l, &router);
    gate_and_up_of_token(b, l, s->entry, k);
    if (down_at_once(b, l)) {
        experts_down(b, l, weights);
        fm_gpu_barrier(b);
    } else {
        token_product(b, l, FM_DOWN, 1, s->entry, k);
        shared_down(b, l);
        fm_gpu_barrier(b);
        combine(b, 1, weights);
    }
    if (layer + 1 == c->layers) { /* for the host */
        struct fm_copy_args args = {(uint32_t)(c->layers * fm_gpu_choice(&b->plan))};
        FM_DISPATCH(b, b->copy_words, FM_THREADS, (args.count + FM_THREADS - 1) / FM_THREADS, 1, 1,
                    fm_floats(s->choice, args.count), fm_floats(s->chosen, args.count), FM_CONSTANTS(args));
    }
    if (layer % LAYERS_OF_LIST == 1)
        fm_gpu_commit(b);
}

void fm_gpu_chosen(fm_backend *b, int32_t *experts) {
    uint32_t k = b->plan.experts_per_token;
    fm_range r = b->scratch.chosen;
    const int32_t *from = (const int32_t *)((uint8_t *)r.buffer->host + r.offset);
    for (uint32_t l = 0; l < b->config.layers; l++)
        memcpy(experts + (size_t)l * k, from + l * fm_gpu_choice(&b->plan), k * sizeof *experts);
}
