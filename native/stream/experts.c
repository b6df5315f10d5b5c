#include "experts.h"

#include "../base/error.h"
#include "../base/system.h"
#include "reader.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Parts of at least this size are read in place: their slot leaves room for the blocks around them. Smaller ones would
 * waste more memory on that room than the copy from staging costs. */
enum { IN_PLACE_BYTES = 64 * 1024 };

enum { NONE = -1 };

typedef enum slot_state { EMPTY, READING, READY, FAILED } slot_state;

/* A slot is in the LRU list exactly when it is unpinned and not being read. */
typedef struct slot {
    int32_t layer, expert; /* NONE when empty */
    int32_t older, newer;  /* the LRU list */
    uint32_t pins;
    uint8_t state;
    uint8_t parts_left, next_part; /* of a read */
} slot;

typedef struct part_place {
    uint32_t offset; /* in the slot */
    bool in_place;
} part_place;

struct fm_experts {
    fm_experts_options o;
    uint64_t slot_bytes;
    uint32_t slots_made;
    uint8_t *memory;    /* [slots_made][slot_bytes] */
    slot *slots;        /* [slots_made] */
    int32_t *where;     /* [layers][experts]: slot or NONE */
    part_place *places; /* [layers][FM_EXPERT_PARTS] */
    fm_reader *reader;

    pthread_mutex_t lock;
    pthread_cond_t to_read, arrived;
    int32_t oldest, newest; /* ends of the LRU list */
    int32_t *queue;         /* ring of slots with parts to read, [slots_made] */
    uint32_t queue_first, queue_count, reading;
    bool stop;

    struct request {
        uint32_t layer, n, bound; /* [0, bound) of ids have been given a slot, or were pinned before */
        int32_t *ids;             /* [experts] */
        int32_t *slot;            /* [experts]: NONE until given */
        uint8_t *acquired;        /* [experts] */
        bool active;
    } request;
    fm_error last_error; /* of any read, a prefetch too */
    bool failed;         /* a read that the request needs failed, with: */
    fm_error failure;
    fm_experts_stats stats;
};

/* ---- layout of a slot ----------------------------------------------------------------------------------------- */

static uint64_t part_bytes(const fm_expert_table *table, int part) {
    const fm_format *f = &table->matrix[part / 3];
    uint64_t elements = (uint64_t)f->rows * f->cols;
    static const uint8_t width[] = {[FM_F32] = 4, [FM_F16] = 2, [FM_BF16] = 2};
    if (f->dtype != FM_AFFINE)
        return part % 3 == 0 ? elements * width[f->dtype] : 0;
    return part % 3 == 0 ? elements * f->bits / 8 : elements / f->group * width[f->scale_dtype];
}

/* Large parts first, each on a block of its own; then the small ones. Returns the slot's bytes. */
static uint64_t place_parts(const fm_expert_table *table, part_place places[FM_EXPERT_PARTS], uint64_t *staging) {
    uint64_t at = 0;
    for (int small = 0; small < 2; small++)
        for (int p = 0; p < FM_EXPERT_PARTS; p++) {
            uint64_t bytes = part_bytes(table, p);
            bool in_place = bytes >= IN_PLACE_BYTES;
            if (in_place == (bool)small)
                continue;
            places[p] = (part_place){(uint32_t)at, in_place};
            if (in_place)
                at += fm_round_up(bytes, FM_DIRECT_ALIGN) + FM_DIRECT_ALIGN;
            else
                at += fm_round_up(bytes, FM_LINE);
            if (!in_place && bytes > *staging)
                *staging = bytes;
        }
    return fm_round_up(at, FM_DIRECT_ALIGN);
}

uint64_t fm_experts_slot_bytes(const fm_expert_table *tables, uint32_t layers, uint64_t *staging) {
    uint64_t largest = 0;
    *staging = 0;
    for (uint32_t l = 0; l < layers; l++) {
        part_place places[FM_EXPERT_PARTS];
        uint64_t bytes = place_parts(&tables[l], places, staging);
        if (bytes > largest)
            largest = bytes;
    }
    return largest;
}

/* Where a part of an expert lies in its slot: shifted to the file's phase within a block if it is read in place. */
static uint8_t *part_address(const fm_experts *src, int32_t index, uint32_t layer, int32_t expert, int part) {
    const part_place *place = &src->places[layer * FM_EXPERT_PARTS + (uint32_t)part];
    const fm_extent *extent = &src->o.tables[layer].extents[(size_t)expert * FM_EXPERT_PARTS + (size_t)part];
    if (extent->length == 0)
        return NULL;
    uint8_t *base = src->memory + (uint64_t)index * src->slot_bytes + place->offset;
    return place->in_place ? base + extent->offset % FM_DIRECT_ALIGN : base;
}

