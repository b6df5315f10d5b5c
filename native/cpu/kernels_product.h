/* Products of stored matrices with activations, written once over the vectors of an instruction set.
 *
 * A row of weights is read in chunks of 8 * LANES columns, which the instruction set unpacks to 8 vectors, its parts:
 * for a float format part s holds columns s * LANES + i; for an affine one lane i of part s holds column 8 i + s, since
 * then 8 neighbours of a few bits lie in one lane, part s is a shift of it, and a lane belongs to one group. prepare
 * stores x in the same order. One chunk of one row and one token is always
 *
 *     p = w[0] x[0] + ... + w[7] x[7];  acc = acc + scale * p
 *
 * in vectors, one fused operation after the other, and acc starts as the dot product of biases and group sums. So the
 * bits of a result do not depend on how rows and tokens are blocked, and two ways can share the work:
 *
 *   direct    few tokens: unpack in registers, 4 rows at a time, at the speed of memory
 *   buffered  many: unpack 8 rows by a few chunks into a buffer once, then 4 rows x 6 tokens of sums in registers
 *
 * What does not fill a chunk is copied to one padded with zeros, weights and x alike, and is computed like the others.
 *
 * The file that includes this defines: V (vector of LANES floats), LANES, v_zero, v_set1, v_load, v_loadu, v_store,
 * v_add, v_mul, v_fma(a, b, c) = a b + c, reduce4(a, b, c, d, out): their four sums, each in the same order, and
 *   chunk_load(kind, p) -> chunk, chunk_part(kind, chunk, p, s): the parts of a chunk at p
 *   chunk_slack(kind): bytes after the chunk that these two may read
 *   load_numbers(dtype, p, count) -> V: up to LANES stored numbers, zeros after count
 *   pick_scales(V scales, const uint32_t *index): lane i = scales[index[i]]
 *   AHEAD(rows, row_bytes): how many bytes ahead direct prefetches, when it reads so many rows side by side
 *   MOST_TOKENS: tokens whose sums fit in registers with those of 4 rows; DIRECT_TOKENS the same when unpacking too
 *     (2 or 4); DIRECT_MOST: the most tokens for which direct is faster */
#include "kernels_convert.h"

/* Loops over rows, tokens and parts have constant bounds and keep their sums in registers when unrolled. Sanitizers get
 * short loops, since checking the long ones takes minutes to compile; the number of a part must stay a constant. */
#define UNROLL_PARTS _Pragma("GCC unroll 8")
#define UNROLL       UNROLL_PARTS
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer) || __has_feature(thread_sanitizer)
#undef UNROLL
#define UNROLL _Pragma("GCC unroll 1")
#endif
#endif

#define INLINE   static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))

enum {
    CHUNK = 8 * LANES,
    ROWS = 4,             /* of sums in registers */
    TOKENS = MOST_TOKENS, /* of sums in registers, at most, when buffered */
    TILE = 8,             /* rows unpacked at a time */
    SPAN = 4,             /* chunks unpacked at a time */
    BATCH = 48,           /* tokens for which a tile is unpacked once */
};

/* What differs in unpacking. */
typedef enum { W2, W3, W4, W5, W6, W8, WF32, WF16, WBF16 } kind;

INLINE chunk chunk_load(kind k, const uint8_t *p);
INLINE V chunk_part(kind k, chunk c, const uint8_t *p, int s);
INLINE uint32_t chunk_slack(kind k);

static kind kind_of(const fm_format *f) {
    switch (f->dtype) {
    case FM_F32: return WF32;
    case FM_F16: return WF16;
    case FM_BF16: return WBF16;
    default: return f->bits == 8 ? W8 : (kind)(W2 + (f->bits - 2));
    }
}

INLINE uint32_t chunk_bytes(kind k) {
    static const uint8_t bytes_a_lane[] = {2, 3, 4, 5, 6, 8, 32, 16, 16};
    return bytes_a_lane[k] * LANES;
}

