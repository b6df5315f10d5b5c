/* The mixers: x += mixer(N1(x)). One token: the norm is part of the products, the output projection adds to x. Many: in
 * chunks, products over all tokens of a chunk, the rest stretch by stretch. */
#include "gpu.h"

#include <math.h>

/* Tokens [first, first + n) of the chunk's buffers, which follow one another in a session from `position`. */
typedef struct piece {
    fm_state *state;
    uint32_t layer, position, first, n;
    fm_range tail, s, next_tail, next_s; /* DeltaNet: the state before and after */
} piece;

static void attend(fm_backend *b, const fm_gpu_layer *l, const piece *p) {
    const fm_config *c = &b->config;
    fm_gpu_scratch *s = &b->scratch;
    uint64_t dim = c->head_dim, rows = p->first + p->n, cache = (uint64_t)c->kv_heads * p->state->context * dim;
    fm_range keys = {p->state->kv[p->layer], 0}, values = {p->state->kv[p->layer], cache * sizeof(float)};
    struct fm_rope_args rope = {
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .dim = c->head_dim,
        .rope_dim = c->rope_dim,
        .position = p->position,
        .first = p->first,
        .n = p->n,
        .context = p->state->context,
        .eps = c->norm_eps,
        .scale = 1.0f / sqrtf((float)dim),
    };
    /* The rotation of the chunk's first token is where the block has it. */
    FM_DISPATCH(b, b->rope, FM_SIMD, c->heads + c->kv_heads, p->n, 1, fm_floats(s->qg, rows * 2 * c->heads * dim),
                fm_floats(s->k, rows * c->kv_heads * dim), fm_floats(s->v, rows * c->kv_heads * dim),
                fm_floats(l->q_norm, dim), fm_floats(l->k_norm, dim),
                fm_floats(b->rotation_of_chunk, rows * c->rope_dim), fm_floats(s->q, rows * c->heads * dim),
                fm_floats(keys, cache), fm_floats(values, cache), FM_CONSTANTS(rope));
    fm_gpu_barrier(b);
    uint32_t span = FM_SPAN_LEAST;
    while (span < FM_SPAN && p->position / span + 1 > FM_SPANS)
        span += FM_SPAN_LEAST;
    struct fm_attend_args args = {
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .dim = c->head_dim,
        .position = p->position,
        .first = p->first,
        .n = p->n,
        .context = p->state->context,
        .span = span,
        .spans = p->position / span + 1,
    };
    uint32_t share = c->heads / c->kv_heads;
    if (p->n > 1 || b->block > 1) {
        FM_DISPATCH(b, b->attend_block, FM_THREADS, (p->n * share + FM_QUERIES - 1) / FM_QUERIES, c->kv_heads, 1,
                    fm_floats(s->q, rows * c->heads * dim), fm_floats(keys, cache), fm_floats(values, cache),
                    fm_floats(s->qg, rows * 2 * c->heads * dim), fm_floats(s->mixed, rows * c->heads * dim),
                    FM_CONSTANTS(args));
        return;
    }
    uint64_t partial = (uint64_t)c->heads * args.spans * (dim + FM_SPAN_STRIDE);
    FM_DISPATCH(b, b->attend_split, 2 * FM_THREADS, args.spans, (share + FM_SPAN_HEADS - 1) / FM_SPAN_HEADS,
                c->kv_heads, fm_floats(s->q, rows * c->heads * dim), fm_floats(keys, cache), fm_floats(values, cache),
                fm_floats(s->partial, partial), FM_CONSTANTS(args));
    fm_gpu_barrier(b);
    FM_DISPATCH(b, b->attend_merge, 4 * FM_THREADS, c->heads, 1, 1, fm_floats(s->partial, partial),
                fm_floats(s->qg, rows * 2 * c->heads * dim), fm_floats(s->mixed, rows * c->heads * dim),
                FM_CONSTANTS(args));
}

