/* The CUDA device: the driver's library, opened at run time, and the shaders as PTX (flashmoe.gpu.build), which the
 * driver compiles for the card and caches. Nothing of CUDA is needed to build this file, nor a toolkit to run it.
 *
 * Dispatches are launched as they are encoded, in one stream, so that the card begins while the host still encodes. */
#include "cuda.h"

#include "../base/error.h"
#include "../base/system.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the driver -------------------------------------------------------------------------------------------------- */

enum { STREAM_NON_BLOCKING = 1, HOST_PORTABLE = 1, HOST_MAPPED = 2, FUNCTION_MAX_THREADS = 0 };
enum { ATTRIBUTE_MAJOR = 75, ATTRIBUTE_MINOR = 76, ATTRIBUTE_CORES = 16 };

static fm_status load_driver(cuda_driver *d, fm_error *err) {
    d->library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!d->library)
        return fm_fail(err, FM_UNSUPPORTED,
                       "no NVIDIA driver was found (libcuda.so.1): install it, or use another backend");
#define X(name, arguments)                                                                                             \
    *(void **)&d->name = dlsym(d->library, #name);                                                                     \
    if (!d->name) {                                                                                                    \
        dlclose(d->library);                                                                                           \
        return fm_fail(err, FM_UNSUPPORTED, "the NVIDIA driver is too old: it has no " #name);                         \
    }
    FM_CUDA_DRIVER(X)
#undef X
    d->replays = true;
#define X(name, arguments)                                                                                             \
    *(void **)&d->name = dlsym(d->library, #name);                                                                     \
    d->replays = d->replays && d->name;
    FM_CUDA_NEWER(X)
#undef X
    return FM_OK;
}

/* ---- the device ----------------------------------------------------------------------------------------------------
 */

enum { EVENTS = 256, MODULES = 64, ERROR_LOG = 8192, STAGING = 4 << 20 };

struct fm_kernel {
    fm_kernel *next;
    CUfunction function;
    char name[48];
    const struct module *module;
    uint32_t threads;
};

typedef struct module {
    char name[48];
    CUmodule handle;
} module;

typedef struct cuda_device cuda_device;

struct fm_commands {
    cuda_device *device;
    fm_ticket ticket; /* that it will get */
    bool recorded;    /* launched by commit, not as it is encoded */
};

struct cuda_device {
    fm_device base;
    cuda_driver cu;
    cuda_replay *replay; /* NULL where the driver cannot */
    CUdevice card;
    CUcontext context;
    CUstream stream, copies;
    cuda_moves *moves;
    void *staging;                 /* [STAGING] pinned, through which uploads go */
    char *folder, architecture[8]; /* of the kernels, a folder each */
    module modules[MODULES];
    uint32_t module_count;
    fm_kernel *kernels;
    struct fm_commands list;
    fm_ticket ticket, ended; /* the last one committed; the last one known to have ended */
    CUevent begin[EVENTS], end[EVENTS];
    fm_error failure;
};

static fm_status failed(cuda_device *d, CUresult result, const char *what, fm_error *err) {
    const char *name = NULL;
    d->cu.cuGetErrorName(result, &name);
    fm_status status = result == CUDA_ERROR_OUT_OF_MEMORY ? FM_NO_MEMORY : FM_UNSUPPORTED;
    return fm_fail(err, status, "%s: %s failed: %s (%d)", d->base.limits.name, what, name ? name : "error", result);
}

/* The first failure of a launch or an event is kept for the next wait. */
static void keep(cuda_device *d, CUresult result, const char *what) {
    if (result != CUDA_SUCCESS && d->failure.status == FM_OK)
        failed(d, result, what, &d->failure);
}

/* ---- memory --------------------------------------------------------------------------------------------------------
 */

typedef struct cuda_buffer {
    fm_buffer base;
    fm_memory memory;
} cuda_buffer;

static fm_status cuda_buffer_new(fm_device *device, uint64_t bytes, fm_memory memory, bool by_address, fm_buffer **out,
                                 fm_error *err) {
    (void)by_address; /* everything is reachable by address */
    cuda_device *d = (cuda_device *)device;
    d->cu.cuCtxSetCurrent(d->context);
    cuda_buffer *b = calloc(1, sizeof *b);
    if (!b)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for a buffer");
    *b = (cuda_buffer){{device, bytes, NULL, 0}, memory};
    CUdeviceptr address = 0;
    CUresult result;
    if (memory == FM_SHARED) {
        result = d->cu.cuMemHostAlloc(&b->base.host, (size_t)bytes, HOST_PORTABLE | HOST_MAPPED);
        if (result == CUDA_SUCCESS) {
            memset(b->base.host, 0, (size_t)bytes);
            result = d->cu.cuMemHostGetDevicePointer_v2(&address, b->base.host, 0);
        }
    } else if (memory == FM_PINNED) {
        /* Ordinary pages, so that direct reads go to them. */
        b->base.host = fm_pages_new((size_t)bytes);
        result = b->base.host ? d->cu.cuMemHostRegister_v2(b->base.host, (size_t)bytes, HOST_PORTABLE)
                              : CUDA_ERROR_OUT_OF_MEMORY;
        if (result != CUDA_SUCCESS && b->base.host)
            fm_pages_free(b->base.host, (size_t)bytes);
    } else {
        result = d->cu.cuMemAlloc_v2(&address, (size_t)bytes);
        if (result == CUDA_SUCCESS)
            result = d->cu.cuMemsetD8Async(address, 0, (size_t)bytes, d->stream);
        if (result == CUDA_SUCCESS)
            result = d->cu.cuStreamSynchronize(d->stream);
    }
    if (result != CUDA_SUCCESS) {
        free(b);
        char what[80];
        snprintf(what, sizeof what, "allocating %.1f MiB%s", (double)bytes / 1048576,
                 memory == FM_PRIVATE ? "" : " of pinned memory");
        return failed(d, result, what, err);
    }
    b->base.address = address;
    *out = &b->base;
    return FM_OK;
}

static void cuda_buffer_free(fm_buffer *buffer) {
    cuda_device *d = (cuda_device *)buffer->device;
    d->cu.cuCtxSetCurrent(d->context);
    fm_memory memory = ((cuda_buffer *)buffer)->memory;
    if (memory == FM_SHARED) {
        d->cu.cuMemFreeHost(buffer->host);
    } else if (memory == FM_PINNED) {
        d->cu.cuMemHostUnregister(buffer->host);
        fm_pages_free(buffer->host, (size_t)buffer->bytes);
    } else {
        d->cu.cuMemFree_v2(buffer->address);
    }
    free(buffer);
}

/* Copies have a stream of their own, and are over when the call returns. */
static fm_status after_copy(cuda_device *d, CUresult result, const char *what, fm_error *err) {
    if (result == CUDA_SUCCESS)
        result = d->cu.cuStreamSynchronize(d->copies);
    return result == CUDA_SUCCESS ? FM_OK : failed(d, result, what, err);
}

static fm_status cuda_upload(fm_buffer *b, uint64_t offset, const void *src, uint64_t bytes, fm_error *err) {
    cuda_device *d = (cuda_device *)b->device;
    d->cu.cuCtxSetCurrent(d->context);
    fm_status status = FM_OK;
    for (uint64_t at = 0; at < bytes && status == FM_OK; at += STAGING) {
        size_t n = bytes - at < STAGING ? (size_t)(bytes - at) : STAGING;
        memcpy(d->staging, (const uint8_t *)src + at, n);
        CUresult result = d->cu.cuMemcpyHtoDAsync_v2(b->address + offset + at, d->staging, n, d->copies);
        status = after_copy(d, result, "copying to it", err);
    }
    return status;
}

static fm_status cuda_download(const fm_buffer *b, uint64_t offset, void *dst, uint64_t bytes, fm_error *err) {
    cuda_device *d = (cuda_device *)b->device;
    d->cu.cuCtxSetCurrent(d->context);
    return after_copy(d, d->cu.cuMemcpyDtoHAsync_v2(dst, b->address + offset, (size_t)bytes, d->copies),
                      "copying from it", err);
}

static fm_status cuda_copy(fm_buffer *to, uint64_t to_offset, const fm_buffer *from, uint64_t from_offset,
                           uint64_t bytes, fm_error *err) {
    cuda_device *d = (cuda_device *)to->device;
    d->cu.cuCtxSetCurrent(d->context);
    return after_copy(
        d, d->cu.cuMemcpyDtoDAsync_v2(to->address + to_offset, from->address + from_offset, (size_t)bytes, d->copies),
        "copying", err);
}

static fm_ticket cuda_move_begin(fm_buffer *to, uint64_t to_offset, const fm_buffer *from, uint64_t from_offset,
                                 uint64_t bytes, bool up, fm_ticket after) {
    const fm_buffer *card = up ? to : from, *host = up ? from : to;
    uint64_t card_at = up ? to_offset : from_offset, host_at = up ? from_offset : to_offset;
    return cuda_moves_begin(((cuda_device *)to->device)->moves, card->address + card_at,
                            (uint8_t *)host->host + host_at, (size_t)bytes, up, after);
}

static bool cuda_move_ended(fm_device *device, fm_ticket move) {
    return cuda_moves_ended(((cuda_device *)device)->moves, move);
}

static void cuda_move_wait(fm_device *device, fm_ticket move) {
    cuda_moves_wait(((cuda_device *)device)->moves, move);
}

/* ---- kernels -------------------------------------------------------------------------------------------------------
 */

static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = NULL;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        rewind(file);
        text = size > 0 ? malloc((size_t)size + 1) : NULL;
        if (text && fread(text, 1, (size_t)size, file) == (size_t)size)
            text[size] = 0;
        else {
            free(text);
            text = NULL;
        }
    }
    fclose(file);
    return text;
}

