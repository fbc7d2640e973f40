/* The ids of one entity: SCAN over one master after the other. A cursor is
 * "MASTER:CURSOR:REVISION:RUN". So that no id is passed over, the walk begins anew with another
 * revision of the topology, and a master's part of it where another process answers than the one
 * that gave CURSOR: each hashes its keys with a seed of its own, whether Redis was restarted or a
 * replica took over its address. */
#include <stdio.h>

#include "base/compiler.h"
#include "online/redis/redis_private.h"

#define SCAN_COUNT_MIN 100u
#define SCAN_COUNT_MAX 10000u
#define RUN_ID_MAX 40u /* hexadecimal digits */

/* In one script, for the id has to be that of the process that scans, whatever happens to the
 * connection in between. ARGV: run id, cursor, pattern, count. Answer: {run id, {cursor, keys}}. */
#define SCAN_SCRIPT                                                                                \
    "local info = redis.pcall('INFO', 'server')\n"                                                 \
    "local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''\n"            \
    "local cursor = run == ARGV[1] and ARGV[2] or '0'\n"                                           \
    "return {run, redis.call('SCAN', cursor, 'MATCH', ARGV[3], 'COUNT', ARGV[4], 'TYPE', 'hash')}"

struct scan_state {
    struct redis_command command; /* first */
    struct online_scan *scan;
    struct redis_loop *on;
    str entity_name;
    uint32_t master;
    uint32_t masters;
    uint64_t revision;
};

static status invalid_cursor(struct error *error)
{
    return error_set(error, STATUS_INVALID, "value_error",
                     "the cursor is none of this store's; begin without one");
}

static bool is_run_id(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\0' || strchr("0123456789abcdef", text.data[i]) == NULL)
            return false;
    }
    return text.len > 0 && text.len <= RUN_ID_MAX;
}

static status parse_cursor(str cursor, struct scan_state *state, str *node_cursor, str *run,
                           struct error *error)
{
    uint64_t master = 0;
    uint64_t revision = 0;
    uint64_t number = 0;
    str rest = cursor;
    *node_cursor = STR("0");
    *run = STR("");
    if (cursor.len == 0)
        return OK;
    str first = str_split(rest, ':', &rest);
    str second = str_split(rest, ':', &rest);
    str third = str_split(rest, ':', &rest);
    if (!str_to_uint64(first, &master) || !str_to_uint64(second, &number) ||
        !str_to_uint64(third, &revision) || !is_run_id(rest) || master > REDIS_SLOTS)
        return invalid_cursor(error);
    if (revision != state->revision || master >= state->masters)
        return OK;
    state->master = (uint32_t)master;
    *node_cursor = second;
    *run = rest;
    return OK;
}

/* What MATCH would take for a pattern is escaped. */
static bool match_pattern(str entity_name, struct arena *arena, str *out)
{
    char *pattern = arena_alloc(arena, 2 * entity_name.len + STR(":*" REDIS_KEY_SUFFIX).len);
    char *at = pattern;
    if (pattern == NULL)
        return false;
    for (size_t i = 0; i < entity_name.len; i++) {
        if (memchr("*?[]\\^-", entity_name.data[i], 7))
            *at++ = '\\';
        *at++ = entity_name.data[i];
    }
    memcpy(at, ":*" REDIS_KEY_SUFFIX, STR(":*" REDIS_KEY_SUFFIX).len);
    at += STR(":*" REDIS_KEY_SUFFIX).len;
    *out = str_of(pattern, (size_t)(at - pattern));
    return true;
}

static bool format_command(struct scan_state *state, str node_cursor, str run)
{
    struct arena *arena = state->scan->arena;
    uint32_t limit = state->scan->limit;
    char count[16];
    str pattern;
    limit = limit < SCAN_COUNT_MIN ? SCAN_COUNT_MIN : limit;
    limit = limit > SCAN_COUNT_MAX ? SCAN_COUNT_MAX : limit;
    int count_len = snprintf(count, sizeof(count), "%u", limit);
    if (!match_pattern(state->entity_name, arena, &pattern))
        return false;
    str arguments[] = {STR("EVAL"),
                       STR(SCAN_SCRIPT),
                       STR("0"),
                       run,
                       node_cursor,
                       pattern,
                       str_of(count, (size_t)count_len)};
    return redis_format(arena, arguments, ARRAY_LEN(arguments), &state->command.bytes);
}