/* ---- the LRU list and the table; the lock is held -----------------------------------------------------------------
 */

static void lru_remove(fm_experts *src, int32_t i) {
    slot *s = &src->slots[i];
    *(s->older == NONE ? &src->oldest : &src->slots[s->older].newer) = s->newer;
    *(s->newer == NONE ? &src->newest : &src->slots[s->newer].older) = s->older;
}

static void lru_append(fm_experts *src, int32_t i) {
    slot *s = &src->slots[i];
    s->older = src->newest;
    s->newer = NONE;
    *(src->newest == NONE ? &src->oldest : &src->slots[src->newest].newer) = i;
    src->newest = i;
}

static void lru_prepend(fm_experts *src, int32_t i) {
    slot *s = &src->slots[i];
    s->newer = src->oldest;
    s->older = NONE;
    *(src->oldest == NONE ? &src->newest : &src->slots[src->oldest].older) = i;
    src->oldest = i;
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

static void pin(fm_experts *src, int32_t i) {
    slot *s = &src->slots[i];
    if (s->pins++ == 0 && s->state == READY)
        lru_remove(src, i);
}

/* Puts the read of an expert into the least recently used slot; NONE when every slot is pinned or being read. */
static int32_t start_read(fm_experts *src, uint32_t layer, int32_t expert) {
    int32_t i = src->oldest;
    if (i == NONE)
        return NONE;
    lru_remove(src, i);
    forget(src, i);
    slot *s = &src->slots[i];
    s->layer = (int32_t)layer;
    s->expert = expert;
    s->state = READING;
    s->next_part = 0;
    s->parts_left = 0;
    for (int p = 0; p < FM_EXPERT_PARTS; p++)
        s->parts_left += part_address(src, i, layer, expert, p) != NULL;
    *where(src, layer, expert) = i;
    src->queue[(src->queue_first + src->queue_count++) % src->slots_made] = i;
    src->reading++;
    pthread_cond_broadcast(&src->to_read);
    return i;
}

/* ---- binding a request to slots; the lock is held ------------------------------------------------------------- */

/* Gives slots to the experts of the request in order, as far as slots can be had. */
static void bind_more(fm_experts *src) {
    struct request *r = &src->request;
    for (; r->bound < r->n; r->bound++) {
        uint32_t i = r->bound;
        if (r->slot[i] != NONE || r->acquired[i]) /* pinned as a hit, and perhaps released by now */
            continue;
        int32_t index = *where(src, r->layer, r->ids[i]);
        if (index != NONE) {
            if (src->slots[index].state == READY)
                src->stats.hits++;
            else
                src->stats.misses++;
        } else {
            index = start_read(src, r->layer, r->ids[i]);
            if (index == NONE)
                return;
            src->stats.misses++;
        }
        pin(src, index);
        r->slot[i] = index;
    }
}

/* ---- the read threads ------------------------------------------------------------------------------------------- */

static bool next_read(void *context, fm_read *read) {
    fm_experts *src = context;
    pthread_mutex_lock(&src->lock);
    while (!src->stop && src->queue_count == 0)
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
    };
    do
        part++;
    while (part < FM_EXPERT_PARTS && !part_address(src, i, layer, s->expert, part));
    s->next_part = (uint8_t)part;
    if (part == FM_EXPERT_PARTS) {
        src->queue_first = (src->queue_first + 1) % src->slots_made;
        src->queue_count--;
    }
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
        if (s->pins == 0)
            lru_prepend(src, i);
    } else {
        s->state = READY;
        if (s->pins == 0)
            lru_append(src, i);
    }
    if (src->request.active && !src->failed)
        bind_more(src);
    pthread_cond_broadcast(&src->arrived);
}

