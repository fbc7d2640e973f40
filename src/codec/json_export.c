#include "codec/json_export.h"

#include "base/clock.h"
#include "base/json_string.h"

#define KEY_HEAD "{\"feature_name\":"
#define KEY_TAIL ",\"value\":"

status json_encode_export_key(struct arena *arena, str name, str *out)
{
    size_t capacity = name.len * JSON_ESCAPE_MAX + sizeof(KEY_HEAD "\"\"" KEY_TAIL);
    char *data = arena_alloc(arena, capacity);
    if (data == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    struct buffer key = {.data = data, .capacity = capacity, .limit = capacity};
    buffer_append_str(&key, STR(KEY_HEAD));
    json_append_string(&key, name);
    buffer_append_str(&key, STR(KEY_TAIL));
    *out = buffer_str(&key);
    return buffer_status(&key);
}

static void begin_entry(struct buffer *out, str entity_id, bool is_first)
{
    if (!is_first) {
        buffer_append_char(out, ',');
        return;
    }
    buffer_append_str(out, STR("{\"entity_id\":"));
    json_append_string(out, entity_id);
    buffer_append_str(out, STR(",\"features\":["));
}

static void append_time(struct buffer *out, int64_t time_us)
{
    char text[CLOCK_RFC3339_MAX];
    if (time_us == CELL_EVENT_TIME_UNKNOWN)
        return;
    buffer_append_str(out, STR(",\"event_timestamp\":\""));
    buffer_append(out, text, clock_format_rfc3339(time_us, text));
    buffer_append_char(out, '"');
}

void json_encode_export(struct buffer *out, str entity_id, const str *keys,
                        const struct cell *cells, uint32_t count, const struct json_other *others,
                        uint32_t other_count)
{
    uint32_t entries = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct cell *cell = &cells[i];
        if (cell->state != CELL_PRESENT && cell->state != CELL_NULL)
            continue;
        begin_entry(out, entity_id, entries++ == 0);
        buffer_append_str(out, keys[i]);
        if (cell->state == CELL_PRESENT)
            json_encode_value(out, &cell->value);
        else
            buffer_append_str(out, STR("null"));
        append_time(out, cell->event_time_us);
        buffer_append_char(out, '}');
    }
    for (uint32_t i = 0; i < other_count; i++) {
        begin_entry(out, entity_id, entries++ == 0);
        buffer_append_str(out, STR(KEY_HEAD));
        json_append_string(out, others[i].name);
        buffer_append_str(out, STR(KEY_TAIL));
        json_encode_value(out, &others[i].value);
        buffer_append_char(out, '}');
    }
    if (entries > 0)
        buffer_append_str(out, STR("]}\n"));
}

void json_encode_export_end(struct buffer *out, str cursor)
{
    buffer_append_str(out, STR("{\"next_cursor\":"));
    if (cursor.len)
        json_append_string(out, cursor);
    else
        buffer_append_str(out, STR("null"));
    buffer_append_str(out, STR("}\n"));
}
