/* The memory of the expert cache. Where host and GPU share memory, pages that are wrapped as buffers, so reads land
 * where kernels find them. Else a buffer of the device and pinned memory of the host, from which experts are moved. */
#include "gpu.h"

#include "../base/error.h"
#include "../base/system.h"

#include <stdlib.h>

/* A wrapped buffer stays below 4 GiB and holds whole slots. */
#define PIECE_MOST (4ull << 30)

uint64_t fm_gpu_address_of(const fm_backend *b, const uint8_t *part) {
    if (!part)
        return 0;
    uint64_t at = (uint64_t)(part - b->slots), piece = at / b->piece_bytes;
    return b->pieces[piece]->address + at % b->piece_bytes;
}

static fm_status wrap_pages(fm_backend *b, fm_slots *out, fm_error *err) {
    b->slots = fm_pages_new((size_t)b->slots_bytes + FM_WRAP_ALIGN);
    if (!b->slots)
        return fm_fail(err, FM_NO_MEMORY, "the system refused %llu bytes for the expert cache",
                       (unsigned long long)b->slots_bytes);
    b->slots_memory = b->slots;
    b->slots = (uint8_t *)(uintptr_t)fm_round_up((uint64_t)(uintptr_t)b->slots, FM_WRAP_ALIGN);
    fm_status status = FM_OK;
    for (uint32_t i = 0; i < b->piece_count && status == FM_OK; i++) {
        uint64_t at = i * b->piece_bytes, left = b->slots_bytes - at;
        status =
            fm_buffer_wrap(b->device, b->slots + at, left < b->piece_bytes ? left : b->piece_bytes, &b->pieces[i], err);
    }
    *out = (fm_slots){.base = b->slots};
    return status;
}

static uint64_t begin_move(void *context, uint8_t *to, const uint8_t *from, size_t bytes, bool up, uint64_t after) {
    fm_backend *b = context;
    uint64_t card = (uint64_t)((up ? to : from) - b->slots);
    uint64_t host = (uint64_t)((up ? from : to) - (uint8_t *)b->host_slots->host);
    return up ? fm_move_begin(b->pieces[0], card, b->host_slots, host, bytes, true, after)
              : fm_move_begin(b->host_slots, host, b->pieces[0], card, bytes, false, after);
}

static bool move_ended(void *context, uint64_t ticket) {
    return fm_move_ended(((fm_backend *)context)->device, ticket);
}

static void wait_for_move(void *context, uint64_t ticket) {
    fm_move_wait(((fm_backend *)context)->device, ticket);
}

static fm_status two_tiers(fm_backend *b, fm_slots *out, fm_error *err) {
    fm_status status = fm_buffer_new(b->device, b->slots_bytes, FM_PRIVATE, true, &b->pieces[0], err);
    if (status == FM_OK)
        status = fm_buffer_new(b->device, b->plan.host, FM_PINNED, false, &b->host_slots, err);
    if (status != FM_OK)
        return status;
    /* Not memory of the host: places in it are numbers that only begin_move and fm_gpu_address_of read. */
    b->slots = (uint8_t *)(uintptr_t)FM_WRAP_ALIGN;
    *out = (fm_slots){b->slots, b->host_slots->host, {b, begin_move, move_ended, wait_for_move}};
    return FM_OK;
}

fm_status fm_gpu_slots_new(fm_backend *b, fm_slots *out, fm_error *err) {
    uint64_t slot_bytes = b->plan.slot;
    b->slots_bytes = fm_round_up(b->plan.cache, FM_WRAP_ALIGN);
    bool unified = b->device->limits.unified;
    /* FM_WRAP_ALIGN slots of whole 4 KiB blocks are whole pages of any system. */
    uint64_t step = slot_bytes * (FM_WRAP_ALIGN / FM_PAGE);
    uint64_t most = b->device->limits.buffer_most < PIECE_MOST ? b->device->limits.buffer_most : PIECE_MOST;
    b->piece_bytes = !unified ? b->slots_bytes : step < most ? most / step * step : step;
    b->piece_count = (uint32_t)((b->slots_bytes + b->piece_bytes - 1) / b->piece_bytes);
    b->pieces = calloc(b->piece_count + 1, sizeof *b->pieces);
    if (!b->pieces)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the expert cache");
    return unified ? wrap_pages(b, out, err) : two_tiers(b, out, err);
}

void fm_gpu_slots_free(fm_backend *b) {
    for (uint32_t i = 0; b->pieces && i < b->piece_count; i++)
        fm_buffer_free(b->pieces[i]);
    free(b->pieces);
    b->pieces = NULL;
    fm_buffer_free(b->host_slots);
    b->host_slots = NULL;
    if (b->slots_memory)
        fm_pages_free(b->slots_memory, (size_t)b->slots_bytes + FM_WRAP_ALIGN);
    b->slots_memory = NULL;
}
