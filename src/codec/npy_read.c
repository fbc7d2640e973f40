#include "codec/npy_read.h"

#define MAGIC STR("\x93NUMPY")
#define MAGIC_BYTES 6u

/* The file, and how far it has been read. */
struct reader {
    str file;
    size_t at;
    size_t end; /* of the header */
    struct error *error;
};

enum { KEY_DESCR = 1, KEY_ORDER = 2, KEY_SHAPE = 4, KEYS_ALL = 7 };

static status malformed(const struct reader *reader, const char *what)
{
    return error_set(reader->error, STATUS_MALFORMED, "npy_invalid",
                     "malformed .npy file at byte %zu: %s", reader->at, what);
}

static void skip_spaces(struct reader *reader)
{
    while (reader->at < reader->end &&
           (reader->file.data[reader->at] == ' ' || reader->file.data[reader->at] == '\n'))
        reader->at++;
}

/* 0 at the header's end. */
static char peek(struct reader *reader)
{
    skip_spaces(reader);
    return reader->at < reader->end ? reader->file.data[reader->at] : '\0';
}

static bool take(struct reader *reader, char wanted)
{
    if (peek(reader) != wanted || reader->at == reader->end)
        return false;
    reader->at++;
    return true;
}

/* Without escapes: nothing that belongs into a header needs one. */
static status take_text(struct reader *reader, str *out)
{
    char quote = peek(reader);
    if (quote != '\'' && quote != '"')
        return malformed(reader, "a quoted text is expected");
    const char *text = reader->file.data + reader->at + 1;
    const char *end = memchr(text, quote, reader->end - reader->at - 1);
    if (end == NULL || memchr(text, '\\', (size_t)(end - text)))
        return malformed(reader, "a text that does not end, or with a backslash");
    *out = str_of(text, (size_t)(end - text));
    reader->at += out->len + 2;
    return OK;
}

static status take_word(struct reader *reader, bool *out)
{
    str rest = str_of(reader->file.data + reader->at, reader->end - reader->at);
    *out = str_starts_with(rest, STR("True"));
    if (!*out && !str_starts_with(rest, STR("False")))
        return malformed(reader, "True or False is expected");
    reader->at += *out ? 4 : 5;
    return OK;
}

static status take_number(struct reader *reader, uint64_t *out)
{
    size_t start = reader->at;
    while (reader->at < reader->end && reader->file.data[reader->at] >= '0' &&
           reader->file.data[reader->at] <= '9')
        reader->at++;
    if (str_to_uint64(str_of(reader->file.data + start, reader->at - start), out))
        return OK;
    reader->at = start;
    return malformed(reader, "a number of at most 64 bits is expected");
}

/* "()", "(3,)", "(3, 2)" */
static status take_shape(struct reader *reader, struct npy_array *array)
{
    if (!take(reader, '('))
        return malformed(reader, "a tuple is expected");
    array->dimension_count = 0;
    while (!take(reader, ')')) {
        if (array->dimension_count == NPY_DIMENSIONS_MAX)
            return malformed(reader, "more dimensions than an array may have");
        TRY(take_number(reader, &array->shape[array->dimension_count]));
        array->dimension_count++;
        if (!take(reader, ',') && (peek(reader) != ')' || array->dimension_count == 1))
            return malformed(reader, "a comma is expected");
    }
    return OK;
}

static status take_descr(struct reader *reader, struct npy_array *array)
{
    array->descr = str_of(NULL, 0);
    if (peek(reader) != '[')
        return take_text(reader, &array->descr);
    /* A list of fields, whatever they are: nobody asks for the rest of this header. */
    reader->at = reader->end;
    return OK;
}

static status take_entry(struct reader *reader, struct npy_array *array, unsigned *seen)
{
    str key;
    unsigned which;
    TRY(take_text(reader, &key));
    which = str_eq(key, STR("descr"))           ? KEY_DESCR
            : str_eq(key, STR("fortran_order")) ? KEY_ORDER
            : str_eq(key, STR("shape"))         ? KEY_SHAPE
                                                : 0;
    if (which == 0 || (*seen & which))
        return malformed(reader, "descr, fortran_order and shape are expected, each once");
    *seen |= which;
    if (!take(reader, ':'))
        return malformed(reader, "a colon is expected");
    skip_spaces(reader);
    if (which == KEY_DESCR)
        return take_descr(reader, array);
    return which == KEY_ORDER ? take_word(reader, &array->fortran_order)
                              : take_shape(reader, array);
}

static status take_header(struct reader *reader, struct npy_array *array)
{
    unsigned seen = 0;
    if (!take(reader, '{'))
        return malformed(reader, "a dict is expected");
    while (!take(reader, '}')) {
        TRY(take_entry(reader, array, &seen));
        if ((seen & KEY_DESCR) && array->descr.data == NULL)
            return OK;
        if (!take(reader, ',') && peek(reader) != '}')
            return malformed(reader, "a comma is expected");
    }
    skip_spaces(reader);
    if (seen != KEYS_ALL || reader->at != reader->end)
        return malformed(reader, "the header must be a dict of descr, fortran_order and shape");
    return OK;
}

/* Where the header begins and ends. */
static status take_prefix(struct reader *reader)
{
    const unsigned char *bytes = (const unsigned char *)reader->file.data;
    if (!str_starts_with(reader->file, MAGIC) || reader->file.len < MAGIC_BYTES + 4)
        return malformed(reader, "it begins with \\x93NUMPY and a version");
    unsigned version = bytes[MAGIC_BYTES];
    size_t len_bytes = version == 1 ? 2 : 4;
    size_t len = 0;
    if (version < 1 || version > 3)
        return malformed(reader, "the version must be 1.0, 2.0 or 3.0");
    reader->at = MAGIC_BYTES + 2;
    if (reader->file.len - reader->at < len_bytes)
        return malformed(reader, "the length of the header is cut off");
    for (size_t i = len_bytes; i > 0; i--)
        len = len << 8 | bytes[reader->at + i - 1];
    reader->at += len_bytes;
    if (reader->file.len - reader->at < len)
        return malformed(reader, "the header is cut off");
    reader->end = reader->at + len;
    return OK;
}

status npy_read(str file, struct npy_array *out, struct error *error)
{
    struct reader reader = {.file = file, .error = error};
    struct npy_array array = {.fortran_order = false};
    TRY(take_prefix(&reader));
    TRY(take_header(&reader, &array));
    array.data = str_of(file.data + reader.end, file.len - reader.end);
    *out = array;
    return OK;
}
