#include "cli/copy_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash_map.h"
#include "base/memory.h"
#include "cli/copy_redis_private.h"
#include "model/limits.h"
#include "online/redis/redis_entries.h"
#include "online/redis/redis_row.h"

#define SCAN_COUNT "1000"
#define PENDING_BYTES_MAX ((size_t)64 << 20)
#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define MESSAGES_BYTES_MAX ((size_t)16 << 20)
#define US_PER_MS INT64_C(1000)

static struct redis_master *master_at(struct copy_redis *redis)
{
    return &redis->masters.nodes[redis->order[redis->at]];
}

/* Which process answers there. */
static status ask_run_id(struct copy_redis *redis, struct error *error)
{
    const str words[] = {STR("INFO"), STR("server")};
    redisReply *reply;
    redis->run_id[0] = '\0';
    TRY(redis_master_call(master_at(redis), 2, words, &reply, error));
    const char *found = reply->str != NULL ? strstr(reply->str, "run_id:") : NULL;
    if (found != NULL) {
        size_t len = strcspn(found + 7, "\r\n ");
        if (len < sizeof(redis->run_id))
            snprintf(redis->run_id, sizeof(redis->run_id), "%.*s", (int)len, found + 7);
    }
    freeReplyObject(reply);
    return OK;
}

static status go_to(struct copy_redis *redis, uint32_t at, struct error *error)
{
    redis->at = at;
    strcpy(redis->cursor, "0");
    return at < redis->order_count ? ask_run_id(redis, error) : OK;
}

/* "MASTER RUN_ID CURSOR" */
static void redis_position(const struct copy_end *end, struct buffer *out)
{
    const struct copy_redis *redis = (const struct copy_redis *)end;
    if (redis->at == redis->order_count)
        return;
    buffer_append_format(out, "%s %s %s", redis->masters.nodes[redis->order[redis->at]].name,
                         redis->run_id, redis->cursor);
}

static status redis_seek(struct copy_end *end, str position, struct error *error)
{
    struct copy_redis *redis = copy_redis_of(end);
    str rest, cursor;
    uint64_t number;
    str name = str_split(position, ' ', &rest);
    str run_id = str_split(rest, ' ', &cursor);
    if (position.len == 0)
        return go_to(redis, 0, error);
    if (cursor.len >= sizeof(redis->cursor) || !str_to_uint64(cursor, &number))
        return error_set(error, STATUS_INVALID, "position", "it holds no cursor of SCAN");
    for (uint32_t i = 0; i < redis->order_count; i++) {
        if (!str_eq(str_from_cstr(redis->masters.nodes[redis->order[i]].name), name))
            continue;
        TRY(go_to(redis, i, error));
        if (str_eq(str_from_cstr(redis->run_id), run_id))
            snprintf(redis->cursor, sizeof(redis->cursor), "%.*s", STR_ARG(cursor));
        return OK;
    }
    return go_to(redis, 0, error); /* the cluster has other masters now */
}

static status redis_count(struct copy_end *end, uint64_t *out, struct error *error)
{
    struct copy_redis *redis = copy_redis_of(end);
    const str words[] = {STR("DBSIZE")};
    *out = 0;
    for (uint32_t i = 0; i < redis->order_count; i++) {
        redisReply *reply;
        TRY(redis_master_call(&redis->masters.nodes[redis->order[i]], 1, words, &reply, error));
        if (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0)
            *out += (uint64_t)reply->integer;
        freeReplyObject(reply);
    }
    return OK;
}

/* "user:u:1:features": entity names hold no ':', ids may. */
static bool split_key(str key, str *entity, str *id)
{
    str rest;
    *entity = str_split(key, ':', &rest);
    return definition_name_is_valid(*entity) && redis_row_id(key, *entity, id) &&
           entity_id_is_valid(*id);
}

