#include "source.h"

#include "../base/system.h"

#include <float.h>
#include <math.h>

/* Parts under way from which on no part of a wish follows: less than an expert, enough to keep the disk at work. */
enum { WISHED_PARTS = 6 };

uint8_t *fm_slot_part_in(const fm_experts *src, uint8_t *memory, uint32_t layer, int32_t expert, int part) {
    const fm_part_place *place = &src->places[layer * FM_EXPERT_PARTS + (uint32_t)part];
    const fm_extent *extent = &src->o.tables[layer].extents[(size_t)expert * FM_EXPERT_PARTS + (size_t)part];
    if (extent->length == 0)
        return NULL;
    uint8_t *base = memory + place->offset;
    return place->in_place ? base + extent->offset % FM_DIRECT_ALIGN : base;
}

uint8_t *fm_slot_part(const fm_experts *src, int32_t index, uint32_t layer, int32_t expert, int part) {
    return fm_slot_part_in(src, src->memory + (uint64_t)index * src->slot_bytes, layer, expert, part);
}

int32_t *fm_slot_of(fm_experts *src, uint32_t layer, int32_t expert) {
    return &src->where[(size_t)layer * src->o.experts + (size_t)expert];
}

void fm_slot_forget(fm_experts *src, int32_t i) {
    slot *s = &src->slots[i];
    int32_t layer = s->layer, expert = s->expert;
    src->ready -= s->state == READY;
    s->layer = s->expert = FM_NONE;
    s->state = EMPTY;
    if (layer == FM_NONE)
        return;
    *fm_slot_of(src, (uint32_t)layer, expert) = FM_NONE;
    if (fm_tier_has(src))
        fm_tier_left(src, (uint32_t)layer, expert);
}

uint32_t fm_slots_window(const fm_experts *src) {
    return src->o.slots / 2 > 2 ? src->o.slots / 2 : 2;
}

void fm_slot_offer(fm_experts *src, int32_t i) {
    const slot *s = &src->slots[i];
    double score = FM_SCORE_EMPTY;
    if (s->state == READY)
        score = s->layer == src->ahead ? FM_SCORE_AHEAD : fm_policy_score(src->policy, (uint32_t)s->layer, s->expert);
    /* What is here and was never chosen goes after what is empty. */
    if (s->state == READY && score < -DBL_MAX)
        score = -DBL_MAX;
    fm_policy_offer(src->policy, i, score);
    if (src->wishes.next < src->wishes.n)
        pthread_cond_signal(&src->to_read);
}

void fm_slot_pin(fm_experts *src, int32_t i) {
    slot *s = &src->slots[i];
    if (s->pins++ == 0 && s->state == READY)
        fm_policy_withdraw(src->policy, i);
}

/* A slot holds its expert now. */
static void came(fm_experts *src, int32_t i) {
    src->slots[i].state = READY;
    src->slots[i].raw = true;
    src->ready++;
    src->changes++;
    if (src->slots[i].pins == 0)
        fm_slot_offer(src, i);
}

/* Puts an expert into the slot that the policy gives up: its read, for which the caller wakes the read threads, or
 * itself, if the second tier has it. FM_NONE when all are pinned or being read. */
int32_t fm_slot_read(fm_experts *src, uint32_t layer, int32_t expert) {
    int32_t i = fm_policy_lowest(src->policy);
    bool moved = false;
    if (i == FM_NONE || (fm_tier_has(src) && !fm_tier_give(src, i, layer, expert, &moved)))
        return FM_NONE;
    fm_policy_withdraw(src->policy, i);
    fm_slot_forget(src, i);
    slot *s = &src->slots[i];
    s->layer = (int32_t)layer;
    s->expert = expert;
    s->early = false;
    if (moved) {
        came(src, i);
        return i;
    }
    s->state = READING;
    s->next_part = 0;
    s->parts_left = 0;
    for (int p = 0; p < FM_EXPERT_PARTS; p++)
        s->parts_left += fm_slot_part(src, i, layer, expert, p) != NULL;
    *fm_slot_of(src, layer, expert) = i;
    src->reads[(size_t)layer * src->o.experts + (size_t)expert]++;
    src->queue[(src->queue_first + src->queue_count++) % src->slots_made] = i;
    src->reading++;
    return i;
}

