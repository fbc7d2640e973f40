/* Answers of the read routes (json_read.h): the hot path of serving. Room is checked once per
 * value, then raw pointers write. */
#include "base/assert.h"
#include "base/clock.h"
#include "base/json_string.h"
#include "codec/json_document.h"
#include "codec/json_read.h"
#include "codec/number_text.h"

/* The tail of a buffer while it is written to. */
struct writer {
    char *at;
    char *end;
    struct buffer *out;
};

#define VALUE_ROOM 64 /* of any value without bytes of its own, and what stands around it */

static struct writer writer_begin(struct buffer *out)
{
    struct writer writer = {NULL, NULL, out};
    if (out->data && !out->failed) {
        writer.at = out->data + out->len;
        writer.end = out->data + out->capacity;
    }
    return writer;
}

/* How much was written so far counts as the buffer's. */
static void writer_sync(struct writer *writer)
{
    if (writer->at)
        writer->out->len = (size_t)(writer->at - writer->out->data);
}

static bool writer_grow(struct writer *writer, size_t room)
{
    writer_sync(writer);
    writer->at = buffer_reserve(writer->out, room);
    writer->end = writer->at ? writer->out->data + writer->out->capacity : NULL;
    return writer->at != NULL;
}

static inline bool writer_room(struct writer *writer, size_t room)
{
    return likely((size_t)(writer->end - writer->at) >= room) || writer_grow(writer, room);
}

static inline void put(struct writer *writer, const char *text, size_t len)
{
    memcpy(writer->at, text, len);
    writer->at += len;
}

#define PUT(writer, literal) put(writer, literal, sizeof(literal) - 1)

static void put_string(struct writer *writer, str text)
{
    if (!writer_room(writer, text.len + VALUE_ROOM))
        return;
    if (likely(json_plain_len(text) == text.len)) {
        *writer->at++ = '"';
        put(writer, text.len ? text.data : "", text.len);
        *writer->at++ = '"';
        return;
    }
    writer_sync(writer);
    json_append_string(writer->out, text);
    *writer = writer_begin(writer->out);
}

static void put_time(struct writer *writer, int64_t time_us)
{
    *writer->at++ = '"';
    writer->at += clock_format_rfc3339(time_us, writer->at);
    *writer->at++ = '"';
}

static void put_embedding(struct writer *writer, const struct value_embedding *embedding)
{
    size_t numbers = (size_t)embedding->dimension * (NUMBER_FLOAT32_BYTES + 1);
    if (!writer_room(writer, numbers + VALUE_ROOM))
        return;
    *writer->at++ = '[';
    for (uint32_t i = 0; i < embedding->dimension; i++) {
        float number;
        memcpy(&number, (const char *)embedding->data + i * sizeof(number), sizeof(number));
        if (i)
            *writer->at++ = ',';
        writer->at = number_write_float(writer->at, number);
    }
    *writer->at++ = ']';
}

static void put_bytes_value(struct writer *writer, const struct value *value)
{
    if (value->type == DATA_TYPE_STRING)
        put_string(writer, value->text);
    else if (value->type == DATA_TYPE_EMBEDDING)
        put_embedding(writer, &value->embedding);
    else if (writer_room(writer, value->text.len + VALUE_ROOM))
        put(writer, value->text.data, value->text.len);
}

/* There is VALUE_ROOM before and, unless memory failed, a few bytes of room after. */
static void put_value(struct writer *writer, const struct value *value)
{
    if (value->is_null) {
        PUT(writer, "null");
        return;
    }
    switch (value->type) {
    case DATA_TYPE_INT:
        writer->at = number_write_int64(writer->at, value->integer);
        break;
    case DATA_TYPE_FLOAT:
        writer->at = number_write_double(writer->at, value->real);
        break;
    case DATA_TYPE_BOOLEAN:
        if (value->boolean)
            PUT(writer, "true");
        else
            PUT(writer, "false");
        break;
    case DATA_TYPE_TIMESTAMP:
        put_time(writer, value->timestamp_us);
        break;
    case DATA_TYPE_STRING:
    case DATA_TYPE_EMBEDDING:
    case DATA_TYPE_JSON:
        put_bytes_value(writer, value);
        break;
    case DATA_TYPE_COUNT:
        ASSERT(value->type < DATA_TYPE_COUNT);
    }
}

void json_encode_value(struct buffer *out, const struct value *value)
{
    struct writer writer = writer_begin(out);
    if (writer_room(&writer, VALUE_ROOM))
        put_value(&writer, value);
    writer_sync(&writer);
}

