#include "codec/arrow_read_batch.h"

#include <inttypes.h>

#include "base/memory.h"
#include "codec/json_document.h"

#define VIEW_BYTES 16u
#define WORDS_PER_BUFFER 2u /* offset, length */
#define WORDS_PER_NODE 2u   /* length, null count */

/* Nodes and buffers are taken one after the other, as the fields come. */
struct cursor {
    struct arrow_batch *batch;
    const struct arrow_message *message;
    struct flatbuffer_vector nodes;
    struct flatbuffer_vector buffers;
    struct flatbuffer_vector variadic;
    uint32_t node;
    uint32_t buffer;
    uint32_t variadic_at;
    uint32_t blocks_used;
    uint64_t bytes; /* of the buffers taken */
    bool is_damaged;
};

void arrow_batch_fini(struct arrow_batch *batch)
{
    memory_free(batch->arrays);
    memory_free(batch->blocks);
    *batch = (struct arrow_batch){0};
}

static str take_buffer(struct cursor *cursor)
{
    str body = cursor->message->body;
    if (cursor->buffer < cursor->buffers.count) {
        uint64_t word = (uint64_t)cursor->buffer++ * WORDS_PER_BUFFER;
        uint64_t offset = (uint64_t)flatbuffer_word(&cursor->buffers, word);
        uint64_t bytes = (uint64_t)flatbuffer_word(&cursor->buffers, word + 1);
        /* Buffers do not share bytes, so that a batch is never more than its body. */
        if (offset <= body.len && bytes <= body.len - offset && bytes <= body.len - cursor->bytes) {
            cursor->bytes += bytes;
            return str_of(body.data + offset, bytes);
        }
    }
    cursor->is_damaged = true;
    return (str){0};
}

/* One that holds at least so many bytes. */
static const char *require_buffer(struct cursor *cursor, uint64_t bytes)
{
    str buffer = take_buffer(cursor);
    cursor->is_damaged |= buffer.len < bytes;
    return buffer.data;
}

static void skip_buffers(struct cursor *cursor, uint32_t count)
{
    while (count-- > 0)
        (void)take_buffer(cursor);
}

static uint32_t take_variadic_count(struct cursor *cursor)
{
    if (cursor->variadic_at < cursor->variadic.count) {
        int64_t count = flatbuffer_word(&cursor->variadic, cursor->variadic_at++);
        if (count >= 0 && count <= cursor->buffers.count)
            return (uint32_t)count;
    }
    cursor->is_damaged = true;
    return 0;
}

/* The column's length and, if some are null, its bitmap. */
static void take_node(struct cursor *cursor, struct arrow_array *array)
{
    int64_t length = -1;
    int64_t null_count = -1;
    if (cursor->node < cursor->nodes.count) {
        uint64_t word = (uint64_t)cursor->node++ * WORDS_PER_NODE;
        length = flatbuffer_word(&cursor->nodes, word);
        null_count = flatbuffer_word(&cursor->nodes, word + 1);
    }
    /* No array is longer than the bits of a body; the products below cannot overflow. */
    if (length < 0 || null_count < 0 || length > INT64_C(8) * ARROW_BODY_BYTES) {
        cursor->is_damaged = true;
        return;
    }
    array->length = (uint64_t)length;
    if (array->field->type == ARROW_NULL && !array->is_of_indices)
        return;
    str bitmap = take_buffer(cursor);
    if (bitmap.len > 0)
        array->validity = bitmap.data;
    cursor->is_damaged |=
        bitmap.len < (bitmap.len > 0 || null_count > 0 ? (array->length + 7) / 8 : 0);
}

static void take_text(struct cursor *cursor, struct arrow_array *array, uint32_t offset_bytes)
{
    uint64_t offsets = array->length ? array->length + 1 : 0;
    array->values = require_buffer(cursor, offsets * offset_bytes);
    array->text = take_buffer(cursor);
}

