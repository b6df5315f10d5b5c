/* The soft device: the shaders on the CPU, through a library that flashmoe.gpu.build made of them (its side of the
 * contract is python/flashmoe/gpu/soft_abi.h). Slow and strict: it enforces Metal's limits, runs lists in a thread of
 * its own, takes what is unordered in any order, and fails a list in which a barrier is missing. */
#include "device.h"

#include "../base/error.h"
#include "../base/system.h"
#include "soft_moves.h"

#include "soft_abi.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SECONDS_KEPT = 64, CONSTANTS_KEPT = 16 };

struct fm_kernel {
    fm_kernel *next;
    const fm_soft_kernel *entry;
    int32_t constants[CONSTANTS_KEPT];
    uint32_t threads;
};

typedef struct operation {
    const fm_kernel *kernel; /* NULL: a barrier */
    fm_ticket after;         /* and with it this move, or 0 */
    fm_groups groups;
    uint32_t threads, args;
    struct {
        uint8_t *memory; /* a copy that the operation owns, for constants */
        uint64_t bytes;
        bool owned;
    } arg[FM_ARGS_MOST];
} operation;

typedef struct soft_device soft_device;

struct fm_commands {
    soft_device *device;
    fm_commands *next;
    operation *operations;
    uint32_t count, room;
    fm_ticket ticket;
    fm_error error; /* status FM_OK: none */
};

struct soft_device {
    fm_device base;
    void *library;
    const fm_soft_kernel *entries;
    const char *const *constant_names;
    uint32_t entry_count, constant_count, order;
    int (*run)(const fm_soft_kernel *, const int32_t *, void *const *, const uint32_t[3], uint32_t, uint32_t, char *,
               size_t);
    fm_kernel *kernels;
    uint64_t random;
    soft_moves *moves; /* NULL: memory is unified */

    pthread_t worker;
    pthread_mutex_t lock;
    pthread_cond_t committed, done;
    fm_commands *first, *last; /* lists to run */
    fm_ticket next_ticket, ended;
    fm_error failure; /* the first, kept */
    double seconds[SECONDS_KEPT];
    bool stop;
};

static uint8_t *memory_of(const fm_buffer *b) {
    return (uint8_t *)(uintptr_t)b->address; /* seen by the host or not */
}

/* ---- running lists ---------------------------------------------------------------------------------------------- */

static int arg_kind(const operation *o, uint32_t i) {
    return o->kernel->entry->args[i].kind;
}

/* The first argument pair of two unordered dispatches (or of one with itself) of which one is written. */
static fm_status check_pair(const operation *a, const operation *b, fm_error *err) {
    for (uint32_t i = 0; i < a->args; i++)
        for (uint32_t j = a == b ? i + 1 : 0; j < b->args; j++) {
            if (arg_kind(a, i) == FM_SOFT_CONSTANTS || arg_kind(b, j) == FM_SOFT_CONSTANTS)
                continue;
            if (arg_kind(a, i) != FM_SOFT_WRITE && arg_kind(b, j) != FM_SOFT_WRITE)
                continue;
            if (a->arg[i].memory < b->arg[j].memory + b->arg[j].bytes &&
                b->arg[j].memory < a->arg[i].memory + a->arg[i].bytes)
                return fm_fail(err, FM_BAD_ARGUMENT,
                               a == b ? "kernel %s gets the same memory as %s and, written or read, as %s.%s"
                                      : "no barrier between kernel %s with %s and kernel %s with %s: they share memory",
                               a->kernel->entry->name, a->kernel->entry->args[i].name, b->kernel->entry->name,
                               b->kernel->entry->args[j].name);
        }
    return FM_OK;
}

static fm_status run_one(soft_device *d, const operation *o, fm_error *err) {
    void *args[FM_ARGS_MOST];
    for (uint32_t i = 0; i < o->args; i++)
        args[i] = o->arg[i].memory;
    const uint32_t groups[3] = {o->groups.x, o->groups.y, o->groups.z};
    char text[900];
    if (d->run(o->kernel->entry, o->kernel->constants, args, groups, o->threads, d->order, text, sizeof text))
        return fm_fail(err, FM_BAD_ARGUMENT, "the soft device stopped: %s", text);
    return FM_OK;
}

