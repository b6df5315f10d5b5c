/* A decoded token is some hundred dispatches, the same every time but for a few arguments, and a launch costs the CPU
 * two microseconds. So its lists are recorded, and launched as graphs that are kept: of a list, the graph whose nodes
 * differ least is brought up to date and launched. Nodes form a chain; the edges are programmatic, so that a kernel
 * begins while the one before it ends. */
#include "cuda.h"

#include <stdlib.h>
#include <string.h>

enum { GRAPHS = 64, NODES = 256, BYTES = 448 };

typedef struct node {
    CUfunction function;
    fm_groups groups;
    uint32_t threads, count;
    uint64_t digest;
    uint16_t at[FM_ARGS_MOST]; /* of each argument in bytes */
    _Alignas(8) uint8_t bytes[BYTES];
} node;

typedef struct graph {
    CUgraph handle;
    CUgraphExec exec;
    uint32_t count;
    uint64_t used; /* when last */
    CUfunction *functions;
    uint64_t *digests;
    CUgraphNode *nodes;
} graph;

struct cuda_replay {
    const cuda_driver *cu;
    node *nodes; /* [NODES], of the list being recorded */
    uint32_t count;
    graph graphs[GRAPHS];
    uint64_t clock;
};

cuda_replay *cuda_replay_new(const cuda_driver *cu) {
    cuda_replay *r = calloc(1, sizeof *r);
    if (r)
        r->nodes = calloc(NODES, sizeof *r->nodes);
    if (r && !r->nodes) {
        free(r);
        return NULL;
    }
    if (r)
        r->cu = cu;
    return r;
}

static void forget(cuda_replay *r, graph *g) {
    if (g->exec)
        r->cu->cuGraphExecDestroy(g->exec);
    if (g->handle)
        r->cu->cuGraphDestroy(g->handle);
    free(g->functions);
    free(g->digests);
    free(g->nodes);
    memset(g, 0, sizeof *g);
}

void cuda_replay_free(cuda_replay *r) {
    for (uint32_t i = 0; r && i < GRAPHS; i++)
        forget(r, &r->graphs[i]);
    if (r)
        free(r->nodes);
    free(r);
}

static uint64_t digest_of(const node *n, size_t bytes) {
    uint64_t words[4] = {(uint64_t)n->groups.x << 32 | n->groups.y, (uint64_t)n->groups.z << 32 | n->threads, bytes, 0};
    uint64_t h = 1469598103934665603u;
    for (int i = 0; i < 3; i++)
        h = (h ^ words[i]) * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word;
        memcpy(&word, n->bytes + i, 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

bool cuda_replay_add(cuda_replay *r, CUfunction function, const fm_arg *args, uint32_t count, fm_groups groups,
                     uint32_t threads) {
    if (r->count == NODES)
        return false;
    node *n = &r->nodes[r->count];
    size_t at = 0;
    n->function = function;
    n->groups = groups;
    n->threads = threads;
    n->count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t address = args[i].buffer ? args[i].buffer->address + args[i].offset : 0;
        size_t size = args[i].buffer ? sizeof address : (size_t)args[i].bytes, room = (size + 7) / 8 * 8;
        if (at + room > BYTES)
            return false;
        n->at[i] = (uint16_t)at;
        memset(n->bytes + at, 0, room);
        memcpy(n->bytes + at, args[i].buffer ? (const void *)&address : args[i].constants, size);
        at += room;
    }
    n->digest = digest_of(n, at);
    r->count++;
    return true;
}

static void parameters_of(node *n, void **parameters) {
    for (uint32_t i = 0; i < n->count; i++)
        parameters[i] = n->bytes + n->at[i];
}

static cuda_kernel_node kernel_node(node *n, void **parameters) {
    parameters_of(n, parameters);
    return (cuda_kernel_node){.function = n->function,
                              .groups = {n->groups.x, n->groups.y, n->groups.z},
                              .threads = {n->threads, 1, 1},
                              .parameters = parameters};
}

/* Nodes of the graph that differ from the list's; UINT32_MAX when it cannot be made the same. */
static uint32_t difference(const cuda_replay *r, const graph *g) {
    if (g->count != r->count)
        return UINT32_MAX;
    uint32_t differ = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        if (g->functions[i] != r->nodes[i].function)
            return UINT32_MAX;
        differ += g->digests[i] != r->nodes[i].digest;
    }
    return differ;
}