static void read_done(void *context, const fm_read *read, fm_status status, const fm_error *err, double seconds) {
    fm_experts *src = context;
    pthread_mutex_lock(&src->lock);
    int32_t i = (int32_t)read->tag;
    slot *s = &src->slots[i];
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

void fm_experts_request(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t n) {
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
    for (uint32_t i = 0; i < n; i++)
        r->slot[i] = NONE;
    /* Pin what is here before a miss of the same request can evict it, but leave a window to read through. */
    uint32_t window = src->o.slots / 4 > 2 ? src->o.slots / 4 : 2;
    uint32_t pins = n <= src->o.slots ? n : src->o.slots > window ? src->o.slots - window : 0;
    for (uint32_t i = 0; i < n && pins; i++) {
        int32_t index = *where(src, layer, ids[i]);
        if (index == NONE || src->slots[index].state != READY)
            continue;
        pin(src, index);
        r->slot[i] = index;
        src->stats.hits++;
        pins--;
    }
    bind_more(src);
    pthread_mutex_unlock(&src->lock);
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

fm_status fm_experts_acquire(fm_experts *src, int32_t which, bool wait, int32_t *got, fm_expert_view *view,
                             fm_error *err) {
    pthread_mutex_lock(&src->lock);
    struct request *r = &src->request;
    int32_t i = find_ready(src, which);
    if (i == NONE && wait) {
        double start = fm_now();
        while (!src->failed && (i = find_ready(src, which)) == NONE)
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
    if (s->state == READY)
        lru_append(src, index);
    else
        lru_prepend(src, index);
}

void fm_experts_release(fm_experts *src, int32_t which) {
    pthread_mutex_lock(&src->lock);
    struct request *r = &src->request;
    unpin(src, r->slot[which]);
    r->slot[which] = NONE;
    bind_more(src);
    pthread_mutex_unlock(&src->lock);
}

void fm_experts_finish(fm_experts *src) {
    pthread_mutex_lock(&src->lock);
    struct request *r = &src->request;
    r->active = false;
    /* After a failure, reads that were queued and not begun are dropped, and those under way are waited for: the next
     * call must not meet the error of this one. */
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

void fm_experts_prefetch(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t n) {
    pthread_mutex_lock(&src->lock);
    /* What is here already must not be evicted by what is not. */
    for (uint32_t i = 0; i < n; i++) {
        int32_t index = *where(src, layer, ids[i]);
        if (index != NONE && src->slots[index].state == READY && src->slots[index].pins == 0) {
            lru_remove(src, index);
            lru_append(src, index);
        }
    }
    uint32_t most = src->o.slots / 2;
    for (uint32_t i = 0; i < n && src->reading < most; i++)
        if (*where(src, layer, ids[i]) == NONE && start_read(src, layer, ids[i]) == NONE)
            break;
    pthread_mutex_unlock(&src->lock);
}

void fm_experts_resize(fm_experts *src, uint32_t slots) {
    pthread_mutex_lock(&src->lock);
    while (src->reading) /* a prefetch may be under way */
        pthread_cond_wait(&src->arrived, &src->lock);
    if (slots > src->slots_made)
        slots = src->slots_made;
    for (uint32_t i = slots; i < src->o.slots; i++) {
        lru_remove(src, (int32_t)i);
        forget(src, (int32_t)i);
    }
    for (uint32_t i = src->o.slots; i < slots; i++)
        lru_prepend(src, (int32_t)i);
    if (slots < src->o.slots)
        fm_pages_discard(src->memory + slots * src->slot_bytes, (src->o.slots - slots) * src->slot_bytes);
    src->o.slots = slots;
    pthread_mutex_unlock(&src->lock);
}

void fm_experts_stats_get(fm_experts *src, fm_experts_stats *stats) {
    pthread_mutex_lock(&src->lock);
    *stats = src->stats;
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
    src->slot_bytes = fm_experts_slot_bytes(options->tables, options->layers, &staging);
    size_t experts = (size_t)options->layers * options->experts;
    src->memory = fm_pages_new(src->slots_made * src->slot_bytes);
    src->slots = calloc(src->slots_made, sizeof *src->slots);
    src->where = malloc(experts * sizeof *src->where);
    src->places = calloc((size_t)options->layers * FM_EXPERT_PARTS, sizeof *src->places);
    src->queue = calloc(src->slots_made, sizeof *src->queue);
    src->request.ids = calloc(options->experts, sizeof *src->request.ids);
    src->request.slot = calloc(options->experts, sizeof *src->request.slot);
    src->request.acquired = calloc(options->experts, 1);
    if (!src->memory || !src->slots || !src->where || !src->places || !src->queue || !src->request.ids ||
        !src->request.slot || !src->request.acquired) {
        fm_experts_free(src);
        return fm_fail(err, FM_NO_MEMORY, "the system refused %llu bytes for the expert cache",
                       (unsigned long long)(options->slots * src->slot_bytes));
    }
    for (size_t i = 0; i < experts; i++)
        src->where[i] = NONE;
    for (uint32_t l = 0; l < options->layers; l++) {
        uint64_t ignored = 0;
        place_parts(&options->tables[l], &src->places[l * FM_EXPERT_PARTS], &ignored);
    }
    src->oldest = src->newest = NONE;
    for (uint32_t i = 0; i < src->slots_made; i++) {
        src->slots[i].layer = src->slots[i].expert = NONE;
        lru_append(src, (int32_t)i);
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
    fm_pages_free(src->memory, src->slots_made * src->slot_bytes);
    free(src->slots);
    free(src->where);
    free(src->places);
    free(src->queue);
    free(src->request.ids);
    free(src->request.slot);
    free(src->request.acquired);
    pthread_mutex_destroy(&src->lock);
    pthread_cond_destroy(&src->to_read);
    pthread_cond_destroy(&src->arrived);
    free(src);
}
