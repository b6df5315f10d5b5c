#include "experts.h"

#include "../base/error.h"
#include "../base/system.h"
#include "layout.h"
#include "policy.h"
#include "reader.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = -1 };
/* Guesses of a rank are read if at least this share of its last ones came true, the mean fading over so many. */
#define LEAST_TRUST 0.3
#define TRUST_OVER  64.0

/* FAILED: a part could not be read, or the read was given up; parts under way are still being waited for. */
typedef enum slot_state { EMPTY, READING, READY, FAILED } slot_state;

/* A slot is offered to the policy exactly when it is unpinned and not being read. */
typedef struct slot {
    int32_t layer, expert; /* NONE when empty */
    uint32_t pins;
    uint8_t state;
    bool early;                    /* read by a prefetch, and not asked for since */
    uint8_t parts_left, next_part; /* of a read */
} slot;

struct fm_experts {
    fm_experts_options o;
    uint64_t slot_bytes;
    uint32_t slots_made;
    uint8_t *memory;       /* [slots_made][slot_bytes] */
    slot *slots;           /* [slots_made] */
    int32_t *where;        /* [layers][experts]: slot or NONE */
    uint32_t *asked;       /* [layers][experts]: requests for each, and */
    uint32_t *reads;       /* [layers][experts]: reads of each, for fm_experts_map */
    fm_part_place *places; /* [layers][FM_EXPERT_PARTS] */
    fm_reader *reader;

    pthread_mutex_t lock;
    pthread_cond_t to_read, arrived;
    fm_policy *policy;
    int32_t ahead;              /* the layer that was prefetched and not yet asked for, or NONE */
    struct wishes {             /* for that layer */
        int32_t *ids;           /* [experts] */
        uint8_t *cold;          /* [experts]: was not here when it was wished for */
        uint32_t n, next, room; /* ids from `next` on have not been looked at; slots that may still be used */
        bool guesses;
    } wishes;
    double *trust;  /* [experts_per_token]: how often a guess of this rank that was not here came true */
    int32_t *queue; /* ring of slots with parts to read, [slots_made] */
    uint32_t queue_first, queue_count, reading;
    uint32_t under_way; /* parts that read threads are reading, and */
    double under_way_since;
    bool stop;

    struct request {
        uint32_t layer, n, bound; /* [0, bound) of ids have been given a slot, or were pinned before */
        int32_t *ids;             /* [experts] */
        int32_t *slot;            /* [experts]: NONE until given */
        uint8_t *acquired;        /* [experts] */
        uint8_t *missed;          /* [experts]: holds a slot that was read for this request */
        uint32_t reads;           /* how many do */
        bool active;
    } request;
    fm_error last_error; /* of any read, a prefetch too */
    bool failed;         /* a read that the request needs failed, with: */
    fm_error failure;
    fm_experts_stats stats;
};

/* ---- slots and the table; the lock is held -------------------------------------------------------------------- */

/* Where a part of an expert lies in its slot: shifted to the file's phase within a block if it is read in place. */
static uint8_t *part_address(const fm_experts *src, int32_t index, uint32_t layer, int32_t expert, int part) {
    const fm_part_place *place = &src->places[layer * FM_EXPERT_PARTS + (uint32_t)part];
    const fm_extent *extent = &src->o.tables[layer].extents[(size_t)expert * FM_EXPERT_PARTS + (size_t)part];
    if (extent->length == 0)
        return NULL;
    uint8_t *base = src->memory + (uint64_t)index * src->slot_bytes + place->offset;
    return place->in_place ? base + extent->offset % FM_DIRECT_ALIGN : base;
}

static int32_t *where(fm_experts *src, uint32_t layer, int32_t expert) {
    return &src->where[(size_t)layer * src->o.experts + (size_t)expert];
}

static void forget(fm_experts *src, int32_t i) {
    slot *s = &src->slots[i];
    if (s->layer != NONE)
        *where(src, (uint32_t)s->layer, s->expert) = NONE;
    s->layer = s->expert = NONE;
    s->state = EMPTY;
}

