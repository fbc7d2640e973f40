/* After a feature was dropped or a TTL changed, one server walks all rows, a few hundred in a second, and
 * removes what is left of dropped versions and sets anew when keys expire (redis_tidy_row.c). Reading does
 * not wait for it: the catalog decides there.
 *
 * `featured:tidy` keeps two servers from doing the same; `featured:tidied` says for which revision it has
 * been done. Without either nothing would be wrong: a row that changed meanwhile is left to the next
 * walk (tidy.lua). */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "online/redis/redis_private.h"
#include "online/redis/redis_tidy_row.h"

#define LOCK_KEY "featured:tidy"
#define LOCK_MS "60000"
#define TIDIED_KEY "featured:tidied"
#define KEYS_PER_TICK 300u
#define KEYS_PER_STEP_MAX 5000u /* SCAN may give more than it was asked for */
#define ARENA_BYTES_MAX ((size_t)256 << 20)

/* What a walk would have to follow. */
struct known_version {
    uint64_t id;
    int64_t ttl_us;
    int64_t dead_before_us;
};

enum row_question { ROW_EVENT_TIMES, ROW_FIELDS, ROW_TTL, ROW_QUESTIONS };

struct tidy_row {
    struct redis_command commands[ROW_QUESTIONS];
    struct redis_tidy *tidy;
    struct redis_call call;
    str key;
    uint32_t waiting;
    bool has_failed;
    struct redis_tidy_row row;
};

enum tidy_phase { TIDY_IDLE, TIDY_ASKING, TIDY_LOCKING, TIDY_WALKING };

struct redis_tidy {
    struct redis_store *store;
    struct known_version *known;
    uint32_t known_count;
    uint64_t seen_revision;
    uint64_t wanted_revision; /* 0: nothing to do */
    enum tidy_phase phase;
    struct redis_command command; /* of the phase; one at a time */
    struct redis_command renewal;
    bool is_busy;
    bool is_renewing;
    /* the walk */
    uint64_t walk_revision;
    uint64_t topology;
    uint32_t master;
    uint64_t cursor;
    struct arena arena; /* of the step at hand */
    struct arena renewal_arena;
    struct tidy_row *rows;
    uint32_t rows_waiting; /* and one while they are being submitted */
};

static struct redis_loop *loop_of(struct redis_tidy *tidy)
{
    return &tidy->store->loops[0];
}

struct redis_tidy *redis_tidy_create(struct redis_store *store)
{
    struct redis_tidy *tidy = memory_alloc_zero(sizeof(*tidy));
    if (tidy == NULL)
        return NULL;
    tidy->store = store;
    arena_init(&tidy->arena, ARENA_BYTES_MAX);
    arena_init(&tidy->renewal_arena, 4096);
    return tidy;
}

void redis_tidy_destroy(struct redis_tidy *tidy)
{
    if (tidy == NULL)
        return;
    ASSERT(!tidy->is_busy && tidy->rows_waiting == 0);
    arena_fini(&tidy->arena);
    arena_fini(&tidy->renewal_arena);
    memory_free(tidy->known);
    memory_free(tidy);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t first = ((const struct known_version *)a)->id;
    uint64_t second = ((const struct known_version *)b)->id;
    return first < second ? -1 : first > second;
}

static bool list_versions(const struct catalog *catalog, struct known_version **out,
                          uint32_t *out_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < catalog->feature_count; i++)
        count += catalog->features[i]->version_count;
    struct known_version *known = memory_alloc_array(count + (size_t)1, sizeof(*known));
    if (known == NULL)
        return false;
    uint32_t at = 0;
    for (uint32_t i = 0; i < catalog->feature_count; i++)
        for (uint32_t k = 0; k < catalog->features[i]->version_count; k++) {
            const struct catalog_version *version = &catalog->features[i]->versions[k];
            known[at++] = (struct known_version){version->id, version->ttl_us,
                                                 version->dead_before_us};
        }
    qsort(known, count, sizeof(*known), compare_ids);
    *out = known;
    *out_count = count;
    return true;
}

