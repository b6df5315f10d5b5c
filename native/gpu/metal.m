/* The Metal device, for Apple silicon: Objective-C with ARC. C structs hold the objects; what is freed sets them to nil
 * first. Every call that may make temporary objects has its own autorelease pool, since callers are threads of Python.
 *
 * Order. A list is a command buffer with one encoder of concurrent dispatches, in which fm_barrier is the only order.
 * Lists follow each other because the buffers that lists write are hazard-tracked and bound; what is only reached by
 * address is only read, so it is untracked. Command buffers do not retain what they use: the caller does (device.h).
 *
 * Arithmetic. Shaders are compiled without fast math: infinities, NaN and the order of additions stay what the source
 * says, and exp, log and rsqrt are the precise ones. Decode is bound by memory, so this should cost little (to be
 * measured on a Mac).
 *
 * Caches. Pipelines are kept in a binary archive beside the source, so that a later process compiles none. An archive
 * that is missing, stale or broken only costs time: each failure of it is ignored. */
#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include "device.h"

#include "../base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LISTS = 64,      /* that may be under way, and whose times are kept */
    KERNELS_KEPT = 8 /* of a list, to be named when it fails */
};

struct fm_kernel {
    fm_kernel *next;
    char name[48], key[96]; /* key: the name, the constants, the threads */
    uint32_t threads;
    id<MTLComputePipelineState> pipeline;
};

typedef struct metal_device metal_device;

struct fm_commands {
    metal_device *device;
    id<MTLCommandBuffer> buffer;
    id<MTLComputeCommandEncoder> encoder;
    const fm_kernel *kernel; /* whose pipeline is set */
    const fm_kernel *kernels[KERNELS_KEPT];
    uint32_t kernel_count;
    fm_error error; /* status FM_OK: none */
};

struct metal_device {
    fm_device base;
    id<MTLDevice> device;
    id<MTLCommandQueue> queue;
    id<MTLLibrary> library;
    id<MTLBinaryArchive> archive; /* nil: none */
    id resident;                  /* an MTLResidencySet; nil before macOS 15: then each encoder names `by_address` */
    NSMutableArray<id<MTLResource>> *by_address;
    NSString *archive_path;
    bool archive_grew;
    fm_kernel *kernels;
    fm_commands *lists[LISTS]; /* committed, by ticket; NULL where a list failed while it was encoded */
    double seconds[LISTS];
    fm_ticket ticket, ended; /* the last that was committed; the last that was seen to have ended */
    fm_error failure;        /* the first, kept */
};

typedef struct metal_buffer {
    fm_buffer base;
    id<MTLBuffer> buffer;
    bool by_address;
} metal_buffer;

