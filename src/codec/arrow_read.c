#include "codec/arrow_read.h"

#include <inttypes.h>

#include "base/memory.h"
#include "codec/arrow_read_value.h"
#include "codec/json_document.h"
#include "codec/json_value.h"

/* The newest values of one id, in memory of their own. */
struct arrow_dictionary {
    int64_t id;
    const struct arrow_field *field; /* the first that uses it */
    struct arrow_dictionary *next;
    struct arrow_batch batch;
    char *body;
    uint64_t body_bytes;
    bool has_come;
};

void arrow_reader_init(struct arrow_reader *reader, const struct bulk_options *options)
{
    *reader = (struct arrow_reader){0};
    bulk_columns_init(&reader->columns, options, "schema");
    arrow_schema_init(&reader->schema);
    hash_map_init(&reader->by_id);
}

void arrow_reader_fini(struct arrow_reader *reader)
{
    while (reader->dictionaries) {
        struct arrow_dictionary *dictionary = reader->dictionaries;
        reader->dictionaries = dictionary->next;
        arrow_batch_fini(&dictionary->batch);
        memory_free(dictionary->body);
        memory_free(dictionary);
    }
    hash_map_fini(&reader->by_id);
    arrow_batch_fini(&reader->batch);
    arrow_schema_fini(&reader->schema);
    bulk_columns_fini(&reader->columns);
}

static void locate(struct error *error, const char *what, uint64_t number)
{
    error_clear(error);
    error_loc_name(error, str_from_cstr(what));
    error_loc_index(error, number);
}

static str id_key(const int64_t *id)
{
    return str_of((const char *)id, sizeof(*id));
}

static status expect_dictionary(struct arrow_reader *reader, const struct arrow_field *field,
                                struct error *error)
{
    if (hash_map_get(&reader->by_id, id_key(&field->dictionary_id)))
        return OK;
    struct arrow_dictionary *dictionary = memory_alloc_zero(sizeof(*dictionary));
    if (dictionary == NULL)
        return error_no_memory(error);
    dictionary->id = field->dictionary_id;
    dictionary->field = field;
    dictionary->next = reader->dictionaries;
    reader->dictionaries = dictionary;
    return hash_map_put(&reader->by_id, id_key(&dictionary->id), dictionary)
               ? OK
               : error_no_memory(error);
}

static status wrong_column(const struct arrow_field *field, const char *wanted, struct error *error)
{
    char type[ARROW_TYPE_TEXT_MAX];
    arrow_type_text(field, type);
    error_loc_name(error, field->name);
    return error_set(error, STATUS_INVALID, "value_error",
                     "the column '%.*s' is of the Arrow type %s: cast it to %s",
                     STR_ARG(field->name), type, wanted);
}

/* What of this type can be read and has to be given, by type of feature. */
static const char *wanted_type(enum data_type type)
{
    static const char *const WANTED[DATA_TYPE_COUNT] = {
        [DATA_TYPE_INT] = "int64, for the feature is an int",
        [DATA_TYPE_FLOAT] = "float64, for the feature is a float",
        [DATA_TYPE_BOOLEAN] = "bool, for the feature is a boolean",
        [DATA_TYPE_STRING] = "string, for the feature is a string",
        [DATA_TYPE_TIMESTAMP] = "timestamp, for the feature is a timestamp",
        [DATA_TYPE_EMBEDDING] = "a list of float32, for the feature is an embedding",
        [DATA_TYPE_JSON] = "string (JSON text), for the feature is json",
    };
    return WANTED[type];
}

static status want_column(struct arrow_reader *reader, const struct bulk_column *column,
                          struct arrow_field *field, struct error *error)
{
    switch (column->kind) {
    case BULK_COLUMN_SKIPPED:
        return OK;
    case BULK_COLUMN_ID:
        if (!arrow_is_readable(field) || !arrow_can_be_id(field))
            return wrong_column(field, "string or an integer type, for it holds entity ids", error);
        break;
    case BULK_COLUMN_TIME:
        if (!arrow_is_readable(field) || !arrow_can_become(field, DATA_TYPE_TIMESTAMP))
            return wrong_column(field, "timestamp, for it holds event times", error);
        break;
    case BULK_COLUMN_FEATURE:
        break; /* depends on the feature */
    }
    field->is_wanted = true;
    return field->has_dictionary ? expect_dictionary(reader, field, error) : OK;
}