/* Gives the cells that have an entry of their own their times. False: not to be understood. */
static bool take_entries(str text, struct arena *arena, const struct hash_map *by_name,
                         struct copy_row *row)
{
    struct redis_entries entries;
    struct redis_entry entry;
    enum redis_entries_step step;
    str name;
    redis_entries_begin(&entries, text, arena);
    while ((step = redis_entries_next(&entries, &name, &entry)) == REDIS_ENTRIES_ONE) {
        struct copy_cell *cell = hash_map_get(by_name, name);
        if (entry.kind == REDIS_ENTRY_DAMAGED)
            return false;
        if (entry.kind == REDIS_ENTRY_VALUE && cell != NULL) {
            cell->event_time_us = entry.event_time_us;
            cell->is_timeless = false;
        }
        if (entry.kind == REDIS_ENTRY_NULL && cell == NULL)
            row->cells[row->cell_count++] = (struct copy_cell){.name = name,
                                                               .is_null = true,
                                                               .event_time_us = entry.event_time_us,
                                                               .end_us = COPY_NEVER_ENDS};
    }
    return step == REDIS_ENTRIES_END;
}

static bool take_fields(const redisReply *reply, struct arena *arena, struct hash_map *by_name,
                        str *times, struct copy_row *row)
{
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        str name, text;
        if (reply->element[i]->type != REDIS_REPLY_STRING ||
            reply->element[i + 1]->type != REDIS_REPLY_STRING ||
            !arena_copy_str(arena, redis_reply_str(reply->element[i]), &name) ||
            !arena_copy_str(arena, redis_reply_str(reply->element[i + 1]), &text))
            return false;
        if (str_eq(name, STR(REDIS_EVENT_TIMES))) {
            *times = text;
            continue;
        }
        struct copy_cell *cell = &row->cells[row->cell_count++];
        *cell = (struct copy_cell){.name = name,
                                   .text = text,
                                   .event_time_us = COPY_TIME_UNKNOWN,
                                   .is_timeless = true,
                                   .end_us = COPY_NEVER_ENDS};
        if (!hash_map_put(by_name, name, cell))
            return false;
    }
    return true;
}

static uint32_t count_entries(const redisReply *reply)
{
    uint32_t count = 0;
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        str name = redis_reply_str(reply->element[i]);
        str text = redis_reply_str(reply->element[i + 1]);
        if (reply->element[i]->type != REDIS_REPLY_STRING || !str_eq(name, STR(REDIS_EVENT_TIMES)))
            continue;
        for (size_t at = 0; at < text.len; at++)
            count += text.data[at] == ':';
    }
    return count;
}

/* False: no row that can be read. */
static bool take_row(const redisReply *reply, struct arena *arena, struct copy_row *row)
{
    struct hash_map by_name;
    str times = {0};
    /* a null has an entry and no field */
    row->cells =
        arena_alloc_array(arena, reply->elements + count_entries(reply) + 1, sizeof(*row->cells));
    hash_map_init(&by_name);
    bool fine = row->cells != NULL && take_fields(reply, arena, &by_name, &times, row) &&
                (times.data == NULL || take_entries(times, arena, &by_name, row));
    hash_map_fini(&by_name);
    return fine;
}

static void take_key(struct copy_redis *redis, str key, const redisReply *fields,
                     const redisReply *left, int64_t now_us, struct copy_page *page)
{
    struct copy_row *row = &page->rows[page->row_count];
    str copy = {0};
    *row = (struct copy_row){.key_end_us = COPY_NEVER_ENDS};
    if ((fields->type != REDIS_REPLY_ARRAY && fields->type != REDIS_REPLY_MAP) ||
        left->type != REDIS_REPLY_INTEGER || !arena_copy_str(&page->arena, key, &copy) ||
        !split_key(copy, &row->entity, &row->id)) {
        redis->end.keys_unfit++;
        return;
    }
    if (fields->elements == 0 || left->integer == -2)
        return; /* gone since SCAN saw it */
    if (left->integer >= 0)
        row->key_end_us = now_us + left->integer * US_PER_MS;
    if (take_row(fields, &page->arena, row))
        page->row_count++;
    else
        redis->end.keys_unfit++;
}

static status take_keys(struct copy_redis *redis, const redisReply *keys, struct copy_page *page,
                        struct error *error)
{
    struct redis_master *master = master_at(redis);
    for (size_t i = 0; i < keys->elements; i++) {
        const str key = redis_reply_str(keys->element[i]);
        const str fields[] = {STR("HGETALL"), key};
        const str left[] = {STR("PTTL"), key};
        TRY(redis_master_queue(master, 2, fields, error));
        TRY(redis_master_queue(master, 2, left, error));
    }
    for (size_t i = 0; i < keys->elements; i++) {
        redisReply *fields;
        redisReply *left = NULL;
        TRY(redis_master_reply(master, &fields, error));
        status result = redis_master_reply(master, &left, error);
        if (status_is_ok(result))
            take_key(redis, redis_reply_str(keys->element[i]), fields, left, clock_wall_us(), page);
        freeReplyObject(fields);
        freeReplyObject(left);
        TRY(result);
    }
    return OK;
}

