#include "cli/copy_http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <yyjson.h>

#include "base/clock.h"
#include "base/json_string.h"
#include "base/memory.h"
#include "cli/bulk_sender.h"
#include "cli/interrupt.h"

#define PAGE_ROWS 1000u
#define NS_PER_SECOND INT64_C(1000000000)
#define TRY_AGAIN_NS (NS_PER_SECOND / 10) /* at first; twice that each time */
#define TRIES_MAX 6u
#define TARGET_BYTES_MAX 65536u
#define ENTITIES_MAX 256u

struct copy_http {
    struct copy_end end; /* first */
    struct client *client;
    struct client_answer answer;
    const struct registered *definitions;
    struct bulk_sender sender;
    struct buffer target;
    struct buffer cursor;
    /* in the order of their names: a kept position finds its own */
    str entities[ENTITIES_MAX];
    uint32_t entity_count;
    uint32_t entity; /* the one at hand */
};

static int compare_names(const void *a, const void *b)
{
    return str_compare(*(const str *)a, *(const str *)b);
}

static void list_entities(struct copy_http *http)
{
    const struct hash_map *features = &http->definitions->features;
    http->entity_count = 0;
    for (size_t i = 0; i < features->capacity; i++) {
        const struct registered_feature *feature = features->slots[i].value;
        uint32_t known = 0;
        if (feature == NULL)
            continue;
        while (known < http->entity_count &&
               !str_eq(http->entities[known], feature->definition.entity))
            known++;
        if (known == http->entity_count && known < ENTITIES_MAX)
            http->entities[http->entity_count++] = feature->definition.entity;
    }
    qsort(http->entities, http->entity_count, sizeof(*http->entities), compare_names);
}

static struct copy_http *http_of(struct copy_end *end)
{
    return (struct copy_http *)end;
}

/* "ENTITY CURSOR" */
static status http_seek(struct copy_end *end, str position, struct error *error)
{
    struct copy_http *http = http_of(end);
    str cursor;
    str entity = str_split(position, ' ', &cursor);
    list_entities(http);
    http->entity = 0;
    buffer_reset(&http->cursor, SIZE_MAX);
    if (position.len == 0)
        return OK;
    while (http->entity < http->entity_count && !str_eq(http->entities[http->entity], entity))
        http->entity++;
    if (http->entity == http->entity_count)
        return error_set(error, STATUS_INVALID, "position", "the entity '%.*s' is no longer there",
                         STR_ARG(entity));
    buffer_append_str(&http->cursor, cursor);
    return OK;
}

static void http_position(const struct copy_end *end, struct buffer *out)
{
    const struct copy_http *http = (const struct copy_http *)end;
    if (http->entity == http->entity_count)
        return;
    buffer_append_str(out, http->entities[http->entity]);
    buffer_append_char(out, ' ');
    buffer_append_str(out, buffer_str(&http->cursor));
}

static status http_count(struct copy_end *end, uint64_t *out, struct error *error)
{
    (void)end;
    (void)error;
    *out = 0;
    return OK;
}

/* What the value is as text: a string without its quotes, unless the feature is json. */
static bool take_text(const struct copy_http *http, yyjson_val *value, struct arena *arena,
                      struct copy_cell *cell)
{
    str name;
    uint32_t version;
    const struct registered_feature *feature =
        definition_parse_reference(cell->name, &name, &version)
            ? registered_feature(http->definitions, name)
            : NULL;
    bool is_json = feature != NULL && feature->definition.data_type == DATA_TYPE_JSON;
    cell->is_null = yyjson_is_null(value);
    if (cell->is_null)
        return true;
    if (yyjson_is_str(value) && !is_json)
        return arena_copy_str(arena, str_of(yyjson_get_str(value), yyjson_get_len(value)),
                              &cell->text);
    size_t len;
    char *written = yyjson_val_write(value, 0, &len);
    bool fine = written != NULL && arena_copy_str(arena, str_of(written, len), &cell->text);
    free(written);
    return fine;
}

static int64_t time_of(yyjson_val *value, int64_t fallback)
{
    int64_t us;
    if (yyjson_is_str(value) &&
        clock_parse_rfc3339(str_of(yyjson_get_str(value), yyjson_get_len(value)), &us))
        return us;
    return fallback;
}

static bool take_cell(const struct copy_http *http, yyjson_val *name, yyjson_val *value,
                      int64_t event_time_us, struct arena *arena, struct copy_row *row)
{
    struct copy_cell *cell = &row->cells[row->cell_count++];
    *cell = (struct copy_cell){.event_time_us = event_time_us,
                               .is_timeless = event_time_us == COPY_TIME_UNKNOWN,
                               .end_us = COPY_NEVER_ENDS};
    return yyjson_is_str(name) && value != NULL &&
           arena_copy_str(arena, str_of(yyjson_get_str(name), yyjson_get_len(name)), &cell->name) &&
           take_text(http, value, arena, cell);
}