/* The module of a file NAME.ptx of the folder, compiled at first use; NULL with *err when there is none. */
static const module *find_module(cuda_device *d, const char *name, fm_error *err) {
    for (uint32_t i = 0; i < d->module_count; i++)
        if (strcmp(d->modules[i].name, name) == 0)
            return &d->modules[i];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/%s.ptx", d->folder, d->architecture, name);
    char *text = d->module_count < MODULES ? read_text(path) : NULL;
    if (!text) {
        fm_fail(err, FM_UNSUPPORTED, "%s is missing: this build has no CUDA kernels for such weights", path);
        return NULL;
    }
    module *m = &d->modules[d->module_count];
    char log[ERROR_LOG] = "";
    int options[] = {5, 6}; /* CU_JIT_ERROR_LOG_BUFFER and its size */
    void *values[] = {log, (void *)(uintptr_t)sizeof log};
    CUresult result = d->cu.cuModuleLoadDataEx(&m->handle, text, 2, options, values);
    free(text);
    if (result != CUDA_SUCCESS) {
        fm_fail(err, FM_UNSUPPORTED, "%s: the driver cannot compile %s (%d): %.600s", d->base.limits.name, path, result,
                log);
        return NULL;
    }
    snprintf(m->name, sizeof m->name, "%s", name);
    d->module_count++;
    return m;
}