/* Slots that may wait for their use after being read: the rest stays with what the policy keeps. */
static uint32_t window(const fm_experts *src) {
    return src->o.slots / 2 > 2 ? src->o.slots / 2 : 2;
}

/* Offers a slot that is not pinned and not being read; perhaps a wish has waited for one. */
static void offer(fm_experts *src, int32_t i) {
    const slot *s = &src->slots[i];
    double score = FM_SCORE_EMPTY;
    if (s->state == READY)
        score = s->layer == src->ahead ? FM_SCORE_AHEAD : fm_policy_score(src->policy, (uint32_t)s->layer, s->expert);
    fm_policy_offer(src->policy, i, score);
    if (src->wishes.next < src->wishes.n)
        pthread_cond_signal(&src->to_read);
}

/* The layer that was prefetched is asked for, or never will be: what it holds is worth no more than its scores. */
static void end_ahead(fm_experts *src) {
    int32_t layer = src->ahead;
    src->ahead = NONE;
    for (uint32_t e = 0; layer != NONE && e < src->o.experts; e++) {
        int32_t i = *where(src, (uint32_t)layer, (int32_t)e);
        if (i != NONE && src->slots[i].state == READY && src->slots[i].pins == 0)
            offer(src, i);
    }
}

static void pin(fm_experts *src, int32_t i) {
    slot *s = &src->slots[i];
    if (s->pins++ == 0 && s->state == READY)
        fm_policy_withdraw(src->policy, i);
}

/* Puts the read of an expert into the slot that the policy gives up; NONE when all are pinned or being read. The caller
 * wakes the read threads. */
static int32_t start_read(fm_experts *src, uint32_t layer, int32_t expert) {
    int32_t i = fm_policy_lowest(src->policy);
    if (i == NONE)
        return NONE;
    fm_policy_withdraw(src->policy, i);
    forget(src, i);
    slot *s = &src->slots[i];
    s->layer = (int32_t)layer;
    s->expert = expert;
    s->state = READING;
    s->early = false;
    s->next_part = 0;
    s->parts_left = 0;
    for (int p = 0; p < FM_EXPERT_PARTS; p++)
        s->parts_left += part_address(src, i, layer, expert, p) != NULL;
    *where(src, layer, expert) = i;
    src->reads[(size_t)layer * src->o.experts + (size_t)expert]++;
    src->queue[(src->queue_first + src->queue_count++) % src->slots_made] = i;
    src->reading++;
    return i;
}

/* ---- binding a request to slots; the lock is held ------------------------------------------------------------- */

/* Gives expert i of the request a slot that holds it or will. What a prefetch read is a miss all the same. */
static void bind(fm_experts *src, uint32_t i, int32_t index) {
    slot *s = &src->slots[index];
    if (s->state == READY && !s->early)
        src->stats.hits++;
    else
        src->stats.misses++;
    s->early = false;
    pin(src, index);
    src->request.slot[i] = index;
}

