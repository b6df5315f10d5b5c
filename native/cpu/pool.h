/* A pool of compute threads for short parallel regions.
 *
 * Tasks of a region are handed out one by one from a counter, so a thread that the system put aside costs one task and
 * not its share. Waiting threads look for work for a few microseconds, since regions follow each other closely within
 * a layer, and then sleep: on a shared machine a spinning thread stalls the one that has work. */
#ifndef FM_CPU_POOL_H
#define FM_CPU_POOL_H

#include "flashmoe.h"

typedef struct fm_pool fm_pool;
typedef void (*fm_task)(void *context, uint32_t task, uint32_t thread);

/* threads: in all, the calling one included. */
fm_status fm_pool_new(fm_pool **pool, uint32_t threads, fm_error *err);
void fm_pool_free(fm_pool *pool);
uint32_t fm_pool_threads(const fm_pool *pool);
/* Runs task(context, 0 … count - 1, thread) and returns when all are done. thread is in [0, threads). One region at a
 * time, from one thread. */
void fm_pool_run(fm_pool *pool, uint32_t count, fm_task task, void *context);

#endif
