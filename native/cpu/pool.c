#include "pool.h"

#include "../base/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* About 20 microseconds of looking before sleeping. */
enum { LOOKS = 600 };

/* No region, or all of its tasks drawn. */
#define CLOSED 0x80000000u

struct fm_pool {
    uint32_t threads, started;
    pthread_t *ids;
    struct pool_worker {
        fm_pool *pool;
        uint32_t thread;
    } *workers;

    /* The region. Written while `next` is CLOSED and read only after a task was drawn from it. */
    fm_task task;
    void *context;
    atomic_uint count;
    atomic_uint next;   /* task to hand out, or CLOSED and above */
    atomic_uint inside; /* workers that may hold a task: the caller waits for these and for no sleeping one */

    atomic_uint generation; /* raised by one for each region */
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    atomic_uint sleepers; /* workers in, or about to enter, the wait for `work` */
    atomic_bool caller_sleeps;
};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void run_tasks(fm_pool *pool, uint32_t thread) {
    for (uint32_t t; (t = atomic_fetch_add(&pool->next, 1)) < CLOSED && t < atomic_load(&pool->count);)
        pool->task(pool->context, t, thread);
}

/* Returns once the generation differs from `seen`. */
static void wait_for_work(fm_pool *pool, uint32_t seen) {
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load(&pool->generation) != seen)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->generation) == seen)
        pthread_cond_wait(&pool->work, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *pool_work(void *argument) {
    struct pool_worker *worker = argument;
    fm_pool *pool = worker->pool;
    for (uint32_t seen = 0;;) {
        wait_for_work(pool, seen);
        if (atomic_load(&pool->stop))
            return NULL;
        seen = atomic_load(&pool->generation);
        atomic_fetch_add(&pool->inside, 1);
        run_tasks(pool, worker->thread);
        if (atomic_fetch_sub(&pool->inside, 1) == 1 && atomic_load(&pool->caller_sleeps)) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->lock);
        }
    }
}

static void raise_generation(fm_pool *pool) {
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleepers)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->lock);
    }
}

void fm_pool_run(fm_pool *pool, uint32_t count, fm_task task, void *context) {
    if (pool->started == 0 || count == 1) {
        for (uint32_t t = 0; t < count; t++)
            task(context, t, 0);
        return;
    }
    pool->task = task;
    pool->context = context;
    atomic_store(&pool->count, count);
    atomic_store(&pool->next, 0);
    raise_generation(pool);
    run_tasks(pool, 0);
    atomic_store(&pool->next, CLOSED);
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load(&pool->inside) == 0)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->caller_sleeps, true);
    while (atomic_load(&pool->inside))
        pthread_cond_wait(&pool->done, &pool->lock);
    atomic_store(&pool->caller_sleeps, false);
    pthread_mutex_unlock(&pool->lock);
}

uint32_t fm_pool_threads(const fm_pool *pool) {
    return pool->threads;
}

fm_status fm_pool_new(fm_pool **out, uint32_t threads, fm_error *err) {
    fm_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the compute threads");
    pool->threads = threads;
    atomic_store(&pool->next, CLOSED);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->ids = calloc(threads, sizeof *pool->ids);
    pool->workers = calloc(threads, sizeof *pool->workers);
    if (!pool->ids || !pool->workers) {
        fm_pool_free(pool);
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the compute threads");
    }
    for (uint32_t i = 0; i + 1 < threads; i++) {
        pool->workers[i] = (struct pool_worker){pool, i + 1};
        if (pthread_create(&pool->ids[i], NULL, pool_work, &pool->workers[i]) != 0) {
            fm_pool_free(pool);
            return fm_fail(err, FM_NO_MEMORY, "the system refused to start compute thread %u of %u", i + 2, threads);
        }
        pool->started++;
    }
    *out = pool;
    return FM_OK;
}

void fm_pool_free(fm_pool *pool) {
    if (!pool)
        return;
    atomic_store(&pool->stop, true);
    raise_generation(pool);
    for (uint32_t i = 0; i < pool->started; i++)
        pthread_join(pool->ids[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    free(pool->ids);
    free(pool->workers);
    free(pool);
}
