/* Products of matrices of float formats with activations, written once over the vectors of an instruction set.
 *
 * A row of weights is read in chunks of 8 * LANES columns, 8 vectors, its parts. One chunk of one row and one token is
 *
 *     p = w[0] x[0] + ... + w[7] x[7];  acc = acc + p
 *
 * in vectors, one fused operation after the other. So the bits of a result do not depend on how rows and tokens are
 * blocked, and two ways can share the work:
 *
 *   direct    few tokens: widen in registers, 4 rows at a time, at the speed of memory
 *   buffered  many: widen 8 rows by a few chunks into a buffer once, then 4 rows x 6 tokens of sums in registers
 *
 * What does not fill a chunk is copied to one padded with zeros, weights and x alike, and is computed like the others.
 *
 * The file that includes this defines: V (vector of LANES floats), LANES, v_zero, v_set1, v_load, v_loadu, v_store,
 * v_add, v_mul, v_fma(a, b, c) = a b + c, reduce4(a, b, c, d, out): their four sums, each in the same order,
 * load_floats(dtype, p) -> V: LANES stored numbers, and
 *   AHEAD(rows, row_bytes): how many bytes ahead direct prefetches, when it reads so many rows side by side
 *   MOST_TOKENS: tokens whose sums fit in registers with those of 4 rows; DIRECT_TOKENS the same when widening too
 *     (2 or 4); DIRECT_MOST: the most tokens for which direct is faster */
/* Loops with constant bounds, whose sums stay in registers when unrolled. */
#define UNROLL   _Pragma("GCC unroll 16")
#define INLINE   static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))

enum {
    CHUNK = 8 * LANES,
    ROWS = 4,             /* of sums in registers */
    TOKENS = MOST_TOKENS, /* of sums in registers, at most, when buffered */
    TILE = 8,             /* rows widened at a time */
    SPAN = 4,             /* chunks widened at a time */
    BATCH = 48,           /* tokens for which a tile is widened once */
};

INLINE uint32_t chunk_bytes(fm_dtype dtype) {
    return CHUNK * (dtype == FM_F32 ? 4 : 2);
}

/* One matrix during a call. */
typedef struct {
    const fm_matrix *m;
    size_t row_bytes;
    uint32_t row0, row1;
    const float *x;
    size_t ldx;
    float *y;
    size_t ldy;
} product;

/* x of the columns from `col` that do not fill a chunk, as a chunk. */
static void pad_x(const product *a, const float *x, uint32_t col, float *out) {
    memset(out, 0, CHUNK * sizeof *out);
    memcpy(out, x + col, (a->m->format.cols - col) * sizeof *out);
}

enum { PADDED_BYTES = 4 * CHUNK };

static void pad_weights(const product *a, const uint8_t *row, uint32_t col, uint8_t *out) {
    size_t size = fm_dtype_bytes(a->m->format.dtype), bytes = (a->m->format.cols - col) * size;
    memcpy(out, row + col * size, bytes);
    memset(out + bytes, 0, PADDED_BYTES - bytes);
}

/* ---- direct --------------------------------------------------------------------------------------------------------
 */

