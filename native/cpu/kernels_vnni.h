/* Products with affine matrices (kernels_quantise.h) by VNNI, whose vpdpbusd adds four products of a byte of weights
 * and a signed byte of x in each of 16 lanes.
 *
 * A row of weights is read in chunks of 64 bytes of whole numbers. Where several weights lie in a byte (2 and 4 bits),
 * byte i of a chunk holds the columns parts * i + j, and shifting and masking the chunk gives part j; for other widths
 * the bytes of a chunk are unpacked when it is loaded, and there is one part. A prepared row of x has its bytes in the
 * same order, chunk by chunk and part by part, the high bytes of a whole row (a plane) and then the low ones. Bytes
 * beyond the last column are zero, in weights and in x.
 *
 *   direct   one token: lanes are columns. 16 rows at a time; the lanes of a group are added by a tree that leaves the
 *            sum of row i in lane i.
 *   tiled    several: lanes are rows. 32 rows are transposed into a tile once, and then 12 tokens at a time keep their
 *            sums in registers, x being four bytes that all lanes share.
 *
 * Both end with lanes as rows, where the floats are one operation after the other. */

enum {
    DIRECT_ROWS = 16, /* rows of a direct step */
    TILE_ROWS = 32,   /* rows of a tile */
    TILE_COLS = 1024, /* columns of a tile at most: it stays in the nearest caches */
    TILE_GROUPS = 32, /* groups of TILE_COLS columns at most */
    TILE_TOKENS = 12, /* whose sums are in registers */
    TILE_BATCH = 120, /* for which a tile is made once */
};

/* One matrix during a call. */
typedef struct {
    const fm_matrix *m;
    size_t row_bytes, scale_bytes;
    uint32_t groups, row1;
    uint32_t chunks;            /* of a row */
    uint32_t chunk_cols, bytes; /* of a chunk */
    __mmask16 last;             /* dwords of a row's last chunk */
    size_t plane;               /* bytes of x in a plane */
} affine;

INLINE int parts_of(int bits) {
    return bits == 2 ? 4 : bits == 4 ? 2 : 1;
}

static affine affine_of(const fm_matrix *m, uint32_t row1) {
    const fm_format *f = &m->format;
    affine a = {.m = m, .row_bytes = fm_row_bytes(f), .scale_bytes = fm_row_scale_bytes(f), .row1 = row1};
    a.groups = f->cols / f->group;
    a.chunk_cols = 64 * (uint32_t)parts_of(f->bits);
    a.bytes = a.chunk_cols / 8 * f->bits;
    a.chunks = (f->cols + a.chunk_cols - 1) / a.chunk_cols;
    a.last = first_lanes((uint32_t)(a.row_bytes - (size_t)(a.chunks - 1) * a.bytes) / 4);
    a.plane = (size_t)a.chunks * 64 * (size_t)parts_of(f->bits);
    return a;
}

/* vpdpbusd in place. From the intrinsic, gcc 12 makes two copies and a store of every sum. */
INLINE __m512i add_products(__m512i sum, __m512i w, __m512i x) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
    return sum;
}

/* ---- x ----------------------------------------------------------------------------------------------------------- */

static size_t affine_prepared_bytes(const fm_format *f) {
    affine a = affine_of(&(fm_matrix){.format = *f}, 0);
    size_t lines = (2 * a.plane + 8 * (size_t)a.groups + 63) / 64;
    return 64 * (lines | 1); /* odd, so that the same column of many tokens does not fall on one line of the cache */
}

typedef struct {
    const uint8_t *bytes;    /* [plane][chunk][part][64] */
    const float *step, *sum; /* [groups] */
} affine_row;

INLINE affine_row affine_row_at(const affine *a, const fm_activations *x, size_t t) {
    const uint8_t *row = (const uint8_t *)x->rows + t * x->stride;
    const float *step = (const float *)(const void *)(row + 2 * a->plane);
    return (affine_row){row, step, step + a->groups};
}

