/* One file of a checkpoint, open for reading past the page cache (direct) and through it (buffered). */
#ifndef FM_STREAM_FILE_H
#define FM_STREAM_FILE_H

#include "flashmoe.h"

/* Offset, length and memory of a direct read are multiples of this: the largest block size in use, so it suits every
 * device without asking each. */
enum { FM_DIRECT_ALIGN = 4096 };

typedef struct fm_file {
    char *path;
    uint64_t size;
    int buffered; /* descriptors; direct is -1 where the file system refuses */
    int direct;
} fm_file;

/* Opens path for buffered reads and, if `direct`, tries to open it for direct reads, proving it with one read. */
fm_status fm_file_open(fm_file *file, const char *path, bool direct, fm_error *err);
void fm_file_close(fm_file *file);

/* Reads exactly [offset, offset + length) into dst through the page cache. Interrupted and short reads go on; an end of
 * file or an error is FM_IO with path and offset. */
fm_status fm_file_read(const fm_file *file, uint64_t offset, size_t length, void *dst, fm_error *err);

/* The same by direct reads. `dst - offset % FM_DIRECT_ALIGN` must be aligned to FM_DIRECT_ALIGN, and everything from
 * there to the next multiple of it after dst + length may be overwritten. */
fm_status fm_file_read_direct(const fm_file *file, uint64_t offset, size_t length, uint8_t *dst, fm_error *err);

/* For a caller with a system call of its own: the blocks that such a read takes, and what is left to do when that call
 * gave `got` bytes of them. */
typedef struct fm_blocks {
    uint64_t offset;
    size_t bytes;
    uint8_t *dst;
} fm_blocks;
fm_blocks fm_file_blocks(uint64_t offset, size_t length, uint8_t *dst);
fm_status fm_file_read_rest(const fm_file *file, uint64_t offset, size_t length, uint8_t *dst, size_t got,
                            fm_error *err);

/* Tells the system that the cached pages of this range will not be needed again. */
void fm_file_drop_cache(const fm_file *file, uint64_t offset, uint64_t length);

#endif
