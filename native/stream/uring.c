#include "uring.h"

#include <stddef.h>

#if defined(__linux__)
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's interface, which is the same on every architecture. Not from linux/io_uring.h: the systems that wheels
 * are built on are older than it. */
enum { SYS_SETUP = 425, SYS_ENTER = 426, SYS_REGISTER = 427 };
enum {
    SETUP_R_DISABLED = 1 << 6,
    SETUP_SINGLE_ISSUER = 1 << 12,
    SETUP_DEFER_TASKRUN = 1 << 13, /* results are made by the thread that waits, when enough are there (6.1) */
    FEATURE_OF_5_6 = 1 << 3,       /* the first with OP_READ; before it every read would fail and be made again */
    ENTER_GETEVENTS = 1,
    REGISTER_ENABLE_RINGS = 12,
    OP_READ = 22,
};
#define MAP_SUBMISSIONS 0
#define MAP_COMPLETIONS 0x8000000
#define MAP_ENTRIES     0x10000000

typedef struct setup {
    uint32_t submissions, completions, flags, thread_cpu, thread_idle, features, queue, reserved[3];
    struct {
        uint32_t head, tail, mask, entries, flags, dropped, array, reserved;
        uint64_t address;
    } sq;
    struct {
        uint32_t head, tail, mask, entries, overflow, results, flags, reserved;
        uint64_t address;
    } cq;
} setup;

typedef struct entry {
    uint8_t op, flags;
    uint16_t priority;
    int32_t fd;
    uint64_t offset, address;
    uint32_t bytes, op_flags;
    uint64_t tag, rest[3];
} entry;

typedef struct result {
    uint64_t tag;
    int32_t value;
    uint32_t flags;
} result;

_Static_assert(sizeof(setup) == 120 && sizeof(entry) == 64 && sizeof(result) == 16, "the kernel's sizes");

typedef struct mapping {
    uint8_t *at;
    size_t bytes;
} mapping;

struct fm_uring {
    int fd;
    bool disabled; /* until start */
    uint32_t queued;
    mapping sq, cq, sqe;
    _Atomic uint32_t *sq_tail, *cq_head, *cq_tail;
    uint32_t sq_mask, cq_mask;
    uint32_t *sq_array;
    entry *entries;
    result *results;
};

static bool map(fm_uring *ring, mapping *m, size_t bytes, off_t what) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, what);
    if (p == MAP_FAILED)
        return false;
    *m = (mapping){p, bytes};
    return true;
}

fm_uring *fm_uring_new(uint32_t entries) {
    fm_uring *ring = calloc(1, sizeof *ring);
    if (!ring)
        return NULL;
    setup s = {.flags = SETUP_R_DISABLED | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN};
    ring->fd = (int)syscall(SYS_SETUP, entries, &s);
    ring->disabled = ring->fd >= 0;
    if (ring->fd < 0 && errno == EINVAL) { /* an older kernel */
        s = (setup){0};
        ring->fd = (int)syscall(SYS_SETUP, entries, &s);
    }
    if (ring->fd < 0 || !(s.features & FEATURE_OF_5_6) ||
        !map(ring, &ring->sq, s.sq.array + s.submissions * sizeof(uint32_t), MAP_SUBMISSIONS) ||
        !map(ring, &ring->cq, s.cq.results + s.completions * sizeof(result), MAP_COMPLETIONS) ||
        !map(ring, &ring->sqe, s.submissions * sizeof(entry), MAP_ENTRIES)) {
        fm_uring_free(ring);
        return NULL;
    }
    ring->sq_tail = (void *)(ring->sq.at + s.sq.tail);
    ring->sq_array = (void *)(ring->sq.at + s.sq.array);
    ring->sq_mask = *(uint32_t *)(void *)(ring->sq.at + s.sq.mask);
    ring->cq_head = (void *)(ring->cq.at + s.cq.head);
    ring->cq_tail = (void *)(ring->cq.at + s.cq.tail);
    ring->cq_mask = *(uint32_t *)(void *)(ring->cq.at + s.cq.mask);
    ring->entries = (void *)ring->sqe.at;
    ring->results = (void *)(ring->cq.at + s.cq.results);
    return ring;
}

void fm_uring_free(fm_uring *ring) {
    if (!ring)
        return;
    const mapping all[] = {ring->sq, ring->cq, ring->sqe};
    for (int i = 0; i < 3; i++)
        if (all[i].at)
            munmap(all[i].at, all[i].bytes);
    if (ring->fd >= 0)
        close(ring->fd);
    free(ring);
}

bool fm_uring_start(fm_uring *ring) {
    return !ring->disabled || syscall(SYS_REGISTER, ring->fd, REGISTER_ENABLE_RINGS, NULL, 0) == 0;
}

void fm_uring_read(fm_uring *ring, int fd, void *dst, uint32_t bytes, uint64_t offset, uint32_t tag) {
    uint32_t tail = atomic_load_explicit(ring->sq_tail, memory_order_relaxed), i = tail & ring->sq_mask;
    ring->entries[i] = (entry){
        .op = OP_READ, .fd = fd, .offset = offset, .address = (uint64_t)(uintptr_t)dst, .bytes = bytes, .tag = tag};
    ring->sq_array[i] = i;
    atomic_store_explicit(ring->sq_tail, tail + 1, memory_order_release);
    ring->queued++;
}

void fm_uring_wait(fm_uring *ring, uint32_t least) {
    long taken = syscall(SYS_ENTER, ring->fd, ring->queued, least, ENTER_GETEVENTS, NULL, 0);
    if (taken > 0)
        ring->queued -= (uint32_t)taken;
}

bool fm_uring_take(fm_uring *ring, uint32_t *tag, int32_t *value) {
    uint32_t head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);
    if (head == atomic_load_explicit(ring->cq_tail, memory_order_acquire))
        return false;
    const result *r = &ring->results[head & ring->cq_mask];
    *tag = (uint32_t)r->tag;
    *value = r->value;
    atomic_store_explicit(ring->cq_head, head + 1, memory_order_release);
    return true;
}

#else

fm_uring *fm_uring_new(uint32_t entries) {
    (void)entries;
    return NULL;
}
void fm_uring_free(fm_uring *ring) {
    (void)ring;
}
bool fm_uring_start(fm_uring *ring) {
    (void)ring;
    return false;
}
void fm_uring_read(fm_uring *ring, int fd, void *dst, uint32_t bytes, uint64_t offset, uint32_t tag) {
    (void)ring, (void)fd, (void)dst, (void)bytes, (void)offset, (void)tag;
}
void fm_uring_wait(fm_uring *ring, uint32_t least) {
    (void)ring, (void)least;
}
bool fm_uring_take(fm_uring *ring, uint32_t *tag, int32_t *result) {
    (void)ring, (void)tag, (void)result;
    return false;
}
#endif
