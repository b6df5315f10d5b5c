/* The device interface (seam 4 of the design): what the GPU backend needs of Metal, CUDA or the soft device.
 *
 *     fm_device_open(&fm_soft_device, &options, &device, err)
 *     fm_buffer_new / fm_buffer_wrap / fm_buffer_free          memory that kernels see
 *     fm_kernel_get(device, "matvec", constants, count, …)     a pipeline: a kernel with its function constants set
 *     commands = fm_commands_begin(device)
 *     fm_dispatch(commands, kernel, args, count, groups, threads) … fm_barrier(commands) … fm_dispatch(…)
 *     ticket = fm_commit(commands)
 *     fm_wait(device, ticket, err)
 *
 * Ownership. The device owns kernels (freed by close; asking twice gives the same one) and command lists (gone with
 * commit). The caller owns buffers, frees them before the device, and never while a committed list uses them. A wrapped
 * buffer does not own its pages; free the buffer first, then the pages.
 *
 * Threads. One thread at a time uses a device, any thread. Exception: fm_move_begin, _ended and _wait may be called
 * from any thread at once, beside anything else, on ranges that no uncompleted list uses.
 *
 * Order. Dispatches between two barriers of a list are unordered and may overlap: none may write what another of them
 * reads or writes. A barrier orders all memory of what came before it against all that comes after. Lists run in the
 * order of their commits, each wholly after the one before. Committing returns at once; the memory of small constants
 * is copied while encoding. What the host writes before a dispatch is encoded is seen by it; what a list wrote is seen
 * by the host after fm_wait. fm_upload, fm_download and fm_copy run at the call: the caller waits for lists that use
 * the range first. Moves between FM_PINNED memory and the device's run beside lists, each way in the order of their
 * beginning; what follows fm_after in a list comes after a move.
 *
 *     Metal: one MTLCommandQueue; a list is a command buffer with one compute encoder of MTLDispatchTypeConcurrent, a
 *         barrier is memoryBarrierWithScope:MTLBarrierScopeBuffers; buffers are hazard-tracked, which orders lists.
 *     CUDA: one stream, in which launches are ordered anyway; a barrier costs nothing; tickets are events.
 *     soft: a worker thread runs each list; within a section between barriers dispatches run in forward, reverse or
 *         shuffled order, and two whose declared ranges conflict fail the list ("no barrier between …").
 *
 * Errors. Encoding never fails at the call: the first error of a list (a wrong argument, a limit) is kept, and the list
 * then fails as a whole; fm_wait for it or any later one returns that error and names the kernel. An error of the GPU
 * itself is final: every later wait returns it too.
 *
 * Limits, Metal's, enforced by the soft device: argument i is [[buffer(i)]], at most 31; constants of at most 4,096
 * bytes an argument; offsets of buffer arguments are multiples of 16; at most 1,024 threads a group, here always a
 * multiple of 32 (the SIMD width that the shaders are written for); at most 32 KiB of threadgroup memory (static in the
 * shaders); no buffer above limits.buffer_most. Every argument of a kernel is bound; one that a specialisation does not
 * read (scales of a bf16 matrix) gets any other read-only buffer. A buffer bound as `device const` is written by nobody
 * in the same dispatch (CUDA loads it through the read-only path).
 *
 * Memory by address. Experts are found through tables of addresses (`fm_buffer.address` + offset, 64 bits), which
 * kernels read as `device const uchar *` members of a struct in a buffer: Metal 3 gpuAddress, a CUdeviceptr, a host
 * pointer. Buffers made with by_address, and all wrapped ones, stay resident for every list (Metal: useResource:usage:
 * read on each encoder, or a residency set). Kernels only read through addresses. */
#ifndef FM_GPU_DEVICE_H
#define FM_GPU_DEVICE_H

#include "flashmoe.h"

typedef struct fm_device_ops fm_device_ops;
typedef struct fm_commands fm_commands;
typedef struct fm_kernel fm_kernel;

enum {
    FM_SIMD = 32,
    FM_ARGS_MOST = 31,
    FM_CONSTANTS_MOST = 4096,
    FM_THREADS_MOST = 1024,
    FM_OFFSET_ALIGN = 16,
    FM_WRAP_ALIGN = 16384, /* address and length of wrapped memory: the page of Apple silicon */
};