static const char *text_of(NSError *error) {
    const char *text = error ? [[error localizedDescription] UTF8String] : NULL;
    return text ? text : "no reason was given";
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void make_resident(metal_device *d, id<MTLBuffer> buffer) {
    if (@available(macOS 15.0, *)) {
        id<MTLResidencySet> set = d->resident;
        if (set) {
            [set addAllocation:buffer];
            [set commit];
            [set requestResidency];
            return;
        }
    }
    [d->by_address addObject:buffer];
}

static void end_residence(metal_device *d, id<MTLBuffer> buffer) {
    if (@available(macOS 15.0, *)) {
        id<MTLResidencySet> set = d->resident;
        if (set) {
            [set removeAllocation:buffer];
            [set commit];
            return;
        }
    }
    [d->by_address removeObject:buffer];
}

static fm_status keep_buffer(metal_device *d, id<MTLBuffer> buffer, uint64_t bytes, bool by_address, fm_buffer **out,
                             fm_error *err) {
    metal_buffer *b = buffer ? calloc(1, sizeof *b) : NULL;
    if (!b)
        return fm_fail(err, FM_NO_MEMORY, "%s: the system refused a buffer of %.1f MiB", d->base.limits.name,
                       (double)bytes / 1048576);
    b->base = (fm_buffer){&d->base, bytes, [buffer contents], [buffer gpuAddress]};
    b->buffer = buffer;
    b->by_address = by_address;
    if (by_address)
        make_resident(d, buffer);
    *out = &b->base;
    return FM_OK;
}

static fm_status metal_buffer_new(fm_device *device, uint64_t bytes, fm_memory memory, bool by_address, fm_buffer **out,
                                  fm_error *err) {
    (void)memory; /* the CPU sees all of it */
    metal_device *d = (metal_device *)device;
    @autoreleasepool {
        /* Metal fills it with zeros. */
        id<MTLBuffer> buffer = [d->device newBufferWithLength:(NSUInteger)bytes options:MTLResourceStorageModeShared];
        return keep_buffer(d, buffer, bytes, by_address, out, err);
    }
}

static fm_status metal_buffer_wrap(fm_device *device, void *pages, uint64_t bytes, fm_buffer **out, fm_error *err) {
    metal_device *d = (metal_device *)device;
    if (bytes > device->limits.buffer_most)
        return fm_fail(err, FM_UNSUPPORTED, "%s: %llu bytes are too many for one buffer", device->limits.name,
                       (unsigned long long)bytes);
    @autoreleasepool {
        id<MTLBuffer> buffer =
            [d->device newBufferWithBytesNoCopy:pages
                                         length:(NSUInteger)bytes
                                        options:MTLResourceStorageModeShared | MTLResourceHazardTrackingModeUntracked
                                    deallocator:nil];
        return keep_buffer(d, buffer, bytes, true, out, err);
    }
}

static void metal_buffer_free(fm_buffer *buffer) {
    metal_buffer *b = (metal_buffer *)buffer;
    @autoreleasepool {
        if (b->by_address)
            end_residence((metal_device *)buffer->device, b->buffer);
        b->buffer = nil;
        free(b);
    }
}

static fm_status metal_upload(fm_buffer *b, uint64_t offset, const void *src, uint64_t bytes, fm_error *err) {
    (void)err;
    memcpy((uint8_t *)b->host + offset, src, (size_t)bytes);
    return FM_OK;
}

static fm_status metal_download(const fm_buffer *b, uint64_t offset, void *dst, uint64_t bytes, fm_error *err) {
    (void)err;
    memcpy(dst, (const uint8_t *)b->host + offset, (size_t)bytes);
    return FM_OK;
}

static fm_status metal_copy(fm_buffer *to, uint64_t to_offset, const fm_buffer *from, uint64_t from_offset,
                            uint64_t bytes, fm_error *err) {
    return metal_upload(to, to_offset, (const uint8_t *)from->host + from_offset, bytes, err);
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

/* The pipeline of a descriptor, from the archive if it has it; else made, and added to the archive. */
static id<MTLComputePipelineState> make_pipeline(metal_device *d, MTLComputePipelineDescriptor *of, NSError **error) {
    if (d->archive) {
        of.binaryArchives = @[ d->archive ];
        id<MTLComputePipelineState> found =
            [d->device newComputePipelineStateWithDescriptor:of
                                                     options:MTLPipelineOptionFailOnBinaryArchiveMiss
                                                  reflection:nil
                                                       error:nil];
        if (found)
            return found;
        if ([d->archive addComputePipelineFunctionsWithDescriptor:of error:nil])
            d->archive_grew = true;
    }
    return [d->device newComputePipelineStateWithDescriptor:of
                                                    options:MTLPipelineOptionNone
                                                 reflection:nil
                                                      error:error];
}

static fm_status check_pipeline(const metal_device *d, const char *name, id<MTLComputePipelineState> p,
                                uint32_t threads, fm_error *err) {
    const fm_device_limits *l = &d->base.limits;
    if ([p threadExecutionWidth] != FM_SIMD)
        return fm_fail(err, FM_UNSUPPORTED, "%s: kernel %s has SIMD groups of %lu threads, not %d", l->name, name,
                       (unsigned long)[p threadExecutionWidth], FM_SIMD);
    if ([p maxTotalThreadsPerThreadgroup] < threads)
        return fm_fail(err, FM_UNSUPPORTED, "%s: kernel %s takes at most %lu threads a group, not %u", l->name, name,
                       (unsigned long)[p maxTotalThreadsPerThreadgroup], threads);
    if ([p staticThreadgroupMemoryLength] > l -> group_memory)
        return fm_fail(err, FM_UNSUPPORTED, "%s: kernel %s needs %lu bytes of threadgroup memory of %u", l->name, name,
                       (unsigned long)[p staticThreadgroupMemoryLength], l->group_memory);
    return FM_OK;
}

static fm_status make_kernel(metal_device *d, const char *name, const char *key, const fm_constant *constants,
                             uint32_t count, uint32_t threads, fm_kernel **out, fm_error *err) {
    MTLFunctionConstantValues *values = [MTLFunctionConstantValues new];
    for (uint32_t i = 0; i < count; i++)
        [values setConstantValue:&constants[i].value
                            type:MTLDataTypeInt
                        withName:[NSString stringWithUTF8String:constants[i].name]];
    NSError *error = nil;
    id<MTLFunction> function = [d->library newFunctionWithName:[NSString stringWithUTF8String:name]
                                                constantValues:values
                                                         error:&error];
    if (!function)
        return fm_fail(err, FM_UNSUPPORTED, "%s: there is no kernel %s: %.600s", d->base.limits.name, key,
                       text_of(error));
    MTLComputePipelineDescriptor *descriptor = [MTLComputePipelineDescriptor new];
    descriptor.computeFunction = function;
    descriptor.label = [NSString stringWithUTF8String:key];
    descriptor.threadGroupSizeIsMultipleOfThreadExecutionWidth = YES;
    descriptor.maxTotalThreadsPerThreadgroup = threads; /* the compiler keeps to the registers that so many leave */
    error = nil;
    id<MTLComputePipelineState> pipeline = make_pipeline(d, descriptor, &error);
    if (!pipeline)
        return fm_fail(err, FM_UNSUPPORTED, "%s: kernel %s does not compile: %.600s", d->base.limits.name, key,
                       text_of(error));
    fm_status status = check_pipeline(d, name, pipeline, threads, err);
    if (status != FM_OK)
        return status;
    fm_kernel *k = calloc(1, sizeof *k);
    if (!k)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for a kernel");
    snprintf(k->name, sizeof k->name, "%s", name);
    snprintf(k->key, sizeof k->key, "%s", key);
    k->threads = threads;
    k->pipeline = pipeline;
    k->next = d->kernels;
    *out = d->kernels = k;
    return FM_OK;
}

static fm_status metal_kernel_get(fm_device *device, const char *name, const fm_constant *constants, uint32_t count,
                                  uint32_t threads, fm_kernel **out, fm_error *err) {
    metal_device *d = (metal_device *)device;
    char key[sizeof d->kernels->key];
    int at = snprintf(key, sizeof key, "%s.%u", name, threads);
    for (uint32_t i = 0; i < count && at < (int)sizeof key; i++)
        at += snprintf(key + at, sizeof key - (size_t)at, " %s=%d", constants[i].name, constants[i].value);
    for (fm_kernel *k = d->kernels; k; k = k->next)
        if (strcmp(k->key, key) == 0) {
            *out = k;
            return FM_OK;
        }
    @autoreleasepool {
        return make_kernel(d, name, key, constants, count, threads, out, err);
    }
}

static void open_archive(metal_device *d) {
    MTLBinaryArchiveDescriptor *of = [MTLBinaryArchiveDescriptor new];
    of.url = [NSURL fileURLWithPath:d->archive_path];
    d->archive = [d->device newBinaryArchiveWithDescriptor:of error:nil];
    if (!d->archive) {
        of.url = nil; /* a new one */
        d->archive = [d->device newBinaryArchiveWithDescriptor:of error:nil];
    }
}

/* Under another name first: other processes may be reading or writing it. */
static void save_archive(metal_device *d) {
    d->archive_grew = false;
    NSString *made = [NSString stringWithFormat:@"%@.%d", d->archive_path, (int)getpid()];
    if ([d->archive serializeToURL:[NSURL fileURLWithPath:made] error:nil])
        rename([made UTF8String], [d->archive_path UTF8String]);
    else
        remove([made UTF8String]);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static void free_list(fm_commands *c) {
    c->encoder = nil;
    c->buffer = nil;
    free(c);
}

/* A buffer that ended with an error. The encoder's state tells a fault of this list from one that only hit it. */
static void keep_failure(metal_device *d, const fm_commands *c) {
    NSError *error = [c->buffer error];
    char kernels[400] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < c->kernel_count && at < sizeof kernels; i++)
        at += (size_t)snprintf(kernels + at, sizeof kernels - at, "%s%s", i ? ", " : "", c->kernels[i]->name);
    const char *blame = "";
    NSArray<id<MTLCommandBufferEncoderInfo>> *infos = [error.userInfo objectForKey:MTLCommandBufferEncoderInfoErrorKey];
    for (id<MTLCommandBufferEncoderInfo> info in infos)
        blame = info.errorState == MTLCommandEncoderErrorStateFaulted    ? ", which faulted"
                : info.errorState == MTLCommandEncoderErrorStateAffected ? ", hit by a fault elsewhere"
                                                                         : blame;
    fm_fail(&d->failure, FM_UNSUPPORTED, "%s: a list of commands failed (%ld: %.300s); its kernels are %s%s",
            d->base.limits.name, error ? (long)[error code] : 0, text_of(error), kernels, blame);
}

/* Waits for lists up to this one, keeps their times, and the first error. For the last one first: those before it have
 * ended then, or nearly, and the thread is woken once. */
static void wait_until(metal_device *d, fm_ticket ticket) {
    if (d->ended < ticket && d->lists[ticket % LISTS])
        [d->lists[ticket % LISTS]->buffer waitUntilCompleted];
    for (; d->ended < ticket; d->ended++) {
        uint32_t i = (d->ended + 1) % LISTS;
        fm_commands *c = d->lists[i];
        d->lists[i] = NULL;
        d->seconds[i] = -1;
        if (!c)
            continue;
        [c->buffer waitUntilCompleted];
        if ([c->buffer status] == MTLCommandBufferStatusCompleted)
            d->seconds[i] = [c->buffer GPUEndTime] - [c->buffer GPUStartTime];
        else if (d->failure.status == FM_OK)
            keep_failure(d, c);
        free_list(c);
    }
}

static bool metal_ended(fm_device *device, fm_ticket ticket) {
    metal_device *d = (metal_device *)device;
    if (ticket <= d->ended)
        return true;
    const fm_commands *c = d->lists[ticket % LISTS];
    return !c || [c->buffer status] >= MTLCommandBufferStatusCompleted;
}

static fm_status metal_wait(fm_device *device, fm_ticket ticket, fm_error *err) {
    metal_device *d = (metal_device *)device;
    @autoreleasepool {
        wait_until(d, ticket);
    }
    if (d->failure.status != FM_OK && err)
        *err = d->failure;
    return d->failure.status;
}

static fm_commands *metal_begin(fm_device *device) {
    metal_device *d = (metal_device *)device;
    fm_commands *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->device = d;
    @autoreleasepool {
        if (d->ticket >= LISTS) /* its place is used again */
            wait_until(d, d->ticket + 1 - LISTS);
        if (d->archive_grew)
            save_archive(d);
        MTLCommandBufferDescriptor *of = [MTLCommandBufferDescriptor new];
        of.retainedReferences = NO;
        of.errorOptions = MTLCommandBufferErrorOptionEncoderExecutionStatus;
        c->buffer = [d->queue commandBufferWithDescriptor:of];
        c->encoder = [c->buffer computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent];
        if (!c->encoder)
            fm_fail(&c->error, FM_NO_MEMORY, "%s: the system refused a command buffer", d->base.limits.name);
        for (id<MTLResource> resource in d->by_address)
            [c->encoder useResource:resource usage:MTLResourceUsageRead];
    }
    return c;
}

/* What Metal's own validation, which is off unless a developer turns it on, would find. */
static fm_status check_dispatch(const fm_kernel *kernel, const fm_arg *args, uint32_t count, fm_groups groups,
                                uint32_t threads, fm_error *err) {
    if (count > FM_ARGS_MOST || threads == 0 || threads > kernel->threads || threads % FM_SIMD || !groups.x ||
        !groups.y || !groups.z)
        return fm_fail(err, FM_BAD_ARGUMENT, "kernel %s: %u arguments, %u by %u by %u groups of %u threads",
                       kernel->name, count, groups.x, groups.y, groups.z, threads);
    for (uint32_t i = 0; i < count; i++) {
        const fm_arg *a = &args[i];
        bool good = a->buffer ? a->offset % FM_OFFSET_ALIGN == 0 && a->bytes > 0 && a->offset <= a->buffer->bytes &&
                                    a->bytes <= a->buffer->bytes - a->offset
                              : a->constants && a->bytes > 0 && a->bytes <= FM_CONSTANTS_MOST;
        if (!good)
            return fm_fail(err, FM_BAD_ARGUMENT, "kernel %s: argument %u is not set, or not to a range of a buffer",
                           kernel->name, i);
    }
    return FM_OK;
}

static void metal_dispatch(fm_commands *c, const fm_kernel *kernel, const fm_arg *args, uint32_t count,
                           fm_groups groups, uint32_t threads) {
    if (c->error.status != FM_OK || check_dispatch(kernel, args, count, groups, threads, &c->error) != FM_OK)
        return;
    if (c->kernel != kernel) {
        [c->encoder setComputePipelineState:kernel->pipeline];
        c->kernel = kernel;
        if (c->kernel_count < KERNELS_KEPT)
            c->kernels[c->kernel_count++] = kernel;
    }
    for (uint32_t i = 0; i < count; i++)
        if (args[i].buffer)
            [c->encoder setBuffer:((const metal_buffer *)args[i].buffer)->buffer
                           offset:(NSUInteger)args[i].offset
                          atIndex:i];
        else
            [c->encoder setBytes:args[i].constants length:(NSUInteger)args[i].bytes atIndex:i];
    [c->encoder dispatchThreadgroups:MTLSizeMake(groups.x, groups.y, groups.z)
               threadsPerThreadgroup:MTLSizeMake(threads, 1, 1)];
}

static void metal_barrier(fm_commands *c) {
    if (c->error.status == FM_OK)
        [c->encoder memoryBarrierWithScope:MTLBarrierScopeBuffers];
}

static fm_ticket metal_commit(fm_commands *c) {
    metal_device *d = c->device;
    fm_ticket ticket = ++d->ticket;
    @autoreleasepool {
        [c->encoder endEncoding];
        if (d->failure.status == FM_OK && c->error.status != FM_OK)
            d->failure = c->error;
        if (d->failure.status == FM_OK) {
            [c->buffer commit];
            d->lists[ticket % LISTS] = c;
        } else {
            free_list(c);
        }
    }
    return ticket;
}

static double metal_seconds(fm_device *device, fm_ticket ticket) {
    metal_device *d = (metal_device *)device;
    return ticket <= d->ended && ticket + LISTS > d->ticket ? d->seconds[ticket % LISTS] : -1;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static void metal_close(fm_device *device) {
    metal_device *d = (metal_device *)device;
    @autoreleasepool {
        wait_until(d, d->ticket);
        if (d->archive_grew)
            save_archive(d);
        while (d->kernels) {
            fm_kernel *k = d->kernels;
            d->kernels = k->next;
            k->pipeline = nil;
            free(k);
        }
        d->resident = nil;
        d->by_address = nil;
        d->archive = nil;
        d->archive_path = nil;
        d->library = nil;
        d->queue = nil;
        d->device = nil;
    }
    free(d);
}

static fm_status compile(metal_device *d, const char *path, fm_error *err) {
    NSError *error = nil;
    NSString *file = [NSString stringWithUTF8String:path];
    NSString *source = [NSString stringWithContentsOfFile:file encoding:NSUTF8StringEncoding error:&error];
    if (!source)
        return fm_fail(err, FM_UNSUPPORTED, "the Metal shaders cannot be read from %s: %.300s", path, text_of(error));
    MTLCompileOptions *options = [MTLCompileOptions new];
    options.languageVersion = MTLLanguageVersion3_0;
    if (@available(macOS 15.0, *))
        options.mathMode = MTLMathModeSafe;
    else
        options.fastMathEnabled = NO;
    error = nil;
    d->library = [d->device newLibraryWithSource:source options:options error:&error];
    if (!d->library)
        return fm_fail(err, FM_UNSUPPORTED, "%s: the Metal shaders in %s do not compile: %.700s", d->base.limits.name,
                       path, text_of(error));
    d->archive_path = [file stringByAppendingString:@".archive"];
    open_archive(d);
    return FM_OK;
}

static fm_status start(metal_device *d, fm_error *err) {
    d->device = MTLCreateSystemDefaultDevice();
    if (!d->device)
        return fm_fail(err, FM_UNSUPPORTED, "this machine has no GPU that Metal can use: use the cpu backend");
    fm_device_limits *l = &d->base.limits;
    snprintf(l->name, sizeof l->name, "Metal: %s", [[d->device name] UTF8String]);
    l->buffer_most = [d->device maxBufferLength];
    l->memory = [d->device recommendedMaxWorkingSetSize];
    MTLSize threads = [d->device maxThreadsPerThreadgroup];
    l->threads_most = threads.width < FM_THREADS_MOST ? (uint32_t)threads.width : FM_THREADS_MOST;
    l->group_memory = (uint32_t)[d->device maxThreadgroupMemoryLength];
    l->groups = 80; /* Metal does not tell its cores: those of an M3 Max, two groups each */
    l->unified = [d->device hasUnifiedMemory];
    if (!l->unified || ![d->device supportsFamily:MTLGPUFamilyApple7] || ![d->device supportsFamily:MTLGPUFamilyMetal3])
        return fm_fail(err, FM_UNSUPPORTED,
                       "%s is not a GPU of Apple silicon (family Apple 7, Metal 3) as the shaders need; use the cpu "
                       "backend",
                       l->name);
    d->queue = [d->device newCommandQueue];
    if (!d->queue)
        return fm_fail(err, FM_NO_MEMORY, "%s: the system refused a command queue", l->name);
    d->by_address = [NSMutableArray new];
    if (@available(macOS 15.0, *)) {
        d->resident = [d->device newResidencySetWithDescriptor:[MTLResidencySetDescriptor new] error:nil];
        if (d->resident)
            [d->queue addResidencySet:d->resident];
    }
    return FM_OK;
}

static fm_status metal_open(const fm_device_options *options, fm_device **out, fm_error *err) {
    if (!options->kernels)
        return fm_fail(err, FM_UNSUPPORTED, "the Metal device needs the file of its shaders");
    metal_device *d = calloc(1, sizeof *d);
    if (!d)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the Metal device");
    extern const fm_device_ops fm_metal_device;
    d->base.ops = &fm_metal_device;
    fm_status status;
    @autoreleasepool {
        status = start(d, err);
        if (status == FM_OK)
            status = compile(d, options->kernels, err);
    }
    if (status != FM_OK) {
        metal_close(&d->base);
        return status;
    }
    *out = &d->base;
    return FM_OK;
}

const fm_device_ops fm_metal_device = {
    .name = "metal",
    .open = metal_open,
    .close = metal_close,
    .buffer_new = metal_buffer_new,
    .buffer_wrap = metal_buffer_wrap,
    .buffer_free = metal_buffer_free,
    .upload = metal_upload,
    .download = metal_download,
    .copy = metal_copy,
    .kernel_get = metal_kernel_get,
    .begin = metal_begin,
    .dispatch = metal_dispatch,
    .barrier = metal_barrier,
    .commit = metal_commit,
    .ended = metal_ended,
    .wait = metal_wait,
    .seconds = metal_seconds,
};
