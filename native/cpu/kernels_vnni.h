/* Products with affine matrices (kernels_quantise.h) by VNNI, whose vpdpbusd adds four products of a byte of weights
 * and a signed byte of x in each of 16 lanes.
 *
 *   kernels_vnni_rows.h     rows of weights, of x and of scales, as both ways take them
 *   kernels_vnni_direct.h   one token
 *   kernels_vnni_tile.h     several tokens
 *
 * Both ways end with lanes as rows, where the floats are one operation after the other. */

#include "kernels_vnni_rows.h"

#include "kernels_vnni_direct.h"
#include "kernels_vnni_tile.h"

#define AFFINE(BITS)                                                                                                   \
    NOINLINE void affine_##BITS(const affine *a, uint32_t row0, const fm_activations *x, uint32_t n, float *y,         \
                                size_t ldy) {                                                                          \
        if (n > 1 || a->row1 - row0 < DIRECT_ROWS) {                                                                   \
            tiled(BITS, a, row0, x, n, y, ldy);                                                                        \
            return;                                                                                                    \
        }                                                                                                              \
        for (uint32_t row = row0; row < a->row1; row += DIRECT_ROWS) {                                                 \
            uint32_t at = a->row1 - row < DIRECT_ROWS ? a->row1 - DIRECT_ROWS : row; /* the last ones again */         \
            direct_16(BITS, a, at, affine_row_at(a, x, 0), y);                                                         \
        }                                                                                                              \
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