typedef struct fm_device_limits {
    char name[128];        /* of the device, for people */
    uint64_t buffer_most;  /* bytes of one buffer; wrapped memory is cut into pieces of less than 4 GiB beside it */
    uint64_t memory;       /* bytes that buffers should not exceed together, as of opening; 0: unknown */
    uint32_t threads_most; /* of a group */
    uint32_t group_memory; /* bytes of threadgroup memory */
    uint32_t groups;       /* threadgroups of 512 threads that run at once, about */
    /* Of matmul and experts_matmul, where a device has its own: tokens and rows of a tile, threads. 0: the shaders'. */
    uint32_t tile_tokens, tile_rows, tile_threads;
    bool unified; /* host and GPU share memory: buffers have `host`, and pages can be wrapped */
} fm_device_limits;

/* Counted by the calls below for every device. */
typedef struct fm_device_stats {
    uint64_t dispatches, barriers, commits, waits; /* waits: fm_wait on a list that had not ended */
} fm_device_stats;

typedef struct fm_device {
    const fm_device_ops *ops;
    fm_device_limits limits;
    fm_device_stats stats;
    bool repeats; /* set by the caller before a list is begun: lists like it come again and again, so that to prepare
                     them pays (CUDA: a graph) */
} fm_device;

typedef enum fm_memory {
    FM_SHARED,  /* small, written or read by the host at every list. Metal: shared storage. CUDA: pinned host memory,
                   mapped. Has `host`. */
    FM_PRIVATE, /* weights, activations, state. Metal: shared storage too (unified). CUDA: device memory, no `host`. */
    FM_PINNED,  /* of the host, large, for moves only; not zeroed. Where memory is not unified. */
} fm_memory;

typedef struct fm_buffer {
    fm_device *device;
    uint64_t bytes;
    void *host;       /* where the CPU sees it; NULL if it does not */
    uint64_t address; /* where kernels see it, for tables of addresses */
} fm_buffer;

/* A function constant of the shaders, by name: `constant int NAME [[function_constant(i)]]`. All of them are int. */
typedef struct fm_constant {
    const char *name;
    int32_t value;
} fm_constant;

/* One argument of a dispatch: a range of a buffer, or small constants (buffer NULL). The range is what the kernel may
 * touch through this argument; the soft device checks hazards with it. */
typedef struct fm_arg {
    const fm_buffer *buffer;
    uint64_t offset;
    uint64_t bytes;
    const void *constants; /* [bytes], copied by the call */
} fm_arg;

typedef struct fm_groups {
    uint32_t x, y, z; /* threadgroups of the grid; none may be 0 */
} fm_groups;

/* Numbers a committed list; they grow by one, so a ticket that has ended says that all before it have. 0: nothing. */
typedef uint64_t fm_ticket; /* as in model/backend.h */

typedef struct fm_device_options {
    /* Where the kernels are. Metal: a file of Metal source, compiled at open. CUDA: a folder of PTX modules.
     * soft: the shared library that flashmoe.gpu built from the shaders. */
    const char *kernels;
    /* soft only: 0 forward, 1 reverse, n > 1 shuffled with that seed: order of threads, groups and dispatches. */
    uint32_t order;
    /* soft only: its memory is not the host's, as that of a card, and moves take their time. */
    bool apart;
} fm_device_options;

/* What a device implements; call the functions below instead, which count and check. */
struct fm_device_ops {
    const char *name; /* "metal", "cuda", "soft" */
    /* FM_UNSUPPORTED when this machine or build has none, with what to do in the message. */
    fm_status (*open)(const fm_device_options *options, fm_device **device, fm_error *err);
    void (*close)(fm_device *device); /* waits for every list */

    /* Zeroed. FM_NO_MEMORY when refused. */
    fm_status (*buffer_new)(fm_device *device, uint64_t bytes, fm_memory memory, bool by_address, fm_buffer **buffer,
                            fm_error *err);
    /* NULL where memory is not unified. Metal: newBufferWithBytesNoCopy. */
    fm_status (*buffer_wrap)(fm_device *device, void *pages, uint64_t bytes, fm_buffer **buffer, fm_error *err);
    void (*buffer_free)(fm_buffer *buffer);
    fm_status (*upload)(fm_buffer *buffer, uint64_t offset, const void *src, uint64_t bytes, fm_error *err);
    fm_status (*download)(const fm_buffer *buffer, uint64_t offset, void *dst, uint64_t bytes, fm_error *err);
    fm_status (*copy)(fm_buffer *to, uint64_t to_offset, const fm_buffer *from, uint64_t from_offset, uint64_t bytes,
                      fm_error *err);

