/* Which kernels this processor can run, asked once for each call: cheap, and no state to guard. */
#include "kernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* The instructions that a processor has are usable when the operating system saves their registers: XCR0 says which. */
static uint64_t saved_registers(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (uint64_t)d << 32 | a;
}

static bool can_run(const char *name) {
    enum { YMM = 0x6, ZMM = 0xe6 }; /* bits of XCR0 */
    unsigned a, b, c, d, b7 = 0, c7 = 0;
    if (!strcmp(name, "c"))
        return true;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d))
        return false;
    uint64_t saved = saved_registers();
    bool avx2 = (saved & YMM) == YMM && (c & bit_AVX) && (c & bit_FMA) && (c & bit_F16C) && (b7 & bit_AVX2);
    if (!strcmp(name, "avx2"))
        return avx2;
    /* VBMI and VNNI came with Ice Lake and Zen 4; an older AVX-512 processor is served by the AVX2 table. */
    return !strcmp(name, "avx512") && avx2 && (saved & ZMM) == ZMM && (b7 & bit_AVX512F) && (b7 & bit_AVX512BW) &&
           (b7 & bit_AVX512DQ) && (b7 & bit_AVX512VL) && (c7 & bit_AVX512VBMI) && (c7 & bit_AVX512VNNI);
}
#else
static bool can_run(const char *name) {
    return !strcmp(name, "c") || !strcmp(name, "neon"); /* NEON is part of the base of 64-bit ARM */
}
#endif

/* Best first. */
static const fm_kernels *candidate(size_t i) {
    const fm_kernels *const all[] = {fm_kernels_avx512, fm_kernels_avx2, fm_kernels_neon, fm_kernels_c};
    return i < sizeof all / sizeof *all ? all[i] : NULL;
}
enum { CANDIDATES = 4 };

const fm_kernels *fm_kernels_find(const char *name) {
    for (size_t i = 0; i < CANDIDATES; i++) {
        const fm_kernels *kernels = candidate(i);
        if (kernels && (!name || !strcmp(name, kernels->name)) && can_run(kernels->name))
            return kernels;
    }
    return NULL;
}

const char *const *fm_kernel_names(void) {
    /* Each thread its own list, so that callers need no lock and nothing is shared. */
    static _Thread_local const char *names[CANDIDATES + 1];
    size_t count = 0;
    for (size_t i = 0; i < CANDIDATES; i++) {
        const fm_kernels *kernels = candidate(i);
        if (kernels && can_run(kernels->name))
            names[count++] = kernels->name;
    }
    names[count] = NULL;
    return names;
}