/* The bytes of a chunk's columns q: low bytes to one plane, high bytes, rounded, to the other. */
INLINE void split_chunk(int parts, const int16_t *q, uint8_t *high, uint8_t *low) {
    for (int i = 0; i < 2 * parts; i++) { /* 32 columns at a time */
        __m512i words = _mm512_loadu_si512(q + 32 * i), rounded = _mm512_add_epi16(words, _mm512_set1_epi16(128));
        if (parts == 1) {
            _mm256_storeu_si256((__m256i *)(low + 32 * i), _mm512_cvtepi16_epi8(words));
            _mm256_storeu_si256((__m256i *)(high + 32 * i), _mm512_cvtepi16_epi8(_mm512_srli_epi16(rounded, 8)));
            continue;
        }
        for (unsigned j = 0; j < (unsigned)parts; j++) {
            if (parts == 2) {
                _mm_storeu_si128((__m128i *)(low + 64 * j + 16 * i),
                                 _mm512_cvtepi32_epi8(_mm512_srli_epi32(words, 16 * j)));
                _mm_storeu_si128((__m128i *)(high + 64 * j + 16 * i),
                                 _mm512_cvtepi32_epi8(_mm512_srli_epi32(rounded, 16 * j + 8)));
            } else {
                _mm_storel_epi64((__m128i *)(low + 64 * j + 8 * i),
                                 _mm512_cvtepi64_epi8(_mm512_srli_epi64(words, 16 * j)));
                _mm_storel_epi64((__m128i *)(high + 64 * j + 8 * i),
                                 _mm512_cvtepi64_epi8(_mm512_srli_epi64(rounded, 16 * j + 8)));
            }
        }
    }
}

static void affine_prepare(const fm_format *f, const float *x, void *out) {
    affine a = affine_of(&(fm_matrix){.format = *f}, 0);
    uint8_t *high = out, *low = high + a.plane;
    float *step = (float *)(void *)(low + a.plane), *sum = step + a.groups;
    for (uint32_t c = 0; c < a.chunks; c++) {
        /* A chunk or a group, whichever has more columns. */
        int16_t q[256] __attribute__((aligned(64))) = {0};
        uint32_t col = c * a.chunk_cols, end = col + a.chunk_cols < f->cols ? col + a.chunk_cols : f->cols;
        if (f->group > a.chunk_cols) {
            end = col + f->group;
            c++;
        }
        for (uint32_t g = col / f->group; g < end / f->group; g++)
            fm_quantise_group(x + (size_t)g * f->group, f->group, q + (g * f->group - col), step + g, sum + g);
        switch (parts_of(f->bits)) {
        case 4: split_chunk(4, q, high + col, low + col); break;
        case 2: split_chunk(2, q, high + col, low + col); break;
        default:
            for (uint32_t at = col; at < end; at += 64)
                split_chunk(1, q + (at - col), high + at, low + at);
        }
    }
}

