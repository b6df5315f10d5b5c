#include "source.h"

#include "../base/error.h"
#include "../base/system.h"

#include <stdlib.h>
#include <string.h>

fm_status fm_experts_new(fm_experts **out, const fm_experts_options *options, fm_error *err) {
    fm_experts *src = calloc(1, sizeof *src);
    if (!src)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the expert cache");
    src->o = *options;
    src->slots_made = options->slots;
    pthread_mutex_init(&src->lock, NULL);
    pthread_cond_init(&src->to_read, NULL);
    pthread_cond_init(&src->arrived, NULL);
    uint64_t staging;
    src->slot_bytes = fm_slot_bytes(options->tables, options->layers, &staging);
    size_t experts = (size_t)options->layers * options->experts;
    src->memory = options->memory ? options->memory : fm_pages_new(src->slots_made * src->slot_bytes);
    src->slots = calloc(src->slots_made, sizeof *src->slots);
    src->where = malloc(experts * sizeof *src->where);
    src->asked = calloc(experts, sizeof *src->asked);
    src->reads = calloc(experts, sizeof *src->reads);
    src->places = calloc((size_t)options->layers * FM_EXPERT_PARTS, sizeof *src->places);
    src->queue = calloc(src->slots_made, sizeof *src->queue);
    src->wishes.ids = calloc(options->experts, sizeof *src->wishes.ids);
    src->wishes.cold = calloc(options->experts, 1);
    src->trust = calloc(options->experts_per_token, sizeof *src->trust);
    src->request.ids = calloc(options->experts, sizeof *src->request.ids);
    src->request.slot = calloc(options->experts, sizeof *src->request.slot);
    src->request.acquired = calloc(options->experts, 1);
    src->request.missed = calloc(options->experts, 1);
    src->policy = fm_policy_new(options->layers, options->experts, options->experts_per_token, options->slots);
    if (!src->memory || !src->slots || !src->where || !src->asked || !src->reads || !src->places || !src->queue ||
        !src->wishes.ids || !src->wishes.cold || !src->trust || !src->request.ids || !src->request.slot ||
        !src->request.acquired || !src->request.missed || !src->policy) {
        fm_experts_free(src);
        return fm_fail(err, FM_NO_MEMORY, "the system refused %llu bytes for the expert cache",
                       (unsigned long long)(options->slots * src->slot_bytes));
    }
    for (size_t i = 0; i < experts; i++)
        src->where[i] = FM_NONE;
    for (uint32_t rank = 0; rank < options->experts_per_token; rank++)
        src->trust[rank] = 0.5; /* try them */
    for (uint32_t l = 0; l < options->layers; l++) {
        uint64_t ignored = 0;
        fm_place_parts(&options->tables[l], &src->places[l * FM_EXPERT_PARTS], &ignored);
        /* Slots of the second tier are moved whole, so parts lie in them as in the cache, which a card wants aligned.
         */
        for (int p = 0; fm_tier_has(src) && p < FM_EXPERT_PARTS; p++)
            src->places[l * FM_EXPERT_PARTS + (uint32_t)p].in_place = false;
    }
    if (fm_tier_has(src))
        staging = fm_largest_part(options->tables, options->layers);
    src->ahead = FM_NONE;
    for (uint32_t i = 0; i < src->slots_made; i++) {
        src->slots[i].layer = src->slots[i].expert = src->slots[i].host = FM_NONE;
        fm_slot_offer(src, (int32_t)i);
    }
    fm_reader_client client = {src, fm_slots_next_read, fm_slots_read_done};
    fm_reader_options reading = {options->threads, (size_t)staging, options->direct,
                                 options->direct && options->ring && !fm_tier_has(src)};
    fm_status status = fm_tier_has(src) ? fm_tier_new(src, err) : FM_OK;
    if (status == FM_OK)
        status = fm_reader_start(&src->reader, &reading, &client, err);
    if (status != FM_OK) {
        fm_experts_free(src);
        return status;
    }
    *out = src;
    return FM_OK;
}

