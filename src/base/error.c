#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

enum { LOC_NAME = 'n', LOC_INDEX = 'i' };

void error_clear(struct error *error)
{
    if (error == NULL)
        return;
    error->code = STATUS_OK;
    error->detail[0] = '\0';
    error->type[0] = '\0';
    error->loc_len = 0;
}

/* A cut text must stay valid UTF-8: it goes into JSON. */
static void cut_at_character(char *text, size_t len)
{
    size_t end = len;
    while (end > 0 && ((unsigned char)text[end - 1] & 0xC0) == 0x80)
        end--;
    if (end > 0 && (unsigned char)text[end - 1] >= 0xC0)
        end--;
    text[str_is_utf8(str_of(text, len)) ? len : end] = '\0';
}

/* What a peer said may be any bytes. */
static void mask_unless_utf8(char *text)
{
    if (str_is_utf8(str_of(text, strlen(text))))
        return;
    for (; *text; text++) {
        if ((unsigned char)*text >= 0x80)
            *text = '?';
    }
}

status error_set(struct error *error, enum status_code code, const char *type, const char *format,
                 ...)
{
    if (error == NULL)
        return status_of(code);
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(error->detail, sizeof(error->detail), format, arguments);
    va_end(arguments);
    if (len >= (int)sizeof(error->detail))
        cut_at_character(error->detail, sizeof(error->detail) - 1);
    mask_unless_utf8(error->detail);
    snprintf(error->type, sizeof(error->type), "%s", type);
    error->code = code;
    return status_of(code);
}

status error_no_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory", "not enough memory");
}

/* Each part is one kind byte, two length bytes, then its bytes. */
static void loc_append(struct error *error, char kind, const void *data, size_t len)
{
    if (error == NULL || len > ERROR_LOC_MAX || error->loc_len + 3 + len > sizeof(error->loc))
        return;
    char *at = error->loc + error->loc_len;
    at[0] = kind;
    at[1] = (char)(len & 0xFF);
    at[2] = (char)(len >> 8);
    if (len)
        memcpy(at + 3, data, len);
    error->loc_len += 3 + len;
}

void error_loc_name(struct error *error, str name)
{
    loc_append(error, LOC_NAME, name.data, name.len);
}

void error_loc_index(struct error *error, uint64_t index)
{
    loc_append(error, LOC_INDEX, &index, sizeof(index));
}

bool error_loc_next(const struct error *error, size_t *cursor, struct error_loc_part *part)
{
    if (*cursor >= error->loc_len)
        return false;
    const unsigned char *at = (const unsigned char *)error->loc + *cursor;
    size_t len = (size_t)at[1] | (size_t)at[2] << 8;
    part->is_index = at[0] == LOC_INDEX;
    part->index = 0;
    if (part->is_index)
        memcpy(&part->index, at + 3, sizeof(part->index));
    part->name = str_of((const char *)at + 3, part->is_index ? 0 : len);
    *cursor += 3 + len;
    return true;
}
