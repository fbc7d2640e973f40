/* The slot map is learnt by CLUSTER SLOTS: at first, every 30 s, each second while something is
 * wrong, and soon after whatever does not fit it. A node that does not answer in time is passed
 * over; an answer that knows of fewer slots than before is believed only when others have been
 * asked too. */
#include "online/redis/redis_client_private.h"

#define REFRESH_MS 30000 /* with jitter of half of it */
#define REFRESH_TROUBLE_MS 1000
#define REFRESH_MIN_MS 200     /* between two, whatever happens */
#define ANSWER_MS 300          /* then the next node is asked as well */
#define ASKED_MAX 5u           /* nodes, in one refresh */
#define BAD_ROUNDS_TO_SEEDS 3u /* then the seeds are asked too: they may know others */
#define SWEEP_MS 100

/* Spreads servers that started together: the clock's low digits will do. */
static int64_t jittered(int64_t ms)
{
    return ms - (int64_t)(uv_hrtime() / 1000 % (uint64_t)(ms / 2));
}

void redis_topology_schedule(struct redis_client *client)
{
    const struct redis_refresh *refresh = &client->refresh;
    int64_t now = redis_now_ms(client), due = INT64_MAX;
    if (client->is_cluster)
        due = refresh->is_running ? refresh->asked_ms + ANSWER_MS : refresh->next_ms;
    if (client->retired && due > now + SWEEP_MS)
        due = now + SWEEP_MS;
    if (due == INT64_MAX || client->is_closing)
        uv_timer_stop(&client->refresh_timer);
    else
        uv_timer_start(&client->refresh_timer, redis_topology_tick,
                       due > now ? (uint64_t)(due - now) : 0, 0);
}

void redis_topology_connect_seeds(struct redis_client *client)
{
    const struct redis_url *url = client->options.url;
    for (uint32_t i = 0; i == 0 || i < url->seed_count; i++) {
        struct redis_node *node = redis_node_take(client, &url->seeds[i]);
        if (node == NULL)
            continue;
        node->is_seed = true;
        if (client->seed == NULL)
            client->seed = node;
        redis_node_connect(client, node, 1u << LINE_WRITE);
    }
}

static void end_refresh(struct redis_client *client, bool is_good)
{
    struct redis_refresh *refresh = &client->refresh;
    redis_slots_destroy(refresh->best);
    refresh->best = NULL;
    refresh->is_running = false;
    is_good = is_good && status_is_ok(redis_client_check(client, NULL));
    bool was_bad = refresh->bad_rounds > 0;
    refresh->bad_rounds = is_good ? 0 : refresh->bad_rounds + 1;
    if (is_good && was_bad)
        redis_topology_settle(client); /* the seeds were kept until now */
    refresh->next_ms = redis_now_ms(client) + (is_good ? jittered(REFRESH_MS) : REFRESH_TROUBLE_MS);
    if (refresh->bad_rounds >= BAD_ROUNDS_TO_SEEDS)
        redis_topology_connect_seeds(client);
    redis_topology_schedule(client);
    redis_client_notify(client);
}

/* A ready link of the node that is not being asked already. */
static struct redis_line *line_to_ask(const struct redis_node *node)
{
    static const enum redis_line_kind ORDER[] = {LINE_WRITE, LINE_READ, LINE_REPLICA};
    for (size_t i = 0; i < ARRAY_LEN(ORDER); i++) {
        struct redis_line *line = node->lines[ORDER[i]];
        if (redis_line_is_ready(line) && !line->is_asked)
            return line;
    }
    return NULL;
}

/* In turn, so that no node's view is the only one; those that cannot serve come last. */
static struct redis_line *next_to_ask(struct redis_client *client)
{
    struct redis_refresh *refresh = &client->refresh;
    int64_t now = redis_now_ms(client);
    for (int suspects = 0; suspects < 2; suspects++) {
        for (uint32_t i = 0; i < client->node_end; i++) {
            uint32_t index = (refresh->turn + i) % client->node_end;
            struct redis_node *node = client->nodes[index];
            if (node == NULL || node->was_asked || (!suspects && node->suspect_ms > now))
                continue;
            struct redis_line *line = line_to_ask(node);
            if (line == NULL)
                continue;
            node->was_asked = true;
            refresh->turn = index + 1;
            return line;
        }
    }
    return NULL;
}

static void adopt(struct redis_client *client, const struct redis_slots *slots)
{
    redis_count(&client->counters->refreshes, 1);
    error_clear(&client->refresh.failure);
    redis_topology_adopt(client, slots);
    end_refresh(client, true);
}

static void on_slots(struct redis_command *command, enum redis_outcome outcome,
                     const redisReply *reply);

