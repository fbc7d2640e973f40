/* The sets `all_users` (`all_{entity}s`): who has a row, for other readers of the same Redis. Nothing of
 * ours reads them; what cannot be sent is left out. */
#include "base/memory.h"
#include "online/redis/redis_private.h"

struct set_command {
    struct redis_command command; /* first */
    struct arena arena;
};

#define COMMAND_BYTES_MAX ((size_t)64 << 10)

static void destroy(struct set_command *set)
{
    arena_fini(&set->arena);
    memory_free(set);
}

static void set_done(struct redis_command *command, enum redis_outcome outcome UNUSED,
                     const redisReply *reply UNUSED)
{
    destroy(CONTAINER_OF(command, struct set_command, command));
}

static bool format(struct set_command *set, str verb, str entity_name, str entity_id)
{
    struct buffer key;
    buffer_init(&key, COMMAND_BYTES_MAX);
    buffer_append_str(&key, STR("all_"));
    buffer_append_str(&key, entity_name);
    buffer_append_char(&key, 's');
    str arguments[] = {verb, buffer_str(&key), entity_id};
    set->command = (struct redis_command){
        .slot = redis_slot(buffer_str(&key)), .lane = REDIS_LANE_WRITE, .done = set_done};
    bool done = status_is_ok(buffer_status(&key)) &&
                redis_format(&set->arena, arguments, ARRAY_LEN(arguments), &set->command.bytes);
    buffer_fini(&key);
    return done;
}

static void change(struct redis_loop *on, str verb, str entity_name, str entity_id)
{
    if (redis_client_is_cluster(on->client))
        return; /* one hot key */
    struct set_command *set = memory_alloc_zero(sizeof(*set));
    if (set == NULL)
        return;
    arena_init(&set->arena, COMMAND_BYTES_MAX);
    if (format(set, verb, entity_name, entity_id))
        redis_client_submit(on->client, &set->command);
    else
        destroy(set);
}

void redis_all_set_add(struct redis_loop *on, str entity_name, str entity_id)
{
    change(on, STR("SADD"), entity_name, entity_id);
}

void redis_all_set_remove(struct redis_loop *on, str entity_name, str entity_id)
{
    change(on, STR("SREM"), entity_name, entity_id);
}