/* Kinds of chunks times sizes of groups. */
static int affine_order(const fm_format *f) {
    if (f->dtype != FM_AFFINE)
        return 0;
    return 1 + 3 * (f->bits == 2 ? 2 : f->bits == 4 ? 1 : 0) + (f->group == 32 ? 0 : f->group == 64 ? 1 : 2);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* A chunk without its parts; mask: the dwords of it that are there. Odd widths: the bytes of eight weights are brought
 * into one qword, and each byte of it becomes the eight bits that start with its weight. */
INLINE __m512i load_chunk(int bits, const uint8_t *p, __mmask16 mask) {
    __m512i raw = _mm512_maskz_loadu_epi32(mask, p);
    if (bits != 3 && bits != 5 && bits != 6)
        return raw;
    const uint8_t *bytes = bits == 3 ? qwords3 : bits == 5 ? qwords5 : qwords6;
    const __m512i starts = _mm512_set1_epi64(bits == 3   ? 0x15120f0c09060300
                                             : bits == 5 ? 0x231e19140f0a0500
                                                         : 0x2a241e18120c0600);
    __m512i qwords = _mm512_permutexvar_epi8(_mm512_load_si512(bytes), raw);
    return _mm512_and_si512(_mm512_multishift_epi64_epi8(starts, qwords), _mm512_set1_epi8((char)((1 << bits) - 1)));
}

INLINE __m512i part_of(int bits, __m512i chunk, int j) {
    if (parts_of(bits) == 1)
        return chunk;
    __m512i shifted = j ? _mm512_srli_epi16(chunk, (unsigned)(bits * j)) : chunk;
    return _mm512_and_si512(shifted, _mm512_set1_epi8((char)((1 << bits) - 1)));
}

/* Lane i of the 16 vectors at rows becomes vector i: dwords. */
INLINE void transpose16(__m512i *v) {
    __m512i t[16];
    UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    UNROLL
    for (int i = 0; i < 16; i += 4) {
        v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL
    for (int i = 0; i < 4; i++) { /* column 4 l + i of rows 0 to 3 is in lane l of v[i], of rows 4 to 7 in v[4 + i] … */
        __m512i a = _mm512_shuffle_i32x4(v[i], v[4 + i], 0x44), b = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0x44);
        __m512i c = _mm512_shuffle_i32x4(v[i], v[4 + i], 0xee), d = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0xee);
        t[i] = _mm512_shuffle_i32x4(a, b, 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(a, b, 0xdd);
        t[8 + i] = _mm512_shuffle_i32x4(c, d, 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(c, d, 0xdd);
    }
    UNROLL
    for (int i = 0; i < 16; i++)
        v[i] = t[i];
}

/* Scales (or biases) of 16 rows for groups [g, g + count), count <= TILE_GROUPS, as float32: out[i * step] has group
 * g + i of row r in lane r. Rows past the last repeat it, and groups past the last, up to a multiple of 8, are zero. */
INLINE void load_scales(const affine *a, const uint8_t *scales, uint32_t row, uint32_t g, uint32_t count, __m512 *out,
                        size_t step) {
    const fm_dtype dtype = a->m->format.scale_dtype;
    const uint32_t size = dtype == FM_F32 ? 4 : 2, at_once = 16 / size;
    const uint8_t *p[16];
    for (uint32_t r = 0; r < 16; r++)
        p[r] = scales + (row + r < a->row1 ? row + r : a->row1 - 1) * a->scale_bytes + g * size;
    for (uint32_t first = 0; first < count; first += at_once) {
        const uint32_t n = count - first < at_once ? count - first : at_once;
        const __mmask8 mask = (__mmask8)((1u << n * size / 2) - 1);
        __m512i v[4], t[4], d[4]; /* v[i]: 16 bytes of rows i, 4 + i, 8 + i, 12 + i; d[i]: dword i of all rows */
        UNROLL
        for (int i = 0; i < 4; i++) {
            v[i] = _mm512_castsi128_si512(_mm_maskz_loadu_epi16(mask, p[i] + first * size));
            v[i] = _mm512_inserti32x4(v[i], _mm_maskz_loadu_epi16(mask, p[4 + i] + first * size), 1);
            v[i] = _mm512_inserti32x4(v[i], _mm_maskz_loadu_epi16(mask, p[8 + i] + first * size), 2);
            v[i] = _mm512_inserti32x4(v[i], _mm_maskz_loadu_epi16(mask, p[12 + i] + first * size), 3);
        }
        t[0] = _mm512_unpacklo_epi32(v[0], v[1]), t[1] = _mm512_unpackhi_epi32(v[0], v[1]);
        t[2] = _mm512_unpacklo_epi32(v[2], v[3]), t[3] = _mm512_unpackhi_epi32(v[2], v[3]);
        d[0] = _mm512_unpacklo_epi64(t[0], t[2]), d[1] = _mm512_unpackhi_epi64(t[0], t[2]);
        d[2] = _mm512_unpacklo_epi64(t[1], t[3]), d[3] = _mm512_unpackhi_epi64(t[1], t[3]);
        UNROLL
        for (uint32_t i = 0; i < 4; i++) {
            __m512 *even = out + (first + 2 * i) * step, *odd = even + step;
            if (dtype == FM_F32) {
                out[(first + i) * step] = _mm512_castsi512_ps(d[i]);
            } else if (dtype == FM_BF16) {
                *even = _mm512_castsi512_ps(_mm512_slli_epi32(d[i], 16));
                *odd = _mm512_castsi512_ps(_mm512_and_si512(d[i], _mm512_set1_epi32((int)0xffff0000)));
            } else {
                *even = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(d[i]));
                *odd = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(d[i], 16)));
            }
        }
    }
}