static status open_columns(struct arrow_reader *reader, struct error *error)
{
    struct arrow_schema *schema = &reader->schema;
    str *names = arena_alloc_array(&schema->arena, schema->column_count, sizeof(*names));
    if (names == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0, column = 0; i < schema->field_count; i = schema->fields[i].end)
        names[column++] = schema->fields[i].name;
    TRY(bulk_columns_open(&reader->columns, names, schema->column_count, error));
    for (uint32_t i = 0, column = 0; i < schema->field_count; i = schema->fields[i].end)
        TRY(want_column(reader, &reader->columns.columns[column++], &schema->fields[i], error));
    return OK;
}

static status resolve(struct arrow_reader *reader, const struct catalog *catalog,
                      struct error *error)
{
    struct bulk_columns *columns = &reader->columns;
    const struct arrow_field *fields = reader->schema.fields;
    error_clear(error);
    error_loc_name(error, STR("schema"));
    TRY(bulk_columns_resolve(columns, catalog, error));
    for (uint32_t i = 0, column = 0; column < columns->count; i = fields[i].end, column++) {
        if (columns->columns[column].kind != BULK_COLUMN_FEATURE)
            continue;
        enum data_type type = columns->columns[column].version->data_type;
        if (!arrow_is_readable(&fields[i]) || !arrow_can_become(&fields[i], type))
            return wrong_column(&fields[i], wanted_type(type), error);
    }
    return OK;
}

static status take_schema(struct arrow_reader *reader, const struct arrow_message *message,
                          struct error *error)
{
    if (reader->has_schema)
        return arrow_damaged(error, "it has a second schema");
    reader->has_schema = true;
    TRY(arrow_schema_read(&reader->schema, message, error));
    error_clear(error);
    error_loc_name(error, STR("schema"));
    return open_columns(reader, error);
}

static status keep_body(struct arrow_reader *reader, struct arrow_dictionary *dictionary,
                        struct arrow_message *message, struct error *error)
{
    reader->dictionary_bytes -= dictionary->body_bytes;
    dictionary->body_bytes = 0;
    if (message->body.len > ARROW_DICTIONARIES_BYTES - reader->dictionary_bytes)
        return error_set(error, STATUS_TOO_LARGE, "too_long",
                         "the dictionaries have more than %u bytes: cast the columns to plain "
                         "strings",
                         ARROW_DICTIONARIES_BYTES);
    memory_free(dictionary->body);
    dictionary->body = memory_alloc(message->body.len);
    if (dictionary->body == NULL)
        return error_no_memory(error);
    if (message->body.len)
        memcpy(dictionary->body, message->body.data, message->body.len);
    message->body.data = dictionary->body;
    dictionary->body_bytes = message->body.len;
    reader->dictionary_bytes += message->body.len;
    return OK;
}

static status take_dictionary(struct arrow_reader *reader, struct arrow_message *message,
                              struct error *error)
{
    int64_t id = flatbuffer_int(&message->header, ARROW_DICTIONARY_ID, 8, 0);
    struct arrow_dictionary *dictionary = hash_map_get(&reader->by_id, id_key(&id));
    if (dictionary == NULL)
        return OK; /* of a column that is not taken */
    if (flatbuffer_int(&message->header, ARROW_DICTIONARY_IS_DELTA, 1, 0) != 0)
        return error_set(error, STATUS_INVALID, "value_error",
                         "dictionaries that grow piece by piece are not taken: cast the column "
                         "'%.*s' to plain strings, or write without dictionary deltas",
                         STR_ARG(dictionary->field->name));
    dictionary->has_come = false;
    TRY(keep_body(reader, dictionary, message, error));
    TRY(arrow_batch_read_dictionary(&dictionary->batch, dictionary->field, message, error));
    dictionary->has_come = true;
    return OK;
}