/* The dispatches between two barriers. */
static fm_status run_section(soft_device *d, const operation *o, uint32_t count, fm_error *err) {
    fm_status status = FM_OK;
    for (uint32_t i = 0; i < count && status == FM_OK; i++)
        for (uint32_t j = i; j < count && status == FM_OK; j++)
            status = check_pair(&o[i], &o[j], err);
    uint32_t *turn = malloc((count + 1) * sizeof *turn);
    if (!turn)
        return fm_fail(err, FM_NO_MEMORY, "out of memory in the soft device");
    for (uint32_t i = 0; i < count; i++)
        turn[i] = d->order == 1 ? count - 1 - i : i;
    for (uint32_t i = count; d->order > 1 && i > 1; i--) {
        d->random = d->random * 6364136223846793005u + 1442695040888963407u;
        uint32_t j = (uint32_t)((d->random >> 33) % i), t = turn[i - 1];
        turn[i - 1] = turn[j];
        turn[j] = t;
    }
    for (uint32_t i = 0; i < count && status == FM_OK; i++)
        status = run_one(d, &o[turn[i]], err);
    free(turn);
    return status;
}

static fm_status run_list(soft_device *d, const fm_commands *c, fm_error *err) {
    if (c->error.status != FM_OK) {
        *err = c->error;
        return err->status;
    }
    fm_status status = FM_OK;
    for (uint32_t first = 0; first < c->count && status == FM_OK;) {
        uint32_t end = first;
        while (end < c->count && c->operations[end].kernel)
            end++;
        status = run_section(d, c->operations + first, end - first, err);
        if (end < c->count && c->operations[end].after)
            soft_moves_wait(d->moves, c->operations[end].after);
        first = end + 1;
    }
    return status;
}

static void free_list(fm_commands *c) {
    for (uint32_t i = 0; i < c->count; i++)
        for (uint32_t a = 0; a < c->operations[i].args; a++)
            if (c->operations[i].arg[a].owned)
                free(c->operations[i].arg[a].memory);
    free(c->operations);
    free(c);
}

