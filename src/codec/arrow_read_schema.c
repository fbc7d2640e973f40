#include "codec/arrow_read_schema.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "codec/json_document.h"

enum { SCHEMA_ENDIANNESS, SCHEMA_FIELDS };
enum { FIELD_NAME, FIELD_NULLABLE, FIELD_TYPE_TYPE, FIELD_TYPE, FIELD_DICTIONARY, FIELD_CHILDREN };
enum { DICTIONARY_ID, DICTIONARY_INDEX_TYPE };
enum { INT_BIT_WIDTH, INT_IS_SIGNED };

void arrow_schema_init(struct arrow_schema *schema)
{
    *schema = (struct arrow_schema){0};
    arena_init(&schema->arena, SIZE_MAX);
}

void arrow_schema_fini(struct arrow_schema *schema)
{
    memory_free(schema->fields);
    arena_fini(&schema->arena);
}

static struct arrow_field *add(struct arrow_schema *schema)
{
    if (schema->field_count == schema->capacity) {
        uint32_t capacity = schema->capacity ? schema->capacity * 2 : 16;
        struct arrow_field *fields =
            memory_realloc(schema->fields, capacity * sizeof(*schema->fields));
        if (fields == NULL)
            return NULL;
        schema->fields = fields;
        schema->capacity = capacity;
    }
    struct arrow_field *field = &schema->fields[schema->field_count++];
    *field = (struct arrow_field){0};
    return field;
}

static bool read_int_width(const struct flatbuffer_table *type, struct arrow_width *out)
{
    int64_t bits = flatbuffer_int(type, INT_BIT_WIDTH, 4, 0);
    out->is_signed = flatbuffer_int(type, INT_IS_SIGNED, 1, 0) != 0;
    out->bytes = (uint8_t)(bits / 8);
    return bits == 8 || bits == 16 || bits == 32 || bits == 64;
}

bool arrow_is_list(const struct arrow_field *field)
{
    return field->type == ARROW_LIST || field->type == ARROW_LARGE_LIST ||
           field->type == ARROW_FIXED_SIZE_LIST;
}

/* False if the type is none. */
static bool read_type(struct arrow_field *field, const struct flatbuffer_table *type)
{
    static const uint32_t PER_SECOND[] = {1, 1000, 1000000, 1000000000};
    int64_t first = 0;
    switch (field->type) {
    case ARROW_INT:
        return read_int_width(type, &field->width);
    case ARROW_FLOAT: /* precision: half, single, double */
        first = flatbuffer_int(type, 0, 2, 0);
        field->width.bytes = (uint8_t)(2u << (first & 3));
        return first >= 0 && first <= 2;
    case ARROW_DATE: /* unit: day, millisecond */
        first = flatbuffer_int(type, 0, 2, 1);
        field->width = (struct arrow_width){.bytes = first ? 8 : 4, .is_signed = true};
        field->per_second = first ? 1000 : 0;
        return first == 0 || first == 1;
    case ARROW_TIMESTAMP: /* unit: second and its thousandths */
        first = flatbuffer_int(type, 0, 2, 0);
        field->width = (struct arrow_width){.bytes = 8, .is_signed = true};
        field->per_second = PER_SECOND[first & 3];
        return first >= 0 && first <= 3;
    case ARROW_FIXED_SIZE_LIST:
        first = flatbuffer_int(type, 0, 4, 0);
        field->list_size = (uint32_t)first;
        return first >= 0;
    case ARROW_UNION: /* mode: sparse, dense */
        field->list_size = (uint32_t)flatbuffer_int(type, 0, 2, 0);
        return true;
    default:
        return field->type >= ARROW_NULL && field->type < ARROW_TYPE_COUNT;
    }
}

/* Many fields may refer to one long string: of good columns, whose names differ, they do not. */
static status read_name(struct arrow_schema *schema, struct arrow_field *field,
                        const struct flatbuffer_table *table, struct error *error)
{
    str name = flatbuffer_string(table, FIELD_NAME);
    schema->name_bytes += name.len;
    if (schema->name_bytes > table->buffer->bytes.len)
        return arrow_damaged(error, "the columns of the schema share their names");
    return arena_copy_str(&schema->arena, name, &field->name) ? OK : error_no_memory(error);
}

static status read_field(struct arrow_field *field, const struct flatbuffer_table *table,
                         struct error *error)
{
    struct flatbuffer_table type = flatbuffer_child(table, FIELD_TYPE);
    struct flatbuffer_table dictionary = flatbuffer_child(table, FIELD_DICTIONARY);
    field->type = (enum arrow_type)flatbuffer_int(table, FIELD_TYPE_TYPE, 1, 0);
    if (!read_type(field, &type))
        return arrow_damaged(error, "the schema has a type that is none");
    if (flatbuffer_is_there(&dictionary)) {
        struct flatbuffer_table index = flatbuffer_child(&dictionary, DICTIONARY_INDEX_TYPE);
        field->has_dictionary = true;
        field->dictionary_id = flatbuffer_int(&dictionary, DICTIONARY_ID, 8, 0);
        field->index_width = (struct arrow_width){.bytes = 4, .is_signed = true};
        if (flatbuffer_is_there(&index) && !read_int_width(&index, &field->index_width))
            return arrow_damaged(error, "the schema has a dictionary without indices");
    }
    return OK;
}