static void ask_next(struct redis_client *client)
{
    struct redis_refresh *refresh = &client->refresh;
    struct redis_line *line = refresh->asked < ASKED_MAX ? next_to_ask(client) : NULL;
    if (line) {
        refresh->asked++;
        refresh->outstanding++;
        refresh->asked_ms = redis_now_ms(client);
        line->is_asked = true;
        line->asked_in = refresh->number;
        line->slots = (struct redis_command){
            .bytes = STR("*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n"),
            .slot = REDIS_SLOT_ANY,
            .lane = REDIS_LANE_WRITE,
            .done = on_slots,
            .line = line,
        };
        redis_topology_schedule(client);
        redis_link_send(line->link, &line->slots);
    } else if (refresh->outstanding > 0) {
        refresh->asked_ms = redis_now_ms(client);
        redis_topology_schedule(client);
    } else if (refresh->best) {
        adopt(client, refresh->best);
    } else {
        if (refresh->asked == 0)
            redis_topology_connect_seeds(client);
        end_refresh(client, false);
    }
}

/* True: the map is to be taken as it is. */
static bool judge(struct redis_client *client, struct redis_slots *slots)
{
    struct redis_refresh *refresh = &client->refresh;
    if (slots->covered == REDIS_SLOTS || (client->has_map && slots->covered >= client->covered))
        return true;
    if (refresh->best == NULL || refresh->best->covered < slots->covered) {
        redis_slots_destroy(refresh->best);
        refresh->best = slots;
    } else {
        redis_slots_destroy(slots);
    }
    return false;
}

/* "ERR This instance has cluster support disabled" */
static bool is_no_cluster(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR &&
           str_contains(str_of(reply->str, reply->len), STR("cluster support disabled"));
}

static void on_no_cluster(struct redis_client *client, const struct redis_address *address)
{
    char name[REDIS_ADDRESS_TEXT_MAX];
    if (client->options.url->is_cluster)
        error_set(&client->refresh.failure, STATUS_UNAVAILABLE, "redis_no_cluster",
                  "redis %s is not part of a cluster: write redis:// for redis-cluster://",
                  redis_address_text(address, name));
    else if (!client->has_map || client->node_count == 1)
        redis_topology_found_single(client);
}

static void on_slots(struct redis_command *command, enum redis_outcome outcome,
                     const redisReply *reply)
{
    struct redis_line *line = command->line;
    struct redis_client *client = line->client;
    struct redis_refresh *refresh = &client->refresh;
    struct redis_slots *slots = NULL;
    line->is_asked = false;
    if (client->is_closing || !refresh->is_running || line->asked_in != refresh->number)
        return;
    refresh->outstanding--;
    if (outcome == REDIS_ANSWERED && is_no_cluster(reply))
        on_no_cluster(client, &line->address);
    else if (outcome == REDIS_ANSWERED &&
             status_is_ok(redis_slots_parse(reply, &line->address, &slots, &refresh->failure)) &&
             judge(client, slots)) {
        adopt(client, slots);
        redis_slots_destroy(slots);
        return;
    }
    if (refresh->is_running)
        ask_next(client);
}

static void begin_refresh(struct redis_client *client)
{
    struct redis_refresh *refresh = &client->refresh;
    for (uint32_t i = 0; i < client->node_end; i++)
        if (client->nodes[i])
            client->nodes[i]->was_asked = false;
    refresh->is_running = true;
    refresh->number++;
    refresh->outstanding = 0;
    refresh->asked = 0;
    refresh->started_ms = redis_now_ms(client);
    ask_next(client);
}

void redis_topology_tick(uv_timer_t *timer)
{
    struct redis_client *client = CONTAINER_OF(timer, struct redis_client, refresh_timer);
    loop_enter(client->options.loop);
    redis_lines_sweep(client);
    const struct redis_refresh *refresh = &client->refresh;
    int64_t now = redis_now_ms(client);
    if (client->is_cluster && refresh->is_running && now >= refresh->asked_ms + ANSWER_MS)
        ask_next(client);
    else if (client->is_cluster && !refresh->is_running && now >= refresh->next_ms)
        begin_refresh(client);
    redis_topology_schedule(client);
}

void redis_topology_want(struct redis_client *client)
{
    struct redis_refresh *refresh = &client->refresh;
    if (!client->is_cluster || client->is_closing || refresh->is_running)
        return;
    int64_t now = redis_now_ms(client);
    int64_t soonest = refresh->number > 0 ? refresh->started_ms + REFRESH_MIN_MS : now;
    if (soonest < now)
        soonest = now;
    if (refresh->next_ms > soonest) {
        refresh->next_ms = soonest;
        redis_topology_schedule(client);
    }
}

void redis_topology_found_cluster(struct redis_client *client)
{
    if (client->is_cluster)
        return;
    client->is_cluster = true;
    client->refresh.next_ms = redis_now_ms(client);
    redis_topology_schedule(client);
    redis_client_notify(client);
}

void redis_topology_end(struct redis_client *client)
{
    redis_slots_destroy(client->refresh.best);
    client->refresh.best = NULL;
}
