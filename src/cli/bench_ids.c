#include "cli/bench_ids.h"

#include "base/json_string.h"
#include "cli/client.h"
#include "model/definition.h"
#include "model/limits.h"

#define PATTERN_ACCEPTED                                                                           \
    "expected an id with a range of numbers, such as user_{0..99999}, of at most %llu ids"

static struct buffer *const *buffers_of(struct bench_ids *ids, struct buffer *all[8])
{
    struct buffer *const each[8] = {&ids->path_before, &ids->path_after, &ids->json_before,
                                    &ids->json_after,  &ids->path_texts, &ids->json_texts,
                                    &ids->path_ends,   &ids->json_ends};
    memcpy(all, each, sizeof(each));
    return all;
}

void bench_ids_init(struct bench_ids *ids)
{
    struct buffer *all[8];
    *ids = (struct bench_ids){0};
    buffers_of(ids, all);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buffer_init(all[i], BENCH_ID_FILE_BYTES_MAX * JSON_ESCAPE_MAX);
}

void bench_ids_fini(struct bench_ids *ids)
{
    struct buffer *all[8];
    buffers_of(ids, all);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buffer_fini(all[i]);
}

static bool is_decimal(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return text.len > 0;
}

/* "0..99999" */
static bool parse_range(str range, uint64_t *first, uint64_t *last)
{
    const char *dots = range.len > 0 ? memmem(range.data, range.len, "..", 2) : NULL;
    if (dots == NULL)
        return false;
    str low = str_of(range.data, (size_t)(dots - range.data));
    str high = str_of(dots + 2, range.len - low.len - 2);
    return is_decimal(low) && is_decimal(high) && str_to_uint64(low, first) &&
           str_to_uint64(high, last) && *first <= *last && *last - *first < BENCH_IDS_MAX;
}

/* Without its quotes. */
static void append_json_inside(struct buffer *out, str text)
{
    struct buffer quoted;
    buffer_init(&quoted, LIMIT_ENTITY_ID_BYTES * JSON_ESCAPE_MAX + 2);
    json_append_string(&quoted, text);
    if (quoted.failed)
        out->failed = true;
    else
        buffer_append(out, quoted.data + 1, quoted.len - 2);
    buffer_fini(&quoted);
}

status bench_ids_set_pattern(struct bench_ids *ids, str pattern, struct error *error)
{
    const char *open = pattern.len > 0 ? memchr(pattern.data, '{', pattern.len) : NULL;
    const char *close = pattern.len > 0 ? memrchr(pattern.data, '}', pattern.len) : NULL;
    uint64_t last;
    if (open == NULL && close == NULL)
        return bench_ids_add(ids, pattern, error);
    if (open == NULL || close == NULL || close < open ||
        !parse_range(str_of(open + 1, (size_t)(close - open) - 1), &ids->first, &last) ||
        pattern.len > LIMIT_ENTITY_ID_BYTES || !str_is_utf8(pattern))
        return error_set(error, STATUS_INVALID, "ids", PATTERN_ACCEPTED,
                         (unsigned long long)BENCH_IDS_MAX);
    str before = str_of(pattern.data, (size_t)(open - pattern.data));
    str after = str_of(close + 1, pattern.len - before.len - (size_t)(close - open) - 1);
    client_append_encoded(&ids->path_before, before);
    client_append_encoded(&ids->path_after, after);
    buffer_append_char(&ids->json_before, '"');
    append_json_inside(&ids->json_before, before);
    append_json_inside(&ids->json_after, after);
    buffer_append_char(&ids->json_after, '"');
    ids->count = last - ids->first + 1;
    return ids->path_before.failed || ids->path_after.failed || ids->json_before.failed ||
                   ids->json_after.failed
               ? error_set(error, STATUS_OUT_OF_MEMORY, "ids", "out of memory")
               : OK;
}

status bench_ids_add(struct bench_ids *ids, str id, struct error *error)
{
    if (!entity_id_is_valid(id) || !str_is_utf8(id))
        return error_set(error, STATUS_INVALID, "ids", "an id is 1 to %u bytes of UTF-8",
                         (unsigned)LIMIT_ENTITY_ID_BYTES);
    client_append_encoded(&ids->path_texts, id);
    json_append_string(&ids->json_texts, id);
    buffer_append(&ids->path_ends, &ids->path_texts.len, sizeof(size_t));
    buffer_append(&ids->json_ends, &ids->json_texts.len, sizeof(size_t));
    if (ids->path_texts.failed || ids->json_texts.failed || ids->path_ends.failed ||
        ids->json_ends.failed)
        return error_set(error, STATUS_OUT_OF_MEMORY, "ids", "out of memory");
    ids->count++;
    return OK;
}

status bench_ids_add_lines(struct bench_ids *ids, str text, const char *name, struct error *error)
{
    uint64_t line = 0;
    while (text.len > 0) {
        str id = str_split(text, '\n', &text);
        line++;
        if (id.len > 0 && id.data[id.len - 1] == '\r')
            id.len--;
        if (id.len == 0)
            continue;
        status added = bench_ids_add(ids, id, error);
        if (added.code == STATUS_INVALID)
            return error_set(error, STATUS_INVALID, "ids",
                             "%s:%llu: an id is 1 to %u bytes of UTF-8", name,
                             (unsigned long long)line, (unsigned)LIMIT_ENTITY_ID_BYTES);
        TRY(added);
    }
    if (ids->count == 0)
        return error_set(error, STATUS_INVALID, "ids", "%s holds no ids; expected one a line",
                         name);
    return OK;
}

static str listed(const struct buffer *texts, const struct buffer *ends, uint64_t index)
{
    const size_t *end = (const size_t *)(const void *)ends->data;
    size_t from = index == 0 ? 0 : end[index - 1];
    return str_of(texts->data + from, end[index] - from);
}

void bench_ids_append_path(const struct bench_ids *ids, uint64_t index, struct buffer *out)
{
    if (ids->path_ends.len > 0) {
        buffer_append_str(out, listed(&ids->path_texts, &ids->path_ends, index));
        return;
    }
    buffer_append_str(out, buffer_str(&ids->path_before));
    buffer_append_uint64(out, ids->first + index);
    buffer_append_str(out, buffer_str(&ids->path_after));
}

void bench_ids_append_json(const struct bench_ids *ids, uint64_t index, struct buffer *out)
{
    if (ids->json_ends.len > 0) {
        buffer_append_str(out, listed(&ids->json_texts, &ids->json_ends, index));
        return;
    }
    buffer_append_str(out, buffer_str(&ids->json_before));
    buffer_append_uint64(out, ids->first + index);
    buffer_append_str(out, buffer_str(&ids->json_after));
}