static status read_fields(struct arrow_schema *schema, const struct flatbuffer_vector *tables,
                          int depth, struct error *error)
{
    if (depth > ARROW_DEPTH_MAX && tables->count > 0)
        return error_set(error, STATUS_INVALID, "value_error",
                         "the schema is nested deeper than %d", ARROW_DEPTH_MAX);
    for (uint32_t i = 0; i < tables->count && !tables->buffer->is_damaged; i++) {
        struct flatbuffer_table table = flatbuffer_item(tables, i);
        uint32_t index = schema->field_count;
        if (index == ARROW_FIELDS_MAX)
            return error_set(error, STATUS_INVALID, "too_long",
                             "the schema has more than %u fields", ARROW_FIELDS_MAX);
        struct arrow_field *field = add(schema);
        if (field == NULL)
            return error_no_memory(error);
        TRY(read_field(field, &table, error));
        if (depth == 1)
            TRY(read_name(schema, field, &table, error));
        /* What is nested under a dictionary is in its batches only. */
        if (!field->has_dictionary) {
            struct flatbuffer_vector children = flatbuffer_vector(&table, FIELD_CHILDREN, 4);
            if (arrow_is_list(field) && children.count != 1)
                return arrow_damaged(error, "the schema has a list of nothing");
            TRY(read_fields(schema, &children, depth + 1, error));
        }
        schema->fields[index].end = schema->field_count;
    }
    return OK;
}

status arrow_schema_read(struct arrow_schema *schema, const struct arrow_message *message,
                         struct error *error)
{
    struct flatbuffer_vector fields = flatbuffer_vector(&message->header, SCHEMA_FIELDS, 4);
    schema->version = message->version;
    schema->column_count = fields.count;
    if (flatbuffer_int(&message->header, SCHEMA_ENDIANNESS, 2, 0) != 0)
        return error_set(error, STATUS_INVALID, "value_error",
                         "the Arrow stream is big endian: write it as little endian");
    TRY(read_fields(schema, &fields, 1, error));
    if (message->metadata.is_damaged)
        return arrow_damaged(error, "the schema cannot be read");
    return OK;
}

static const char *width_name(const struct arrow_field *field)
{
    static const char *const FLOATS[] = {[2] = "float16", [4] = "float32", [8] = "float64"};
    static const char *const SIGNED[] = {[1] = "int8", [2] = "int16", [4] = "int32", [8] = "int64"};
    static const char *const UNSIGNED[] = {
        [1] = "uint8", [2] = "uint16", [4] = "uint32", [8] = "uint64"};
    if (field->type == ARROW_FLOAT)
        return FLOATS[field->width.bytes];
    return field->width.is_signed ? SIGNED[field->width.bytes] : UNSIGNED[field->width.bytes];
}

void arrow_type_text(const struct arrow_field *field, char out[ARROW_TYPE_TEXT_MAX])
{
    static const char *const NAMES[ARROW_TYPE_COUNT] = {
        [ARROW_NULL] = "null",
        [ARROW_BINARY] = "binary",
        [ARROW_UTF8] = "string",
        [ARROW_BOOL] = "bool",
        [ARROW_DECIMAL] = "decimal",
        [ARROW_DATE] = "date",
        [ARROW_TIME] = "time",
        [ARROW_TIMESTAMP] = "timestamp",
        [ARROW_INTERVAL] = "interval",
        [ARROW_LIST] = "list",
        [ARROW_STRUCT] = "struct",
        [ARROW_UNION] = "union",
        [ARROW_FIXED_SIZE_BINARY] = "fixed_size_binary",
        [ARROW_FIXED_SIZE_LIST] = "fixed_size_list",
        [ARROW_MAP] = "map",
        [ARROW_DURATION] = "duration",
        [ARROW_LARGE_BINARY] = "large_binary",
        [ARROW_LARGE_UTF8] = "large_string",
        [ARROW_LARGE_LIST] = "large_list",
        [ARROW_RUN_END_ENCODED] = "run_end_encoded",
        [ARROW_BINARY_VIEW] = "binary_view",
        [ARROW_UTF8_VIEW] = "string_view",
        [ARROW_LIST_VIEW] = "list_view",
        [ARROW_LARGE_LIST_VIEW] = "large_list_view",
    };
    bool is_number = field->type == ARROW_INT || field->type == ARROW_FLOAT;
    int len =
        snprintf(out, ARROW_TYPE_TEXT_MAX, "%s%s", field->has_dictionary ? "dictionary of " : "",
                 is_number ? width_name(field) : NAMES[field->type]);
    if (arrow_is_list(field) && !field->has_dictionary)
        snprintf(out + len, ARROW_TYPE_TEXT_MAX - (size_t)len, " of %s",
                 field[1].type == ARROW_INT || field[1].type == ARROW_FLOAT ? width_name(&field[1])
                                                                            : NAMES[field[1].type]);
}
