#include "cli/copy_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/buffer.h"
#include "cli/table.h"
#include "cli/terminal.h"

#define IDS_BYTES_MAX ((size_t)1 << 36)
#define NAMES_BYTES_MAX ((size_t)1 << 28)
#define SCRATCH_BYTES_MAX ((size_t)64 << 20)

/* Sums wrap: that is what makes them the same in any order. */
struct sums {
    uint64_t ids;
    uint64_t values;
    uint64_t with_times;
    uint64_t without;
};

struct verify_entity {
    str name;
    uint32_t index; /* from 1 */
    bool is_timeless;
    struct sums sums[2];
};

struct verify_id {
    uint64_t hash;
    uint64_t with_times;
    uint64_t without;
    uint32_t entity;
    uint32_t values;
};

void copy_verify_init(struct copy_verify *verify, int64_t horizon_us)
{
    *verify = (struct copy_verify){.horizon_us = horizon_us};
    arena_init(&verify->arena, NAMES_BYTES_MAX);
    hash_map_init(&verify->features);
    hash_map_init(&verify->entities);
    buffer_init(&verify->ids[COPY_FROM], IDS_BYTES_MAX);
    buffer_init(&verify->ids[COPY_TO], IDS_BYTES_MAX);
    buffer_init(&verify->scratch, SCRATCH_BYTES_MAX);
}

void copy_verify_fini(struct copy_verify *verify)
{
    hash_map_fini(&verify->features);
    hash_map_fini(&verify->entities);
    buffer_fini(&verify->ids[COPY_FROM]);
    buffer_fini(&verify->ids[COPY_TO]);
    buffer_fini(&verify->scratch);
    arena_fini(&verify->arena);
}

static struct verify_entity *entity_of(struct copy_verify *verify, str name)
{
    struct verify_entity *entity = hash_map_get(&verify->entities, name);
    if (entity != NULL)
        return entity;
    entity = arena_alloc_zero(&verify->arena, sizeof(*entity));
    if (entity == NULL || !arena_copy_str(&verify->arena, name, &entity->name) ||
        !hash_map_put(&verify->entities, entity->name, entity))
        return NULL;
    entity->index = (uint32_t)verify->entities.count;
    return entity;
}

/* What no text can be mistaken for a part of: the length goes before it. */
static void append_part(struct buffer *out, str part)
{
    uint64_t len = part.len;
    buffer_append(out, &len, sizeof(len));
    buffer_append_str(out, part);
}

/* NULL: a feature that only the second side has, or no memory. */
static struct verify_entity *entity_of_feature(struct copy_verify *verify, enum copy_side side,
                                               const struct copy_row *row, str name, bool *failed)
{
    str key;
    buffer_reset(&verify->scratch, SIZE_MAX);
    append_part(&verify->scratch, row->entity);
    buffer_append_str(&verify->scratch, name);
    struct verify_entity *entity = hash_map_get(&verify->features, buffer_str(&verify->scratch));
    if (entity != NULL || side == COPY_TO)
        return entity;
    entity = entity_of(verify, row->entity);
    *failed = entity == NULL ||
              !arena_copy_str(&verify->arena, buffer_str(&verify->scratch), &key) ||
              !hash_map_put(&verify->features, key, entity);
    return *failed ? NULL : entity;
}

uint64_t copy_verify_id_hash(struct copy_verify *verify, const struct copy_row *row)
{
    buffer_reset(&verify->scratch, SIZE_MAX);
    append_part(&verify->scratch, row->entity);
    buffer_append_str(&verify->scratch, row->id);
    return hash_str(buffer_str(&verify->scratch));
}

static void add_cell(struct copy_verify *verify, const struct copy_row *row,
                     const struct copy_cell *cell, struct verify_id *id)
{
    struct buffer *text = &verify->scratch;
    buffer_reset(text, SIZE_MAX);
    append_part(text, row->entity);
    append_part(text, row->id);
    append_part(text, cell->name);
    append_part(text, cell->is_null ? STR("null") : STR("value"));
    append_part(text, cell->text);
    id->without += hash_str(buffer_str(text));
    buffer_append(text, &cell->event_time_us, sizeof(cell->event_time_us));
    id->with_times += hash_str(buffer_str(text));
    id->values++;
}

static bool ends_early(const struct copy_verify *verify, const struct copy_row *row,
                       const struct copy_cell *cell)
{
    bool key_ends = row->key_end_us != COPY_LIFE_UNKNOWN && cell->end_us == COPY_NEVER_ENDS &&
                    row->key_end_us <= verify->horizon_us;
    return key_ends || cell->end_us <= verify->horizon_us;
}

bool copy_verify_add(struct copy_verify *verify, enum copy_side side, const struct copy_row *row)
{
    struct verify_id id = {.hash = copy_verify_id_hash(verify, row)};
    bool failed = false;
    for (uint32_t i = 0; i < row->cell_count && !failed; i++) {
        const struct copy_cell *cell = &row->cells[i];
        if (ends_early(verify, row, cell)) {
            verify->values_ending += side == COPY_FROM;
            continue;
        }
        struct verify_entity *entity = entity_of_feature(verify, side, row, cell->name, &failed);
        if (entity == NULL) {
            verify->values_beside++;
            continue;
        }
        id.entity = entity->index;
        entity->is_timeless |= side == COPY_FROM && cell->is_timeless;
        add_cell(verify, row, cell, &id);
    }
    if (id.entity != 0)
        buffer_append(&verify->ids[side], &id, sizeof(id));
    return !failed && !verify->ids[side].failed && !verify->scratch.failed;
}

