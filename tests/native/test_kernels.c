/* Every kernel table that can run here against formulas in float64, and the rules of kernels.h:
 *
 *   - values, on random sizes that are odd where they may be, at weight pointers of any alignment;
 *   - for products with affine matrices, every bit of the definition in kernels_quantise.h;
 *   - the same bits for a row and a token whatever the range of rows, the number of tokens or the alignment;
 *   - no access outside a buffer: each ends at a page that cannot be touched, what lies before it is checked, and
 *     outputs start as NaN.
 *
 * test_kernels [table [seed]] prints a line for each failing case, with what repeats it, and returns 1 if there was
 * one. */
#define _GNU_SOURCE
#include "kernel_cases.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const fm_kernels *kernels;
static uint64_t seed;  /* of the case that runs */
static char what[256]; /* its name and sizes */
static int failures;

void fail(const char *format, ...) {
    if (++failures > 50)
        return;
    va_list args;
    va_start(args, format);
    printf("FAIL %s %s (seed %llu): ", kernels->name, what, (unsigned long long)seed);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

/* A touch of a guard page: says where, then crashes. */
static void crashed(int number) {
    char line[400];
    int n = snprintf(line, sizeof line, "CRASH %s %s (seed %llu)\n", kernels->name, what, (unsigned long long)seed);
    if (write(1, line, (size_t)n) < 0)
        _exit(3);
    signal(number, SIG_DFL);
}

/* ---- random numbers ------------------------------------------------------------------------------------------------
 */

uint64_t random_state;

uint64_t random_bits(void) { /* splitmix64 */
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint32_t random_in(uint32_t low, uint32_t high) { /* both included */
    return low + (uint32_t)(random_bits() >> 11) % (high - low + 1);
}

double random_unit(void) { /* [-1, 1) */
    return (double)(int64_t)random_bits() * 0x1p-63;
}

float random_float(void) { /* roughly normal */
    return (float)(random_unit() + random_unit() + random_unit());
}

void random_floats(float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = random_float();
}

/* ---- guarded memory ------------------------------------------------------------------------------------------------
 */

enum { CANARY = 0xa5 };

static struct guarded {
    uint8_t *base, *data;
    size_t bytes, mapped;
} buffers[64];
size_t buffer_count;

void *guarded(size_t bytes, size_t align) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), usable = (bytes + align + page - 1) / page * page;
    uint8_t *base = mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + usable, page, PROT_NONE) || buffer_count == 64) {
        perror("guarded");
        exit(2);
    }
    memset(base, CANARY, usable);
    uint8_t *data = base + (usable - bytes) / align * align;
    memset(data, 0xff, bytes);
    buffers[buffer_count++] = (struct guarded){base, data, bytes, usable + page};
    return data;
}

float *floats(size_t n) {
    return guarded(n * sizeof(float), 64);
}

void release_all(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < buffer_count; i++) {
        struct guarded *b = &buffers[i];
        for (uint8_t *p = b->base; p < b->base + b->mapped - page; p++)
            if ((p < b->data || p >= b->data + b->bytes) && *p != CANARY) {
                fail("wrote %td bytes from the start of a buffer of %zu", p - b->data, b->bytes);
                break;
            }
        munmap(b->base, b->mapped);
    }
    buffer_count = 0;
}

void start(uint64_t case_seed, const char *format, ...) {
    seed = random_state = case_seed;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
}

/* ---- comparisons ---------------------------------------------------------------------------------------------------
 */

void near(const char *name, size_t i, float got, double want, double tolerance) {
    if (!(fabs(got - want) <= tolerance))
        fail("%s[%zu] is %.9g, should be %.9g within %.2g", name, i, got, want, tolerance);
}

void same(const char *name, size_t i, float got, float want) {
    if (memcmp(&got, &want, sizeof got))
        fail("%s[%zu] is %.9g, was %.9g: not the same bits", name, i, got, want);
}

void untouched(const char *name, size_t i, float got) {
    uint32_t bits;
    memcpy(&bits, &got, sizeof bits);
    if (bits != UINT32_MAX)
        fail("%s[%zu] was written: %.9g", name, i, got);
}

int main(int argc, char **argv) {
    signal(SIGSEGV, crashed);
    signal(SIGBUS, crashed);
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was found before a crash is seen */
    uint64_t base = argc > 2 ? strtoull(argv[2], NULL, 0) : 20261124;
    int tables = 0;
    for (const char *const *name = fm_kernel_names(); *name; name++) {
        if (argc > 1 && strcmp(argv[1], *name))
            continue;
        int before = failures;
        kernels = fm_kernels_find(*name);
        tables++;
        check_products(base);
        check_mixers(base);
        check_small(base);
        printf("%s: %s\n", kernels->name, failures == before ? "ok" : "FAILED");
    }
    if (!tables)
        printf("no such table here\n");
    if (fm_kernels_find("none") || !fm_kernels_find("c") ||
        fm_kernels_find(NULL) != fm_kernels_find(*fm_kernel_names()))
        failures++, printf("FAIL fm_kernels_find\n");
    return failures || !tables;
}
