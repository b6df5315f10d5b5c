// Plays metal_stdlib on a CPU, for shaders that translate.py has prepared.
//
// Each GPU thread of a threadgroup is a fiber; one OS thread runs them in turn. A barrier or SIMD operation parks a
// fiber until all that must take part have come to the same line; if one has ended or waits elsewhere, the run stops
// with an error that names both lines. Threadgroup memory is fresh and full of NaN for each group, on the heap, so that
// AddressSanitizer sees its ends. Under ThreadSanitizer fibers know of each other only through barriers, as GPU threads
// do, and threadgroups not at all.
#pragma once

#include "soft_abi.h"

#include <math.h>
#include <mutex>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <vector>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SOFT_TSAN 1
extern "C" {
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void *__tsan_get_current_fiber(void);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_acquire(void *address);
void __tsan_release(void *address);
}
#endif
#if __has_feature(address_sanitizer)
#define SOFT_ASAN 1
extern "C" {
void __sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *save, const void **bottom_old, size_t *size_old);
}
#endif
#endif
#define SOFT_UNSEEN __attribute__((no_sanitize("thread", "address")))

// ---- fibers ---------------------------------------------------------------------------------------------------------

extern "C" void soft_switch(void **save, void *to) __asm__("soft_switch");
#if defined(__x86_64__)
__asm__(".text\n.p2align 4\n.globl soft_switch\nsoft_switch:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");
#elif defined(__aarch64__)
__asm__(".text\n.p2align 4\n.globl soft_switch\nsoft_switch:\n"
        "sub sp, sp, #160\n"
        "stp x19, x20, [sp]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\nstp x25, x26, [sp, #48]\n"
        "stp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
        "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\nstp d14, d15, [sp, #144]\n"
        "mov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
        "ldp x19, x20, [sp]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\nldp x25, x26, [sp, #48]\n"
        "ldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"
        "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\nldp d14, d15, [sp, #144]\n"
        "add sp, sp, #160\nret\n");
#else
#error "the soft device runs on x86-64 and 64-bit ARM"
#endif

namespace soft {

enum state { RUNNING, AT_BARRIER, AT_SIMD, ENDED };
enum { SIMD = 32, STACK = 256 * 1024, THREADS_MOST = 1024 };

struct simd_group {
    alignas(16) unsigned char slots[2][SIMD][16];
    char sync[2];
};

struct fiber {
    void *stack_pointer, *sanitizer, *asan_save;
    char *stack;
    int state, line, parity, barriers, simd_barriers;
    const char *file, *what;
    uint32_t index;
    simd_group *group;
};

static fiber fibers[THREADS_MOST];
static simd_group simd_groups[THREADS_MOST / SIMD];
static fiber *current;
static void *scheduler_stack, *scheduler_sanitizer, *scheduler_asan;
static const void *scheduler_bottom;
static size_t scheduler_size;
static uint32_t position[3], grid[3], threads;
static const fm_soft_kernel *kernel_now;
static void *const *args_now;
static void *shared_now[32];
static char barrier_sync[2], end_sync;
static std::mutex lock;

SOFT_UNSEEN static void to_scheduler() {
    fiber *f = current;
#ifdef SOFT_TSAN
    __tsan_switch_to_fiber(scheduler_sanitizer, 1);
#endif
#ifdef SOFT_ASAN
    __sanitizer_start_switch_fiber(&f->asan_save, scheduler_bottom, scheduler_size);
#endif
    soft_switch(&f->stack_pointer, scheduler_stack);
#ifdef SOFT_ASAN
    __sanitizer_finish_switch_fiber(f->asan_save, nullptr, nullptr);
#endif
}

SOFT_UNSEEN static void fiber_main() {
#ifdef SOFT_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom, &scheduler_size);
#endif
    kernel_now->call(args_now);
#ifdef SOFT_TSAN
    __tsan_release(&end_sync);
#endif
    current->state = ENDED;
    to_scheduler();
    abort();
}

SOFT_UNSEEN static void to_fiber(fiber *f) {
    current = f;
#ifdef SOFT_TSAN
    __tsan_switch_to_fiber(f->sanitizer, 1);
#endif
#ifdef SOFT_ASAN
    __sanitizer_start_switch_fiber(&scheduler_asan, f->stack, STACK);
#endif
    soft_switch(&scheduler_stack, f->stack_pointer);
#ifdef SOFT_ASAN
    __sanitizer_finish_switch_fiber(scheduler_asan, nullptr, nullptr);
#endif
}

SOFT_UNSEEN static void prepare(fiber *f, uint32_t index) {
#ifdef SOFT_TSAN
    f->stack = nullptr; // one that another group used would look like a race
#endif
    if (!f->stack)
        f->stack = (char *)mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);
    void **top = (void **)(f->stack + STACK);
#if defined(__x86_64__)
    *--top = nullptr; // keeps the stack aligned as after a call
    *--top = (void *)fiber_main;
    for (int i = 0; i < 6; i++)
        *--top = nullptr;
#else
    top -= 20;
    memset(top, 0, 160);
    top[11] = (void *)fiber_main; // x30
#endif
    f->stack_pointer = top;
    f->state = RUNNING;
    f->parity = f->barriers = f->simd_barriers = 0;
    f->index = index;
    f->group = &simd_groups[index / SIMD];
#ifdef SOFT_TSAN
    f->sanitizer = __tsan_create_fiber(0);
#endif
}

