/* The second tier: memory of the host beside a cache that lies in the memory of a card.
 *
 * Reads go to it, and experts move up to the cache from there. It keeps them as copies as long as there is room: a copy
 * of what the cache holds too goes first, the oldest first, then what has the lowest score. An expert that leaves the
 * cache moves down if the tier has no copy and it is worth more than the lowest. So the two together hold as many
 * experts as they have slots, and only while the tier is full of what the cache lacks does it cost a move down.
 *
 * Nobody waits for moves here. A move waits for those the other way that use the same slots; what computes with an
 * expert waits for its ticket; and a read thread waits until nothing moves from or to the memory that it fills. */
#include "source.h"

#include "../base/error.h"

#include <math.h>
#include <stdlib.h>

/* Scores: of slots that hold nothing; of copies; of what was never chosen. Scores of choices are not negative. */
#define COPY         (-1e15) /* plus the ticket */
#define NEVER_CHOSEN (-1.0)

static uint8_t *memory_of(const fm_experts *src, int32_t h) {
    return src->o.host + (uint64_t)h * src->slot_bytes;
}

static int32_t *where(fm_experts *src, uint32_t layer, int32_t expert) {
    return &src->tier.where[(size_t)layer * src->o.experts + (size_t)expert];
}

static double score_of(const fm_experts *src, uint32_t layer, int32_t expert) {
    return fmax(fm_policy_score(src->policy, layer, expert), NEVER_CHOSEN);
}

static void offer(fm_experts *src, int32_t h) {
    const host_slot *s = &src->tier.slots[h];
    double score = FM_SCORE_EMPTY;
    if (s->layer != FM_NONE) {
        bool copy = *fm_slot_of(src, (uint32_t)s->layer, s->expert) != FM_NONE;
        score = copy ? COPY + (double)s->up : score_of(src, (uint32_t)s->layer, s->expert);
    }
    fm_policy_offer(src->tier.policy, h, score);
}

static void put(fm_experts *src, int32_t h, uint32_t layer, int32_t expert) {
    src->tier.slots[h].layer = (int32_t)layer;
    src->tier.slots[h].expert = expert;
    *where(src, layer, expert) = h;
}

/* The slot that goes first, empty and not offered; FM_NONE when reads go to all. */
static int32_t take(fm_experts *src) {
    int32_t h = fm_policy_lowest(src->tier.policy);
    if (h == FM_NONE)
        return FM_NONE;
    fm_policy_withdraw(src->tier.policy, h);
    host_slot *s = &src->tier.slots[h];
    if (s->layer != FM_NONE)
        *where(src, (uint32_t)s->layer, s->expert) = FM_NONE;
    s->layer = s->expert = FM_NONE;
    return h;
}

static uint64_t later(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static void move_up(fm_experts *src, int32_t i, int32_t h) {
    slot *to = &src->slots[i];
    host_slot *from = &src->tier.slots[h];
    to->up = from->up = src->tier.up =
        src->o.moves.begin(src->o.moves.context, src->memory + (uint64_t)i * src->slot_bytes, memory_of(src, h),
                           (size_t)src->slot_bytes, true, later(to->down, from->down));
    src->stats.bytes_moved += src->slot_bytes;
}

/* Moves down what slot i holds, if it is worth its place. */
static void keep(fm_experts *src, int32_t i) {
    slot *from = &src->slots[i];
    if (from->state != READY || *where(src, (uint32_t)from->layer, from->expert) != FM_NONE)
        return;
    int32_t lowest = fm_policy_lowest(src->tier.policy);
    if (lowest == FM_NONE)
        return;
    const host_slot *other = &src->tier.slots[lowest];
    bool kept = other->layer != FM_NONE && *fm_slot_of(src, (uint32_t)other->layer, other->expert) == FM_NONE;
    if (kept &&
        score_of(src, (uint32_t)other->layer, other->expert) >= score_of(src, (uint32_t)from->layer, from->expert))
        return;
    int32_t h = take(src);
    host_slot *to = &src->tier.slots[h];
    put(src, h, (uint32_t)from->layer, from->expert);
    from->down = to->down = src->tier.down =
        src->o.moves.begin(src->o.moves.context, memory_of(src, h), src->memory + (uint64_t)i * src->slot_bytes,
                           (size_t)src->slot_bytes, false, later(from->up, to->up));
    offer(src, h); /* a copy yet: fm_tier_left comes when it has left */
}

bool fm_tier_give(fm_experts *src, int32_t i, uint32_t layer, int32_t expert, bool *moved) {
    int32_t h = *where(src, layer, expert);
    *moved = h != FM_NONE;
    if (*moved)
        fm_policy_withdraw(src->tier.policy, h); /* or it might go for what slot i holds */
    else if ((h = take(src)) == FM_NONE)
        return false;
    keep(src, i);
    fm_slot_forget(src, i);
    src->slots[i].host = *moved ? FM_NONE : h;
    src->slots[i].from_host = *moved;
    if (*moved) {
        *fm_slot_of(src, layer, expert) = i;
        move_up(src, i, h);
        offer(src, h);
    }
    return true;
}

uint8_t *fm_tier_memory(const fm_experts *src, int32_t i, uint64_t wait_for[2]) {
    const host_slot *s = &src->tier.slots[src->slots[i].host];
    wait_for[0] = s->up;
    wait_for[1] = s->down;
    return memory_of(src, src->slots[i].host);
}

void fm_tier_read(fm_experts *src, int32_t i, bool complete) {
    slot *s = &src->slots[i];
    int32_t h = s->host;
    if (h == FM_NONE)
        return;
    s->host = FM_NONE;
    if (complete) {
        src->tier.slots[h].up = src->tier.slots[h].down = 0; /* waited for before the read */
        put(src, h, (uint32_t)s->layer, s->expert);
        move_up(src, i, h);
    }
    offer(src, h);
}

void fm_tier_left(fm_experts *src, uint32_t layer, int32_t expert) {
    int32_t h = *where(src, layer, expert);
    if (h != FM_NONE)
        offer(src, h);
}

bool fm_tier_arrived(fm_experts *src, int32_t i) {
    slot *s = &src->slots[i];
    if (s->up && src->o.moves.ended(src->o.moves.context, s->up))
        s->up = 0;
    return s->up == 0;
}

fm_status fm_tier_new(fm_experts *src, fm_error *err) {
    size_t experts = (size_t)src->o.layers * src->o.experts;
    struct tier *t = &src->tier;
    t->slots = calloc(src->o.host_slots, sizeof *t->slots);
    t->where = malloc(experts * sizeof *t->where);
    t->policy = fm_policy_new(1, 1, 1, src->o.host_slots);
    if (!t->slots || !t->where || !t->policy)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the experts in memory of the host");
    for (size_t i = 0; i < experts; i++)
        t->where[i] = FM_NONE;
    for (uint32_t h = 0; h < src->o.host_slots; h++) {
        t->slots[h].layer = t->slots[h].expert = FM_NONE;
        offer(src, (int32_t)h);
    }
    return FM_OK;
}

void fm_tier_free(fm_experts *src) {
    struct tier *t = &src->tier;
    if (t->up)
        src->o.moves.wait(src->o.moves.context, t->up);
    if (t->down)
        src->o.moves.wait(src->o.moves.context, t->down);
    free(t->slots);
    free(t->where);
    fm_policy_free(t->policy);
}
