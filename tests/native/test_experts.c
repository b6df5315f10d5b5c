/* The expert source: what acquire gives are the bytes of the file, whatever the cache size, the order of requests and
 * what was evicted; each expert of a request is read at most once; failed reads fail that request and no other.
 *
 * pread is replaced below, so that reads can be made to fail, to be interrupted and to come short. */
#define _GNU_SOURCE
/* Options that a test does not name are off. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "base/system.h"
#include "gpu/soft_moves.h"
#include "stream/experts.h"
#include "stream/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LAYERS = 3, EXPERTS = 24, INNER = 96, HIDDEN = 256 };

static int failures;
#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("line %d: ", __LINE__);                                                                             \
            printf(__VA_ARGS__);                                                                                       \
            printf("\n");                                                                                              \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

/* ---- faults ---------------------------------------------------------------------------------------------------------
 */

static atomic_int fail_every, short_every, interrupt_every, reads;

ssize_t pread(int fd, void *buffer, size_t n, off_t offset) {
    int i = atomic_fetch_add(&reads, 1) + 1;
    if (atomic_load(&fail_every) && i % atomic_load(&fail_every) == 0) {
        errno = EIO;
        return -1;
    }
    if (atomic_load(&interrupt_every) && i % atomic_load(&interrupt_every) == 0) {
        errno = EINTR;
        return -1;
    }
    ssize_t got = (ssize_t)syscall(SYS_pread64, fd, buffer, n, offset);
    if (atomic_load(&short_every) && i % atomic_load(&short_every) == 0 && got > 7)
        got /= 3;
    return got;
}
ssize_t pread64(int fd, void *buffer, size_t n, off_t offset) {
    return pread(fd, buffer, n, offset);
}

/* ---- a file of experts
 * ------------------------------------------------------------------------------------------------ */

static uint8_t *bytes;
static size_t file_bytes;
static fm_extent extents[LAYERS][EXPERTS][FM_EXPERT_PARTS];
static fm_expert_table tables[LAYERS];

static unsigned random_next(void) {
    static unsigned seed = 12345;
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* Layer 0 has bf16 experts, large enough to be read in place; layer 1 is 4 bits; layer 2 mixes them. */
static void describe(void) {
    fm_format bf16_in = {FM_BF16, INNER, HIDDEN * 2, 0, 0, FM_F32},
              bf16_out = {FM_BF16, HIDDEN * 2, INNER, 0, 0, FM_F32};
    fm_format q4_in = {FM_AFFINE, INNER, HIDDEN * 2, 4, 64, FM_BF16},
              q4_out = {FM_AFFINE, HIDDEN * 2, INNER, 4, 32, FM_BF16};
    size_t at = 13;
    for (int l = 0; l < LAYERS; l++) {
        fm_format gate = l == 1 ? q4_in : bf16_in, down = l == 0 ? bf16_out : q4_out;
        tables[l] = (fm_expert_table){"experts", {gate, gate, down}, &extents[l][0][0]};
        for (int e = 0; e < EXPERTS; e++)
            for (int p = 0; p < FM_EXPERT_PARTS; p++) {
                const fm_format *f = &tables[l].matrix[p / 3];
                uint64_t elements = (uint64_t)f->rows * f->cols;
                uint64_t n = f->dtype == FM_AFFINE ? (p % 3 ? elements / f->group * 2 : elements / 2)
                                                   : (p % 3 ? 0 : elements * 2);
                extents[l][e][p] = (fm_extent){n ? 0 : -1, at, n};
                at += n + (n ? random_next() % 50 : 0);
            }
    }
    file_bytes = at;
    bytes = malloc(file_bytes);
    for (size_t i = 0; i < file_bytes; i++)
        bytes[i] = (uint8_t)random_next();
}

/* ---- a second tier: moves that take their time, and leave rubbish until they have ended ---------------------------
 */

static soft_moves *moves;
static uint8_t *card, *host;
static size_t card_bytes, host_bytes;

static uint64_t begin_move(void *context, uint8_t *to, const uint8_t *from, size_t n, bool up, uint64_t after) {
    const uint8_t *place = up ? to : from;
    CHECK(context == &moves && place >= card && place + n <= card + card_bytes, "a move outside of the cache");
    place = up ? from : to;
    CHECK(place >= host && place + n <= host + host_bytes, "a move outside of the second tier");
    (void)after; /* soft_moves does them in order */
    return soft_moves_begin(moves, to, from, n);
}
static bool move_ended(void *context, uint64_t ticket) {
    (void)context;
    return soft_moves_ended(moves, ticket);
}
static void wait_for_move(void *context, uint64_t ticket) {
    (void)context;
    soft_moves_wait(moves, ticket);
}

static fm_experts_options options_for(const fm_file *file, uint32_t slots) {
    return (fm_experts_options){.files = file,
                                .tables = tables,
                                .layers = LAYERS,
                                .experts = EXPERTS,
                                .experts_per_token = 8,
                                .slots = slots,
                                .threads = 3};
}

/* host_slots 0: none. */
static fm_experts *new_source(fm_experts_options *o, uint32_t host_slots) {
    uint64_t staging, slot = fm_slot_bytes(tables, LAYERS, &staging);
    if (host_slots) {
        moves = soft_moves_new();
        card = fm_pages_new(card_bytes = (size_t)(o->slots * slot));
        host = fm_pages_new(host_bytes = (size_t)(host_slots * slot));
        o->memory = card;
        o->host = host;
        o->host_slots = host_slots;
        o->moves = (fm_moves){&moves, begin_move, move_ended, wait_for_move};
    }
    fm_experts *src;
    fm_error err = {0};
    if (fm_experts_new(&src, o, &err) != FM_OK) {
        printf("%s\n", err.message);
        exit(1);
    }
    return src;
}

static void free_source(fm_experts *src, uint32_t host_slots) {
    fm_experts_free(src);
    if (host_slots) {
        soft_moves_free(moves);
        fm_pages_free(card, card_bytes);
        fm_pages_free(host, host_bytes);
    }
}

static void check_view(const fm_expert_view *view, uint32_t layer, int32_t expert) {
    if (view->ticket)
        soft_moves_wait(moves, view->ticket);
    for (int p = 0; p < FM_EXPERT_PARTS; p++) {
        const fm_extent *x = &extents[layer][expert][p];
        if (x->length == 0)
            CHECK(!view->part[p], "layer %u expert %d part %d should be absent", layer, expert, p);
        else
            CHECK(!memcmp(view->part[p], bytes + x->offset, x->length), "layer %u expert %d part %d has wrong bytes",
                  layer, expert, p);
    }
}

static uint32_t random_ids(int32_t *ids, uint32_t n) {
    int32_t all[EXPERTS];
    for (int e = 0; e < EXPERTS; e++)
        all[e] = e;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = i + random_next() % (EXPERTS - i);
        int32_t swap = all[i];
        all[i] = all[j];
        all[j] = swap;
        ids[i] = all[i];
    }
    return n;
}

