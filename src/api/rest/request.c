#include "api/rest/request.h"

#include "model/limits.h"

struct error *api_error(struct http_exchange *exchange)
{
    static _Thread_local struct error fallback;
    struct error *error = arena_alloc(&exchange->arena, sizeof(*error));
    if (error == NULL)
        error = &fallback;
    error_clear(error);
    return error;
}

void *api_state(struct http_exchange *exchange, size_t size)
{
    void *state = arena_alloc_zero(&exchange->arena, size);
    if (state == NULL) {
        struct error *error = api_error(exchange);
        error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                  "not enough memory for this request");
        api_fail(exchange, error);
    }
    return state;
}

void api_fail(struct http_exchange *exchange, const struct error *error)
{
    http_respond_error(exchange, error);
}

void api_respond_json(struct http_exchange *exchange, str body)
{
    http_respond(exchange, 200, API_JSON, body);
}

struct buffer *api_respond_json_begin(struct http_exchange *exchange)
{
    return http_respond_begin(exchange, 200, API_JSON);
}

static bool list_contains(const char *list, str name)
{
    str rest = str_from_cstr(list);
    while (rest.len) {
        if (str_eq(str_split(rest, ' ', &rest), name))
            return true;
    }
    return false;
}

static status refuse_unknown(const struct api_query *query, const char *known, struct error *error)
{
    for (uint32_t i = 0; i < query->count; i++) {
        str name = query->items[i].name;
        if (str_eq(name, STR("strict")) || list_contains(known, name))
            continue;
        error_loc_name(error, STR("query"));
        error_loc_name(error, name);
        return error_set(error, STATUS_INVALID, "extra_forbidden",
                         "Unknown query parameter; this route takes: strict %s", known);
    }
    return OK;
}

status api_query_parse(struct http_exchange *exchange, const char *known, struct api_query *out,
                       struct error *error)
{
    *out = (struct api_query){.strict = api_of(exchange)->strict};
    if (exchange->request.query.len == 0)
        return OK;
    TRY(http_query_parse(exchange->request.query, &exchange->arena, &out->items, &out->count,
                         error));
    TRY(api_query_bool(out, STR("strict"), &out->strict, error));
    return out->strict ? refuse_unknown(out, known, error) : OK;
}

static const struct http_query_parameter *find(const struct api_query *query, str name)
{
    for (uint32_t i = query->count; i > 0; i--) {
        if (str_eq(query->items[i - 1].name, name))
            return &query->items[i - 1];
    }
    return NULL;
}

str api_query_get(const struct api_query *query, str name)
{
    const struct http_query_parameter *parameter = find(query, name);
    return parameter ? parameter->value : str_of(NULL, 0);
}

bool api_query_has(const struct api_query *query, str name)
{
    return find(query, name) != NULL;
}

status api_query_bool(const struct api_query *query, str name, bool *out, struct error *error)
{
    const struct http_query_parameter *parameter = find(query, name);
    if (parameter == NULL)
        return OK;
    str value = parameter->value;
    if (str_eq_nocase(value, STR("true")) || str_eq(value, STR("1"))) {
        *out = true;
    } else if (str_eq_nocase(value, STR("false")) || str_eq(value, STR("0"))) {
        *out = false;
    } else {
        error_loc_name(error, STR("query"));
        error_loc_name(error, name);
        return error_set(error, STATUS_INVALID, "bool_parsing",
                         "Input should be true or false (or 1 or 0)");
    }
    return OK;
}

status api_query_uint(const struct api_query *query, str name, uint64_t low, uint64_t high,
                      uint64_t *out, struct error *error)
{
    const struct http_query_parameter *parameter = find(query, name);
    uint64_t value;
    if (parameter == NULL)
        return OK;
    if (!str_to_uint64(parameter->value, &value) || value < low || value > high) {
        error_loc_name(error, STR("query"));
        error_loc_name(error, name);
        return error_set(error, STATUS_INVALID, "int_parsing",
                         "Input should be an integer from %llu to %llu", (unsigned long long)low,
                         (unsigned long long)high);
    }
    *out = value;
    return OK;
}

/* One for each comma and one more; none of an empty value. */
static uint32_t count_names(const struct api_query *query, str name)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < query->count; i++) {
        str value = query->items[i].value;
        if (!str_eq(query->items[i].name, name) || value.len == 0)
            continue;
        count++;
        for (size_t k = 0; k < value.len; k++)
            count += value.data[k] == ',';
    }
    return count;
}

static status refuse_names(str name, struct error *error, const char *type, const char *detail)
{
    error_loc_name(error, STR("query"));
    error_loc_name(error, name);
    return error_set(error, STATUS_INVALID, type, "%s", detail);
}

/* False if one of them is empty. */
static bool split_names(str value, const str *end, str **at)
{
    while (*at < end) {
        str one = str_trim(str_split(value, ',', &value));
        if (one.len == 0)
            return false;
        *(*at)++ = one;
        if (value.data == NULL)
            return true;
    }
    return true;
}

