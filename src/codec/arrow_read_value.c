#include "codec/arrow_read_value.h"

#include <math.h>

#include "base/clock.h"
#include "codec/bulk.h"
#include "codec/json_document.h"
#include "codec/json_read.h"
#include "codec/json_value.h"
#include "codec/number_text.h"
#include "model/limits.h"

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY INT64_C(86400000000)
#define VIEW_INLINE_BYTES 12u

/* A number as it was written; an unsigned one may be beyond int64_t. */
struct number {
    enum { NUMBER_SIGNED, NUMBER_UNSIGNED, NUMBER_REAL } kind;
    int64_t integer;
    uint64_t natural;
    double real;
};

static bool is_text(enum arrow_type type)
{
    return type == ARROW_UTF8 || type == ARROW_LARGE_UTF8 || type == ARROW_UTF8_VIEW;
}

static bool is_time(enum arrow_type type)
{
    return type == ARROW_TIMESTAMP || type == ARROW_DATE;
}

static bool is_number(const struct arrow_field *field)
{
    return field->type == ARROW_INT || (field->type == ARROW_FLOAT && field->width.bytes >= 4);
}

bool arrow_is_readable(const struct arrow_field *field)
{
    if (field->has_dictionary)
        return is_text(field->type);
    if (arrow_is_list(field))
        return is_number(&field[1]) && !field[1].has_dictionary;
    return is_number(field) || is_text(field->type) || is_time(field->type) ||
           field->type == ARROW_BOOL || field->type == ARROW_NULL;
}

bool arrow_can_become(const struct arrow_field *field, enum data_type type)
{
    if (field->type == ARROW_NULL)
        return true;
    switch (type) {
    case DATA_TYPE_INT:
    case DATA_TYPE_FLOAT:
        return is_number(field);
    case DATA_TYPE_BOOLEAN:
        return field->type == ARROW_BOOL || field->type == ARROW_INT;
    case DATA_TYPE_STRING:
        return is_text(field->type);
    case DATA_TYPE_TIMESTAMP:
        return is_time(field->type) || is_text(field->type) || field->type == ARROW_INT;
    case DATA_TYPE_EMBEDDING:
        return arrow_is_list(field);
    case DATA_TYPE_JSON:
    case DATA_TYPE_COUNT:
    default:
        return true;
    }
}

bool arrow_can_be_id(const struct arrow_field *field)
{
    return is_text(field->type) || field->type == ARROW_INT;
}

static bool bit(const char *bits, uint64_t index)
{
    return (unsigned char)bits[index / 8] >> (index % 8) & 1;
}

static uint64_t load(const char *values, uint64_t index, unsigned bytes)
{
    uint64_t value = 0;
    memcpy(&value, values + index * bytes, bytes);
    return value;
}

static int64_t load_signed(const char *values, uint64_t index, unsigned bytes)
{
    unsigned unused_bits = 64 - bytes * 8;
    return (int64_t)(load(values, index, bytes) << unused_bits) >> unused_bits;
}

static struct number load_number(const struct arrow_array *array, uint64_t row)
{
    struct number number = {.kind = NUMBER_SIGNED};
    unsigned bytes = array->width.bytes;
    if (array->field->type == ARROW_FLOAT) {
        float narrow;
        number.kind = NUMBER_REAL;
        if (bytes == sizeof(narrow)) {
            memcpy(&narrow, array->values + row * sizeof(narrow), sizeof(narrow));
            number.real = (double)narrow;
        } else {
            memcpy(&number.real, array->values + row * sizeof(number.real), sizeof(number.real));
        }
    } else if (array->width.is_signed) {
        number.integer = load_signed(array->values, row, bytes);
    } else {
        number.natural = load(array->values, row, bytes);
        number.integer = (int64_t)number.natural;
        number.kind = number.natural > INT64_MAX ? NUMBER_UNSIGNED : NUMBER_SIGNED;
    }
    return number;
}

static enum number_result to_int64(const struct number *number, int64_t *out)
{
    if (number->kind == NUMBER_UNSIGNED)
        return NUMBER_RANGE;
    if (number->kind == NUMBER_SIGNED) {
        *out = number->integer;
        return NUMBER_OK;
    }
    if (isinf(number->real))
        return NUMBER_RANGE;
    if (!(number->real == floor(number->real)))
        return NUMBER_FRACTION; /* NaN too */
    if (!(number->real >= -0x1p63 && number->real < 0x1p63))
        return NUMBER_RANGE;
    *out = (int64_t)number->real;
    return NUMBER_OK;
}