/* The step of the definition: y over one more group whose sum is s. */
INLINE __m512 add_group(__m512 y, __m512i s, __m512 scale, __m512 bias, const float *step, const float *sum) {
    y = _mm512_fmadd_ps(_mm512_mul_ps(scale, _mm512_set1_ps(*step)), _mm512_cvtepi32_ps(s), y);
    return _mm512_fmadd_ps(bias, _mm512_set1_ps(*sum), y);
}

/* ---- direct ------------------------------------------------------------------------------------------------------ */

/* Rows a, b, c, d: their sums over each 128-bit lane, one after the other in that lane. */
INLINE __m512i add4(__m512i a, __m512i b, __m512i c, __m512i d) {
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

/* The same over each half of a lane: the first halves in out[0], the second in out[1]. */
INLINE void add4_halves(__m512i a, __m512i b, __m512i c, __m512i d, __m512i *out) {
#define PICK(x, y, which) _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(y), which))
    __m512i ab = _mm512_add_epi32(PICK(a, b, 0x88), PICK(a, b, 0xdd));
    __m512i cd = _mm512_add_epi32(PICK(c, d, 0x88), PICK(c, d, 0xdd));
    out[0] = PICK(ab, cd, 0x88);
    out[1] = PICK(ab, cd, 0xdd);
#undef PICK
}

/* q[i] has rows 4 i to 4 i + 3 in every lane: lane l of all 16 in out[l * step]. */
INLINE void lanes_apart(const __m512i *q, __m512i *out, int step) {
    __m512i a = _mm512_shuffle_i32x4(q[0], q[1], 0x44), b = _mm512_shuffle_i32x4(q[2], q[3], 0x44);
    __m512i c = _mm512_shuffle_i32x4(q[0], q[1], 0xee), d = _mm512_shuffle_i32x4(q[2], q[3], 0xee);
    out[0] = _mm512_shuffle_i32x4(a, b, 0x88);
    out[step] = _mm512_shuffle_i32x4(a, b, 0xdd);
    out[2 * step] = _mm512_shuffle_i32x4(c, d, 0x88);
    out[3 * step] = _mm512_shuffle_i32x4(c, d, 0xdd);
}

/* Sums of the two pairs of lanes. */
INLINE void halves_apart(const __m512i *q, __m512i *out) {
    __m512i a = _mm512_add_epi32(_mm512_shuffle_i32x4(q[0], q[1], 0x88), _mm512_shuffle_i32x4(q[0], q[1], 0xdd));
    __m512i b = _mm512_add_epi32(_mm512_shuffle_i32x4(q[2], q[3], 0x88), _mm512_shuffle_i32x4(q[2], q[3], 0xdd));
    out[0] = _mm512_shuffle_i32x4(a, b, 0x88);
    out[1] = _mm512_shuffle_i32x4(a, b, 0xdd);
}

/* Rows [row, row + 16), or up to the last. */
INLINE void direct_16(int bits, const affine *a, uint32_t row, affine_row x, float *y) {
    const int parts = parts_of(bits);
    const uint32_t group = a->m->format.group, chunk_cols = 64 * (uint32_t)parts;
    const uint32_t groups_of_chunk = chunk_cols / group; /* 0: a group is two chunks */
    const uint8_t *w[DIRECT_ROWS];
    __m512 scales[TILE_GROUPS], biases[TILE_GROUPS], sum = _mm512_setzero_ps();
    __m512i pending = _mm512_setzero_si512();
    for (uint32_t r = 0; r < DIRECT_ROWS; r++)
        w[r] = a->m->weight + (row + r < a->row1 ? row + r : a->row1 - 1) * a->row_bytes;
    uint32_t g = 0;
    for (uint32_t c = 0; c < a->chunks; c++) {
        if (g % TILE_GROUPS == 0) { /* a chunk's groups divide TILE_GROUPS */
            uint32_t count = a->groups - g < TILE_GROUPS ? a->groups - g : TILE_GROUPS;
            load_scales(a, a->m->scales, row, g, count, scales, 1);
            load_scales(a, a->m->biases, row, g, count, biases, 1);
        }
        const __mmask16 mask = c + 1 < a->chunks ? first_lanes((uint32_t)(8 * parts * bits) / 4) : a->last;
        const size_t at = (size_t)c * (size_t)(8 * parts * bits);
        __m512i high[4], low[4], q[4], q2[4], s[8];
        UNROLL
        for (int j = 0; j < parts; j++) {
            high[j] = _mm512_load_si512(x.bytes + ((size_t)c * (size_t)parts + (size_t)j) * 64);
            low[j] = _mm512_load_si512(x.bytes + a->plane + ((size_t)c * (size_t)parts + (size_t)j) * 64);
        }
        UNROLL
        for (int i = 0; i < 4; i++) {
            __m512i v[4];
            UNROLL
            for (int r = 0; r < 4; r++) {
                const uint8_t *p = w[4 * i + r] + at;
                __builtin_prefetch(p + 16 * a->row_bytes);
                __m512i chunk = load_chunk(bits, p, mask);
                v[r] = _mm512_setzero_si512();
                UNROLL
                for (int j = 0; j < parts; j++)
                    v[r] = add_products(v[r], part_of(bits, chunk, j), high[j]);
                v[r] = _mm512_slli_epi32(v[r], 8);
                UNROLL
                for (int j = 0; j < parts; j++)
                    v[r] = add_products(v[r], part_of(bits, chunk, j), low[j]);
            }
            if (bits == 2 && groups_of_chunk == 8) {
                __m512i both[2];
                add4_halves(v[0], v[1], v[2], v[3], both);
                q[i] = both[0], q2[i] = both[1];
            } else {
                q[i] = add4(v[0], v[1], v[2], v[3]);
            }
        }
        uint32_t count = groups_of_chunk;
        if (bits == 2 && groups_of_chunk == 8) {
            lanes_apart(q, s, 2);
            lanes_apart(q2, s + 1, 2);
        } else if (bits < 5 && groups_of_chunk == 4) {
            lanes_apart(q, s, 1);
        } else {
            halves_apart(q, s);
            if (groups_of_chunk != 2) {
                s[0] = _mm512_add_epi32(s[0], s[1]);
                if (groups_of_chunk == 0 && c % 2 == 0) {
                    pending = s[0];
                    continue;
                }
                s[0] = _mm512_add_epi32(s[0], pending);
                count = 1;
            }
        }
        for (uint32_t i = 0; i < count && g < a->groups; i++, g++)
            sum = add_group(sum, s[i], scales[g % TILE_GROUPS], biases[g % TILE_GROUPS], x.step + g, x.sum + g);
    }
    _mm512_mask_storeu_ps(y + row, first_lanes(a->row1 - row < DIRECT_ROWS ? a->row1 - row : DIRECT_ROWS), sum);
}

/* ---- tiled ------------------------------------------------------------------------------------------------------- */

typedef struct {
    __m512i w[TILE_COLS / 4][2]; /* bytes [16 rows][4], in the order of x's bytes */
    __m512 scales[TILE_GROUPS][2], biases[TILE_GROUPS][2];
    __m512 sums[TILE_BATCH][2];
} tile;

/* Chunks [c, c + n) of 32 rows. */
INLINE void fill_tile(int bits, const affine *a, tile *t, uint32_t row, uint32_t c, uint32_t n) {
    const int parts = parts_of(bits);
    for (uint32_t k = c; k < c + n; k++) {
        const __mmask16 mask = k + 1 < a->chunks ? first_lanes((uint32_t)(8 * parts * bits) / 4) : a->last;
        for (uint32_t half = 0; half < 2; half++) {
            __m512i v[16];
            UNROLL
            for (uint32_t r = 0; r < 16; r++) {
                uint32_t real = row + 16 * half + r < a->row1 ? row + 16 * half + r : a->row1 - 1;
                const uint8_t *p = a->m->weight + real * a->row_bytes + (size_t)k * (size_t)(8 * parts * bits);
                __builtin_prefetch(p + TILE_ROWS * a->row_bytes, 0,
                                   2); /* of the next tile, during this one's products */
                v[r] = load_chunk(bits, p, mask);
            }
            transpose16(v);
            UNROLL
            for (int j = 0; j < parts; j++)
                UNROLL
            for (uint32_t d = 0; d < 16; d++)
                t->w[((k - c) * (uint32_t)parts + (uint32_t)j) * 16 + d][half] = part_of(bits, v[d], j);
        }
    }
}

/* Adds one group, whose x lies in `runs` runs of `length` dwords, 64 bytes apart: the inner loop of prefill. */
INLINE void tile_group(int tokens, const affine *a, const __m512i (*w)[2], const uint8_t *x, size_t stride, int runs,
                       int length, const __m512 *scale, const __m512 *bias, const float *step, __m512 (*sums)[2]) {
    __m512i acc[TILE_TOKENS][2];
    UNROLL
    for (int t = 0; t < tokens; t++)
        acc[t][0] = acc[t][1] = _mm512_setzero_si512();
    const size_t stride3 = 3 * stride;
    for (int plane = 0; plane < 2; plane++) {
        for (int run = 0; run < runs; run++) {
            const uint8_t *x0 = x + (size_t)plane * a->plane + 64 * (size_t)run, *x4 = x0 + 4 * stride,
                          *x8 = x0 + 8 * stride;
            const __m512i(*v)[2] = w + 16 * run;
            for (int q = 0; q < length; q++, v++, x0 += 4, x4 += 4, x8 += 4) {
                __m512i low = (*v)[0], high = (*v)[1];
                UNROLL
                for (int t = 0; t < tokens; t++) {
                    const uint8_t *at = (t < 4   ? x0
                                         : t < 8 ? x4
                                                 : x8) +
                                        (t % 4 == 0   ? 0
                                         : t % 4 == 1 ? stride
                                         : t % 4 == 2 ? 2 * stride
                                                      : stride3);
                    int four;
                    memcpy(&four, at, sizeof four);
                    __m512i b = _mm512_set1_epi32(four);
                    acc[t][0] = add_products(acc[t][0], low, b);
                    acc[t][1] = add_products(acc[t][1], high, b);
                }
            }
        }
        if (plane == 0)
            UNROLL
        for (int t = 0; t < tokens; t++) {
            acc[t][0] = _mm512_slli_epi32(acc[t][0], 8);
            acc[t][1] = _mm512_slli_epi32(acc[t][1], 8);
        }
    }
    UNROLL
    for (int t = 0; t < tokens; t++) {
        const float *s = (const float *)(const void *)((const uint8_t *)step + (size_t)t * stride);
        sums[t][0] = add_group(sums[t][0], acc[t][0], scale[0], bias[0], s, s + a->groups);
        sums[t][1] = add_group(sums[t][1], acc[t][1], scale[1], bias[1], s, s + a->groups);
    }
}

/* Groups [g, g + count) for some tokens, which start at `x`. */
INLINE void tile_groups(int tokens, const affine *a, tile *t, uint32_t g, uint32_t count, const uint8_t *x,
                        size_t stride, __m512 (*sums)[2]) {
    const uint32_t group = a->m->format.group, parts = a->chunk_cols / 64;
    const int runs = (int)parts, length = (int)(group / 4 / parts);
    const float *step = (const float *)(const void *)(x + 2 * a->plane);
    const uint32_t first = g * group;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t col = (g + i) * group, at = col / a->chunk_cols * a->chunk_cols + col % a->chunk_cols / parts;
        tile_group(tokens, a, (const __m512i(*)[2])t->w + (at - first) / 4, x + at, stride, runs, length, t->scales[i],
                   t->biases[i], step + g + i, sums);
    }
}