/* One chunk of `rows` rows and `tokens` tokens, both constants. */
INLINE void direct_chunk(fm_dtype k, int rows, int tokens, const uint8_t *const *w, const float *const *x,
                         V (*acc)[ROWS]) {
    V p[DIRECT_TOKENS][ROWS];
    UNROLL
    for (int s = 0; s < 8; s++)
        UNROLL
    for (int r = 0; r < rows; r++) {
        V part = load_floats(k, w[r] + s * (int)(chunk_bytes(k) / 8));
        UNROLL
        for (int t = 0; t < tokens; t++) {
            V xs = v_loadu(x[t] + s * LANES);
            p[t][r] = s ? v_fma(part, xs, p[t][r]) : v_mul(part, xs);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++)
        UNROLL
    for (int t = 0; t < tokens; t++)
        acc[t][r] = v_add(p[t][r], acc[t][r]);
}

/* Some rows from `row` on (a constant number; what is past the last is the last again) and tokens from t0 on. */
INLINE void direct_rows(fm_dtype k, int rows, int tokens, const product *a, uint32_t row, uint32_t t0,
                        const float (*x_tail)[CHUNK], float (*acc_out)[ROWS][LANES]) {
    const uint32_t cols = a->m->format.cols, bytes = chunk_bytes(k), full = cols / CHUNK;
    uint8_t w_tail[ROWS][PADDED_BYTES];
    const uint8_t *w[ROWS];
    const float *x[DIRECT_TOKENS];
    V acc[DIRECT_TOKENS][ROWS];
    UNROLL
    for (int t = 0; t < tokens; t++)
        x[t] = a->x + (t0 + (uint32_t)t) * a->ldx;
    UNROLL
    for (int r = 0; r < rows; r++) {
        w[r] = a->m->weight + (row + (uint32_t)r < a->row1 ? row + (uint32_t)r : a->row1 - 1) * a->row_bytes;
        UNROLL
        for (int t = 0; t < tokens; t++)
            acc[t][r] = v_zero();
    }
    for (uint32_t c = 0; c * CHUNK < cols; c++) {
        if (c == full) {
            for (int r = 0; r < rows; r++) {
                pad_weights(a, w[r] - (size_t)c * bytes, c * CHUNK, w_tail[r]);
                w[r] = w_tail[r];
            }
            for (int t = 0; t < tokens; t++)
                x[t] = x_tail[t];
        }
        UNROLL
        for (int r = 0; r < rows; r++)
            __builtin_prefetch(w[r] + AHEAD(rows, a->row_bytes));
        direct_chunk(k, rows, tokens, w, x, acc);
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
INLINE void direct_tile(fm_dtype k, int tokens, const product *a, uint32_t row, uint32_t t0,
                        const float (*x_tail)[CHUNK]) {
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
DIRECTS(FM_F32)
DIRECTS(FM_F16)
DIRECTS(FM_BF16)

/* n <= DIRECT_MOST tokens: for each ROWS rows all tokens in turn, some at a time. */
static void direct(const product *a, uint32_t n) {
    static direct_function *const functions[][3] = {NAMES(FM_F32), NAMES(FM_F16), NAMES(FM_BF16)};
    float x_tail[DIRECT_MOST][CHUNK] __attribute__((aligned(64)));
    const uint32_t cols = a->m->format.cols;
    if (cols % CHUNK)
        for (uint32_t t = 0; t < n; t++)
            pad_x(a, a->x + t * a->ldx, cols / CHUNK * CHUNK, x_tail[t]);
    for (uint32_t row = a->row0; row < a->row1; row += ROWS)
        for (uint32_t t = 0; t < n;) {
            int log = n - t >= 4 && DIRECT_TOKENS == 4 ? 2 : n - t >= 2 ? 1 : 0;
            functions[a->m->format.dtype][log](a, row, t, (const float(*)[CHUNK])(x_tail + t));
            t += 1u << log;
        }
}

/* ---- buffered ------------------------------------------------------------------------------------------------------
 */

typedef struct {
    float w[TILE][SPAN][8][LANES] __attribute__((aligned(64)));
    float acc[BATCH][TILE][LANES] __attribute__((aligned(64)));
    float x_tail[BATCH][CHUNK] __attribute__((aligned(64)));
} workspace;

/* Chunks [c, c + n) of rows [row, row + rows) into the workspace; the tail as a whole chunk. */
INLINE void widen_tile(fm_dtype k, const product *a, workspace *ws, uint32_t row, uint32_t rows, uint32_t c,
                       uint32_t n) {
    const uint32_t bytes = chunk_bytes(k);
    for (uint32_t r = 0; r < rows; r++) {
        const uint8_t *start = a->m->weight + (row + r) * a->row_bytes;
        for (uint32_t j = 0; j < n; j++) {
            uint8_t copy[PADDED_BYTES];
            const uint8_t *p = start + (size_t)(c + j) * bytes;
            if ((c + j + 1) * CHUNK > a->m->format.cols) {
                pad_weights(a, start, (c + j) * CHUNK, copy);
                p = copy;
            }
            UNROLL
            for (uint32_t s = 0; s < 8; s++)
                v_store(ws->w[r][j][s], load_floats(k, p + s * (bytes / 8)));
        }
    }
}

/* Adds n chunks of ROWS rows of the workspace, from `first`, for some tokens: the inner loop of prefill. */
INLINE void micro(int tokens, const workspace *ws, uint32_t first, uint32_t n, const float *x, size_t ldx,
                  float (*acc)[TILE][LANES]) {
    for (uint32_t j = 0; j < n; j++, x += CHUNK) {
        V p[TOKENS][ROWS];
        UNROLL
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
        for (int r = 0; r < ROWS; r++)
            UNROLL
        for (int t = 0; t < tokens; t++) {
            float *sum = acc[t][first + (uint32_t)r];
            v_store(sum, v_add(p[t][r], v_load(sum)));
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

NOINLINE void buffered(const product *a, uint32_t n) {
    workspace ws;
    memset(ws.w, 0, sizeof ws.w); /* rows beyond the last are computed, and must be numbers */
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
                    v_store(ws.acc[t][r], v_zero());
            for (uint32_t c = 0; c * CHUNK < cols; c += SPAN) {
                uint32_t whole = c >= full ? 0 : full - c < SPAN ? full - c : SPAN; /* chunks to multiply */
                bool tail = whole < SPAN && (c + whole) * CHUNK < cols;
                switch (a->m->format.dtype) { /* a constant for each */
                case FM_F32: widen_tile(FM_F32, a, &ws, row, rows, c, whole + tail); break;
                case FM_F16: widen_tile(FM_F16, a, &ws, row, rows, c, whole + tail); break;
                default: widen_tile(FM_BF16, a, &ws, row, rows, c, whole + tail); break;
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
                    for (uint32_t r = 0; whole && r < rows; r++)
                        memcpy(ws.w[r][0], ws.w[r][whole], sizeof ws.w[r][0]);
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

static void float_matmul(const fm_matrix *m, uint32_t row0, uint32_t row1, const fm_activations *x, uint32_t n,
                         float *y, size_t ldy) {
    product a = {m, fm_row_bytes(&m->format), row0, row1, x->rows, x->stride / sizeof(float), y, ldy};
    if (n <= DIRECT_MOST)
        direct(&a, n);
    else
        buffered(&a, n);
}