static void *work(void *context) {
    soft_device *d = context;
    pthread_mutex_lock(&d->lock);
    for (;;) {
        while (!d->first && !d->stop)
            pthread_cond_wait(&d->committed, &d->lock);
        fm_commands *c = d->first;
        if (!c)
            break;
        d->first = c->next;
        if (!d->first)
            d->last = NULL;
        bool failed = d->failure.status != FM_OK;
        pthread_mutex_unlock(&d->lock);
        fm_error err = {0};
        double start = fm_now();
        fm_status status = failed ? FM_OK : run_list(d, c, &err);
        double seconds = fm_now() - start;
        fm_ticket ticket = c->ticket;
        free_list(c);
        pthread_mutex_lock(&d->lock);
        if (status != FM_OK)
            d->failure = err;
        d->seconds[ticket % SECONDS_KEPT] = seconds;
        d->ended = ticket;
        pthread_cond_broadcast(&d->done);
    }
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

/* ---- encoding ------------------------------------------------------------------------------------------------------
 */

static fm_commands *soft_begin(fm_device *device) {
    fm_commands *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->device = (soft_device *)device;
    return c;
}

static operation *append(fm_commands *c) {
    if (c->count == c->room) {
        uint32_t room = c->room ? 2 * c->room : 32;
        operation *more = realloc(c->operations, room * sizeof *more);
        if (!more) {
            fm_fail(&c->error, FM_NO_MEMORY, "out of memory for a list of commands");
            return NULL;
        }
        c->operations = more;
        c->room = room;
    }
    operation *o = &c->operations[c->count++];
    memset(o, 0, sizeof *o);
    return o;
}

static void soft_barrier(fm_commands *c) {
    append(c);
}

static void soft_after(fm_commands *c, fm_ticket move) {
    operation *o = append(c);
    if (o)
        o->after = move;
}

static fm_status check_arg(const fm_kernel *kernel, uint32_t i, const fm_arg *arg, fm_error *err) {
    const fm_soft_arg *wanted = &kernel->entry->args[i];
    const char *name = kernel->entry->name;
    if ((wanted->kind == FM_SOFT_CONSTANTS) != (arg->buffer == NULL))
        return fm_fail(err, FM_BAD_ARGUMENT, "kernel %s: argument %u, %s, is %s", name, i, wanted->name,
                       arg->buffer ? "constants, not a buffer" : "a buffer, not constants");
    if (!arg->buffer && (arg->bytes != wanted->size || arg->bytes > FM_CONSTANTS_MOST || !arg->constants))
        return fm_fail(err, FM_BAD_ARGUMENT, "kernel %s: %s has %u bytes, %llu were given", name, wanted->name,
                       wanted->size, (unsigned long long)arg->bytes);
    if (arg->buffer && (arg->offset % FM_OFFSET_ALIGN || arg->offset > arg->buffer->bytes ||
                        arg->bytes > arg->buffer->bytes - arg->offset || arg->bytes == 0))
        return fm_fail(err, FM_BAD_ARGUMENT, "kernel %s: %s is bytes %llu to %llu of a buffer of %llu", name,
                       wanted->name, (unsigned long long)arg->offset, (unsigned long long)(arg->offset + arg->bytes),
                       (unsigned long long)arg->buffer->bytes);
    return FM_OK;
}

static void soft_dispatch(fm_commands *c, const fm_kernel *kernel, const fm_arg *args, uint32_t count, fm_groups groups,
                          uint32_t threads) {
    if (c->error.status != FM_OK)
        return;
    if (count != kernel->entry->arg_count)
        fm_fail(&c->error, FM_BAD_ARGUMENT, "kernel %s has %u arguments, %u were given", kernel->entry->name,
                kernel->entry->arg_count, count);
    else if (threads > kernel->threads || threads % FM_SIMD || !threads || !groups.x || !groups.y || !groups.z)
        fm_fail(&c->error, FM_BAD_ARGUMENT, "kernel %s: %u by %u by %u groups of %u threads", kernel->entry->name,
                groups.x, groups.y, groups.z, threads);
    for (uint32_t i = 0; i < count && c->error.status == FM_OK; i++)
        check_arg(kernel, i, &args[i], &c->error);
    operation *o = c->error.status == FM_OK ? append(c) : NULL;
    if (!o)
        return;
    *o = (operation){.kernel = kernel, .groups = groups, .threads = threads, .args = count};
    for (uint32_t i = 0; i < count; i++) {
        o->arg[i].bytes = args[i].bytes;
        if (args[i].buffer) {
            o->arg[i].memory = memory_of(args[i].buffer) + args[i].offset;
            continue;
        }
        o->arg[i].owned = true;
        o->arg[i].memory = malloc(args[i].bytes);
        if (o->arg[i].memory)
            memcpy(o->arg[i].memory, args[i].constants, args[i].bytes);
        else
            fm_fail(&c->error, FM_NO_MEMORY, "out of memory for constants");
    }
}

static fm_ticket soft_commit(fm_commands *c) {
    soft_device *d = c->device;
    pthread_mutex_lock(&d->lock);
    fm_ticket ticket = c->ticket = ++d->next_ticket;
    *(d->last ? &d->last->next : &d->first) = c;
    d->last = c;
    pthread_cond_signal(&d->committed);
    pthread_mutex_unlock(&d->lock);
    return ticket;
}

static bool soft_ended(fm_device *device, fm_ticket ticket) {
    soft_device *d = (soft_device *)device;
    pthread_mutex_lock(&d->lock);
    bool ended = d->ended >= ticket;
    pthread_mutex_unlock(&d->lock);
    return ended;
}

static fm_status soft_wait(fm_device *device, fm_ticket ticket, fm_error *err) {
    soft_device *d = (soft_device *)device;
    pthread_mutex_lock(&d->lock);
    while (d->ended < ticket)
        pthread_cond_wait(&d->done, &d->lock);
    fm_status status = d->failure.status;
    if (status != FM_OK && err)
        *err = d->failure;
    pthread_mutex_unlock(&d->lock);
    return status;
}

static double soft_seconds(fm_device *device, fm_ticket ticket) {
    soft_device *d = (soft_device *)device;
    pthread_mutex_lock(&d->lock);
    bool known = ticket <= d->ended && ticket + SECONDS_KEPT > d->ended;
    double seconds = known ? d->seconds[ticket % SECONDS_KEPT] : -1;
    pthread_mutex_unlock(&d->lock);
    return seconds;
}

/* ---- memory and kernels ------------------------------------------------------------------------------------------
 */

typedef struct soft_buffer {
    fm_buffer base;
    bool wrapped;
} soft_buffer;

static fm_status make_buffer(fm_device *device, void *memory, uint64_t bytes, bool wrapped, bool seen, fm_buffer **out,
                             fm_error *err) {
    soft_buffer *b = memory ? calloc(1, sizeof *b) : NULL;
    if (!b) {
        if (!wrapped)
            fm_pages_free(memory, (size_t)bytes);
        return fm_fail(err, FM_NO_MEMORY, "the system refused %llu bytes for the soft device",
                       (unsigned long long)bytes);
    }
    *b = (soft_buffer){{device, bytes, seen ? memory : NULL, (uint64_t)(uintptr_t)memory}, wrapped};
    *out = &b->base;
    return FM_OK;
}

static fm_status soft_buffer_new(fm_device *device, uint64_t bytes, fm_memory memory, bool by_address, fm_buffer **out,
                                 fm_error *err) {
    (void)by_address;
    bool seen = device->limits.unified || memory != FM_PRIVATE;
    return make_buffer(device, fm_pages_new((size_t)bytes), bytes, false, seen, out, err);
}

static fm_status soft_buffer_wrap(fm_device *device, void *pages, uint64_t bytes, fm_buffer **out, fm_error *err) {
    return make_buffer(device, pages, bytes, true, true, out, err);
}

static void soft_buffer_free(fm_buffer *buffer) {
    if (!((soft_buffer *)buffer)->wrapped)
        fm_pages_free(memory_of(buffer), (size_t)buffer->bytes);
    free(buffer);
}

static fm_status soft_upload(fm_buffer *b, uint64_t offset, const void *src, uint64_t bytes, fm_error *err) {
    (void)err;
    memcpy(memory_of(b) + offset, src, (size_t)bytes);
    return FM_OK;
}

static fm_status soft_download(const fm_buffer *b, uint64_t offset, void *dst, uint64_t bytes, fm_error *err) {
    (void)err;
    memcpy(dst, memory_of(b) + offset, (size_t)bytes);
    return FM_OK;
}

static fm_status soft_copy(fm_buffer *to, uint64_t to_offset, const fm_buffer *from, uint64_t from_offset,
                           uint64_t bytes, fm_error *err) {
    return soft_upload(to, to_offset, memory_of(from) + from_offset, bytes, err);
}

static fm_ticket soft_move_begin(fm_buffer *to, uint64_t to_offset, const fm_buffer *from, uint64_t from_offset,
                                 uint64_t bytes, bool up, fm_ticket after) {
    (void)up, (void)after; /* all of them are done in order */
    return soft_moves_begin(((soft_device *)to->device)->moves, memory_of(to) + to_offset,
                            memory_of(from) + from_offset, (size_t)bytes);
}

static bool soft_move_ended(fm_device *device, fm_ticket move) {
    return soft_moves_ended(((soft_device *)device)->moves, move);
}

static void soft_move_wait(fm_device *device, fm_ticket move) {
    soft_moves_wait(((soft_device *)device)->moves, move);
}

static fm_status soft_kernel_get(fm_device *device, const char *name, const fm_constant *constants, uint32_t count,
                                 uint32_t threads, fm_kernel **out, fm_error *err) {
    soft_device *d = (soft_device *)device;
    const fm_soft_kernel *entry = NULL;
    for (uint32_t i = 0; i < d->entry_count; i++)
        if (strcmp(d->entries[i].name, name) == 0)
            entry = &d->entries[i];
    if (!entry)
        return fm_fail(err, FM_UNSUPPORTED, "the shaders have no kernel %s", name);
    size_t shared = 0;
    for (uint32_t i = 0; i < entry->shared_count; i++)
        shared += entry->shared[i];
    if (shared > device->limits.group_memory || threads > device->limits.threads_most)
        return fm_fail(err, FM_UNSUPPORTED, "kernel %s: %zu bytes of threadgroup memory and %u threads exceed Metal's",
                       name, shared, threads);
    int32_t values[CONSTANTS_KEPT] = {0};
    for (uint32_t i = 0; i < d->constant_count; i++)
        for (uint32_t c = 0; c < count; c++)
            if (strcmp(d->constant_names[i], constants[c].name) == 0)
                values[i] = constants[c].value;
    for (fm_kernel *k = d->kernels; k; k = k->next)
        if (k->entry == entry && k->threads == threads && memcmp(k->constants, values, sizeof values) == 0) {
            *out = k;
            return FM_OK;
        }
    fm_kernel *k = calloc(1, sizeof *k);
    if (!k)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for a kernel");
    *k = (fm_kernel){.next = d->kernels, .entry = entry, .threads = threads};
    memcpy(k->constants, values, sizeof values);
    *out = d->kernels = k;
    return FM_OK;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static void soft_close(fm_device *device) {
    soft_device *d = (soft_device *)device;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    pthread_cond_broadcast(&d->committed);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->worker, NULL);
    soft_moves_free(d->moves);
    while (d->kernels) {
        fm_kernel *next = d->kernels->next;
        free(d->kernels);
        d->kernels = next;
    }
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->committed);
    pthread_cond_destroy(&d->done);
    /* The library stays loaded: it costs little, and sanitizers and profilers want its names until the end. */
    free(d);
}

