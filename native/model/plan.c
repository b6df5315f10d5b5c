#include "plan.h"

#include "../base/error.h"
#include "../base/system.h"
#include "../cpu/kernels.h"
#include "../stream/layout.h"
#include "../stream/reader.h"
#include "backend.h"
#include "model.h"

#include <math.h>
#include <string.h>

/* Reads under way at most. A laptop's NVMe needs about eight for its full rate; slower disks lose nothing. */
enum { READ_THREADS = 8 };
/* Places in memory of the host that experts are read into on their way to a card, at least. */
enum { HOST_SLOTS_LEAST = 2 * READ_THREADS };
/* Tokens of one product: enough to make a weight's unpacking negligible. */
enum { CHUNK_MOST = 128, CHUNK_LEAST = 8 };
/* Tokens that go through a layer together: more means fewer passes over the experts for a long prompt. */
enum { SWEEP_MOST = 16384 };
/* A GPU wants more tokens at once, and keeps every expert's result of a block apart. */
enum { GPU_CHUNK_MOST = 1024, GPU_SWEEP_MOST = 4096 };
/* Without a wish, a session's context takes at most this share of what is left beside the dense weights. */
enum { CONTEXT_SHARE = 8, CONTEXT_MOST = 32768, CONTEXT_LEAST = 512 };
/* Likewise the activations. */
enum { SCRATCH_SHARE = 8 };

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}
static uint32_t halve(uint32_t value, uint32_t least) {
    return value / 2 > least ? value / 2 : least;
}

uint64_t fm_plan_session_bytes(const fm_plan *p) {
    return p->session_fixed + p->session_context;
}

uint64_t fm_plan_fixed_bytes(const fm_plan *p) {
    return p->dense + p->scratch + (p->apart ? 0 : p->readers);
}

uint32_t fm_plan_least_slots(const fm_plan *plan, const fm_table *table) {
    uint32_t k = plan->experts_per_token > 2 ? plan->experts_per_token : 2;
    uint64_t all = (uint64_t)table->config.layers * table->config.experts;
    return k < all ? k : (uint32_t)all;
}

/* Fills the sizes that follow from context, sweep and chunk; returns all but the cache. */
static uint64_t measure(const fm_table *table, fm_plan *plan) {
    fm_backend_sizes sizes;
    (plan->gpu ? fm_gpu_sizes : fm_cpu_sizes)(table, plan, &sizes);
    plan->dense = sizes.dense;
    plan->scratch = sizes.scratch + fm_routing_bytes(&table->config, plan) + plan->sweep * sizeof(fm_stretch);
    plan->session_fixed = sizes.session_fixed;
    plan->session_context = sizes.session_context;
    return fm_plan_fixed_bytes(plan) + fm_plan_session_bytes(plan);
}

/* The bytes that a decoded token reads: every expert that it picks, every dense matrix once, one embedding row. */
static void measure_token(const fm_table *table, fm_plan *plan) {
    const fm_config *c = &table->config;
    plan->experts_total = plan->expert_bytes_per_token = 0;
    for (uint32_t l = 0; l < c->layers; l++) {
        uint64_t expert = 0;
        for (int m = 0; m < FM_EXPERT_MATRICES; m++) {
            const fm_format *f = &table->experts[l].matrix[m];
            expert += fm_format_weight_bytes(f) + 2 * fm_format_scale_bytes(f);
        }
        plan->experts_total += expert * c->experts;
        plan->expert_bytes_per_token += expert * plan->experts_per_token;
    }
    const fm_format *embed = &fm_table_tensor(table, FM_EMBED, -1)->format;
    uint64_t embed_bytes = fm_format_weight_bytes(embed) + 2 * fm_format_scale_bytes(embed);
    plan->dense_bytes_per_token = plan->dense - (c->tied_head ? 0 : embed_bytes);
}

static fm_status check_options(const fm_table *table, const fm_options *o, fm_error *err) {
    const fm_config *c = &table->config;
    if (o->context > c->max_context)
        return fm_fail(err, FM_BAD_ARGUMENT, "a context of %u was asked for; this model goes up to %u", o->context,
                       c->max_context);
    if (o->experts_per_token > c->experts)
        return fm_fail(err, FM_BAD_ARGUMENT, "%u experts a token were asked for; a layer has %u", o->experts_per_token,
                       c->experts);
    if (o->threads > 1024)
        return fm_fail(err, FM_BAD_ARGUMENT, "%u threads were asked for; at most 1024 make sense", o->threads);
    if (!fm_kernels_find(o->kernels))
        return fm_fail(err, FM_UNSUPPORTED, "kernels '%s' do not exist for this processor", o->kernels);
    return FM_OK;
}

static const double MIB = 1024.0 * 1024.0;