/* Both forms that the bulk route takes. */
static bool take_cells(const struct copy_http *http, yyjson_val *features, int64_t row_time_us,
                       struct arena *arena, struct copy_row *row)
{
    size_t index, max;
    yyjson_val *key, *item;
    bool fine = true;
    size_t count = yyjson_is_arr(features) ? yyjson_arr_size(features) : yyjson_obj_size(features);
    row->cells = arena_alloc_array(arena, count + 1, sizeof(*row->cells));
    if (row->cells == NULL)
        return false;
    yyjson_arr_foreach(features, index, max, item)
    {
        fine &=
            take_cell(http, yyjson_obj_get(item, "feature_name"), yyjson_obj_get(item, "value"),
                      time_of(yyjson_obj_get(item, "event_timestamp"), row_time_us), arena, row);
    }
    yyjson_obj_foreach(features, index, max, key, item)
    {
        fine &= take_cell(http, key, item, row_time_us, arena, row);
    }
    return fine;
}

static bool take_row(const struct copy_http *http, yyjson_val *root, struct arena *arena,
                     struct copy_row *row)
{
    yyjson_val *id = yyjson_obj_get(root, "entity_id");
    *row =
        (struct copy_row){.entity = http->entities[http->entity], .key_end_us = COPY_LIFE_UNKNOWN};
    return yyjson_is_str(id) &&
           arena_copy_str(arena, str_of(yyjson_get_str(id), yyjson_get_len(id)), &row->id) &&
           take_cells(http, yyjson_obj_get(root, "features"),
                      time_of(yyjson_obj_get(root, "event_timestamp"), COPY_TIME_UNKNOWN), arena,
                      row);
}

static status no_export(const struct copy_http *http, struct error *error)
{
    return error_set(error, STATUS_INTERNAL, "answer",
                     "the answer of %s to GET /features/export cannot be read; is it a featured "
                     "server of this version?",
                     http->end.name);
}

/* Lines of rows, and one with the next cursor at the end. */
static status take_lines(struct copy_http *http, struct copy_page *page, bool *entity_done,
                         struct error *error)
{
    str rest = buffer_str(&http->answer.body);
    bool has_end = false;
    uint32_t capacity = 1;
    for (size_t i = 0; i < rest.len; i++)
        capacity += rest.data[i] == '\n';
    page->rows = arena_alloc_array(&page->arena, capacity, sizeof(*page->rows));
    if (page->rows == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "client", "out of memory");
    while (rest.len > 0 && !has_end) {
        str line = str_split(rest, '\n', &rest);
        if (line.len == 0)
            continue;
        yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)line.data, line.len,
                                                YYJSON_READ_NUMBER_AS_RAW, NULL, NULL);
        yyjson_val *root = yyjson_doc_get_root(document);
        yyjson_val *cursor = yyjson_obj_get(root, "next_cursor");
        bool fine = true;
        if (cursor != NULL) {
            has_end = true;
            buffer_reset(&http->cursor, SIZE_MAX);
            buffer_append(&http->cursor, yyjson_get_str(cursor), yyjson_get_len(cursor));
            *entity_done = !yyjson_is_str(cursor) || yyjson_get_len(cursor) == 0;
        } else {
            fine = take_row(http, root, &page->arena, &page->rows[page->row_count]);
            page->row_count++;
        }
        yyjson_doc_free(document);
        if (!fine)
            return no_export(http, error);
    }
    return has_end ? OK : no_export(http, error);
}

/* A server that is restarted, or busy, is asked again for some seconds. */
static bool is_worth_another_try(status result, unsigned *tries)
{
    struct timespec pause = {.tv_nsec = TRY_AGAIN_NS << *tries};
    bool passes = result.code == STATUS_UNAVAILABLE || result.code == STATUS_IO ||
                  result.code == STATUS_TIMEOUT || result.code == STATUS_BUSY;
    if (!passes || *tries == TRIES_MAX || interrupt_asked())
        return false;
    (*tries)++;
    pause.tv_sec = pause.tv_nsec / NS_PER_SECOND;
    pause.tv_nsec %= NS_PER_SECOND;
    (void)nanosleep(&pause, NULL);
    return true;
}

static status ask_for_page(struct copy_http *http, struct error *error)
{
    unsigned tries = 0;
    status result;
    do
        result =
            client_request_ok(http->client, "GET", http->target.failed ? NULL : http->target.data,
                              (str){0}, &http->answer, error);
    while (is_worth_another_try(result, &tries));
    return result;
}

