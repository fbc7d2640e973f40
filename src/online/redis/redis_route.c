/* A command's way: to the owner of its slot, after redirections, and waiting in between, until it
 * is answered or its time is up. Sent again only if it was surely not executed. */
#include "base/assert.h"
#include "online/redis/redis_client_private.h"

#define REDIRECTIONS_MAX 16u /* of one command: beyond, the nodes disagree */
#define SHORT_WAITS 4u       /* so many times 10 ms, then 100 ms each */
#define ASK_KEEPS_MS 60000   /* a node without slots that a slot moves to */
#define COMPLAINT_MS 2000    /* so long redis_client_check() is not content */
#define SUSPECT_MS 5000      /* a node that said it cannot serve is asked for the map last */

static const int64_t WAIT_MS[WAIT_KINDS] = {[WAIT_SHORT] = 10, [WAIT_LONG] = 100};

static void on_done(struct redis_command *command, enum redis_outcome outcome,
                    const redisReply *reply);

static void finish(struct redis_client *client, struct redis_command *command,
                   enum redis_outcome outcome, const redisReply *reply)
{
    struct redis_counters *counters = client->counters;
    client->pending--;
    client->pending_bytes -= command->bytes.len;
    redis_count(&counters->pending, -1);
    if (outcome == REDIS_REFUSED)
        redis_count(&counters->refused, 1);
    else if (outcome == REDIS_LOST)
        redis_count(&counters->lost, 1);
    else if (reply->type == REDIS_REPLY_ERROR)
        redis_count(&counters->errors, 1);
    command->done = command->finish;
    command->done(command, outcome, reply);
}

/* What waits may not keep out the commands of nodes that are well. */
static bool may_wait(const struct redis_client *client)
{
    return client->waiting_count < client->options.max_pending / 4 + 1;
}

static void schedule_retry(struct redis_client *client)
{
    int64_t due = INT64_MAX, now = redis_now_ms(client);
    for (int kind = 0; kind < WAIT_KINDS; kind++) {
        const struct redis_command *first = client->waiting[kind].first;
        if (first && first->due_ms < due)
            due = first->due_ms;
    }
    if (client->is_kicked || due < now)
        due = now;
    if (client->is_closing || client->waiting_count == 0)
        uv_timer_stop(&client->retry_timer);
    else
        uv_timer_start(&client->retry_timer, redis_route_retry, (uint64_t)(due - now), 0);
}

/* Nothing has been executed: once more in a moment. */
static void wait_or_refuse(struct redis_client *client, struct redis_command *command)
{
    int kind = command->attempts < SHORT_WAITS ? WAIT_SHORT : WAIT_LONG;
    struct redis_waiting *waiting = &client->waiting[kind];
    int64_t now = redis_now_ms(client);
    if (client->is_closing || !client->is_cluster || !may_wait(client) ||
        now + WAIT_MS[kind] >= command->deadline_ms) {
        finish(client, command, REDIS_REFUSED, NULL);
        return;
    }
    if (command->attempts < UINT16_MAX)
        command->attempts++;
    command->due_ms = now + WAIT_MS[kind];
    command->waiting_next = NULL;
    *waiting->last = command;
    waiting->last = &command->waiting_next;
    client->waiting_count++;
    if (waiting->first == command && !client->is_kicked)
        schedule_retry(client);
}

static void send_on(struct redis_line *line, struct redis_command *command, bool is_asking)
{
    command->line = line;
    command->done = on_done;
    line->in_flight++;
    if (is_asking)
        redis_link_send_after(line->link, STR("*1\r\n$6\r\nASKING\r\n"), command);
    else
        redis_link_send(line->link, command);
}

/* Each has its turn; NULL: none is ready. */
static struct redis_line *replica_line(struct redis_node *master)
{
    struct redis_node *first = master->replica_turn ? master->replica_turn : master->replicas;
    struct redis_node *node = first;
    while (node) {
        struct redis_node *next = node->replica_next ? node->replica_next : master->replicas;
        if (redis_line_is_ready(node->lines[LINE_REPLICA])) {
            master->replica_turn = next;
            return node->lines[LINE_REPLICA];
        }
        node = next == first ? NULL : next;
    }
    return NULL;
}

