#include "codec/json_document.h"

#include <inttypes.h>

#include "base/memory.h"
#include "codec/number_parse.h"

/* Where yyjson's memory comes from. Blocks over POOL_GROWS are given their largest possible size at
 * once (untouched pages cost nothing), for an arena does not take the outgrown ones back. */
#define POOL_GROWS ((size_t)256 << 10)

struct tree_memory {
    struct arena *arena;
    size_t max_bytes; /* of any block */
    void *full;       /* the block that has max_bytes */
    bool over_limit;  /* the arena's limit stood in the way */
};

static size_t rounded(size_t size)
{
    return (size + (ARENA_ALIGN - 1)) & ~(size_t)(ARENA_ALIGN - 1);
}

static void *tree_malloc(void *context, size_t size)
{
    struct tree_memory *memory = context;
    void *block = arena_alloc(memory->arena, size);
    if (block == NULL)
        memory->over_limit = size > memory->arena->limit_bytes - memory->arena->held_bytes;
    return block;
}

/* The newest block grows where it is. */
static void *tree_realloc(void *context, void *pointer, size_t old_size, size_t size)
{
    struct tree_memory *memory = context;
    struct arena *arena = memory->arena;
    size_t more = rounded(size) - rounded(old_size);
    if (size <= old_size || (pointer == memory->full && size <= memory->max_bytes))
        return pointer;
    if ((char *)pointer + rounded(old_size) == arena->at &&
        more <= (size_t)(arena->end - arena->at)) {
        arena->at += more;
        return pointer;
    }
    bool fully = size > POOL_GROWS && size <= memory->max_bytes;
    void *block = tree_malloc(memory, fully ? memory->max_bytes : size);
    if (block)
        memcpy(block, pointer, old_size);
    if (block && fully)
        memory->full = block;
    return block;
}

static void tree_free(void *context, void *pointer)
{
    (void)context;
    (void)pointer;
}

static bool has_bom(str text)
{
    return str_starts_with(text, STR("\xEF\xBB\xBF"));
}

static status nothing_to_read(struct error *error)
{
    return error_set(error, STATUS_MALFORMED, "json_invalid",
                     "malformed JSON: there is nothing to read");
}

status json_parse(str text, struct arena *arena, yyjson_val **root, struct error *error)
{
    struct tree_memory memory = {arena, yyjson_read_max_memory_usage(text.len, 0), NULL, false};
    const yyjson_alc allocator = {tree_malloc, tree_realloc, tree_free, &memory};
    size_t skipped = has_bom(text) ? 3 : 0;
    yyjson_read_err problem;
    if (text.len == skipped)
        return nothing_to_read(error);
    /* Not in situ: yyjson does not write into the text then. */
    yyjson_doc *document =
        yyjson_read_opts((char *)(uintptr_t)text.data + skipped, text.len - skipped,
                         YYJSON_READ_NUMBER_AS_RAW, &allocator, &problem);
    if (likely(document != NULL)) {
        *root = yyjson_doc_get_root(document);
        return OK;
    }
    if (problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION && memory.over_limit)
        return error_set(error, STATUS_TOO_LARGE, "too_large",
                         "the JSON holds more values than one request may have");
    if (problem.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return error_no_memory(error);
    if (problem.code == YYJSON_READ_ERROR_EMPTY_CONTENT)
        return nothing_to_read(error);
    return error_set(error, STATUS_MALFORMED, "json_invalid", "malformed JSON at byte %zu: %s",
                     problem.pos + skipped, problem.msg);
}

const char *json_kind(yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_RAW:
    case YYJSON_TYPE_NUM:
        return "a number";
    case YYJSON_TYPE_NULL:
        return "null";
    case YYJSON_TYPE_BOOL:
        return yyjson_is_true(value) ? "true" : "false";
    case YYJSON_TYPE_STR:
        return "a string";
    case YYJSON_TYPE_ARR:
        return "an array";
    case YYJSON_TYPE_OBJ:
        return "an object";
    default:
        return "nothing";
    }
}

status json_missing(struct error *error, const char *name)
{
    error_loc_name(error, str_from_cstr(name));
    return error_set(error, STATUS_INVALID, "missing", "%s is required", name);
}

status json_wrong_kind(struct error *error, const char *type, const char *name,
                       const char *expected, yyjson_val *value)
{
    error_loc_name(error, str_from_cstr(name));
    return error_set(error, STATUS_INVALID, type, "%s must be %s, not %s", name, expected,
                     json_kind(value));
}

static status unknown_member(struct error *error, str name)
{
    error_loc_name(error, name);
    return error_set(error, STATUS_INVALID, "extra_forbidden", "unknown field '%.*s'",
                     STR_ARG(name));
}

