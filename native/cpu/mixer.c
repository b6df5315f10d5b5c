/* The mixers: x += mixer(N1(x)). The equations are those of docs/architecture.md, one helper a step. Products run over
 * a chunk of tokens at once, whosever they are; attention and the delta rule take the chunk's sessions one after
 * another and go token by token, so that a token's result does not depend on how the prompt was cut or on its
 * neighbours. */
#include "cpu.h"

#include <math.h>
#include <string.h>

/* ---- gated full attention ------------------------------------------------------------------------------------------
 */

/* n tokens of one session, in rows row … row + n - 1 of the chunk. */
typedef struct attention {
    fm_backend *b;
    const fm_layer *layer;
    fm_state *state;
    uint32_t index; /* of the layer */
    uint32_t row, n;
    uint32_t position; /* of the first token */
    uint32_t group;    /* query heads of a key/value head */
    uint32_t spans;    /* of the one token in decode */
} attention;

/* NeoX rotation of the first rope_dim dimensions, by position. */
static void rotate(const fm_backend *b, float *head, uint32_t position) {
    uint32_t half = b->config.rope_dim / 2;
    for (uint32_t j = 0; j < half; j++) {
        float angle = (float)position * b->inv_freq[j];
        float cosine = cosf(angle), sine = sinf(angle);
        float x1 = head[j], x2 = head[half + j];
        head[j] = x1 * cosine - x2 * sine;
        head[half + j] = x2 * cosine + x1 * sine;
    }
}

/* Norm and rotation of the keys and queries of one token and key/value head; keys and values enter the cache. */
static void place_one(void *context, uint32_t task, uint32_t thread) {
    (void)thread;
    const attention *a = context;
    fm_backend *b = a->b;
    const fm_config *c = &b->config;
    fm_scratch *s = &b->scratch;
    uint32_t t = task / c->kv_heads, j = task % c->kv_heads, dim = c->head_dim, position = a->position + t;
    size_t row = a->row + t, at = (row * c->kv_heads + j) * dim;

    float *key = fm_state_keys(a->state, a->index, j) + (size_t)position * dim;
    b->kernels->rms_norm(s->k + at, a->layer->k_norm, dim, c->norm_eps, key);
    rotate(b, key, position);
    memcpy(fm_state_values(a->state, a->index, j) + (size_t)position * dim, s->v + at, dim * sizeof(float));

    float scale = 1.0f / sqrtf((float)dim);
    for (uint32_t g = 0; g < a->group; g++) {
        uint32_t head = j * a->group + g;
        float *q = s->qn + (row * c->heads + head) * dim;
        b->kernels->rms_norm(s->qg + (row * c->heads + head) * 2 * dim, a->layer->q_norm, dim, c->norm_eps, q);
        rotate(b, q, position);
        for (uint32_t d = 0; d < dim; d++)
            q[d] *= scale;
    }
}

/* Partial results over one span of positions, for some rows of queries: out [rows][dim] unnormalised, max, sum. */
typedef struct partial {
    float *out, *max, *sum;
} partial;

/* Room number `index` of the scratch, with those after it as far as the rows go. */
static partial partial_at(const attention *a, size_t index, uint32_t rows) {
    float *p = a->b->scratch.spans + index * a->b->scratch.span_floats;
    uint32_t dim = a->b->config.head_dim;
    return (partial){p, p + (size_t)rows * dim, p + (size_t)rows * (dim + 1)};
}

static partial partial_row(partial p, uint32_t row, uint32_t dim) {
    return (partial){p.out + (size_t)row * dim, p.max + row, p.sum + row};
}

/* The first of the query heads of token t and key/value head j, among those of all rows. */
static size_t head_of(const attention *a, uint32_t t, uint32_t j) {
    return (size_t)(a->row + t) * a->b->config.heads + (size_t)j * a->group;
}

/* Tokens [t, t + tokens), which see equally much of the span. */
static void attend(const attention *a, uint32_t t, uint32_t tokens, uint32_t j, uint32_t span, partial p) {
    const fm_config *c = &a->b->config;
    uint32_t first = span * FM_ATTEND_SPAN, len = a->position + t + 1 - first;
    if (len > FM_ATTEND_SPAN)
        len = FM_ATTEND_SPAN;
    size_t at = (size_t)first * c->head_dim;
    const float *q = a->b->scratch.qn + head_of(a, t, j) * c->head_dim;
    a->b->kernels->attend_span(q, (size_t)c->heads * c->head_dim, tokens, a->group,
                               fm_state_keys(a->state, a->index, j) + at, fm_state_values(a->state, a->index, j) + at,
                               len, c->head_dim, p.out, p.max, p.sum);
}

