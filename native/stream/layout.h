/* Where the parts of an expert lie in a slot of the cache. */
#ifndef FM_STREAM_LAYOUT_H
#define FM_STREAM_LAYOUT_H

#include "flashmoe.h"

typedef struct fm_part_place {
    uint32_t offset; /* in the slot */
    bool in_place;   /* there is room around it for a direct read; else it is copied from staging */
} fm_part_place;

/* Large parts first, each on a block of its own; then the small ones. Returns the slot's bytes; raises *staging to the
 * largest part that is not read in place. */
uint64_t fm_place_parts(const fm_expert_table *table, fm_part_place places[FM_EXPERT_PARTS], uint64_t *staging);

/* Bytes of the largest part of an expert. */
uint64_t fm_largest_part(const fm_expert_table *tables, uint32_t layers);

/* Bytes of one slot, and of the largest staged read, for these tables. The plan counts with them. */
uint64_t fm_slot_bytes(const fm_expert_table *tables, uint32_t layers, uint64_t *staging);

#endif
