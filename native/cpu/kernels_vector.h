/* Everything but products, written once over the vectors of an instruction set.
 *
 * The file that includes this defines V (vector of LANES floats) and v_zero, v_set1, v_loadu, v_storeu, v_add, v_sub,
 * v_mul, v_div, v_fma(a, b, c) = a b + c, v_fnma(a, b, c) = c - a b, v_min and v_max (the second where one is NaN),
 * v_round (to even), v_pow2 (of a whole number in [-126, 127]), v_clear_less(x, limit, y) = x < limit ? 0 : y,
 * v_load_part(p, count) and v_store_part(p, x, count) for the first count lanes (the others are zero and not touched),
 * ATTEND_HEADS (queries whose 4 vectors of sums each fit in registers), v_sum, v_most (over the lanes), reduce4 (four
 * sums, in an order of additions that is the same for each), v_stream (a store past the caches, to an address that is a
 * multiple of its size) and v_stream_end (after which other threads see what was streamed).
 *
 * The last lanes of a run go through the same operations as full vectors, so that a value does not depend on where in
 * the run it stands. */

/* ---- the exponential ------------------------------------------------------------------------------------------------
 */

/* exp x = 2^n exp r with n whole and |r| <= ln 2 / 2; the polynomial is Cephes' expf. 1 to 2 ulp; zero below 2^-125,
 * infinite above the largest float, NaN of NaN. */
static inline V v_exp(V x) {
    const float lowest = -86.6f;
    V clamped = v_min(v_set1(89), x); /* what is too low is cleared in the end */
    V n = v_round(v_mul(clamped, v_set1(1.44269504088896341f)));
    V r = v_fnma(n, v_set1(0.693359375f), clamped);
    r = v_fnma(n, v_set1(-2.12194440e-4f), r);
    V p = v_set1(1.9875691500e-4f);
    p = v_fma(p, r, v_set1(1.3981999507e-3f));
    p = v_fma(p, r, v_set1(8.3334519073e-3f));
    p = v_fma(p, r, v_set1(4.1665795894e-2f));
    p = v_fma(p, r, v_set1(1.6666665459e-1f));
    p = v_fma(p, r, v_set1(5.0000001201e-1f));
    p = v_add(v_fma(p, v_mul(r, r), r), v_set1(1));
    V half = v_pow2(v_sub(n, v_set1(1))); /* n may be 128, whose power is no float */
    return v_clear_less(x, v_set1(lowest), v_mul(v_add(p, p), half));
}

/* 1 + exp(-x), what sigmoid and silu divide by. */
static inline V v_one_plus_exp_minus(V x) {
    return v_add(v_set1(1), v_exp(v_sub(v_zero(), x)));
}

static inline V v_silu(V x) {
    return v_div(x, v_one_plus_exp_minus(x));
}

static inline V v_load_some(const float *p, uint32_t count) {
    return count >= LANES ? v_loadu(p) : v_load_part(p, count);
}

static inline void v_store_some(float *p, V x, uint32_t count) {
    if (count >= LANES)
        v_storeu(p, x);
    else
        v_store_part(p, x, count);
}

/* ---- elementwise
 * ------------------------------------------------------------------------------------------------------ */

static float sum_of_squares(const float *x, uint32_t n) {
    V sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
    for (uint32_t i = 0, j = 0; i < n; i += LANES, j++) {
        V v = v_load_some(x + i, n - i);
        sum[j % 4] = v_fma(v, v, sum[j % 4]);
    }
    return v_sum(v_add(v_add(sum[0], sum[1]), v_add(sum[2], sum[3])));
}

static float inverse_rms(const float *x, uint32_t n, float eps) {
    return 1 / sqrtf(sum_of_squares(x, n) / (float)n + eps);
}