static double to_double(const struct number *number)
{
    if (number->kind == NUMBER_REAL)
        return number->real;
    return number->kind == NUMBER_SIGNED ? (double)number->integer : (double)number->natural;
}

/* From `start` to `end` of what the offsets of a string or list lead into; false: they are damaged.
 */
static bool load_range(const struct arrow_array *array, uint64_t row, unsigned bytes,
                       uint64_t limit, uint64_t *start, uint64_t *end)
{
    int64_t first = load_signed(array->values, row, bytes);
    int64_t last = load_signed(array->values, row + 1, bytes);
    if (first < 0 || last < first || (uint64_t)last > limit)
        return false;
    *start = (uint64_t)first;
    *end = (uint64_t)last;
    return true;
}

/* Length, then the text itself, or four bytes of it and in which block it is and where. */
static bool load_view(const struct arrow_array *array, uint64_t row, str *out)
{
    const char *view = array->values + row * 16;
    uint64_t len = load(view, 0, 4);
    if (len <= VIEW_INLINE_BYTES) {
        *out = str_of(view + 4, len);
        return true;
    }
    uint64_t block = load(view, 2, 4);
    uint64_t offset = load(view, 3, 4);
    if (block >= array->block_count || offset > array->blocks[block].len ||
        len > array->blocks[block].len - offset)
        return false;
    *out = str_of(array->blocks[block].data + offset, len);
    return true;
}

static bool load_text(const struct arrow_array *array, uint64_t row, str *out)
{
    uint64_t start;
    uint64_t end;
    if (array->field->type == ARROW_UTF8_VIEW)
        return load_view(array, row, out);
    unsigned bytes = array->field->type == ARROW_UTF8 ? sizeof(int32_t) : sizeof(int64_t);
    if (!load_range(array, row, bytes, array->text.len, &start, &end))
        return false;
    *out = str_of(array->text.data + start, end - start);
    return true;
}

enum presence { PRESENT, IS_NULL, DAMAGED };

/* Moves on into the dictionary, if there is one. */
static enum presence find(const struct arrow_array **array, uint64_t *row)
{
    for (;;) {
        if ((*array)->validity && !bit((*array)->validity, *row))
            return IS_NULL;
        if (!(*array)->is_of_indices)
            return (*array)->field->type == ARROW_NULL ? IS_NULL : PRESENT;
        uint64_t index = load((*array)->values, *row, (*array)->width.bytes);
        *array = (*array)->dictionary;
        if (*array == NULL || index >= (*array)->length)
            return DAMAGED;
        *row = index;
    }
}

static status damaged(struct error *error)
{
    return error_set(error, STATUS_INVALID, "arrow_invalid",
                     "the Arrow stream is damaged: an offset or index leads out of its data");
}

static status take_number(const struct value_target *target, const struct number *number,
                          struct value *out)
{
    enum number_result result = NUMBER_OK;
    if (out->type == DATA_TYPE_INT) {
        result = to_int64(number, &out->integer);
    } else {
        out->real = to_double(number);
        if (unlikely(!isfinite(out->real)))
            result = NUMBER_RANGE;
    }
    return likely(result == NUMBER_OK) ? OK : value_number_error(target, result);
}

static status take_boolean(const struct arrow_array *array, uint64_t row,
                           const struct value_target *target, struct value *out)
{
    if (array->field->type == ARROW_BOOL) {
        out->boolean = bit(array->values, row);
        return OK;
    }
    struct number number = load_number(array, row);
    out->boolean = number.integer == 1;
    if (number.integer == 0 || number.integer == 1)
        return OK;
    return value_wrong_type(target, "another number than 0 and 1");
}

static status take_string(const struct arrow_array *array, uint64_t row,
                          const struct value_target *target, struct value *out)
{
    str text;
    if (!load_text(array, row, &text))
        return damaged(target->error);
    TRY(value_take_text(target, text, out));
    if (!str_is_utf8(text))
        return value_not_utf8(target);
    return arena_copy_str(target->arena, text, &out->text) ? OK : error_no_memory(target->error);
}