SOFT_UNSEEN static void park(int state, const char *what, const char *file, int line) {
    fiber *f = current;
    f->state = state;
    f->what = what;
    f->file = file;
    f->line = line;
    to_scheduler();
}

// All lanes deposit a value; when all have, each may read all. The second set of slots lets a quick lane go on.
template <typename T> SOFT_UNSEEN static const T *share(T value, const char *what, const char *file, int line) {
    fiber *f = current;
    static_assert(sizeof(T) <= 16, "");
    f->parity ^= 1;
    T *slots = (T *)f->group->slots[f->parity];
    slots[f->index % SIMD] = value;
    park(AT_SIMD, what, file, line);
    return slots;
}

// Read by instrumented code, and written by the scheduler for each group: not a race of the shaders'.
SOFT_UNSEEN static uint32_t lane() {
    return current->index % SIMD;
}
SOFT_UNSEEN static void *shared(int i) {
    return shared_now[i];
}

struct generator {
    uint64_t state;
    uint32_t below(uint32_t n) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        return (uint32_t)((state >> 33) % n);
    }
};

static void arrange(std::vector<uint32_t> &order, uint32_t n, uint32_t kind, generator &random) {
    order.resize(n);
    for (uint32_t i = 0; i < n; i++)
        order[i] = kind == 1 ? n - 1 - i : i;
    if (kind > 1)
        for (uint32_t i = n; i > 1; i--) {
            uint32_t j = random.below(i), t = order[i - 1];
            order[i - 1] = order[j];
            order[j] = t;
        }
}

static const char *place_of(const fiber *f, char *text, size_t room) {
    if (f->state == ENDED)
        snprintf(text, room, "thread %u has ended", f->index);
    else
        snprintf(text, room, "thread %u is at %s in %s:%d", f->index, f->what, f->file, f->line);
    return text;
}

static bool same_place(const fiber *a, const fiber *b) {
    return a->state == b->state && a->line == b->line && a->file == b->file && a->what == b->what;
}

static int differ(const fiber *a, const fiber *b, char *error, size_t room) {
    char first[200], second[200];
    snprintf(error, room, "kernel %s diverges in threadgroup (%u, %u, %u): %s, but %s", kernel_now->name, position[0],
             position[1], position[2], place_of(a, first, sizeof first), place_of(b, second, sizeof second));
    return 1;
}

