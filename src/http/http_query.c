#include "http/http_private.h"

static size_t count_pieces(str query)
{
    size_t count = 1;
    for (size_t i = 0; i < query.len; i++)
        count += query.data[i] == '&';
    return count;
}

static status decode(str raw, struct arena *arena, str *out, struct error *error)
{
    if (!http_percent_is_valid(raw))
        return error_set(error, STATUS_MALFORMED, "malformed",
                         "The query string holds a malformed percent-encoding");
    if (!http_percent_decode(raw, true, arena, out))
        return error_set(error, STATUS_OUT_OF_MEMORY, "memory", "Out of memory");
    if (!str_is_utf8(*out))
        return error_set(error, STATUS_MALFORMED, "malformed", "The query string is not UTF-8");
    return OK;
}

status http_query_parse(str query, struct arena *arena, struct http_query_parameter **out,
                        uint32_t *count, struct error *error)
{
    struct http_query_parameter *parameters = NULL;
    uint32_t found = 0;
    if (query.len)
        parameters = arena_alloc(arena, count_pieces(query) * sizeof(*parameters));
    if (query.len && parameters == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "memory", "Out of memory");
    while (query.len) {
        str piece = str_split(query, '&', &query);
        if (piece.len == 0)
            continue;
        str value;
        str name = str_split(piece, '=', &value);
        TRY(decode(name, arena, &parameters[found].name, error));
        TRY(decode(value, arena, &parameters[found].value, error));
        found++;
    }
    *out = parameters;
    *count = found;
    return OK;
}