static struct verify_id *ids_of(const struct copy_verify *verify, enum copy_side side,
                                size_t *count)
{
    *count = verify->ids[side].len / sizeof(struct verify_id);
    return (struct verify_id *)(void *)verify->ids[side].data;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = ((const struct verify_id *)a)->hash;
    uint64_t y = ((const struct verify_id *)b)->hash;
    return (x > y) - (x < y);
}

/* SCAN may give a key twice: each id stays once. */
static void sort_ids(struct copy_verify *verify, enum copy_side side)
{
    size_t count;
    size_t kept = 0;
    struct verify_id *ids = ids_of(verify, side, &count);
    if (count == 0)
        return;
    qsort(ids, count, sizeof(*ids), compare_ids);
    for (size_t i = 1; i < count; i++) {
        if (ids[i].hash != ids[kept].hash)
            ids[++kept] = ids[i];
    }
    verify->ids[side].len = (kept + 1) * sizeof(*ids);
}

static void sum_up(struct copy_verify *verify, struct verify_entity **entities, enum copy_side side)
{
    size_t count;
    const struct verify_id *ids = ids_of(verify, side, &count);
    for (size_t i = 0; i < count; i++) {
        struct sums *sums = &entities[ids[i].entity - 1]->sums[side];
        sums->ids++;
        sums->values += ids[i].values;
        sums->with_times += ids[i].with_times;
        sums->without += ids[i].without;
    }
}

static void add_count(struct table *table, uint64_t count)
{
    struct buffer text;
    buffer_init(&text, 64);
    terminal_append_count(&text, count);
    table_add(table, buffer_str(&text));
    buffer_fini(&text);
}

static uint64_t checksum_of(const struct verify_entity *entity, enum copy_side side)
{
    const struct sums *sums = &entity->sums[side];
    return entity->is_timeless ? sums->without : sums->with_times;
}

static void add_line(struct table *table, const struct verify_entity *entity, enum copy_side side)
{
    char checksum[17];
    snprintf(checksum, sizeof(checksum), "%016" PRIx64, checksum_of(entity, side));
    table_add(table, entity->name);
    table_add(table, side == COPY_FROM ? STR("from") : STR("to"));
    add_count(table, entity->sums[side].ids);
    add_count(table, entity->sums[side].values);
    table_add(table, str_of(checksum, 16));
}

static int compare_names(const void *a, const void *b)
{
    return str_compare((*(struct verify_entity *const *)a)->name,
                       (*(struct verify_entity *const *)b)->name);
}

/* By index; NULL without memory. */
static struct verify_entity **list_entities(struct copy_verify *verify)
{
    struct verify_entity **list =
        arena_alloc_array(&verify->arena, verify->entities.count + 1, sizeof(*list));
    for (size_t i = 0; i < verify->entities.capacity && list != NULL; i++) {
        struct verify_entity *entity = verify->entities.slots[i].value;
        if (entity != NULL)
            list[entity->index - 1] = entity;
    }
    return list;
}

static bool print_entities(struct verify_entity **entities, size_t count, struct buffer *out)
{
    static const char *const HEADING[] = {"entity", "side", "ids", "values", "checksum"};
    struct table table;
    bool same = true;
    table_init(&table, ARRAY_LEN(HEADING), 0);
    for (size_t i = 0; i < ARRAY_LEN(HEADING); i++)
        table_add(&table, str_from_cstr(HEADING[i]));
    for (size_t i = 0; i < count; i++) {
        const struct sums *sums = entities[i]->sums;
        same &= sums[COPY_FROM].ids == sums[COPY_TO].ids &&
                sums[COPY_FROM].values == sums[COPY_TO].values &&
                checksum_of(entities[i], COPY_FROM) == checksum_of(entities[i], COPY_TO);
        add_line(&table, entities[i], COPY_FROM);
        add_line(&table, entities[i], COPY_TO);
    }
    if (count > 0)
        table_append(&table, out, "", "");
    table_fini(&table);
    return same;
}

bool copy_verify_compare(struct copy_verify *verify, struct buffer *out)
{
    struct verify_entity **entities = list_entities(verify);
    size_t count = verify->entities.count;
    if (entities == NULL)
        return false;
    sort_ids(verify, COPY_FROM);
    sort_ids(verify, COPY_TO);
    sum_up(verify, entities, COPY_FROM);
    sum_up(verify, entities, COPY_TO);
    qsort(entities, count, sizeof(struct verify_entity *), compare_names);
    return print_entities(entities, count, out);
}

static bool is_timeless(const struct copy_verify *verify, uint32_t entity_index)
{
    for (size_t i = 0; i < verify->entities.capacity; i++) {
        const struct verify_entity *entity = verify->entities.slots[i].value;
        if (entity != NULL && entity->index == entity_index)
            return entity->is_timeless;
    }
    return false;
}

uint64_t copy_verify_differences(struct copy_verify *verify, struct copy_difference *out,
                                 uint32_t *count)
{
    size_t from_count, to_count;
    const struct verify_id *from = ids_of(verify, COPY_FROM, &from_count);
    const struct verify_id *to = ids_of(verify, COPY_TO, &to_count);
    uint64_t found = 0;
    *count = 0;
    for (size_t f = 0, t = 0; f < from_count || t < to_count;) {
        bool in_from = f < from_count && (t == to_count || from[f].hash <= to[t].hash);
        bool in_to = t < to_count && (f == from_count || to[t].hash <= from[f].hash);
        const struct verify_id *id = in_from ? &from[f] : &to[t];
        bool same = in_from && in_to &&
                    (is_timeless(verify, id->entity) ? from[f].without == to[t].without
                                                     : from[f].with_times == to[t].with_times);
        if (!same && found++ < COPY_DIFFERENCES_MAX)
            out[(*count)++] = (struct copy_difference){id->hash, {in_from, in_to}};
        f += in_from;
        t += in_to;
    }
    return found;
}
