/* What a library of translated shaders offers to native/gpu/soft.c and to its own test program. */
#ifndef FM_SOFT_ABI_H
#define FM_SOFT_ABI_H

#include <stddef.h>
#include <stdint.h>

#define FM_SOFT_ABI 1

enum { FM_SOFT_READ, FM_SOFT_WRITE, FM_SOFT_CONSTANTS };

typedef struct fm_soft_arg {
    const char *name;
    int kind;
    uint32_t size; /* of constants, bytes */
} fm_soft_arg;

typedef struct fm_soft_kernel {
    const char *name;
    void (*call)(void *const *args); /* one thread's run */
    const fm_soft_arg *args;
    uint32_t arg_count;
    const size_t *shared; /* bytes of each array of threadgroup memory */
    uint32_t shared_count;
} fm_soft_kernel;

#ifdef __cplusplus
extern "C" {
#endif
int fm_soft_abi(void);
const fm_soft_kernel *fm_soft_kernels(uint32_t *count);
const char *const *fm_soft_constants(uint32_t *count); /* names of the function constants */
/* Runs every thread of a grid. constants: a value for each name. order: 0 forward, 1 reverse, more a seed. Returns 0,
 * or 1 with a sentence in error: a barrier or SIMD operation that not all threads reached. One run at a time in a
 * process, others wait. */
int fm_soft_run(const fm_soft_kernel *kernel, const int32_t *constants, void *const *args, const uint32_t groups[3],
                uint32_t threads, uint32_t order, char *error, size_t room);
#ifdef __cplusplus
}
#endif
#endif
