#include "reader.h"

#include "../base/error.h"
#include "../base/system.h"
#include "uring.h"

#include <stdlib.h>
#include <string.h>

#if defined(__APPLE__)
#include <dispatch/dispatch.h>
#else
#include <pthread.h>
#endif

/* Reads under way in the ring: with the parts of an expert of very different sizes, what keeps a disk at work while
 * results are taken in batches. */
enum { RING_READS = 16, RING_LOW = 5, LARGEST_RING_READ = 1 << 30 };

struct fm_reader {
    fm_reader_client client;
    bool direct;
    fm_uring *ring; /* or NULL */
    uint32_t threads, started;
    uint32_t stages;
    size_t stage_bytes; /* of one read */
    uint8_t *staging;   /* [stages][stage_bytes] */
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

static uint32_t stages_of(uint32_t threads) {
    return threads > RING_READS ? threads : RING_READS;
}

uint64_t fm_reader_bytes(uint32_t threads, size_t staging) {
    return (uint64_t)stages_of(threads) * stage_bytes_of(staging);
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

/* ---- the ring ----------------------------------------------------------------------------------------------------
 */

struct flight {
    fm_read read;
    uint8_t *at; /* where the bytes of the part go */
    double start;
};

static void take_off(fm_reader *reader, uint32_t tag, struct flight *flight) {
    const fm_read *read = &flight->read;
    uint8_t *stage = reader->staging + tag * reader->stage_bytes;
    flight->at = read->in_place ? read->dst : stage + read->offset % FM_DIRECT_ALIGN;
    flight->start = fm_now();
    fm_blocks blocks = fm_file_blocks(read->offset, read->length, flight->at);
    uint32_t bytes = blocks.bytes < LARGEST_RING_READ ? (uint32_t)blocks.bytes : LARGEST_RING_READ;
    fm_uring_read(reader->ring, read->file->direct, blocks.dst, bytes, blocks.offset, tag);
}

static void land(fm_reader *reader, const struct flight *flight, int32_t got) {
    const fm_read *read = &flight->read;
    fm_error err = {0};
    fm_status status =
        got < 0 ? fm_file_read_direct(read->file, read->offset, read->length, flight->at, &err) /* try once more */
                : fm_file_read_rest(read->file, read->offset, read->length, flight->at, (size_t)got, &err);
    if (status == FM_OK && !read->in_place)
        memcpy(read->dst, flight->at, read->length);
    reader->client.done(reader->client.context, read, status, &err, fm_now() - flight->start);
}

/* Results are taken when those of one expert are there, but early enough that the disk has something left to do: every
 * time, this thread takes a core from the arithmetic. */
static void work_ring(fm_reader *reader) {
    struct flight flights[RING_READS];
    uint32_t order[RING_READS], idle[RING_READS], count = 0; /* tags: under way, oldest first; not under way */
    for (uint32_t i = 0; i < RING_READS; i++)
        idle[i] = i;
    for (;;) {
        while (count < RING_READS) {
            uint32_t tag = idle[count];
            if (!reader->client.next(reader->client.context, &flights[tag].read, count == 0))
                break;
            order[count++] = tag;
            take_off(reader, tag, &flights[tag]);
        }
        if (count == 0)
            return;
        uint32_t expert = 0;
        for (uint32_t i = 0; i < count; i++)
            expert += flights[order[i]].read.tag == flights[order[0]].read.tag;
        uint32_t most = count > RING_LOW ? count - RING_LOW : 1;
        fm_uring_wait(reader->ring, expert < most ? expert : most);
        uint32_t tag;
        for (int32_t got; fm_uring_take(reader->ring, &tag, &got);) {
            land(reader, &flights[tag], got);
            uint32_t i = 0;
            while (order[i] != tag)
                i++;
            memmove(&order[i], &order[i + 1], (--count - i) * sizeof *order);
            idle[count] = tag;
        }
    }
}

static void work(struct worker *worker) {
    fm_reader *reader = worker->reader;
    if (reader->ring && fm_uring_start(reader->ring)) {
        work_ring(reader);
        return;
    }
    fm_read read;
    while (reader->client.next(reader->client.context, &read, true)) {
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

fm_status fm_reader_start(fm_reader **out, const fm_reader_options *options, const fm_reader_client *client,
                          fm_error *err) {
    fm_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return fm_fail(err, FM_NO_MEMORY, "out of memory while starting the read threads");
    reader->client = *client;
    reader->direct = options->direct;
    reader->ring = options->ring ? fm_uring_new(RING_READS) : NULL;
    reader->threads = reader->ring ? 1 : options->threads;
    reader->stages = stages_of(options->threads);
    reader->stage_bytes = stage_bytes_of(options->staging);
    reader->staging = fm_pages_new((size_t)reader->stages * reader->stage_bytes);
    reader->workers = calloc(reader->threads, sizeof *reader->workers);
    if (!reader->staging || !reader->workers || !threads_new(reader)) {
        fm_reader_stop(reader);
        return fm_fail(err, FM_NO_MEMORY, "out of memory while starting the read threads");
    }
    /* Fewer threads than asked for still serve every read. */
    for (; reader->started < reader->threads; reader->started++) {
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
    fm_uring_free(reader->ring);
    fm_pages_free(reader->staging, (size_t)reader->stages * reader->stage_bytes);
    free(reader->workers);
    free(reader);
}
