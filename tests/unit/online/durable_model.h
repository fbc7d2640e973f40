/* Compares an engine with the list of what was asked of it. */
#ifndef FEATURED_TESTS_DURABLE_MODEL_H
#define FEATURED_TESTS_DURABLE_MODEL_H

#include "durable_world.h"

/* The engine holds exactly what was acknowledged. */
void model_check_now(struct world *world);

/* After a recovery: the engine holds exactly the first k events, for some k ≥ `promised` (failed
 * ones are not among them). Which: what follows is forgotten, the rest counts as acknowledged. */
void model_check_recovered(struct world *world, uint32_t promised);

/* Events up to and with the last acknowledged one whose sequence is below `unsynced`. */
uint32_t model_promised(const struct world *world, uint64_t unsynced);

/* Forgets events that were answered with a failure. */
void model_drop_failed(struct world *world);

#endif
