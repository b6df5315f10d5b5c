#include "source.h"

#include "../base/error.h"
#include "../base/system.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- giving slots to a request; the lock is held ------------------------------------------------------------------
 */

/* Gives expert i of the request a slot that holds it or will. What a prefetch read is a miss all the same. */
static void bind(fm_experts *src, uint32_t i, int32_t index) {
    slot *s = &src->slots[index];
    if (s->state == READY && !s->early && !src->request.missed[i])
        src->stats.hits++;
    else if (s->from_host)
        src->stats.host_hits++;
    else
        src->stats.misses++;
    s->early = false;
    fm_slot_pin(src, index);
    src->request.slot[i] = index;
}

void fm_request_bind(fm_experts *src) {
    struct request *r = &src->request;
    bool wake = false;
    for (; r->bound < r->n; r->bound++) {
        uint32_t i = r->bound;
        if (r->slot[i] != FM_NONE || r->acquired[i]) /* pinned as a hit, and perhaps released by now */
            continue;
        int32_t index = *fm_slot_of(src, r->layer, r->ids[i]);
        if (index == FM_NONE) {
            index = r->reads < fm_slots_window(src) ? fm_slot_read(src, r->layer, r->ids[i]) : FM_NONE;
            if (index == FM_NONE)
                break;
            wake = true;
            r->missed[i] = 1;
            r->reads++;
        }
        bind(src, i, index);
    }
    if (wake)
        pthread_cond_broadcast(&src->to_read);
}

/* ---- its calls ----------------------------------------------------------------------------------------------------
 */

uint32_t fm_experts_request(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t n) {
    pthread_mutex_lock(&src->lock);
    struct request *r = &src->request;
    assert(!r->active && n <= src->o.experts);
    r->active = true;
    r->layer = layer;
    r->n = n;
    r->bound = 0;
    src->failed = false;
    memcpy(r->ids, ids, n * sizeof *ids);
    memset(r->acquired, 0, n);
    memset(r->missed, 0, n);
    r->reads = 0;
    for (uint32_t i = 0; i < n; i++) {
        r->slot[i] = FM_NONE;
        src->asked[(size_t)layer * src->o.experts + (size_t)ids[i]]++;
    }
    if (src->ahead == (int32_t)layer)
        fm_wishes_judge(src, ids, n);
    src->wishes.n = src->wishes.next = 0;
    fm_wishes_end_ahead(src);
    uint64_t hits = src->stats.hits;
    /* Pin what is here before a miss of the same request can evict it, but leave a window to read through: what is here
     * beyond that goes last. */
    uint32_t pins = n <= src->o.slots                     ? n
                    : src->o.slots > fm_slots_window(src) ? src->o.slots - fm_slots_window(src)
                                                          : 0;
    for (uint32_t i = 0; i < n; i++) {
        int32_t index = *fm_slot_of(src, layer, ids[i]);
        if (index == FM_NONE)
            continue;
        if (pins) {
            bind(src, i, index);
            pins--;
        } else if (src->slots[index].state == READY) {
            fm_policy_offer(src->policy, index, FM_SCORE_AHEAD);
        }
    }
    if (n <= fm_slots_window(src))
        fm_wishes_drop(src);
    fm_request_bind(src);
    uint32_t missed = n - (uint32_t)(src->stats.hits - hits);
    pthread_mutex_unlock(&src->lock);
    return missed;
}

/* moving: also what is on its way from the second tier. */
static bool ready(fm_experts *src, uint32_t i, bool moving) {
    int32_t at = src->request.slot[i];
    return at != FM_NONE && src->slots[at].state == READY && (moving || !fm_tier_has(src) || fm_tier_arrived(src, at));
}

static int32_t find_ready(fm_experts *src, int32_t which, bool moving) {
    const struct request *r = &src->request;
    if (which != FM_ANY)
        return ready(src, (uint32_t)which, moving) ? which : FM_NONE;
    for (uint32_t i = 0; i < r->n; i++)
        if (!r->acquired[i] && ready(src, i, moving))
            return (int32_t)i;
    return FM_NONE;
}

/* Nothing that is asked for is on its way, nor may a read of others give it a slot. */
static bool stuck(const fm_experts *src, int32_t which) {
    const struct request *r = &src->request;
    if (src->reading)
        return false;
    if (which != FM_ANY)
        return r->slot[which] == FM_NONE;
    for (uint32_t i = 0; i < r->n; i++)
        if (!r->acquired[i] && r->slot[i] != FM_NONE)
            return false;
    return true;
}

fm_status fm_experts_acquire(fm_experts *src, int32_t which, bool wait, int32_t *got, fm_expert_view *view,
                             fm_error *err) {
    pthread_mutex_lock(&src->lock);
    struct request *r = &src->request;
    int32_t i = find_ready(src, which, false);
    if (i == FM_NONE && wait) {
        double start = fm_now();
        while (!src->failed && (i = find_ready(src, which, true)) == FM_NONE && !stuck(src, which))
            pthread_cond_wait(&src->arrived, &src->lock);
        src->stats.seconds_waiting += fm_now() - start;
    }
    fm_status status = FM_OK;
    *got = i;
    if (i != FM_NONE) {
        r->acquired[i] = 1;
        for (int p = 0; p < FM_EXPERT_PARTS; p++)
            view->part[p] = fm_slot_part(src, r->slot[i], r->layer, r->ids[i], p);
        view->ticket = src->slots[r->slot[i]].up;
        view->raw = &src->slots[r->slot[i]].raw;
    } else if (src->failed) {
        status = src->failure.status;
        if (err)
            *err = src->failure;
    }
    pthread_mutex_unlock(&src->lock);
    return status;
}

void fm_experts_release(fm_experts *src, int32_t which) {
    pthread_mutex_lock(&src->lock);
    struct request *r = &src->request;
    fm_slot_unpin(src, r->slot[which]);
    r->slot[which] = FM_NONE;
    r->reads -= r->missed[which];
    fm_request_bind(src);
    pthread_mutex_unlock(&src->lock);
}

void fm_experts_finish(fm_experts *src) {
    pthread_mutex_lock(&src->lock);
    struct request *r = &src->request;
    r->active = false;
    /* After a failure, reads that were queued and not begun are dropped, and those under way are waited for: the next
     * call must not meet the error of this one. */
    if (src->failed)
        src->wishes.n = src->wishes.next = 0;
    while (src->failed && src->queue_count) {
        int32_t i = src->queue[src->queue_first];
        slot *s = &src->slots[i];
        for (int p = s->next_part; p < FM_EXPERT_PARTS; p++)
            s->parts_left -= fm_slot_part(src, i, (uint32_t)s->layer, s->expert, p) != NULL;
        src->queue_first = (src->queue_first + 1) % src->slots_made;
        src->queue_count--;
        s->state = FAILED;
        if (s->parts_left == 0)
            fm_slots_read_ended(src, i);
    }
    while (src->failed && src->reading)
        pthread_cond_wait(&src->arrived, &src->lock);
    for (uint32_t i = 0; i < r->n; i++)
        if (r->slot[i] != FM_NONE) {
            fm_slot_unpin(src, r->slot[i]);
            r->slot[i] = FM_NONE;
        }
    r->n = 0;
    src->failed = false;
    pthread_mutex_unlock(&src->lock);
}

void fm_experts_chosen(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t tokens, uint32_t k) {
    pthread_mutex_lock(&src->lock);
    fm_policy_chosen(src->policy, layer, ids, tokens, k);
    pthread_mutex_unlock(&src->lock);
}