/* Adds a span's partial result to the sum over the spans before it, in order. The first is the sum. */
static void merge(const attention *a, partial total, partial p, bool first) {
    uint32_t dim = a->b->config.head_dim;
    if (first) {
        memcpy(total.out, p.out, (size_t)a->group * dim * sizeof *p.out);
        memcpy(total.max, p.max, a->group * sizeof *p.max);
        memcpy(total.sum, p.sum, a->group * sizeof *p.sum);
        return;
    }
    for (uint32_t g = 0; g < a->group; g++) {
        float max = fmaxf(total.max[g], p.max[g]);
        float before = expf(total.max[g] - max), now = expf(p.max[g] - max);
        float *sum = total.out + (size_t)g * dim;
        const float *out = p.out + (size_t)g * dim;
        for (uint32_t d = 0; d < dim; d++)
            sum[d] = sum[d] * before + out[d] * now;
        total.sum[g] = total.sum[g] * before + p.sum[g] * now;
        total.max[g] = max;
    }
}

/* mixed = attention / sum * sigmoid(gate), for the heads of one key/value head. */
static void finish(const attention *a, uint32_t t, uint32_t j, partial total) {
    uint32_t dim = a->b->config.head_dim;
    for (uint32_t g = 0; g < a->group; g++) {
        size_t head = head_of(a, t, j) + g;
        float *out = a->b->scratch.mixed + head * dim;
        float share = 1.0f / total.sum[g];
        for (uint32_t d = 0; d < dim; d++)
            out[d] = total.out[(size_t)g * dim + d] * share;
        a->b->kernels->sigmoid_mul(out, a->b->scratch.qg + head * 2 * dim + dim, dim);
    }
}

/* Decode: spans of one token are shared out, then merged in order. */
static void attend_span_one(void *context, uint32_t task, uint32_t thread) {
    (void)thread;
    const attention *a = context;
    attend(a, 0, 1, task / a->spans, task % a->spans, partial_at(a, task, a->group));
}

static void merge_spans(const attention *a) {
    for (uint32_t j = 0; j < a->b->config.kv_heads; j++) {
        partial total = partial_at(a, (size_t)j * a->spans, a->group);
        for (uint32_t span = 1; span < a->spans; span++)
            merge(a, total, partial_at(a, (size_t)j * a->spans + span, a->group), false);
        finish(a, 0, j, total);
    }
}

/* Prefill: a few tokens and one key/value head, span by span, in the same order as in decode. Spans that all of the
 * tokens see whole are passed through once for all of them. Sums are kept in the tokens' own parts of `mixed`, each
 * span's result in the thread's. */
static void attend_tokens_one(void *context, uint32_t task, uint32_t thread) {
    const attention *a = context;
    const fm_config *c = &a->b->config;
    uint32_t j = task % c->kv_heads, t0 = task / c->kv_heads * FM_ATTEND_TOKENS;
    uint32_t tokens = a->n - t0 < FM_ATTEND_TOKENS ? a->n - t0 : FM_ATTEND_TOKENS, rows = tokens * a->group;
    partial p = partial_at(a, (size_t)thread * FM_ATTEND_TOKENS, rows);
    partial totals[FM_ATTEND_TOKENS];
    for (uint32_t t = 0; t < tokens; t++)
        totals[t] = (partial){a->b->scratch.mixed + head_of(a, t0 + t, j) * c->head_dim, p.sum + rows + t * a->group,
                              p.sum + 2 * rows + t * a->group};
    uint32_t whole = (a->position + t0 + 1) / FM_ATTEND_SPAN;
    for (uint32_t span = 0; span < whole; span++) {
        attend(a, t0, tokens, j, span, p);
        for (uint32_t t = 0; t < tokens; t++)
            merge(a, totals[t], partial_row(p, t * a->group, c->head_dim), span == 0);
    }
    for (uint32_t t = 0; t < tokens; t++) {
        uint32_t spans = fm_attention_spans(a->position + t0 + t + 1);
        for (uint32_t span = whole; span < spans; span++) {
            attend(a, t0 + t, 1, j, span, p);
            merge(a, totals[t], p, span == 0);
        }
        finish(a, t0 + t, j, totals[t]);
    }
}