static void take_views(struct cursor *cursor, struct arrow_array *array)
{
    array->values = require_buffer(cursor, array->length * VIEW_BYTES);
    array->block_count = take_variadic_count(cursor);
    if (array->block_count > 0)
        array->blocks = cursor->batch->blocks + cursor->blocks_used;
    for (uint32_t i = 0; i < array->block_count && !cursor->is_damaged; i++)
        cursor->batch->blocks[cursor->blocks_used++] = take_buffer(cursor);
}

/* A wanted column without what is nested in it. */
static void take_column(struct cursor *cursor, struct arrow_array *array)
{
    take_node(cursor, array);
    if (array->is_of_indices) {
        array->values = require_buffer(cursor, array->length * array->width.bytes);
        return;
    }
    switch (array->field->type) {
    case ARROW_INT:
    case ARROW_FLOAT:
    case ARROW_DATE:
    case ARROW_TIMESTAMP:
        array->values = require_buffer(cursor, array->length * array->width.bytes);
        break;
    case ARROW_BOOL:
        array->values = require_buffer(cursor, (array->length + 7) / 8);
        break;
    case ARROW_UTF8:
        take_text(cursor, array, sizeof(int32_t));
        break;
    case ARROW_LARGE_UTF8:
        take_text(cursor, array, sizeof(int64_t));
        break;
    case ARROW_UTF8_VIEW:
        take_views(cursor, array);
        break;
    case ARROW_LIST:
        array->values =
            require_buffer(cursor, array->length ? (array->length + 1) * sizeof(int32_t) : 0);
        break;
    case ARROW_LARGE_LIST:
        array->values =
            require_buffer(cursor, array->length ? (array->length + 1) * sizeof(int64_t) : 0);
        break;
    default: /* null and lists of a fixed size have no more */
        break;
    }
}

/* How many buffers a column has that nobody looks at. */
static uint32_t buffer_count(const struct arrow_field *field, int64_t version)
{
    uint32_t union_validity = version < ARROW_VERSION_V5;
    if (field->has_dictionary)
        return 2;
    switch (field->type) {
    case ARROW_NULL:
    case ARROW_RUN_END_ENCODED:
        return 0;
    case ARROW_STRUCT:
    case ARROW_FIXED_SIZE_LIST:
        return 1;
    case ARROW_BINARY:
    case ARROW_LARGE_BINARY:
    case ARROW_UTF8:
    case ARROW_LARGE_UTF8:
    case ARROW_LIST_VIEW:
    case ARROW_LARGE_LIST_VIEW:
        return 3;
    case ARROW_UNION: /* dense ones have offsets */
        return 1u + (field->list_size != 0) + union_validity;
    default:
        return 2;
    }
}

static void skip_column(struct cursor *cursor, const struct arrow_field *field, int64_t version)
{
    bool has_views = field->type == ARROW_UTF8_VIEW || field->type == ARROW_BINARY_VIEW;
    cursor->is_damaged |= cursor->node >= cursor->nodes.count;
    cursor->node++;
    skip_buffers(cursor, buffer_count(field, version));
    if (has_views && !field->has_dictionary)
        skip_buffers(cursor, take_variadic_count(cursor));
}

static status compressed(struct error *error)
{
    return error_set(error, STATUS_INVALID, "value_error",
                     "the Arrow stream is compressed: write it without compression (pyarrow: "
                     "IpcWriteOptions(compression=None))");
}

static status cursor_init(struct cursor *cursor, struct arrow_batch *batch,
                          const struct arrow_message *message, const struct flatbuffer_table *table,
                          struct error *error)
{
    struct flatbuffer_table compression = flatbuffer_child(table, ARROW_BATCH_COMPRESSION);
    *cursor = (struct cursor){
        .batch = batch,
        .message = message,
        .nodes = flatbuffer_vector(table, ARROW_BATCH_NODES, 16),
        .buffers = flatbuffer_vector(table, ARROW_BATCH_BUFFERS, 16),
        .variadic = flatbuffer_vector(table, ARROW_BATCH_VARIADIC, 8),
    };
    int64_t length = flatbuffer_int(table, ARROW_BATCH_LENGTH, 8, 0);
    if (message->metadata.is_damaged || length < 0)
        return arrow_damaged(error, "a record batch cannot be read");
    if (flatbuffer_is_there(&compression))
        return compressed(error);
    batch->length = (uint64_t)length;
    uint32_t blocks = cursor->variadic.count ? cursor->buffers.count : 0;
    if (blocks <= batch->block_capacity)
        return OK;
    str *grown = memory_realloc(batch->blocks, blocks * sizeof(*grown));
    if (grown == NULL)
        return error_no_memory(error);
    batch->blocks = grown;
    batch->block_capacity = blocks;
    return OK;
}