/* Written where it stays: a read of four features makes four of them. */
status json_encode_key(struct arena *arena, str name, str *out)
{
    size_t capacity = name.len * JSON_ESCAPE_MAX + sizeof("\"\":");
    char *data = arena_alloc(arena, capacity);
    if (data == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    struct buffer key = {.data = data, .capacity = capacity, .limit = capacity};
    json_append_string(&key, name);
    buffer_append_char(&key, ':');
    *out = buffer_str(&key);
    return buffer_status(&key);
}

static bool is_held(const struct cell *cell)
{
    return cell->state == CELL_PRESENT || cell->state == CELL_NULL;
}

static inline const struct cell *cell_at(const struct cell *cells, const uint32_t *index,
                                         uint32_t i)
{
    return &cells[index ? index[i] : i];
}

/* Whether nothing was put. */
static bool put_features(struct writer *writer, const struct json_vector *vector,
                         const struct cell *cells, const uint32_t *index)
{
    bool first = true;
    for (uint32_t i = 0; i < vector->key_count; i++) {
        const struct cell *cell = cell_at(cells, index, i);
        str key = vector->keys[i];
        if (vector->only_held && !is_held(cell))
            continue;
        if (!writer_room(writer, key.len + VALUE_ROOM))
            return false;
        if (!first)
            *writer->at++ = ',';
        first = false;
        put(writer, key.data, key.len);
        if (likely(cell->state == CELL_PRESENT))
            put_value(writer, &cell->value);
        else
            PUT(writer, "null");
    }
    return first;
}

/* `,"name":` of what others wrote. Not the hot path: it goes by the buffer. */
static void append_other_key(struct buffer *out, str name, bool first)
{
    if (!first)
        buffer_append_char(out, ',');
    json_append_string(out, name);
    buffer_append_char(out, ':');
}

static void put_others(struct writer *writer, const struct json_vector *vector, bool first)
{
    struct buffer *out = writer->out;
    writer_sync(writer);
    for (uint32_t i = 0; i < vector->other_count; i++) {
        append_other_key(out, vector->others[i].name, first && i == 0);
        json_encode_value(out, &vector->others[i].value);
    }
    *writer = writer_begin(out);
}

static void put_metadata_of_others(struct writer *writer, const struct json_vector *vector,
                                   bool first)
{
    struct buffer *out = writer->out;
    writer_sync(writer);
    for (uint32_t i = 0; i < vector->other_count; i++) {
        append_other_key(out, vector->others[i].name, first && i == 0);
        buffer_append_str(out, STR("{\"event_timestamp\":null,\"status\":\"PRESENT\"}"));
    }
    *writer = writer_begin(out);
}

static str state_name(enum cell_state state)
{
    switch (state) {
    case CELL_PRESENT:
        return STR("PRESENT");
    case CELL_NULL:
        return STR("NULL_VALUE");
    case CELL_EXPIRED:
        return STR("OUTSIDE_MAX_AGE");
    case CELL_NOT_REGISTERED:
        return STR("NOT_REGISTERED");
    case CELL_NOT_FOUND:
    default:
        return STR("NOT_FOUND");
    }
}

static void put_metadata(struct writer *writer, const struct json_vector *vector,
                         const struct cell *cells, const uint32_t *index)
{
    bool first = true;
    for (uint32_t i = 0; i < vector->key_count; i++) {
        const struct cell *cell = cell_at(cells, index, i);
        str key = vector->keys[i];
        str state = state_name(cell->state);
        if (vector->only_held && !is_held(cell))
            continue;
        if (!writer_room(writer, key.len + 2 * VALUE_ROOM))
            return;
        if (!first)
            *writer->at++ = ',';
        first = false;
        put(writer, key.data, key.len);
        PUT(writer, "{\"event_timestamp\":");
        if ((is_held(cell) || cell->state == CELL_EXPIRED) &&
            cell->event_time_us != CELL_EVENT_TIME_UNKNOWN)
            put_time(writer, cell->event_time_us);
        else
            PUT(writer, "null");
        PUT(writer, ",\"status\":\"");
        put(writer, state.data, state.len);
        PUT(writer, "\"}");
    }
    if (unlikely(vector->other_count > 0))
        put_metadata_of_others(writer, vector, first);
}

void json_encode_vector(struct buffer *out, const struct json_vector *vector, str entity_id,
                        const struct cell *cells, const uint32_t *index)
{
    struct writer writer = writer_begin(out);
    if (!writer_room(&writer, vector->id_key.len + VALUE_ROOM))
        return;
    put(&writer, vector->id_key.data, vector->id_key.len);
    put_string(&writer, entity_id);
    if (!writer_room(&writer, VALUE_ROOM))
        return;
    PUT(&writer, ",\"features\":{");
    bool empty = put_features(&writer, vector, cells, index);
    if (unlikely(vector->other_count > 0))
        put_others(&writer, vector, empty);
    if (!writer_room(&writer, VALUE_ROOM))
        return;
    *writer.at++ = '}';
    if (vector->metadata) {
        PUT(&writer, ",\"metadata\":{");
        put_metadata(&writer, vector, cells, index);
        if (!writer_room(&writer, VALUE_ROOM))
            return;
        *writer.at++ = '}';
    }
    *writer.at++ = '}';
    writer_sync(&writer);
}