/* qg, k, v of the chunk's n rows. */
static void project_full(fm_backend *b, const fm_layer *l, uint32_t n) {
    fm_scratch *s = &b->scratch;
    const fm_config *c = &b->config;
    uint32_t query = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    fm_prepared rows = fm_prepare_rows(s->norm, c->hidden, n, c->hidden);
    fm_product products[] = {
        {&l->q, fm_prepared_for(b, &rows, &l->q.format), n, s->qg, 2 * query},
        {&l->k, fm_prepared_for(b, &rows, &l->k.format), n, s->k, kv},
        {&l->v, fm_prepared_for(b, &rows, &l->v.format), n, s->v, kv},
    };
    fm_products_run(b, products, 3);
}

static void full_attention(attention *a) {
    fm_pool *pool = a->b->pool;
    uint32_t kv_heads = a->b->config.kv_heads;
    fm_pool_run(pool, a->n * kv_heads, place_one, a);
    if (a->n == 1) {
        fm_pool_run(pool, kv_heads * a->spans, attend_span_one, a);
        merge_spans(a);
    } else {
        fm_pool_run(pool, (a->n + FM_ATTEND_TOKENS - 1) / FM_ATTEND_TOKENS * kv_heads, attend_tokens_one, a);
    }
}

/* ---- Gated DeltaNet ---------------------------------------------------------------------------------------------- */

/* n tokens of one session, in rows row … row + n - 1 of the chunk. */
typedef struct delta_net {
    fm_backend *b;
    const fm_layer *layer;
    const struct fm_recurrent *from; /* the state before these tokens */
    const struct fm_recurrent *to;   /* and after them; may be the same */
    uint32_t row, n;
} delta_net;

static void conv_one(void *context, uint32_t block, uint32_t thread) {
    (void)thread;
    const delta_net *d = context;
    const fm_config *c = &d->b->config;
    fm_scratch *s = &d->b->scratch;
    uint32_t channels = fm_linear_channels(c), first = block * FM_CONV_BLOCK, k = c->conv_kernel;
    uint32_t width = channels - first < FM_CONV_BLOCK ? channels - first : FM_CONV_BLOCK;
    size_t at = (size_t)d->row * channels + first;
    d->b->kernels->conv_silu(s->u + at, channels, d->from->tail + (size_t)first * (k - 1),
                             d->to->tail + (size_t)first * (k - 1), d->layer->conv + (size_t)first * k, width, k, d->n,
                             s->conv + at, channels);
}

static float softplus(float x) {
    return x > 20.0f ? x : log1pf(expf(x));
}

/* Norms of one token's q and k; a and b become decay and beta. All in place. */
static void gates_one(void *context, uint32_t t, uint32_t thread) {
    (void)thread;
    const delta_net *d = context;
    const fm_config *c = &d->b->config;
    fm_scratch *s = &d->b->scratch;
    uint32_t dk = c->linear_key_dim, heads = c->linear_key_heads, value_heads = c->linear_value_heads;
    float *q = s->conv + (size_t)(d->row + t) * fm_linear_channels(c), *k = q + (size_t)heads * dk;
    for (uint32_t head = 0; head < heads; head++) {
        d->b->kernels->l2_norm(q + (size_t)head * dk, dk, 1.0f / sqrtf((float)dk));
        d->b->kernels->l2_norm(k + (size_t)head * dk, dk, 1.0f);
    }
    float *a = s->a + (size_t)(d->row + t) * value_heads, *b = s->b + (size_t)(d->row + t) * value_heads;
    for (uint32_t head = 0; head < value_heads; head++) {
        a[head] = expf(d->layer->decay[head] * softplus(a[head] + d->layer->dt_bias[head]));
        b[head] = 1.0f / (1.0f + expf(-b[head]));
    }
}

/* One value head through all of the tokens: delta rule, gated norm. */
static void delta_one(void *context, uint32_t head, uint32_t thread) {
    (void)thread;
    const delta_net *d = context;
    fm_backend *b = d->b;
    const fm_config *c = &b->config;
    fm_scratch *s = &b->scratch;
    uint32_t dk = c->linear_key_dim, dv = c->linear_value_dim, value_heads = c->linear_value_heads;
    uint32_t key_head = head / (value_heads / c->linear_key_heads), channels = fm_linear_channels(c);
    size_t key_width = (size_t)c->linear_key_heads * dk, state = (size_t)head * dk * dv;
    size_t at = (size_t)d->row * value_heads + head;
    const float *mixed = s->conv + (size_t)d->row * channels;
    fm_delta_tokens tokens = {.q = mixed + (size_t)key_head * dk,
                              .k = mixed + key_width + (size_t)key_head * dk,
                              .v = mixed + 2 * key_width + (size_t)head * dv,
                              .ld = channels,
                              .decay = s->a + at,
                              .beta = s->b + at,
                              .ld_gates = value_heads,
                              .o = s->mixed + at * dv,
                              .ldo = (size_t)value_heads * dv,
                              .n = d->n};
    b->kernels->delta_rule(d->from->s + state, d->to->s + state, dk, dv, &tokens);
    for (uint32_t t = 0; t < d->n; t++, at += value_heads)
        b->kernels->gated_norm(s->mixed + at * dv, s->z + at * dv, d->layer->linear_norm, dv, c->norm_eps,
                               s->mixed + at * dv);
}

