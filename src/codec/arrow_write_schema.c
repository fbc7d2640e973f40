/* The first message of a stream: the columns and their types. */
#include "codec/arrow_write.h"
#include "codec/arrow_write_message.h"

#include "base/compiler.h"

enum { SCHEMA_ENDIANNESS, SCHEMA_FIELDS }; /* absent: little */
enum {
    FIELD_NAME,
    FIELD_NULLABLE,
    FIELD_TYPE_TYPE,
    FIELD_TYPE,
    FIELD_DICTIONARY,
    FIELD_CHILDREN,
    FIELD_CUSTOM_METADATA
};
enum { INT_BIT_WIDTH, INT_IS_SIGNED };
enum { FLOAT_PRECISION };
enum { PRECISION_HALF, PRECISION_SINGLE, PRECISION_DOUBLE };
enum { TIMESTAMP_UNIT, TIMESTAMP_TIMEZONE };
enum { UNIT_SECOND, UNIT_MILLISECOND, UNIT_MICROSECOND };
enum { FIXED_SIZE_LIST_SIZE };
enum { KEY_VALUE_KEY, KEY_VALUE_VALUE };

/* A field in the words of Arrow. */
struct form {
    str name;
    bool nullable;
    enum arrow_type type;
    int precision;      /* of floats */
    uint32_t list_size; /* of lists of a fixed size */
    bool is_json;
};

static enum arrow_type type_of(const struct arrow_column *column)
{
    if (!column->is_registered)
        return ARROW_NULL;
    switch (column->data_type) {
    case DATA_TYPE_INT:
        return ARROW_INT;
    case DATA_TYPE_FLOAT:
        return ARROW_FLOAT;
    case DATA_TYPE_BOOLEAN:
        return ARROW_BOOL;
    case DATA_TYPE_TIMESTAMP:
        return ARROW_TIMESTAMP;
    case DATA_TYPE_EMBEDDING:
        return column->dimension ? ARROW_FIXED_SIZE_LIST : ARROW_LIST;
    case DATA_TYPE_STRING:
    case DATA_TYPE_JSON:
        return ARROW_UTF8;
    case DATA_TYPE_COUNT:
    default:
        return ARROW_NULL;
    }
}

/* The table of the type, most of them without a field. */
static void write_type(struct flatbuffer_writer *flat, size_t from, const struct form *form)
{
    struct flatbuffer_field int64[] = {{INT_BIT_WIDTH, 4, 64}, {INT_IS_SIGNED, 1, true}};
    struct flatbuffer_field real[] = {{FLOAT_PRECISION, 2, form->precision}};
    struct flatbuffer_field list[] = {{FIXED_SIZE_LIST_SIZE, 4, form->list_size}};
    struct flatbuffer_field time[] = {{TIMESTAMP_TIMEZONE, 4, 0},
                                      {TIMESTAMP_UNIT, 2, UNIT_MICROSECOND}};
    if (form->type == ARROW_INT) {
        flatbuffer_write_table(flat, from, int64, ARRAY_LEN(int64));
    } else if (form->type == ARROW_FLOAT) {
        flatbuffer_write_table(flat, from, real, ARRAY_LEN(real));
    } else if (form->type == ARROW_FIXED_SIZE_LIST) {
        flatbuffer_write_table(flat, from, list, ARRAY_LEN(list));
    } else if (form->type == ARROW_TIMESTAMP) {
        flatbuffer_write_table(flat, from, time, ARRAY_LEN(time));
        flatbuffer_write_string(flat, time[0].place, STR("UTC"));
    } else {
        flatbuffer_write_table(flat, from, NULL, 0);
    }
}

/* Says that the text is JSON, to who knows the extension. */
static void write_json_mark(struct flatbuffer_writer *flat, size_t from)
{
    struct flatbuffer_field pair[] = {{KEY_VALUE_KEY, 4, 0}, {KEY_VALUE_VALUE, 4, 0}};
    size_t item = flatbuffer_write_vector(flat, from, 1, 4);
    flatbuffer_write_table(flat, item, pair, ARRAY_LEN(pair));
    flatbuffer_write_string(flat, pair[0].place, STR("ARROW:extension:name"));
    flatbuffer_write_string(flat, pair[1].place, STR("arrow.json"));
}

/* Returns the place of the first child. Every field has a list of children, if an empty one: some
 * readers insist. */
static size_t write_field(struct flatbuffer_writer *flat, size_t from, const struct form *form)
{
    enum { NAME, TYPE, CHILDREN, NULLABLE, TYPE_TYPE, METADATA, COUNT };
    struct flatbuffer_field fields[COUNT] = {
        [NAME] = {FIELD_NAME, 4},
        [TYPE] = {FIELD_TYPE, 4},
        [CHILDREN] = {FIELD_CHILDREN, 4},
        [NULLABLE] = {FIELD_NULLABLE, 1, form->nullable},
        [TYPE_TYPE] = {FIELD_TYPE_TYPE, 1, form->type},
        [METADATA] = {FIELD_CUSTOM_METADATA, 4},
    };
    bool is_list = form->type == ARROW_LIST || form->type == ARROW_FIXED_SIZE_LIST;
    flatbuffer_write_table(flat, from, fields, form->is_json ? COUNT : METADATA);
    flatbuffer_write_string(flat, fields[NAME].place, form->name);
    write_type(flat, fields[TYPE].place, form);
    if (form->is_json)
        write_json_mark(flat, fields[METADATA].place);
    return flatbuffer_write_vector(flat, fields[CHILDREN].place, is_list, 4);
}

static void write_column(struct flatbuffer_writer *flat, size_t from,
                         const struct arrow_column *column)
{
    const struct form item = {
        .name = STR("item"), .nullable = true, .type = ARROW_FLOAT, .precision = PRECISION_SINGLE};
    const struct form form = {
        .name = column->name,
        .nullable = true,
        .type = type_of(column),
        .precision = PRECISION_DOUBLE,
        .list_size = column->dimension,
        .is_json = column->is_registered && column->data_type == DATA_TYPE_JSON,
    };
    size_t child = write_field(flat, from, &form);
    if (form.type == ARROW_LIST || form.type == ARROW_FIXED_SIZE_LIST)
        write_field(flat, child, &item);
}

void arrow_append_schema(struct buffer *out, const struct arrow_column *columns, uint32_t count)
{
    const struct form entity_id = {.name = STR("entity_id"), .type = ARROW_UTF8};
    struct flatbuffer_field schema[] = {{SCHEMA_FIELDS, 4, 0}};
    struct arrow_message_writer message;
    struct flatbuffer_writer *flat = &message.flat;
    arrow_message_begin(&message, out, ARROW_SCHEMA);
    flatbuffer_write_table(flat, message.header, schema, ARRAY_LEN(schema));
    size_t fields = flatbuffer_write_vector(flat, schema[0].place, count + 1, 4);
    write_field(flat, fields, &entity_id);
    for (uint32_t i = 0; i < count; i++)
        write_column(flat, fields + 4 * ((size_t)i + 1), &columns[i]);
    arrow_message_begin_body(&message);
    arrow_message_end(&message);
}
