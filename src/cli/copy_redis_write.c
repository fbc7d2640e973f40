/* Writing rows into Redis: values with an event time by the store's own script, as if a server had
 * that does not know the version's id; values without one as others write them, unless a server
 * already holds that field. Commands of many rows travel together. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/copy_redis_private.h"
#include "cli/terminal.h"
#include "online/redis/redis_row.h"
#include "online/redis/redis_scripts.h"

#define ROWS_PENDING_MAX 500u
#define BYTES_PENDING_MAX ((size_t)4 << 20)
#define CELL_WORDS 6u
#define NAMED_MAX 20u
#define US_PER_MS INT64_C(1000)

/* Lets nothing of a server's be overwritten by a value whose time nobody knows. */
#define SCRIPT_OF_OTHERS                                                                           \
    "local times = redis.call('HGET', KEYS[1], '__event_times')\n"                                 \
    "local entries = times and cjson.decode(times) or {}\n"                                        \
    "local is_new = redis.call('EXISTS', KEYS[1]) == 0\n"                                          \
    "local written = 0\n"                                                                          \
    "for i = 2, #ARGV, 2 do\n"                                                                     \
    "  if not entries[ARGV[i]] then\n"                                                             \
    "    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])\n"                                      \
    "    written = written + 1\n"                                                                  \
    "  end\n"                                                                                      \
    "end\n"                                                                                        \
    "if is_new and written > 0 and ARGV[1] ~= '' then\n"                                           \
    "  redis.call('PEXPIREAT', KEYS[1], ARGV[1])\n"                                                \
    "end\n"                                                                                        \
    "return {0, written, (#ARGV - 1) / 2 - written, is_new and 1 or 0, ''}\n"

struct copy_pending {
    struct redis_master *master;
    str entity;
    str id;
    bool adds_to_set; /* a command that only keeps the set of all ids */
};

static status no_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "client", "out of memory");
}

static struct redis_master *master_of(struct copy_redis *redis, str key)
{
    const struct redis_masters *masters = &redis->masters;
    uint32_t index = masters->is_cluster ? masters->slots->owner[redis_slot(key)] : 0;
    return &masters->nodes[index];
}

static status load_script(struct copy_redis *redis, struct error *error)
{
    const str words[] = {STR("SCRIPT"), STR("LOAD"), redis_script_write.text};
    if (redis->script_loaded)
        return OK;
    for (uint32_t i = 0; i < redis->keys.count; i++) {
        redisReply *reply;
        TRY(redis_master_call(&redis->masters.nodes[redis->keys.order[i]], 3, words, &reply,
                              error));
        freeReplyObject(reply);
    }
    redis->script_loaded = true;
    return OK;
}

static status add_pending(struct copy_redis *redis, const struct copy_pending *pending,
                          struct error *error)
{
    buffer_append(&redis->pending, pending, sizeof(*pending));
    return redis->pending.failed ? no_memory(error) : OK;
}

static str number_in(struct arena *arena, int64_t number)
{
    char text[24];
    str copy;
    int len = snprintf(text, sizeof(text), "%" PRId64, number);
    return arena_copy_str(arena, str_of(text, (size_t)len), &copy) ? copy : (str){0};
}

/* When the key may go, in ms; empty: never. */
static str life_of(struct copy_redis *redis, const struct copy_row *row,
                   const struct copy_cell *cell)
{
    int64_t end_us = row->key_end_us != COPY_LIFE_UNKNOWN ? row->key_end_us : cell->end_us;
    if (end_us == COPY_NEVER_ENDS)
        return (str){0};
    if (row->key_end_us != COPY_LIFE_UNKNOWN)
        return number_in(&redis->arena, end_us / US_PER_MS + 1);
    return number_in(&redis->arena, redis_row_end_ms(end_us - 1, 1));
}

static status queue_script(struct copy_redis *redis, const struct copy_pending *pending,
                           size_t count, struct error *error)
{
    TRY(redis_master_queue(pending->master, (int)count, redis->words, error));
    return add_pending(redis, pending, error);
}

static status write_timed(struct copy_redis *redis, const struct copy_row *row, str key,
                          const struct copy_pending *pending, struct error *error)
{
    str *words = redis->words;
    uint32_t i = 0;
    while (i < row->cell_count) {
        size_t count = 0;
        words[count++] = STR("EVALSHA");
        words[count++] = redis_script_write.sha;
        words[count++] = STR("1");
        words[count++] = key;
        size_t before = count;
        for (; i < row->cell_count && count + CELL_WORDS <= COPY_REDIS_WORDS; i++) {
            const struct copy_cell *cell = &row->cells[i];
            if (cell->event_time_us == COPY_TIME_UNKNOWN)
                continue;
            words[count++] = cell->name;
            words[count++] = STR("0");
            words[count++] = number_in(&redis->arena, cell->event_time_us);
            words[count++] = cell->is_null ? STR("n") : STR("v");
            words[count++] = life_of(redis, row, cell);
            words[count++] = cell->is_null ? STR("") : cell->text;
        }
        if (count > before)
            TRY(queue_script(redis, pending, count, error));
    }
    return OK;
}