/* u, z, a, b of the chunk's n rows. */
static void project_linear(fm_backend *b, const fm_layer *l, uint32_t n) {
    fm_scratch *s = &b->scratch;
    const fm_config *c = &b->config;
    uint32_t value = c->linear_value_heads * c->linear_value_dim;
    fm_prepared rows = fm_prepare_rows(s->norm, c->hidden, n, c->hidden);
    fm_product products[] = {
        {&l->in_qkv, fm_prepared_for(b, &rows, &l->in_qkv.format), n, s->u, fm_linear_channels(c)},
        {&l->in_z, fm_prepared_for(b, &rows, &l->in_z.format), n, s->z, value},
        {&l->in_a, fm_prepared_for(b, &rows, &l->in_a.format), n, s->a, c->linear_value_heads},
        {&l->in_b, fm_prepared_for(b, &rows, &l->in_b.format), n, s->b, c->linear_value_heads},
    };
    fm_products_run(b, products, 4);
}

static void gated_delta_net(delta_net *d) {
    const fm_config *c = &d->b->config;
    fm_pool_run(d->b->pool, (fm_linear_channels(c) + FM_CONV_BLOCK - 1) / FM_CONV_BLOCK, conv_one, d);
    fm_pool_run(d->b->pool, d->n, gates_one, d);
    fm_pool_run(d->b->pool, c->linear_value_heads, delta_one, d);
}

/* ---- both -----------------------------------------------------------------------------------------------------------
 */

/* Tokens of a stretch from number `done` on, n of them, which are in rows row, row + 1, … of the chunk. */
static void mix(fm_backend *b, uint32_t index, const fm_stretch *s, uint32_t done, uint32_t row, uint32_t n) {
    const fm_layer *layer = &b->weights.layers[index];
    if (layer->full) {
        uint32_t position = s->position + done;
        full_attention(&(attention){.b = b,
                                    .layer = layer,
                                    .state = s->state,
                                    .index = index,
                                    .row = row,
                                    .n = n,
                                    .position = position,
                                    .group = b->config.heads / b->config.kv_heads,
                                    .spans = fm_attention_spans(position + 1)});
    } else {
        struct fm_recurrent *const *copies = s->state->recurrent;
        uint32_t current = s->state->current, pending = current ^ 1;
        gated_delta_net(&(delta_net){.b = b,
                                     .layer = layer,
                                     .from = &copies[done ? pending : current][index],
                                     .to = &copies[pending][index],
                                     .row = row,
                                     .n = n});
    }
}

bool fm_cpu_mixer(fm_backend *b, uint32_t index, const fm_stretch *stretches, uint32_t count, fm_poll poll,
                  void *poll_context) {
    const fm_layer *layer = &b->weights.layers[index];
    fm_scratch *s = &b->scratch;
    const fm_config *c = &b->config;
    const fm_matrix *out = layer->full ? &layer->o : &layer->out;
    uint32_t width = layer->full ? c->heads * c->head_dim : c->linear_value_heads * c->linear_value_dim;
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += stretches[i].n;
    /* The next token is number `done` of stretch i. */
    for (uint32_t first = 0, i = 0, done = 0; first < total; first += b->plan.chunk) {
        uint32_t n = total - first < b->plan.chunk ? total - first : b->plan.chunk;
        float *x = s->x + (size_t)first * c->hidden;
        fm_norm_rows(b, x, c->hidden, layer->input_norm, n, s->norm, c->hidden);
        if (layer->full)
            project_full(b, layer, n);
        else
            project_linear(b, layer, n);
        for (uint32_t row = 0; row < n;) {
            uint32_t left = stretches[i].n - done, part = left < n - row ? left : n - row;
            mix(b, index, &stretches[i], done, row, part);
            row += part;
            done = part < left ? done + part : 0;
            i += done == 0;
        }
        fm_prepared rows = fm_prepare_rows(s->mixed, width, n, width);
        fm_products_run(b, &(fm_product){out, fm_prepared_for(b, &rows, &out->format), n, s->delta, c->hidden}, 1);
        fm_add_rows(b, x, s->delta, n);
        if (poll && poll(poll_context))
            return false;
    }
    return true;
}
