#include "codec/id_list.h"

#include "codec/npy_read.h"
#include "model/definition.h"
#include "model/limits.h"

#define MEMBER "entity_ids" /* as the JSON form calls them */
#define BOM STR("\xEF\xBB\xBF")
#define UCS4_BYTES 4u
#define ADVICE "send ids as fixed-width bytes: numpy.asarray(ids).astype(\"S\")"

status id_list_check(const str *ids, uint32_t count, const char *name, struct error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        if (likely(entity_id_is_valid(ids[i])))
            continue;
        error_loc_name(error, str_from_cstr(name));
        error_loc_index(error, i);
        return error_set(error, STATUS_INVALID, ids[i].len ? "string_too_long" : "string_too_short",
                         "an id must be 1 to %u bytes long, not %zu", LIMIT_ENTITY_ID_BYTES,
                         ids[i].len);
    }
    return OK;
}

static void begin_loc(struct error *error)
{
    if (error)
        error->loc_len = 0;
    error_loc_name(error, STR("body"));
}

static status not_utf8(struct error *error, uint64_t index)
{
    return error_set(error, STATUS_MALFORMED, "string_unicode",
                     "entity id %llu (counted from 0) is not UTF-8", (unsigned long long)index);
}

static status check_count(uint64_t count, struct error *error)
{
    if (count <= LIMIT_READ_IDS)
        return OK;
    error_loc_name(error, STR(MEMBER));
    return error_set(error, STATUS_INVALID, "too_long",
                     MEMBER " may have at most %u items, not %llu", LIMIT_READ_IDS,
                     (unsigned long long)count);
}

/* Most bodies need no more than this. */
static bool is_ascii(str text)
{
    unsigned char all = 0;
    for (size_t i = 0; i < text.len; i++)
        all |= (unsigned char)text.data[i];
    return all < 0x80;
}

static status check_utf8(const str *ids, uint32_t count, str body, struct error *error)
{
    if (is_ascii(body))
        return OK;
    for (uint32_t i = 0; i < count; i++) {
        if (!str_is_utf8(ids[i]))
            return not_utf8(error, i);
    }
    return OK;
}

static uint64_t count_lines(str body)
{
    uint64_t count = 0;
    for (size_t i = 0; i < body.len; i++)
        count += body.data[i] == '\n';
    return count + (body.len > 0 && body.data[body.len - 1] != '\n');
}

static void split_lines(str body, str *ids, uint32_t count)
{
    const char *at = body.data;
    const char *end = body.data + body.len;
    for (uint32_t i = 0; i < count; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *id_end = newline ? newline : end;
        if (newline && id_end > at && id_end[-1] == '\r')
            id_end--;
        ids[i] = str_of(at, (size_t)(id_end - at));
        at = newline ? newline + 1 : end;
    }
}

status id_list_from_lines(str body, struct arena *arena, struct id_list *out, struct error *error)
{
    if (body.len == 0)
        body = STR(""); /* which has an address */
    if (str_starts_with(body, BOM))
        body = str_of(body.data + BOM.len, body.len - BOM.len);
    uint64_t lines = count_lines(body);
    begin_loc(error);
    TRY(check_count(lines, error));
    uint32_t count = (uint32_t)lines;
    str *ids = arena_alloc(arena, ((size_t)count + 1) * sizeof(*ids));
    if (ids == NULL)
        return error_no_memory(error);
    split_lines(body, ids, count);
    TRY(check_utf8(ids, count, body, error));
    TRY(id_list_check(ids, count, MEMBER, error));
    *out = (struct id_list){ids, count};
    return OK;
}

/* The NULs that pad an item are not part of it, as NumPy has it. */
static void split_bytes(str data, size_t width, str *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *item = data.data + i * width;
        size_t len = width;
        while (len > 0 && item[len - 1] == '\0')
            len--;
        ids[i] = str_of(item, len);
    }
}

static uint32_t character_at(str data, size_t i)
{
    uint32_t character;
    memcpy(&character, data.data + i * UCS4_BYTES, sizeof(character));
    return character;
}

