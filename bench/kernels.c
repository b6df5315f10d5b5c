/* How near the kernels come to what memory allows.
 *
 *     cc -std=c17 -O3 -ffp-contract=off -Inative/include bench/kernels.c native/cpu/kernels_*.c -lm -lpthread
 *     ./a.out [--json] [--tokens N] [--bits N] [table [pool MiB]]
 *
 * Matrices of one format and shape fill a pool that no cache holds, and are multiplied one after the other, each thread
 * taking its share of the rows. Rates count weights, scales and biases. A round reads the pool plainly with the same
 * threads and then multiplies, so that shares are left when the machine is busy with other things.
 * --json prints an array of objects with kernel, bits, rows, cols, tokens, threads, gbps (of weight bytes, the median
 * of the rounds), share (of the plain reading of the same round, the median; null but for one token), best_gbps,
 * best_share (the best rates of either) and gmacs (billions of weights times tokens in a second, the median); 0 tokens
 * are the plain reading. --bits leaves the others out; --tokens takes one number of tokens, 512 at most. */
#define _GNU_SOURCE
#include "../native/cpu/kernels.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 7, MOST_THREADS = 64 };

/* Seconds that this thread ran. Other programs slow it through memory, but do not stop its clock. */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What the threads of a measurement do: products with `count` matrices, or reading the pool where kernels is NULL. */
typedef struct {
    const fm_kernels *kernels;
    const fm_matrix *matrices;
    size_t count;
    const uint8_t *pool;
    size_t bytes;
    fm_activations x;
    uint32_t n, threads;
    float *y;
    pthread_barrier_t *start;
} work;

typedef struct {
    const work *w;
    uint32_t thread;
    double seconds;
    uint64_t sum;
} share;

#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static uint64_t
read_all(const uint8_t *p, size_t bytes) {
    uint64_t sums[32] = {0}, sum = 0;
    for (size_t i = 0; i + 256 <= bytes; i += 256)
        for (int j = 0; j < 32; j++)
            sums[j] += ((const uint64_t *)(const void *)(p + i))[j];
    for (int j = 0; j < 32; j++)
        sum += sums[j];
    return sum;
}

static void *run(void *argument) {
    share *s = argument;
    const work *w = s->w;
    pthread_barrier_wait(w->start);
    double begin = now();
    if (!w->kernels) {
        s->sum = read_all(w->pool + w->bytes / w->threads / 64 * 64 * s->thread, w->bytes / w->threads);
    } else {
        for (size_t i = 0; i < w->count; i++) {
            uint32_t rows = w->matrices[i].format.rows;
            w->kernels->matmul(&w->matrices[i], rows * s->thread / w->threads, rows * (s->thread + 1) / w->threads,
                               &w->x, w->n, w->y, rows);
        }
    }
    s->seconds = now() - begin;
    return NULL;
}

static double seconds_of(const work *w) {
    pthread_barrier_t start;
    pthread_t threads[MOST_THREADS];
    share shares[MOST_THREADS];
    work mine = *w;
    mine.start = &start;
    pthread_barrier_init(&start, NULL, w->threads);
    for (uint32_t t = 0; t < w->threads; t++) {
        shares[t] = (share){.w = &mine, .thread = t};
        if (pthread_create(&threads[t], NULL, run, &shares[t])) {
            perror("pthread_create");
            exit(1);
        }
    }
    double most = 0;
    volatile uint64_t sink = 0;
    for (uint32_t t = 0; t < w->threads; t++) {
        pthread_join(threads[t], NULL);
        most = shares[t].seconds > most ? shares[t].seconds : most;
        sink += shares[t].sum;
    }
    (void)sink;
    pthread_barrier_destroy(&start);
    return most;
}

static size_t row_bytes(const fm_format *f, size_t *scale_bytes) {
    *scale_bytes = f->dtype == FM_AFFINE ? (size_t)f->cols / f->group * (f->scale_dtype == FM_F32 ? 4 : 2) : 0;
    return f->dtype == FM_AFFINE ? (size_t)f->cols / 8 * f->bits : (size_t)f->cols * (f->dtype == FM_F32 ? 4 : 2);
}

/* As many matrices of the format as fit into the pool, whose bytes are random and small as scales. */
static size_t cut(const fm_format *f, uint8_t *pool, size_t bytes, fm_matrix **matrices, size_t *each) {
    size_t scale_bytes, weight = row_bytes(f, &scale_bytes) * f->rows;
    *each = weight + 2 * scale_bytes * f->rows;
    size_t count = bytes / *each;
    *matrices = malloc(count * sizeof **matrices);
    for (size_t i = 0; i < count; i++) {
        uint8_t *p = pool + i * *each;
        (*matrices)[i] = (fm_matrix){*f, p, p + weight, p + weight + scale_bytes * f->rows, false};
    }
    return count;
}

