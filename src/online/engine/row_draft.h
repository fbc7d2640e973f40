/* A row being put together by the writer: changed cell by cell, then made into a row. */
#ifndef FEATURED_ONLINE_ENGINE_ROW_DRAFT_H
#define FEATURED_ONLINE_ENGINE_ROW_DRAFT_H

#include "online/engine/row.h"

/* A row being put together: one entry per slot, so that any order of changes is cheap. Big; its
 * owner (the writer) keeps one and reuses it. Borrows ids, texts and blobs. */
struct row_draft_cell {
    int64_t event_time_us;
    enum row_cell_kind kind; /* ABSENT never occurs: see `present` */
    bool has_bytes;          /* VALUE only: `bytes` instead of `bits`; becomes a blob if too long */
    union {
        uint64_t bits;
        str bytes;
        struct blob *blob;
    };
};

struct row_draft {
    str entity_id;
    int64_t erased_until_us; /* or ROW_NOT_ERASED */
    uint32_t group_bound;    /* groups from here on are empty */
    uint32_t present[ROW_GROUPS_MAX];
    struct row_draft_cell cells[LIMIT_SLOTS_PER_ENTITY];
};

void row_draft_begin(struct row_draft *draft, str entity_id);
/* Begins with what `row` holds; the slots of `entity` give the types. */
void row_draft_begin_with(struct row_draft *draft, const struct row *row,
                          const struct catalog_entity *entity);
struct row_draft_cell *row_draft_find(struct row_draft *draft, uint32_t slot); /* NULL: absent */
/* The cell, present from now on; the caller fills it. */
struct row_draft_cell *row_draft_put(struct row_draft *draft, uint32_t slot);
void row_draft_remove(struct row_draft *draft, uint32_t slot);
bool row_draft_is_empty(const struct row_draft *draft); /* no cell and no erasure */
/* Sets the cell's value, borrowed. */
void row_draft_cell_set(struct row_draft_cell *cell, const struct value *value,
                        int64_t event_time_us);

/* The row of a draft, its memory added to *memory_bytes; NULL without memory, nothing kept. */
MUST_CHECK struct row *row_create(const struct row_draft *draft, uint64_t *memory_bytes);

#endif