/* Gives slots to the experts of the request in order, as far as slots can be had. */
static void bind_more(fm_experts *src) {
    struct request *r = &src->request;
    bool wake = false;
    for (; r->bound < r->n; r->bound++) {
        uint32_t i = r->bound;
        if (r->slot[i] != NONE || r->acquired[i]) /* pinned as a hit, and perhaps released by now */
            continue;
        int32_t index = *where(src, r->layer, r->ids[i]);
        if (index == NONE) {
            index = r->reads < window(src) ? start_read(src, r->layer, r->ids[i]) : NONE;
            if (index == NONE)
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

/* ---- wishes; the lock is held --------------------------------------------------------------------------------- */

/* Begins the read of the next wish that is not here; false when there is none, or no slot for it. */
static bool start_wish(fm_experts *src) {
    struct wishes *w = &src->wishes;
    if (src->request.active && src->request.bound < src->request.n)
        return false; /* it needs the slots */
    for (; w->next < w->n && w->room; w->next++) {
        int32_t expert = w->ids[w->next];
        if (*where(src, (uint32_t)src->ahead, expert) != NONE || (w->guesses && src->trust[w->next] < LEAST_TRUST))
            continue;
        int32_t i = start_read(src, (uint32_t)src->ahead, expert);
        if (i == NONE)
            return false;
        src->slots[i].early = true;
        w->next++;
        w->room--;
        return true;
    }
    return false;
}

/* What the request of the layer says of the guesses for it. */
static void judge_guesses(fm_experts *src, const int32_t *ids, uint32_t n) {
    const struct wishes *w = &src->wishes;
    for (uint32_t rank = 0; w->guesses && rank < w->n; rank++) {
        bool right = false;
        for (uint32_t i = 0; i < n; i++)
            right |= ids[i] == w->ids[rank];
        if (w->cold[rank])
            src->trust[rank] += ((right ? 1.0 : 0.0) - src->trust[rank]) / TRUST_OVER;
    }
}

/* Gives up the reads of wishes that did not come true, but for the parts under way. */
static void drop_unwanted(fm_experts *src) {
    uint32_t kept = 0;
    for (uint32_t q = 0; q < src->queue_count; q++) {
        int32_t i = src->queue[(src->queue_first + q) % src->slots_made];
        slot *s = &src->slots[i];
        if (s->pins || !s->early) {
            src->queue[(src->queue_first + kept++) % src->slots_made] = i;
            continue;
        }
        for (int p = s->next_part; p < FM_EXPERT_PARTS; p++)
            s->parts_left -= part_address(src, i, (uint32_t)s->layer, s->expert, p) != NULL;
        forget(src, i);
        if (s->parts_left) {
            s->state = FAILED;
            continue;
        }
        src->reading--;
        offer(src, i);
    }
    src->queue_count = kept;
}

/* ---- the read threads ------------------------------------------------------------------------------------------- */

static bool next_read(void *context, fm_read *read) {
    fm_experts *src = context;
    pthread_mutex_lock(&src->lock);
    while (!src->stop && src->queue_count == 0 && !start_wish(src))
        pthread_cond_wait(&src->to_read, &src->lock);
    if (src->stop) {
        pthread_mutex_unlock(&src->lock);
        return false;
    }
    int32_t i = src->queue[src->queue_first];
    slot *s = &src->slots[i];
    uint32_t layer = (uint32_t)s->layer;
    int part = s->next_part;
    uint8_t *dst;
    while (!(dst = part_address(src, i, layer, s->expert, part)))
        part++;
    const fm_extent *extent = &src->o.tables[layer].extents[(size_t)s->expert * FM_EXPERT_PARTS + (size_t)part];
    *read = (fm_read){
        .file = &src->o.files[extent->file],
        .offset = extent->offset,
        .length = (size_t)extent->length,
        .dst = dst,
        .in_place = src->places[layer * FM_EXPERT_PARTS + (uint32_t)part].in_place,
        .tag = (uint32_t)i,
        .store = src->o.store,
        .store_context = src->o.store_context,
    };
    do
        part++;
    while (part < FM_EXPERT_PARTS && !part_address(src, i, layer, s->expert, part));
    s->next_part = (uint8_t)part;
    if (part == FM_EXPERT_PARTS) {
        src->queue_first = (src->queue_first + 1) % src->slots_made;
        src->queue_count--;
    }
    if (src->under_way++ == 0)
        src->under_way_since = fm_now();
    pthread_mutex_unlock(&src->lock);
    return true;
}

/* The last part of a slot's read is there, or will never be. */
static void read_ended(fm_experts *src, int32_t i) {
    slot *s = &src->slots[i];
    src->reading--;
    if (s->state == FAILED) {
        if (s->pins && !src->failed) {
            src->failed = true;
            src->failure = src->last_error;
        }
        forget(src, i);
    } else {
        s->state = READY;
    }
    if (s->pins == 0)
        offer(src, i);
    if (src->request.active && !src->failed)
        bind_more(src);
    pthread_cond_broadcast(&src->arrived);
}

static void read_done(void *context, const fm_read *read, fm_status status, const fm_error *err, double seconds) {
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
        read_ended(src, i);
    pthread_mutex_unlock(&src->lock);
}

/* ---- requests ------------------------------------------------------------------------------------------------------
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
        r->slot[i] = NONE;
        src->asked[(size_t)layer * src->o.experts + (size_t)ids[i]]++;
    }
    if (src->ahead == (int32_t)layer)
        judge_guesses(src, ids, n);
    src->wishes.n = src->wishes.next = 0;
    end_ahead(src);
    uint64_t hits = src->stats.hits;
    /* Pin what is here before a miss of the same request can evict it, but leave a window to read through: what is here
     * beyond that goes last. */
    uint32_t pins = n <= src->o.slots ? n : src->o.slots > window(src) ? src->o.slots - window(src) : 0;
    for (uint32_t i = 0; i < n; i++) {
        int32_t index = *where(src, layer, ids[i]);
        if (index == NONE)
            continue;
        if (pins) {
            bind(src, i, index);
            pins--;
        } else if (src->slots[index].state == READY) {
            fm_policy_offer(src->policy, index, FM_SCORE_AHEAD);
        }
    }
    if (n <= window(src))
        drop_unwanted(src);
    bind_more(src);
    uint32_t missed = n - (uint32_t)(src->stats.hits - hits);
    pthread_mutex_unlock(&src->lock);
    return missed;
}

static bool ready(const fm_experts *src, uint32_t i) {
    const struct request *r = &src->request;
    return r->slot[i] != NONE && src->slots[r->slot[i]].state == READY;
}

static int32_t find_ready(const fm_experts *src, int32_t which) {
    const struct request *r = &src->request;
    if (which != FM_ANY)
        return ready(src, (uint32_t)which) ? which : NONE;
    for (uint32_t i = 0; i < r->n; i++)
        if (!r->acquired[i] && ready(src, i))
            return (int32_t)i;
    return NONE;
}

/* Nothing that is asked for is on its way, nor may a read of others give it a slot. */
static bool stuck(const fm_experts *src, int32_t which) {
    const struct request *r = &src->request;
    if (src->reading)
        return false;
    if (which != FM_ANY)
        return r->slot[which] == NONE;
    for (uint32_t i = 0; i < r->n; i++)
        if (!r->acquired[i] && r->slot[i] != NONE)
            return false;
    return true;
}

fm_status fm_experts_acquire(fm_experts *src, int32_t which, bool wait, int32_t *got, fm_expert_view *view,
                             fm_error *err) {
    pthread_mutex_lock(&src->lock);
    struct request *r = &src->request;
    int32_t i = find_ready(src, which);
    if (i == NONE && wait) {
        double start = fm_now();
        while (!src->failed && (i = find_ready(src, which)) == NONE && !stuck(src, which))
            pthread_cond_wait(&src->arrived, &src->lock);
        src->stats.seconds_waiting += fm_now() - start;
    }
    fm_status status = FM_OK;
    *got = i;
    if (i != NONE) {
        r->acquired[i] = 1;
        for (int p = 0; p < FM_EXPERT_PARTS; p++)
            view->part[p] = part_address(src, r->slot[i], r->layer, r->ids[i], p);
    } else if (src->failed) {
        status = src->failure.status;
        if (err)
            *err = src->failure;
    }
    pthread_mutex_unlock(&src->lock);
    return status;
}

static void unpin(fm_experts *src, int32_t index) {
    slot *s = &src->slots[index];
    if (--s->pins > 0 || s->state == READING || (s->state == FAILED && s->parts_left > 0))
        return;
    offer(src, index);
}

void fm_experts_release(fm_experts *src, int32_t which) {
    pthread_mutex_lock(&src->lock);
    struct request *r = &src->request;
    unpin(src, r->slot[which]);
    r->slot[which] = NONE;
    r->reads -= r->missed[which];
    bind_more(src);
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
            s->parts_left -= part_address(src, i, (uint32_t)s->layer, s->expert, p) != NULL;
        src->queue_first = (src->queue_first + 1) % src->slots_made;
        src->queue_count--;
        s->state = FAILED;
        if (s->parts_left == 0)
            read_ended(src, i);
    }
    while (src->failed && src->reading)
        pthread_cond_wait(&src->arrived, &src->lock);
    for (uint32_t i = 0; i < r->n; i++)
        if (r->slot[i] != NONE) {
            unpin(src, r->slot[i]);
            r->slot[i] = NONE;
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

void fm_experts_prefetch(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t n, bool guesses) {
    pthread_mutex_lock(&src->lock);
    struct wishes *w = &src->wishes;
    assert(n <= (guesses ? src->o.experts_per_token : src->o.experts));
    w->n = w->next = 0;
    if (src->ahead != (int32_t)layer)
        end_ahead(src);
    src->ahead = (int32_t)layer;
    memcpy(w->ids, ids, n * sizeof *ids);
    /* What is here already must not be evicted by what is not. */
    for (uint32_t i = 0; i < n; i++) {
        int32_t index = *where(src, layer, ids[i]);
        w->cold[i] = index == NONE;
        if (index != NONE && src->slots[index].state == READY && src->slots[index].pins == 0)
            offer(src, index);
    }
    w->n = n;
    w->room = src->reading < window(src) ? window(src) - src->reading : 0;
    w->guesses = guesses;
    pthread_cond_broadcast(&src->to_read);
    pthread_mutex_unlock(&src->lock);
}

void fm_experts_resize(fm_experts *src, uint32_t slots) {
    pthread_mutex_lock(&src->lock);
    src->wishes.n = src->wishes.next = 0;
    while (src->reading) /* a prefetch may be under way */
        pthread_cond_wait(&src->arrived, &src->lock);
    if (slots > src->slots_made)
        slots = src->slots_made;
    for (uint32_t i = slots; i < src->o.slots; i++) {
        fm_policy_withdraw(src->policy, (int32_t)i);
        forget(src, (int32_t)i);
    }
    for (uint32_t i = src->o.slots; i < slots; i++)
        offer(src, (int32_t)i);
    if (slots < src->o.slots && !src->o.memory) /* else its owner may have mapped it elsewhere too */
        fm_pages_discard(src->memory + slots * src->slot_bytes, (src->o.slots - slots) * src->slot_bytes);
    src->o.slots = slots;
    pthread_mutex_unlock(&src->lock);
}

void fm_experts_stats_get(fm_experts *src, fm_experts_stats *stats) {
    pthread_mutex_lock(&src->lock);
    *stats = src->stats;
    if (src->under_way)
        stats->seconds_disk += fm_now() - src->under_way_since;
    pthread_mutex_unlock(&src->lock);
}

void fm_experts_map(fm_experts *src, uint32_t *asked, uint32_t *reads, uint8_t *resident) {
    size_t experts = (size_t)src->o.layers * src->o.experts;
    pthread_mutex_lock(&src->lock);
    memcpy(asked, src->asked, experts * sizeof *asked);
    memcpy(reads, src->reads, experts * sizeof *reads);
    for (size_t i = 0; i < experts; i++)
        resident[i] = src->where[i] != NONE && src->slots[src->where[i]].state == READY;
    pthread_mutex_unlock(&src->lock);
}

/* ---- making and freeing ----------------------------------------------------------------------------------------- */

fm_status fm_experts_new(fm_experts **out, const fm_experts_options *options, fm_error *err) {
    fm_experts *src = calloc(1, sizeof *src);
    if (!src)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the expert cache");
    src->o = *options;
    src->slots_made = options->slots;
    pthread_mutex_init(&src->lock, NULL);
    pthread_cond_init(&src->to_read, NULL);
    pthread_cond_init(&src->arrived, NULL);
    uint64_t staging;
    src->slot_bytes = fm_slot_bytes(options->tables, options->layers, &staging);
    size_t experts = (size_t)options->layers * options->experts;
    src->memory = options->memory ? options->memory : fm_pages_new(src->slots_made * src->slot_bytes);
    src->slots = calloc(src->slots_made, sizeof *src->slots);
    src->where = malloc(experts * sizeof *src->where);
    src->asked = calloc(experts, sizeof *src->asked);
    src->reads = calloc(experts, sizeof *src->reads);
    src->places = calloc((size_t)options->layers * FM_EXPERT_PARTS, sizeof *src->places);
    src->queue = calloc(src->slots_made, sizeof *src->queue);
    src->wishes.ids = calloc(options->experts, sizeof *src->wishes.ids);
    src->wishes.cold = calloc(options->experts, 1);
    src->trust = calloc(options->experts_per_token, sizeof *src->trust);
    src->request.ids = calloc(options->experts, sizeof *src->request.ids);
    src->request.slot = calloc(options->experts, sizeof *src->request.slot);
    src->request.acquired = calloc(options->experts, 1);
    src->request.missed = calloc(options->experts, 1);
    src->policy = fm_policy_new(options->layers, options->experts, options->experts_per_token, options->slots);
    if (!src->memory || !src->slots || !src->where || !src->asked || !src->reads || !src->places || !src->queue ||
        !src->wishes.ids || !src->wishes.cold || !src->trust || !src->request.ids || !src->request.slot ||
        !src->request.acquired || !src->request.missed || !src->policy) {
        fm_experts_free(src);
        return fm_fail(err, FM_NO_MEMORY, "the system refused %llu bytes for the expert cache",
                       (unsigned long long)(options->slots * src->slot_bytes));
    }
    for (size_t i = 0; i < experts; i++)
        src->where[i] = NONE;
    for (uint32_t rank = 0; rank < options->experts_per_token; rank++)
        src->trust[rank] = 0.5; /* try them */
    for (uint32_t l = 0; l < options->layers; l++) {
        uint64_t ignored = 0;
        fm_place_parts(&options->tables[l], &src->places[l * FM_EXPERT_PARTS], &ignored);
        for (int p = 0; options->store && p < FM_EXPERT_PARTS; p++) {
            uint64_t bytes = options->tables[l].extents[p].length;
            src->places[l * FM_EXPERT_PARTS + (uint32_t)p].in_place = false;
            staging = bytes > staging ? bytes : staging;
        }
    }
    src->ahead = NONE;
    for (uint32_t i = 0; i < src->slots_made; i++) {
        src->slots[i].layer = src->slots[i].expert = NONE;
        offer(src, (int32_t)i);
    }
    fm_reader_client client = {src, next_read, read_done};
    fm_status status = fm_reader_start(&src->reader, options->threads, (size_t)staging, options->direct, &client, err);
    if (status != FM_OK) {
        fm_experts_free(src);
        return status;
    }
    *out = src;
    return FM_OK;
}

void fm_experts_free(fm_experts *src) {
    if (!src)
        return;
    pthread_mutex_lock(&src->lock);
    src->stop = true;
    pthread_cond_broadcast(&src->to_read);
    pthread_mutex_unlock(&src->lock);
    fm_reader_stop(src->reader);
    if (!src->o.memory)
        fm_pages_free(src->memory, src->slots_made * src->slot_bytes);
    free(src->slots);
    free(src->where);
    free(src->asked);
    free(src->reads);
    free(src->places);
    free(src->queue);
    free(src->wishes.ids);
    free(src->wishes.cold);
    free(src->trust);
    free(src->request.ids);
    free(src->request.slot);
    free(src->request.acquired);
    free(src->request.missed);
    fm_policy_free(src->policy);
    pthread_mutex_destroy(&src->lock);
    pthread_cond_destroy(&src->to_read);
    pthread_cond_destroy(&src->arrived);
    free(src);
}