/* Microseconds in the bounds of base/clock.h, of `per_second` units; what is finer is cut off. */
static bool scale_time(int64_t count, uint32_t per_second, int64_t *out_us)
{
    int64_t us;
    if (per_second == 0) {
        if (__builtin_mul_overflow(count, US_PER_DAY, &us))
            return false;
    } else if (per_second > US_PER_SECOND) {
        int64_t finer = per_second / US_PER_SECOND;
        us = count / finer - (count % finer < 0);
    } else if (__builtin_mul_overflow(count, US_PER_SECOND / per_second, &us)) {
        return false;
    }
    if (us < CLOCK_MIN_US || us > CLOCK_MAX_US)
        return false;
    *out_us = us;
    return true;
}

static bool load_time(const struct arrow_array *array, uint64_t row, int64_t *out_us)
{
    str text;
    struct number number;
    switch (array->field->type) {
    case ARROW_TIMESTAMP:
    case ARROW_DATE:
        return scale_time(load_signed(array->values, row, array->width.bytes),
                          array->field->per_second, out_us);
    case ARROW_INT:
        number = load_number(array, row);
        return number.kind == NUMBER_SIGNED && scale_time(number.integer, 1000, out_us);
    default:
        return is_text(array->field->type) && load_text(array, row, &text) &&
               clock_parse_rfc3339(text, out_us);
    }
}

enum arrow_time arrow_take_time(const struct arrow_array *array, uint64_t row, int64_t *out_us)
{
    enum presence presence = find(&array, &row);
    if (presence != PRESENT)
        return presence == IS_NULL ? ARROW_TIME_NULL : ARROW_TIME_NONE;
    return load_time(array, row, out_us) ? ARROW_TIME_OK : ARROW_TIME_NONE;
}

static bool find_items(const struct arrow_array *array, uint64_t row, uint64_t *start,
                       uint64_t *end)
{
    const struct arrow_field *field = array->field;
    if (field->type == ARROW_FIXED_SIZE_LIST) {
        *start = row * field->list_size;
        *end = *start + field->list_size;
        return true;
    }
    unsigned bytes = field->type == ARROW_LIST ? sizeof(int32_t) : sizeof(int64_t);
    return load_range(array, row, bytes, array->items->length, start, end);
}

static status take_component(const struct arrow_array *items, uint64_t at, uint32_t index,
                             const struct value_target *target, float *out)
{
    if (unlikely(items->validity && !bit(items->validity, at)))
        return value_component_missing(target, index, "null");
    struct number number = load_number(items, at);
    *out = (float)to_double(&number);
    return likely(isfinite(*out)) ? OK : value_component_not_finite(target, index);
}

static status take_embedding(const struct arrow_array *array, uint64_t row,
                             const struct value_target *target, struct value *out)
{
    uint64_t start;
    uint64_t end;
    if (!find_items(array, row, &start, &end))
        return damaged(target->error);
    TRY(value_check_dimension(target, end - start));
    uint32_t dimension = (uint32_t)(end - start);
    float *data = arena_alloc(target->arena, dimension * sizeof(*data));
    if (data == NULL)
        return error_no_memory(target->error);
    for (uint32_t i = 0; i < dimension; i++)
        TRY(take_component(array->items, start + i, i, target, &data[i]));
    out->embedding = (struct value_embedding){data, dimension};
    return OK;
}

/* A number, truth or time as JSON says it. */
static status append_json(struct buffer *out, const struct arrow_array *array, uint64_t row,
                          const struct value_target *target)
{
    struct value value = {.type = DATA_TYPE_INT};
    struct number number;
    if (array->field->type == ARROW_BOOL) {
        value.type = DATA_TYPE_BOOLEAN;
        value.boolean = bit(array->values, row);
    } else if (is_time(array->field->type)) {
        value.type = DATA_TYPE_TIMESTAMP;
        if (!load_time(array, row, &value.timestamp_us))
            return value_wrong_type(target, "a time beyond the years 1 to 9999");
    } else {
        number = load_number(array, row);
        if (number.kind == NUMBER_UNSIGNED) {
            buffer_append_uint64(out, number.natural);
            return OK;
        }
        if (number.kind == NUMBER_REAL) {
            value.type = DATA_TYPE_FLOAT;
            value.real = number.real;
            if (!isfinite(number.real))
                return error_set(target->error, STATUS_INVALID, "finite_number",
                                 "the value of '%.*s' holds a number that is not finite",
                                 STR_ARG(target->name));
        } else {
            value.integer = number.integer;
        }
    }
    json_encode_value(out, &value);
    return OK;
}