static CUresult update(cuda_replay *r, graph *g) {
    void *parameters[FM_ARGS_MOST];
    CUresult result = CUDA_SUCCESS;
    for (uint32_t i = 0; i < g->count && result == CUDA_SUCCESS; i++) {
        node *n = &r->nodes[i];
        if (g->digests[i] == n->digest)
            continue;
        cuda_kernel_node k = kernel_node(n, parameters);
        result = r->cu->cuGraphExecKernelNodeSetParams_v2(g->exec, g->nodes[i], &k);
        g->digests[i] = n->digest;
    }
    return result;
}

static CUresult make(cuda_replay *r, graph *g) {
    void *parameters[FM_ARGS_MOST];
    g->functions = calloc(r->count, sizeof *g->functions);
    g->digests = calloc(r->count, sizeof *g->digests);
    g->nodes = calloc(r->count, sizeof *g->nodes);
    if (!g->functions || !g->digests || !g->nodes)
        return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult result = r->cu->cuGraphCreate(&g->handle, 0);
    const cuda_edge early = {.from_port = 1, .type = 1}, whole = {0};
    for (uint32_t i = 0; i < r->count && result == CUDA_SUCCESS; i++) {
        cuda_node n = {.kernel = kernel_node(&r->nodes[i], parameters)};
        result = r->cu->cuGraphAddNode_v2(&g->nodes[i], g->handle, i ? &g->nodes[i - 1] : NULL,
                                          i ? (r->cu->early ? &early : &whole) : NULL, i ? 1 : 0, &n);
        g->functions[i] = r->nodes[i].function;
        g->digests[i] = r->nodes[i].digest;
    }
    g->count = r->count;
    return result == CUDA_SUCCESS ? r->cu->cuGraphInstantiateWithFlags(&g->exec, g->handle, 0) : result;
}

CUresult cuda_replay_launch(cuda_replay *r, CUstream stream) {
    if (r->count == 0)
        return CUDA_SUCCESS;
    graph *best = NULL, *oldest = &r->graphs[0];
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; i < GRAPHS; i++) {
        graph *g = &r->graphs[i];
        uint32_t differ = g->exec ? difference(r, g) : UINT32_MAX;
        if (differ < least) {
            least = differ;
            best = g;
        }
        if (g->used < oldest->used)
            oldest = g;
    }
    CUresult result;
    if (best && (least <= r->count / 10 || oldest->exec)) {
        result = update(r, best);
    } else {
        best = oldest;
        forget(r, best);
        result = make(r, best);
    }
    if (result == CUDA_SUCCESS)
        result = r->cu->cuGraphLaunch(best->exec, stream);
    if (result == CUDA_SUCCESS)
        best->used = ++r->clock;
    else
        forget(r, best);
    r->count = 0;
    return result;
}

CUresult cuda_launch_now(const cuda_driver *cu, CUfunction function, fm_groups groups, uint32_t threads,
                         void **parameters, CUstream stream) {
    if (!cu->early)
        return cu->cuLaunchKernel(function, groups.x, groups.y, groups.z, threads, 1, 1, 0, stream, parameters, NULL);
    cuda_launch_attribute attribute = {.id = 6, .value = {1}}; /* programmatic stream serialization */
    const cuda_launch launch = {.groups = {groups.x, groups.y, groups.z},
                                .threads = {threads, 1, 1},
                                .stream = stream,
                                .attributes = &attribute,
                                .attribute_count = 1};
    return cu->cuLaunchKernelEx(&launch, function, parameters, NULL);
}
