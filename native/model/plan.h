/* The memory plan: what a budget is spent on, decided before anything is loaded. */
#ifndef FM_MODEL_PLAN_H
#define FM_MODEL_PLAN_H

#include "spec.h"

/* fm_plan_make for a table that was already checked. */
fm_status fm_plan_for(const fm_table *table, const fm_options *options, fm_plan *plan, fm_error *err);

/* Bytes of one session as planned. */
uint64_t fm_plan_session_bytes(const fm_plan *plan);
/* All of the budget but sessions and cache. */
uint64_t fm_plan_fixed_bytes(const fm_plan *plan);
/* The fewest cache slots with which every call can run. */
uint32_t fm_plan_least_slots(const fm_plan *plan, const fm_table *table);

#endif
