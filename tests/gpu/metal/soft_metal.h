/* What the three files of the soft Metal share: soft_metal.m has the device and the objects, soft_list.m what may be
 * encoded, soft_queue.m when it runs. */
#import <Foundation/Foundation.h>
#define FIELDS(...) {__VA_ARGS__}
#import <Metal/Metal.h>

#include "soft_abi.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGUMENTS = 31, PAGE = 16384 };

/* Ends the process: a rule was broken. */
void wrong(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Fills *error, if it is wanted. */
void refuse(NSError **error, NSString *why, NSDictionary *more);
/* Of the environment, or "". */
const char *setting(const char *name);

extern pthread_mutex_t soft_lock;
extern pthread_cond_t soft_changed;
extern struct soft_counted {
    int buffers, lists, encoders, pipelines;                          /* alive */
    int compiled, committed, dispatches, barriers, waits, most_lists; /* in all; waits: for a list under way */
} soft_counted;
unsigned random_below(unsigned n); /* under the lock */

@interface SoftBuffer : NSObject <MTLBuffer> {
  @public
    void *memory;
    NSUInteger size;
    BOOL wrapped, tracked;
}
@end

extern NSHashTable *soft_buffers;                    /* alive, not retained; under the lock */
void check_alive(SoftBuffer *b, const char *kernel); /* under the lock */

@interface SoftResidency : NSObject <MTLResidencySet> {
  @public
    NSMutableSet *waiting, *members;
}
@end

@interface SoftFunction : NSObject <MTLFunction> {
  @public
    const fm_soft_kernel *kernel;
    int32_t *constants;
    NSString *key;
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
extern SoftLibrary *soft_shaders;

@interface SoftPipeline : NSObject <MTLComputePipelineState> {
  @public
    SoftFunction *function;
    NSUInteger threads;
}
@end

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
