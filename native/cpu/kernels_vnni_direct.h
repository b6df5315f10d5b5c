/* Products of one token (kernels_vnni.h): lanes are columns. 16 rows at a time; the lanes of a group are added by a
 * tree that leaves the sum of row i in lane i, where the floats are one operation after the other. */

enum { DIRECT_ROWS = 16 }; /* rows of a direct step */

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

/* Asks for the lines of scales and biases that 16 rows from `row` on have as many bytes before as chunk c has groups.
 */
INLINE void fetch_scales(const affine *a, size_t row, uint32_t c) {
    const size_t bytes = DIRECT_ROWS * a->scale_bytes / a->chunks, at = row * a->scale_bytes + c * bytes;
    for (size_t i = 0; i < bytes; i += 64) {
        __builtin_prefetch(a->m->scales + at + i);
        __builtin_prefetch(a->m->biases + at + i);
    }
}

/* Rows [row, row + 16), which are there. */
INLINE void direct_16(int bits, const affine *a, uint32_t row, affine_row x, float *y) {
    const int parts = parts_of(bits);
    const uint32_t group = a->m->format.group, chunk_cols = 64 * (uint32_t)parts, bytes = 8 * (uint32_t)(parts * bits);
    const uint32_t groups_of_chunk = chunk_cols / group; /* 0: a group is two chunks */
    const size_t after = (size_t)(a->m->format.rows - row - DIRECT_ROWS) * a->row_bytes;
    const size_t ahead = row + 2 * DIRECT_ROWS <= a->row1 ? DIRECT_ROWS : 0; /* rows to what is fetched early */
    const uint8_t *w = a->m->weight + row * a->row_bytes;
    uint8_t last[DIRECT_ROWS][64] __attribute__((aligned(64)));
    __m512 scales[SCALE_GROUPS], biases[SCALE_GROUPS], sum = _mm512_setzero_ps();
    __m512i pending = _mm512_setzero_si512();
    uint32_t g = 0;
    for (uint32_t c = 0; c < a->chunks; c++, w += bytes) {
        const uint8_t *p = w;
        size_t stride = a->row_bytes;
        if (after + a->row_bytes - (size_t)c * bytes < 64) { /* whole registers would reach past the matrix */
            const __mmask16 mask = c + 1 < a->chunks ? first_lanes(bytes / 4) : a->last;
            for (uint32_t r = 0; r < DIRECT_ROWS; r++, p += stride)
                _mm512_store_si512(last[r], _mm512_maskz_loadu_epi32(mask, p));
            p = last[0];
            stride = 64;
        }
        if (g % SCALE_GROUPS == 0) { /* a chunk's groups divide SCALE_GROUPS */
            uint32_t count = a->groups - g < SCALE_GROUPS ? a->groups - g : SCALE_GROUPS;
            load_scales(a, a->m->scales, row, g, count, scales, 1);
            load_scales(a, a->m->biases, row, g, count, biases, 1);
        }
        fetch_scales(a, row + ahead, c);
        __m512i high[4], low[4], q[4], q2[4], s[8];
        UNROLL
        for (int j = 0; j < parts; j++) {
            high[j] = _mm512_load_si512(x.bytes + ((size_t)c * (size_t)parts + (size_t)j) * 64);
            low[j] = _mm512_load_si512(x.bytes + a->plane + ((size_t)c * (size_t)parts + (size_t)j) * 64);
        }
        UNROLL
        for (int i = 0; i < 4; i++, p += 4 * stride) {
            __m512i v[4], part[4][4];
            UNROLL
            for (int r = 0; r < 4; r++) {
                __m512i chunk = load_chunk(bits, p + (size_t)r * stride, 0xffff);
                __builtin_prefetch(p + (size_t)r * stride + ahead * a->row_bytes, 0, 2);
                v[r] = _mm512_setzero_si512();
                UNROLL
                for (int j = 0; j < parts; j++)
                    part[r][j] = part_of(bits, chunk, j);
            }
            UNROLL
            for (int j = 0; j < parts; j++)
                UNROLL
            for (int r = 0; r < 4; r++)
                v[r] = add_products(v[r], part[r][j], high[j]);
            UNROLL
            for (int r = 0; r < 4; r++)
                v[r] = _mm512_slli_epi32(v[r], 8);
            UNROLL
            for (int j = 0; j < parts; j++)
                UNROLL
            for (int r = 0; r < 4; r++)
                v[r] = add_products(v[r], part[r][j], low[j]);
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
        } else if (parts > 1 && groups_of_chunk == 4) {
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
            sum = add_group(sum, s[i], scales[g % SCALE_GROUPS], biases[g % SCALE_GROUPS], x.step + g, x.sum + g);
    }
    _mm512_storeu_ps(y + row, sum);
}
