/* Erasures: one call of erase.lua per entity, which removes, leaves the marks, and tells what it removed;
 * what of that was alive is counted here, by the catalog of that moment. */
#include "base/assert.h"
#include "base/memory.h"
#include "model/cell_rule.h"
#include "online/redis/redis_private.h"

#define HEAD_ARGUMENTS 2u
#define ARGUMENTS_PER_VERSION 3u
#define ANSWER_HEAD 3u
#define ANSWER_PER_VALUE 4u

struct erase_entity {
    struct redis_call call; /* first */
    struct erase_state *state;
    uint32_t entity_index;
};

struct erase_state {
    struct online_erase *erase;
    struct redis_loop *on;
    struct arena arena; /* keys */
    uint32_t pending;   /* and one while they are being submitted */
    uint32_t count;
    struct erase_entity entities[];
};

#define KEYS_BYTES_MAX ((size_t)4 << 20)

static void finish_one(struct erase_state *state)
{
    ASSERT(state->pending > 0);
    if (--state->pending > 0)
        return;
    struct online_erase *erase = state->erase;
    for (uint32_t i = 0; i < state->count; i++)
        redis_call_fini(&state->entities[i].call);
    arena_fini(&state->arena);
    memory_free(state);
    erase->done(erase);
}

static void fail(struct online_erase *erase, status result, const struct error *error)
{
    if (!status_is_ok(erase->status))
        return;
    erase->status = result;
    erase->error = *error;
}

static const struct catalog_entity *entity_of(const struct erase_entity *one)
{
    return redis_catalog(one->state->on)->entities[one->entity_index];
}

static bool str_of_element(const redisReply *element, str *out)
{
    *out = str_of(element->str, element->len);
    return element->type == REDIS_REPLY_STRING;
}

static const struct catalog_version *find_version(const struct catalog_entity *entity,
                                                  str field, uint64_t version_id)
{
    char text[REDIS_FIELD_MAX];
    for (uint32_t i = 0; i < entity->slot_count; i++) {
        const struct catalog_version *version = entity->slots[i].version;
        if (version == NULL)
            continue;
        if (version_id != 0 ? version->id == version_id
                            : str_eq(redis_row_field(version, text), field))
            return version;
    }
    return NULL;
}

/* Whether a value that was removed was alive until then; `value` is its four parts of the answer. */
static bool was_alive(const struct catalog_entity *entity, redisReply *const *value, int64_t now_us)
{
    str field, event, version_id, kind;
    int64_t event_time_us;
    uint64_t id;
    if (!str_of_element(value[0], &field) || !str_of_element(value[1], &event) ||
        !str_of_element(value[2], &version_id) || !str_of_element(value[3], &kind))
        return false;
    if (str_eq(kind, STR("o")))
        return true; /* what others wrote never expires */
    if (!str_to_int64(event, &event_time_us) || !str_to_uint64(version_id, &id))
        return false;
    const struct catalog_version *version = find_version(entity, field, id);
    return version != NULL && cell_rule_is_alive(event_time_us, now_us, version->ttl_us,
                                                 version->dead_before_us);
}

static void take_answer(struct erase_entity *one, const redisReply *reply)
{
    struct erase_state *state = one->state;
    const struct catalog_entity *entity = entity_of(one);
    int64_t now_us = store_clock_now_us(state->on->store->options.clock);
    uint64_t deleted = 0;
    for (size_t i = ANSWER_HEAD; i + ANSWER_PER_VALUE <= reply->elements; i += ANSWER_PER_VALUE)
        deleted += was_alive(entity, &reply->element[i], now_us);
    state->erase->values_deleted += deleted;
    redis_count(&state->on->rows.values_erased, (int64_t)deleted);
    if (reply->element[1]->integer == 1)
        redis_all_set_remove(state->on, entity->name, state->erase->entity_id);
}

static void entity_done(struct redis_call *call, enum redis_outcome outcome,
                        const redisReply *reply)
{
    struct erase_entity *one = call->user;
    struct erase_state *state = one->state;
    struct error error;
    str key;
    loop_enter(state->on->loop);
    error_clear(&error);
    if (!redis_row_key(&state->arena, entity_of(one)->name, state->erase->entity_id, &key))
        key = STR("?");
    status result = redis_script_check(state->on, outcome, reply, ANSWER_HEAD, key, &error);
    if (status_is_ok(result))
        take_answer(one, reply);
    else
        fail(state->erase, result, &error);
    finish_one(state);
}

/* How long a mark matters: '' for ever. */
static void add_life(struct redis_call *call, int64_t ttl_us)
{
    char text[32];
    struct buffer number = {.data = text, .capacity = sizeof(text), .limit = sizeof(text)};
    if (ttl_us != 0)
        buffer_append_int64(&number, ttl_us + REDIS_KEY_GRACE_US);
    redis_call_add(call, buffer_str(&number));
}

static void add_id(struct redis_call *call, uint64_t version_id)
{
    char text[32];
    struct buffer number = {.data = text, .capacity = sizeof(text), .limit = sizeof(text)};
    buffer_append_uint64(&number, version_id);
    redis_call_add(call, buffer_str(&number));
}

