#include "online/redis/redis_row.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/hash_map.h"
#include "model/cell_rule.h"
#include "online/redis/redis_value.h"

size_t redis_row_key_len(str entity_name, str entity_id)
{
    return entity_name.len + 1 + entity_id.len + STR(REDIS_KEY_SUFFIX).len;
}

char *redis_row_put_key(char *at, str entity_name, str entity_id)
{
    at = mempcpy(at, entity_name.data, entity_name.len);
    *at++ = ':';
    at = mempcpy(at, entity_id.data, entity_id.len);
    return mempcpy(at, REDIS_KEY_SUFFIX, STR(REDIS_KEY_SUFFIX).len);
}

bool redis_row_key(struct arena *arena, str entity_name, str entity_id, str *out)
{
    size_t len = redis_row_key_len(entity_name, entity_id);
    char *key = arena_alloc(arena, len);
    if (key == NULL)
        return false;
    redis_row_put_key(key, entity_name, entity_id);
    *out = str_of(key, len);
    return true;
}

bool redis_row_id(str key, str entity_name, str *out)
{
    str suffix = STR(REDIS_KEY_SUFFIX);
    size_t around = entity_name.len + 1 + suffix.len;
    if (key.len <= around || key.len - around > LIMIT_ENTITY_ID_BYTES ||
        !str_starts_with(key, entity_name) || key.data[entity_name.len] != ':' ||
        !str_eq(str_of(key.data + key.len - suffix.len, suffix.len), suffix))
        return false;
    *out = str_of(key.data + entity_name.len + 1, key.len - around);
    return true;
}

str redis_row_field(const struct catalog_version *version, char out[static REDIS_FIELD_MAX])
{
    str name = version->feature->definition.name;
    if (version->number == 1 && !str_eq(name, STR(REDIS_EVENT_TIMES)))
        return name;
    int len = snprintf(out, REDIS_FIELD_MAX, "%.*s@%u", STR_ARG(name), version->number);
    ASSERT(len > 0 && (size_t)len < REDIS_FIELD_MAX);
    return str_of(out, (size_t)len);
}

int64_t redis_row_end_ms(int64_t event_time_us, int64_t ttl_us)
{
    int64_t end_us;
    if (ttl_us == 0 || __builtin_add_overflow(event_time_us, ttl_us, &end_us) ||
        __builtin_add_overflow(end_us, REDIS_KEY_GRACE_US + 999, &end_us))
        return REDIS_NEVER_MS;
    return end_us < 0 ? 0 : end_us / 1000;
}

static str field_of_column(const struct catalog_version *version, struct arena *arena)
{
    char text[REDIS_FIELD_MAX];
    str field;
    return arena_copy_str(arena, redis_row_field(version, text), &field) ? field : (str){NULL, 0};
}

/* The place of this field in the index: of its column, or free. */
static inline uint32_t *index_place(const struct redis_columns *columns, str field)
{
    for (uint32_t i = (uint32_t)hash_str(field) & columns->mask;; i = (i + 1) & columns->mask) {
        uint32_t *place = &columns->index[i];
        if (*place == 0 || str_eq(columns->items[*place - 1].field, field))
            return place;
    }
}

static uint32_t power_of_two_above(uint32_t count)
{
    uint32_t power = 4;
    while (power < 2 * count)
        power *= 2;
    return power;
}

bool redis_columns_init(struct redis_columns *columns,
                        const struct catalog_version *const *versions, uint32_t count,
                        struct arena *arena)
{
    uint32_t places = power_of_two_above(count);
    columns->count = count;
    columns->mask = places - 1;
    columns->pattern = NULL;
    columns->items = arena_alloc_array(arena, count + (size_t)1, sizeof(*columns->items));
    columns->index = arena_alloc_array(arena, places, sizeof(*columns->index));
    columns->entries = arena_alloc_array(arena, count + (size_t)1, sizeof(*columns->entries));
    columns->texts = arena_alloc_array(arena, count + (size_t)1, sizeof(*columns->texts));
    if (!columns->items || !columns->index || !columns->entries || !columns->texts)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct catalog_version *version = versions[i];
        columns->items[i] = (struct redis_column){
            .field = field_of_column(version, arena),
            .version_id = version->id,
            .ttl_us = version->ttl_us,
            .dead_before_us = version->dead_before_us,
            .data_type = version->data_type,
            .dimension = version->dimension,
            .first = i,
        };
        if (columns->items[i].field.data == NULL)
            return false;
        uint32_t *place = index_place(columns, columns->items[i].field);
        if (*place == 0)
            *place = i + 1;
        columns->items[i].first = *place - 1;
    }
    return true;
}

