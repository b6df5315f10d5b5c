/* The expert source: routed experts on demand, from a cache in memory or from the files.
 *
 * Owns the cache (one byte budget for all layers, in slots of one expert), what is evicted, the order of reads, and the
 * accounting. The model above asks for experts of a layer and gets views of them; it knows nothing of files.
 *
 *     fm_experts_request(src, layer, ids, n)     the whole set that the layer needs; reads of misses start now
 *     fm_experts_acquire(src, FM_ANY or i, …)    waits until one (or that one) is in memory
 *     fm_experts_release(src, i)                 its slot may be evicted again
 *     fm_experts_finish(src)                     after the last release, or to give up after an error
 *
 * What is evicted: policy.h says. Reads for a request take at most half of the slots, a window that moves on as experts
 * are released, so that one long request does not sweep the cache empty; they follow the order of `ids`. Acquire in
 * that order when a request is larger than the window, since FM_ANY may wait for a slot that only a release can give.
 *
 * One request at a time, from one thread. */
#ifndef FM_STREAM_EXPERTS_H
#define FM_STREAM_EXPERTS_H

#include "file.h"

typedef struct fm_experts fm_experts;

enum { FM_ANY = -1 };

/* An expert in memory: where each part (gate.weight, gate.scales, …) starts; NULL where it has none. `raw` is true
 * after every read: who uses experts may bring their bytes into another order in place, and set it to false. */
typedef struct fm_expert_view {
    uint8_t *part[FM_EXPERT_PARTS];
    uint64_t ticket; /* of the move that brings it (fm_moves); 0: it is there */
    bool *raw;
} fm_expert_view;

/* For a cache whose memory the host cannot see: how slots get there from a second tier in memory of the host, and back.
 * Moves up are done in the order in which they were begun, moves down likewise. Any thread may call. */
typedef struct fm_moves {
    void *context;
    /* Begins to copy a slot: up, to the cache, or down, from it; not before the move `after`, which goes the other way,
     * has ended. Returns a ticket, more than all before it. */
    uint64_t (*begin)(void *context, uint8_t *to, const uint8_t *from, size_t bytes, bool up, uint64_t after);
    bool (*ended)(void *context, uint64_t ticket);
    void (*wait)(void *context, uint64_t ticket);
} fm_moves;

typedef struct fm_experts_options {
    const fm_file *files;
    const fm_expert_table *tables; /* [layers]; these and `files` must outlive the source */
    uint32_t layers, experts, experts_per_token;
    uint32_t slots;   /* the most there will be */
    uint32_t threads; /* of reading */
    bool direct;      /* past the page cache: every file allows it */
    bool ring;        /* by io_uring, where the system has it and reads are direct into memory */
    /* NULL: the source has its own memory. Else of slots * slot bytes, on a page, for as long as the source lives. */
    uint8_t *memory;
    /* 0: reads go to `memory`. Else that is an address which only moves understand, and reads go to slots of the second
     * tier, from where experts are moved. host: of host_slots * slot bytes, on a page. */
    uint32_t host_slots;
    uint8_t *host;
    fm_moves moves;
} fm_experts_options;

typedef struct fm_experts_stats {
    uint64_t hits, misses, bytes_read; /* what a prefetch read is a miss */
    uint64_t host_hits, bytes_moved;   /* found in the second tier; moved from there to the cache */
    double seconds_reading;            /* summed over the reads */
    double seconds_disk;               /* with at least one of them reading */
    double seconds_waiting;            /* for reads, in acquire */
} fm_experts_stats;

fm_status fm_experts_new(fm_experts **src, const fm_experts_options *options, fm_error *err);
void fm_experts_free(fm_experts *src);

/* Evicts or grows to `slots`, at most as many as it was made with. Only between requests. */
void fm_experts_resize(fm_experts *src, uint32_t slots);

/* ids: distinct. Copied. Reads of guesses that are not among them make way. Returns how many
 * were not cached: read now, or by a prefetch. */
uint32_t fm_experts_request(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t n);
/* which: an index into the ids of the request, or FM_ANY for one not yet acquired. got: the index of the one in *view.
 * wait false: returns FM_OK with *got = -1 when none is ready; wait true: likewise when it never will be before one of
 * the request is released. */
fm_status fm_experts_acquire(fm_experts *src, int32_t which, bool wait, int32_t *got, fm_expert_view *view,
                             fm_error *err);
void fm_experts_release(fm_experts *src, int32_t which);
void fm_experts_finish(fm_experts *src);

/* What the layer's router chose for consecutive tokens, ids [tokens][k]; before the request. The policy learns from it.
 */
void fm_experts_chosen(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t tokens, uint32_t k);

/* Wishes: experts that the request of a layer will probably ask for, the likeliest first. Those that are not here are
 * read when no request has anything to read, as far as half of the slots go, until that layer is asked for; never
 * waits. Between requests, or within that of a layer before. Wishes that were there before go. guesses: they may be
 * wrong, n <= experts_per_token. How often those of a rank came true decides whether it is read. */
void fm_experts_prefetch(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t n, bool guesses);

/* Whether every expert of every layer is in memory, where they stay until the next resize. `changes` grows whenever one
 * comes: the same as before means that none has moved. */
bool fm_experts_all(fm_experts *src, uint64_t *changes);
/* Where an expert is, when all are in memory; that a token used these, which it found without a request. */
void fm_experts_view_of(fm_experts *src, uint32_t layer, int32_t expert, fm_expert_view *view);
void fm_experts_used(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t k);

void fm_experts_stats_get(fm_experts *src, fm_experts_stats *stats);
/* What the cache does with each expert, [layers][experts]: how often it was asked for and how often read, modulo 2^32,
 * and whether it is in memory. Any thread may call. */
void fm_experts_map(fm_experts *src, uint32_t *asked, uint32_t *reads, uint8_t *resident);

#endif