/* One matrix during a call. */
typedef struct {
    const fm_matrix *m;
    size_t row_bytes, scale_bytes;
    uint32_t groups; /* of a row; 0 for a float format */
    int lane_shift;  /* lane l of the row, counted over chunks, belongs to group l >> lane_shift */
    uint32_t row0, row1;
    const uint8_t *end;                                     /* of the weights of the rows */
    uint32_t picks[16][LANES] __attribute__((aligned(64))); /* [chunk][lane] scale of a lane in its vector of scales */
    const float *x;
    size_t ldx;
    const float *sums;
    size_t ldsums;
    float *y;
    size_t ldy;
} product;

INLINE uint32_t group_count(uint32_t groups, uint32_t first) {
    return groups - first < LANES ? groups - first : LANES;
}

/* The dot product of a row's biases and a token's sums, where every sum of products begins. */
INLINE V bias_part(const product *a, uint32_t row, const float *sums) {
    V acc = v_zero();
    const uint8_t *biases = a->m->biases + row * a->scale_bytes;
    fm_dtype dtype = a->m->format.scale_dtype;
    for (uint32_t g = 0; g < a->groups; g += LANES) {
        uint32_t count = group_count(a->groups, g);
        V b = load_numbers(dtype, biases + g * fm_dtype_bytes(dtype), count);
        V s = load_numbers(FM_F32, (const uint8_t *)(sums + g), count);
        acc = v_fma(b, s, acc);
    }
    return acc;
}

INLINE V load_scales(const product *a, uint32_t row, uint32_t g) {
    fm_dtype dtype = a->m->format.scale_dtype;
    return load_numbers(dtype, a->m->scales + row * a->scale_bytes + g * fm_dtype_bytes(dtype),
                        group_count(a->groups, g));
}

/* x of the columns from `col` that do not fill a chunk, as a chunk. */
static void pad_x(const product *a, const float *x, uint32_t col, float *out) {
    uint32_t left = a->m->format.cols - col, lanes = left / 8;
    memset(out, 0, CHUNK * sizeof *out);
    if (!a->groups)
        memcpy(out, x + col, left * sizeof *out);
    else
        for (uint32_t s = 0; s < 8; s++)
            memcpy(out + s * LANES, x + col + s * lanes, lanes * sizeof *out);
}

enum { PADDED_BYTES = 32 * LANES + 64 };

static void pad_weights(const product *a, const uint8_t *row, uint32_t col, uint8_t *out) {
    const fm_format *f = &a->m->format;
    uint32_t left = f->cols - col < CHUNK ? f->cols - col : CHUNK;
    size_t bits = f->dtype == FM_AFFINE ? f->bits : 8 * fm_dtype_bytes(f->dtype), bytes = left * bits / 8;
    memcpy(out, row + col * bits / 8, bytes);
    memset(out + bytes, 0, PADDED_BYTES - bytes);
}

/* ---- direct --------------------------------------------------------------------------------------------------------
 */