#define GROUPS(N)                                                                                                      \
    NOINLINE void tile_groups_##N(const affine *a, tile *t, uint32_t g, uint32_t count, const uint8_t *x,              \
                                  size_t stride, __m512(*sums)[2]) {                                                   \
        tile_groups(N, a, t, g, count, x, stride, sums);                                                               \
    }
GROUPS(1)
GROUPS(2)
GROUPS(3)
GROUPS(4)
GROUPS(5)
GROUPS(6)
GROUPS(7)
GROUPS(8)
GROUPS(9)
GROUPS(10)
GROUPS(11)
GROUPS(12)
#undef GROUPS

INLINE void tiled(int bits, const affine *a, uint32_t row0, const fm_activations *x, uint32_t n, float *y, size_t ldy) {
    static void (*const groups_of[])(const affine *, tile *, uint32_t, uint32_t, const uint8_t *, size_t,
                                     __m512(*)[2]) = {
        tile_groups_1, tile_groups_2, tile_groups_3, tile_groups_4,  tile_groups_5,  tile_groups_6,
        tile_groups_7, tile_groups_8, tile_groups_9, tile_groups_10, tile_groups_11, tile_groups_12,
    };
    tile t;
    const uint32_t group = a->m->format.group, depth_chunks = TILE_COLS / a->chunk_cols,
                   depth_groups = TILE_COLS / group;
    for (uint32_t t0 = 0; t0 < n; t0 += TILE_BATCH) {
        const uint32_t batch = n - t0 < TILE_BATCH ? n - t0 : TILE_BATCH,
                       blocks = (batch + TILE_TOKENS - 1) / TILE_TOKENS;
        for (uint32_t row = row0; row < a->row1; row += TILE_ROWS) {
            memset(t.sums, 0, batch * sizeof *t.sums);
            for (uint32_t c = 0, g = 0; c < a->chunks; c += depth_chunks, g += depth_groups) {
                uint32_t count = a->groups - g < depth_groups ? a->groups - g : depth_groups;
                fill_tile(bits, a, &t, row, c, a->chunks - c < depth_chunks ? a->chunks - c : depth_chunks);
                for (uint32_t half = 0; half < 2; half++) {
                    load_scales(a, a->m->scales, row + 16 * half, g, count, &t.scales[0][half], 2);
                    load_scales(a, a->m->biases, row + 16 * half, g, count, &t.biases[0][half], 2);
                }
                for (uint32_t i = 0, at = 0; i < blocks; i++) { /* of nearly the same number of tokens */
                    uint32_t tokens = batch / blocks + (i < batch % blocks);
                    groups_of[tokens - 1](a, &t, g, count, (const uint8_t *)x->rows + (t0 + at) * x->stride, x->stride,
                                          t.sums + at);
                    at += tokens;
                }
            }
            for (uint32_t i = 0; i < batch; i++)
                for (uint32_t half = 0; half < 2 && row + 16 * half < a->row1; half++) {
                    uint32_t left = a->row1 - row - 16 * half;
                    _mm512_mask_storeu_ps(y + (t0 + i) * ldy + row + 16 * half, first_lanes(left < 16 ? left : 16),
                                          t.sums[i][half]);
                }
        }
    }
}

