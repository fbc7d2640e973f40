/* The snapshot thread: writes the live tables to DATA/snapshot in the background, without stopping
 * readers or the writer, and then lets old segments of the log go (design.md §6).
 *
 * What it needs of one instant (start LSN, statistics, clock) it asks of the writer:
 * writer_submit_snapshot(). Rows may be newer; the newest change they can hold is at most
 * `written_lsn` of log_writer_metrics() after the walk, because the log comes before the tables. */
#ifndef FEATURED_ONLINE_ENGINE_SNAPSHOT_H
#define FEATURED_ONLINE_ENGINE_SNAPSHOT_H

#include "online/engine/engine_state.h"

struct snapshotter;

/* Gives the engine its snapshot thread and starts it; only with a directory. The writer runs. It
 * does nothing until engine_state() is ENGINE_READY; then engine->log and engine->recovery are
 * there. */
MUST_CHECK status snapshotter_start(struct engine *engine, struct error *error);
/* Ends the thread; a snapshot that it is at is given up. If the store is ready and something was
 * written since the last one, writes one more on this thread: the writer still runs, and nobody
 * submits writes any more. NULL is fine. */
void snapshotter_stop(struct snapshotter *snapshotter);
void snapshotter_destroy(struct snapshotter *snapshotter);

/* Any thread: a snapshot as soon as may be; its failure is tried again as others are. NULL is
 * fine: nothing happens. */
void snapshotter_request(struct snapshotter *snapshotter);
/* Any thread, offline, while the store is ready: writes one now (tests, and closing). */
MUST_CHECK status snapshotter_run(struct snapshotter *snapshotter, struct error *error);
/* Any thread: the fields of snapshots. */
void snapshotter_metrics(struct snapshotter *snapshotter, struct online_durability *out);

#endif