bool redis_columns_expect_many(struct redis_columns *columns, struct arena *arena)
{
    columns->pattern = arena_alloc(arena, sizeof(*columns->pattern));
    if (columns->pattern)
        columns->pattern->count = 0;
    return columns->pattern != NULL;
}

void redis_row_none(const struct redis_columns *columns, struct cell *cells,
                    struct online_others *others)
{
    for (uint32_t i = 0; i < columns->count; i++)
        cells[i].state = CELL_NOT_FOUND;
    if (others != NULL)
        *others = (struct online_others){0};
}

static status no_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "not enough memory for this request; ask for fewer ids or features");
}

/* Fills in the entries of the columns. */
static enum redis_entries_step read_entries(struct redis_columns *columns, str text,
                                            struct arena *arena, bool *is_damaged)
{
    struct redis_pattern *pattern = columns->pattern;
    struct redis_entries entries;
    struct redis_entry entry;
    enum redis_entries_step step;
    str name;
    bool is_plain = pattern != NULL;
    memset(columns->entries, 0, columns->count * sizeof(*columns->entries));
    if (text.data == NULL || (is_plain && redis_pattern_match(pattern, text, columns->entries)))
        return REDIS_ENTRIES_END;
    memset(columns->entries, 0, columns->count * sizeof(*columns->entries));
    redis_entries_begin(&entries, text, arena);
    while ((step = redis_entries_next(&entries, &name, &entry)) == REDIS_ENTRIES_ONE) {
        *is_damaged |= entry.kind == REDIS_ENTRY_DAMAGED;
        uint32_t place = *index_place(columns, name);
        if (place != 0)
            columns->entries[place - 1] = entry;
        is_plain = is_plain && redis_pattern_add(pattern, text, &entries, &entry,
                                                 place ? place - 1 : REDIS_ENTRY_SKIPPED);
    }
    if (pattern != NULL && (!is_plain || step != REDIS_ENTRIES_END))
        pattern->count = 0;
    return step;
}

static status read_cell(const struct redis_column *column, const struct redis_entry *entry,
                        str text, int64_t now_us, struct arena *arena, struct cell *out)
{
    bool is_one;
    /* A field is ours only with an entry that says so; whatever we did before, others wrote since. */
    bool is_of_others = entry->kind == REDIS_ENTRY_NONE || entry->kind == REDIS_ENTRY_ERASED ||
                        (entry->kind == REDIS_ENTRY_NULL && text.data != NULL);
    out->state = CELL_NOT_FOUND;
    if (entry->kind == REDIS_ENTRY_DAMAGED ||
        (!is_of_others && entry->version_id != column->version_id && entry->version_id != 0))
        return OK;
    out->event_time_us = is_of_others ? CELL_EVENT_TIME_UNKNOWN : entry->event_time_us;
    if (!is_of_others && !cell_rule_is_alive(entry->event_time_us, now_us, column->ttl_us,
                                             column->dead_before_us)) {
        out->state = CELL_EXPIRED;
    } else if (entry->kind == REDIS_ENTRY_NULL && !is_of_others) {
        out->state = CELL_NULL;
    } else if (text.data != NULL) {
        TRY(redis_value_read(text, column->data_type, column->dimension, arena, &out->value,
                             &is_one));
        if (is_one)
            out->state = CELL_PRESENT;
    }
    return OK;
}

static status read_cells(const struct redis_columns *columns, int64_t now_us, struct arena *arena,
                         struct cell *cells, struct error *error)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct redis_column *column = &columns->items[i];
        if (!status_is_ok(read_cell(column, &columns->entries[column->first],
                                    columns->texts[column->first], now_us, arena, &cells[i])))
            return no_memory(error);
    }
    return OK;
}

static inline str text_of(const redisReply *element)
{
    return element->type == REDIS_REPLY_STRING ? str_of(element->str, element->len)
                                               : (str){NULL, 0};
}

/* What HGETALL brought beside the columns, before it is known who wrote it. */
struct candidates {
    struct online_other *items;
    uint32_t count;
    bool is_over;
};