static status take_batch(struct arrow_reader *reader, const struct arrow_message *message,
                         struct error *error)
{
    struct arrow_batch *batch = &reader->batch;
    TRY(arrow_batch_read(batch, &reader->schema, message, error));
    reader->batch_row = 0;
    for (uint32_t i = 0; i < reader->schema.field_count; i = reader->schema.fields[i].end) {
        const struct arrow_field *field = &reader->schema.fields[i];
        if (!field->is_wanted || !field->has_dictionary)
            continue;
        const struct arrow_dictionary *dictionary =
            hash_map_get(&reader->by_id, id_key(&field->dictionary_id));
        batch->arrays[i].dictionary = dictionary->has_come ? dictionary->batch.arrays : NULL;
    }
    return OK;
}

static status take_message(struct arrow_reader *reader, struct arrow_message *message,
                           struct error *error)
{
    if (message->type == ARROW_SCHEMA)
        return take_schema(reader, message, error);
    if (!reader->has_schema)
        return arrow_damaged(error, "it does not begin with a schema");
    if (message->type == ARROW_DICTIONARY_BATCH)
        return take_dictionary(reader, message, error);
    if (message->type == ARROW_RECORD_BATCH)
        return take_batch(reader, message, error);
    return arrow_damaged(error, "it has messages that are no record batches");
}

/* RECORD stands for "there is one". */
static enum bulk_next next_message(struct arrow_reader *reader, str input, bool last, size_t *taken,
                                   struct error *error)
{
    struct arrow_message message;
    locate(error, "message", reader->message + 1);
    switch (arrow_message_take(input, &message, error)) {
    case ARROW_MESSAGE:
        reader->message++;
        *taken += message.bytes;
        return status_is_ok(take_message(reader, &message, error)) ? BULK_RECORD : BULK_FATAL;
    case ARROW_END:
        *taken += sizeof(uint64_t);
        reader->has_ended = true;
        return BULK_RECORD;
    case ARROW_NEED_MORE:
        if (!last)
            return BULK_NEED_MORE;
        if (input.len == 0 && reader->has_schema)
            return BULK_END; /* its mark may be left out */
        (void)arrow_damaged(error, reader->has_schema ? "it ends within a message"
                                                      : "it ends before its schema does");
        return BULK_FATAL;
    case ARROW_FAILED:
    default:
        return BULK_FATAL;
    }
}

/* After the mark of the end a file has a footer, a stream nothing. */
static enum bulk_next after_end(struct arrow_reader *reader, str input, bool last, size_t *taken,
                                struct error *error)
{
    *taken += input.len;
    if (reader->has_schema && (reader->is_file || input.len == 0))
        return last ? BULK_END : BULK_NEED_MORE;
    locate(error, "message", reader->message + 1);
    (void)arrow_damaged(error, reader->has_schema
                                   ? "bytes follow its end; send each stream on its own"
                                   : "it has no schema");
    return BULK_FATAL;
}

/* True when messages may be looked for. */
static bool begin(struct arrow_reader *reader, str *input, bool last, size_t *taken)
{
    str magic = ARROW_FILE_MAGIC;
    if (reader->began)
        return true;
    if (input->len < magic.len && !last)
        return false;
    reader->began = true;
    reader->is_file = str_starts_with(*input, magic);
    if (reader->is_file) {
        *taken += magic.len;
        *input = str_of(input->data + magic.len, input->len - magic.len);
    }
    return true;
}

static status take_time(const struct arrow_reader *reader, const struct arrow_array *array,
                        int64_t now_us, int64_t *out, struct error *error)
{
    switch (arrow_take_time(array, reader->batch_row, out)) {
    case ARROW_TIME_OK:
        return bulk_columns_check_time(&reader->columns, *out, now_us, error);
    case ARROW_TIME_NULL:
        return OK;
    case ARROW_TIME_NONE:
    default:
        error_loc_name(error, reader->columns.time_name);
        return event_time_malformed(error, "the event time");
    }
}

static status take_id(const struct arrow_reader *reader, const struct arrow_array *array,
                      struct arena *arena, str *out, struct error *error)
{
    char room[ARROW_ID_ROOM];
    str text;
    status taken = arrow_take_id(array, reader->batch_row, room, &text, error);
    if (unlikely(!status_is_ok(taken))) {
        error_loc_name(error, reader->columns.id_name);
        return taken;
    }
    return bulk_columns_take_id(&reader->columns, text, arena, out, error);
}