static void delta(fm_backend *b, const fm_gpu_layer *l, const piece *p) {
    const fm_config *c = &b->config;
    fm_gpu_scratch *s = &b->scratch;
    uint32_t channels = fm_linear_channels(c), heads = c->linear_value_heads;
    uint64_t rows = p->first + p->n, value = (uint64_t)heads * c->linear_value_dim;
    uint64_t state = value * c->linear_key_dim, tail = (uint64_t)(c->conv_kernel - 1) * channels;
    struct fm_delta_args args = {
        .key_heads = c->linear_key_heads,
        .value_heads = heads,
        .key_dim = c->linear_key_dim,
        .value_dim = c->linear_value_dim,
        .kernel_size = c->conv_kernel,
        .channels = channels,
        .first = p->first,
        .n = p->n,
        .eps = c->norm_eps,
    };
    if (b->block == 1) {
        FM_DISPATCH(b, b->delta_step, 4 * FM_THREADS, heads, 1, 1, fm_floats(s->u, rows * channels),
                    fm_floats(s->z, rows * value), fm_floats(s->a, rows * heads), fm_floats(s->b, rows * heads),
                    fm_floats(l->conv, (uint64_t)channels * c->conv_kernel), fm_floats(l->decay, heads),
                    fm_floats(l->dt_bias, heads), fm_floats(l->linear_norm, c->linear_value_dim),
                    fm_floats(p->tail, tail), fm_floats(p->next_tail, tail), fm_floats(p->s, state),
                    fm_floats(p->next_s, state), fm_floats(s->mixed, rows * value), FM_CONSTANTS(args));
        return;
    }
    FM_DISPATCH(b, b->conv_rows, FM_THREADS, (channels + FM_THREADS - 1) / FM_THREADS, p->n, 1,
                fm_floats(s->u, rows * channels), fm_floats(l->conv, (uint64_t)channels * c->conv_kernel),
                fm_floats(p->tail, tail), fm_floats(p->next_tail, tail), fm_floats(s->conv, rows * channels),
                FM_CONSTANTS(args));
    fm_gpu_barrier(b);
    FM_DISPATCH(b, b->delta_norm, FM_SIMD, c->linear_key_heads, p->n, 1, fm_floats(s->conv, rows * channels),
                FM_CONSTANTS(args));
    fm_gpu_barrier(b);
    uint32_t simds = FM_THREADS / FM_SIMD;
    FM_DISPATCH(b, b->delta_scan, FM_THREADS, (c->linear_value_dim + simds - 1) / simds, heads, 1,
                fm_floats(s->conv, rows * channels), fm_floats(s->a, rows * heads), fm_floats(s->b, rows * heads),
                fm_floats(l->decay, heads), fm_floats(l->dt_bias, heads), fm_floats(p->s, state),
                fm_floats(p->next_s, state), fm_floats(s->o, rows * value), FM_CONSTANTS(args));
    fm_gpu_barrier(b);
    FM_DISPATCH(b, b->gated_norm, FM_SIMD, heads, p->n, 1, fm_floats(s->o, rows * value), fm_floats(s->z, rows * value),
                fm_floats(l->linear_norm, c->linear_value_dim), fm_floats(s->mixed, rows * value), FM_CONSTANTS(args));
}

/* The projections into the mixer, from x of the chunk. */
static void project_in(fm_backend *b, const fm_gpu_layer *l, fm_range x, uint32_t n) {
    fm_gpu_scratch *s = &b->scratch;
    const fm_gpu_product full[] = {{&l->q, s->qg}, {&l->k, s->k}, {&l->v, s->v}};
    const fm_gpu_product linear[] = {{&l->in_qkv, s->u}, {&l->in_z, s->z}, {&l->in_a, s->a}, {&l->in_b, s->b}};
    const fm_gpu_product *products = l->full ? full : linear;
    uint32_t count = l->full ? 3 : 4;
    if (b->block == 1) {
        fm_gpu_matvec(b, products, count, x, l->input_norm, FM_STAGE_NORM, false);
        return;
    }
    fm_gpu_norm_rows(b, x, l->input_norm, n, s->norm);
    fm_gpu_barrier(b);
    for (uint32_t i = 0; i < count; i++)
        fm_gpu_matmul(b, products[i].m, n, s->norm, s->norm, FM_STAGE_PLAIN, products[i].y, false);
}

