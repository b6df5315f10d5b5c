#include "reader.h"

#include "../base/error.h"
#include "../base/system.h"

#include <stdlib.h>
#include <string.h>

#if defined(__APPLE__)
#include <dispatch/dispatch.h>
#else
#include <pthread.h>
#endif

struct fm_reader {
    fm_reader_client client;
    bool direct;
    uint32_t threads, started;
    size_t stage_bytes; /* of one thread */
    uint8_t *staging;   /* [threads][stage_bytes] */
#if defined(__APPLE__)
    dispatch_group_t group; /* of the workers */
#else
    pthread_t *ids;
#endif
    struct worker {
        fm_reader *reader;
        uint8_t *stage;
    } *workers;
};

static size_t stage_bytes_of(size_t staging) {
    /* A staged read may start and end anywhere inside its blocks. */
    return (size_t)fm_round_up(staging, FM_DIRECT_ALIGN) + 2 * FM_DIRECT_ALIGN;
}

uint64_t fm_reader_bytes(uint32_t threads, size_t staging) {
    return (uint64_t)threads * stage_bytes_of(staging);
}

static fm_status do_read(const fm_reader *reader, const fm_read *read, uint8_t *stage, fm_error *err) {
    bool direct = reader->direct && read->file->direct >= 0;
    if (!direct)
        return fm_file_read(read->file, read->offset, read->length, read->dst, err);
    if (read->in_place)
        return fm_file_read_direct(read->file, read->offset, read->length, read->dst, err);
    uint8_t *at = stage + read->offset % FM_DIRECT_ALIGN;
    fm_status status = fm_file_read_direct(read->file, read->offset, read->length, at, err);
    if (status == FM_OK)
        memcpy(read->dst, at, read->length);
    return status;
}

static void work(struct worker *worker) {
    fm_reader *reader = worker->reader;
    fm_read read;
    while (reader->client.next(reader->client.context, &read)) {
        fm_error err = {0};
        double start = fm_now();
        fm_status status = do_read(reader, &read, worker->stage, &err);
        reader->client.done(reader->client.context, &read, status, &err, fm_now() - start);
    }
}

/* ---- threads: GCD's on macOS, of the class that a user waits for, so that they get fast cores; else our own ---------
 */

#if defined(__APPLE__)
static void run(void *worker) {
    work(worker);
}

static bool threads_new(fm_reader *reader) {
    reader->group = dispatch_group_create();
    return reader->group != NULL;
}

static bool thread_start(fm_reader *reader, uint32_t i) {
    dispatch_group_async_f(reader->group, dispatch_get_global_queue(QOS_CLASS_USER_INITIATED, 0), &reader->workers[i],
                           run);
    return true;
}

static void threads_join(fm_reader *reader) {
    dispatch_group_wait(reader->group, DISPATCH_TIME_FOREVER);
}

static void threads_free(fm_reader *reader) {
    if (reader->group)
        dispatch_release(reader->group);
}
#else
static void *run(void *worker) {
    work(worker);
    return NULL;
}

static bool threads_new(fm_reader *reader) {
    reader->ids = calloc(reader->threads, sizeof *reader->ids);
    return reader->ids != NULL;
}

static bool thread_start(fm_reader *reader, uint32_t i) {
    return pthread_create(&reader->ids[i], NULL, run, &reader->workers[i]) == 0;
}

static void threads_join(fm_reader *reader) {
    for (uint32_t i = 0; i < reader->started; i++)
        pthread_join(reader->ids[i], NULL);
}

static void threads_free(fm_reader *reader) {
    free(reader->ids);
}
#endif

fm_status fm_reader_start(fm_reader **out, uint32_t threads, size_t staging, bool direct,
                          const fm_reader_client *client, fm_error *err) {
    fm_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return fm_fail(err, FM_NO_MEMORY, "out of memory while starting the read threads");
    reader->client = *client;
    reader->direct = direct;
    reader->threads = threads;
    reader->stage_bytes = stage_bytes_of(staging);
    reader->staging = fm_pages_new((size_t)threads * reader->stage_bytes);
    reader->workers = calloc(threads, sizeof *reader->workers);
    if (!reader->staging || !reader->workers || !threads_new(reader)) {
        fm_reader_stop(reader);
        return fm_fail(err, FM_NO_MEMORY, "out of memory while starting the read threads");
    }
    /* Fewer threads than asked for still serve every read. */
    for (; reader->started < threads; reader->started++) {
        uint32_t i = reader->started;
        reader->workers[i] = (struct worker){reader, reader->staging + i * reader->stage_bytes};
        if (!thread_start(reader, i))
            break;
    }
    if (reader->started == 0) {
        fm_reader_stop(reader);
        return fm_fail(err, FM_NO_MEMORY, "the system refused to start a read thread");
    }
    *out = reader;
    return FM_OK;
}

void fm_reader_stop(fm_reader *reader) {
    if (!reader)
        return;
    if (reader->started)
        threads_join(reader);
    threads_free(reader);
    fm_pages_free(reader->staging, (size_t)reader->threads * reader->stage_bytes);
    free(reader->workers);
    free(reader);
}