static int32_t value_of(const fm_constant *constants, uint32_t count, const char *name) {
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(constants[i].name, name) == 0)
            return constants[i].value;
    return 0;
}

static fm_status cuda_kernel_get(fm_device *device, const char *name, const fm_constant *constants, uint32_t count,
                                 uint32_t threads, fm_kernel **out, fm_error *err) {
    cuda_device *d = (cuda_device *)device;
    d->cu.cuCtxSetCurrent(d->context);
    /* Kernels that read weights are in a module for each specialisation, the rest in one. */
    const module *m = find_module(d, "base", err);
    if (!m)
        return err ? err->status : FM_UNSUPPORTED;
    CUfunction function;
    CUresult result = d->cu.cuModuleGetFunction(&function, m->handle, name);
    if (result != CUDA_SUCCESS) {
        char file[48];
        snprintf(file, sizeof file, "f%ds%da%d", value_of(constants, count, "FORMAT"),
                 value_of(constants, count, "SCALE"), value_of(constants, count, "ALIGNED"));
        m = find_module(d, file, err);
        if (!m)
            return err ? err->status : FM_UNSUPPORTED;
        result = d->cu.cuModuleGetFunction(&function, m->handle, name);
        if (result != CUDA_SUCCESS)
            return failed(d, result, name, err);
    }
    for (fm_kernel *k = d->kernels; k; k = k->next)
        if (k->module == m && k->threads == threads && strcmp(k->name, name) == 0) {
            *out = k;
            return FM_OK;
        }
    int most = 0;
    result = d->cu.cuFuncGetAttribute(&most, FUNCTION_MAX_THREADS, function);
    if (result != CUDA_SUCCESS || (uint32_t)most < threads)
        return fm_fail(err, FM_UNSUPPORTED, "%s: kernel %s takes at most %d threads a group, not %u",
                       d->base.limits.name, name, most, threads);
    fm_kernel *k = calloc(1, sizeof *k);
    if (!k)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for a kernel");
    *k = (fm_kernel){.next = d->kernels, .function = function, .module = m, .threads = threads};
    snprintf(k->name, sizeof k->name, "%s", name);
    *out = d->kernels = k;
    return FM_OK;
}

