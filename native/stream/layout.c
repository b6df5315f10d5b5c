#include "layout.h"

#include "../base/system.h"
#include "file.h"

/* Parts of at least this size are read in place: their slot leaves room for the blocks around them. Smaller ones would
 * waste more memory on that room than the copy from staging costs. */
enum { IN_PLACE_BYTES = 64 * 1024 };

static uint64_t part_bytes(const fm_expert_table *table, int part) {
    const fm_format *f = &table->matrix[part / 3];
    uint64_t elements = (uint64_t)f->rows * f->cols;
    static const uint8_t width[] = {[FM_F32] = 4, [FM_F16] = 2, [FM_BF16] = 2};
    if (f->dtype != FM_AFFINE)
        return part % 3 == 0 ? elements * width[f->dtype] : 0;
    return part % 3 == 0 ? elements * f->bits / 8 : elements / f->group * width[f->scale_dtype];
}

uint64_t fm_place_parts(const fm_expert_table *table, fm_part_place places[FM_EXPERT_PARTS], uint64_t *staging) {
    uint64_t at = 0;
    for (int small = 0; small < 2; small++)
        for (int p = 0; p < FM_EXPERT_PARTS; p++) {
            uint64_t bytes = part_bytes(table, p);
            bool in_place = bytes >= IN_PLACE_BYTES;
            if (in_place == (bool)small)
                continue;
            places[p] = (fm_part_place){(uint32_t)at, in_place};
            if (in_place)
                at += fm_round_up(bytes, FM_DIRECT_ALIGN) + FM_DIRECT_ALIGN;
            else
                at += fm_round_up(bytes, FM_LINE);
            if (!in_place && bytes > *staging)
                *staging = bytes;
        }
    return fm_round_up(at, FM_DIRECT_ALIGN);
}

uint64_t fm_slot_bytes(const fm_expert_table *tables, uint32_t layers, uint64_t *staging) {
    uint64_t largest = 0;
    *staging = 0;
    for (uint32_t l = 0; l < layers; l++) {
        fm_part_place places[FM_EXPERT_PARTS];
        uint64_t bytes = fm_place_parts(&tables[l], places, staging);
        if (bytes > largest)
            largest = bytes;
    }
    return largest;
}

uint64_t fm_largest_part(const fm_expert_table *tables, uint32_t layers) {
    uint64_t largest = 0;
    for (uint32_t l = 0; l < layers; l++)
        for (int p = 0; p < FM_EXPERT_PARTS; p++) {
            uint64_t bytes = part_bytes(&tables[l], p);
            largest = bytes > largest ? bytes : largest;
        }
    return largest;
}