static struct redis_node *any_master(const struct redis_client *client, int kind)
{
    struct redis_node *node = NULL;
    for (uint32_t i = 0; i < client->master_count; i++) {
        node = client->nodes[client->masters[i]];
        if (redis_line_is_ready(node->lines[kind]))
            break;
    }
    return node;
}

static struct redis_line *line_of(struct redis_client *client, const struct redis_command *command)
{
    enum redis_line_kind kind = command->lane == REDIS_LANE_READ ? LINE_READ : LINE_WRITE;
    struct redis_node *node = client->seed;
    if (client->is_cluster && command->slot >= REDIS_SLOTS) {
        node = any_master(client, (int)kind);
    } else if (client->is_cluster) {
        uint16_t owner = client->owner[command->slot];
        node = owner == REDIS_NO_NODE ? NULL : client->nodes[owner];
    }
    if (node == NULL)
        return NULL;
    struct redis_line *line = NULL;
    if (kind == LINE_READ && !command->to_master)
        line = replica_line(node);
    return line ? line : node->lines[kind];
}

static void route(struct redis_client *client, struct redis_command *command)
{
    struct redis_line *line = client->is_closing ? NULL : line_of(client, command);
    if (line) {
        send_on(line, command, false);
        return;
    }
    redis_topology_want(client);
    wait_or_refuse(client, command);
}

/* A MOVED or ASK is followed to its node. */
static void redirect(struct redis_client *client, struct redis_command *command,
                     const struct redis_redirect *to)
{
    unsigned lane = command->lane == REDIS_LANE_READ ? LINE_READ : LINE_WRITE;
    redis_topology_found_cluster(client);
    struct redis_node *node = redis_node_take(client, &to->address);
    if (node)
        redis_node_connect(client, node, 1u << lane);
    if (to->verdict == REDIS_MOVED) {
        redis_count(&client->counters->moved, 1);
        if (node)
            redis_topology_moved(client, to->slot, node);
    } else {
        redis_count(&client->counters->asked, 1);
        if (node)
            node->needed_ms = redis_now_ms(client) + ASK_KEEPS_MS;
    }
    if (++command->redirections > REDIRECTIONS_MAX)
        finish(client, command, REDIS_REFUSED, NULL);
    else if (node && node->lines[lane])
        send_on(node->lines[lane], command, to->verdict == REDIS_ASK);
    else
        wait_or_refuse(client, command);
}

/* The node cannot serve, perhaps another one can by now. */
static void note_complaint(struct redis_line *line, const redisReply *reply)
{
    struct redis_client *client = line->client;
    struct redis_complaint *complaint = &client->complaint;
    int64_t now = redis_now_ms(client);
    if (line->node)
        line->node->suspect_ms = now + SUSPECT_MS;
    if (complaint->until_ms <= now)
        redis_client_notify(client);
    complaint->until_ms = now + COMPLAINT_MS;
    complaint->address = line->address;
    redis_reply_words(reply, complaint->words);
    redis_topology_want(client);
}

static void on_error(struct redis_line *line, struct redis_command *command,
                     const redisReply *reply)
{
    struct redis_client *client = line->client;
    struct redis_redirect to;
    redis_redirect_read(reply, &line->address, &to);
    bool is_later = to.verdict == REDIS_LATER || to.verdict == REDIS_LATER_AFTER_REFRESH;
    if (to.verdict == REDIS_FINAL || client->is_closing || (is_later && !client->is_cluster)) {
        finish(client, command, REDIS_ANSWERED, reply);
        return;
    }
    if (line->kind == LINE_REPLICA) {
        command->to_master = true;
        redis_topology_want(client);
        route(client, command);
        return;
    }
    if (!is_later) {
        redirect(client, command, &to);
        return;
    }
    redis_count(&client->counters->retried, 1);
    if (to.verdict == REDIS_LATER_AFTER_REFRESH)
        note_complaint(line, reply);
    wait_or_refuse(client, command);
}

