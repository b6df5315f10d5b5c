/* Which slot of the cache to give up next.
 *
 * Every expert has a score: how often it was chosen, a choice of some tokens ago counting half as much as one of now.
 * The slot with the lowest score goes first. So recency decides between experts that were chosen equally often, and
 * frequency where the cache holds less than a token needs, where the least recently used slot is the very one that is
 * needed next. Scores are kept for experts that are not in the cache too.
 *
 * Not thread-safe: the cache's lock covers it. */
#ifndef FM_STREAM_POLICY_H
#define FM_STREAM_POLICY_H

#include "flashmoe.h"

typedef struct fm_policy fm_policy;

/* Scores of slots that hold nothing, and of slots that are about to be asked for. */
#define FM_SCORE_EMPTY (-HUGE_VAL)
#define FM_SCORE_AHEAD HUGE_VAL

/* k: experts that a token asks of a layer. NULL when memory is short. */
fm_policy *fm_policy_new(uint32_t layers, uint32_t experts, uint32_t k, uint32_t slots);
void fm_policy_free(fm_policy *p);

/* What the router of a layer chose for consecutive tokens: ids [tokens][k]. Layer 0 begins a pass, and so moves time.
 */
void fm_policy_chosen(fm_policy *p, uint32_t layer, const int32_t *ids, uint32_t tokens, uint32_t k);
double fm_policy_score(const fm_policy *p, uint32_t layer, int32_t expert);

/* The slots that may be given up: a slot is offered with its score (again to change it), and withdrawn. */
void fm_policy_offer(fm_policy *p, int32_t slot, double score);
void fm_policy_withdraw(fm_policy *p, int32_t slot);
/* The slot with the lowest score; -1 when none is offered. */
int32_t fm_policy_lowest(const fm_policy *p);

#endif