static fm_status load_library(soft_device *d, const char *path, fm_error *err) {
    d->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!d->library)
        return fm_fail(err, FM_UNSUPPORTED, "cannot load the shaders for the soft device: %s", dlerror());
    int (*abi)(void) = NULL;
    const fm_soft_kernel *(*kernels)(uint32_t *) = NULL;
    const char *const *(*constants)(uint32_t *) = NULL;
    *(void **)&abi = dlsym(d->library, "fm_soft_abi");
    *(void **)&kernels = dlsym(d->library, "fm_soft_kernels");
    *(void **)&constants = dlsym(d->library, "fm_soft_constants");
    *(void **)&d->run = dlsym(d->library, "fm_soft_run");
    if (!abi || !kernels || !constants || !d->run || abi() != FM_SOFT_ABI)
        return fm_fail(err, FM_UNSUPPORTED, "%s is not a library of shaders of this version of flashmoe", path);
    d->entries = kernels(&d->entry_count);
    d->constant_names = constants(&d->constant_count);
    if (d->constant_count > CONSTANTS_KEPT)
        return fm_fail(err, FM_UNSUPPORTED, "%s has too many function constants", path);
    return FM_OK;
}

static fm_status soft_open(const fm_device_options *options, fm_device **out, fm_error *err) {
    if (!options->kernels)
        return fm_fail(err, FM_UNSUPPORTED,
                       "the soft device needs the shaders as a library: flashmoe.gpu.build makes it");
    soft_device *d = calloc(1, sizeof *d);
    if (!d)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the soft device");
    extern const fm_device_ops fm_soft_device;
    d->base.ops = &fm_soft_device;
    d->base.limits = (fm_device_limits){
        "soft: the shaders on the CPU", UINT64_MAX / 2, 0, FM_THREADS_MOST, 32 << 10, 4, 0, 0, 0, !options->apart};
    d->order = options->order;
    d->random = options->order;
    fm_status status = load_library(d, options->kernels, err);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->committed, NULL);
    pthread_cond_init(&d->done, NULL);
    if (status == FM_OK && options->apart && !(d->moves = soft_moves_new()))
        status = fm_fail(err, FM_NO_MEMORY, "the system refused a thread for the soft device");
    if (status == FM_OK && pthread_create(&d->worker, NULL, work, d))
        status = fm_fail(err, FM_NO_MEMORY, "the system refused a thread for the soft device");
    if (status != FM_OK) {
        soft_moves_free(d->moves);
        free(d);
        return status;
    }
    *out = &d->base;
    return FM_OK;
}

const fm_device_ops fm_soft_device = {
    .name = "soft",
    .open = soft_open,
    .close = soft_close,
    .buffer_new = soft_buffer_new,
    .buffer_wrap = soft_buffer_wrap,
    .buffer_free = soft_buffer_free,
    .upload = soft_upload,
    .download = soft_download,
    .copy = soft_copy,
    .move_begin = soft_move_begin,
    .move_ended = soft_move_ended,
    .move_wait = soft_move_wait,
    .after = soft_after,
    .kernel_get = soft_kernel_get,
    .begin = soft_begin,
    .dispatch = soft_dispatch,
    .barrier = soft_barrier,
    .commit = soft_commit,
    .ended = soft_ended,
    .wait = soft_wait,
    .seconds = soft_seconds,
};