// Lets go of those whose group has arrived.
SOFT_UNSEEN static int release(bool *done, char *error, size_t room) {
    uint32_t released = 0, ended = 0, at_barrier = 0;
    for (uint32_t first = 0; first < threads; first += SIMD) {
        fiber *f = fibers + first;
        int simd = -1;
        for (int i = 0; i < SIMD; i++) {
            ended += f[i].state == ENDED;
            at_barrier += f[i].state == AT_BARRIER;
            if (f[i].state == AT_SIMD)
                simd = i;
        }
        if (simd < 0)
            continue;
        for (int i = 0; i < SIMD; i++)
            if (!same_place(&f[i], &f[simd]))
                return differ(&f[simd], &f[i], error, room);
        for (int i = 0; i < SIMD; i++)
            f[i].state = RUNNING;
        released += SIMD;
    }
    *done = ended == threads;
    if (at_barrier && at_barrier + ended == threads) {
        uint32_t first = 0;
        while (fibers[first].state != AT_BARRIER)
            first++;
        for (uint32_t i = 0; i < threads; i++)
            if (!same_place(&fibers[i], &fibers[first]))
                return differ(&fibers[first], &fibers[i], error, room);
        for (uint32_t i = 0; i < threads; i++)
            fibers[i].state = RUNNING;
    }
    return 0;
}

SOFT_UNSEEN static int run_group(uint32_t order, generator &random, char *error, size_t room) {
    for (uint32_t i = 0; i < kernel_now->shared_count; i++) {
        shared_now[i] = malloc(kernel_now->shared[i]);
        memset(shared_now[i], 0xff, kernel_now->shared[i]);
    }
    for (uint32_t i = 0; i < threads; i++)
        prepare(&fibers[i], i);
    std::vector<uint32_t> turns;
    arrange(turns, threads, order, random);
    int failed = 0;
    for (bool done = false; !failed && !done;) {
        if (order > 1)
            arrange(turns, threads, order, random);
        for (uint32_t i : turns)
            if (fibers[i].state == RUNNING)
                to_fiber(&fibers[i]);
        failed = release(&done, error, room);
    }
#ifndef SOFT_TSAN /* there, freeing would look like a race, and reuse would hide one */
    for (uint32_t i = 0; i < kernel_now->shared_count; i++)
        free(shared_now[i]);
#else
    for (uint32_t i = 0; i < threads; i++)
        __tsan_destroy_fiber(fibers[i].sanitizer);
#endif
    return failed;
}

static int run(const fm_soft_kernel *kernel, void *const *args, const uint32_t groups[3], uint32_t count,
               uint32_t order, char *error, size_t room) {
    if (count == 0 || count > THREADS_MOST || count % SIMD) {
        snprintf(error, room, "kernel %s: %u threads a group; a multiple of 32 up to 1024 is needed", kernel->name,
                 count);
        return 1;
    }
    kernel_now = kernel;
    args_now = args;
    threads = count;
    memcpy(grid, groups, sizeof grid);
    generator random{order * 977u + 1};
#ifdef SOFT_TSAN
    scheduler_sanitizer = __tsan_get_current_fiber();
#endif
    std::vector<uint32_t> turns;
    arrange(turns, groups[0] * groups[1] * groups[2], order, random);
    int failed = 0;
    for (uint32_t i : turns) {
        position[0] = i % groups[0];
        position[1] = i / groups[0] % groups[1];
        position[2] = i / groups[0] / groups[1];
        if ((failed = run_group(order, random, error, room)))
            break;
    }
#ifdef SOFT_TSAN
    __tsan_acquire(&end_sync);
#endif
    return failed;
}

} // namespace soft

// ---- the language
// ----------------------------------------------------------------------------------------------------

#define device
#define thread
#define threadgroup
#define constant const

#include "metal_types.hpp"

template <typename T, typename U> static inline T as_type(U value) {
    static_assert(sizeof(T) == sizeof(U), "as_type between types of different sizes");
    T out;
    memcpy(&out, &value, sizeof out);
    return out;
}

static inline float min(float a, float b) {
    return fminf(a, b);
}
static inline float max(float a, float b) {
    return fmaxf(a, b);
}
static inline uint min(uint a, uint b) {
    return a < b ? a : b;
}
static inline uint max(uint a, uint b) {
    return a > b ? a : b;
}
static inline uint popcount(uint x) {
    return uint(__builtin_popcount(x));
}
static inline float rsqrt(float x) {
    return 1.0f / sqrtf(x);
}
static inline float dot(float4 a, float4 b) {
    return fmaf(a.x, b.x, a.y * b.y) + fmaf(a.z, b.z, a.w * b.w);
}

enum class mem_flags { mem_none, mem_device, mem_threadgroup };