/* ---- lists ---------------------------------------------------------------------------------------------------------
 */

static bool cuda_ended(fm_device *device, fm_ticket ticket) {
    cuda_device *d = (cuda_device *)device;
    if (ticket <= d->ended)
        return true;
    d->cu.cuCtxSetCurrent(d->context);
    CUresult result = d->cu.cuEventQuery(d->end[ticket % EVENTS]);
    if (result == CUDA_ERROR_NOT_READY)
        return false;
    keep(d, result, "a list of commands");
    d->ended = ticket;
    return true;
}

static fm_status cuda_wait(fm_device *device, fm_ticket ticket, fm_error *err) {
    cuda_device *d = (cuda_device *)device;
    if (ticket > d->ended) {
        d->cu.cuCtxSetCurrent(d->context);
        keep(d, d->cu.cuEventSynchronize(d->end[ticket % EVENTS]), "a list of commands");
        d->ended = ticket;
    }
    keep(d, cuda_moves_failure(d->moves), "moving experts");
    if (d->failure.status != FM_OK && err)
        *err = d->failure;
    return d->failure.status;
}

static fm_commands *cuda_begin(fm_device *device) {
    cuda_device *d = (cuda_device *)device;
    d->cu.cuCtxSetCurrent(d->context);
    d->list = (struct fm_commands){d, d->ticket + 1, d->base.repeats && d->replay};
    if (d->list.ticket > EVENTS) /* its events are used again */
        cuda_wait(device, d->list.ticket - EVENTS, NULL);
    keep(d, d->cu.cuEventRecord(d->begin[d->list.ticket % EVENTS], d->stream), "recording an event");
    return &d->list;
}