    /* NULL where memory is unified. begin: up, to a FM_PRIVATE buffer from a FM_PINNED one, or down; not before the
     * move `after` has ended (0: none), which goes the other way. */
    fm_ticket (*move_begin)(fm_buffer *to, uint64_t to_offset, const fm_buffer *from, uint64_t from_offset,
                            uint64_t bytes, bool up, fm_ticket after);
    bool (*move_ended)(fm_device *device, fm_ticket move);
    void (*move_wait)(fm_device *device, fm_ticket move);
    void (*after)(fm_commands *commands, fm_ticket move);

    /* constants: a value for each function constant that the kernel uses; others are ignored. Metal:
     * newFunctionWithName:constantValues: and a pipeline, which fails when threads > its maxTotalThreadsPerThreadgroup,
     * so `threads` (of every dispatch of it) is given here. */
    fm_status (*kernel_get)(fm_device *device, const char *name, const fm_constant *constants, uint32_t count,
                            uint32_t threads, fm_kernel **kernel, fm_error *err);

    fm_commands *(*begin)(fm_device *device); /* never NULL: without memory it gives a list that fails */
    void (*dispatch)(fm_commands *commands, const fm_kernel *kernel, const fm_arg *args, uint32_t count,
                     fm_groups groups, uint32_t threads);
    void (*barrier)(fm_commands *commands);
    fm_ticket (*commit)(fm_commands *commands);
    /* True when the list of this ticket has ended, well or not. */
    bool (*ended)(fm_device *device, fm_ticket ticket);
    fm_status (*wait)(fm_device *device, fm_ticket ticket, fm_error *err);
    /* Seconds that the GPU spent on an ended list, of the last 64; negative when unknown. */
    double (*seconds)(fm_device *device, fm_ticket ticket);
};

/* metal.m on macOS, cuda.c on Linux, soft.c everywhere: NULL-terminated, best first. */
const fm_device_ops *const *fm_devices(void);
const fm_device_ops *fm_device_find(const char *name); /* NULL when this build has none of that name */

fm_status fm_device_open(const fm_device_ops *ops, const fm_device_options *options, fm_device **device, fm_error *err);
void fm_device_close(fm_device *device);

fm_status fm_buffer_new(fm_device *device, uint64_t bytes, fm_memory memory, bool by_address, fm_buffer **buffer,
                        fm_error *err);
/* pages and bytes are multiples of FM_WRAP_ALIGN. */
fm_status fm_buffer_wrap(fm_device *device, void *pages, uint64_t bytes, fm_buffer **buffer, fm_error *err);
void fm_buffer_free(fm_buffer *buffer);
fm_status fm_upload(fm_buffer *buffer, uint64_t offset, const void *src, uint64_t bytes, fm_error *err);
fm_status fm_download(const fm_buffer *buffer, uint64_t offset, void *dst, uint64_t bytes, fm_error *err);
fm_status fm_copy(fm_buffer *to, uint64_t to_offset, const fm_buffer *from, uint64_t from_offset, uint64_t bytes,
                  fm_error *err);

/* Tickets of moves are numbers of their own, apart from those of lists. An error is returned by later waits for lists.
 */
fm_ticket fm_move_begin(fm_buffer *to, uint64_t to_offset, const fm_buffer *from, uint64_t from_offset, uint64_t bytes,
                        bool up, fm_ticket after);
bool fm_move_ended(fm_device *device, fm_ticket move);
void fm_move_wait(fm_device *device, fm_ticket move);

fm_status fm_kernel_get(fm_device *device, const char *name, const fm_constant *constants, uint32_t count,
                        uint32_t threads, fm_kernel **kernel, fm_error *err);

fm_commands *fm_commands_begin(fm_device *device);
void fm_dispatch(fm_device *device, fm_commands *commands, const fm_kernel *kernel, const fm_arg *args, uint32_t count,
                 fm_groups groups, uint32_t threads);
void fm_barrier(fm_device *device, fm_commands *commands);
/* What is dispatched from here on begins after this move and all before it that go the same way. */
void fm_after(fm_device *device, fm_commands *commands, fm_ticket move);
fm_ticket fm_commit(fm_device *device, fm_commands *commands);
bool fm_ended(fm_device *device, fm_ticket ticket);
fm_status fm_wait(fm_device *device, fm_ticket ticket, fm_error *err);
double fm_seconds(fm_device *device, fm_ticket ticket);

#endif