static fm_status run_request(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t n, bool in_order,
                             fm_error *err) {
    fm_experts_request(src, layer, ids, n);
    fm_status status = FM_OK;
    bool seen[EXPERTS] = {false};
    for (uint32_t i = 0; i < n && status == FM_OK; i++) {
        fm_expert_view view;
        int32_t got;
        status = fm_experts_acquire(src, in_order ? (int32_t)i : FM_ANY, true, &got, &view, err);
        if (status != FM_OK)
            break;
        CHECK(got >= 0 && !seen[got], "expert %d of the request came twice", got);
        seen[got] = true;
        check_view(&view, layer, ids[got]);
        if (random_next() % 4)
            fm_experts_release(src, got); /* the others are dropped by finish */
        else if (in_order)
            fm_experts_release(src, got);
    }
    fm_experts_finish(src);
    return status;
}

static void test_bytes(const fm_file *file, uint32_t slots, uint32_t host_slots, bool direct, bool ring) {
    fm_experts_options o = options_for(file, slots);
    o.direct = direct;
    o.ring = ring;
    fm_experts *src = new_source(&o, host_slots);
    fm_error err = {0};
    int32_t ids[EXPERTS];
    for (int i = 0; i < 400; i++) {
        uint32_t layer = random_next() % LAYERS;
        uint32_t now = slots > 4 && random_next() % 8 == 0 ? 4 + random_next() % (slots - 3) : slots;
        fm_experts_resize(src, now);
        bool in_order = random_next() % 2;
        uint32_t window = now / 2 > 2 ? now / 2 : 2;
        uint32_t n = 1 + random_next() % (in_order || window >= EXPERTS ? EXPERTS : window);
        random_ids(ids, n);
        if (random_next() % 3 == 0)
            fm_experts_prefetch(src, random_next() % LAYERS, ids, n, n <= 8 && random_next() % 2);
        if (random_next() % 3)
            fm_experts_chosen(src, layer, ids, 1, n);
        fm_status status = run_request(src, layer, ids, n, in_order, &err);
        CHECK(status == FM_OK, "%u slots: %s", slots, err.message);
    }
    free_source(src, host_slots);
}

