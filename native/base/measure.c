/* What the machine can do: memory and disk read rates, for `doctor` and the benchmarks. */
#include "error.h"
#include "system.h"

#include "../stream/file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { PASSES = 5, THREADS_MOST = 256 };

/* ---- memory ---------------------------------------------------------------------------------------------------------
 */

typedef struct memory_reader {
    const uint64_t *words;
    size_t count;
    uint64_t sum;
} memory_reader;

static void *read_words(void *argument) {
    memory_reader *r = argument;
    uint64_t sums[16] = {0};
    size_t i = 0;
    for (; i + 16 <= r->count; i += 16)
        for (int k = 0; k < 16; k++)
            sums[k] += r->words[i + (size_t)k];
    for (int k = 0; k < 16; k++)
        r->sum += sums[k];
    return NULL;
}

double fm_measure_memory(size_t bytes, uint32_t threads) {
    threads = threads < 1 ? 1 : threads > THREADS_MOST ? THREADS_MOST : threads;
    uint8_t *pages = fm_pages_new(bytes);
    if (!pages)
        return 0;
    memset(pages, 1, bytes);
    double best = 0;
    volatile uint64_t sink = 0;
    for (int pass = 0; pass < PASSES; pass++) {
        memory_reader readers[THREADS_MOST];
        pthread_t ids[THREADS_MOST];
        size_t share = bytes / sizeof(uint64_t) / threads;
        uint32_t started = 0;
        double start = fm_now();
        for (uint32_t t = 0; t < threads; t++)
            readers[t] = (memory_reader){(const uint64_t *)(void *)pages + t * share, share, 0};
        for (uint32_t t = 1; t < threads && pthread_create(&ids[t], NULL, read_words, &readers[t]) == 0; t++)
            started = t;
        read_words(&readers[0]);
        for (uint32_t t = 1; t <= started; t++)
            pthread_join(ids[t], NULL);
        double seconds = fm_now() - start;
        for (uint32_t t = 0; t <= started; t++)
            sink = sink + readers[t].sum;
        double rate = (double)((started + 1) * share * sizeof(uint64_t)) / seconds;
        best = rate > best ? rate : best;
    }
    fm_pages_free(pages, bytes);
    return best;
}

/* ---- disk
 * ------------------------------------------------------------------------------------------------------------ */

typedef struct disk_task {
    const fm_file *file;
    size_t size;
    bool direct;
    double until;
    atomic_uint_fast64_t next, bytes;
    atomic_bool failed;
    pthread_mutex_t lock;
    fm_error err;
} disk_task;

static void *read_blocks(void *argument) {
    disk_task *t = argument;
    size_t room = (size_t)fm_round_up(t->size, FM_DIRECT_ALIGN) + FM_DIRECT_ALIGN;
    uint8_t *buffer = fm_pages_new(room);
    uint64_t blocks = t->file->size / t->size;
    while (buffer && fm_now() < t->until && !atomic_load(&t->failed)) {
        /* A fixed scatter over the file (Knuth's multiplicative hash). */
        uint64_t block = atomic_fetch_add(&t->next, 1) * 0x9E3779B97F4A7C15ull % blocks;
        uint64_t offset = block * t->size / FM_DIRECT_ALIGN * FM_DIRECT_ALIGN;
        fm_error err = {0};
        fm_status status = t->direct ? fm_file_read_direct(t->file, offset, t->size, buffer, &err)
                                     : fm_file_read(t->file, offset, t->size, buffer, &err);
        if (status != FM_OK) {
            pthread_mutex_lock(&t->lock);
            t->err = err;
            pthread_mutex_unlock(&t->lock);
            atomic_store(&t->failed, true);
            break;
        }
        atomic_fetch_add(&t->bytes, t->size);
    }
    fm_pages_free(buffer, room);
    return NULL;
}

fm_status fm_measure_disk(const char *path, size_t size, uint32_t depth, bool direct, double seconds, double *rate,
                          fm_error *err) {
    fm_file file;
    fm_status status = fm_file_open(&file, path, direct, err);
    if (status != FM_OK)
        return status;
    if (size == 0 || file.size < size) {
        status = fm_fail(err, FM_BAD_ARGUMENT, "%s has %llu bytes, too few for reads of %zu", path,
                         (unsigned long long)file.size, size);
    } else if (direct && file.direct < 0) {
        status = fm_fail(err, FM_UNSUPPORTED, "the file system of %s does not allow direct reads", path);
    } else {
        disk_task t = {.file = &file, .size = size, .direct = direct};
        pthread_mutex_init(&t.lock, NULL);
        pthread_t ids[THREADS_MOST];
        uint32_t started = 0;
        double start = fm_now();
        t.until = start + seconds;
        for (; started < depth && started < THREADS_MOST; started++)
            if (pthread_create(&ids[started], NULL, read_blocks, &t) != 0)
                break;
        for (uint32_t i = 0; i < started; i++)
            pthread_join(ids[i], NULL);
        *rate = (double)atomic_load(&t.bytes) / (fm_now() - start);
        if (atomic_load(&t.failed)) {
            status = FM_IO;
            if (err)
                *err = t.err;
        }
        pthread_mutex_destroy(&t.lock);
    }
    fm_file_close(&file);
    return status;
}
