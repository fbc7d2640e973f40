/* The ids of one entity's table, in the order of their hashes and some at a time. A cursor is the
 * hash to go on from, in hex: it says nothing about arrays, so growth in between makes no scan miss an
 * id or see one twice. After a restart hashes are others: it begins with a mark of their seed, and
 * one of another process is refused. */
#ifndef FEATURED_ONLINE_ENGINE_SCAN_H
#define FEATURED_ONLINE_ENGINE_SCAN_H

#include "online/engine/table.h"
#include "online/online.h"

/* What becomes of scan->status: OK, INVALID for a cursor that is none, OUT_OF_MEMORY. `table` may
 * be NULL: nothing was ever written. Any thread that is online. */
MUST_CHECK status scan_table(const struct table *table, struct online_scan *scan);

#endif