static void rms_norm(const float *x, const float *w, uint32_t n, float eps, float *out) {
    V inverse = v_set1(inverse_rms(x, n, eps));
    for (uint32_t i = 0; i < n; i += LANES) {
        V normed = v_mul(v_load_some(x + i, n - i), inverse);
        v_store_some(out + i, v_mul(normed, v_load_some(w + i, n - i)), n - i);
    }
}

static void l2_norm(float *x, uint32_t n, float scale) {
    V factor = v_set1(scale / sqrtf(sum_of_squares(x, n) + 1e-6f));
    for (uint32_t i = 0; i < n; i += LANES)
        v_store_some(x + i, v_mul(v_load_some(x + i, n - i), factor), n - i);
}

static void gated_norm(const float *o, const float *z, const float *w, uint32_t n, float eps, float *out) {
    V inverse = v_set1(inverse_rms(o, n, eps));
    for (uint32_t i = 0; i < n; i += LANES) {
        V normed = v_mul(v_load_some(w + i, n - i), v_mul(v_load_some(o + i, n - i), inverse));
        v_store_some(out + i, v_mul(normed, v_silu(v_load_some(z + i, n - i))), n - i);
    }
}

static void silu_mul(const float *gate, const float *up, uint32_t n, float *out) {
    for (uint32_t i = 0; i < n; i += LANES)
        v_store_some(out + i, v_mul(v_silu(v_load_some(gate + i, n - i)), v_load_some(up + i, n - i)), n - i);
}

static void sigmoid_mul(float *x, const float *gate, uint32_t n) {
    for (uint32_t i = 0; i < n; i += LANES) {
        V sigmoid = v_div(v_set1(1), v_one_plus_exp_minus(v_load_some(gate + i, n - i)));
        v_store_some(x + i, v_mul(v_load_some(x + i, n - i), sigmoid), n - i);
    }
}

static void axpy(float a, const float *x, float *y, uint32_t n) {
    for (uint32_t i = 0; i < n; i += LANES)
        v_store_some(y + i, v_fma(v_set1(a), v_load_some(x + i, n - i), v_load_some(y + i, n - i)), n - i);
}

/* x [n] becomes exp(x - max), whose sum is returned. */
static float exp_minus_max(float *x, uint32_t n, float *max) {
    V most = v_set1(-INFINITY);
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        most = v_max(most, v_loadu(x + i));
    float largest = v_most(most);
    for (; i < n; i++)
        largest = x[i] > largest ? x[i] : largest;
    V shift = v_set1(largest), sum = v_zero();
    for (i = 0; i + LANES <= n; i += LANES) {
        V e = v_exp(v_sub(v_loadu(x + i), shift));
        v_storeu(x + i, e);
        sum = v_add(sum, e);
    }
    if (i < n) {
        v_store_part(x + i, v_exp(v_sub(v_load_part(x + i, n - i), shift)), n - i);
        sum = v_add(sum, v_load_part(x + i, n - i)); /* read back: zeros after the end */
    }
    *max = largest;
    return v_sum(sum);
}

/* ---- attention
 * -------------------------------------------------------------------------------------------------------- */

enum {
    ATTEND_ROWS = 32,              /* queries of a pass through keys and values */
    ATTEND_KEYS = 16,              /* positions whose keys stay in the nearest cache for all of them */
    ATTEND_VALUES = 64,            /* the same of values, of which a few columns are taken at a time */
    ATTEND_W = FM_ATTEND_SPAN + 4, /* room for the scores of a row */
};

