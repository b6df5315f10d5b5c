/* Moves of experts between pinned memory of the host and the card: a stream for each way, so that both directions of
 * the link work at once, beside the stream of kernels. Each move has an event, from a ring. */
#include "cuda.h"

#include <pthread.h>
#include <stdlib.h>

enum { RING = 1024, STREAM_NON_BLOCKING = 1, EVENT_DISABLE_TIMING = 2 };

struct cuda_moves {
    const cuda_driver *cu;
    CUcontext context;
    CUstream stream[2]; /* down, up */
    CUevent event[RING];
    pthread_mutex_t lock; /* guards: */
    fm_ticket last;
    CUresult failure;
};

static void keep(cuda_moves *m, CUresult result) {
    if (result != CUDA_SUCCESS && m->failure == CUDA_SUCCESS)
        m->failure = result;
}

/* Whether its event is still in the ring; those that are not have ended (cuda_moves_begin). */
static bool in_ring(const cuda_moves *m, fm_ticket ticket) {
    return ticket && ticket + RING > m->last;
}

CUresult cuda_moves_new(const cuda_driver *cu, CUcontext context, cuda_moves **out) {
    cuda_moves *m = calloc(1, sizeof *m);
    if (!m)
        return CUDA_ERROR_OUT_OF_MEMORY;
    m->cu = cu;
    m->context = context;
    pthread_mutex_init(&m->lock, NULL);
    *out = m;
    CUresult result = CUDA_SUCCESS;
    for (int way = 0; way < 2 && result == CUDA_SUCCESS; way++)
        result = cu->cuStreamCreate(&m->stream[way], STREAM_NON_BLOCKING);
    for (uint32_t i = 0; i < RING && result == CUDA_SUCCESS; i++)
        result = cu->cuEventCreate(&m->event[i], EVENT_DISABLE_TIMING);
    return result;
}

void cuda_moves_free(cuda_moves *m) {
    if (!m)
        return;
    for (int way = 0; way < 2; way++)
        if (m->stream[way]) {
            m->cu->cuStreamSynchronize(m->stream[way]);
            m->cu->cuStreamDestroy_v2(m->stream[way]);
        }
    for (uint32_t i = 0; i < RING; i++)
        if (m->event[i])
            m->cu->cuEventDestroy_v2(m->event[i]);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

fm_ticket cuda_moves_begin(cuda_moves *m, CUdeviceptr card, void *host, size_t bytes, bool up, fm_ticket after) {
    m->cu->cuCtxSetCurrent(m->context);
    pthread_mutex_lock(&m->lock);
    CUstream stream = m->stream[up];
    fm_ticket ticket = m->last + 1;
    CUevent event = m->event[ticket % RING];
    if (ticket > RING)
        keep(m, m->cu->cuEventSynchronize(event)); /* of the move RING before, long ended */
    if (in_ring(m, after))
        keep(m, m->cu->cuStreamWaitEvent(stream, m->event[after % RING], 0));
    keep(m, up ? m->cu->cuMemcpyHtoDAsync_v2(card, host, bytes, stream)
               : m->cu->cuMemcpyDtoHAsync_v2(host, card, bytes, stream));
    keep(m, m->cu->cuEventRecord(event, stream));
    m->last = ticket;
    pthread_mutex_unlock(&m->lock);
    return ticket;
}

bool cuda_moves_ended(cuda_moves *m, fm_ticket ticket) {
    m->cu->cuCtxSetCurrent(m->context);
    pthread_mutex_lock(&m->lock);
    CUresult result = in_ring(m, ticket) ? m->cu->cuEventQuery(m->event[ticket % RING]) : CUDA_SUCCESS;
    if (result != CUDA_ERROR_NOT_READY)
        keep(m, result);
    pthread_mutex_unlock(&m->lock);
    return result != CUDA_ERROR_NOT_READY;
}

void cuda_moves_wait(cuda_moves *m, fm_ticket ticket) {
    m->cu->cuCtxSetCurrent(m->context);
    pthread_mutex_lock(&m->lock);
    CUevent event = in_ring(m, ticket) ? m->event[ticket % RING] : NULL;
    pthread_mutex_unlock(&m->lock);
    if (!event)
        return;
    /* If the event is recorded anew meanwhile, its move has ended, and the later one is waited for too. */
    CUresult result = m->cu->cuEventSynchronize(event);
    pthread_mutex_lock(&m->lock);
    keep(m, result);
    pthread_mutex_unlock(&m->lock);
}

void cuda_moves_before(cuda_moves *m, CUstream stream, fm_ticket ticket) {
    pthread_mutex_lock(&m->lock);
    if (in_ring(m, ticket))
        keep(m, m->cu->cuStreamWaitEvent(stream, m->event[ticket % RING], 0));
    pthread_mutex_unlock(&m->lock);
}

CUresult cuda_moves_failure(cuda_moves *m) {
    pthread_mutex_lock(&m->lock);
    CUresult result = m->failure;
    pthread_mutex_unlock(&m->lock);
    return result;
}