/* Whether one of the old ones is gone, or has another TTL. Both in order of id. */
static bool differ(const struct known_version *old, uint32_t old_count,
                   const struct known_version *now, uint32_t now_count)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < old_count; i++) {
        while (at < now_count && now[at].id < old[i].id)
            at++;
        if (at == now_count || now[at].id != old[i].id || now[at].ttl_us != old[i].ttl_us ||
            now[at].dead_before_us != old[i].dead_before_us)
            return true;
    }
    return false;
}

static void watch_catalog(struct redis_tidy *tidy)
{
    const struct catalog *catalog = redis_catalog(loop_of(tidy));
    struct known_version *now;
    uint32_t now_count;
    if (catalog->revision == tidy->seen_revision || !list_versions(catalog, &now, &now_count))
        return;
    /* The first one: perhaps nobody has followed what happened before this process. */
    if (tidy->seen_revision == 0 || differ(tidy->known, tidy->known_count, now, now_count))
        tidy->wanted_revision = catalog->revision;
    memory_free(tidy->known);
    tidy->known = now;
    tidy->known_count = now_count;
    tidy->seen_revision = catalog->revision;
}

static bool is_ended(const struct redis_tidy *tidy)
{
    return tidy->store->is_draining || tidy->store->loops[0].client == NULL;
}

static void give_up(struct redis_tidy *tidy)
{
    tidy->phase = TIDY_IDLE;
}

/* One of the few commands between the steps of the walk. */
static void ask(struct redis_tidy *tidy, const str *arguments, uint32_t count,
                void (*done)(struct redis_command *command, enum redis_outcome outcome,
                             const redisReply *reply))
{
    arena_reset(&tidy->arena);
    tidy->command = (struct redis_command){
        .slot = redis_slot(arguments[1]), .lane = REDIS_LANE_WRITE, .done = done};
    if (!redis_format(&tidy->arena, arguments, count, &tidy->command.bytes)) {
        give_up(tidy);
        return;
    }
    tidy->is_busy = true;
    redis_client_submit(loop_of(tidy)->client, &tidy->command);
}

static struct redis_tidy *tidy_of(struct redis_command *command)
{
    struct redis_tidy *tidy = CONTAINER_OF(command, struct redis_tidy, command);
    tidy->is_busy = false;
    loop_enter(loop_of(tidy)->loop);
    return tidy;
}

static bool is_answer(const struct redis_tidy *tidy, enum redis_outcome outcome,
                      const redisReply *reply)
{
    return outcome == REDIS_ANSWERED && reply->type != REDIS_REPLY_ERROR && !is_ended(tidy);
}

static void renewal_done(struct redis_command *command, enum redis_outcome outcome UNUSED,
                         const redisReply *reply UNUSED)
{
    CONTAINER_OF(command, struct redis_tidy, renewal)->is_renewing = false;
}

static void renew_lock(struct redis_tidy *tidy)
{
    str arguments[] = {STR("PEXPIRE"), STR(LOCK_KEY), STR(LOCK_MS)};
    if (tidy->is_renewing)
        return;
    arena_reset(&tidy->renewal_arena);
    tidy->renewal = (struct redis_command){
        .slot = redis_slot(STR(LOCK_KEY)), .lane = REDIS_LANE_WRITE, .done = renewal_done};
    if (!redis_format(&tidy->renewal_arena, arguments, 3, &tidy->renewal.bytes))
        return;
    tidy->is_renewing = true;
    redis_client_submit(loop_of(tidy)->client, &tidy->renewal);
}

static void unlock_done(struct redis_command *command, enum redis_outcome outcome UNUSED,
                        const redisReply *reply UNUSED)
{
    give_up(tidy_of(command));
}

