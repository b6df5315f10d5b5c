#include "system.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

void *fm_pages_new(size_t bytes) {
    if (bytes == 0)
        bytes = FM_PAGE;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
#if defined(MADV_NOHUGEPAGE)
    /* Huge pages gained nothing for reads here and make the first touch of new memory several times slower; they would
     * also commit memory that the plan counts as untouched. */
    madvise(p, bytes, MADV_NOHUGEPAGE);
#endif
    return p;
}

void fm_pages_free(void *pages, size_t bytes) {
    if (pages)
        munmap(pages, bytes ? bytes : FM_PAGE);
}

void fm_pages_discard(void *pages, size_t bytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)pages + page - 1) / page * page;
    uintptr_t last = ((uintptr_t)pages + bytes) / page * page;
    if (last > first) {
#if defined(__APPLE__)
        /* MADV_FREE keeps the pages in the resident set until there is pressure; a fresh mapping drops them now. */
        mmap((void *)first, last - first, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0);
#else
        madvise((void *)first, last - first, MADV_DONTNEED);
#endif
    }
}

double fm_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

uint32_t fm_core_count(void) {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (uint32_t)CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (uint32_t)n : 1;
}
