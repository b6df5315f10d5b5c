/* Command buffers and their encoders: what may be encoded, committed and waited for, and what may not. */
#import "soft_metal.h"

@implementation SoftList
- (id)init {
    self = [super init];
    pthread_mutex_lock(&soft_lock);
    if (++soft_counted.lists > soft_counted.most_lists)
        soft_counted.most_lists = soft_counted.lists;
    pthread_mutex_unlock(&soft_lock);
    return self;
}
- (void)dealloc {
    if (encoder && !encoder->ended)
        wrong("a command buffer is gone and its encoder was never ended");
    pthread_mutex_lock(&soft_lock);
    soft_counted.lists--;
    pthread_mutex_unlock(&soft_lock);
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
    pthread_mutex_lock(&soft_lock);
    MTLCommandBufferStatus now_ = state;
    pthread_mutex_unlock(&soft_lock);
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
    pthread_mutex_lock(&soft_lock);
    soft_counted.encoders++;
    pthread_mutex_unlock(&soft_lock);
    return [[encoder retain] autorelease];
}
- (void)commit {
    if (state)
        wrong("a command buffer was committed twice");
    if (encoder && !encoder->ended)
        wrong("a command buffer was committed while its encoder was open");
    pthread_mutex_lock(&soft_lock);
    state = MTLCommandBufferStatusCommitted;
    soft_counted.committed++;
    [queue->pending addObject:self];
    pthread_cond_broadcast(&soft_changed);
    pthread_mutex_unlock(&soft_lock);
}
- (void)waitUntilCompleted {
    pthread_mutex_lock(&soft_lock);
    if (!state)
        wrong("waiting for a command buffer that was never committed");
    soft_counted.waits += state < MTLCommandBufferStatusCompleted;
    while (state < MTLCommandBufferStatusCompleted)
        pthread_cond_wait(&soft_changed, &soft_lock);
    pthread_mutex_unlock(&soft_lock);
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
    pthread_mutex_lock(&soft_lock);
    soft_counted.encoders--;
    pthread_mutex_unlock(&soft_lock);
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
    pthread_mutex_lock(&soft_lock);
    NSHashEnumerator all = NSEnumerateHashTable(soft_buffers);
    for (SoftBuffer *b; (b = NSNextHashEnumeratorItem(&all));)
        if (b->wrapped && !(list->queue->residency && [list->queue->residency->members containsObject:b]) &&
            ![used containsObject:[NSValue valueWithPointer:b]])
            wrong("kernel %s reaches memory by address, and a buffer of %lu bytes is not resident", kernel->name,
                  (unsigned long)b->size);
    NSEndHashTableEnumeration(&all);
    pthread_mutex_unlock(&soft_lock);
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
    soft_counted.dispatches++;
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
    soft_counted.barriers++;
}
- (void)endEncoding {
    [self open];
    ended = YES;
}
@end