/* The place is the column, without the item of an embedding. */
static status take_feature(const struct arrow_reader *reader, const struct bulk_column *column,
                           const struct arrow_array *array, struct arena *arena,
                           struct ingest_cell *cell, struct error *error)
{
    const struct value_target target = {column->version, column->name, arena, error};
    size_t loc_len = error->loc_len;
    cell->name = column->name;
    ingest_cell_set_version(cell, column->version);
    status taken = arrow_take_value(array, reader->batch_row, &target, &cell->value);
    if (unlikely(!status_is_ok(taken))) {
        error->loc_len = loc_len;
        error_loc_name(error, column->name);
    }
    return taken;
}

static status check_row_bytes(uint64_t bytes, struct error *error)
{
    if (likely(bytes <= BULK_ROW_BYTES))
        return OK;
    return error_set(error, STATUS_INVALID, "too_long", "the row is longer than %u bytes",
                     BULK_ROW_BYTES);
}

static status take_columns(const struct arrow_reader *reader, int64_t now_us, struct arena *arena,
                           struct ingest_record *record, struct error *error)
{
    const struct bulk_columns *columns = &reader->columns;
    struct ingest_cell *cell = record->cells;
    int64_t event_time_us = INGEST_EVENT_TIME_NOW;
    uint64_t bytes = 0;
    uint64_t json_bytes = 0;
    for (uint32_t i = 0, field = 0; i < columns->count; i++) {
        const struct bulk_column *column = &columns->columns[i];
        const struct arrow_array *array = &reader->batch.arrays[field];
        if (likely(column->kind == BULK_COLUMN_FEATURE)) {
            /* Many columns may refer to one long text, whose parsing takes time and memory. */
            if (column->version->data_type == DATA_TYPE_JSON)
                TRY(check_row_bytes(json_bytes += arrow_text_bytes(array, reader->batch_row),
                                    error));
            TRY(take_feature(reader, column, array, arena, cell, error));
            bytes += value_bytes(&cell++->value);
            TRY(check_row_bytes(bytes, error));
        } else if (column->kind == BULK_COLUMN_ID) {
            TRY(take_id(reader, array, arena, &record->entity_id, error));
        } else if (column->kind == BULK_COLUMN_TIME) {
            TRY(take_time(reader, array, now_us, &event_time_us, error));
        }
        field = reader->schema.fields[field].end;
    }
    for (uint32_t i = 0; i < record->cell_count; i++)
        record->cells[i].event_time_us = event_time_us;
    return OK;
}

static enum bulk_next take_row(struct arrow_reader *reader, int64_t now_us, struct arena *arena,
                               struct ingest_record *out, struct error *error)
{
    struct ingest_record record = {.cell_count = reader->columns.feature_count};
    locate(error, "line", ++reader->row);
    record.cells = arena_alloc(arena, record.cell_count * sizeof(*record.cells));
    status taken =
        record.cells ? take_columns(reader, now_us, arena, &record, error) : error_no_memory(error);
    reader->batch_row++;
    if (unlikely(!status_is_ok(taken)))
        return taken.code == STATUS_OUT_OF_MEMORY ? BULK_FATAL : BULK_BAD;
    *out = record;
    return BULK_RECORD;
}

enum bulk_next arrow_reader_next(struct arrow_reader *reader, str input, bool last, size_t *taken,
                                 const struct catalog *catalog, int64_t now_us, struct arena *arena,
                                 struct ingest_record *out, uint64_t *line, struct error *error)
{
    enum bulk_next next = BULK_RECORD;
    size_t before = *taken;
    if (!begin(reader, &input, last, taken))
        return BULK_NEED_MORE;
    before = *taken;
    while (next == BULK_RECORD) {
        if (reader->has_schema && !bulk_columns_are_resolved(&reader->columns, catalog) &&
            !status_is_ok(resolve(reader, catalog, error)))
            return BULK_FATAL;
        if (reader->batch_row < reader->batch.length) {
            next = take_row(reader, now_us, arena, out, error);
            *line = reader->row;
            return next;
        }
        size_t done = *taken - before;
        str rest = str_of(input.data + done, input.len - done);
        next = reader->has_ended ? after_end(reader, rest, last, taken, error)
                                 : next_message(reader, rest, last, taken, error);
    }
    return next;
}