/* Sorts the fields into the columns' texts, `event_times` and the candidates. */
static bool sort_fields(struct redis_columns *columns, const redisReply *reply, str *event_times,
                        struct candidates *others, struct arena *arena)
{
    size_t pairs = reply->elements / 2;
    size_t most = pairs < REDIS_OTHERS_MAX ? pairs : REDIS_OTHERS_MAX;
    others->items = arena_alloc_array(arena, most + 1, sizeof(*others->items));
    if (others->items == NULL)
        return false;
    memset(columns->texts, 0, columns->count * sizeof(*columns->texts));
    for (size_t i = 0; i < pairs; i++) {
        str field = text_of(reply->element[2 * i]);
        str text = text_of(reply->element[2 * i + 1]);
        uint32_t place = *index_place(columns, field);
        if (place != 0)
            columns->texts[place - 1] = text;
        else if (str_eq(field, STR(REDIS_EVENT_TIMES)))
            *event_times = text;
        else if (others->count == most)
            others->is_over = pairs > most;
        else
            others->items[others->count++] = (struct online_other){field, {.text = text}};
    }
    return true;
}

/* Takes out the names with an entry: versions that are not asked for, or dropped. */
static bool take_out_ours(struct candidates *others, str event_times, struct arena *arena)
{
    struct redis_entries entries;
    struct redis_entry entry;
    struct hash_map names;
    str name;
    bool has_memory = true;
    hash_map_init(&names);
    for (uint32_t i = 0; i < others->count && has_memory; i++)
        has_memory = hash_map_put(&names, others->items[i].name, &others->items[i]);
    redis_entries_begin(&entries, event_times, arena);
    while (has_memory && redis_entries_next(&entries, &name, &entry) == REDIS_ENTRIES_ONE) {
        struct online_other *other = hash_map_get(&names, name);
        if (other != NULL)
            other->value.text.data = NULL;
    }
    hash_map_fini(&names);
    return has_memory;
}

static status read_others(struct candidates *candidates, str event_times, struct arena *arena,
                          struct online_others *out)
{
    uint32_t count = 0;
    if (candidates->count > 0 && event_times.data != NULL &&
        !take_out_ours(candidates, event_times, arena))
        return status_of(STATUS_OUT_OF_MEMORY);
    for (uint32_t i = 0; i < candidates->count; i++) {
        struct online_other *from = &candidates->items[i];
        struct online_other other;
        bool is_one;
        if (from->value.text.data == NULL || !str_is_utf8(from->name))
            continue;
        TRY(redis_value_of_others(from->value.text, arena, &other.value, &is_one));
        if (!arena_copy_str(arena, from->name, &other.name))
            return status_of(STATUS_OUT_OF_MEMORY);
        if (is_one)
            candidates->items[count++] = other;
    }
    *out = (struct online_others){candidates->items, count};
    return OK;
}

static status wrong_shape(struct error *error)
{
    return error_set(error, STATUS_UNAVAILABLE, "store_protocol",
                     "the online store answered a read with something that is no row");
}

static bool has_shape(const redisReply *reply, const struct redis_columns *columns, bool is_all)
{
    if (reply->type != REDIS_REPLY_ARRAY && !(is_all && reply->type == REDIS_REPLY_MAP))
        return false;
    return is_all ? reply->elements % 2 == 0 : reply->elements == columns->count + (size_t)1;
}

status redis_row_read(struct redis_columns *columns, const redisReply *reply, int64_t now_us,
                      struct arena *arena, struct cell *cells, struct online_others *others,
                      bool *is_damaged, struct error *error)
{
    struct candidates candidates = {0};
    str event_times = {NULL, 0};
    bool is_damaged_here = false;
    if (!has_shape(reply, columns, others != NULL))
        return wrong_shape(error);
    redis_row_none(columns, cells, others);
    if (others != NULL) {
        if (!sort_fields(columns, reply, &event_times, &candidates, arena))
            return no_memory(error);
    } else {
        for (uint32_t i = 0; i < columns->count; i++)
            columns->texts[i] = text_of(reply->element[i]);
        event_times = text_of(reply->element[columns->count]);
    }
    enum redis_entries_step step = read_entries(columns, event_times, arena, &is_damaged_here);
    if (step == REDIS_ENTRIES_NO_MEMORY)
        return no_memory(error);
    if (step != REDIS_ENTRIES_END || candidates.is_over) {
        *is_damaged = true;
        return OK;
    }
    TRY(read_cells(columns, now_us, arena, cells, error));
    if (others != NULL &&
        !status_is_ok(read_others(&candidates, event_times, arena, others)))
        return no_memory(error);
    *is_damaged = is_damaged_here;
    return OK;
}
