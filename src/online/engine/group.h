/* The rows that a group of requests will publish: prepared with everything allocated, not yet
 * visible, and seen by the records that follow in the same group.
 *
 * A record stages its rows one by one; then they are kept or undone together, so that a record is
 * all or nothing. Publishing a group cannot fail. The writer's thread. */
#ifndef FEATURED_ONLINE_ENGINE_GROUP_H
#define FEATURED_ONLINE_ENGINE_GROUP_H

#include "online/engine/table.h"

struct group_row {
    struct table *table;
    uint64_t hash;
    str entity_id;         /* borrowed until the group is over */
    struct row *held;      /* in the table; NULL: absent */
    struct row *prepared;  /* what it becomes; == held: unchanged; NULL: removed */
    struct row *staged;    /* what the present record makes of it, if is_staged */
    bool is_staged;
    bool is_reserved; /* room in the table */
};

struct group {
    struct table_memory memory;
    struct group_row *rows;
    uint32_t row_count;
    uint32_t capacity;
    uint32_t *index; /* row number + 1 by hash, open addressing, 2 × capacity; 0: free */
    uint32_t *staged; /* row numbers */
    uint32_t staged_count;
};

void group_init(struct group *group, struct epoch_limbo *limbo, uint64_t *memory_bytes);
void group_fini(struct group *group); /* without a row: published or given up */

/* The row of this id, found or begun; valid until the next call. NULL without memory. */
struct group_row *group_row_of(struct group *group, struct table *table, str entity_id);

/* What the next change of the row starts from; NULL: no row. */
static inline const struct row *group_row_current(const struct group_row *row)
{
    return row->is_staged ? row->staged : row->prepared;
}

/* The row becomes `row` (NULL: none), which is the group's from now on, even on failure. See
 * table_reserve() for budget and failures. */
MUST_CHECK status group_stage(struct group *group, struct group_row *at, struct row *row,
                              uint64_t budget_bytes);
void group_keep_staged(struct group *group);
void group_undo_staged(struct group *group);

/* Makes the rows visible, retires those they replace; returns the change in the number of rows. The
 * group is empty afterwards. */
int64_t group_publish(struct group *group);
/* What its own arrays occupy. */
uint64_t group_memory_bytes(const struct group *group);
/* Gives the rows up instead: nothing has happened. Cannot fail. */
void group_abandon(struct group *group);

#endif