/* Scores of some rows at four positions; positions may repeat. */
INLINE void scores(int rows, const float *const *q, const float *const *k, uint32_t dim, float (*out)[ATTEND_W],
                   uint32_t at) {
    V s[ATTEND_HEADS][4];
    UNROLL
    for (int r = 0; r < rows; r++)
        s[r][0] = s[r][1] = s[r][2] = s[r][3] = v_zero();
    for (uint32_t i = 0; i < dim; i += LANES) {
        V key[4];
        UNROLL
        for (int j = 0; j < 4; j++)
            key[j] = v_load_some(k[j] + i, dim - i);
        UNROLL
        for (int r = 0; r < rows; r++) {
            V query = v_load_some(q[r] + i, dim - i);
            UNROLL
            for (int j = 0; j < 4; j++)
                s[r][j] = v_fma(query, key[j], s[r][j]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        reduce4(s[r][0], s[r][1], s[r][2], s[r][3], out[r] + at);
}

/* Adds positions [first, last) to columns [i, i + vectors * LANES) of the weighted sums of some rows. */
INLINE void weigh(int rows, int vectors, const float (*w)[ATTEND_W], const float *v, uint32_t first, uint32_t last,
                  uint32_t dim, uint32_t i, float *out) {
    V s[ATTEND_HEADS][4];
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int c = 0; c < vectors; c++)
        s[r][c] = first ? v_load_some(out + (size_t)r * dim + i + c * LANES, dim - i - (uint32_t)c * LANES) : v_zero();
    for (uint32_t j = first; j < last; j++) {
        V value[4];
        UNROLL
        for (int c = 0; c < vectors; c++)
            value[c] = vectors > 1 ? v_loadu(v + (size_t)j * dim + i + c * LANES)
                                   : v_load_some(v + (size_t)j * dim + i, dim - i);
        UNROLL
        for (int r = 0; r < rows; r++) {
            V weight = v_set1(w[r][j]);
            UNROLL
            for (int c = 0; c < vectors; c++)
                s[r][c] = v_fma(weight, value[c], s[r][c]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int c = 0; c < vectors; c++)
        v_store_some(out + (size_t)r * dim + i + c * LANES, s[r][c], dim - i - (uint32_t)c * LANES);
}

/* Columns [i, i + vectors * LANES) of the weighted sums of all rows. */
INLINE void weigh_columns(int vectors, uint32_t rows, const float (*w)[ATTEND_W], const float *v, uint32_t len,
                          uint32_t dim, uint32_t i, float *out) {
    for (uint32_t first = 0; first < len; first += ATTEND_VALUES) {
        const uint32_t last = len - first < ATTEND_VALUES ? len : first + ATTEND_VALUES;
        uint32_t r = 0;
        for (; r + ATTEND_HEADS <= rows; r += ATTEND_HEADS)
            weigh(ATTEND_HEADS, vectors, w + r, v, first, last, dim, i, out + (size_t)r * dim);
        for (; r < rows; r++)
            weigh(1, vectors, w + r, v, first, last, dim, i, out + (size_t)r * dim);
    }
}

/* At most ATTEND_ROWS rows, which share the loads of keys and values. */
static void attend_rows(const float *const *q, uint32_t rows, const float *k, const float *v, uint32_t len,
                        uint32_t dim, float *out, float *max, float *sum) {
    float w[ATTEND_ROWS][ATTEND_W] __attribute__((aligned(64)));
    for (uint32_t first = 0; first < len; first += ATTEND_KEYS)
        for (uint32_t r = 0; r < rows;) {
            const uint32_t count = rows - r < ATTEND_HEADS ? 1 : ATTEND_HEADS;
            for (uint32_t j = first; j < len && j < first + ATTEND_KEYS; j += 4) {
                const float *keys[4];
                for (uint32_t p = 0; p < 4; p++)
                    keys[p] = k + (size_t)(j + p < len ? j + p : len - 1) * dim;
                if (count == ATTEND_HEADS)
                    scores(ATTEND_HEADS, q + r, keys, dim, w + r, j);
                else
                    scores(1, q + r, keys, dim, w + r, j);
            }
            r += count;
        }
    for (uint32_t r = 0; r < rows; r++)
        sum[r] = exp_minus_max(w[r], len, &max[r]);
    uint32_t i = 0;
    for (; i + 4 * LANES <= dim; i += 4 * LANES)
        weigh_columns(4, rows, (const float(*)[ATTEND_W])w, v, len, dim, i, out);
    for (; i < dim; i += LANES)
        weigh_columns(1, rows, (const float(*)[ATTEND_W])w, v, len, dim, i, out);
}

static void attend_span(const float *q, size_t ldq, uint32_t tokens, uint32_t heads, const float *k, const float *v,
                        uint32_t len, uint32_t dim, float *out, float *max, float *sum) {
    const float *rows[ATTEND_ROWS];
    for (uint32_t done = 0, all = tokens * heads; done < all;) {
        uint32_t count = 0;
        for (; count < ATTEND_ROWS && done + count < all; count++)
            rows[count] = q + (done + count) / heads * ldq + (size_t)((done + count) % heads) * dim;
        attend_rows(rows, count, k, v, len, dim, out + (size_t)done * dim, max + done, sum + done);
        done += count;
    }
}

/* ---- the delta rule
 * ---------------------------------------------------------------------------------------------------- */

enum {
    DELTA_VECTORS = 4,      /* of columns at a time */
    DELTA_ROWS = 128,       /* of the state at most, whose columns are copied together to stay in the nearest cache */
    DELTA_LARGE = 128 * 64, /* numbers of a head's state, from which on all heads leave no cache as it was */
};

/* Columns of the state: vectors in a row, and the distance of rows. */
typedef struct {
    float *s;
    size_t ld;
} delta_block;

/* Passes through some columns of the state once: the update by one token's k and d, unless there is none, into `to`,
 * and the products of the result with the next token's k and q, unless there is none. count: columns that are there,
 * when vectors is 1. stream: what is stored will not be read soon. */
INLINE void delta_pass(int vectors, bool update, bool read, bool stream, const float *from, size_t ld_from,
                       delta_block to, uint32_t dk, uint32_t count, const float *k, float decay, const V *d,
                       const float *next_k, const float *next_q, V *by_k, V *by_q) {
    const V fade = v_set1(decay);
    UNROLL
    for (int c = 0; c < vectors; c++)
        by_k[c] = by_q[c] = v_zero();
    for (uint32_t i = 0; i < dk; i++) {
        V key = update ? v_set1(k[i]) : v_zero(), next_key = read ? v_set1(next_k[i]) : v_zero(),
          next_query = read ? v_set1(next_q[i]) : v_zero();
        UNROLL
        for (int c = 0; c < vectors; c++) {
            const float *s = from + i * ld_from + c * LANES;
            V state = vectors > 1 ? v_loadu(s) : v_load_some(s, count);
            if (update) {
                state = v_fma(key, d[c], v_mul(fade, state));
                float *out = to.s + i * to.ld + c * LANES;
                if (stream && vectors > 1)
                    v_stream(out, state);
                else if (vectors > 1)
                    v_storeu(out, state);
                else
                    v_store_some(out, state, count);
            }
            if (read) {
                by_k[c] = v_fma(state, next_key, by_k[c]);
                by_q[c] = v_fma(state, next_query, by_q[c]);
            }
        }
    }
}

static float delta_dot(const float *a, const float *b, uint32_t n) {
    V sum = v_zero();
    for (uint32_t i = 0; i < n; i += LANES)
        sum = v_fma(v_load_some(a + i, n - i), v_load_some(b + i, n - i), sum);
    return v_sum(sum);
}

/* Columns [j, j + vectors * LANES) through all tokens, while they are in the nearest cache. Several tokens are given
 * `room` where the columns lie together, since those of the state itself fall on few of the cache's sets. */
INLINE void delta_columns(int vectors, const float *s_in, float *s_out, uint32_t dk, uint32_t dv, uint32_t j,
                          const fm_delta_tokens *tokens, float *room, bool stream) {
    const uint32_t count = dv - j;
    delta_block out = {s_out + j, dv}, block = room ? (delta_block){room, DELTA_VECTORS * LANES} : out;
    const float *from = s_in + j;
    size_t ld = dv;
    V by_k[DELTA_VECTORS], by_q[DELTA_VECTORS], d[DELTA_VECTORS];
    delta_pass(vectors, false, true, false, from, ld, block, dk, count, NULL, 0, NULL, tokens->k, tokens->q, by_k,
               by_q);
    for (uint32_t t = 0; t < tokens->n; t++) {
        const float *q = tokens->q + t * tokens->ld, *k = tokens->k + t * tokens->ld, *v = tokens->v + t * tokens->ld;
        const float decay = tokens->decay[t * tokens->ld_gates], beta = tokens->beta[t * tokens->ld_gates];
        float *o = tokens->o + t * tokens->ldo;
        const V fade = v_set1(decay), kq = v_set1(delta_dot(k, q, dk));
        UNROLL
        for (int c = 0; c < vectors; c++) {
            const uint32_t at = j + (uint32_t)c * LANES;
            d[c] = v_mul(v_set1(beta), v_fnma(fade, by_k[c], v_load_some(v + at, dv - at)));
            v_store_some(o + at, v_fma(kq, d[c], v_mul(fade, by_q[c])), dv - at);
        }
        if (t + 1 < tokens->n)
            delta_pass(vectors, true, true, false, from, ld, block, dk, count, k, decay, d, k + tokens->ld,
                       q + tokens->ld, by_k, by_q);
        else if (stream)
            delta_pass(vectors, true, false, true, from, ld, out, dk, count, k, decay, d, NULL, NULL, by_k, by_q);
        else
            delta_pass(vectors, true, false, false, from, ld, out, dk, count, k, decay, d, NULL, NULL, by_k, by_q);
        from = block.s;
        ld = block.ld;
    }
}

static void delta_rule(const float *s_in, float *s_out, uint32_t dk, uint32_t dv, const fm_delta_tokens *tokens) {
    float room[DELTA_ROWS * DELTA_VECTORS * LANES] __attribute__((aligned(64)));
    float *used = tokens->n > 1 && dk <= DELTA_ROWS ? room : NULL;
    /* The next token's step is a whole pass through the weights away. A plain store would read what it overwrites. */
    const bool stream = dk * dv >= DELTA_LARGE && dv % LANES == 0 && (uintptr_t)s_out % sizeof(V) == 0;
    uint32_t j = 0;
    for (; j + DELTA_VECTORS * LANES <= dv; j += DELTA_VECTORS * LANES)
        delta_columns(DELTA_VECTORS, s_in, s_out, dk, dv, j, tokens, used, stream);
    for (; j < dv; j += LANES)
        delta_columns(1, s_in, s_out, dk, dv, j, tokens, used, false);
    if (stream)
        v_stream_end();
}

/* ---- convolution
 * --------------------------------------------------------------------------------------------------------- */

static void conv_silu(const float *u, size_t ldu, const float *tail_in, float *tail_out, const float *w,
                      uint32_t channels, uint32_t k, uint32_t n, float *out, size_t ldo) {
    /* Input number p of the sequence tail_in | u, which has k - 1 + n. */
#define INPUT(p) ((p) < k - 1 ? tail_in + (size_t)(p) * channels : u + ((p) - (k - 1)) * ldu)
    for (uint32_t t = 0; t < n; t++)
        for (uint32_t c = 0; c < channels; c += LANES) {
            V sum = v_zero();
            for (uint32_t i = 0; i < k; i++)
                sum = v_fma(v_load_some(w + (size_t)i * channels + c, channels - c),
                            v_load_some(INPUT(t + i) + c, channels - c), sum);
            v_store_some(out + t * ldo + c, v_silu(sum), channels - c);
        }
    for (uint32_t i = 0; i + 1 < k; i++) /* ascending, so in place is right */
        memmove(tail_out + (size_t)i * channels, INPUT(n + i), channels * sizeof *tail_out);
#undef INPUT
}
