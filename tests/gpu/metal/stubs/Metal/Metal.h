/* Declarations of what metal.m uses of Metal; see ../Foundation/Foundation.h. */
#ifndef FM_STUB_METAL_H
#define FM_STUB_METAL_H

#include <Foundation/Foundation.h>

/* Where soft_metal.m implements a class, GCC's runtime wants its fields here. */
#ifndef FIELDS
#define FIELDS(...)
#endif
#define SINCE(version) __attribute__((availability(macos, introduced = version)))

typedef struct {
    NSUInteger width, height, depth;
} MTLSize;
static inline MTLSize MTLSizeMake(NSUInteger width, NSUInteger height, NSUInteger depth) {
    return (MTLSize){width, height, depth};
}

typedef enum : NSUInteger {
    MTLResourceStorageModeShared = 0,
    MTLResourceHazardTrackingModeUntracked = 256,
} MTLResourceOptions;
typedef enum : NSUInteger { MTLResourceUsageRead = 1 } MTLResourceUsage;
typedef enum : NSUInteger { MTLDispatchTypeConcurrent = 1 } MTLDispatchType;
typedef enum : NSUInteger { MTLBarrierScopeBuffers = 1 } MTLBarrierScope;
typedef enum : NSUInteger {
    MTLPipelineOptionNone = 0,
    MTLPipelineOptionFailOnBinaryArchiveMiss = 4,
} MTLPipelineOption;
typedef enum : NSUInteger { MTLDataTypeInt = 29 } MTLDataType;
typedef enum : NSUInteger { MTLLanguageVersion3_0 = 196608 } MTLLanguageVersion;
typedef enum : NSInteger { MTLMathModeSafe = 0 } MTLMathMode;
typedef enum : NSInteger { MTLGPUFamilyApple7 = 1007, MTLGPUFamilyMetal3 = 5001 } MTLGPUFamily;
typedef enum : NSUInteger {
    MTLCommandBufferStatusCommitted = 2,
    MTLCommandBufferStatusCompleted = 4,
    MTLCommandBufferStatusError = 5,
} MTLCommandBufferStatus;
typedef enum : NSUInteger { MTLCommandBufferErrorOptionEncoderExecutionStatus = 1 } MTLCommandBufferErrorOption;
typedef enum : NSInteger {
    MTLCommandEncoderErrorStateAffected = 2,
    MTLCommandEncoderErrorStateFaulted = 4,
} MTLCommandEncoderErrorState;

extern NSString *const MTLCommandBufferEncoderInfoErrorKey;

@protocol MTLAllocation <NSObject>
@end
@protocol MTLResource <MTLAllocation>
@end
@protocol MTLBuffer <MTLResource>
@property(readonly) NSUInteger length;
@property(readonly) uint64_t gpuAddress;
- (void *)contents;
@end

@protocol MTLFunction <NSObject>
@end

@interface MTLFunctionConstantValues : NSObject
FIELDS(NSMutableDictionary *values;)
- (void)setConstantValue:(const void *)value type:(MTLDataType)type withName:(NSString *)name;
@end

@interface MTLCompileOptions : NSObject
FIELDS(MTLLanguageVersion languageVersion; BOOL fastMathEnabled; MTLMathMode mathMode;)
@property(readwrite, nonatomic) MTLLanguageVersion languageVersion;
@property(readwrite, nonatomic) BOOL fastMathEnabled;
@property(readwrite, nonatomic) MTLMathMode mathMode SINCE(15.0);
@end

@protocol MTLLibrary <NSObject>
- (id<MTLFunction>)newFunctionWithName:(NSString *)name
                        constantValues:(MTLFunctionConstantValues *)values
                                 error:(NSError **)error;
@end

@protocol MTLBinaryArchive;

@interface MTLBinaryArchiveDescriptor : NSObject
FIELDS(NSURL *url;)
@property(readwrite, nonatomic, copy) NSURL *url;
@end

@interface MTLComputePipelineDescriptor : NSObject
FIELDS(NSString *label; id<MTLFunction> computeFunction; BOOL threadGroupSizeIsMultipleOfThreadExecutionWidth;
       NSUInteger maxTotalThreadsPerThreadgroup; NSArray * binaryArchives;)
@property(copy, nonatomic) NSString *label;
@property(readwrite, nonatomic, strong) id<MTLFunction> computeFunction;
@property(readwrite, nonatomic) BOOL threadGroupSizeIsMultipleOfThreadExecutionWidth;
@property(readwrite, nonatomic) NSUInteger maxTotalThreadsPerThreadgroup;
@property(readwrite, nonatomic, copy) NSArray<id<MTLBinaryArchive>> *binaryArchives;
@end

