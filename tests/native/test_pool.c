/* The compute threads: every task runs exactly once, regions do not leak into each other, sleeping threads wake. */
#define _GNU_SOURCE
#include "cpu/pool.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 1000 };

typedef struct region {
    atomic_uint ran[MOST];
    atomic_uint wrong_thread;
    uint32_t threads;
    unsigned plain[MOST]; /* written without atomics: a sanitizer sees a missing hand-over */
} region;

static void count(void *context, uint32_t task, uint32_t thread) {
    region *r = context;
    atomic_fetch_add(&r->ran[task], 1);
    r->plain[task]++;
    if (thread >= r->threads)
        atomic_fetch_add(&r->wrong_thread, 1);
}

int main(void) {
    int failures = 0;
    for (uint32_t threads = 1; threads <= 8; threads++) {
        fm_pool *pool;
        fm_error err;
        if (fm_pool_new(&pool, threads, &err) != FM_OK) {
            printf("%u threads: %s\n", threads, err.message);
            return 1;
        }
        region *r = calloc(1, sizeof *r);
        r->threads = threads;
        unsigned expected[MOST] = {0};
        unsigned seed = threads;
        for (int i = 0; i < 3000; i++) {
            seed = seed * 1664525u + 1013904223u;
            uint32_t tasks = i % 7 == 0 ? 1 : (seed >> 8) % MOST;
            fm_pool_run(pool, tasks, count, r);
            for (uint32_t t = 0; t < tasks; t++)
                expected[t]++;
            if (i % 500 == 0)
                usleep(2000); /* long enough for the workers to sleep */
        }
        for (uint32_t t = 0; t < MOST; t++)
            if (atomic_load(&r->ran[t]) != expected[t] || r->plain[t] != expected[t]) {
                printf("%u threads: task %u ran %u times instead of %u\n", threads, t, atomic_load(&r->ran[t]),
                       expected[t]);
                failures++;
            }
        if (atomic_load(&r->wrong_thread)) {
            printf("%u threads: a task was told a thread number out of range\n", threads);
            failures++;
        }
        free(r);
        fm_pool_free(pool);
    }
    printf(failures ? "%d failures\n" : "pool: ok\n", failures);
    return failures != 0;
}