/* The mark of a whole id: until no version of the present could serve a value that old. */
static void add_whole(struct redis_call *call, const struct catalog_entity *entity)
{
    uint64_t largest_id = 0;
    int64_t longest_us = -1;
    bool for_ever = false;
    for (uint32_t i = 0; i < entity->slot_count; i++) {
        const struct catalog_version *version = entity->slots[i].version;
        if (version == NULL)
            continue;
        largest_id = version->id > largest_id ? version->id : largest_id;
        longest_us = version->ttl_us > longest_us ? version->ttl_us : longest_us;
        for_ever |= version->ttl_us == 0;
    }
    add_id(call, largest_id);
    if (longest_us < 0)
        redis_call_add(call, STR("-"));
    else
        add_life(call, for_ever ? 0 : longest_us);
}

static const struct catalog_version *target_version(const struct catalog *catalog,
                                                    const struct online_erase_target *target)
{
    return catalog_version_at(catalog, target->entity_index, target->slot, target->version_id);
}

/* What of the targets is this entity's: the whole id, and how many versions else. */
static bool is_whole(const struct online_erase *erase, uint32_t entity_index)
{
    for (uint32_t i = 0; i < erase->target_count; i++)
        if (erase->targets[i].entity_index == entity_index && erase->targets[i].version_id == 0)
            return true;
    return false;
}

static uint32_t count_versions(const struct online_erase *erase, const struct catalog *catalog,
                               uint32_t entity_index)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < erase->target_count; i++)
        count += erase->targets[i].entity_index == entity_index &&
                 target_version(catalog, &erase->targets[i]) != NULL;
    return count;
}

static void add_versions(struct redis_call *call, const struct online_erase *erase,
                         const struct catalog *catalog, uint32_t entity_index)
{
    char field[REDIS_FIELD_MAX];
    for (uint32_t i = 0; i < erase->target_count; i++) {
        const struct catalog_version *version =
            erase->targets[i].entity_index == entity_index
                ? target_version(catalog, &erase->targets[i])
                : NULL;
        if (version == NULL)
            continue;
        redis_call_add(call, redis_row_field(version, field));
        add_id(call, version->id);
        add_life(call, version->ttl_us);
    }
}

static status submit(struct erase_entity *one)
{
    struct erase_state *state = one->state;
    const struct catalog *catalog = redis_catalog(state->on);
    const struct catalog_entity *entity = entity_of(one);
    bool whole = is_whole(state->erase, one->entity_index);
    uint32_t versions = whole ? 0 : count_versions(state->erase, catalog, one->entity_index);
    str key;
    if (!redis_row_key(&state->arena, entity->name, state->erase->entity_id, &key))
        return status_of(STATUS_OUT_OF_MEMORY);
    redis_call_begin(&one->call, &redis_script_erase, key,
                     HEAD_ARGUMENTS + versions * ARGUMENTS_PER_VERSION);
    if (whole) {
        add_whole(&one->call, entity);
    } else {
        redis_call_add(&one->call, STR(""));
        redis_call_add(&one->call, STR("-"));
        add_versions(&one->call, state->erase, catalog, one->entity_index);
    }
    return redis_call_submit(&one->call, entity_done, one);
}

/* A target whose version is gone has no values any more. */
static bool has_target(const struct catalog *catalog, const struct online_erase_target *target)
{
    return target->entity_index < catalog->entity_count &&
           (target->version_id == 0 || target_version(catalog, target) != NULL);
}

static bool came_before(const struct erase_state *state, uint32_t entity_index)
{
    for (uint32_t i = 0; i < state->count; i++)
        if (state->entities[i].entity_index == entity_index)
            return true;
    return false;
}

static void collect_entities(struct erase_state *state)
{
    const struct online_erase *erase = state->erase;
    const struct catalog *catalog = redis_catalog(state->on);
    for (uint32_t i = 0; i < erase->target_count; i++) {
        const struct online_erase_target *target = &erase->targets[i];
        if (!has_target(catalog, target) || came_before(state, target->entity_index))
            continue;
        struct erase_entity *one = &state->entities[state->count++];
        *one = (struct erase_entity){.state = state, .entity_index = target->entity_index};
        redis_call_init(&one->call, state->on->client, &state->on->rows.script_loads);
    }
}

static struct erase_state *create(struct redis_loop *on, struct online_erase *erase)
{
    uint32_t entities = redis_catalog(on)->entity_count;
    uint32_t most = erase->target_count < entities ? erase->target_count : entities;
    struct erase_state *state =
        memory_alloc_zero(sizeof(*state) + most * sizeof(state->entities[0]));
    if (state == NULL)
        return NULL;
    state->erase = erase;
    state->on = on;
    arena_init(&state->arena, KEYS_BYTES_MAX);
    collect_entities(state);
    state->pending = state->count + 1;
    return state;
}

void redis_store_erase(struct online_store *store, struct online_erase *erase)
{
    struct redis_loop *on = redis_loop_of(store, erase->loop);
    struct erase_state *state = NULL;
    struct error error;
    erase->values_deleted = 0;
    error_clear(&erase->error);
    erase->status = redis_loop_check(on, &erase->error);
    if (status_is_ok(erase->status) && (state = create(on, erase)) == NULL)
        erase->status = redis_no_memory(&erase->error);
    if (state == NULL) {
        erase->done(erase);
        return;
    }
    for (uint32_t i = 0; i < state->count; i++) {
        if (status_is_ok(submit(&state->entities[i])))
            continue;
        error_clear(&error);
        fail(erase, redis_no_memory(&error), &error);
        state->pending--;
    }
    finish_one(state);
}