static fm_status over_budget(const fm_plan *p, fm_error *err) {
    return fm_fail(err, FM_OVER_BUDGET,
                   "a memory budget of %.1f MiB is too small for this model: the smallest that works is %.1f MiB "
                   "(dense weights %.1f, a session of %u tokens %.1f, scratch %.1f, read buffers %.1f, and %u experts "
                   "%.1f)",
                   (double)p->budget / MIB, ceil((double)p->smallest / MIB * 10) / 10, (double)p->dense / MIB,
                   p->context, (double)fm_plan_session_bytes(p) / MIB, (double)p->scratch / MIB,
                   (double)p->readers / MIB, p->cache_slots, (double)p->cache / MIB);
}

fm_status fm_plan_for(const fm_table *table, const fm_options *options, fm_plan *p, fm_error *err) {
    const fm_config *c = &table->config;
    memset(p, 0, sizeof *p);
    fm_status status = check_options(table, options, err);
    if (status != FM_OK)
        return status;
    p->budget = options->memory;
    p->threads = options->threads ? options->threads : fm_core_count();
    p->experts_per_token = options->experts_per_token ? options->experts_per_token : c->experts_per_token;
    p->read_threads = READ_THREADS;
    p->gpu = options->backend && strcmp(options->backend, "cpu") != 0;
    /* The soft device stands for a card when it is given memory of the host beside its own. */
    p->apart = p->gpu && (strcmp(options->backend, "cuda") == 0 || options->host_memory);
    p->kernels = fm_kernels_find(options->kernels)->name;
    uint64_t staging;
    p->slot = fm_slot_bytes(table->experts, c->layers, &staging);
    if (p->apart) /* where every part is read to first */
        staging = fm_largest_part(table->experts, c->layers);
    p->readers = fm_reader_bytes(p->read_threads, (size_t)staging);

    /* The smallest: least context, least sweep, least cache. */
    uint32_t most_context = options->context ? options->context : smaller(c->max_context, CONTEXT_MOST);
    uint32_t least_context = options->context ? options->context : smaller(c->max_context, CONTEXT_LEAST);
    uint32_t least_slots = fm_plan_least_slots(p, table);
    p->context = least_context;
    p->sweep = p->chunk = smaller(CHUNK_LEAST, p->context);
    uint64_t least = measure(table, p);
    p->cache_slots = least_slots;
    p->cache = least_slots * p->slot;
    p->smallest = least + p->cache;
    measure_token(table, p);
    if (p->budget < p->smallest)
        return over_budget(p, err);

    /* Then more of everything, in turn, each as far as its share of what is left goes. */
    uint64_t spare = p->budget - p->smallest, least_kv = p->session_context, least_scratch = p->scratch;
    uint32_t least_chunk = p->chunk;
    for (p->context = most_context; p->context > least_context; p->context = halve(p->context, least_context)) {
        measure(table, p);
        if (p->session_context - least_kv <= spare / CONTEXT_SHARE)
            break;
    }
    for (p->chunk = smaller(p->gpu ? GPU_CHUNK_MOST : CHUNK_MOST, p->context); p->chunk > least_chunk;
         p->chunk = halve(p->chunk, least_chunk)) {
        p->sweep = p->chunk;
        measure(table, p);
        if (p->scratch - least_scratch <= spare / SCRATCH_SHARE)
            break;
    }
    for (p->sweep = smaller(p->gpu ? GPU_SWEEP_MOST : SWEEP_MOST, p->context); p->sweep > p->chunk;
         p->sweep = halve(p->sweep, p->chunk)) {
        measure(table, p);
        if (p->scratch - least_scratch <= spare / SCRATCH_SHARE)
            break;
    }
    uint64_t fixed = measure(table, p);
    uint64_t all_slots = (uint64_t)c->layers * c->experts;
    uint64_t slots = p->budget > fixed ? (p->budget - fixed) / p->slot : 0;
    p->cache_slots = (uint32_t)(slots < all_slots ? slots : all_slots);
    p->cache = p->cache_slots * p->slot;
    if (p->apart) {
        uint64_t most = p->cache_slots < all_slots ? all_slots : HOST_SLOTS_LEAST;
        uint64_t host = options->host_memory > p->readers ? (options->host_memory - p->readers) / p->slot : 0;
        host = host < most ? host : most;
        p->host_slots = host > HOST_SLOTS_LEAST ? (uint32_t)host : HOST_SLOTS_LEAST;
        p->host = p->host_slots * p->slot;
    }
    measure_token(table, p);
    return FM_OK;
}

fm_status fm_plan_make(const fm_spec *spec, const fm_options *options, fm_plan *plan, fm_error *err) {
    fm_table *table;
    fm_status status = fm_table_new(spec, &table, err);
    if (status != FM_OK)
        return status;
    status = fm_plan_for(table, options, plan, err);
    fm_table_free(table);
    return status;
}
