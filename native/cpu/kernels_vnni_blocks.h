/* The packed form of an affine matrix, in which lanes are rows (kernels_vnni.h).
 *
 * Rows go in blocks of 16, and what follows says `lanes` because the last block may have fewer. 32 columns of a block,
 * a unit, are `bits` vectors [lanes] of dwords. A vector of width w holds 32 / w columns of each row in fields of w
 * bits: field j of byte i is column 4 j + i, so that shifting and masking gives the bytes of four neighbouring columns,
 * which is what vpdpbusd multiplies with four neighbouring bytes of x. Widths that divide no byte lie in two planes,
 * the low bits of a unit before its high ones: 3 = 2 + 1, 5 = 4 + 1, 6 = 4 + 2. Scales and biases of a block are
 * [groups][lanes].
 *
 * All of it takes the bytes of the block as stored, in other places, so a block is packed from a copy to where it was.
 */

enum { BLOCK_ROWS = FM_PACKED_ROWS, UNIT_COLS = 32, UNIT_PARTS = 8 };

/* One matrix during a call. */
typedef struct {
    const fm_matrix *m;
    size_t row_bytes, scale_bytes;
    uint32_t groups;
    size_t plane; /* bytes of x in a plane */
} affine;

static affine affine_of(const fm_matrix *m) {
    const fm_format *f = &m->format;
    return (affine){m, fm_row_bytes(f), fm_row_scale_bytes(f), f->cols / f->group, f->cols};
}

/* Rows of a block: 16, or what the matrix has left. */
INLINE uint32_t lanes_of(const affine *a, uint32_t block) {
    uint32_t left = a->m->format.rows - block * BLOCK_ROWS;
    return left < BLOCK_ROWS ? left : BLOCK_ROWS;
}

/* The widths of the two planes; the second may be 0. */
INLINE int low_bits(int bits) {
    return bits == 3 ? 2 : bits == 5 || bits == 6 ? 4 : bits;
}
INLINE int high_bits(int bits) {
    return bits - low_bits(bits);
}

INLINE __m512i fields(int width, int shift) {
    return _mm512_set1_epi8((char)(((1 << width) - 1) << shift));
}

/* Where mask has ones a, elsewhere b. */
INLINE __m512i pick(__m512i mask, __m512i a, __m512i b) {
    return _mm512_ternarylogic_epi32(mask, a, b, 0xca);
}

/* Shifts to the right, or by a negative number to the left; what crosses bytes is for the caller to mask. */
INLINE __m512i shifted(__m512i v, int by) {
    return by > 0 ? _mm512_srli_epi16(v, (unsigned)by) : by < 0 ? _mm512_slli_epi16(v, (unsigned)-by) : v;
}

/* A unit of a block, at w, as its eight parts: bytes of the columns [4 p, 4 p + 4) in part[p]. */
INLINE void unpack_unit(int bits, const uint8_t *w, size_t vector_bytes, __mmask16 mask, __m512i *part) {
    const int low = low_bits(bits), high = high_bits(bits);
    __m512i v[8];
    UNROLL
    for (int i = 0; i < bits; i++)
        v[i] = _mm512_maskz_loadu_epi32(mask, w + (size_t)i * vector_bytes);
    UNROLL
    for (int p = 0; p < UNIT_PARTS; p++) {
        part[p] = shifted(v[p * low / 8], p * low % 8);
        if (high)
            part[p] = pick(fields(low, 0), part[p], shifted(v[low + p * high / 8], p * high % 8 - low));
        if (bits < 8)
            part[p] = _mm512_and_si512(part[p], fields(bits, 0));
    }
}