/* Each expert of a sweep is read at most once, whatever the cache holds. */
static void test_reads_once(const fm_file *file, uint32_t slots) {
    fm_experts_options o = options_for(file, slots);
    fm_experts *src;
    fm_error err = {0};
    if (fm_experts_new(&src, &o, &err) != FM_OK)
        exit(1);
    int32_t ids[EXPERTS];
    for (int e = 0; e < EXPERTS; e++)
        ids[e] = e;
    for (int pass = 0; pass < 3; pass++)
        for (uint32_t l = 0; l < LAYERS; l++) {
            fm_experts_stats before, after;
            fm_experts_stats_get(src, &before);
            CHECK(run_request(src, l, ids, EXPERTS, true, &err) == FM_OK, "%s", err.message);
            fm_experts_stats_get(src, &after);
            uint64_t layer_bytes = 0;
            for (int e = 0; e < EXPERTS; e++)
                for (int p = 0; p < FM_EXPERT_PARTS; p++)
                    layer_bytes += extents[l][e][p].length;
            CHECK(after.bytes_read - before.bytes_read <= layer_bytes, "%u slots: a sweep read %llu of %llu bytes",
                  slots, (unsigned long long)(after.bytes_read - before.bytes_read), (unsigned long long)layer_bytes);
            CHECK(after.hits + after.misses - before.hits - before.misses == EXPERTS, "%u slots: %llu hits and misses",
                  slots, (unsigned long long)(after.hits + after.misses - before.hits - before.misses));
        }
    fm_experts_free(src);
}

/* Two experts of each layer are chosen by every token, the others at random, and the cache holds less than a token
 * needs: the two stay, also while a long block sweeps through all experts. */
static void test_the_frequent_stay(const fm_file *file) {
    enum { SLOTS = 18, K = 8, TOKENS = 60 };
    fm_experts_options o = options_for(file, SLOTS);
    o.experts_per_token = K;
    fm_experts *src;
    fm_error err = {0};
    if (fm_experts_new(&src, &o, &err) != FM_OK)
        exit(1);
    fm_experts_stats before, after;
    for (int t = 0; t < TOKENS; t++) {
        fm_experts_stats_get(src, &before);
        for (uint32_t l = 0; l < LAYERS; l++) {
            int32_t ids[K] = {5, 9}, all[EXPERTS];
            if (t == TOKENS / 2) {
                for (int e = 0; e < EXPERTS; e++)
                    all[e] = e;
                CHECK(run_request(src, l, all, EXPERTS, true, &err) == FM_OK, "%s", err.message);
            }
            random_ids(all, EXPERTS);
            for (int i = 2, j = 0; i < K; j++)
                if (all[j] != 5 && all[j] != 9)
                    ids[i++] = all[j];
            fm_experts_chosen(src, l, ids, 1, K);
            CHECK(run_request(src, l, ids, K, true, &err) == FM_OK, "%s", err.message);
        }
        fm_experts_stats_get(src, &after);
        if (t > 10)
            CHECK(after.hits - before.hits >= 2 * LAYERS, "token %d: %llu hits", t,
                  (unsigned long long)(after.hits - before.hits));
    }
    fm_experts_free(src);
}

/* Errors belong to the request that met them; afterwards everything works. */
static void test_faults(const fm_file *file, uint32_t host_slots, bool direct) {
    fm_experts_options o = options_for(file, 10);
    o.threads = 4;
    o.direct = direct;
    fm_experts *src = new_source(&o, host_slots);
    fm_error err = {0};
    int32_t ids[EXPERTS];
    int failed = 0;
    for (int i = 0; i < 300; i++) {
        uint32_t layer = random_next() % LAYERS, n = random_ids(ids, 1 + random_next() % EXPERTS);
        atomic_store(&fail_every, i % 3 == 0 ? 1 + (int)(random_next() % 40) : 0);
        if (random_next() % 4 == 0)
            fm_experts_prefetch(src, layer, ids, n, n <= 8);
        err = (fm_error){0};
        fm_status status = run_request(src, layer, ids, n, true, &err);
        failed += status != FM_OK;
        if (status != FM_OK)
            CHECK(status == FM_IO && strstr(err.message, "offset"), "unclear error: %s", err.message);
        atomic_store(&fail_every, 0);
        status = run_request(src, layer, ids, n, true, &err);
        CHECK(status == FM_OK, "after a failure: %s", err.message);
    }
    CHECK(failed > 20, "faults were injected but only %d requests failed", failed);
    atomic_store(&short_every, 3);
    atomic_store(&interrupt_every, 5);
    for (int i = 0; i < 50; i++) {
        uint32_t n = random_ids(ids, EXPERTS);
        CHECK(run_request(src, random_next() % LAYERS, ids, n, true, &err) == FM_OK, "short reads: %s", err.message);
    }
    atomic_store(&short_every, 0);
    atomic_store(&interrupt_every, 0);
    free_source(src, host_slots);
}

