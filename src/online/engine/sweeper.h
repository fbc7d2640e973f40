/* The maintenance thread: walks the tables at a pace and proposes to the writer the rows that hold
 * something expired, or of a version that is gone; the writer decides. So memory comes back without
 * a reader or the writer ever waiting for a walk.
 *
 * A value is removed when it has been expired for SWEEP_GRACE; until then a reader that asks is told
 * that it expired rather than that it never was. When the store is full the grace is dropped. */
#ifndef FEATURED_ONLINE_ENGINE_SWEEPER_H
#define FEATURED_ONLINE_ENGINE_SWEEPER_H

#include "online/engine/engine_state.h"

#define SWEEP_GRACE_US INT64_C(60000000)

struct sweeper;

/* Gives the engine its sweeper and starts it; the writer runs. */
MUST_CHECK status sweeper_start(struct engine *engine, struct error *error);
void sweeper_stop(struct sweeper *sweeper); /* ends the thread */
void sweeper_destroy(struct sweeper *sweeper); /* NULL is fine */

/* Any thread. The store is full: the next pass begins at once, without pace or grace. Ignored for a
 * second after such a pass, because it has just done what it could. */
void sweeper_hurry(struct sweeper *sweeper);

/* Tests: one whole pass without pace or grace, begun after the call; returns when it is done. */
void sweeper_run_pass(struct sweeper *sweeper);

#endif
