#include "source.h"

#include <assert.h>
#include <string.h>

/* Guesses of a rank are read if at least this share of its last ones came true, the mean fading over so many. */
#define LEAST_TRUST 0.3
#define TRUST_OVER  64.0

void fm_wishes_end_ahead(fm_experts *src) {
    int32_t layer = src->ahead;
    src->ahead = FM_NONE;
    for (uint32_t e = 0; layer != FM_NONE && e < src->o.experts; e++) {
        int32_t i = *fm_slot_of(src, (uint32_t)layer, (int32_t)e);
        if (i != FM_NONE && src->slots[i].state == READY && src->slots[i].pins == 0)
            fm_slot_offer(src, i);
    }
}

bool fm_wishes_start(fm_experts *src) {
    struct wishes *w = &src->wishes;
    if (src->request.active && src->request.bound < src->request.n)
        return false; /* it needs the slots */
    for (; w->next < w->n && w->room; w->next++) {
        int32_t expert = w->ids[w->next];
        if (*fm_slot_of(src, (uint32_t)src->ahead, expert) != FM_NONE ||
            (w->guesses && src->trust[w->next] < LEAST_TRUST))
            continue;
        int32_t i = fm_slot_read(src, (uint32_t)src->ahead, expert);
        if (i == FM_NONE)
            return false;
        src->slots[i].early = true;
        w->room--;
        if (src->slots[i].state != READING) /* the second tier had it */
            continue;
        w->next++;
        return true;
    }
    return false;
}

void fm_wishes_judge(fm_experts *src, const int32_t *ids, uint32_t n) {
    const struct wishes *w = &src->wishes;
    for (uint32_t rank = 0; w->guesses && rank < w->n; rank++) {
        bool right = false;
        for (uint32_t i = 0; i < n; i++)
            right |= ids[i] == w->ids[rank];
        if (w->cold[rank])
            src->trust[rank] += ((right ? 1.0 : 0.0) - src->trust[rank]) / TRUST_OVER;
    }
}

void fm_wishes_drop(fm_experts *src) {
    uint32_t kept = 0;
    for (uint32_t q = 0; q < src->queue_count; q++) {
        int32_t i = src->queue[(src->queue_first + q) % src->slots_made];
        slot *s = &src->slots[i];
        if (s->pins || !s->early) {
            src->queue[(src->queue_first + kept++) % src->slots_made] = i;
            continue;
        }
        for (int p = s->next_part; p < FM_EXPERT_PARTS; p++)
            s->parts_left -= fm_slot_part(src, i, (uint32_t)s->layer, s->expert, p) != NULL;
        fm_slot_forget(src, i);
        if (s->parts_left) {
            s->state = FAILED;
            continue;
        }
        src->reading--;
        if (fm_tier_has(src))
            fm_tier_read(src, i, false);
        fm_slot_offer(src, i);
    }
    src->queue_count = kept;
}

void fm_experts_prefetch(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t n, bool guesses) {
    pthread_mutex_lock(&src->lock);
    struct wishes *w = &src->wishes;
    assert(n <= (guesses ? src->o.experts_per_token : src->o.experts));
    w->n = w->next = 0;
    if (src->ahead != (int32_t)layer)
        fm_wishes_end_ahead(src);
    src->ahead = (int32_t)layer;
    memcpy(w->ids, ids, n * sizeof *ids);
    bool any = false;
    /* What is here already must not be evicted by what is not. */
    for (uint32_t i = 0; i < n; i++) {
        int32_t index = *fm_slot_of(src, layer, ids[i]);
        w->cold[i] = index == FM_NONE;
        any |= w->cold[i];
        if (index != FM_NONE && src->slots[index].state == READY && src->slots[index].pins == 0)
            fm_slot_offer(src, index);
    }
    w->n = n;
    w->room = src->reading < fm_slots_window(src) ? fm_slots_window(src) - src->reading : 0;
    w->guesses = guesses;
    if (any)
        pthread_cond_broadcast(&src->to_read);
    pthread_mutex_unlock(&src->lock);
}