/* Scales (or biases) of a block for one group. */
INLINE __m512 load_scales(fm_dtype dtype, const uint8_t *scales, uint32_t g, uint32_t lanes) {
    return load_numbers(dtype, scales + (size_t)g * lanes * fm_dtype_bytes(dtype), lanes);
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

/* Lane i of the 16 vectors at v becomes vector i: dwords. */
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

/* Dwords of fields in the order of columns, c at bit width * c, to field c / 4 of byte c % 4. */
INLINE __m512i regroup(int width, __m512i v) {
    if (width == 8)
        return v;
    __m512i all = v;
    UNROLL
    for (int j = 0; j < 8 / width; j++) { /* byte i from the bit where field j would have its first one */
        const int at = 3 * j * width, to = width;
        const uint32_t four =
            (uint32_t)at | (uint32_t)(at + to) << 8 | (uint32_t)(at + 2 * to) << 16 | (uint32_t)(at + 3 * to) << 24;
        const uint64_t starts = (uint64_t)(four + 0x20202020) << 32 | four;
        __m512i bytes = _mm512_multishift_epi64_epi8(_mm512_set1_epi64((int64_t)starts), v);
        all = j ? pick(fields(width, j * width), bytes, all) : bytes;
    }
    return all;
}

/* The bytes of eight numbers of an odd width, brought into a qword by vpermb. */
#define QWORD(at) (at), (at) + 1, (at) + 2, (at) + 3, (at) + 4, (at) + 5, (at) + 6, (at) + 7
#define QWORDS(w)                                                                                                      \
    {QWORD(0), QWORD(w), QWORD(2 * (w)), QWORD(3 * (w)), QWORD(4 * (w)), QWORD(5 * (w)), QWORD(6 * (w)), QWORD(7 * (w))}
static const uint8_t qwords[][64] __attribute__((aligned(64))) = {
    [3] = QWORDS(3),
    [5] = QWORDS(5),
    [6] = QWORDS(6),
};
#undef QWORD
#undef QWORDS

/* 64 numbers of an odd width as bytes. */
INLINE __m512i widen(int bits, __m512i raw) {
    const uint64_t b = (uint64_t)bits, starts = b * 0x0706050403020100;
    __m512i eight = _mm512_permutexvar_epi8(_mm512_load_si512(qwords[bits]), raw);
    return _mm512_and_si512(_mm512_multishift_epi64_epi8(_mm512_set1_epi64((int64_t)starts), eight), fields(bits, 0));
}

/* Eight parts to the vectors of a plane of `width` bits, which are bits [from, from + width) of the numbers. */
INLINE void gather_plane(int width, int from, const __m512i *part, __m512i *out) {
    UNROLL
    for (int i = 0; i < width; i++) {
        out[i] = _mm512_setzero_si512();
        UNROLL
        for (int j = 0; j < 8 / width; j++)
            out[i] = pick(fields(width, j * width), shifted(part[i * (8 / width) + j], from - j * width), out[i]);
    }
}

INLINE void pack_block(int bits, const fm_format *f, uint32_t lanes, const uint8_t *from, uint8_t *to) {
    const size_t row_bytes = fm_row_bytes(f), vector_bytes = 4 * (size_t)lanes;
    const __mmask16 mask = first_lanes(lanes);
    const bool planes = high_bits(bits) != 0;
    const uint32_t taken = planes ? 2 * (uint32_t)bits : 16; /* dwords of a row at a time: two units of an odd width */
    for (uint32_t d = 0; d < row_bytes / 4; d += taken) {
        const uint32_t count = (uint32_t)(row_bytes / 4) - d < taken ? (uint32_t)(row_bytes / 4) - d : taken;
        __m512i v[16];
        UNROLL
        for (uint32_t r = 0; r < 16; r++) {
            v[r] = r < lanes ? _mm512_maskz_loadu_epi32(first_lanes(count), from + r * row_bytes + 4 * (size_t)d)
                             : _mm512_setzero_si512();
            if (planes)
                v[r] = widen(bits, v[r]);
        }
        transpose16(v);
        for (uint32_t unit = 0; planes && unit < count / (uint32_t)bits; unit++) {
            __m512i out[8];
            gather_plane(low_bits(bits), 0, v + 8 * unit, out);
            gather_plane(high_bits(bits), low_bits(bits), v + 8 * unit, out + low_bits(bits));
            UNROLL
            for (int i = 0; i < bits; i++, to += vector_bytes)
                _mm512_mask_storeu_epi32(to, mask, out[i]);
        }
        for (uint32_t i = 0; !planes && i < count; i++, to += vector_bytes)
            _mm512_mask_storeu_epi32(to, mask, regroup(bits, v[i]));
    }
}

#define PACK(BITS)                                                                                                     \
    NOINLINE void pack_block_##BITS(const fm_format *f, uint32_t lanes, const uint8_t *from, uint8_t *to) {            \
        pack_block(BITS, f, lanes, from, to);                                                                          \
    }
