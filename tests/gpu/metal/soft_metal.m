/* A soft Metal: the part of Metal's API that native/gpu/metal.m uses, over the shaders on the CPU (gpu/soft_abi.h), so
 * that metal.m runs where there is no Mac. It is stricter than Metal: what Metal would not notice, or leave undefined,
 * ends the process with exit status 70 and a sentence.
 *
 * Lists run in a thread of their own, some time after their commit. Dispatches between two barriers run in any order,
 * and so do lists that share no hazard-tracked buffer which one of them writes.
 *
 * Environment: SOFT_METAL_LIBRARY the shaders for the soft device; SOFT_METAL_SEED; SOFT_METAL_OS 14: no residency
 * sets; SOFT_METAL_FAIL n: the n-th list ends with an error; SOFT_METAL_LOG a file for what was soft_counted. */
#import "soft_metal.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <sys/mman.h>

void wrong(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fprintf(stderr, "soft Metal: ");
    vfprintf(stderr, format, list);
    fprintf(stderr, "\n");
    va_end(list);
    _exit(70);
}

pthread_mutex_t soft_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t soft_changed = PTHREAD_COND_INITIALIZER;
struct soft_counted soft_counted;
static unsigned long long random_state = 1;

unsigned random_below(unsigned n) { /* under the lock */
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(random_state >> 33) % n;
}

const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

NSString *const MTLCommandBufferEncoderInfoErrorKey = @"MTLCommandBufferEncoderInfoErrorKey";

void refuse(NSError **error, NSString *why, NSDictionary *more) {
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

NSHashTable *soft_buffers;

@implementation SoftBuffer
- (void)dealloc {
    pthread_mutex_lock(&soft_lock);
    NSHashRemove(soft_buffers, self);
    soft_counted.buffers--;
    pthread_mutex_unlock(&soft_lock);
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
    pthread_mutex_lock(&soft_lock);
    if (!soft_buffers)
        soft_buffers = NSCreateHashTable(NSNonOwnedPointerHashCallBacks, 16);
    NSHashInsert(soft_buffers, b);
    soft_counted.buffers++;
    pthread_mutex_unlock(&soft_lock);
    return b;
}

void check_alive(SoftBuffer *b, const char *kernel) { /* under the lock */
    if (!NSHashGet(soft_buffers, b))
        wrong("kernel %s uses a buffer that was released", kernel);
    unsigned char resident[1];
    long page = sysconf(_SC_PAGESIZE);
    for (NSUInteger at = 0; b->wrapped && at<b->size; at += b->size> PAGE ? b->size - PAGE : PAGE)
        if (mincore((char *)b->memory + at, (size_t)page, resident))
            wrong("kernel %s uses a buffer around memory that was unmapped", kernel);
}

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
    pthread_mutex_lock(&soft_lock);
    [members setSet:waiting];
    pthread_mutex_unlock(&soft_lock);
}
- (void)requestResidency {
}
@end

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

@implementation SoftFunction
- (void)dealloc {
    free(constants);
    [key release];
    [super dealloc];
}
@end

SoftLibrary *soft_shaders;

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

@implementation SoftPipeline
- (id)init {
    self = [super init];
    soft_counted.pipelines++;
    return self;
}
- (void)dealloc {
    soft_counted.pipelines--;
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
    soft_counted.compiled++;
    return YES;
}
- (BOOL)serializeToURL:(NSURL *)url error:(NSError **)error {
    (void)error;
    return [[[keys allObjects] componentsJoinedByString:@"\n"] writeToFile:[url path] atomically:NO];
}
@end

/* ---- the device -------------------------------------------------------------------------------------------------- */

@interface SoftDevice : NSObject <MTLDevice>
@end

static void report(void) {
    FILE *file = fopen(setting("SOFT_METAL_LOG"), "w");
    if (!file)
        return;
    fprintf(file, "buffers %d\nlists %d\nencoders %d\npipelines %d\ncompiled %d\ncommitted %d\n", soft_counted.buffers,
            soft_counted.lists, soft_counted.encoders, soft_counted.pipelines, soft_counted.compiled,
            soft_counted.committed);
    fprintf(file, "dispatches %d\nbarriers %d\nwaits %d\nmost_lists %d\n", soft_counted.dispatches,
            soft_counted.barriers, soft_counted.waits, soft_counted.most_lists);
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
    [soft_shaders release];
    soft_shaders = [l retain]; /* lists run by it, whose owner may have let go of it */
    return l;
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
    soft_counted.compiled += !found;
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
