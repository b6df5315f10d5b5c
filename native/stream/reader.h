/* Read threads: they take reads from a client, do them, and report. The client (slots.c) decides what and in which
 * order; this file only knows files and bytes. On macOS the threads are GCD's. Another way to read (io_uring) would
 * implement these three calls. */
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
    /* Blocks until there is a read to do; false ends the thread. */
    bool (*next)(void *context, fm_read *read);
    void (*done)(void *context, const fm_read *read, fm_status status, const fm_error *err, double seconds);
} fm_reader_client;

typedef struct fm_reader fm_reader;

/* staging: the largest read that is not in place, in bytes. direct: use direct reads where a file has them. */
fm_status fm_reader_start(fm_reader **reader, uint32_t threads, size_t staging, bool direct,
                          const fm_reader_client *client, fm_error *err);
/* Joins the threads; the client's next() must return false from now on. */
void fm_reader_stop(fm_reader *reader);
/* Bytes of staging that fm_reader_start will allocate. */
uint64_t fm_reader_bytes(uint32_t threads, size_t staging);

#endif
