/* The part of NVIDIA's driver that cuda.c and cuda_replay.c use, looked up at run time. */
#ifndef FM_GPU_CUDA_H
#define FM_GPU_CUDA_H

#include "device.h"

typedef int CUresult, CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphNode_st *CUgraphNode;
typedef struct CUgraphExec_st *CUgraphExec;

enum { CUDA_SUCCESS = 0, CUDA_ERROR_OUT_OF_MEMORY = 2, CUDA_ERROR_NOT_READY = 600 };

typedef struct cuda_launch_attribute {
    int id, unused;
    int value[16];
} cuda_launch_attribute;

typedef struct cuda_launch {
    unsigned groups[3], threads[3], shared;
    CUstream stream;
    cuda_launch_attribute *attributes;
    unsigned attribute_count;
} cuda_launch;

typedef struct cuda_kernel_node {
    CUfunction function;
    unsigned groups[3], threads[3], shared;
    void **parameters, **extra;
    void *kernel, *context;
} cuda_kernel_node;

typedef struct cuda_node {
    int type, reserved[3];
    union {
        long long room[29];
        cuda_kernel_node kernel;
    };
    long long reserved2;
} cuda_node;

typedef struct cuda_edge {
    unsigned char from_port, to_port, type, reserved[5];
} cuda_edge;

#define FM_CUDA_DRIVER(X)                                                                                              \
    X(cuInit, (unsigned))                                                                                              \
    X(cuDeviceGetCount, (int *))                                                                                       \
    X(cuDeviceGet, (CUdevice *, int))                                                                                  \
    X(cuDeviceGetName, (char *, int, CUdevice))                                                                        \
    X(cuDeviceGetAttribute, (int *, int, CUdevice))                                                                    \
    X(cuMemGetInfo_v2, (size_t *, size_t *))                                                                           \
    X(cuDevicePrimaryCtxRetain, (CUcontext *, CUdevice))                                                               \
    X(cuDevicePrimaryCtxRelease_v2, (CUdevice))                                                                        \
    X(cuCtxSetCurrent, (CUcontext))                                                                                    \
    X(cuStreamCreate, (CUstream *, unsigned))                                                                          \
    X(cuStreamDestroy_v2, (CUstream))                                                                                  \
    X(cuStreamSynchronize, (CUstream))                                                                                 \
    X(cuStreamWaitEvent, (CUstream, CUevent, unsigned))                                                                \
    X(cuModuleLoadDataEx, (CUmodule *, const void *, unsigned, int *, void **))                                        \
    X(cuModuleUnload, (CUmodule))                                                                                      \
    X(cuModuleGetFunction, (CUfunction *, CUmodule, const char *))                                                     \
    X(cuFuncGetAttribute, (int *, int, CUfunction))                                                                    \
    X(cuLaunchKernel,                                                                                                  \
      (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void **, void **))  \
    X(cuMemAlloc_v2, (CUdeviceptr *, size_t))                                                                          \
    X(cuMemFree_v2, (CUdeviceptr))                                                                                     \
    X(cuMemHostAlloc, (void **, size_t, unsigned))                                                                     \
    X(cuMemHostGetDevicePointer_v2, (CUdeviceptr *, void *, unsigned))                                                 \
    X(cuMemFreeHost, (void *))                                                                                         \
    X(cuMemHostRegister_v2, (void *, size_t, unsigned))                                                                \
    X(cuMemHostUnregister, (void *))                                                                                   \
    X(cuMemsetD8Async, (CUdeviceptr, unsigned char, size_t, CUstream))                                                 \
    X(cuMemcpyHtoDAsync_v2, (CUdeviceptr, const void *, size_t, CUstream))                                             \
    X(cuMemcpyDtoHAsync_v2, (void *, CUdeviceptr, size_t, CUstream))                                                   \
    X(cuMemcpyDtoDAsync_v2, (CUdeviceptr, CUdeviceptr, size_t, CUstream))                                              \
    X(cuEventCreate, (CUevent *, unsigned))                                                                            \
    X(cuEventDestroy_v2, (CUevent))                                                                                    \
    X(cuEventRecord, (CUevent, CUstream))                                                                              \
    X(cuEventQuery, (CUevent))                                                                                         \
    X(cuEventSynchronize, (CUevent))                                                                                   \
    X(cuEventElapsedTime, (float *, CUevent, CUevent))                                                                 \
    X(cuGetErrorName, (CUresult, const char **))

/* Of drivers since 12.3; NULL in older ones. */
#define FM_CUDA_NEWER(X)                                                                                               \
    X(cuLaunchKernelEx, (const cuda_launch *, CUfunction, void **, void **))                                           \
    X(cuGraphCreate, (CUgraph *, unsigned))                                                                            \
    X(cuGraphDestroy, (CUgraph))                                                                                       \
    X(cuGraphAddNode_v2, (CUgraphNode *, CUgraph, const CUgraphNode *, const cuda_edge *, size_t, cuda_node *))        \
    X(cuGraphInstantiateWithFlags, (CUgraphExec *, CUgraph, unsigned long long))                                       \
    X(cuGraphExecKernelNodeSetParams_v2, (CUgraphExec, CUgraphNode, const cuda_kernel_node *))                         \
    X(cuGraphExecDestroy, (CUgraphExec))                                                                               \
    X(cuGraphLaunch, (CUgraphExec, CUstream))

typedef struct cuda_driver {
    void *library;
#define X(name, arguments) CUresult(*name) arguments;
    FM_CUDA_DRIVER(X)
    FM_CUDA_NEWER(X)
#undef X
    bool early;   /* dispatches may begin before the one before them has ended (inputs_ready of common.h) */
    bool replays; /* the driver has all of the newer ones */
} cuda_driver;

/* cuda_replay.c: lists that come again are launched as graphs. */
typedef struct cuda_replay cuda_replay;
cuda_replay *cuda_replay_new(const cuda_driver *cu);
void cuda_replay_free(cuda_replay *r);
/* Adds a dispatch to the list being recorded; false when it does not fit, and nothing of the list was launched. */
bool cuda_replay_add(cuda_replay *r, CUfunction function, const fm_arg *args, uint32_t count, fm_groups groups,
                     uint32_t threads);
/* Launches the list and empties it. */
CUresult cuda_replay_launch(cuda_replay *r, CUstream stream);

/* cuda_moves.c: slots of experts between memory of the host and the card's. Any thread may call, but for closing. */
typedef struct cuda_moves cuda_moves;
CUresult cuda_moves_new(const cuda_driver *cu, CUcontext context, cuda_moves **moves);
/* Waits for all of them. */
void cuda_moves_free(cuda_moves *m);
fm_ticket cuda_moves_begin(cuda_moves *m, CUdeviceptr card, void *host, size_t bytes, bool up, fm_ticket after);
bool cuda_moves_ended(cuda_moves *m, fm_ticket ticket);
void cuda_moves_wait(cuda_moves *m, fm_ticket ticket);
/* What is launched in the stream from now on begins when the move has ended. */
void cuda_moves_before(cuda_moves *m, CUstream stream, fm_ticket ticket);
/* The first error of any move. */
CUresult cuda_moves_failure(cuda_moves *m);

CUresult cuda_launch_now(const cuda_driver *cu, CUfunction function, fm_groups groups, uint32_t threads,
                         void **parameters, CUstream stream);

#endif
