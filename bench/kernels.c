/* How near the kernels come to what memory allows.
 *
 *     cc -std=c17 -O3 -ffp-contract=off -Inative/include bench/kernels.c native/cpu/kernels_*.c -lm -lpthread
 *     ./a.out [table [pool MiB]]
 *
 * Matrices of one format and shape fill a pool that no cache holds, and are multiplied one after the other, each thread
 * taking its share of the rows. Rates count weights, scales and biases. Every figure is the best of a few rounds, and a
 * round reads the pool plainly first, so that a column of ratios is left when the machine is busy with other things. */
#define _GNU_SOURCE
#include "../native/cpu/kernels.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 5, MOST_THREADS = 64 };

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
        (*matrices)[i] = (fm_matrix){*f, p, p + weight, p + weight + scale_bytes * f->rows};
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

int main(int argc, char **argv) {
    const fm_kernels *kernels = fm_kernels_find(argc > 1 ? argv[1] : NULL);
    size_t bytes = (argc > 2 ? strtoul(argv[2], NULL, 0) : 768) << 20;
    uint8_t *pool = aligned_alloc(64, bytes);
    float *x = aligned_alloc(64, 128 * 8192 * sizeof *x), *out = aligned_alloc(64, 128 * 8192 * sizeof *x);
    float *sums = aligned_alloc(64, 128 * 256 * sizeof *sums), *y = aligned_alloc(64, (size_t)128 * 160000 * sizeof *y);
    if (!kernels || !pool || !x || !out || !sums || !y) {
        fprintf(stderr, "no such table here, or no memory\n");
        return 1;
    }
    uint32_t state = 1;
    for (size_t i = 0; i < bytes / 4; i++) { /* every pair of bytes is a number near 0.01, whatever reads it */
        state = state * 1664525 + 1013904223;
        uint32_t value = 0x3c003c00 | (state >> 8 & 0x007f007f) | (state & 0x80008000);
        memcpy(pool + 4 * i, &value, 4);
    }
    for (size_t i = 0; i < 128 * 8192; i++)
        x[i] = (float)(i * 2654435761 % 1000) / 1000 - 0.5f;

    static const struct {
        uint32_t rows, cols;
    } shapes[] = {{512, 2048}, {2048, 512}, {8192, 2048}, {151936, 2048}};
    static const fm_format formats[] = {
        {FM_AFFINE, 0, 0, 4, 64, FM_BF16}, {FM_AFFINE, 0, 0, 4, 32, FM_BF16}, {FM_AFFINE, 0, 0, 4, 128, FM_BF16},
        {FM_AFFINE, 0, 0, 2, 64, FM_BF16}, {FM_AFFINE, 0, 0, 3, 64, FM_BF16}, {FM_AFFINE, 0, 0, 5, 64, FM_BF16},
        {FM_AFFINE, 0, 0, 6, 64, FM_BF16}, {FM_AFFINE, 0, 0, 8, 64, FM_BF16}, {FM_BF16, 0, 0, 0, 0, FM_F32},
        {FM_F16, 0, 0, 0, 0, FM_F32},      {FM_F32, 0, 0, 0, 0, FM_F32}};
    printf("table %s. One token: GB/s, and in brackets the share of plain reading in the same rounds\n", kernels->name);
    printf("%-12s %-12s %18s %18s\n", "format", "shape", "1 thread", "2 threads");
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
            if (j == 3 && i != 0)
                continue;
            fm_format f = formats[i];
            f.rows = shapes[j].rows;
            f.cols = shapes[j].cols;
            fm_matrix *matrices;
            size_t each, count = cut(&f, pool, bytes, &matrices, &each);
            work w = {
                .kernels = kernels, .matrices = matrices, .count = count, .pool = pool, .bytes = bytes, .n = 1, .y = y};
            w.x = (fm_activations){x, f.cols, NULL, 0};
            if (kernels->order(&f)) {
                kernels->prepare(&f, x, out, sums);
                w.x = (fm_activations){out, f.cols, sums, f.cols / f.group};
            }
            printf("%-12s %6ux%-5u", name_of(&f), f.rows, f.cols);
            for (w.threads = 1; w.threads <= 2; w.threads++) {
                double best = 0, read = 0;
                work reading = w;
                reading.kernels = NULL;
                for (int round = 0; round < ROUNDS; round++) {
                    double rate = (double)bytes / seconds_of(&reading);
                    read = rate > read ? rate : read;
                    rate = (double)(each * count) / seconds_of(&w);
                    best = rate > best ? rate : best;
                }
                printf("   %6.2f GB/s (%3.0f%%)", best / 1e9, 100 * best / read);
                fflush(stdout);
            }
            printf("\n");
            free(matrices);
        }

    printf("\nMany tokens: GFLOP/s (2 for each weight and token)\n%-12s %-12s %4s %12s %12s\n", "format", "shape", "n",
           "1 thread", "2 threads");
    static const uint32_t tokens[] = {2, 4, 8, 32, 128};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        for (size_t j = 0; j < 3; j++)
            for (size_t k = 0; k < 5; k++) {
                if (j && i)
                    continue;
                fm_format f = formats[i];
                f.rows = shapes[j].rows;
                f.cols = shapes[j].cols;
                uint32_t n = tokens[k];
                fm_matrix *matrices;
                size_t each, count = cut(&f, pool, bytes, &matrices, &each),
                             most = 4000 / n * 1024 * 512 / ((size_t)f.rows * f.cols);
                work w = {
                    .kernels = kernels, .matrices = matrices, .count = count < most ? count : most + 1, .n = n, .y = y};
                w.x = (fm_activations){x, f.cols, NULL, 0};
                if (kernels->order(&f)) {
                    for (uint32_t t = 0; t < n; t++)
                        kernels->prepare(&f, x + t * f.cols, out + t * f.cols, sums + t * (f.cols / f.group));
                    w.x = (fm_activations){out, f.cols, sums, f.cols / f.group};
                }
                printf("%-12s %6ux%-5u %4u", name_of(&f), f.rows, f.cols, n);
                for (w.threads = 1; w.threads <= 2; w.threads++) {
                    double best = 1e300;
                    for (int round = 0; round < ROUNDS; round++) {
                        double seconds = seconds_of(&w);
                        best = seconds < best ? seconds : best;
                    }
                    printf(" %12.1f", 2e-9 * f.rows * f.cols * n * (double)w.count / best);
                    fflush(stdout);
                }
                printf("\n");
                free(matrices);
            }
    return 0;
}