static bool is_page(const redisReply *reply, size_t cursor_max)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING || reply->element[0]->len >= cursor_max ||
        reply->element[1]->type != REDIS_REPLY_ARRAY)
        return false;
    for (size_t i = 0; i < reply->element[1]->elements; i++) {
        if (reply->element[1]->element[i]->type != REDIS_REPLY_STRING)
            return false;
    }
    return true;
}

static status redis_next(struct copy_end *end, struct copy_page *page, bool *more,
                         struct error *error)
{
    struct copy_redis *redis = copy_redis_of(end);
    page->row_count = 0;
    *more = redis->at < redis->order_count;
    if (!*more)
        return OK;
    const str words[] = {STR("SCAN"),  str_from_cstr(redis->cursor),
                         STR("MATCH"), STR("*" REDIS_KEY_SUFFIX),
                         STR("COUNT"), STR(SCAN_COUNT),
                         STR("TYPE"),  STR("hash")};
    redisReply *reply;
    TRY(redis_master_call(master_at(redis), (int)ARRAY_LEN(words), words, &reply, error));
    status result = OK;
    if (!is_page(reply, sizeof(redis->cursor))) {
        result = error_set(error, STATUS_UNAVAILABLE, "redis",
                           "%s does not answer SCAN as Redis does", master_at(redis)->name);
        goto out;
    }
    page->rows =
        arena_alloc_array(&page->arena, reply->element[1]->elements + 1, sizeof(*page->rows));
    result = page->rows != NULL ? take_keys(redis, reply->element[1], page, error)
                                : error_set(error, STATUS_OUT_OF_MEMORY, "client", "out of memory");
    if (!status_is_ok(result))
        goto out;
    memcpy(redis->cursor, reply->element[0]->str, reply->element[0]->len + 1);
    if (strcmp(redis->cursor, "0") == 0)
        result = go_to(redis, redis->at + 1, error);
    *more = redis->at < redis->order_count;
out:
    freeReplyObject(reply);
    return result;
}

static void redis_close(struct copy_end *end)
{
    struct copy_redis *redis = copy_redis_of(end);
    redis_masters_close(&redis->masters);
    arena_fini(&redis->arena);
    buffer_fini(&redis->pending);
    buffer_fini(&end->written.messages);
    memory_free(redis);
}

static const struct copy_end_driver DRIVER = {
    .seek = redis_seek,
    .next = redis_next,
    .position = redis_position,
    .count = redis_count,
    .write = copy_redis_write,
    .flush = copy_redis_flush,
    .close = redis_close,
};

/* Few: insertion sort. */
static void order_masters(struct copy_redis *redis)
{
    for (uint32_t i = 0; i < redis->masters.count; i++) {
        uint32_t place = redis->order_count;
        if (redis->masters.nodes[i].context == NULL)
            continue;
        while (place > 0 && strcmp(redis->masters.nodes[redis->order[place - 1]].name,
                                   redis->masters.nodes[i].name) > 0) {
            redis->order[place] = redis->order[place - 1];
            place--;
        }
        redis->order[place] = i;
        redis->order_count++;
    }
}

status copy_redis_open(const char *url, struct copy_end **out, struct error *error)
{
    struct copy_redis *redis = memory_alloc_zero(sizeof(*redis));
    if (redis == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "client", "out of memory");
    status result = redis_masters_open(url, &redis->masters, error);
    if (!status_is_ok(result)) {
        memory_free(redis);
        return result;
    }
    redis->end.driver = &DRIVER;
    redis->end.is_redis = true;
    if (redis->masters.url.database > 0)
        snprintf(redis->end.name, sizeof(redis->end.name), "redis %s/%u", redis->masters.name,
                 redis->masters.url.database);
    else
        snprintf(redis->end.name, sizeof(redis->end.name), "redis %s", redis->masters.name);
    arena_init(&redis->arena, ARENA_BYTES_MAX);
    buffer_init(&redis->pending, PENDING_BYTES_MAX);
    buffer_init(&redis->end.written.messages, MESSAGES_BYTES_MAX);
    order_masters(redis);
    *out = &redis->end;
    return OK;
}