/* The cache and the second tier hold all experts together, and eight over, as many as may be on their way up at once,
 * each with another on its way down: every expert is read from the file once. What leaves the cache moves down, and up
 * again when it is asked for. */
static void test_the_tiers_add_up(const fm_file *file, uint32_t slots) {
    uint32_t host_slots = LAYERS * EXPERTS - slots + 8;
    fm_experts_options o = options_for(file, slots);
    fm_experts *src = new_source(&o, host_slots);
    fm_error err = {0};
    int32_t ids[8];
    for (int t = 0; t < 60; t++)
        for (uint32_t l = 0; l < LAYERS; l++) {
            random_ids(ids, 8);
            fm_experts_chosen(src, l, ids, 1, 8);
            CHECK(run_request(src, l, ids, 8, true, &err) == FM_OK, "%s", err.message);
        }
    fm_experts_stats stats;
    fm_experts_stats_get(src, &stats);
    CHECK(stats.misses == LAYERS * EXPERTS, "%u slots: %llu reads of %d experts", slots,
          (unsigned long long)stats.misses, LAYERS * EXPERTS);
    CHECK(stats.hits + stats.host_hits + stats.misses == 60 * LAYERS * 8, "%llu hits", (unsigned long long)stats.hits);
    free_source(src, host_slots);
}

/* The ring's reads are not pread's: here the file itself is cut short, at a place that moves, and made whole again. */
static void test_ring_faults(const fm_file *file, int fd) {
    fm_experts_options o = options_for(file, 10);
    o.threads = 4;
    o.direct = true;
    o.ring = true;
    fm_experts *src;
    fm_error err = {0};
    if (fm_experts_new(&src, &o, &err) != FM_OK)
        exit(1);
    int32_t ids[EXPERTS];
    int failed = 0;
    for (int i = 0; i < 60; i++) {
        uint32_t layer = random_next() % LAYERS, n = random_ids(ids, 1 + random_next() % EXPERTS);
        CHECK(ftruncate(fd, (off_t)(random_next() % file_bytes)) == 0, "the test file cannot be cut");
        if (random_next() % 4 == 0)
            fm_experts_prefetch(src, layer, ids, n, n <= 8);
        fm_status status = run_request(src, layer, ids, n, true, &err);
        failed += status != FM_OK;
        if (status != FM_OK)
            CHECK(status == FM_IO && strstr(err.message, "truncated"), "unclear error: %s", err.message);
        CHECK(pwrite(fd, bytes, file_bytes, 0) == (ssize_t)file_bytes, "the test file cannot be made whole");
        status = run_request(src, layer, ids, n, true, &err);
        CHECK(status == FM_OK, "after a failure: %s", err.message);
    }
    CHECK(failed > 10, "the file was cut short but only %d requests failed", failed);
    fm_experts_free(src);
}

int main(void) {
    describe();
    char path[] = "test_experts_XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, bytes, file_bytes) != (ssize_t)file_bytes || fsync(fd) != 0) {
        perror("cannot write the test file");
        return 1;
    }
    fm_file file;
    fm_error err;
    if (fm_file_open(&file, path, true, &err) != FM_OK) {
        printf("%s\n", err.message);
        return 1;
    }
    bool direct = file.direct >= 0;
    if (!direct)
        printf("this file system has no direct reads: only buffered ones are tested\n");
    static const uint32_t sizes[] = {2, 3, 5, 9, EXPERTS, LAYERS * EXPERTS};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (uint32_t host_slots = 0; host_slots <= LAYERS * EXPERTS; host_slots = 8 * host_slots + 1) {
            test_bytes(&file, sizes[i], host_slots, false, false);
            if (direct)
                test_bytes(&file, sizes[i], host_slots, true, false);
        }
        if (direct)
            test_bytes(&file, sizes[i], 0, true, true);
        test_reads_once(&file, sizes[i]);
    }
    test_the_frequent_stay(&file);
    for (uint32_t host_slots = 0; host_slots < 15; host_slots += 7) {
        test_faults(&file, host_slots, false);
        if (direct)
            test_faults(&file, host_slots, true);
    }
    if (direct)
        test_ring_faults(&file, fd);
    test_the_tiers_add_up(&file, 10);
    test_the_tiers_add_up(&file, 40);
    fm_file_close(&file);
    close(fd);
    unlink(path);
    free(bytes);
    printf(failures ? "%d failures\n" : "experts: ok\n", failures);
    return failures != 0;
}