status api_query_names(const struct api_query *query, str name, struct arena *arena,
                       const str **out, uint32_t *count, struct error *error)
{
    *out = NULL;
    *count = 0;
    if (!api_query_has(query, name))
        return OK;
    uint32_t capacity = count_names(query, name);
    if (capacity > LIMIT_READ_NAMES)
        return refuse_names(name, error, "too_long", "More names than one request may hold");
    str *names = arena_alloc(arena, ((size_t)capacity + 1) * sizeof(*names));
    if (names == NULL)
        return error_no_memory(error);
    str *at = names;
    for (uint32_t i = 0; i < query->count; i++) {
        if (str_eq(query->items[i].name, name) && query->items[i].value.len > 0 &&
            !split_names(query->items[i].value, names + capacity, &at))
            return refuse_names(name, error, "string_too_short",
                                "One of the names between the commas is empty");
    }
    *out = names;
    *count = (uint32_t)(at - names);
    return OK;
}

str api_content_type(const struct http_exchange *exchange)
{
    str rest;
    str header = http_header_get(&exchange->request, STR("Content-Type"));
    return str_trim(str_split(header, ';', &rest));
}

bool api_is_json(const struct http_exchange *exchange)
{
    str type = api_content_type(exchange);
    str suffix = STR("+json");
    if (type.len == 0 || str_eq_nocase(type, API_JSON) || str_eq_nocase(type, STR("text/json")))
        return true;
    return type.len > suffix.len &&
           str_eq_nocase(str_of(type.data + type.len - suffix.len, suffix.len), suffix);
}

status api_require_json(const struct http_exchange *exchange, struct error *error)
{
    if (api_is_json(exchange))
        return OK;
    return error_set(error, STATUS_UNSUPPORTED_MEDIA_TYPE, "media_type",
                     "The body is declared as '%.*s'; send JSON with Content-Type: "
                     "application/json",
                     STR_ARG(api_content_type(exchange)));
}

/* "q=0.8" in thousandths; 1000 without one, 0 if it makes no sense. */
static unsigned quality_of(str parameters)
{
    while (parameters.len) {
        str one = str_trim(str_split(parameters, ';', &parameters));
        if (one.len < 3 || (one.data[0] != 'q' && one.data[0] != 'Q') || one.data[1] != '=')
            continue;
        unsigned quality = one.data[2] == '1' ? 1000 : 0;
        unsigned unit = 100;
        for (size_t i = 4; i < one.len && unit && quality < 1000; i++, unit /= 10) {
            if (one.data[i] >= '0' && one.data[i] <= '9')
                quality += (unsigned)(one.data[i] - '0') * unit;
        }
        return quality;
    }
    return 1000;
}

/* How closely a media range names the type: 0 not at all, 1 all types, 2 its major type, 3 itself.
 */
static unsigned range_fits(str range, str media_type)
{
    str minor;
    str major = str_split(media_type, '/', &minor);
    if (str_eq_nocase(range, media_type))
        return 3;
    if (str_eq(range, STR("*/*")))
        return 1;
    return range.len == major.len + 2 && range.data[range.len - 1] == '*' &&
                   str_eq_nocase(str_of(range.data, major.len), major)
               ? 2
               : 0;
}

/* What a line of ranges says, where it fits more closely than what was said before. */
static void weigh(str ranges, str media_type, bool exactly, unsigned *best_fit, unsigned *quality)
{
    while (ranges.len) {
        str parameters;
        str range = str_trim(str_split(str_split(ranges, ',', &ranges), ';', &parameters));
        unsigned fit = range_fits(range, media_type);
        if (fit > *best_fit && (!exactly || fit == 3)) {
            *best_fit = fit;
            *quality = quality_of(parameters);
        }
    }
}

unsigned api_accepts(const struct http_exchange *exchange, str media_type, bool exactly)
{
    const struct http_request *request = &exchange->request;
    unsigned best_fit = 0;
    unsigned quality = 0;
    bool any = false;
    size_t shortest = exactly ? media_type.len : 1;
    for (uint32_t i = 0; i < request->header_count; i++) {
        const struct http_header *header = &request->headers[i];
        if (header->value.len < shortest || !str_eq_nocase(header->name, STR("Accept")))
            continue;
        any = true;
        weigh(header->value, media_type, exactly, &best_fit, &quality);
    }
    return any || exactly ? quality : 1000;
}

status api_path_entity_id(const struct http_exchange *exchange, const char *name, str *out,
                          struct error *error)
{
    str id = exchange->request.path_parameters[0];
    if (!entity_id_is_valid(id)) {
        error_loc_name(error, STR("path"));
        error_loc_name(error, str_from_cstr(name));
        return error_set(error, STATUS_INVALID, "string_too_long",
                         "An entity id has 1 to %u bytes, this one has %zu", LIMIT_ENTITY_ID_BYTES,
                         id.len);
    }
    *out = id;
    return OK;
}