static const char *name_of(const fm_format *f) {
    static char name[32];
    static const char *const dtypes[] = {"f32", "f16", "bf16"};
    if (f->dtype == FM_AFFINE)
        snprintf(name, sizeof name, "%u-bit g%u", f->bits, f->group);
    else
        snprintf(name, sizeof name, "%s", dtypes[f->dtype]);
    return name;
}

/* ---- what is measured -------------------------------------------------------------------------------------------- */

enum { MOST_TOKENS = 512, WIDEST = 8192, HEAD_ROWS = 151936, THREADS = 2 };

typedef struct {
    const fm_kernels *kernels;
    uint8_t *pool;
    size_t bytes;
    float *x, *y;
    uint8_t *prepared; /* room for MOST_TOKENS rows */
    bool json, begun;
} bench;

/* Of the rounds of a measurement; shares are 0 where nothing was read plainly. */
typedef struct {
    double gbps, share, best_gbps, best_share;
} rates;

static void report(bench *b, const fm_format *f, uint32_t tokens, uint32_t threads, rates r, double gmacs) {
    char share[48] = "\"share\": null, \"best_share\": null";
    if (r.share > 0)
        snprintf(share, sizeof share, "\"share\": %.3f, \"best_share\": %.3f", r.share, r.best_share);
    int bits = f->dtype == FM_AFFINE ? f->bits : f->dtype == FM_F32 ? 32 : 16;
    if (b->json) {
        printf(
            "%s\n  {\"kernel\": \"%s\", \"format\": \"%s\", \"bits\": %d, \"rows\": %u, \"cols\": %u, \"tokens\": %u, "
            "\"threads\": %u, \"gbps\": %.2f, \"best_gbps\": %.2f, %s, \"gmacs\": %.1f}",
            b->begun ? "," : "[", b->kernels->name, tokens ? name_of(f) : "read", bits, f->rows, f->cols, tokens,
            threads, r.gbps, r.best_gbps, share, gmacs);
    } else if (!tokens) {
        printf("plain reading, %u threads: %.2f GB/s, best %.2f\n", threads, r.gbps, r.best_gbps);
    } else {
        printf("%-10s %6ux%-5u %3u tokens %u threads %7.2f GB/s, best %7.2f  %7.1f GMAC/s", name_of(f), f->rows,
               f->cols, tokens, threads, r.gbps, r.best_gbps, gmacs);
        if (r.share > 0)
            printf("  %3.0f %% of reading, best %3.0f %%", 100 * r.share, 100 * r.best_share);
        printf("\n");
    }
    b->begun = true;
    fflush(stdout);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, ascending);
    return values[ROUNDS / 2];
}

/* Rates of some rounds of w, which uses `bytes` of the pool. */
static rates rates_of(const work *w, double bytes, bool beside_reading) {
    work reading = *w;
    reading.kernels = NULL;
    double gbps[ROUNDS], shares[ROUNDS], most = 0;
    for (int i = 0; i < ROUNDS; i++) {
        double read = beside_reading ? (double)w->bytes / seconds_of(&reading) / 1e9 : 0;
        gbps[i] = bytes / seconds_of(w) / 1e9;
        shares[i] = read > 0 ? gbps[i] / read : 0;
        most = read > most ? read : most;
    }
    rates r = {.gbps = median(gbps), .share = median(shares), .best_gbps = gbps[ROUNDS - 1]};
    r.best_share = most > 0 ? r.best_gbps / most : 0;
    return r;
}

/* Many tokens are measured on fewer matrices, in about the time of one token. */
static void measure(bench *b, fm_format f, uint32_t tokens) {
    fm_matrix *matrices;
    size_t each, count = cut(&f, b->pool, b->bytes, &matrices, &each);
    size_t most = 1 + ((size_t)1 << 31) / ((size_t)f.rows * f.cols * tokens);
    work w = {.kernels = b->kernels,
              .matrices = matrices,
              .count = tokens == 1 || count < most ? count : most,
              .pool = b->pool,
              .bytes = b->bytes,
              .n = tokens,
              .x = {b->x, f.cols * sizeof *b->x},
              .y = b->y};
    if (b->kernels->order(&f)) {
        w.x = (fm_activations){b->prepared, b->kernels->prepared_bytes(&f)};
        for (uint32_t t = 0; t < tokens; t++)
            b->kernels->prepare(&f, b->x + (size_t)t * f.cols, b->prepared + t * w.x.stride);
    }
    for (w.threads = 1; w.threads <= THREADS; w.threads++) {
        rates r = rates_of(&w, (double)(each * w.count), tokens == 1);
        report(b, &f, tokens, w.threads, r, r.gbps / (double)each * f.rows * f.cols * tokens);
    }
    free(matrices);
}