void fm_slot_unpin(fm_experts *src, int32_t index) {
    slot *s = &src->slots[index];
    if (--s->pins > 0 || s->state == READING || (s->state == FAILED && s->parts_left > 0))
        return;
    fm_slot_offer(src, index);
}

/* ---- the read threads ---------------------------------------------------------------------------------------------
 */

/* Whether there is a part to read now. The disk serves one read after the other: what it has to do for wishes, a
 * request that does not name them waits for, so that is kept to what keeps the disk at work. */
static bool readable(fm_experts *src) {
    if (src->queue_count == 0)
        return src->under_way < WISHED_PARTS && fm_wishes_start(src);
    const slot *s = &src->slots[src->queue[src->queue_first]];
    return s->pins || !s->early || src->under_way < WISHED_PARTS;
}

bool fm_slots_next_read(void *context, fm_read *read, bool wait) {
    fm_experts *src = context;
    pthread_mutex_lock(&src->lock);
    bool some;
    while (!(some = readable(src)) && wait && !src->stop)
        pthread_cond_wait(&src->to_read, &src->lock);
    if (!some || src->stop) {
        pthread_mutex_unlock(&src->lock);
        return false;
    }
    int32_t i = src->queue[src->queue_first];
    slot *s = &src->slots[i];
    uint32_t layer = (uint32_t)s->layer;
    int part = s->next_part;
    uint8_t *dst;
    while (!(dst = fm_slot_part(src, i, layer, s->expert, part)))
        part++;
    uint64_t moves[2] = {0, 0};
    if (fm_tier_has(src))
        dst = fm_slot_part_in(src, fm_tier_memory(src, i, moves), layer, s->expert, part);
    const fm_extent *extent = &src->o.tables[layer].extents[(size_t)s->expert * FM_EXPERT_PARTS + (size_t)part];
    *read = (fm_read){
        .file = &src->o.files[extent->file],
        .offset = extent->offset,
        .length = (size_t)extent->length,
        .dst = dst,
        .in_place = src->places[layer * FM_EXPERT_PARTS + (uint32_t)part].in_place,
        .tag = (uint32_t)i,
    };
    do
        part++;
    while (part < FM_EXPERT_PARTS && !fm_slot_part(src, i, layer, s->expert, part));
    s->next_part = (uint8_t)part;
    if (part == FM_EXPERT_PARTS) {
        src->queue_first = (src->queue_first + 1) % src->slots_made;
        src->queue_count--;
    }
    if (src->under_way++ == 0)
        src->under_way_since = fm_now();
    pthread_mutex_unlock(&src->lock);
    for (int m = 0; m < 2; m++)
        if (moves[m])
            src->o.moves.wait(src->o.moves.context, moves[m]);
    return true;
}

void fm_slots_read_ended(fm_experts *src, int32_t i) {
    slot *s = &src->slots[i];
    src->reading--;
    if (fm_tier_has(src))
        fm_tier_read(src, i, s->state != FAILED);
    if (s->state == FAILED) {
        if (s->pins && !src->failed) {
            src->failed = true;
            src->failure = src->last_error;
        }
        fm_slot_forget(src, i);
        if (s->pins == 0)
            fm_slot_offer(src, i);
    } else {
        came(src, i);
    }
    if (src->request.active && !src->failed)
        fm_request_bind(src);
    pthread_cond_broadcast(&src->arrived);
}

void fm_slots_read_done(void *context, const fm_read *read, fm_status status, const fm_error *err, double seconds) {
    fm_experts *src = context;
    pthread_mutex_lock(&src->lock);
    int32_t i = (int32_t)read->tag;
    slot *s = &src->slots[i];
    if (--src->under_way == 0)
        src->stats.seconds_disk += fm_now() - src->under_way_since;
    src->stats.seconds_reading += seconds;
    src->stats.bytes_read += read->length;
    if (status != FM_OK) {
        s->state = FAILED;
        src->last_error = *err;
    }
    if (--s->parts_left == 0)
        fm_slots_read_ended(src, i);
    pthread_mutex_unlock(&src->lock);
}
