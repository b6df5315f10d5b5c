/* Inside the expert source: its parts and what they share. The one lock covers everything here.
 *
 *     slots.c     the slots, which expert is in which, and their reads
 *     wishes.c    reads ahead of a request
 *     tier.c      the second tier, where the cache is memory that the host cannot see
 *     experts.c   requests
 *     source.c    making, resizing and freeing, and what is counted */
#ifndef FM_STREAM_SOURCE_H
#define FM_STREAM_SOURCE_H

#include "experts.h"
#include "layout.h"
#include "policy.h"
#include "reader.h"

#include <pthread.h>

enum { FM_NONE = -1 };

/* FAILED: a part could not be read, or the read was given up; parts under way are still being waited for. */
typedef enum slot_state { EMPTY, READING, READY, FAILED } slot_state;

/* A slot is offered to the policy exactly when it is unpinned and not being read. */
typedef struct slot {
    int32_t layer, expert; /* FM_NONE when empty */
    uint32_t pins;
    uint8_t state;
    bool early;                    /* read by a prefetch, and not asked for since */
    bool raw;                      /* for the view */
    uint8_t parts_left, next_part; /* of a read */
    bool from_host;                /* came from the second tier, not from a file */
    int32_t host;                  /* slot of the second tier that the read goes to, or FM_NONE */
    uint64_t up, down;             /* the last moves to it and from it; 0: long ended */
} slot;

/* A slot of the second tier; offered to its policy when no read goes to it. */
typedef struct host_slot {
    int32_t layer, expert; /* FM_NONE when empty */
    uint64_t up, down;     /* the last moves from it and to it; 0: long ended */
} host_slot;

struct fm_experts {
    fm_experts_options o;
    uint64_t slot_bytes;
    uint32_t slots_made;
    uint8_t *memory;       /* [slots_made][slot_bytes] */
    slot *slots;           /* [slots_made] */
    int32_t *where;        /* [layers][experts]: slot or FM_NONE */
    uint32_t *asked;       /* [layers][experts]: requests for each, and */
    uint32_t *reads;       /* [layers][experts]: reads of each, for fm_experts_map */
    fm_part_place *places; /* [layers][FM_EXPERT_PARTS] */
    fm_reader *reader;

    pthread_mutex_t lock;
    pthread_cond_t to_read, arrived;
    fm_policy *policy;
    struct tier {
        host_slot *slots;  /* [o.host_slots] */
        int32_t *where;    /* [layers][experts]: its slot or FM_NONE */
        fm_policy *policy; /* only for which slot goes first */
        uint64_t up, down; /* the last moves */
    } tier;
    int32_t ahead;              /* the layer that was prefetched and not yet asked for, or FM_NONE */
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
    uint32_t ready;   /* slots that hold an expert */
    uint64_t changes; /* how often one came to */
    bool stop;

    struct request {
        uint32_t layer, n, bound; /* [0, bound) of ids have been given a slot, or were pinned before */
        int32_t *ids;             /* [experts] */
        int32_t *slot;            /* [experts]: FM_NONE until given */
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

/* ---- slots.c; the lock is held ------------------------------------------------------------------------------------
 */

/* Where a part of an expert lies in its slot: shifted to the file's phase within a block if it is read in place. */
uint8_t *fm_slot_part(const fm_experts *src, int32_t index, uint32_t layer, int32_t expert, int part);
/* The same in other memory of a slot's size. */
uint8_t *fm_slot_part_in(const fm_experts *src, uint8_t *memory, uint32_t layer, int32_t expert, int part);
/* The table's entry for an expert. */
int32_t *fm_slot_of(fm_experts *src, uint32_t layer, int32_t expert);
/* Empties a slot. */
void fm_slot_forget(fm_experts *src, int32_t i);
/* Slots that may wait for their use after being read: the rest stays with what the policy keeps. */
uint32_t fm_slots_window(const fm_experts *src);
/* Offers a slot that is not pinned and not being read; perhaps a wish has waited for one. */
void fm_slot_offer(fm_experts *src, int32_t i);
void fm_slot_pin(fm_experts *src, int32_t i);
void fm_slot_unpin(fm_experts *src, int32_t i);
/* Puts an expert into the slot that the policy gives up: its read, for which the caller wakes the read threads, or
 * itself, if the second tier has it. FM_NONE when all are pinned or being read. */
int32_t fm_slot_read(fm_experts *src, uint32_t layer, int32_t expert);
/* The last part of a slot's read is there, or will never be. */
void fm_slots_read_ended(fm_experts *src, int32_t i);
/* What the read threads call (fm_reader_client); these take the lock. */
bool fm_slots_next_read(void *context, fm_read *read, bool wait);
void fm_slots_read_done(void *context, const fm_read *read, fm_status status, const fm_error *err, double seconds);

/* ---- wishes.c; the lock is held -----------------------------------------------------------------------------------
 */

/* The layer that was prefetched is asked for, or never will be: what it holds is worth no more than its scores. */
void fm_wishes_end_ahead(fm_experts *src);
/* Begins the read of the next wish that is not here; false when there is none, or no slot for it. */
bool fm_wishes_start(fm_experts *src);
/* What the request of the layer says of the guesses for it. */
void fm_wishes_judge(fm_experts *src, const int32_t *ids, uint32_t n);
/* Gives up the reads of wishes that did not come true, but for the parts under way. */
void fm_wishes_drop(fm_experts *src);

/* ---- tier.c; the lock is held -------------------------------------------------------------------------------------
 */

static inline bool fm_tier_has(const fm_experts *src) {
    return src->o.host_slots > 0;
}
fm_status fm_tier_new(fm_experts *src, fm_error *err);
/* Waits for every move. */
void fm_tier_free(fm_experts *src);
/* Gives slot i to an expert that the second tier has or gets: moves it up if it has, else finds the place that a read
 * goes to. What slot i holds is kept in the tier if it is worth more than what goes for it. False when no place can be
 * had; nothing has changed then. *moved: it is on its way. */
bool fm_tier_give(fm_experts *src, int32_t i, uint32_t layer, int32_t expert, bool *moved);
/* The memory that the read of slot i goes to, after what still moves from or to it has ended: that the caller waits for
 * without the lock. */
uint8_t *fm_tier_memory(const fm_experts *src, int32_t i, uint64_t wait_for[2]);
/* The read of slot i is complete, or given up. */
void fm_tier_read(fm_experts *src, int32_t i, bool complete);
/* An expert has left the cache. */
void fm_tier_left(fm_experts *src, uint32_t layer, int32_t expert);
/* Whether slot i, which is READY, has arrived. */
bool fm_tier_arrived(fm_experts *src, int32_t i);

/* ---- experts.c; the lock is held ----------------------------------------------------------------------------------
 */

/* Gives slots to the experts of the request in order, as far as slots can be had. */
void fm_request_bind(fm_experts *src);

#endif
