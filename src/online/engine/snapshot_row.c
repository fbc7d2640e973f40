#include "online/engine/snapshot_row.h"

#include "base/assert.h"

/* One value may be a megabyte: then this many and a record's other rows are far below
 * LOG_PAYLOAD_MAX. */
#define ROW_BYTES_MAX ((size_t)64 << 20)

_Static_assert(ROW_NOT_ERASED == LOG_ROW_NOT_ERASED, "one number for both");

static void add_cell(struct snapshot_row *scratch, const struct row *row,
                     const struct row_group *group, uint32_t bit, const struct catalog_slot *slot)
{
    struct log_cell *cell = &scratch->cells[scratch->cell_count++];
    enum row_cell_kind kind = row_group_kind(group, bit);
    bool has_value = kind == ROW_CELL_VALUE || kind == ROW_CELL_BLOB;
    *cell = (struct log_cell){
        .version_id = slot->version_id,
        .event_time_us = row_cell_event_time(row, group, bit),
        .value = {.type = slot->data_type, .is_null = !has_value},
        .is_erased = kind == ROW_CELL_ERASED,
    };
    if (has_value)
        row_cell_value(row, group, bit, slot->data_type, &cell->value);
}

static void collect(struct snapshot_row *scratch, const struct row *row,
                    const struct catalog_entity *entity)
{
    struct row_group group;
    scratch->cell_count = 0;
    for (uint32_t n = 0; row_group_next(row, n, &group); n++)
        for (uint32_t left = group.present; left != 0; left &= left - 1) {
            uint32_t slot = group.index * ROW_GROUP_SLOTS + (uint32_t)__builtin_ctz(left);
            ASSERT(slot < entity->slot_count);
            if (entity->slots[slot].version != NULL)
                add_cell(scratch, row, &group, left & -left, &entity->slots[slot]);
        }
}

/* As many cells from `first` on as make a row; returns behind the last. */
static uint32_t encode_part(const struct snapshot_row *scratch, const struct row *row,
                            uint32_t first, struct buffer *out)
{
    struct log_row_encoder encoder;
    size_t size_max = 0;
    uint32_t end = first;
    while (end < scratch->cell_count && size_max < ROW_BYTES_MAX)
        size_max += log_cell_size_max(&scratch->cells[end++].value);
    log_row_begin(&encoder, out, row_id(row), row->base_event_time_us, row_erased_until(row),
                  end - first, size_max);
    for (uint32_t i = first; i < end; i++)
        log_row_cell(&encoder, &scratch->cells[i]);
    log_row_end(&encoder);
    return end;
}

uint32_t snapshot_row_encode(struct snapshot_row *scratch, const struct row *row,
                             const struct catalog_entity *entity, struct buffer *out)
{
    uint32_t parts = 0;
    uint32_t next = 0;
    collect(scratch, row, entity);
    if (scratch->cell_count == 0 && row_erased_until(row) == ROW_NOT_ERASED)
        return 0;
    do {
        next = encode_part(scratch, row, next, out);
        parts++;
    } while (next < scratch->cell_count);
    return parts;
}