/* One chunk of `rows` rows and `tokens` tokens, both constants. */
INLINE void direct_chunk(kind k, int rows, int tokens, const uint8_t *const *w, const V *scales, const uint32_t *pick,
                         const float *const *x, V (*acc)[ROWS]) {
    chunk packed[ROWS];
    V p[DIRECT_TOKENS][ROWS];
    UNROLL
    for (int r = 0; r < rows; r++)
        packed[r] = chunk_load(k, w[r]);
    UNROLL_PARTS
    for (int s = 0; s < 8; s++)
        UNROLL
    for (int r = 0; r < rows; r++) {
        V part = chunk_part(k, packed[r], w[r], s);
        UNROLL
        for (int t = 0; t < tokens; t++) {
            V xs = v_loadu(x[t] + s * LANES);
            p[t][r] = s ? v_fma(part, xs, p[t][r]) : v_mul(part, xs);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        V scale = k < WF32 ? pick_scales(scales[r], pick) : v_zero();
        UNROLL
        for (int t = 0; t < tokens; t++)
            acc[t][r] = k < WF32 ? v_fma(scale, p[t][r], acc[t][r]) : v_add(p[t][r], acc[t][r]);
    }
}

/* Some rows from `row` on (a constant number; what is past the last is the last again) and tokens from t0 on. */
INLINE void direct_rows(kind k, int rows, int tokens, const product *a, uint32_t row, uint32_t t0,
                        const float (*x_tail)[CHUNK], float (*acc_out)[ROWS][LANES]) {
    const uint32_t cols = a->m->format.cols, bytes = chunk_bytes(k), chunks = (cols + CHUNK - 1) / CHUNK;
    const uint32_t span = 1u << a->lane_shift; /* chunks for which a vector of scales lasts */
    uint8_t w_tail[ROWS][PADDED_BYTES];
    const uint8_t *w[ROWS];
    const float *x[DIRECT_TOKENS];
    uint32_t real[ROWS];
    V acc[DIRECT_TOKENS][ROWS], scales[ROWS];
    UNROLL
    for (int t = 0; t < tokens; t++)
        x[t] = a->x + (t0 + (uint32_t)t) * a->ldx;
    UNROLL
    for (int r = 0; r < rows; r++) {
        real[r] = row + (uint32_t)r < a->row1 ? row + (uint32_t)r : a->row1 - 1;
        w[r] = a->m->weight + real[r] * a->row_bytes;
        scales[r] = v_zero();
        UNROLL
        for (int t = 0; t < tokens; t++)
            acc[t][r] = k < WF32 ? bias_part(a, real[r], a->sums + (t0 + (uint32_t)t) * a->ldsums) : v_zero();
    }
    uint32_t full = cols / CHUNK; /* chunks read in place */
    if (full && (size_t)(a->end - (w[rows - 1] + full * bytes)) < chunk_slack(k))
        full--; /* only in the last rows: their last chunk is read from a copy */
    for (uint32_t c = 0; c < chunks; c++) {
        if (k < WF32 && c % span == 0)
            UNROLL
        for (int r = 0; r < rows; r++)
            scales[r] = load_scales(a, real[r], c / span * LANES);
        if (c == full) {
            for (int r = 0; r < rows; r++) {
                pad_weights(a, a->m->weight + real[r] * a->row_bytes, c * CHUNK, w_tail[r]);
                w[r] = w_tail[r];
            }
            for (int t = 0; t < tokens && cols % CHUNK; t++)
                x[t] = x_tail[t];
        }
        UNROLL
        for (int r = 0; r < rows; r++)
            __builtin_prefetch(w[r] + AHEAD(rows, a->row_bytes));
        direct_chunk(k, rows, tokens, w, scales, a->picks[c % span], x, acc);
        UNROLL
        for (int r = 0; r < rows; r++)
            w[r] += bytes;
        UNROLL
        for (int t = 0; t < tokens; t++)
            x[t] += CHUNK;
    }
    UNROLL
    for (int t = 0; t < tokens; t++)
        UNROLL
    for (int r = 0; r < rows; r++)
        v_store(acc_out[t][r], acc[t][r]);
}

/* ROWS rows. A single token is limited by memory, which likes to be read in order: one row after the other. */
INLINE void direct_tile(kind k, int tokens, const product *a, uint32_t row, uint32_t t0, const float (*x_tail)[CHUNK]) {
    float acc[DIRECT_TOKENS][ROWS][LANES] __attribute__((aligned(64)));
    uint32_t rows = a->row1 - row < ROWS ? a->row1 - row : ROWS;
    if (tokens == 1) {
        memset(acc[0], 0, sizeof acc[0]);
        for (uint32_t r = 0; r < rows; r++)
            direct_rows(k, 1, 1, a, row + r, t0, x_tail, (float(*)[ROWS][LANES])acc[0][r]);
    } else {
        direct_rows(k, ROWS, tokens, a, row, t0, x_tail, acc);
    }
    for (int t = 0; t < tokens; t++) {
        float sum[ROWS];
        reduce4(v_load(acc[t][0]), v_load(acc[t][1]), v_load(acc[t][2]), v_load(acc[t][3]), sum);
        memcpy(a->y + (t0 + (uint32_t)t) * a->ldy + row, sum, rows * sizeof *sum);
    }
}

typedef void direct_function(const product *a, uint32_t row, uint32_t t0, const float (*x_tail)[CHUNK]);

#define DIRECT(K, TOKENS)                                                                                              \
    NOINLINE void direct_##K##_##TOKENS(const product *a, uint32_t row, uint32_t t0, const float(*x_tail)[CHUNK]) {    \
        direct_tile(K, TOKENS, a, row, t0, x_tail);                                                                    \
    }