static void unlock(struct redis_tidy *tidy)
{
    ask(tidy, (str[]){STR("DEL"), STR(LOCK_KEY)}, 2, unlock_done);
}

static void noted(struct redis_command *command, enum redis_outcome outcome,
                  const redisReply *reply)
{
    struct redis_tidy *tidy = tidy_of(command);
    if (!is_answer(tidy, outcome, reply)) {
        give_up(tidy);
        return;
    }
    if (tidy->wanted_revision == tidy->walk_revision)
        tidy->wanted_revision = 0;
    unlock(tidy);
}

static void end_walk(struct redis_tidy *tidy)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)tidy->walk_revision);
    ask(tidy, (str[]){STR("SET"), STR(TIDIED_KEY), str_of(text, (size_t)len)}, 3, noted);
}

static void lock_done(struct redis_command *command, enum redis_outcome outcome,
                      const redisReply *reply)
{
    struct redis_tidy *tidy = tidy_of(command);
    if (!is_answer(tidy, outcome, reply) || reply->type != REDIS_REPLY_STATUS) {
        give_up(tidy); /* another server is at it */
        return;
    }
    tidy->walk_revision = tidy->seen_revision;
    tidy->wanted_revision = tidy->seen_revision;
    tidy->master = 0;
    tidy->cursor = 0;
    redis_client_masters(loop_of(tidy)->client, &tidy->topology);
    tidy->phase = TIDY_WALKING;
}

static void asked(struct redis_command *command, enum redis_outcome outcome,
                  const redisReply *reply)
{
    struct redis_tidy *tidy = tidy_of(command);
    uint64_t tidied = 0;
    if (!is_answer(tidy, outcome, reply)) {
        give_up(tidy);
        return;
    }
    if (reply->type == REDIS_REPLY_STRING &&
        str_to_uint64(str_of(reply->str, reply->len), &tidied) &&
        tidied >= tidy->wanted_revision) {
        tidy->wanted_revision = 0;
        give_up(tidy);
        return;
    }
    tidy->phase = TIDY_LOCKING;
    ask(tidy, (str[]){STR("SET"), STR(LOCK_KEY), STR("1"), STR("NX"), STR("PX"), STR(LOCK_MS)}, 6,
        lock_done);
}

static void row_finished(struct redis_tidy *tidy)
{
    ASSERT(tidy->rows_waiting > 0);
    if (--tidy->rows_waiting > 0 || is_ended(tidy) || tidy->phase != TIDY_WALKING)
        return;
    if (tidy->cursor == 0 && tidy->master == UINT32_MAX)
        end_walk(tidy);
}

static void call_done(struct redis_call *call, enum redis_outcome outcome, const redisReply *reply)
{
    struct tidy_row *row = call->user;
    struct redis_tidy *tidy = row->tidy;
    loop_enter(loop_of(tidy)->loop);
    if (outcome == REDIS_ANSWERED && reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
        reply->element[0]->integer == 1)
        redis_count(&tidy->store->rows_tidied, 1);
    redis_call_fini(&row->call);
    row_finished(tidy);
}

static str decimal(int64_t number, char text[static 24])
{
    return str_of(text, (size_t)snprintf(text, 24, "%lld", (long long)number));
}

static bool call_tidy(struct tidy_row *row)
{
    const struct redis_tidy_row *decided = &row->row;
    char text[24];
    redis_call_init(&row->call, loop_of(row->tidy)->client,
                    &loop_of(row->tidy)->rows.script_loads);
    redis_call_begin(&row->call, &redis_script_tidy, row->key, 4 + decided->dropped_count);
    redis_call_add(&row->call, decided->event_times);
    redis_call_add(&row->call, decimal(decided->field_count, text));
    redis_call_add(&row->call, decided->new_event_times);
    redis_call_add(&row->call, decided->keeps_expiry               ? STR("=")
                               : decided->end_ms == REDIS_NEVER_MS ? STR("")
                                                                   : decimal(decided->end_ms, text));
    for (uint32_t i = 0; i < decided->dropped_count; i++)
        redis_call_add(&row->call, decided->dropped[i]);
    if (status_is_ok(redis_call_submit(&row->call, call_done, row)))
        return true;
    redis_call_fini(&row->call);
    return false;
}