/* NULL: no character at all. */
static char *put_utf8(char *at, uint32_t character)
{
    if (character < 0x80) {
        *at++ = (char)character;
    } else if (character < 0x800) {
        *at++ = (char)(0xC0 | character >> 6);
        *at++ = (char)(0x80 | (character & 0x3F));
    } else if (character < 0x10000 && (character < 0xD800 || character > 0xDFFF)) {
        *at++ = (char)(0xE0 | character >> 12);
        *at++ = (char)(0x80 | (character >> 6 & 0x3F));
        *at++ = (char)(0x80 | (character & 0x3F));
    } else if (character >= 0x10000 && character <= 0x10FFFF) {
        *at++ = (char)(0xF0 | character >> 18);
        *at++ = (char)(0x80 | (character >> 12 & 0x3F));
        *at++ = (char)(0x80 | (character >> 6 & 0x3F));
        *at++ = (char)(0x80 | (character & 0x3F));
    } else {
        return NULL;
    }
    return at;
}

/* UTF-8 is never longer than UCS-4, so that all of it has room in as many bytes. */
static status take_text(str data, size_t width, struct arena *arena, str *ids, uint32_t count,
                        struct error *error)
{
    char *at = arena_alloc(arena, data.len + 1);
    if (at == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0; i < count; i++) {
        size_t first = i * width;
        size_t len = width;
        char *start = at;
        while (len > 0 && character_at(data, first + len - 1) == 0)
            len--;
        for (size_t c = 0; c < len; c++) {
            at = put_utf8(at, character_at(data, first + c));
            if (at == NULL)
                return not_utf8(error, i);
        }
        ids[i] = str_of(start, (size_t)(at - start));
    }
    return OK;
}

static status refuse_array(struct error *error, const char *type, const char *what, str descr)
{
    return error_set(error, STATUS_INVALID, type, "%s%.*s; " ADVICE, what, STR_ARG(descr));
}

/* What the items are: the width in characters, and how many bytes such a character has. */
static status check_type(str descr, uint64_t *width, uint32_t *character_bytes, struct error *error)
{
    char kind = descr.len > 1 ? descr.data[1] : '\0';
    if (descr.data == NULL)
        return refuse_array(error, "dtype", "the array is of a structured type", STR(""));
    if ((kind != 'S' && kind != 'U') ||
        !str_to_uint64(str_of(descr.data + 2, descr.len - 2), width))
        return refuse_array(error, "dtype", "the array must be of type |S or <U, not ", descr);
    if (kind == 'U' && descr.data[0] != '<')
        return refuse_array(error, "dtype", "the array is not little endian: ", descr);
    *character_bytes = kind == 'U' ? UCS4_BYTES : 1;
    return OK;
}

static status check_size(const struct npy_array *array, uint64_t width, uint32_t character_bytes,
                         struct error *error)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(array->shape[0], width, &bytes) ||
        __builtin_mul_overflow(bytes, character_bytes, &bytes) || bytes != array->data.len)
        return error_set(error, STATUS_MALFORMED, "npy_invalid",
                         "malformed .npy file: %zu bytes follow the header, which is not what %llu "
                         "items of type %.*s have",
                         array->data.len, (unsigned long long)array->shape[0],
                         STR_ARG(array->descr));
    return OK;
}

status id_list_from_npy(str body, struct arena *arena, struct id_list *out, struct error *error)
{
    struct npy_array array;
    uint64_t width = 0;
    uint32_t character_bytes = 1;
    begin_loc(error);
    TRY(npy_read(body, &array, error));
    TRY(check_type(array.descr, &width, &character_bytes, error));
    if (array.dimension_count != 1)
        return error_set(error, STATUS_INVALID, "shape",
                         "the array must have one dimension, not %u", array.dimension_count);
    TRY(check_count(array.shape[0], error));
    TRY(check_size(&array, width, character_bytes, error));
    uint32_t count = (uint32_t)array.shape[0];
    str *ids = arena_alloc(arena, ((size_t)count + 1) * sizeof(*ids));
    if (ids == NULL)
        return error_no_memory(error);
    if (character_bytes == UCS4_BYTES) {
        TRY(take_text(array.data, width, arena, ids, count, error));
    } else {
        split_bytes(array.data, width, ids, count);
        TRY(check_utf8(ids, count, array.data, error));
    }
    TRY(id_list_check(ids, count, MEMBER, error));
    *out = (struct id_list){ids, count};
    return OK;
}