PACK(2)
PACK(3)
PACK(4)
PACK(5)
PACK(6)
PACK(8)
#undef PACK

/* [lanes][groups] to [groups][lanes]; two numbers of 16 bits travel as one dword. */
static void pack_scales(const fm_format *f, uint32_t lanes, const uint8_t *from, uint8_t *to) {
    const uint32_t groups = f->cols / f->group, size = (uint32_t)fm_dtype_bytes(f->scale_dtype);
    const __mmask16 mask = first_lanes(lanes);
    for (uint32_t g = 0; g < groups; g += 64 / size) {
        const uint32_t count = groups - g < 64 / size ? groups - g : 64 / size;
        const __mmask32 words = (__mmask32)((1ull << count * size / 2) - 1);
        __m512i v[16];
        UNROLL
        for (uint32_t r = 0; r < 16; r++)
            v[r] = r < lanes ? _mm512_maskz_loadu_epi16(words, from + ((size_t)r * groups + g) * size)
                             : _mm512_setzero_si512();
        transpose16(v);
        for (uint32_t i = 0; i < count; i++, to += lanes * size) {
            if (size == 4)
                _mm512_mask_storeu_epi32(to, mask, v[i]);
            else
                _mm512_mask_cvtepi32_storeu_epi16(to, mask, i % 2 ? _mm512_srli_epi32(v[i / 2], 16) : v[i / 2]);
        }
    }
}

static void affine_pack(const fm_format *f, fm_part part, uint32_t rows, const uint8_t *from, uint8_t *to) {
    static void (*const blocks[])(const fm_format *, uint32_t, const uint8_t *, uint8_t *) = {
        [2] = pack_block_2, [3] = pack_block_3, [4] = pack_block_4,
        [5] = pack_block_5, [6] = pack_block_6, [8] = pack_block_8,
    };
    (part == FM_WEIGHT ? blocks[f->bits] : pack_scales)(f, rows, from, to);
}

/* What fm_row does, of a packed matrix. */
static void affine_row(const fm_matrix *m, uint32_t row, float *out) {
    const fm_format *f = &m->format;
    const affine a = affine_of(m);
    const uint32_t block = row / BLOCK_ROWS, lanes = lanes_of(&a, block), lane = row % BLOCK_ROWS;
    const int low = low_bits(f->bits), high = high_bits(f->bits);
    const uint8_t *w = m->weight + (size_t)block * BLOCK_ROWS * a.row_bytes + 4 * (size_t)lane;
    const size_t scales = (size_t)block * BLOCK_ROWS * a.scale_bytes / fm_dtype_bytes(f->scale_dtype) + lane;
    for (uint32_t c = 0; c < f->cols; c++) {
        const uint32_t unit = c / UNIT_COLS, g = c / f->group;
        const int p = (int)(c % UNIT_COLS / 4);
        const uint8_t *at = w + (size_t)unit * f->bits * lanes * 4 + c % 4;
        int q = at[(size_t)(p * low / 8) * lanes * 4] >> p * low % 8 & ((1 << low) - 1);
        if (high)
            q |= (at[(size_t)(low + p * high / 8) * lanes * 4] >> p * high % 8 & ((1 << high) - 1)) << low;
        float scale = fm_load_float(f->scale_dtype, m->scales, scales + (size_t)g * lanes);
        float bias = fm_load_float(f->scale_dtype, m->biases, scales + (size_t)g * lanes);
        out[c] = scale * (float)q + bias;
    }
}