static void project_out(fm_backend *b, const fm_gpu_layer *l, fm_range x, uint32_t n) {
    fm_gpu_scratch *s = &b->scratch;
    const fm_gpu_matrix *m = l->full ? &l->o : &l->out;
    if (b->block == 1)
        fm_gpu_matvec(b, &(fm_gpu_product){m, x}, 1, s->mixed, s->mixed, FM_STAGE_PLAIN, true);
    else
        fm_gpu_matmul(b, m, n, s->mixed, s->mixed, FM_STAGE_PLAIN, x, true);
}

/* Where the state before and after a piece lies. A stretch of several chunks goes from the current copy to the pending
 * one by way of both scratch and the pending one, so that none is read and written at once, and ends in the latter. */
static void place_state(fm_backend *b, piece *p, uint32_t chunk, uint32_t chunks) {
    fm_state *state = p->state;
    uint64_t at = state->recurrent_at[p->layer], tail;
    fm_gpu_layer_recurrent_bytes(&b->config, &tail);
    fm_range current = {state->recurrent[state->current], at}, pending = {state->recurrent[state->current ^ 1], at};
    fm_range to = (chunks - 1 - chunk) % 2 == 0 ? pending : b->scratch.recurrent;
    fm_range from = chunk == 0 ? current : (chunks - chunk) % 2 == 0 ? pending : b->scratch.recurrent;
    p->tail = from;
    p->s = fm_at(from, tail);
    p->next_tail = to;
    p->next_s = fm_at(to, tail);
}

bool fm_gpu_mixer(fm_backend *b, uint32_t layer, const fm_stretch *stretches, uint32_t count, fm_poll poll,
                  void *poll_context) {
    const fm_gpu_layer *l = &b->weights.layers[layer];
    uint32_t chunk = b->plan.chunk, i = 0, done_of_stretch = 0, chunks_of_stretch = 0;
    for (uint32_t first = 0; first < b->block; first += chunk) {
        uint32_t n = b->block - first < chunk ? b->block - first : chunk;
        fm_range x = fm_at(b->scratch.x, (uint64_t)first * b->config.hidden * sizeof(float));
        b->rotation_of_chunk = fm_at(b->scratch.rotation, (uint64_t)first * b->rotation_stride);
        project_in(b, l, x, n);
        fm_gpu_barrier(b);
        for (uint32_t at = 0; at < n;) {
            const fm_stretch *s = &stretches[i];
            uint32_t left = s->n - done_of_stretch, take = left < n - at ? left : n - at;
            piece p = {
                .state = s->state, .layer = layer, .position = s->position + done_of_stretch, .first = at, .n = take};
            if (l->full) {
                attend(b, l, &p);
            } else {
                /* Chunks that this stretch still has after this one decide where this one goes. */
                uint32_t after = (left - take + chunk - 1) / chunk;
                place_state(b, &p, chunks_of_stretch, chunks_of_stretch + 1 + after);
                delta(b, l, &p);
            }
            fm_gpu_barrier(b);
            at += take;
            done_of_stretch += take;
            chunks_of_stretch++;
            if (done_of_stretch == s->n) {
                i++;
                done_of_stretch = chunks_of_stretch = 0;
            }
        }
        project_out(b, l, x, n);
        fm_gpu_barrier(b);
        if (poll && poll(poll_context))
            return false;
    }
    (void)count;
    return true;
}