static status http_next(struct copy_end *end, struct copy_page *page, bool *more,
                        struct error *error)
{
    struct copy_http *http = http_of(end);
    bool entity_done = false;
    page->row_count = 0;
    *more = http->entity < http->entity_count;
    if (!*more)
        return OK;
    buffer_reset(&http->target, SIZE_MAX);
    buffer_append_format(&http->target, "/features/export?limit=%u&entity=", PAGE_ROWS);
    client_append_encoded(&http->target, http->entities[http->entity]);
    if (http->cursor.len > 0) {
        buffer_append_str(&http->target, STR("&cursor="));
        client_append_encoded(&http->target, buffer_str(&http->cursor));
    }
    buffer_append_char(&http->target, '\0');
    status asked = ask_for_page(http, error);
    if (asked.code == STATUS_INVALID && http->cursor.len > 0) {
        /* the server was restarted: its cursors are others, and the entity is begun again */
        buffer_reset(&http->cursor, SIZE_MAX);
        return http_next(end, page, more, error);
    }
    TRY(asked);
    TRY(take_lines(http, page, &entity_done, error));
    http->entity += entity_done;
    *more = http->entity < http->entity_count;
    return OK;
}

static void append_time(struct buffer *out, int64_t event_time_us)
{
    char time[CLOCK_RFC3339_MAX];
    if (event_time_us == COPY_TIME_UNKNOWN)
        return;
    size_t len = clock_format_rfc3339(event_time_us, time);
    buffer_append_format(out, ",\"event_timestamp\":\"%.*s\"", (int)len, time);
}

static status http_write(struct copy_end *end, const struct copy_row *row, struct error *error)
{
    struct copy_http *http = http_of(end);
    struct buffer *out = &http->sender.rows;
    if (bulk_sender_is_full(&http->sender))
        TRY(end->driver->flush(end, error));
    buffer_append_str(out, STR("{\"entity_id\":"));
    json_append_string(out, row->id);
    buffer_append_str(out, STR(",\"entity\":"));
    json_append_string(out, row->entity);
    buffer_append_str(out, STR(",\"features\":["));
    for (uint32_t i = 0; i < row->cell_count; i++) {
        const struct copy_cell *cell = &row->cells[i];
        buffer_append_str(out, i == 0 ? STR("{\"feature_name\":") : STR(",{\"feature_name\":"));
        json_append_string(out, cell->name);
        buffer_append_str(out, STR(",\"value\":"));
        buffer_append_str(out, cell->is_null ? STR("null") : cell->json);
        append_time(out, cell->event_time_us);
        buffer_append_char(out, '}');
    }
    buffer_append_str(out, STR("]}\n"));
    return OK;
}

static status http_flush(struct copy_end *end, struct error *error)
{
    struct copy_http *http = http_of(end);
    struct bulk_sender *sender = &http->sender;
    unsigned tries = 0;
    status result;
    do
        result = bulk_sender_flush(sender, error);
    while (sender->rows.len > 0 && is_worth_another_try(result, &tries));
    buffer_append_str(&end->written.messages, buffer_str(&sender->messages));
    buffer_reset(&sender->messages, SIZE_MAX);
    end->written.values = sender->result.values_written;
    end->written.values_late = sender->result.values_late;
    end->written.rows_refused = sender->result.rows_rejected;
    return result;
}

static void http_close(struct copy_end *end)
{
    struct copy_http *http = http_of(end);
    bulk_sender_fini(&http->sender);
    client_answer_fini(&http->answer);
    buffer_fini(&http->target);
    buffer_fini(&http->cursor);
    buffer_fini(&end->written.messages);
    memory_free(http);
}

static const struct copy_end_driver DRIVER = {
    .seek = http_seek,
    .next = http_next,
    .position = http_position,
    .count = http_count,
    .write = http_write,
    .flush = http_flush,
    .close = http_close,
};

status copy_http_open(struct client *client, const struct registered *definitions,
                      struct copy_end **out, struct error *error)
{
    struct copy_http *http = memory_alloc_zero(sizeof(*http));
    if (http == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "client", "out of memory");
    http->end.driver = &DRIVER;
    snprintf(http->end.name, sizeof(http->end.name), "%.500s", client_server(client));
    http->client = client;
    http->definitions = definitions;
    client_answer_init(&http->answer);
    bulk_sender_init(&http->sender, client);
    buffer_init(&http->target, TARGET_BYTES_MAX);
    buffer_init(&http->cursor, TARGET_BYTES_MAX);
    buffer_init(&http->end.written.messages, (size_t)16 << 20);
    *out = &http->end;
    return OK;
}
