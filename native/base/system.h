/* What the core asks of the operating system: pages, a clock, the number of usable cores. */
#ifndef FM_BASE_SYSTEM_H
#define FM_BASE_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

enum { FM_PAGE = 4096, FM_LINE = 64 };

static inline uint64_t fm_round_up(uint64_t value, uint64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

/* Zeroed pages, committed when first touched; NULL when refused. bytes 0 gives one page. */
void *fm_pages_new(size_t bytes);
void fm_pages_free(void *pages, size_t bytes);
/* Gives the memory of whole pages inside [pages, pages + bytes) back; they read as zero afterwards. */
void fm_pages_discard(void *pages, size_t bytes);

/* Seconds of a monotonic clock. */
double fm_now(void);
/* Cores that this process may run on, at least 1. */
uint32_t fm_core_count(void);

#endif