status json_take_members(yyjson_val *object, const str *names, uint32_t count, bool strict,
                         yyjson_val **values, struct error *error)
{
    yyjson_obj_iter members = yyjson_obj_iter_with(object);
    memset(values, 0, count * sizeof(*values));
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&members)) != NULL;) {
        str name = json_text(key);
        uint32_t i = 0;
        while (i < count && !str_eq(names[i], name))
            i++;
        if (i < count)
            values[i] = yyjson_obj_iter_get_val(key);
        else if (strict)
            return unknown_member(error, name);
    }
    return OK;
}

status json_take_string(yyjson_val *value, const char *name, bool required, str *out,
                        struct error *error)
{
    if (value == NULL && required)
        return json_missing(error, name);
    if (json_is_absent(value) && !required)
        *out = str_of(NULL, 0);
    else if (yyjson_is_str(value))
        *out = json_text(value);
    else
        return json_wrong_kind(error, "string_type", name, "a string", value);
    return OK;
}

status json_take_boolean(yyjson_val *value, const char *name, bool *out, struct error *error)
{
    if (value == NULL)
        return OK;
    if (!yyjson_is_bool(value))
        return json_wrong_kind(error, "bool_type", name, "true or false", value);
    *out = yyjson_get_bool(value);
    return OK;
}

static status not_a_string_at(struct error *error, const char *name, uint32_t index,
                              yyjson_val *value)
{
    error_loc_name(error, str_from_cstr(name));
    error_loc_index(error, index);
    return error_set(error, STATUS_INVALID, "string_type", "%s must hold strings, not %s", name,
                     json_kind(value));
}

status json_take_strings(yyjson_val *array, const char *name, uint32_t limit, struct arena *arena,
                         str **out, uint32_t *count, struct error *error)
{
    if (!yyjson_is_arr(array))
        return json_wrong_kind(error, "list_type", name, "an array of strings", array);
    if (yyjson_arr_size(array) > limit) {
        error_loc_name(error, str_from_cstr(name));
        return error_set(error, STATUS_INVALID, "too_long",
                         "%s may have at most %" PRIu32 " items, not %zu", name, limit,
                         yyjson_arr_size(array));
    }
    str *texts = arena_alloc(arena, yyjson_arr_size(array) * sizeof(*texts));
    if (texts == NULL)
        return error_no_memory(error);
    yyjson_arr_iter items = yyjson_arr_iter_with(array);
    uint32_t filled = 0;
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&items)) != NULL; filled++) {
        if (!yyjson_is_str(item))
            return not_a_string_at(error, name, filled, item);
        texts[filled] = json_text(item);
    }
    *out = texts;
    *count = filled;
    return OK;
}

static enum json_minify_result check_number(str text)
{
    double number;
    /* Shorter ones without an exponent are far from the largest double. */
    if (text.len < 300 && !memchr(text.data, 'e', text.len) && !memchr(text.data, 'E', text.len))
        return JSON_MINIFY_OK;
    enum number_result result = number_parse_double(text, &number);
    return result == NUMBER_NO_MEMORY ? JSON_MINIFY_NO_MEMORY
           : result == NUMBER_OK      ? JSON_MINIFY_OK
                                      : JSON_MINIFY_NOT_FINITE;
}

/* Containers are as deep as the recursion: at most JSON_DEPTH_MAX. */
static enum json_minify_result check_tree(yyjson_val *value, unsigned depth)
{
    enum json_minify_result result = JSON_MINIFY_OK;
    if (yyjson_is_raw(value))
        return check_number(json_number(value));
    if (!yyjson_is_ctn(value))
        return JSON_MINIFY_OK;
    if (depth == JSON_DEPTH_MAX)
        return JSON_MINIFY_DEEP;
    yyjson_arr_iter items = yyjson_arr_iter_with(value);
    yyjson_obj_iter members = yyjson_obj_iter_with(value);
    for (yyjson_val *item; !result && (item = yyjson_arr_iter_next(&items)) != NULL;)
        result = check_tree(item, depth + 1);
    for (yyjson_val *key; !result && (key = yyjson_obj_iter_next(&members)) != NULL;)
        result = check_tree(yyjson_obj_iter_get_val(key), depth + 1);
    return result;
}

static void *heap_malloc(void *context, size_t size)
{
    (void)context;
    return memory_alloc(size);
}

static void *heap_realloc(void *context, void *pointer, size_t old_size, size_t size)
{
    (void)context;
    (void)old_size;
    return memory_realloc(pointer, size);
}

static void heap_free(void *context, void *pointer)
{
    (void)context;
    memory_free(pointer);
}

enum json_minify_result json_minify(yyjson_val *value, struct arena *arena, str *out)
{
    const yyjson_alc heap = {heap_malloc, heap_realloc, heap_free, NULL};
    size_t len;
    enum json_minify_result result = check_tree(value, 0);
    if (result != JSON_MINIFY_OK)
        return result;
    /* yyjson guesses a generous size and grows it: not for the arena. */
    char *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &heap, &len, NULL);
    bool copied = text && arena_copy_str(arena, str_of(text, len), out);
    memory_free(text);
    return copied ? JSON_MINIFY_OK : JSON_MINIFY_NO_MEMORY;
}