void fm_experts_free(fm_experts *src) {
    if (!src)
        return;
    pthread_mutex_lock(&src->lock);
    src->stop = true;
    pthread_cond_broadcast(&src->to_read);
    pthread_mutex_unlock(&src->lock);
    fm_reader_stop(src->reader);
    if (fm_tier_has(src))
        fm_tier_free(src);
    if (!src->o.memory)
        fm_pages_free(src->memory, src->slots_made * src->slot_bytes);
    free(src->slots);
    free(src->where);
    free(src->asked);
    free(src->reads);
    free(src->places);
    free(src->queue);
    free(src->wishes.ids);
    free(src->wishes.cold);
    free(src->trust);
    free(src->request.ids);
    free(src->request.slot);
    free(src->request.acquired);
    free(src->request.missed);
    fm_policy_free(src->policy);
    pthread_mutex_destroy(&src->lock);
    pthread_cond_destroy(&src->to_read);
    pthread_cond_destroy(&src->arrived);
    free(src);
}

void fm_experts_resize(fm_experts *src, uint32_t slots) {
    pthread_mutex_lock(&src->lock);
    src->wishes.n = src->wishes.next = 0;
    while (src->reading) /* a prefetch may be under way */
        pthread_cond_wait(&src->arrived, &src->lock);
    if (slots > src->slots_made)
        slots = src->slots_made;
    for (uint32_t i = slots; i < src->o.slots; i++) {
        fm_policy_withdraw(src->policy, (int32_t)i);
        fm_slot_forget(src, (int32_t)i);
    }
    for (uint32_t i = src->o.slots; i < slots; i++)
        fm_slot_offer(src, (int32_t)i);
    if (slots < src->o.slots && !src->o.memory) /* else its owner may have mapped it elsewhere too */
        fm_pages_discard(src->memory + slots * src->slot_bytes, (src->o.slots - slots) * src->slot_bytes);
    src->o.slots = slots;
    pthread_mutex_unlock(&src->lock);
}

bool fm_experts_all(fm_experts *src, uint64_t *changes) {
    pthread_mutex_lock(&src->lock);
    bool all = src->ready == src->o.layers * src->o.experts;
    *changes = src->changes;
    pthread_mutex_unlock(&src->lock);
    return all;
}

void fm_experts_view_of(fm_experts *src, uint32_t layer, int32_t expert, fm_expert_view *view) {
    pthread_mutex_lock(&src->lock);
    int32_t slot = *fm_slot_of(src, layer, expert);
    for (int p = 0; p < FM_EXPERT_PARTS; p++)
        view->part[p] = fm_slot_part(src, slot, layer, expert, p);
    view->ticket = src->slots[slot].up;
    view->raw = &src->slots[slot].raw;
    pthread_mutex_unlock(&src->lock);
}

void fm_experts_used(fm_experts *src, uint32_t layer, const int32_t *ids, uint32_t k) {
    pthread_mutex_lock(&src->lock);
    fm_policy_chosen(src->policy, layer, ids, 1, k);
    for (uint32_t i = 0; i < k; i++)
        src->asked[(size_t)layer * src->o.experts + (size_t)ids[i]]++;
    src->stats.hits += k;
    pthread_mutex_unlock(&src->lock);
}

void fm_experts_stats_get(fm_experts *src, fm_experts_stats *stats) {
    pthread_mutex_lock(&src->lock);
    *stats = src->stats;
    if (src->under_way)
        stats->seconds_disk += fm_now() - src->under_way_since;
    pthread_mutex_unlock(&src->lock);
}

void fm_experts_map(fm_experts *src, uint32_t *asked, uint32_t *reads, uint8_t *resident) {
    size_t experts = (size_t)src->o.layers * src->o.experts;
    pthread_mutex_lock(&src->lock);
    memcpy(asked, src->asked, experts * sizeof *asked);
    memcpy(reads, src->reads, experts * sizeof *reads);
    for (size_t i = 0; i < experts; i++)
        resident[i] = src->where[i] != FM_NONE && src->slots[src->where[i]].state == READY;
    pthread_mutex_unlock(&src->lock);
}
