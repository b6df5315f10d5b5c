/* io_uring, as much of it as reading needs: one thread submits reads and takes their results, many at a time, so that
 * a read costs neither a system call nor a wake-up of its own. Linux has what this needs since 5.6; containers often
 * forbid it.
 *
 * One thread at a time, and always the same between start and free. */
#ifndef FM_STREAM_URING_H
#define FM_STREAM_URING_H

#include <stdbool.h>
#include <stdint.h>

typedef struct fm_uring fm_uring;

/* entries: the most reads under way, a power of two. NULL where the system has none or does not allow it. */
fm_uring *fm_uring_new(uint32_t entries);
void fm_uring_free(fm_uring *ring);
/* By the thread that will use it, before anything else. False: it cannot be used. */
bool fm_uring_start(fm_uring *ring);
/* Queues a read of `bytes` bytes at `offset`; the next wait hands it to the kernel. */
void fm_uring_read(fm_uring *ring, int fd, void *dst, uint32_t bytes, uint64_t offset, uint32_t tag);
/* Hands over what is queued, and waits until at least so many results are there. Returns sooner after a signal. */
void fm_uring_wait(fm_uring *ring, uint32_t least);
/* Takes a result: bytes read, or a negative errno. False when none is there. */
bool fm_uring_take(fm_uring *ring, uint32_t *tag, int32_t *result);

#endif