static void cuda_dispatch(fm_commands *c, const fm_kernel *kernel, const fm_arg *args, uint32_t count, fm_groups groups,
                          uint32_t threads) {
    cuda_device *d = c->device;
    CUdeviceptr address[FM_ARGS_MOST];
    void *parameters[FM_ARGS_MOST];
    if (d->failure.status != FM_OK || count > FM_ARGS_MOST)
        return;
    if (c->recorded) {
        if (cuda_replay_add(d->replay, kernel->function, args, count, groups, threads))
            return;
        keep(d, cuda_replay_launch(d->replay, d->stream), "replaying a list of commands");
    }
    for (uint32_t i = 0; i < count; i++) {
        address[i] = args[i].buffer ? args[i].buffer->address + args[i].offset : 0;
        parameters[i] = args[i].buffer ? (void *)&address[i] : (void *)args[i].constants;
    }
    keep(d, cuda_launch_now(&d->cu, kernel->function, groups, threads, parameters, d->stream), kernel->name);
}

static void cuda_barrier(fm_commands *c) {
    (void)c; /* launches of a stream are in order */
}

static void cuda_after(fm_commands *c, fm_ticket move) {
    cuda_device *d = c->device;
    if (c->recorded)
        keep(d, cuda_replay_launch(d->replay, d->stream), "replaying a list of commands");
    cuda_moves_before(d->moves, d->stream, move);
}

static fm_ticket cuda_commit(fm_commands *c) {
    cuda_device *d = c->device;
    if (c->recorded)
        keep(d, cuda_replay_launch(d->replay, d->stream), "replaying a list of commands");
    keep(d, d->cu.cuEventRecord(d->end[c->ticket % EVENTS], d->stream), "recording an event");
    return d->ticket = c->ticket;
}

