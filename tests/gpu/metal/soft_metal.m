/* A soft Metal: the part of Metal's API that native/gpu/metal.m uses, over the shaders on the CPU (gpu/soft_abi.h), so
 * that metal.m runs where there is no Mac. It is stricter than Metal: what Metal would not notice, or leave undefined,
 * ends the process with exit status 70 and a sentence.
 *
 * Lists run in a thread of their own, some time after their commit. Dispatches between two barriers run in any order,
 * and so do lists that share no hazard-tracked buffer which one of them writes.
 *
 * Environment: SOFT_METAL_LIBRARY the shaders for the soft device; SOFT_METAL_SEED; SOFT_METAL_OS 14: no residency
 * sets; SOFT_METAL_FAIL n: the n-th list ends with an error; SOFT_METAL_LOG a file for what was counted. */
#import <Foundation/Foundation.h>
#define FIELDS(...) {__VA_ARGS__}
#import <Metal/Metal.h>

#include "soft_abi.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { ARGUMENTS = 31, PAGE = 16384, ARRAYS_MOST = 16 };

static void wrong(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void wrong(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "soft Metal: ");
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    _exit(70);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct {
    int buffers, lists, encoders, pipelines;                          /* alive */
    int compiled, committed, dispatches, barriers, waits, most_lists; /* in all; waits: for a list under way */
} counted;
static unsigned long long random_state = 1;

static unsigned random_below(unsigned n) { /* under the lock */
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(random_state >> 33) % n;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

NSString *const MTLCommandBufferEncoderInfoErrorKey = @"MTLCommandBufferEncoderInfoErrorKey";

static void refuse(NSError **error, NSString *why, NSDictionary *more) {
    if (!error)
        return;
    NSMutableDictionary *info = [NSMutableDictionary dictionaryWithObject:why forKey:NSLocalizedDescriptionKey];
    if (more)
        [info addEntriesFromDictionary:more];
    *error = [NSError errorWithDomain:@"SoftMetal" code:3 userInfo:info];
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

@implementation MTLCompileOptions
@synthesize languageVersion, fastMathEnabled, mathMode;
- (id)init {
    self = [super init];
    fastMathEnabled = YES;
    mathMode = (MTLMathMode)2; /* fast */
    return self;
}
@end
@implementation MTLBinaryArchiveDescriptor
@synthesize url;
- (void)dealloc {
    [url release];
    [super dealloc];
}
@end
@implementation MTLComputePipelineDescriptor
@synthesize label, computeFunction, threadGroupSizeIsMultipleOfThreadExecutionWidth, maxTotalThreadsPerThreadgroup,
    binaryArchives;
- (void)dealloc {
    [label release];
    [computeFunction release];
    [binaryArchives release];
    [super dealloc];
}
@end
@implementation MTLResidencySetDescriptor
@end
@implementation MTLCommandBufferDescriptor
@synthesize retainedReferences, errorOptions;
- (id)init {
    self = [super init];
    retainedReferences = YES;
    return self;
}
@end

@interface MTLFunctionConstantValues (Soft)
- (int)valueOf:(const char *)name in:(const char *)kernel;
@end
@implementation MTLFunctionConstantValues
- (id)init {
    self = [super init];
    values = [NSMutableDictionary new];
    return self;
}
- (void)dealloc {
    [values release];
    [super dealloc];
}
- (void)setConstantValue:(const void *)value type:(MTLDataType)type withName:(NSString *)name {
    if (type != MTLDataTypeInt)
        wrong("function constants of these shaders are ints");
    [values setObject:[NSNumber numberWithInt:*(const int *)value] forKey:name];
}
- (int)valueOf:(const char *)name in:(const char *)kernel {
    NSNumber *value = [values objectForKey:[NSString stringWithUTF8String:name]];
    if (!value)
        wrong("function constant %s of %s has no value", name, kernel);
    return [value intValue];
}
@end

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

@interface SoftBuffer : NSObject <MTLBuffer> {
  @public
    void *memory;
    NSUInteger size;
    BOOL wrapped, tracked;
}
@end

static NSHashTable *buffers; /* alive, not retained; under the lock */

@implementation SoftBuffer
- (void)dealloc {
    pthread_mutex_lock(&lock);
    NSHashRemove(buffers, self);
    counted.buffers--;
    pthread_mutex_unlock(&lock);
    if (!wrapped)
        munmap(memory, size);
    [super dealloc];
}
- (NSUInteger)length {
    return size;
}
- (uint64_t)gpuAddress {
    return (uint64_t)(uintptr_t)memory;
}
- (void *)contents {
    return memory;
}
@end

static SoftBuffer *new_buffer(void *memory, NSUInteger size, BOOL wrapped, BOOL tracked) {
    SoftBuffer *b = [SoftBuffer new];
    b->memory = memory;
    b->size = size;
    b->wrapped = wrapped;
    b->tracked = tracked;
    pthread_mutex_lock(&lock);
    if (!buffers)
        buffers = NSCreateHashTable(NSNonOwnedPointerHashCallBacks, 16);
    NSHashInsert(buffers, b);
    counted.buffers++;
    pthread_mutex_unlock(&lock);
    return b;
}

static void check_alive(SoftBuffer *b, const char *kernel) { /* under the lock */
    if (!NSHashGet(buffers, b))
        wrong("kernel %s uses a buffer that was released", kernel);
    unsigned char resident[1];
    long page = sysconf(_SC_PAGESIZE);
    for (NSUInteger at = 0; b->wrapped && at<b->size; at += b->size> PAGE ? b->size - PAGE : PAGE)
        if (mincore((char *)b->memory + at, (size_t)page, resident))
            wrong("kernel %s uses a buffer around memory that was unmapped", kernel);
}

@interface SoftResidency : NSObject <MTLResidencySet> {
  @public
    NSMutableSet *waiting, *members;
}
@end
@implementation SoftResidency
- (id)init {
    self = [super init];
    waiting = [NSMutableSet new];
    members = [NSMutableSet new];
    return self;
}
- (void)dealloc {
    [waiting release];
    [members release];
    [super dealloc];
}
- (void)addAllocation:(id<MTLAllocation>)allocation {
    [waiting addObject:allocation];
}
- (void)removeAllocation:(id<MTLAllocation>)allocation {
    [waiting removeObject:allocation];
}
- (void)commit {
    pthread_mutex_lock(&lock);
    [members setSet:waiting];
    pthread_mutex_unlock(&lock);
}
- (void)requestResidency {
}
@end

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

@interface SoftFunction : NSObject <MTLFunction> {
  @public
    const fm_soft_kernel *kernel;
    int32_t *constants;
    NSString *key;
}
@end
@implementation SoftFunction
- (void)dealloc {
    free(constants);
    [key release];
    [super dealloc];
}
@end

@interface SoftLibrary : NSObject <MTLLibrary> {
  @public
    int (*run)(const fm_soft_kernel *, const int32_t *, void *const *, const uint32_t[3], uint32_t, uint32_t, char *,
               size_t);
    const fm_soft_kernel *kernels;
    const char *const *names;
    uint32_t kernel_count, name_count;
}
@end
static SoftLibrary *shaders;

@implementation SoftLibrary
- (id<MTLFunction>)newFunctionWithName:(NSString *)name
                        constantValues:(MTLFunctionConstantValues *)values
                                 error:(NSError **)error {
    for (uint32_t i = 0; i < kernel_count; i++)
        if (strcmp(kernels[i].name, [name UTF8String]) == 0) {
            SoftFunction *f = [SoftFunction new];
            f->kernel = &kernels[i];
            f->constants = calloc(name_count, sizeof *f->constants);
            NSMutableString *key = [NSMutableString stringWithString:name];
            for (uint32_t c = 0; c < name_count; c++) {
                f->constants[c] = [values valueOf:names[c] in:kernels[i].name];
                [key appendFormat:@" %d", f->constants[c]];
            }
            f->key = [key copy];
            return f;
        }
    refuse(error, @"no such function", nil);
    return nil;
}
@end

@interface SoftPipeline : NSObject <MTLComputePipelineState> {
  @public
    SoftFunction *function;
    NSUInteger threads;
}
@end
@implementation SoftPipeline
- (id)init {
    self = [super init];
    counted.pipelines++;
    return self;
}
- (void)dealloc {
    counted.pipelines--;
    [function release];
    [super dealloc];
}
- (NSUInteger)maxTotalThreadsPerThreadgroup {
    return threads;
}
- (NSUInteger)threadExecutionWidth {
    return 32;
}
- (NSUInteger)staticThreadgroupMemoryLength {
    NSUInteger bytes = 0;
    for (uint32_t i = 0; i < function->kernel->shared_count; i++)
        bytes += function->kernel->shared[i];
    return bytes;
}
@end

@interface SoftArchive : NSObject <MTLBinaryArchive> {
  @public
    NSMutableSet *keys;
}
@end
@implementation SoftArchive
- (void)dealloc {
    [keys release];
    [super dealloc];
}
- (BOOL)addComputePipelineFunctionsWithDescriptor:(MTLComputePipelineDescriptor *)descriptor error:(NSError **)error {
    (void)error;
    [keys addObject:((SoftFunction *)descriptor.computeFunction)->key];
    counted.compiled++;
    return YES;
}
- (BOOL)serializeToURL:(NSURL *)url error:(NSError **)error {
    (void)error;
    return [[[keys allObjects] componentsJoinedByString:@"\n"] writeToFile:[url path] atomically:NO];
}
@end

/* ---- lists ------------------------------------------------------------------------------------------------------- */

typedef struct argument {
    SoftBuffer *buffer; /* not retained, as the list is made without retained references */
    NSUInteger offset;
    void *bytes;
    NSUInteger length;
    BOOL fresh; /* set since the last dispatch */
} argument;

typedef struct operation {
    SoftPipeline *pipeline; /* nil: a barrier */
    argument arguments[ARGUMENTS];
    uint32_t groups[3], threads;
} operation;

@class SoftList;

@interface SoftEncoder : NSObject <MTLComputeCommandEncoder> {
  @public
    SoftList *list; /* not retained */
    SoftPipeline *pipeline;
    argument arguments[ARGUMENTS];
    NSMutableSet *used;
    BOOL ended;
}
@end

@interface SoftQueue : NSObject <MTLCommandQueue> {
  @public
    SoftResidency *residency;
    NSMutableArray *pending; /* committed lists, retained, as Metal does until they complete */
    pthread_t worker;
    BOOL stop;
}
@end

@interface SoftInfo : NSObject <MTLCommandBufferEncoderInfo>
@end
@implementation SoftInfo
- (MTLCommandEncoderErrorState)errorState {
    return MTLCommandEncoderErrorStateFaulted;
}
@end

@interface SoftList : NSObject <MTLCommandBuffer> {
  @public
    SoftQueue *queue;
    SoftEncoder *encoder;
    operation *operations;
    uint32_t count;
    MTLCommandBufferStatus state;
    NSError *failure;
    double start, end;
}
@end

@implementation SoftList
- (id)init {
    self = [super init];
    pthread_mutex_lock(&lock);
    if (++counted.lists > counted.most_lists)
        counted.most_lists = counted.lists;
    pthread_mutex_unlock(&lock);
    return self;
}
- (void)dealloc {
    if (encoder && !encoder->ended)
        wrong("a command buffer is gone and its encoder was never ended");
    pthread_mutex_lock(&lock);
    counted.lists--;
    pthread_mutex_unlock(&lock);
    for (uint32_t i = 0; i < count; i++) {
        [operations[i].pipeline release];
        for (int a = 0; a < ARGUMENTS; a++)
            free(operations[i].arguments[a].bytes);
    }
    free(operations);
    [encoder release];
    [failure release];
    [super dealloc];
}
- (MTLCommandBufferStatus)status {
    pthread_mutex_lock(&lock);
    MTLCommandBufferStatus now_ = state;
    pthread_mutex_unlock(&lock);
    return now_;
}
- (NSError *)error {
    return failure;
}
- (double)ended:(double)time {
    if ([self status] < MTLCommandBufferStatusCompleted)
        wrong("the time of a command buffer was asked for before it completed");
    return time;
}
- (double)GPUStartTime {
    return [self ended:start];
}
- (double)GPUEndTime {
    return [self ended:end];
}
- (id<MTLComputeCommandEncoder>)computeCommandEncoderWithDispatchType:(MTLDispatchType)type {
    if (state || encoder)
        wrong("a second encoder, or one after the commit");
    if (type != MTLDispatchTypeConcurrent)
        wrong("dispatches of this backend are concurrent");
    encoder = [SoftEncoder new];
    encoder->list = self;
    encoder->used = [NSMutableSet new];
    pthread_mutex_lock(&lock);
    counted.encoders++;
    pthread_mutex_unlock(&lock);
    return [[encoder retain] autorelease];
}
- (void)commit {
    if (state)
        wrong("a command buffer was committed twice");
    if (encoder && !encoder->ended)
        wrong("a command buffer was committed while its encoder was open");
    pthread_mutex_lock(&lock);
    state = MTLCommandBufferStatusCommitted;
    counted.committed++;
    [queue->pending addObject:self];
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}
- (void)waitUntilCompleted {
    pthread_mutex_lock(&lock);
    if (!state)
        wrong("waiting for a command buffer that was never committed");
    counted.waits += state < MTLCommandBufferStatusCompleted;
    while (state < MTLCommandBufferStatusCompleted)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}
@end

static operation *append(SoftList *l) {
    l->operations = realloc(l->operations, (l->count + 1) * sizeof *l->operations);
    operation *o = &l->operations[l->count++];
    memset(o, 0, sizeof *o);
    return o;
}

@implementation SoftEncoder
- (void)dealloc {
    [used release];
    [pipeline release];
    for (int a = 0; a < ARGUMENTS; a++)
        free(arguments[a].bytes);
    pthread_mutex_lock(&lock);
    counted.encoders--;
    pthread_mutex_unlock(&lock);
    [super dealloc];
}
- (void)open {
    if (ended)
        wrong("an encoder was used after its end");
}
- (void)setComputePipelineState:(id<MTLComputePipelineState>)state {
    [self open];
    [(id)state retain];
    [pipeline release];
    pipeline = (SoftPipeline *)state;
}
- (argument *)argument:(NSUInteger)index {
    [self open];
    if (index >= ARGUMENTS)
        wrong("argument %lu is above Metal's limit", (unsigned long)index);
    free(arguments[index].bytes);
    arguments[index] = (argument){.fresh = YES};
    return &arguments[index];
}
- (void)setBuffer:(id<MTLBuffer>)buffer offset:(NSUInteger)offset atIndex:(NSUInteger)index {
    argument *a = [self argument:index];
    SoftBuffer *b = (SoftBuffer *)buffer;
    if (!b || offset >= b->size || offset % 16)
        wrong("argument %lu is offset %lu of a buffer of %lu bytes", (unsigned long)index, (unsigned long)offset,
              b ? (unsigned long)b->size : 0);
    a->buffer = b;
    a->offset = offset;
}
- (void)setBytes:(const void *)bytes length:(NSUInteger)length atIndex:(NSUInteger)index {
    argument *a = [self argument:index];
    if (!bytes || !length || length > 4096)
        wrong("argument %lu has %lu bytes; setBytes takes up to 4096", (unsigned long)index, (unsigned long)length);
    a->bytes = memcpy(malloc(length), bytes, length);
    a->length = length;
}
- (void)useResource:(id<MTLResource>)resource usage:(MTLResourceUsage)usage {
    [self open];
    if (usage != MTLResourceUsageRead)
        wrong("what is reached by address is only read");
    [used addObject:[NSValue valueWithPointer:resource]];
}
- (void)checkResidency:(const fm_soft_kernel *)kernel {
    BOOL by_address = NO;
    for (uint32_t i = 0; i < kernel->arg_count; i++)
        by_address = by_address || strcmp(kernel->args[i].name, "table") == 0;
    if (!by_address)
        return;
    pthread_mutex_lock(&lock);
    NSHashEnumerator all = NSEnumerateHashTable(buffers);
    for (SoftBuffer *b; (b = NSNextHashEnumeratorItem(&all));)
        if (b->wrapped && !(list->queue->residency && [list->queue->residency->members containsObject:b]) &&
            ![used containsObject:[NSValue valueWithPointer:b]])
            wrong("kernel %s reaches memory by address, and a buffer of %lu bytes is not resident", kernel->name,
                  (unsigned long)b->size);
    NSEndHashTableEnumeration(&all);
    pthread_mutex_unlock(&lock);
}
- (void)dispatchThreadgroups:(MTLSize)groups threadsPerThreadgroup:(MTLSize)threads {
    [self open];
    if (!pipeline)
        wrong("a dispatch without a pipeline");
    const fm_soft_kernel *kernel = pipeline->function->kernel;
    if (threads.height != 1 || threads.depth != 1 || !threads.width || threads.width > pipeline->threads ||
        threads.width % 32 || !groups.width || !groups.height || !groups.depth)
        wrong("kernel %s: groups of %lu threads, %lu allowed", kernel->name, (unsigned long)threads.width,
              (unsigned long)pipeline->threads);
    for (uint32_t i = 0; i < kernel->arg_count; i++) {
        const argument *a = &arguments[i];
        const fm_soft_arg *wanted = &kernel->args[i];
        if (!a->fresh)
            wrong("kernel %s: argument %u, %s, was not set for this dispatch", kernel->name, i, wanted->name);
        if ((wanted->kind == FM_SOFT_CONSTANTS) != (a->bytes != NULL) || (a->bytes && a->length != wanted->size))
            wrong("kernel %s: argument %u, %s, is of another kind or size", kernel->name, i, wanted->name);
    }
    [self checkResidency:kernel];
    operation *o = append(list);
    counted.dispatches++;
    o->pipeline = [pipeline retain];
    o->groups[0] = (uint32_t)groups.width;
    o->groups[1] = (uint32_t)groups.height;
    o->groups[2] = (uint32_t)groups.depth;
    o->threads = (uint32_t)threads.width;
    for (uint32_t i = 0; i < ARGUMENTS; i++) {
        argument *a = &arguments[i];
        if (i < kernel->arg_count) {
            o->arguments[i] = *a;
            if (a->bytes)
                o->arguments[i].bytes = memcpy(malloc(a->length), a->bytes, a->length);
        }
        a->fresh = NO;
    }
}
- (void)memoryBarrierWithScope:(MTLBarrierScope)scope {
    [self open];
    if (scope != MTLBarrierScopeBuffers)
        wrong("barriers of this backend are of buffers");
    append(list);
    counted.barriers++;
}
- (void)endEncoding {
    [self open];
    ended = YES;
}
@end

static BOOL writes(const operation *o, uint32_t i) {
    return o->pipeline->function->kernel->args[i].kind == FM_SOFT_WRITE;
}

/* Whether Metal orders b after a: they share a tracked buffer that one of them writes. Under the lock. */
static BOOL ordered(const SoftList *a, const SoftList *b) {
    for (uint32_t x = 0; x < a->count; x++)
        for (uint32_t y = 0; y < b->count; y++) {
            const operation *p = &a->operations[x], *q = &b->operations[y];
            for (uint32_t i = 0; p->pipeline && q->pipeline && i < p->pipeline->function->kernel->arg_count; i++)
                for (uint32_t j = 0; j < q->pipeline->function->kernel->arg_count; j++)
                    if (p->arguments[i].buffer && p->arguments[i].buffer == q->arguments[j].buffer &&
                        p->arguments[i].buffer->tracked && (writes(p, i) || writes(q, j)))
                        return YES;
        }
    return NO;
}

static void run_one(const operation *o) {
    const fm_soft_kernel *kernel = o->pipeline->function->kernel;
    void *arguments[ARGUMENTS];
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < kernel->arg_count; i++) {
        const argument *a = &o->arguments[i];
        if (a->buffer)
            check_alive(a->buffer, kernel->name);
        arguments[i] = a->buffer ? (char *)a->buffer->memory + a->offset : a->bytes;
    }
    uint32_t order = 2 + random_below(1000000);
    pthread_mutex_unlock(&lock);
    char text[900];
    if (shaders->run(kernel, o->pipeline->function->constants, arguments, o->groups, o->threads, order, text,
                     sizeof text))
        wrong("%s", text);
}

static void run_section(const operation *o, uint32_t count) {
    uint32_t *turn = malloc((count + 1) * sizeof *turn);
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < count; i++)
        turn[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = random_below(i), t = turn[i - 1];
        turn[i - 1] = turn[j];
        turn[j] = t;
    }
    pthread_mutex_unlock(&lock);
    for (uint32_t i = 0; i < count; i++)
        run_one(&o[turn[i]]);
    free(turn);
}

static void run_list(const SoftList *l) {
    for (uint32_t first = 0; first < l->count;) {
        uint32_t end = first;
        while (end < l->count && l->operations[end].pipeline)
            end++;
        run_section(l->operations + first, end - first);
        first = end + 1;
    }
}

/* A list that nothing before it must precede. */
static SoftList *next_list(SoftQueue *q) { /* under the lock */
    SoftList *free_[ARRAYS_MOST];
    unsigned found = 0;
    for (NSUInteger i = 0; i < [q->pending count] && found < ARRAYS_MOST; i++) {
        SoftList *candidate = [q->pending objectAtIndex:i];
        BOOL blocked = NO;
        for (NSUInteger j = 0; j < i && !blocked; j++)
            blocked = ordered([q->pending objectAtIndex:j], candidate);
        if (!blocked)
            free_[found++] = candidate;
    }
    return found ? free_[random_below(found)] : nil;
}

static void *work(void *context) {
    SoftQueue *q = context;
    int failing = atoi(setting("SOFT_METAL_FAIL")), number = 0;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (![q->pending count] && !q->stop)
            pthread_cond_wait(&changed, &lock);
        if (![q->pending count])
            break;
        unsigned pause = random_below(300);
        pthread_mutex_unlock(&lock);
        usleep(pause); /* it is not there at once */
        pthread_mutex_lock(&lock);
        NSAutoreleasePool *pool = [NSAutoreleasePool new];
        SoftList *l = next_list(q);
        pthread_mutex_unlock(&lock);
        l->start = now();
        BOOL fails = ++number == failing;
        if (!fails)
            run_list(l);
        l->end = now();
        if (fails) {
            NSDictionary *more =
                [NSDictionary dictionaryWithObject:[NSArray arrayWithObject:[[SoftInfo new] autorelease]]
                                            forKey:MTLCommandBufferEncoderInfoErrorKey];
            refuse(&l->failure, @"Caused GPU Timeout Error", more);
            [l->failure retain];
        }
        pthread_mutex_lock(&lock);
        l->state = fails ? MTLCommandBufferStatusError : MTLCommandBufferStatusCompleted;
        pthread_cond_broadcast(&changed);
        [l retain];
        [q->pending removeObject:l];
        pthread_mutex_unlock(&lock);
        [l release];
        [pool release];
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

@implementation SoftQueue
- (id)init {
    self = [super init];
    pending = [NSMutableArray new];
    pthread_create(&worker, NULL, work, self);
    return self;
}
- (void)dealloc {
    pthread_mutex_lock(&lock);
    if ([pending count])
        wrong("a queue is gone before its command buffers completed");
    stop = YES;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(worker, NULL);
    [pending release];
    [residency release];
    [super dealloc];
}
- (id<MTLCommandBuffer>)commandBufferWithDescriptor:(MTLCommandBufferDescriptor *)descriptor {
    if (descriptor.retainedReferences)
        wrong("this backend keeps what its lists use itself");
    SoftList *l = [[SoftList new] autorelease];
    l->queue = self;
    return l;
}
- (void)addResidencySet:(id<MTLResidencySet>)set {
    residency = [(SoftResidency *)set retain];
}
@end

/* ---- the device -------------------------------------------------------------------------------------------------- */

@interface SoftDevice : NSObject <MTLDevice>
@end

static void report(void) {
    FILE *file = fopen(setting("SOFT_METAL_LOG"), "w");
    if (!file)
        return;
    fprintf(file, "buffers %d\nlists %d\nencoders %d\npipelines %d\ncompiled %d\ncommitted %d\n", counted.buffers,
            counted.lists, counted.encoders, counted.pipelines, counted.compiled, counted.committed);
    fprintf(file, "dispatches %d\nbarriers %d\nwaits %d\nmost_lists %d\n", counted.dispatches, counted.barriers,
            counted.waits, counted.most_lists);
    fclose(file);
}

@implementation SoftDevice
- (NSString *)name {
    return @"soft";
}
- (NSUInteger)maxBufferLength {
    return 4ul << 30;
}
- (uint64_t)recommendedMaxWorkingSetSize {
    return 16ull << 30;
}
- (MTLSize)maxThreadsPerThreadgroup {
    return MTLSizeMake(1024, 1024, 1024);
}
- (NSUInteger)maxThreadgroupMemoryLength {
    return 32768;
}
- (BOOL)hasUnifiedMemory {
    return YES;
}
- (BOOL)supportsFamily:(MTLGPUFamily)family {
    return family == MTLGPUFamilyApple7 || family == MTLGPUFamilyMetal3;
}
- (id<MTLCommandQueue>)newCommandQueue {
    return [SoftQueue new];
}
- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options {
    if (!length || length > [self maxBufferLength])
        wrong("a buffer of %lu bytes", (unsigned long)length);
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nil
                                : new_buffer(memory, length, NO, !(options & MTLResourceHazardTrackingModeUntracked));
}
- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void *)pages
                                   length:(NSUInteger)length
                                  options:(MTLResourceOptions)options
                              deallocator:(MTLDeallocator)deallocator {
    (void)deallocator;
    if (!length || length % PAGE || (uintptr_t)pages % PAGE || length > [self maxBufferLength])
        wrong("%lu bytes at %p cannot be wrapped: whole pages of 16 KiB, below 4 GiB", (unsigned long)length, pages);
    return new_buffer(pages, length, YES, !(options & MTLResourceHazardTrackingModeUntracked));
}
- (id<MTLLibrary>)newLibraryWithSource:(NSString *)source options:(MTLCompileOptions *)options error:(NSError **)error {
    if (!options || options.mathMode != MTLMathModeSafe)
        wrong("the shaders are compiled without fast math");
    if ([source rangeOfString:@"kernel void"].location == NSNotFound ||
        [source rangeOfString:@"#include \""].location != NSNotFound) {
        refuse(error, @"program_source:1:1: error: no kernels, or an include that is not there", nil);
        return nil;
    }
    void *library = dlopen(setting("SOFT_METAL_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
    if (!library)
        wrong("SOFT_METAL_LIBRARY: %s", dlerror());
    SoftLibrary *l = [SoftLibrary new];
    const fm_soft_kernel *(*kernels)(uint32_t *) = dlsym(library, "fm_soft_kernels");
    const char *const *(*names)(uint32_t *) = dlsym(library, "fm_soft_constants");
    l->kernels = kernels(&l->kernel_count);
    l->names = names(&l->name_count);
    l->run = dlsym(library, "fm_soft_run");
    return shaders = l;
}
- (id<MTLComputePipelineState>)newComputePipelineStateWithDescriptor:(MTLComputePipelineDescriptor *)descriptor
                                                             options:(MTLPipelineOption)options
                                                          reflection:(MTLComputePipelineReflection **)reflection
                                                               error:(NSError **)error {
    (void)reflection;
    SoftFunction *function = (SoftFunction *)descriptor.computeFunction;
    BOOL found = NO;
    for (SoftArchive *archive in descriptor.binaryArchives)
        found = found || [archive->keys containsObject:function->key];
    if (!found && (options & MTLPipelineOptionFailOnBinaryArchiveMiss)) {
        refuse(error, @"not in the archive", nil);
        return nil;
    }
    counted.compiled += !found;
    SoftPipeline *p = [SoftPipeline new];
    p->function = [function retain];
    p->threads = descriptor.maxTotalThreadsPerThreadgroup;
    return p;
}
- (id<MTLBinaryArchive>)newBinaryArchiveWithDescriptor:(MTLBinaryArchiveDescriptor *)descriptor
                                                 error:(NSError **)error {
    SoftArchive *a = [SoftArchive new];
    a->keys = [NSMutableSet new];
    if (!descriptor.url)
        return a;
    NSString *text = [NSString stringWithContentsOfFile:[descriptor.url path] encoding:NSUTF8StringEncoding error:NULL];
    if (!text) {
        [a release];
        refuse(error, @"no such file", nil);
        return nil;
    }
    [a->keys addObjectsFromArray:[text componentsSeparatedByString:@"\n"]];
    return a;
}
- (id<MTLResidencySet>)newResidencySetWithDescriptor:(MTLResidencySetDescriptor *)descriptor error:(NSError **)error {
    (void)descriptor;
    if (atoi(setting("SOFT_METAL_OS")) == 14) {
        refuse(error, @"not in this version of macOS", nil);
        return nil;
    }
    return [SoftResidency new];
}
@end

id<MTLDevice> MTLCreateSystemDefaultDevice(void) {
    static BOOL opened;
    if (!opened) {
        opened = YES;
        atexit(report);
        random_state = strtoull(setting("SOFT_METAL_SEED"), NULL, 10) * 2 + 1;
    }
    return [SoftDevice new];
}
