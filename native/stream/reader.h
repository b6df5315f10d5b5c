/* Reads: taken from a client, done, and reported. The client (slots.c) decides what and in which order; this file only
 * knows files and bytes. Direct reads into memory go through one thread with io_uring, where the system has it
 * (uring.h); all others through several threads with a read each, on macOS GCD's. */
#ifndef FM_STREAM_READER_H
#define FM_STREAM_READER_H

#include "file.h"

typedef struct fm_read {
    const fm_file *file;
    uint64_t offset;
    size_t length;
    uint8_t *dst;
    bool in_place; /* dst has the alignment and slack of fm_file_read_direct; else a direct read is staged and copied */
    uint32_t tag;  /* the client's */
} fm_read;

typedef struct fm_reader_client {
    void *context;
    /* The next read to do. wait: blocks until there is one, and false ends the thread; else false says that there is
     * none now. */
    bool (*next)(void *context, fm_read *read, bool wait);
    void (*done)(void *context, const fm_read *read, fm_status status, const fm_error *err, double seconds);
} fm_reader_client;

typedef struct fm_reader fm_reader;

typedef struct fm_reader_options {
    uint32_t threads;
    size_t staging; /* the largest read that is not in place, in bytes */
    bool direct;    /* use direct reads where a file has them */
    bool ring;      /* use io_uring if the system has it; every read is direct then */
} fm_reader_options;

fm_status fm_reader_start(fm_reader **reader, const fm_reader_options *options, const fm_reader_client *client,
                          fm_error *err);
/* Joins the threads; the client's next() must return false from now on. */
void fm_reader_stop(fm_reader *reader);
/* Bytes of staging that fm_reader_start will allocate. */
uint64_t fm_reader_bytes(uint32_t threads, size_t staging);

#endif