SOFT_UNSEEN static inline void threadgroup_barrier(mem_flags, const char *file = __builtin_FILE(),
                                                   int line = __builtin_LINE()) {
    soft::fiber *f = soft::current;
    int parity = f->barriers++ & 1;
    (void)parity;
#ifdef SOFT_TSAN
    __tsan_release(&soft::barrier_sync[parity]);
#endif
    soft::park(soft::AT_BARRIER, "threadgroup_barrier", file, line);
#ifdef SOFT_TSAN
    __tsan_acquire(&soft::barrier_sync[parity]);
#endif
}

#define SOFT_SIMD(name, expression)                                                                                    \
    template <typename T>                                                                                              \
    SOFT_UNSEEN static inline T name(T value, const char *file = __builtin_FILE(), int line = __builtin_LINE()) {      \
        const T *all = soft::share(value, #name, file, line);                                                          \
        T part[32];                                                                                                    \
        for (int i = 0; i < 32; i++)                                                                                   \
            part[i] = all[i];                                                                                          \
        for (int step = 16; step > 0; step /= 2)                                                                       \
            for (int i = 0; i < step; i++) {                                                                           \
                T a = part[i], b = part[i + step];                                                                     \
                part[i] = expression;                                                                                  \
            }                                                                                                          \
        return part[0];                                                                                                \
    }
SOFT_SIMD(simd_sum, a + b)
SOFT_SIMD(simd_max, (a > b ? a : b))
SOFT_SIMD(simd_min, (a < b ? a : b))
#undef SOFT_SIMD

template <typename T>
SOFT_UNSEEN static inline T simd_shuffle_xor(T value, ushort mask, const char *file = __builtin_FILE(),
                                             int line = __builtin_LINE()) {
    const T *all = soft::share(value, "simd_shuffle_xor", file, line);
    return all[(soft::current->index % 32) ^ mask];
}

// ---- simdgroup matrices: lane l has elements (l / 4, l % 4 * 2) and its right neighbour
// ----------------------------------

struct simdgroup_float8x8 {
    float e[2];
};

template <typename T, int R, int C> static inline simdgroup_float8x8 make_filled_simdgroup_matrix(float value) {
    return {{value, value}};
}

static inline void simdgroup_load(simdgroup_float8x8 &m, const float *p, ulong stride, ulong2 origin = ulong2{0, 0},
                                  bool transpose = false) {
    uint lane = soft::lane();
    for (uint i = 0; i < 2; i++) {
        uint row = lane / 4, column = lane % 4 * 2 + i;
        m.e[i] = transpose ? p[(origin.x + column) * stride + origin.y + row]
                           : p[(origin.y + row) * stride + origin.x + column];
    }
}

static inline void simdgroup_store(simdgroup_float8x8 m, float *p, ulong stride) {
    uint lane = soft::lane();
    for (uint i = 0; i < 2; i++)
        p[lane / 4 * stride + lane % 4 * 2 + i] = m.e[i];
}

SOFT_UNSEEN static inline void simdgroup_multiply_accumulate(simdgroup_float8x8 &d, simdgroup_float8x8 a,
                                                             simdgroup_float8x8 b, simdgroup_float8x8 c,
                                                             const char *file = __builtin_FILE(),
                                                             int line = __builtin_LINE()) {
    const float4 *all = soft::share(float4{a.e[0], a.e[1], b.e[0], b.e[1]}, "simdgroup_multiply", file, line);
    uint lane = soft::current->index % 32, row = lane / 4;
    float sum[2] = {c.e[0], c.e[1]};
    for (uint k = 0; k < 8; k++) {
        float x = all[row * 4 + k / 2][k % 2];
        float4 right = all[k * 4 + lane % 4];
        sum[0] = fmaf(x, right.z, sum[0]);
        sum[1] = fmaf(x, right.w, sum[1]);
    }
    d.e[0] = sum[0];
    d.e[1] = sum[1];
}

static inline void simdgroup_multiply(simdgroup_float8x8 &d, simdgroup_float8x8 a, simdgroup_float8x8 b,
                                      const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
    simdgroup_multiply_accumulate(d, a, b, simdgroup_float8x8{{0, 0}}, file, line);
}
