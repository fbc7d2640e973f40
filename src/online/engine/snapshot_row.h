/* A row of the tables as a snapshot keeps it (log/log_row.h). */
#ifndef FEATURED_ONLINE_ENGINE_SNAPSHOT_ROW_H
#define FEATURED_ONLINE_ENGINE_SNAPSHOT_ROW_H

#include "log/log_row.h"
#include "online/engine/row.h"

/* Big: its owner keeps one and uses it again. */
struct snapshot_row {
    uint32_t cell_count;
    struct log_cell cells[LIMIT_SLOTS_PER_ENTITY];
};

/* Appends what the row holds of versions that `entity` knows; returns as how many rows: one, none
 * if that is nothing, several if one would be too long for a record (they are merged when they are
 * loaded). The image of `entity` is at least as new as the row. */
uint32_t snapshot_row_encode(struct snapshot_row *scratch, const struct row *row,
                             const struct catalog_entity *entity, struct buffer *out);

#endif
