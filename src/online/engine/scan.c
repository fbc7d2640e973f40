#include "online/engine/scan.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/hash.h"

#define MARK_DIGITS 8u
#define HASH_DIGITS 16u
#define CURSOR_DIGITS (MARK_DIGITS + HASH_DIGITS)
#define SHARD_HASH_BITS (64 - TABLE_SHARD_BITS)

struct scan_list {
    str *ids;
    uint32_t count;
    uint32_t capacity;
};

static bool parse_hex(str text, uint64_t *out)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && !(c >= 'a' && c <= 'f'))
            return false;
        number = number << 4 | (uint64_t)(is_digit ? c - '0' : c - 'a' + 10);
    }
    *out = number;
    return true;
}

/* Stands for the seed of this process's hashes: under another one the order is another. */
static uint32_t seed_mark(void)
{
    return (uint32_t)hash_str(STR("scan"));
}

static bool parse_cursor(str text, uint64_t *out)
{
    uint64_t mark;
    return text.len == CURSOR_DIGITS && parse_hex(str_of(text.data, MARK_DIGITS), &mark) &&
           mark == seed_mark() && parse_hex(str_of(text.data + MARK_DIGITS, HASH_DIGITS), out);
}

static status out_of_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "not enough memory for these ids; ask for fewer");
}

static status write_cursor(struct online_scan *scan, uint64_t hash)
{
    char *text = arena_alloc(scan->arena, CURSOR_DIGITS + 1);
    if (text == NULL)
        return out_of_memory(&scan->error);
    snprintf(text, CURSOR_DIGITS + 1, "%08x%016llx", seed_mark(), (unsigned long long)hash);
    scan->next_cursor = str_of(text, CURSOR_DIGITS);
    return OK;
}

static bool grow(struct scan_list *list, struct arena *arena)
{
    uint32_t capacity = list->capacity ? 2 * list->capacity : 64;
    str *ids = arena_alloc_array(arena, capacity, sizeof(*ids));
    if (ids == NULL)
        return false;
    if (list->count)
        memcpy(ids, list->ids, list->count * sizeof(*ids));
    list->ids = ids;
    list->capacity = capacity;
    return true;
}

static bool add(struct scan_list *list, const struct row *row, struct arena *arena)
{
    if (list->count == list->capacity && !grow(list, arena))
        return false;
    return arena_copy_str(arena, row_id(row), &list->ids[list->count++]);
}

/* Takes hashes from `first` on, of one shard and one array of it. *last is the last hash it took:
 * less than all of the shard if that has more ids than are wanted. */
static bool take_shard(const struct table *table, uint64_t first, uint32_t wanted,
                       struct scan_list *list, struct arena *arena, uint64_t *last)
{
    struct table_walk walk;
    const struct row *row;
    uint64_t held = 0;
    uint64_t end = first | ((UINT64_C(1) << SHARD_HASH_BITS) - 1);
    table_walk_begin(&walk, table, table_shard_of(first));
    (void)table_walk_resume(&walk);
    while (table_walk_next_between(&walk, first, end))
        held++;
    if (held > wanted) /* hashes are spread evenly */
        end = first + (end - first) / held * wanted;
    walk.position = 0;
    while ((row = table_walk_next_between(&walk, first, end)) != NULL) {
        if (!add(list, row, arena))
            return false;
    }
    *last = end;
    return true;
}

status scan_table(const struct table *table, struct online_scan *scan)
{
    struct scan_list list = {0};
    uint64_t first = 0;
    uint64_t last = 0;
    ASSERT(scan->limit > 0);
    if (scan->cursor.len && !parse_cursor(scan->cursor, &first))
        return error_set(
            &scan->error, STATUS_INVALID, "value_error",
            "this is not a cursor that the store gave since it started; begin without one");
    scan->next_cursor = str_of(NULL, 0);
    while (table && list.count < scan->limit && last != UINT64_MAX) {
        if (!take_shard(table, first, scan->limit - list.count, &list, scan->arena, &last))
            return out_of_memory(&scan->error);
        first = last + 1;
    }
    if (table && last != UINT64_MAX)
        TRY(write_cursor(scan, first));
    scan->entity_ids = list.ids;
    scan->id_count = list.count;
    return OK;
}