static uint64_t largest_id(const struct redis_tidy *tidy)
{
    return tidy->known_count ? tidy->known[tidy->known_count - 1].id : 0;
}

/* All that there is to know of the row has come. */
static void decide_row(struct tidy_row *row)
{
    struct redis_tidy *tidy = row->tidy;
    str rest;
    str entity_name = str_split(row->key, ':', &rest);
    row->row.entity = catalog_find_entity(redis_catalog(loop_of(tidy)), entity_name);
    row->row.largest_id = largest_id(tidy);
    row->row.now_us = store_clock_now_us(tidy->store->options.clock);
    row->row.arena = &tidy->arena;
    bool has_work = !row->has_failed && !is_ended(tidy) && row->row.ttl_ms != -2 &&
                    redis_tidy_row_decide(&row->row) && row->row.changes;
    if (!has_work || !call_tidy(row))
        row_finished(tidy);
}

static bool take_fields(struct tidy_row *row, const redisReply *reply)
{
    str *fields = arena_alloc_array(&row->tidy->arena, reply->elements + 1, sizeof(*fields));
    if (fields == NULL || reply->elements > UINT32_MAX / 2)
        return false;
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *field = reply->element[i];
        if (field->type != REDIS_REPLY_STRING ||
            !arena_copy_str(&row->tidy->arena, str_of(field->str, field->len), &fields[i]))
            return false;
    }
    row->row.fields = fields;
    row->row.field_count = (uint32_t)reply->elements;
    return true;
}

static bool take_part(struct tidy_row *row, enum row_question question, const redisReply *reply)
{
    switch (question) {
    case ROW_EVENT_TIMES:
        if (reply->type == REDIS_REPLY_STRING)
            return arena_copy_str(&row->tidy->arena, str_of(reply->str, reply->len),
                                  &row->row.event_times);
        return reply->type == REDIS_REPLY_NIL;
    case ROW_FIELDS:
        return (reply->type == REDIS_REPLY_ARRAY || reply->type == REDIS_REPLY_SET) &&
               take_fields(row, reply);
    case ROW_TTL:
        row->row.ttl_ms = reply->integer;
        return reply->type == REDIS_REPLY_INTEGER;
    case ROW_QUESTIONS:
    default:
        return false;
    }
}

static void question_done(struct redis_command *command, enum redis_outcome outcome,
                          const redisReply *reply)
{
    struct tidy_row *row = command->user;
    enum row_question question = (enum row_question)(command - row->commands);
    loop_enter(loop_of(row->tidy)->loop);
    row->has_failed |= outcome != REDIS_ANSWERED || !take_part(row, question, reply);
    if (--row->waiting == 0)
        decide_row(row);
}

static bool format_row(struct redis_tidy *tidy, struct tidy_row *row, str key)
{
    *row = (struct tidy_row){.tidy = tidy, .waiting = ROW_QUESTIONS};
    if (!arena_copy_str(&tidy->arena, key, &row->key))
        return false;
    const str arguments[ROW_QUESTIONS][3] = {
        [ROW_EVENT_TIMES] = {STR("HGET"), row->key, STR(REDIS_EVENT_TIMES)},
        [ROW_FIELDS] = {STR("HKEYS"), row->key},
        [ROW_TTL] = {STR("PTTL"), row->key},
    };
    for (uint32_t i = 0; i < ROW_QUESTIONS; i++) {
        row->commands[i] = (struct redis_command){.slot = redis_slot(row->key),
                                                  .lane = REDIS_LANE_WRITE,
                                                  .done = question_done,
                                                  .user = row};
        if (!redis_format(&tidy->arena, arguments[i], i == ROW_EVENT_TIMES ? 3 : 2,
                          &row->commands[i].bytes))
            return false;
    }
    return true;
}