#define AFFINE(BITS)                                                                                                   \
    NOINLINE void affine_##BITS(const affine *a, uint32_t row0, const fm_activations *x, uint32_t n, float *y,         \
                                size_t ldy) {                                                                          \
        if (n > 1) {                                                                                                   \
            tiled(BITS, a, row0, x, n, y, ldy);                                                                        \
            return;                                                                                                    \
        }                                                                                                              \
        for (uint32_t row = row0; row < a->row1; row += DIRECT_ROWS)                                                   \
            direct_16(BITS, a, row, affine_row_at(a, x, 0), y);                                                        \
    }
AFFINE(2)
AFFINE(3)
AFFINE(4)
AFFINE(5)
AFFINE(6)
AFFINE(8)
#undef AFFINE

static void affine_matmul(const fm_matrix *m, uint32_t row0, uint32_t row1, const fm_activations *x, uint32_t n,
                          float *y, size_t ldy) {
    affine a = affine_of(m, row1);
    switch (m->format.bits) {
    case 2: affine_2(&a, row0, x, n, y, ldy); break;
    case 3: affine_3(&a, row0, x, n, y, ldy); break;
    case 4: affine_4(&a, row0, x, n, y, ldy); break;
    case 5: affine_5(&a, row0, x, n, y, ldy); break;
    case 6: affine_6(&a, row0, x, n, y, ldy); break;
    default: affine_8(&a, row0, x, n, y, ldy); break;
    }
}
