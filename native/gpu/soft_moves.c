#include "soft_moves.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct move {
    struct move *next;
    void *to;
    const void *from;
    size_t bytes;
} move;

struct soft_moves {
    pthread_t worker;
    pthread_mutex_t lock; /* guards: */
    pthread_cond_t begun, done;
    move *first, *last;
    fm_ticket begun_last, ended;
    bool stop;
};

/* All moves in the order of their beginning, so that each comes after those that it must come after. */
static void *work(void *context) {
    soft_moves *m = context;
    pthread_mutex_lock(&m->lock);
    for (;;) {
        while (!m->first && !m->stop)
            pthread_cond_wait(&m->begun, &m->lock);
        move *now = m->first;
        if (!now)
            break;
        m->first = now->next;
        if (!m->first)
            m->last = NULL;
        useconds_t delay = m->ended % 5 ? 0 : 200;
        pthread_mutex_unlock(&m->lock);
        memset(now->to, 0xff, now->bytes);
        if (delay)
            usleep(delay);
        memcpy(now->to, now->from, now->bytes);
        free(now);
        pthread_mutex_lock(&m->lock);
        m->ended++;
        pthread_cond_broadcast(&m->done);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

soft_moves *soft_moves_new(void) {
    soft_moves *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->begun, NULL);
    pthread_cond_init(&m->done, NULL);
    if (pthread_create(&m->worker, NULL, work, m)) {
        free(m);
        return NULL;
    }
    return m;
}

void soft_moves_free(soft_moves *m) {
    if (!m)
        return;
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    pthread_cond_broadcast(&m->begun);
    pthread_mutex_unlock(&m->lock);
    pthread_join(m->worker, NULL);
    pthread_mutex_destroy(&m->lock);
    pthread_cond_destroy(&m->begun);
    pthread_cond_destroy(&m->done);
    free(m);
}

fm_ticket soft_moves_begin(soft_moves *m, void *to, const void *from, size_t bytes) {
    move *now = malloc(sizeof *now);
    if (!now)
        abort();
    *now = (move){NULL, to, from, bytes};
    pthread_mutex_lock(&m->lock);
    *(m->last ? &m->last->next : &m->first) = now;
    m->last = now;
    fm_ticket ticket = ++m->begun_last;
    pthread_cond_signal(&m->begun);
    pthread_mutex_unlock(&m->lock);
    return ticket;
}

bool soft_moves_ended(soft_moves *m, fm_ticket ticket) {
    pthread_mutex_lock(&m->lock);
    bool ended = m->ended >= ticket;
    pthread_mutex_unlock(&m->lock);
    return ended;
}

void soft_moves_wait(soft_moves *m, fm_ticket ticket) {
    pthread_mutex_lock(&m->lock);
    while (m->ended < ticket)
        pthread_cond_wait(&m->done, &m->lock);
    pthread_mutex_unlock(&m->lock);
}