static status take_ids(struct scan_state *state, const redisReply *keys)
{
    struct online_scan *scan = state->scan;
    str *ids = arena_alloc_array(scan->arena, keys->elements + 1, sizeof(*ids));
    uint32_t count = 0;
    if (ids == NULL)
        return redis_no_memory(&scan->error);
    for (size_t i = 0; i < keys->elements; i++) {
        const redisReply *key = keys->element[i];
        str id;
        if (key->type != REDIS_REPLY_STRING ||
            !redis_row_id(str_of(key->str, key->len), state->entity_name, &id) || !str_is_utf8(id))
            continue;
        if (!arena_copy_str(scan->arena, id, &ids[count++]))
            return redis_no_memory(&scan->error);
    }
    scan->entity_ids = ids;
    scan->id_count = count;
    return OK;
}

static status not_a_page(struct error *error)
{
    return error_set(error, STATUS_UNAVAILABLE, "store_protocol",
                     "the online store answered INFO or SCAN with something else");
}

static bool is_answer(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY)
        return false;
    const redisReply *page = reply->element[1];
    return page->elements == 2 && page->element[0]->type == REDIS_REPLY_STRING &&
           page->element[1]->type == REDIS_REPLY_ARRAY;
}

static status take_answer(struct scan_state *state, const redisReply *reply)
{
    struct online_scan *scan = state->scan;
    uint64_t cursor;
    char text[128];
    if (!is_answer(reply))
        return not_a_page(&scan->error);
    const redisReply *page = reply->element[1];
    str run = str_of(reply->element[0]->str, reply->element[0]->len);
    if (run.len == 0)
        return error_set(&scan->error, STATUS_UNAVAILABLE, "store_credentials",
                         "Redis does not tell its run_id, without which ids could be passed over "
                         "unnoticed: allow its user the command INFO");
    if (!is_run_id(run) ||
        !str_to_uint64(str_of(page->element[0]->str, page->element[0]->len), &cursor))
        return not_a_page(&scan->error);
    TRY(take_ids(state, page->element[1]));
    if (cursor == 0 && ++state->master >= state->masters)
        return OK;
    int len =
        snprintf(text, sizeof(text), "%u:%llu:%llu:%.*s", state->master, (unsigned long long)cursor,
                 (unsigned long long)state->revision, STR_ARG(run));
    return arena_copy_str(scan->arena, str_of(text, (size_t)len), &scan->next_cursor)
               ? OK
               : redis_no_memory(&scan->error);
}

static void scan_done(struct redis_command *command, enum redis_outcome outcome,
                      const redisReply *reply)
{
    struct scan_state *state = CONTAINER_OF(command, struct scan_state, command);
    struct online_scan *scan = state->scan;
    loop_enter(state->on->loop);
    scan->status = redis_answer_check(outcome, reply, &scan->error);
    if (status_is_ok(scan->status))
        scan->status = take_answer(state, reply);
    scan->done(scan);
}

static status begin(struct redis_loop *on, struct online_scan *scan, struct scan_state **out)
{
    str node_cursor, run;
    TRY(redis_loop_check(on, &scan->error));
    struct scan_state *state = arena_alloc_zero(scan->arena, sizeof(*state));
    if (state == NULL)
        return redis_no_memory(&scan->error);
    state->scan = scan;
    state->on = on;
    if (!arena_copy_str(scan->arena, scan->entity ? scan->entity->name : scan->entity_name,
                        &state->entity_name))
        return redis_no_memory(&scan->error);
    state->masters = redis_client_masters(on->client, &state->revision);
    if (state->masters == 0)
        return redis_outcome_error(REDIS_REFUSED, &scan->error);
    TRY(parse_cursor(scan->cursor, state, &node_cursor, &run, &scan->error));
    state->command =
        (struct redis_command){.slot = REDIS_SLOT_ANY, .lane = REDIS_LANE_WRITE, .done = scan_done};
    if (!format_command(state, node_cursor, run))
        return redis_no_memory(&scan->error);
    *out = state;
    return OK;
}

void redis_store_scan(struct online_store *store, struct online_scan *scan)
{
    struct redis_loop *on = redis_loop_of(store, scan->loop);
    struct scan_state *state = NULL;
    scan->entity_ids = NULL;
    scan->id_count = 0;
    scan->next_cursor = (str){NULL, 0};
    error_clear(&scan->error);
    scan->status = begin(on, scan, &state);
    if (state == NULL)
        scan->done(scan);
    else
        redis_client_submit_to(on->client, state->master, &state->command);
}