int main(int argc, char **argv) {
    uint32_t only_tokens = 0, only_bits = 0;
    bench b = {.bytes = (size_t)768 << 20};
    const char *table = NULL;
    for (int i = 1, place = 0; i < argc; i++)
        if (!strcmp(argv[i], "--json"))
            b.json = true;
        else if (!strcmp(argv[i], "--tokens") && i + 1 < argc)
            only_tokens = (uint32_t)strtoul(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--bits") && i + 1 < argc)
            only_bits = (uint32_t)strtoul(argv[++i], NULL, 0);
        else if (place++ == 0)
            table = argv[i];
        else
            b.bytes = strtoul(argv[i], NULL, 0) << 20;
    b.kernels = fm_kernels_find(table);
    b.pool = aligned_alloc(64, b.bytes);
    b.x = aligned_alloc(64, (size_t)MOST_TOKENS * WIDEST * sizeof *b.x);
    b.prepared = aligned_alloc(64, (size_t)MOST_TOKENS * WIDEST * 4);
    b.y = aligned_alloc(64, (size_t)MOST_TOKENS * WIDEST * sizeof *b.y);
    if (!b.kernels || !b.pool || !b.x || !b.prepared || !b.y) {
        fprintf(stderr, "no such table here, or no memory\n");
        return 1;
    }
    uint32_t state = 1;
    for (size_t i = 0; i < b.bytes / 4; i++) { /* every pair of bytes is a number near 0.01, whatever reads it */
        state = state * 1664525 + 1013904223;
        uint32_t value = 0x3c003c00 | (state >> 8 & 0x007f007f) | (state & 0x80008000);
        memcpy(b.pool + 4 * i, &value, 4);
    }
    for (size_t i = 0; i < (size_t)MOST_TOKENS * WIDEST; i++)
        b.x[i] = (float)(i * 2654435761 % 1000) / 1000 - 0.5f;

    for (uint32_t threads = 1; threads <= THREADS; threads++) {
        work reading = {.pool = b.pool, .bytes = b.bytes, .threads = threads};
        report(&b, &(fm_format){.dtype = FM_F32}, 0, threads, rates_of(&reading, (double)b.bytes, false), 0);
    }
    static const struct {
        uint32_t rows, cols;
    } shapes[] = {{512, 2048}, {2048, 512}, {8192, 2048}, {HEAD_ROWS, 2048}};
    static const fm_format formats[] = {
        {FM_AFFINE, 0, 0, 4, 64, FM_BF16}, {FM_AFFINE, 0, 0, 4, 32, FM_BF16}, {FM_AFFINE, 0, 0, 4, 128, FM_BF16},
        {FM_AFFINE, 0, 0, 2, 64, FM_BF16}, {FM_AFFINE, 0, 0, 3, 64, FM_BF16}, {FM_AFFINE, 0, 0, 5, 64, FM_BF16},
        {FM_AFFINE, 0, 0, 6, 64, FM_BF16}, {FM_AFFINE, 0, 0, 8, 64, FM_BF16}, {FM_BF16, 0, 0, 0, 0, FM_F32},
        {FM_F16, 0, 0, 0, 0, FM_F32},      {FM_F32, 0, 0, 0, 0, FM_F32}};
    uint32_t tokens[] = {1, 4, 16, 64, MOST_TOKENS};
    size_t counts = sizeof tokens / sizeof *tokens;
    if (only_tokens)
        tokens[0] = only_tokens < MOST_TOKENS ? only_tokens : MOST_TOKENS, counts = 1;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        for (size_t k = 0; k < counts; k++)
            for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
                fm_format f = formats[i];
                f.rows = shapes[j].rows;
                f.cols = shapes[j].cols;
                bool widest = f.rows == HEAD_ROWS, common = f.bits == 4 && f.group == 64;
                if ((widest && tokens[k] > 1) || (!common && (tokens[k] > 1 ? j > 0 : widest)))
                    continue;
                if (only_bits && f.bits != only_bits)
                    continue;
                measure(&b, f, tokens[k]);
            }
    if (b.json)
        printf("\n]\n");
    return 0;
}