@protocol MTLBinaryArchive <NSObject>
- (BOOL)addComputePipelineFunctionsWithDescriptor:(MTLComputePipelineDescriptor *)descriptor error:(NSError **)error;
- (BOOL)serializeToURL:(NSURL *)url error:(NSError **)error;
@end

@protocol MTLComputePipelineState <NSObject>
@property(readonly) NSUInteger maxTotalThreadsPerThreadgroup;
@property(readonly) NSUInteger threadExecutionWidth;
@property(readonly) NSUInteger staticThreadgroupMemoryLength;
@end

@class MTLComputePipelineReflection;

SINCE(15.0)
@interface MTLResidencySetDescriptor : NSObject
@end

SINCE(15.0)
@protocol MTLResidencySet <NSObject>
- (void)addAllocation:(id<MTLAllocation>)allocation;
- (void)removeAllocation:(id<MTLAllocation>)allocation;
- (void)commit;
- (void)requestResidency;
@end

@protocol MTLComputeCommandEncoder <NSObject>
- (void)setComputePipelineState:(id<MTLComputePipelineState>)state;
- (void)setBuffer:(id<MTLBuffer>)buffer offset:(NSUInteger)offset atIndex:(NSUInteger)index;
- (void)setBytes:(const void *)bytes length:(NSUInteger)length atIndex:(NSUInteger)index;
- (void)useResource:(id<MTLResource>)resource usage:(MTLResourceUsage)usage;
- (void)dispatchThreadgroups:(MTLSize)groups threadsPerThreadgroup:(MTLSize)threads;
- (void)memoryBarrierWithScope:(MTLBarrierScope)scope;
- (void)endEncoding;
@end

@protocol MTLCommandBufferEncoderInfo <NSObject>
@property(readonly, nonatomic) MTLCommandEncoderErrorState errorState;
@end

@interface MTLCommandBufferDescriptor : NSObject
FIELDS(BOOL retainedReferences; MTLCommandBufferErrorOption errorOptions;)
@property(readwrite, nonatomic) BOOL retainedReferences;
@property(readwrite, nonatomic) MTLCommandBufferErrorOption errorOptions;
@end

@protocol MTLCommandBuffer <NSObject>
@property(readonly) MTLCommandBufferStatus status;
@property(readonly) NSError *error;
@property(readonly) double GPUStartTime;
@property(readonly) double GPUEndTime;
- (id<MTLComputeCommandEncoder>)computeCommandEncoderWithDispatchType:(MTLDispatchType)type;
- (void)commit;
- (void)waitUntilCompleted;
@end

@protocol MTLCommandQueue <NSObject>
- (id<MTLCommandBuffer>)commandBufferWithDescriptor:(MTLCommandBufferDescriptor *)descriptor;
- (void)addResidencySet:(id<MTLResidencySet>)set SINCE(15.0);
@end

#if __has_feature(blocks)
typedef void (^MTLDeallocator)(void *pages, NSUInteger length);
#else
typedef id MTLDeallocator;
#endif

@protocol MTLDevice <NSObject>
@property(readonly) NSString *name;
@property(readonly) NSUInteger maxBufferLength;
@property(readonly) uint64_t recommendedMaxWorkingSetSize;
@property(readonly) MTLSize maxThreadsPerThreadgroup;
@property(readonly) NSUInteger maxThreadgroupMemoryLength;
@property(readonly) BOOL hasUnifiedMemory;
- (BOOL)supportsFamily:(MTLGPUFamily)family;
- (id<MTLCommandQueue>)newCommandQueue;
- (id<MTLBuffer>)newBufferWithLength:(NSUInteger)length options:(MTLResourceOptions)options;
- (id<MTLBuffer>)newBufferWithBytesNoCopy:(void *)pages
                                   length:(NSUInteger)length
                                  options:(MTLResourceOptions)options
                              deallocator:(MTLDeallocator)deallocator;
- (id<MTLLibrary>)newLibraryWithSource:(NSString *)source options:(MTLCompileOptions *)options error:(NSError **)error;
- (id<MTLComputePipelineState>)
    newComputePipelineStateWithDescriptor:(MTLComputePipelineDescriptor *)descriptor
                                  options:(MTLPipelineOption)options
                               reflection:(MTLComputePipelineReflection *__autoreleasing *)reflection
                                    error:(NSError **)error;
- (id<MTLBinaryArchive>)newBinaryArchiveWithDescriptor:(MTLBinaryArchiveDescriptor *)descriptor error:(NSError **)error;
- (id<MTLResidencySet>)newResidencySetWithDescriptor:(MTLResidencySetDescriptor *)descriptor
                                               error:(NSError **)error SINCE(15.0);
@end

extern id<MTLDevice> MTLCreateSystemDefaultDevice(void);

#endif