/* The node is away, or too much waits for it: then another try would only add to it. */
static void on_refused(struct redis_line *line, struct redis_command *command)
{
    struct redis_client *client = line->client;
    if (line->kind == LINE_REPLICA && !client->is_closing) {
        command->to_master = true;
        route(client, command);
    } else if (!client->is_cluster || redis_line_is_ready(line)) {
        finish(client, command, REDIS_REFUSED, NULL);
    } else {
        redis_topology_want(client);
        wait_or_refuse(client, command);
    }
}

static void on_done(struct redis_command *command, enum redis_outcome outcome,
                    const redisReply *reply)
{
    struct redis_line *line = command->line;
    struct redis_client *client = line->client;
    ASSERT(line->in_flight > 0);
    line->in_flight--;
    if (outcome == REDIS_LOST)
        redis_topology_want(client);
    if (command->pinned)
        finish(client, command, outcome, reply);
    else if (outcome == REDIS_ANSWERED && reply->type == REDIS_REPLY_ERROR)
        on_error(line, command, reply);
    else if (outcome == REDIS_REFUSED)
        on_refused(line, command);
    else
        finish(client, command, outcome, reply);
}

/* False: refused, there is too much already. */
static bool begin(struct redis_client *client, struct redis_command *command)
{
    const struct redis_client_options *options = &client->options;
    if (client->is_closing || client->pending >= options->max_pending ||
        command->bytes.len > options->max_pending_bytes - client->pending_bytes) {
        redis_count(&client->counters->refused, 1);
        command->done(command, REDIS_REFUSED, NULL);
        return false;
    }
    client->pending++;
    client->pending_bytes += command->bytes.len;
    redis_count(&client->counters->pending, 1);
    command->finish = command->done;
    command->deadline_ms = redis_now_ms(client) + options->timeout_ms;
    command->redirections = 0;
    command->attempts = 0;
    command->pinned = false;
    command->to_master = false;
    return true;
}

void redis_client_submit(struct redis_client *client, struct redis_command *command)
{
    if (begin(client, command))
        route(client, command);
}

void redis_client_submit_to(struct redis_client *client, uint32_t master,
                            struct redis_command *command)
{
    if (!begin(client, command))
        return;
    command->pinned = true;
    struct redis_line *line = NULL;
    if (master < client->master_count)
        line = client->nodes[client->masters[master]]
                   ->lines[command->lane == REDIS_LANE_READ ? LINE_READ : LINE_WRITE];
    if (line)
        send_on(line, command, false);
    else
        finish(client, command, REDIS_REFUSED, NULL);
}

/* Takes the commands that are due out of the list, in one chain. */
static struct redis_command *take_due(struct redis_client *client, struct redis_waiting *waiting,
                                      bool all)
{
    struct redis_command *chain = waiting->first, **end = &chain;
    while (*end && (all || (*end)->due_ms <= redis_now_ms(client))) {
        client->waiting_count--;
        end = &(*end)->waiting_next;
    }
    waiting->first = *end;
    if (*end == NULL)
        waiting->last = &waiting->first;
    *end = NULL;
    return chain;
}

static void retry(struct redis_client *client, bool all)
{
    struct redis_command *chains[WAIT_KINDS];
    for (int kind = 0; kind < WAIT_KINDS; kind++)
        chains[kind] = take_due(client, &client->waiting[kind], all);
    for (int kind = 0; kind < WAIT_KINDS; kind++) {
        struct redis_command *next;
        for (struct redis_command *command = chains[kind]; command; command = next) {
            next = command->waiting_next;
            route(client, command);
        }
    }
}

void redis_route_retry(uv_timer_t *timer)
{
    struct redis_client *client = CONTAINER_OF(timer, struct redis_client, retry_timer);
    loop_enter(client->options.loop);
    bool all = client->is_kicked;
    client->is_kicked = false;
    retry(client, all);
    schedule_retry(client);
}

void redis_route_kick(struct redis_client *client)
{
    if (client->waiting_count == 0 || client->is_kicked)
        return;
    client->is_kicked = true;
    schedule_retry(client);
}

void redis_route_end(struct redis_client *client)
{
    retry(client, true);
    schedule_retry(client);
}