#if DIRECT_TOKENS == 4
#define DIRECTS(K) DIRECT(K, 1) DIRECT(K, 2) DIRECT(K, 4)
#define NAMES(K)   {direct_##K##_1, direct_##K##_2, direct_##K##_4}
#else
#define DIRECTS(K) DIRECT(K, 1) DIRECT(K, 2)
#define NAMES(K)   {direct_##K##_1, direct_##K##_2, NULL}
#endif
DIRECTS(W2)
DIRECTS(W3)
DIRECTS(W4)
DIRECTS(W5)
DIRECTS(W6)
DIRECTS(W8)
DIRECTS(WF32)
DIRECTS(WF16)
DIRECTS(WBF16)

/* n <= DIRECT_MOST tokens: for each ROWS rows all tokens in turn, some at a time. */
static void direct(kind k, const product *a, uint32_t n) {
    static direct_function *const functions[][3] = {NAMES(W2), NAMES(W3),   NAMES(W4),   NAMES(W5),   NAMES(W6),
                                                    NAMES(W8), NAMES(WF32), NAMES(WF16), NAMES(WBF16)};
    float x_tail[DIRECT_MOST][CHUNK] __attribute__((aligned(64)));
    const uint32_t cols = a->m->format.cols;
    if (cols % CHUNK)
        for (uint32_t t = 0; t < n; t++)
            pad_x(a, a->x + t * a->ldx, cols / CHUNK * CHUNK, x_tail[t]);
    for (uint32_t row = a->row0; row < a->row1; row += ROWS)
        for (uint32_t t = 0; t < n;) {
            int log = n - t >= 4 && DIRECT_TOKENS == 4 ? 2 : n - t >= 2 ? 1 : 0;
            functions[k][log](a, row, t, (const float(*)[CHUNK])(x_tail + t));
            t += 1u << log;
        }
}

/* ---- buffered ------------------------------------------------------------------------------------------------------
 */

typedef struct {
    float w[TILE][SPAN][8][LANES] __attribute__((aligned(64)));
    float scales[TILE][SPAN][LANES] __attribute__((aligned(64)));
    float acc[BATCH][TILE][LANES] __attribute__((aligned(64)));
    float x_tail[BATCH][CHUNK] __attribute__((aligned(64)));
} workspace;

/* Chunks [c, c + n) of rows [row, row + rows) into the workspace; the tail as a whole chunk. */
INLINE void unpack_tile(kind k, const product *a, workspace *ws, uint32_t row, uint32_t rows, uint32_t c, uint32_t n) {
    const uint32_t cols = a->m->format.cols, bytes = chunk_bytes(k);
    for (uint32_t r = 0; r < rows; r++) {
        const uint8_t *start = a->m->weight + (row + r) * a->row_bytes;
        for (uint32_t j = 0; j < n; j++) {
            uint8_t copy[PADDED_BYTES];
            const uint8_t *p = start + (size_t)(c + j) * bytes;
            if ((c + j + 1) * CHUNK > cols || (size_t)(a->end - p) < bytes + chunk_slack(k)) {
                pad_weights(a, start, (c + j) * CHUNK, copy);
                p = copy;
            }
            chunk packed = chunk_load(k, p);
            UNROLL_PARTS
            for (int s = 0; s < 8; s++)
                v_store(ws->w[r][j][s], chunk_part(k, packed, p, s));
            V scale = v_set1(1);
            if (k < WF32) {
                uint32_t span = 1u << a->lane_shift;
                scale = pick_scales(load_scales(a, row + r, (c + j) / span * LANES), a->picks[(c + j) % span]);
            }
            v_store(ws->scales[r][j], scale);
        }
    }
}

