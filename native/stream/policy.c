#include "policy.h"

#include <math.h>
#include <stdlib.h>

/* Tokens. Replays of routing traces (docs/lessons.md) say: as many as the slots could serve without a hit. Shorter
 * forgets the experts that a text comes back to, longer keeps those of a topic that is over. */
#define LEAST_HALF_LIFE 2.0
/* Choices of so many half-lives ago count for nothing. */
#define MEMORY 16.0

struct fm_policy {
    uint32_t experts;
    double half_life; /* tokens */
    /* [layers][experts]: the logarithm (base 2) of the sum of 2^(t / half_life) over the tokens t that chose it. All
     * sums fade alike, so this form needs no fading: two scores compare the same at any time. */
    double *score;
    uint64_t time, pass; /* tokens before this pass, and in it */

    /* A binary heap of slots, lowest score first. */
    int32_t *heap;
    uint32_t count;
    struct place {
        double score;
        int32_t at; /* in the heap, or -1 */
    } *places;      /* [slots] */
};

fm_policy *fm_policy_new(uint32_t layers, uint32_t experts, uint32_t k, uint32_t slots) {
    fm_policy *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    size_t all = (size_t)layers * experts;
    p->experts = experts;
    p->half_life = fmax(LEAST_HALF_LIFE, (double)slots / ((double)layers * k));
    p->score = malloc(all * sizeof *p->score);
    p->heap = calloc(slots, sizeof *p->heap);
    p->places = calloc(slots, sizeof *p->places);
    if (!p->score || !p->heap || !p->places) {
        fm_policy_free(p);
        return NULL;
    }
    for (size_t i = 0; i < all; i++)
        p->score[i] = FM_SCORE_EMPTY;
    for (uint32_t i = 0; i < slots; i++)
        p->places[i].at = -1;
    return p;
}

void fm_policy_free(fm_policy *p) {
    if (!p)
        return;
    free(p->score);
    free(p->heap);
    free(p->places);
    free(p);
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

void fm_policy_chosen(fm_policy *p, uint32_t layer, const int32_t *ids, uint32_t tokens, uint32_t k) {
    if (layer == 0) {
        p->time += p->pass;
        p->pass = tokens;
    }
    uint32_t memory = (uint32_t)(MEMORY * p->half_life);
    for (uint32_t t = tokens > memory ? tokens - memory : 0; t < tokens; t++) {
        double now = (double)(p->time + t) / p->half_life;
        for (uint32_t i = 0; i < k; i++) {
            double *score = &p->score[(size_t)layer * p->experts + (size_t)ids[(size_t)t * k + i]];
            *score = now + log2(1.0 + exp2(*score - now));
        }
    }
}

double fm_policy_score(const fm_policy *p, uint32_t layer, int32_t expert) {
    return p->score[(size_t)layer * p->experts + (size_t)expert];
}

/* ---- the heap ---------------------------------------------------------------------------------------------------- */

static bool before(const fm_policy *p, int32_t a, int32_t b) {
    return p->places[a].score < p->places[b].score;
}

static void put(fm_policy *p, uint32_t at, int32_t slot) {
    p->heap[at] = slot;
    p->places[slot].at = (int32_t)at;
}

static void rise(fm_policy *p, uint32_t at) {
    int32_t slot = p->heap[at];
    for (; at > 0 && before(p, slot, p->heap[(at - 1) / 2]); at = (at - 1) / 2)
        put(p, at, p->heap[(at - 1) / 2]);
    put(p, at, slot);
}

static void sink(fm_policy *p, uint32_t at) {
    int32_t slot = p->heap[at];
    for (uint32_t child; (child = 2 * at + 1) < p->count; at = child) {
        if (child + 1 < p->count && before(p, p->heap[child + 1], p->heap[child]))
            child++;
        if (!before(p, p->heap[child], slot))
            break;
        put(p, at, p->heap[child]);
    }
    put(p, at, slot);
}

void fm_policy_offer(fm_policy *p, int32_t slot, double score) {
    struct place *place = &p->places[slot];
    place->score = score;
    if (place->at < 0) {
        place->at = (int32_t)p->count;
        p->heap[p->count++] = slot;
    }
    rise(p, (uint32_t)place->at);
    sink(p, (uint32_t)place->at);
}

void fm_policy_withdraw(fm_policy *p, int32_t slot) {
    uint32_t at = (uint32_t)p->places[slot].at;
    int32_t last = p->heap[--p->count];
    p->places[slot].at = -1;
    if (last == slot)
        return;
    put(p, at, last);
    rise(p, at);
    sink(p, (uint32_t)p->places[last].at);
}

int32_t fm_policy_lowest(const fm_policy *p) {
    return p->count ? p->heap[0] : -1;
}