static status append_list(struct buffer *out, const struct arrow_array *array, uint64_t row,
                          const struct value_target *target)
{
    const struct arrow_array *items = array->items;
    uint64_t start;
    uint64_t end;
    if (!find_items(array, row, &start, &end))
        return damaged(target->error);
    buffer_append_char(out, '[');
    for (uint64_t i = start; i < end && out->len <= LIMIT_TEXT_BYTES; i++) {
        if (i > start)
            buffer_append_char(out, ',');
        if (items->validity && !bit(items->validity, i))
            buffer_append_str(out, STR("null"));
        else
            TRY(append_json(out, items, i, target));
    }
    buffer_append_char(out, ']');
    return OK;
}

static status take_json_text(str text, const struct value_target *target, struct value *out)
{
    if (text.len > BULK_ROW_BYTES) /* not even parsed */
        return value_take_text(target, text, out);
    return json_decode_value_text(text, target, out);
}

/* Strings are JSON text. What else there is becomes text here, for that is how it is stored. */
static status take_json(const struct arrow_array *array, uint64_t row,
                        const struct value_target *target, struct value *out)
{
    str text;
    struct buffer buffer;
    if (is_text(array->field->type))
        return load_text(array, row, &text) ? take_json_text(text, target, out)
                                            : damaged(target->error);
    buffer_init(&buffer, SIZE_MAX);
    status taken = arrow_is_list(array->field) ? append_list(&buffer, array, row, target)
                                         : append_json(&buffer, array, row, target);
    if (status_is_ok(taken) && buffer.failed)
        taken = error_no_memory(target->error);
    if (status_is_ok(taken))
        taken = value_take_text(target, buffer_str(&buffer), out);
    if (status_is_ok(taken) && !arena_copy_str(target->arena, buffer_str(&buffer), &out->text))
        taken = error_no_memory(target->error);
    buffer_fini(&buffer);
    return taken;
}

static status take_timestamp(const struct arrow_array *array, uint64_t row,
                             const struct value_target *target, struct value *out)
{
    if (likely(load_time(array, row, &out->timestamp_us)))
        return OK;
    return value_wrong_type(target, is_time(array->field->type)
                                        ? "a time beyond the years 1 to 9999"
                                    : is_text(array->field->type) ? "other text"
                                                                  : "this number");
}

static status take_present(const struct arrow_array *array, uint64_t row,
                           const struct value_target *target, struct value *out)
{
    struct number number;
    switch (out->type) {
    case DATA_TYPE_INT:
    case DATA_TYPE_FLOAT:
        number = load_number(array, row);
        return take_number(target, &number, out);
    case DATA_TYPE_BOOLEAN:
        return take_boolean(array, row, target, out);
    case DATA_TYPE_STRING:
        return take_string(array, row, target, out);
    case DATA_TYPE_TIMESTAMP:
        return take_timestamp(array, row, target, out);
    case DATA_TYPE_EMBEDDING:
        return take_embedding(array, row, target, out);
    case DATA_TYPE_JSON:
    case DATA_TYPE_COUNT:
    default:
        return take_json(array, row, target, out);
    }
}

status arrow_take_value(const struct arrow_array *array, uint64_t row,
                        const struct value_target *target, struct value *out)
{
    struct value value = {.type = target->version->data_type};
    switch (find(&array, &row)) {
    case PRESENT:
        TRY(take_present(array, row, target, &value));
        break;
    case IS_NULL:
        TRY(value_take_null(target, &value));
        break;
    case DAMAGED:
    default:
        return damaged(target->error);
    }
    *out = value;
    return OK;
}

uint64_t arrow_text_bytes(const struct arrow_array *array, uint64_t row)
{
    str text;
    if (find(&array, &row) != PRESENT || !is_text(array->field->type))
        return 0;
    return load_text(array, row, &text) ? text.len : 0;
}

status arrow_take_id(const struct arrow_array *array, uint64_t row, char room[ARROW_ID_ROOM],
                     str *out, struct error *error)
{
    enum presence presence = find(&array, &row);
    if (presence == DAMAGED)
        return damaged(error);
    *out = (str){0};
    if (presence == IS_NULL)
        return OK;
    if (is_text(array->field->type))
        return load_text(array, row, out) ? OK : damaged(error);
    struct number number = load_number(array, row);
    char *end = number.kind == NUMBER_UNSIGNED ? number_write_uint64(room, number.natural)
                                               : number_write_int64(room, number.integer);
    *out = str_of(room, (size_t)(end - room));
    return OK;
}