/* The keys of one step. */
static void look_at_rows(struct redis_tidy *tidy, const redisReply *keys)
{
    size_t most = keys->elements < KEYS_PER_STEP_MAX ? keys->elements : KEYS_PER_STEP_MAX;
    uint32_t count = 0;
    tidy->rows = arena_alloc_array(&tidy->arena, most + 1, sizeof(*tidy->rows));
    for (size_t i = 0; tidy->rows != NULL && i < most; i++) {
        const redisReply *key = keys->element[i];
        if (key->type == REDIS_REPLY_STRING &&
            format_row(tidy, &tidy->rows[count], str_of(key->str, key->len)))
            count++;
    }
    tidy->rows_waiting = count + 1;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < ROW_QUESTIONS; k++)
            redis_client_submit(loop_of(tidy)->client, &tidy->rows[i].commands[k]);
    row_finished(tidy);
}

static void scanned(struct redis_command *command, enum redis_outcome outcome,
                    const redisReply *reply)
{
    struct redis_tidy *tidy = tidy_of(command);
    uint64_t revision;
    uint32_t masters;
    if (!is_answer(tidy, outcome, reply) || reply->type != REDIS_REPLY_ARRAY ||
        reply->elements != 2 || reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_ARRAY ||
        !str_to_uint64(str_of(reply->element[0]->str, reply->element[0]->len), &tidy->cursor)) {
        give_up(tidy);
        return;
    }
    masters = redis_client_masters(loop_of(tidy)->client, &revision);
    if (tidy->cursor == 0)
        tidy->master = tidy->master + 1 < masters ? tidy->master + 1 : UINT32_MAX;
    look_at_rows(tidy, reply->element[1]);
}

static void walk(struct redis_tidy *tidy)
{
    uint64_t revision;
    uint32_t masters = redis_client_masters(loop_of(tidy)->client, &revision);
    char cursor[24];
    char count[24];
    if (masters == 0) {
        give_up(tidy);
        return;
    }
    if (revision != tidy->topology || tidy->master >= masters) { /* keys may have moved */
        tidy->topology = revision;
        tidy->master = 0;
        tidy->cursor = 0;
    }
    renew_lock(tidy);
    arena_reset(&tidy->arena);
    str arguments[] = {STR("SCAN"),
                       str_of(cursor, (size_t)snprintf(cursor, sizeof(cursor), "%llu",
                                                       (unsigned long long)tidy->cursor)),
                       STR("MATCH"), STR("*" REDIS_KEY_SUFFIX),
                       STR("COUNT"), decimal(KEYS_PER_TICK, count),
                       STR("TYPE"), STR("hash")};
    tidy->command = (struct redis_command){
        .slot = REDIS_SLOT_ANY, .lane = REDIS_LANE_WRITE, .done = scanned};
    if (!redis_format(&tidy->arena, arguments, ARRAY_LEN(arguments), &tidy->command.bytes)) {
        give_up(tidy);
        return;
    }
    tidy->is_busy = true;
    redis_client_submit_to(loop_of(tidy)->client, tidy->master, &tidy->command);
}

void redis_tidy_tick(struct redis_tidy *tidy)
{
    if (is_ended(tidy))
        return;
    watch_catalog(tidy);
    if (tidy->is_busy || tidy->rows_waiting > 0)
        return;
    if (tidy->phase == TIDY_WALKING) {
        walk(tidy);
    } else if (tidy->wanted_revision != 0) {
        tidy->phase = TIDY_ASKING;
        ask(tidy, (str[]){STR("GET"), STR(TIDIED_KEY)}, 2, asked);
    }
}