/* Adds n chunks of ROWS rows of the workspace, from `first`, for some tokens: the inner loop of prefill. */
INLINE void micro(int tokens, const workspace *ws, uint32_t first, uint32_t n, const float *x, size_t ldx,
                  float (*acc)[TILE][LANES]) {
    for (uint32_t j = 0; j < n; j++, x += CHUNK) {
        V p[TOKENS][ROWS];
        UNROLL_PARTS
        for (int s = 0; s < 8; s++) {
            V w[ROWS];
            UNROLL
            for (int r = 0; r < ROWS; r++)
                w[r] = v_load(ws->w[first + (uint32_t)r][j][s]);
            UNROLL
            for (int t = 0; t < tokens; t++) {
                V xs = v_loadu(x + (size_t)t * ldx + s * LANES);
                UNROLL
                for (int r = 0; r < ROWS; r++)
                    p[t][r] = s ? v_fma(w[r], xs, p[t][r]) : v_mul(w[r], xs);
            }
        }
        UNROLL
        for (int r = 0; r < ROWS; r++) {
            V scale = v_load(ws->scales[first + (uint32_t)r][j]);
            UNROLL
            for (int t = 0; t < tokens; t++) {
                float *sum = acc[t][first + (uint32_t)r];
                v_store(sum, v_fma(scale, p[t][r], v_load(sum)));
            }
        }
    }
}

NOINLINE void micro_any(int tokens, const workspace *ws, uint32_t first, uint32_t n, const float *x, size_t ldx,
                        float (*acc)[TILE][LANES]) {
    switch (tokens) {
    case 1: micro(1, ws, first, n, x, ldx, acc); break;
    case 2: micro(2, ws, first, n, x, ldx, acc); break;
    case 3: micro(3, ws, first, n, x, ldx, acc); break;
#if MOST_TOKENS > 3
    case 4: micro(4, ws, first, n, x, ldx, acc); break;
    case 5: micro(5, ws, first, n, x, ldx, acc); break;
    default: micro(6, ws, first, n, x, ldx, acc); break;
#endif
    }
}