static status cursor_end(const struct cursor *cursor, struct error *error)
{
    if (!cursor->is_damaged && cursor->node == cursor->nodes.count &&
        cursor->buffer == cursor->buffers.count)
        return OK;
    return arrow_damaged(error, "a record batch does not have the buffers of its schema");
}

/* The field and, of a list, its items. */
static void take_wanted(struct cursor *cursor, const struct arrow_schema *schema, uint32_t index)
{
    for (uint32_t i = index; i < schema->fields[index].end; i++) {
        const struct arrow_field *field = &schema->fields[i];
        struct arrow_array *array = &cursor->batch->arrays[i];
        bool has_items = i + 1 < schema->fields[index].end;
        *array = (struct arrow_array){
            .field = field,
            .is_of_indices = field->has_dictionary,
            .width = field->has_dictionary ? field->index_width : field->width,
            .items = has_items ? array + 1 : NULL,
        };
        take_column(cursor, array);
    }
    cursor->is_damaged |= cursor->batch->arrays[index].length != cursor->batch->length;
}

/* The items of a fixed-size list lie side by side. */
static bool items_suffice(const struct arrow_array *array)
{
    return array->field->type != ARROW_FIXED_SIZE_LIST || array->is_of_indices ||
           array->items == NULL || array->items->length >= array->length * array->field->list_size;
}

status arrow_batch_read(struct arrow_batch *batch, const struct arrow_schema *schema,
                        const struct arrow_message *message, struct error *error)
{
    struct cursor cursor;
    if (batch->arrays == NULL)
        batch->arrays = memory_alloc_array(schema->field_count, sizeof(*batch->arrays));
    if (batch->arrays == NULL)
        return error_no_memory(error);
    batch->length = 0;
    TRY(cursor_init(&cursor, batch, message, &message->header, error));
    uint64_t length = batch->length;
    batch->length = 0;
    if (length > ARROW_CELLS_MAX / (schema->column_count ? schema->column_count : 1))
        return error_set(error, STATUS_TOO_LARGE, "too_long",
                         "the record batch has %" PRIu64 " rows of %" PRIu32
                         " columns, at most %" PRIu64 " values are taken: write smaller batches "
                         "(pyarrow: write_table(table, max_chunksize=50000))",
                         length, schema->column_count, ARROW_CELLS_MAX);
    batch->length = length;
    for (uint32_t i = 0; i < schema->field_count && !cursor.is_damaged;) {
        const struct arrow_field *field = &schema->fields[i];
        if (field->is_wanted) {
            take_wanted(&cursor, schema, i);
            cursor.is_damaged |= !items_suffice(&batch->arrays[i]);
            i = field->end;
        } else {
            skip_column(&cursor, field, schema->version);
            i++;
        }
    }
    status read = cursor_end(&cursor, error);
    if (!status_is_ok(read))
        batch->length = 0;
    return read;
}

status arrow_batch_read_dictionary(struct arrow_batch *batch, const struct arrow_field *field,
                                   const struct arrow_message *message, struct error *error)
{
    struct cursor cursor;
    struct flatbuffer_table table = flatbuffer_child(&message->header, ARROW_DICTIONARY_DATA);
    if (batch->arrays == NULL)
        batch->arrays = memory_alloc_array(1, sizeof(*batch->arrays));
    if (batch->arrays == NULL)
        return error_no_memory(error);
    TRY(cursor_init(&cursor, batch, message, &table, error));
    *batch->arrays = (struct arrow_array){.field = field};
    take_column(&cursor, batch->arrays);
    return cursor_end(&cursor, error);
}
