#include "online/redis/redis_tidy_row.h"

#include "base/hash_map.h"
#include "base/json_string.h"
#include "model/cell_rule.h"

#define ENTRIES_BYTES_MAX ((size_t)16 << 20)
#define SAME_END_MS 2000 /* nearer than this is the same: times are taken one after the other */

/* The row while it is decided. */
struct tidying {
    struct redis_tidy_row *row;
    struct hash_map fields; /* of the hash, of which those with an entry of a value are taken out */
    struct buffer text;     /* the new entries */
    uint32_t kept;
    str *dropped;
    int64_t end_ms;
};

static const struct catalog_version *find_version(const struct redis_tidy_row *row, str field,
                                                  const struct redis_entry *entry, bool *is_dropped)
{
    char text[REDIS_FIELD_MAX];
    uint32_t slots = row->entity ? row->entity->slot_count : 0;
    *is_dropped = entry->version_id != 0 && entry->version_id < row->largest_id;
    for (uint32_t i = 0; i < slots; i++) {
        const struct catalog_slot *slot = &row->entity->slots[i];
        if (entry->version_id != 0 && slot->version_id == entry->version_id) {
            *is_dropped = slot->version == NULL;
            return slot->version;
        }
        if (entry->version_id == 0 && slot->version != NULL &&
            str_eq(redis_row_field(slot->version, text), field))
            return slot->version;
    }
    return NULL;
}

static void reach(struct tidying *tidying, int64_t end_ms)
{
    if (end_ms > tidying->end_ms)
        tidying->end_ms = end_ms;
}

/* Until when the erasure of the whole id keeps something out; false: it does no more. */
static bool whole_erasure_matters(struct tidying *tidying, const struct redis_entry *entry)
{
    const struct catalog_entity *entity = tidying->row->entity;
    bool matters = false;
    for (uint32_t i = 0; entity != NULL && i < entity->slot_count; i++) {
        const struct catalog_version *version = entity->slots[i].version;
        if (version == NULL || version->id > entry->version_id ||
            !cell_rule_is_alive(entry->event_time_us, tidying->row->now_us, version->ttl_us,
                                version->dead_before_us))
            continue;
        matters = true;
        reach(tidying, redis_row_end_ms(entry->event_time_us, version->ttl_us));
    }
    return matters;
}

static bool keeps(struct tidying *tidying, str name, const struct redis_entry *entry)
{
    bool is_dropped;
    if (str_eq(name, STR(REDIS_ENTRY_ALL)))
        return whole_erasure_matters(tidying, entry);
    const struct catalog_version *version =
        find_version(tidying->row, name, entry, &is_dropped);
    if (is_dropped)
        return false;
    if (version == NULL)
        reach(tidying, REDIS_NEVER_MS); /* somebody knows more than this catalog image */
    else if (entry->event_time_us > version->dead_before_us)
        reach(tidying, redis_row_end_ms(entry->event_time_us, version->ttl_us));
    return true;
}

static void keep(struct tidying *tidying, str name, const struct redis_entry *entry)
{
    char text[REDIS_ENTRY_TEXT_MAX];
    buffer_append_char(&tidying->text, tidying->kept++ ? ',' : '{');
    json_append_string(&tidying->text, name);
    buffer_append_char(&tidying->text, ':');
    json_append_string(&tidying->text, str_of(text, redis_entry_format(entry, text)));
}

/* False: the row is to be left alone; *has_memory tells why. */
static bool take_entries(struct tidying *tidying, bool *has_memory)
{
    struct redis_tidy_row *row = tidying->row;
    struct redis_entries entries;
    struct redis_entry entry;
    enum redis_entries_step step;
    str name;
    redis_entries_begin(&entries, row->event_times, row->arena);
    while ((step = redis_entries_next(&entries, &name, &entry)) == REDIS_ENTRIES_ONE) {
        if (entry.kind == REDIS_ENTRY_DAMAGED)
            return false;
        bool is_field = hash_map_get(&tidying->fields, name) != NULL;
        if (keeps(tidying, name, &entry)) {
            keep(tidying, name, &entry);
            /* A field with an entry of another kind was written by others. */
            if (is_field && entry.kind == REDIS_ENTRY_VALUE)
                *has_memory &= hash_map_put(&tidying->fields, name, tidying);
            continue;
        }
        row->changes = true;
        if (is_field && entry.kind == REDIS_ENTRY_VALUE) {
            if (row->dropped_count == row->field_count)
                return false; /* a name twice */
            tidying->dropped[row->dropped_count++] = name;
            *has_memory &= hash_map_put(&tidying->fields, name, tidying);
        }
    }
    *has_memory &= step != REDIS_ENTRIES_NO_MEMORY;
    return step == REDIS_ENTRIES_END;
}

/* Fields that nobody's entry speaks of: they never expire. */
static bool has_others(const struct tidying *tidying)
{
    for (uint32_t i = 0; i < tidying->row->field_count; i++) {
        str field = tidying->row->fields[i];
        if (!str_eq(field, STR(REDIS_EVENT_TIMES)) &&
            hash_map_get(&tidying->fields, field) != tidying)
            return true;
    }
    return false;
}

static void decide_expiry(struct tidying *tidying)
{
    struct redis_tidy_row *row = tidying->row;
    int64_t held_ms = row->ttl_ms < 0 ? REDIS_NEVER_MS : row->now_us / 1000 + row->ttl_ms;
    row->end_ms = tidying->end_ms;
    bool is_same = held_ms == row->end_ms ||
                   (held_ms != REDIS_NEVER_MS && row->end_ms != REDIS_NEVER_MS &&
                    held_ms - row->end_ms < SAME_END_MS && row->end_ms - held_ms < SAME_END_MS);
    row->keeps_expiry = is_same || (row->end_ms < held_ms && has_others(tidying));
    row->changes |= !row->keeps_expiry;
}

static bool decide(struct tidying *tidying)
{
    struct redis_tidy_row *row = tidying->row;
    bool has_memory = true;
    for (uint32_t i = 0; i < row->field_count && has_memory; i++)
        has_memory = hash_map_put(&tidying->fields, row->fields[i], row);
    if (!has_memory)
        return false;
    if (!take_entries(tidying, &has_memory)) {
        row->changes = false;
        return has_memory;
    }
    bool is_empty = tidying->kept == 0 && !has_others(tidying);
    if (tidying->kept == 0)
        buffer_append_char(&tidying->text, '{');
    buffer_append_char(&tidying->text, '}');
    if (!has_memory || !status_is_ok(buffer_status(&tidying->text)))
        return false;
    decide_expiry(tidying);
    return arena_copy_str(row->arena, is_empty ? STR("") : buffer_str(&tidying->text),
                          &row->new_event_times);
}

bool redis_tidy_row_decide(struct redis_tidy_row *row)
{
    struct tidying tidying = {.row = row};
    row->changes = false;
    row->keeps_expiry = true;
    row->dropped_count = 0;
    if (row->event_times.data == NULL)
        return true; /* all of it is others' */
    tidying.dropped = arena_alloc_array(row->arena, row->field_count + (size_t)1,
                                        sizeof(*tidying.dropped));
    if (tidying.dropped == NULL)
        return false;
    row->dropped = tidying.dropped;
    hash_map_init(&tidying.fields);
    buffer_init(&tidying.text, ENTRIES_BYTES_MAX);
    bool done = decide(&tidying);
    hash_map_fini(&tidying.fields);
    buffer_fini(&tidying.text);
    return done;
}