NOINLINE void buffered(kind k, const product *a, uint32_t n) {
    workspace ws;
    memset(ws.w, 0, sizeof ws.w); /* rows beyond the last are computed, and must be numbers */
    memset(ws.scales, 0, sizeof ws.scales);
    const uint32_t cols = a->m->format.cols, full = cols / CHUNK;
    for (uint32_t t0 = 0; t0 < n; t0 += BATCH) {
        uint32_t batch = n - t0 < BATCH ? n - t0 : BATCH, tiles = (batch + TOKENS - 1) / TOKENS;
        const float *x = a->x + t0 * a->ldx;
        if (cols % CHUNK)
            for (uint32_t t = 0; t < batch; t++)
                pad_x(a, x + t * a->ldx, full * CHUNK, ws.x_tail[t]);
        for (uint32_t row = a->row0; row < a->row1; row += TILE) {
            uint32_t rows = a->row1 - row < TILE ? a->row1 - row : TILE;
            for (uint32_t t = 0; t < batch; t++)
                for (uint32_t r = 0; r < TILE; r++)
                    v_store(ws.acc[t][r],
                            k < WF32 && r < rows ? bias_part(a, row + r, a->sums + (t0 + t) * a->ldsums) : v_zero());
            for (uint32_t c = 0; c * CHUNK < cols; c += SPAN) {
                uint32_t whole = c >= full ? 0 : full - c < SPAN ? full - c : SPAN; /* chunks to multiply */
                bool tail = whole < SPAN && (c + whole) * CHUNK < cols;
                switch (k) { /* a constant for each */
                case W2: unpack_tile(W2, a, &ws, row, rows, c, whole + tail); break;
                case W3: unpack_tile(W3, a, &ws, row, rows, c, whole + tail); break;
                case W4: unpack_tile(W4, a, &ws, row, rows, c, whole + tail); break;
                case W5: unpack_tile(W5, a, &ws, row, rows, c, whole + tail); break;
                case W6: unpack_tile(W6, a, &ws, row, rows, c, whole + tail); break;
                case W8: unpack_tile(W8, a, &ws, row, rows, c, whole + tail); break;
                case WF32: unpack_tile(WF32, a, &ws, row, rows, c, whole + tail); break;
                case WF16: unpack_tile(WF16, a, &ws, row, rows, c, whole + tail); break;
                case WBF16: unpack_tile(WBF16, a, &ws, row, rows, c, whole + tail); break;
                }
                for (uint32_t i = 0, t = 0; i < tiles; i++) { /* tiles of nearly the same number of tokens */
                    uint32_t tokens = batch / tiles + (i < batch % tiles);
                    for (uint32_t first = 0; first < rows; first += ROWS) {
                        if (whole)
                            micro_any((int)tokens, &ws, first, whole, x + t * a->ldx + c * CHUNK, a->ldx, ws.acc + t);
                    }
                    t += tokens;
                }
                if (tail) { /* the tail's place in the workspace is moved to the front */
                    for (uint32_t r = 0; whole && r < rows; r++) {
                        memcpy(ws.w[r][0], ws.w[r][whole], sizeof ws.w[r][0]);
                        memcpy(ws.scales[r][0], ws.scales[r][whole], sizeof ws.scales[r][0]);
                    }
                    for (uint32_t i = 0, t = 0; i < tiles; i++) {
                        uint32_t tokens = batch / tiles + (i < batch % tiles);
                        for (uint32_t first = 0; first < rows; first += ROWS)
                            micro_any((int)tokens, &ws, first, 1, ws.x_tail[t], CHUNK, ws.acc + t);
                        t += tokens;
                    }
                }
            }
            for (uint32_t t = 0; t < batch; t++)
                for (uint32_t first = 0; first < rows; first += ROWS) {
                    float sum[ROWS], (*acc)[LANES] = ws.acc[t] + first;
                    reduce4(v_load(acc[0]), v_load(acc[1]), v_load(acc[2]), v_load(acc[3]), sum);
                    memcpy(a->y + (t0 + t) * a->ldy + row + first, sum,
                           (rows - first < ROWS ? rows - first : ROWS) * sizeof *sum);
                }
        }
    }
}

/* ---- the choice
 * ------------------------------------------------------------------------------------------------------ */

static void matmul(const fm_matrix *m, uint32_t row0, uint32_t row1, const fm_activations *x, uint32_t n, float *y,
                   size_t ldy) {
    if (row0 >= row1 || !n)
        return;
    const fm_format *f = &m->format;
    bool affine = f->dtype == FM_AFFINE;
    product a = {
        .m = m,
        .row_bytes = fm_row_bytes(f),
        .scale_bytes = fm_row_scale_bytes(f),
        .groups = affine ? f->cols / f->group : 0,
        .lane_shift = !affine          ? 0
                      : f->group == 32 ? 2
                      : f->group == 64 ? 3
                                       : 4, /* a lane holds 8 columns */
        .row0 = row0,
        .row1 = row1,
        .end = m->weight + row1 * fm_row_bytes(f),
        .x = x->x,
        .ldx = x->ldx,
        .sums = x->sums,
        .ldsums = x->ldsums,
        .y = y,
        .ldy = ldy,
    };
    for (uint32_t c = 0; affine && c < 1u << a.lane_shift; c++)
        for (uint32_t l = 0; l < LANES; l++)
            a.picks[c][l] = (c * LANES + l) >> a.lane_shift;
    if (n <= DIRECT_MOST)
        direct(kind_of(f), &a, n);
    else
        buffered(kind_of(f), &a, n);
}

/* Formats differ in their sums only. */
static int order(const fm_format *f) {
    return f->dtype != FM_AFFINE ? 0 : f->group == 32 ? 1 : f->group == 64 ? 2 : 3;
}
