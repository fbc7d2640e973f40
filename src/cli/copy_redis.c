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

#define PENDING_BYTES_MAX ((size_t)64 << 20)
#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define MESSAGES_BYTES_MAX ((size_t)16 << 20)
#define US_PER_MS INT64_C(1000)

/* Which process answers there. */
static status ask_run_id(struct copy_redis *redis, struct error *error)
{
    const str words[] = {STR("INFO"), STR("server")};
    redisReply *reply;
    redis->run_id[0] = '\0';
    TRY(redis_master_call(redis_keys_master(&redis->keys), 2, words, &reply, error));
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
    redis->keys.at = at;
    strcpy(redis->keys.cursor, "0");
    return at < redis->keys.count ? ask_run_id(redis, error) : OK;
}

/* "MASTER RUN_ID CURSOR" */
static void redis_position(const struct copy_end *end, struct buffer *out)
{
    const struct copy_redis *redis = (const struct copy_redis *)end;
    if (!redis_keys_are_done(&redis->keys))
        buffer_append_format(out, "%s %s %s", redis_keys_master(&redis->keys)->name, redis->run_id,
                             redis->keys.cursor);
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
    if (cursor.len >= REDIS_CURSOR_MAX || !str_to_uint64(cursor, &number))
        return error_set(error, STATUS_INVALID, "position", "the state holds no cursor of SCAN");
    for (uint32_t i = 0; i < redis->keys.count; i++) {
        redis->keys.at = i;
        if (!str_eq(str_from_cstr(redis_keys_master(&redis->keys)->name), name))
            continue;
        TRY(go_to(redis, i, error));
        if (str_eq(str_from_cstr(redis->run_id), run_id))
            snprintf(redis->keys.cursor, REDIS_CURSOR_MAX, "%.*s", STR_ARG(cursor));
        return OK;
    }
    return go_to(redis, 0, error); /* the cluster has other masters now */
}

static status redis_count(struct copy_end *end, uint64_t *out, struct error *error)
{
    return redis_keys_count(&copy_redis_of(end)->keys, out, error);
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
    if (left->integer >= 0 && left->integer <= (CLOCK_MAX_US - now_us) / US_PER_MS)
        row->key_end_us = now_us + left->integer * US_PER_MS;
    if (take_row(fields, &page->arena, row))
        page->row_count++;
    else
        redis->end.keys_unfit++;
}

static status take_keys(struct copy_redis *redis, const redisReply *keys, struct copy_page *page,
                        struct error *error)
{
    struct redis_master *master = redis_keys_master(&redis->keys);
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
        if (status_is_ok(result) && fields->type == REDIS_REPLY_ERROR)
            result = redis_keys_refusal(master, fields, error);
        else if (status_is_ok(result))
            take_key(redis, redis_reply_str(keys->element[i]), fields, left, clock_wall_us(), page);
        freeReplyObject(fields);
        freeReplyObject(left);
        TRY(result);
    }
    return OK;
}

static status redis_next(struct copy_end *end, struct copy_page *page, bool *more,
                         struct error *error)
{
    struct copy_redis *redis = copy_redis_of(end);
    struct redis_keys *keys = &redis->keys;
    redisReply *reply;
    bool changed = false;
    page->row_count = 0;
    *more = !redis_keys_are_done(keys);
    if (!*more)
        return OK;
    TRY(redis_keys_page(keys, &reply, error));
    page->rows =
        arena_alloc_array(&page->arena, reply->element[1]->elements + 1, sizeof(*page->rows));
    status result = page->rows != NULL
                        ? take_keys(redis, reply->element[1], page, error)
                        : error_set(error, STATUS_OUT_OF_MEMORY, "client", "out of memory");
    if (status_is_ok(result))
        result = redis_keys_advance(keys, reply, &changed, error);
    freeReplyObject(reply);
    TRY(result);
    *more = !redis_keys_are_done(keys);
    return changed && *more ? ask_run_id(redis, error) : OK;
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
    redis_keys_begin(&redis->keys, &redis->masters, "*" REDIS_KEY_SUFFIX, "hash");
    *out = &redis->end;
    return OK;
}
