/* After a feature was dropped or a TTL changed, one server walks all rows, a few hundred in a second, and
 * removes what is left of dropped versions and sets anew when keys expire (redis_tidy_step.c). Reading does
 * not wait for it: the catalog decides there. But a value whose TTL was made longer is lost if its key
 * goes at the old end: a walk that missed a row is made again.
 *
 * `featured:tidy` keeps two servers from doing the same; `featured:tidied` says for which revision it has
 * been done. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "online/redis/redis_private.h"
#include "online/redis/redis_tidy_step.h"

#define LOCK_KEY "featured:tidy"
#define LOCK_MS "60000"
#define TIDIED_KEY "featured:tidied"
#define KEYS_PER_TICK "300"
#define WALKS_MAX 3u /* in a row, because of rows that were missed */
#define ARENA_BYTES_MAX ((size_t)256 << 20)

/* What a walk would have to follow. */
struct known_version {
    uint64_t id;
    int64_t ttl_us;
    int64_t dead_before_us;
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
    unsigned walks;     /* that ended without having reached all rows */
    bool has_missed;    /* this one */
    struct arena arena; /* of the step at hand */
    struct arena renewal_arena;
    struct redis_tidy_step step;
};

static struct redis_loop *loop_of(struct redis_tidy *tidy)
{
    return &tidy->store->loops[0];
}

static void step_done(struct redis_tidy_step *step);

struct redis_tidy *redis_tidy_create(struct redis_store *store)
{
    struct redis_tidy *tidy = memory_alloc_zero(sizeof(*tidy));
    if (tidy == NULL)
        return NULL;
    tidy->store = store;
    tidy->step = (struct redis_tidy_step){
        .on = &store->loops[0], .arena = &tidy->arena, .done = step_done};
    arena_init(&tidy->arena, ARENA_BYTES_MAX);
    arena_init(&tidy->renewal_arena, 4096);
    return tidy;
}

void redis_tidy_destroy(struct redis_tidy *tidy)
{
    if (tidy == NULL)
        return;
    ASSERT(!tidy->is_busy && !redis_tidy_step_is_running(&tidy->step));
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
    return redis_tidy_is_ended(&tidy->store->loops[0]);
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

/* Rows that cannot be reached at all must not keep it going for ever. */
static void end_walk(struct redis_tidy *tidy)
{
    char text[32];
    if (tidy->has_missed && ++tidy->walks < WALKS_MAX) {
        unlock(tidy);
        return;
    }
    tidy->walks = 0;
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
    tidy->has_missed = false;
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

static void step_done(struct redis_tidy_step *step)
{
    struct redis_tidy *tidy = CONTAINER_OF(step, struct redis_tidy, step);
    tidy->has_missed |= step->has_missed;
    if (is_ended(tidy) || tidy->phase != TIDY_WALKING)
        return;
    if (tidy->cursor == 0 && tidy->master == UINT32_MAX)
        end_walk(tidy);
}

static uint64_t largest_id(const struct redis_tidy *tidy)
{
    return tidy->known_count ? tidy->known[tidy->known_count - 1].id : 0;
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
    redis_tidy_step_begin(&tidy->step, reply->element[1], largest_id(tidy));
}

static void walk(struct redis_tidy *tidy)
{
    uint64_t revision;
    uint32_t masters = redis_client_masters(loop_of(tidy)->client, &revision);
    char cursor[24];
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
                       STR("COUNT"), STR(KEYS_PER_TICK),
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
    if (tidy->is_busy || redis_tidy_step_is_running(&tidy->step))
        return;
    if (tidy->phase == TIDY_WALKING) {
        walk(tidy);
    } else if (tidy->wanted_revision != 0) {
        tidy->phase = TIDY_ASKING;
        ask(tidy, (str[]){STR("GET"), STR(TIDIED_KEY)}, 2, asked);
    }
}
