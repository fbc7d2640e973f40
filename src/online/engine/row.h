/* One immutable version of one entity id's values: what readers see as one instant (promise 1).
 *
 * A block of memory without holes, parts in this order, each only if needed:
 *
 *   struct row            16 bytes
 *   struct row_group      × group_count     rows with a slot ≥ 32; only groups that hold a cell
 *   uint32_t              × the planes      other rows: `empty`, `marked`, `own_time`, by flags;
 *                                           padded to 8 bytes
 *   int64_t               erased until      the whole id was erased up to this event time
 *   uint64_t              × values          in order of slot; cells without a value take none
 *   int64_t               × own times       of cells whose event time is not the base one
 *   bytes                                   texts and embeddings of up to ROW_INLINE_MAX bytes
 *   bytes                                   the entity id
 *
 * Four plain features written together with an id of 11 bytes are 59 bytes: one cache line, one
 * 64-byte size class (goal 9).
 *
 * A row describes itself as far as freeing goes; what a value's 8 bytes mean is the slot's data
 * type, which the catalog knows. `present`, `empty` and `marked` tell five kinds of cells apart: */
#ifndef FEATURED_ONLINE_ENGINE_ROW_H
#define FEATURED_ONLINE_ENGINE_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "model/catalog.h"
#include "model/cell.h"
#include "model/cell_rule.h"
#include "model/limits.h"
#include "online/engine/blob.h"

enum row_cell_kind { /* what the planes encode: bit 0 is `empty`, bit 1 is `marked` */
    ROW_CELL_VALUE = 0,  /* 8 bytes: the value itself, or offset and length of its bytes */
    ROW_CELL_NULL = 1,
    ROW_CELL_BLOB = 2,   /* 8 bytes: a struct blob * */
    ROW_CELL_ERASED = 3, /* was erased; its event time says up to when */
    ROW_CELL_ABSENT,
};

#define ROW_INLINE_MAX 32u
#define ROW_GROUP_SLOTS 32u
#define ROW_GROUPS_MAX (LIMIT_SLOTS_PER_ENTITY / ROW_GROUP_SLOTS)
#define ROW_NOT_ERASED INT64_MIN

/* 32 slots of the row schema. */
struct row_group {
    uint32_t present;
    uint32_t empty;
    uint32_t marked;
    uint32_t own_time;
    uint16_t index;          /* its first slot is index × 32 */
    uint16_t values_before;  /* in the groups before it */
    uint16_t own_times_before;
    uint16_t unused;
};

struct row {
    int64_t base_event_time_us;
    uint32_t present; /* slots 0 … 31; 0 if there are groups */
    uint16_t id_len;
    uint8_t flags;
    uint8_t group_count;
};

/* Releases its blobs and frees it; takes its memory from *memory_bytes. The writer's thread. */
void row_destroy(struct row *row, uint64_t *memory_bytes);

bool row_has_id(const struct row *row, str entity_id);
str row_id(const struct row *row);
int64_t row_erased_until(const struct row *row);
/* The n-th group of 32 slots that the row holds; false beyond the last. */
bool row_group_next(const struct row *row, uint32_t n, struct row_group *out);

enum row_cell_kind row_group_kind(const struct row_group *group, uint32_t bit);
int64_t row_cell_event_time(const struct row *row, const struct row_group *group, uint32_t bit);
/* Of a cell of kind VALUE or BLOB whose slot has this type; borrows from the row. */
void row_cell_value(const struct row *row, const struct row_group *group, uint32_t bit,
                    enum data_type type, struct value *out);

/* What a reader is told of each of `versions`, by the clock `now_us`. Values borrow from the row. */
void row_read(const struct row *row, const struct catalog_version *const *versions, uint32_t count,
              int64_t now_us, struct cell *out);

#endif
