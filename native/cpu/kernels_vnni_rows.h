/* Rows of affine matrices and of x as the products by VNNI take them (kernels_vnni.h).
 *
 * A row of weights is read in chunks of 64 bytes of whole numbers. Where several weights lie in a byte (2, 3 and 4
 * bits), byte i of a chunk holds the columns parts * i + j, and shifting and masking the chunk gives part j; for other
 * widths the bytes of a chunk are unpacked when it is loaded, and there is one part. A prepared row of x has its bytes
 * in the same order, chunk by chunk and part by part, the high bytes of a whole row (a plane) and then the low ones.
 * Bytes beyond the last column are zero, in weights and in x. */

enum { SCALE_GROUPS = 32 }; /* that load_scales takes at most */

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
    return bits == 2 ? 4 : bits == 3 || bits == 4 ? 2 : 1;
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
    return 1 +
           3 * (parts_of(f->bits) == 4   ? 2
                : parts_of(f->bits) == 2 ? 1
                                         : 0) +
           (f->group == 32   ? 0
            : f->group == 64 ? 1
                             : 2);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* A chunk without its parts; mask: the dwords of it that are there. Odd widths: the bytes of eight numbers are brought
 * into one qword, and each byte of it becomes the bits that start with its number. Three bits are taken in pairs. */
INLINE __m512i load_chunk(int bits, const uint8_t *p, __mmask16 mask) {
    __m512i raw = _mm512_maskz_loadu_epi32(mask, p);
    if (bits != 3 && bits != 5 && bits != 6)
        return raw;
    const __m512i starts = _mm512_set1_epi64(bits == 5 ? 0x231e19140f0a0500 : 0x2a241e18120c0600);
    __m512i qwords = _mm512_permutexvar_epi8(_mm512_load_si512(bits == 5 ? qwords5 : qwords6), raw);
    __m512i bytes = _mm512_multishift_epi64_epi8(starts, qwords);
    return bits == 3 ? bytes : _mm512_and_si512(bytes, _mm512_set1_epi8((char)((1 << bits) - 1)));
}

INLINE __m512i part_of(int bits, __m512i chunk, int j) {
    if (parts_of(bits) == 1)
        return chunk;
    __m512i shifted = j ? _mm512_srli_epi16(chunk, (unsigned)(bits * j)) : chunk;
    return _mm512_and_si512(shifted, _mm512_set1_epi8((char)((1 << bits) - 1)));
}

/* Scales (or biases) of 16 rows for groups [g, g + count), count <= SCALE_GROUPS, as float32: out[i * step] has group
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
