/* What the cases of test_kernels.c share: the table under test, random numbers, guarded memory, comparisons. */
#ifndef FM_TESTS_KERNEL_CASES_H
#define FM_TESTS_KERNEL_CASES_H

#include "../../native/cpu/kernels.h"

extern const fm_kernels *kernels; /* the table under test */

/* Prints what the case is and this, as printf does. */
void fail(const char *format, ...);
/* Begins a case: its seed, and its name and sizes for what fails. */
void start(uint64_t case_seed, const char *format, ...);

extern uint64_t random_state;
uint64_t random_bits(void);
uint32_t random_in(uint32_t low, uint32_t high); /* both included */
double random_unit(void);                        /* [-1, 1) */
float random_float(void);                        /* roughly normal */
void random_floats(float *x, size_t n);

/* `bytes` bytes whose end is the start of an untouchable page, or up to `align` before it. All bytes are 0xff, which
 * is NaN as float32. release_all checks what lies before them. */
void *guarded(size_t bytes, size_t align);
float *floats(size_t n);
void release_all(void);
extern size_t buffer_count; /* at most 64 */

void near(const char *name, size_t i, float got, double want, double tolerance);
void same(const char *name, size_t i, float got, float want);
void untouched(const char *name, size_t i, float got);

/* The cases of each kind of kernel, from a seed on. */
void check_products(uint64_t base); /* kernel_products.c */
void check_mixers(uint64_t base);   /* kernel_mixers.c: attention, the delta rule */
void check_small(uint64_t base);    /* kernel_small.c: elementwise, the convolution */

#endif
