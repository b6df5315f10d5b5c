/* The queue: a thread in which lists run some time after their commit, in any order that Metal allows. */
#import "soft_metal.h"

#include <time.h>

enum { LISTS_MOST = 16 }; /* that the next is drawn from */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

@interface SoftInfo : NSObject <MTLCommandBufferEncoderInfo>
@end
@implementation SoftInfo
- (MTLCommandEncoderErrorState)errorState {
    return MTLCommandEncoderErrorStateFaulted;
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
    pthread_mutex_lock(&soft_lock);
    for (uint32_t i = 0; i < kernel->arg_count; i++) {
        const argument *a = &o->arguments[i];
        if (a->buffer)
            check_alive(a->buffer, kernel->name);
        arguments[i] = a->buffer ? (char *)a->buffer->memory + a->offset : a->bytes;
    }
    uint32_t order = 2 + random_below(1000000);
    pthread_mutex_unlock(&soft_lock);
    char text[900];
    if (soft_shaders->run(kernel, o->pipeline->function->constants, arguments, o->groups, o->threads, order, text,
                          sizeof text))
        wrong("%s", text);
}

static void run_section(const operation *o, uint32_t count) {
    uint32_t *turn = malloc((count + 1) * sizeof *turn);
    pthread_mutex_lock(&soft_lock);
    for (uint32_t i = 0; i < count; i++)
        turn[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = random_below(i), t = turn[i - 1];
        turn[i - 1] = turn[j];
        turn[j] = t;
    }
    pthread_mutex_unlock(&soft_lock);
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
    SoftList *free_[LISTS_MOST];
    unsigned found = 0;
    for (NSUInteger i = 0; i < [q->pending count] && found < LISTS_MOST; i++) {
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
    pthread_mutex_lock(&soft_lock);
    for (;;) {
        while (![q->pending count] && !q->stop)
            pthread_cond_wait(&soft_changed, &soft_lock);
        if (![q->pending count])
            break;
        unsigned pause = random_below(300);
        pthread_mutex_unlock(&soft_lock);
        usleep(pause); /* it is not there at once */
        pthread_mutex_lock(&soft_lock);
        NSAutoreleasePool *pool = [NSAutoreleasePool new];
        SoftList *l = next_list(q);
        pthread_mutex_unlock(&soft_lock);
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
        pthread_mutex_lock(&soft_lock);
        l->state = fails ? MTLCommandBufferStatusError : MTLCommandBufferStatusCompleted;
        pthread_cond_broadcast(&soft_changed);
        [l retain];
        [q->pending removeObject:l];
        pthread_mutex_unlock(&soft_lock);
        [l release];
        [pool release];
        pthread_mutex_lock(&soft_lock);
    }
    pthread_mutex_unlock(&soft_lock);
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
    pthread_mutex_lock(&soft_lock);
    if ([pending count])
        wrong("a queue is gone before its command buffers completed");
    stop = YES;
    pthread_cond_broadcast(&soft_changed);
    pthread_mutex_unlock(&soft_lock);
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