static double cuda_seconds(fm_device *device, fm_ticket ticket) {
    cuda_device *d = (cuda_device *)device;
    float milliseconds;
    if (ticket > d->ended || ticket + EVENTS <= d->ticket || d->failure.status != FM_OK)
        return -1;
    CUresult result = d->cu.cuEventElapsedTime(&milliseconds, d->begin[ticket % EVENTS], d->end[ticket % EVENTS]);
    return result == CUDA_SUCCESS ? 1e-3 * milliseconds : -1;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static void cuda_close(fm_device *device) {
    cuda_device *d = (cuda_device *)device;
    if (d->context) {
        d->cu.cuCtxSetCurrent(d->context);
        if (d->stream)
            d->cu.cuStreamSynchronize(d->stream);
        cuda_replay_free(d->replay);
        for (uint32_t i = 0; i < EVENTS; i++) {
            if (d->begin[i])
                d->cu.cuEventDestroy_v2(d->begin[i]);
            if (d->end[i])
                d->cu.cuEventDestroy_v2(d->end[i]);
        }
        cuda_moves_free(d->moves);
        if (d->staging)
            d->cu.cuMemFreeHost(d->staging);
        for (uint32_t i = 0; i < d->module_count; i++)
            d->cu.cuModuleUnload(d->modules[i].handle);
        if (d->stream)
            d->cu.cuStreamDestroy_v2(d->stream);
        if (d->copies)
            d->cu.cuStreamDestroy_v2(d->copies);
        d->cu.cuDevicePrimaryCtxRelease_v2(d->card);
    }
    while (d->kernels) {
        fm_kernel *next = d->kernels->next;
        free(d->kernels);
        d->kernels = next;
    }
    free(d->folder);
    free(d);
}

static fm_status start(cuda_device *d, fm_error *err) {
    int count = 0, major = 0, minor = 0, cores = 0;
    CUresult result = d->cu.cuInit(0);
    if (result == CUDA_SUCCESS)
        result = d->cu.cuDeviceGetCount(&count);
    if (result != CUDA_SUCCESS || count == 0)
        return fm_fail(err, FM_UNSUPPORTED, "there is an NVIDIA driver, but no card that it can use (%d)", result);
    char card[96] = "";
    size_t memory = 0, total = 0;
    d->cu.cuDeviceGet(&d->card, 0);
    d->cu.cuDeviceGetName(card, sizeof card, d->card);
    d->cu.cuDeviceGetAttribute(&major, ATTRIBUTE_MAJOR, d->card);
    d->cu.cuDeviceGetAttribute(&minor, ATTRIBUTE_MINOR, d->card);
    d->cu.cuDeviceGetAttribute(&cores, ATTRIBUTE_CORES, d->card);
    fm_device_limits *l = &d->base.limits;
    *l = (fm_device_limits){"", UINT64_MAX / 2, 0, FM_THREADS_MOST, 32 << 10, (uint32_t)cores, 64, 128, 256, false};
    snprintf(l->name, sizeof l->name, "CUDA: %s", card);
    if (major < 8)
        return fm_fail(err, FM_UNSUPPORTED, "%s has compute capability %d.%d; 8.0 or more is needed", l->name, major,
                       minor);
    /* Kernels for 9.0 and later begin early, those for 8.0 cannot. */
    d->cu.early = d->cu.replays && major >= 9;
    snprintf(d->architecture, sizeof d->architecture, "%s", d->cu.early ? "sm_90" : "sm_80");
    if (d->cu.replays)
        d->replay = cuda_replay_new(&d->cu);
    result = d->cu.cuDevicePrimaryCtxRetain(&d->context, d->card);
    if (result == CUDA_SUCCESS)
        result = d->cu.cuCtxSetCurrent(d->context);
    if (result == CUDA_SUCCESS)
        result = d->cu.cuStreamCreate(&d->stream, STREAM_NON_BLOCKING);
    if (result == CUDA_SUCCESS)
        result = d->cu.cuStreamCreate(&d->copies, STREAM_NON_BLOCKING);
    if (result == CUDA_SUCCESS)
        result = cuda_moves_new(&d->cu, d->context, &d->moves);
    if (result == CUDA_SUCCESS)
        result = d->cu.cuMemHostAlloc(&d->staging, STAGING, HOST_PORTABLE);
    for (uint32_t i = 0; i < EVENTS && result == CUDA_SUCCESS; i++) {
        result = d->cu.cuEventCreate(&d->begin[i], 0);
        if (result == CUDA_SUCCESS)
            result = d->cu.cuEventCreate(&d->end[i], 0);
    }
    if (result == CUDA_SUCCESS)
        result = d->cu.cuMemGetInfo_v2(&memory, &total);
    l->memory = memory;
    return result == CUDA_SUCCESS ? FM_OK : failed(d, result, "opening it", err);
}

static fm_status cuda_open(const fm_device_options *options, fm_device **out, fm_error *err) {
    if (!options->kernels)
        return fm_fail(err, FM_UNSUPPORTED, "the CUDA device needs the folder of its kernels");
    cuda_device *d = calloc(1, sizeof *d);
    if (!d)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the CUDA device");
    extern const fm_device_ops fm_cuda_device;
    d->base.ops = &fm_cuda_device;
    d->folder = strdup(options->kernels);
    fm_status status = load_driver(&d->cu, err);
    if (status == FM_OK)
        status = start(d, err);
    if (status != FM_OK) {
        cuda_close(&d->base);
        return status;
    }
    *out = &d->base;
    return FM_OK;
}

const fm_device_ops fm_cuda_device = {
    .name = "cuda",
    .open = cuda_open,
    .close = cuda_close,
    .buffer_new = cuda_buffer_new,
    .buffer_free = cuda_buffer_free,
    .upload = cuda_upload,
    .download = cuda_download,
    .copy = cuda_copy,
    .move_begin = cuda_move_begin,
    .move_ended = cuda_move_ended,
    .move_wait = cuda_move_wait,
    .after = cuda_after,
    .kernel_get = cuda_kernel_get,
    .begin = cuda_begin,
    .dispatch = cuda_dispatch,
    .barrier = cuda_barrier,
    .commit = cuda_commit,
    .ended = cuda_ended,
    .wait = cuda_wait,
    .seconds = cuda_seconds,
};