static status write_timeless(struct copy_redis *redis, const struct copy_row *row, str key,
                             const struct copy_pending *pending, struct error *error)
{
    str *words = redis->words;
    uint32_t i = 0;
    while (i < row->cell_count) {
        size_t count = 0;
        words[count++] = STR("EVAL");
        words[count++] = STR(SCRIPT_OF_OTHERS);
        words[count++] = STR("1");
        words[count++] = key;
        words[count++] = row->key_end_us == COPY_NEVER_ENDS || row->key_end_us == COPY_LIFE_UNKNOWN
                             ? STR("")
                             : number_in(&redis->arena, row->key_end_us / US_PER_MS + 1);
        size_t before = count;
        for (; i < row->cell_count && count + 2 <= COPY_REDIS_WORDS; i++) {
            if (row->cells[i].event_time_us != COPY_TIME_UNKNOWN || row->cells[i].is_null)
                continue;
            words[count++] = row->cells[i].name;
            words[count++] = row->cells[i].text;
        }
        if (count > before)
            TRY(queue_script(redis, pending, count, error));
    }
    return OK;
}

status copy_redis_write(struct copy_end *end, const struct copy_row *row, struct error *error)
{
    struct copy_redis *redis = copy_redis_of(end);
    struct copy_pending pending = {0};
    str key;
    if (redis->pending.len / sizeof(pending) >= ROWS_PENDING_MAX ||
        redis->arena.held_bytes > BYTES_PENDING_MAX)
        TRY(copy_redis_flush(end, error));
    TRY(load_script(redis, error));
    if (!redis_row_key(&redis->arena, row->entity, row->id, &key) ||
        !arena_copy_str(&redis->arena, row->entity, &pending.entity) ||
        !arena_copy_str(&redis->arena, row->id, &pending.id))
        return no_memory(error);
    pending.master = master_of(redis, key);
    TRY(write_timed(redis, row, key, &pending, error));
    return write_timeless(redis, row, key, &pending, error);
}

static void refuse(struct copy_redis *redis, const struct copy_pending *pending, str reason)
{
    struct buffer *out = &redis->end.written.messages;
    if (redis->end.written.rows_refused++ >= NAMED_MAX)
        return;
    terminal_append_safe(out, pending->entity);
    buffer_append_char(out, ' ');
    terminal_append_safe(out, pending->id);
    buffer_append_str(out, STR(": "));
    terminal_append_safe(out, reason);
    buffer_append_char(out, '\n');
}

static status add_to_set(struct copy_redis *redis, const struct copy_pending *pending,
                         struct error *error)
{
    struct copy_pending adding = *pending;
    char set[160];
    int len = snprintf(set, sizeof(set), "all_%.*ss", STR_ARG(pending->entity));
    const str words[] = {STR("SADD"), str_of(set, (size_t)len), pending->id};
    adding.adds_to_set = true;
    if (redis->masters.is_cluster || len <= 0 || len >= (int)sizeof(set))
        return OK; /* one hot key: not kept in a cluster */
    TRY(redis_master_queue(pending->master, 3, words, error));
    return add_pending(redis, &adding, error);
}

/* Else it is the server that cannot go on: out of memory, read only, slots that moved away. */
static bool is_of_the_row(str reason)
{
    return str_starts_with(reason, STR("WRONGTYPE")) || str_starts_with(reason, STR("ERR"));
}

static status take_answer(struct copy_redis *redis, const struct copy_pending *pending,
                          const redisReply *reply, struct error *error)
{
    struct copy_written *written = &redis->end.written;
    if (pending->adds_to_set)
        return OK;
    if (reply->type == REDIS_REPLY_ERROR) {
        if (!is_of_the_row(redis_reply_str(reply)))
            return redis_master_refused(pending->master, reply, error);
        refuse(redis, pending, redis_reply_str(reply));
        return OK;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1 ||
        reply->element[0]->type != REDIS_REPLY_INTEGER || reply->element[0]->integer != 0 ||
        reply->elements < 4) {
        refuse(redis, pending, STR("the row there cannot be understood"));
        return OK;
    }
    written->values += (uint64_t)reply->element[1]->integer;
    written->values_late += (uint64_t)reply->element[2]->integer;
    return reply->element[3]->integer == 1 ? add_to_set(redis, pending, error) : OK;
}

status copy_redis_flush(struct copy_end *end, struct error *error)
{
    struct copy_redis *redis = copy_redis_of(end);
    for (size_t at = 0; at < redis->pending.len; at += sizeof(struct copy_pending)) {
        struct copy_pending pending; /* the list may move: answers add to it */
        redisReply *reply;
        memcpy(&pending, redis->pending.data + at, sizeof(pending));
        TRY(redis_master_reply(pending.master, &reply, error));
        status result = take_answer(redis, &pending, reply, error);
        freeReplyObject(reply);
        TRY(result);
    }
    buffer_reset(&redis->pending, SIZE_MAX);
    arena_reset(&redis->arena);
    return OK;
}
