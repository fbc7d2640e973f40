#include "online/redis/redis_client.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/memory.h"
#include "online/redis/redis_client_private.h"

#define NAMED_MAX 3u /* so many nodes are named in one message */

static void run_notify(struct loop_task *task)
{
    struct redis_client *client = CONTAINER_OF(task, struct redis_client, notify);
    client->is_notifying = false;
    if (!client->is_closing)
        client->options.changed(client->options.user, client);
    redis_client_release(client);
}

/* Once per iteration of the loop, and not in the midst of a change. */
void redis_client_notify(struct redis_client *client)
{
    if (client->options.changed == NULL || client->is_notifying || client->is_closing)
        return;
    client->is_notifying = true;
    client->holds++;
    loop_before_poll(client->options.loop, &client->notify);
}

void redis_client_release(struct redis_client *client)
{
    ASSERT(client->holds > 0);
    if (--client->holds > 0 || !client->is_closing)
        return;
    ASSERT(client->pending == 0);
    void (*closed)(void *user) = client->closed;
    void *user = client->closed_user;
    memory_free(client);
    if (closed)
        closed(user);
}

static void init(struct redis_client *client, const struct redis_client_options *options)
{
    client->options = *options;
    client->counters = options->counters;
    client->node_url = *options->url;
    client->node_url.socket_path[0] = '\0';
    client->is_cluster = options->url->is_cluster;
    client->notify.run = run_notify;
    memset(client->owner, 0xFF, sizeof(client->owner));
    for (int kind = 0; kind < WAIT_KINDS; kind++)
        client->waiting[kind].last = &client->waiting[kind].first;
    client->refresh.next_ms = redis_now_ms(client);
}

/* A single server is its one node; of a cluster the first map tells the nodes. */
static bool connect_seeds(struct redis_client *client)
{
    const struct redis_url *url = client->options.url;
    client->seed = redis_node_take(client, &url->seeds[0]);
    if (client->seed == NULL)
        return false;
    client->seed->is_seed = true;
    if (client->is_cluster) {
        redis_topology_connect_seeds(client);
        return client->lines != NULL;
    }
    redis_node_connect(client, client->seed, LINES_MASTER);
    redis_masters_rebuild(client);
    return client->seed->lines[LINE_READ] && client->seed->lines[LINE_WRITE];
}

struct redis_client *redis_client_create(const struct redis_client_options *options)
{
    ASSERT(loop_is_current(options->loop));
    struct redis_client *client = memory_alloc_zero(sizeof(*client));
    if (client == NULL)
        return NULL;
    init(client, options);
    uv_timer_init(&options->loop->uv, &client->retry_timer);
    uv_timer_init(&options->loop->uv, &client->refresh_timer);
    client->holds = 2;
    if (connect_seeds(client)) {
        redis_topology_schedule(client);
        return client;
    }
    redis_client_close(client, NULL, NULL);
    return NULL;
}

static void on_retry_closed(uv_handle_t *handle)
{
    redis_client_release(CONTAINER_OF(handle, struct redis_client, retry_timer));
}

static void on_refresh_closed(uv_handle_t *handle)
{
    redis_client_release(CONTAINER_OF(handle, struct redis_client, refresh_timer));
}

void redis_client_close(struct redis_client *client, void (*closed)(void *user), void *user)
{
    ASSERT(!client->is_closing);
    client->is_closing = true;
    client->closed = closed;
    client->closed_user = user;
    redis_route_end(client);
    while (client->lines)
        redis_line_close(client->lines);
    while (client->retired)
        redis_line_close(client->retired);
    for (uint32_t i = 0; i < client->node_end; i++)
        if (client->nodes[i])
            redis_node_forget(client, client->nodes[i]);
    redis_topology_end(client);
    uv_close((uv_handle_t *)&client->retry_timer, on_retry_closed);
    uv_close((uv_handle_t *)&client->refresh_timer, on_refresh_closed);
}

bool redis_client_is_cluster(const struct redis_client *client)
{
    return client->is_cluster;
}

uint32_t redis_client_masters(const struct redis_client *client, uint64_t *revision)
{
    *revision = client->revision;
    return client->master_count;
}

/* Why a node does not serve; NULL: it does. The first kind of trouble becomes the type of `text`,
 * for those who tell what waiting mends from what it does not. */
static const char *trouble_of(const struct redis_node *node, struct error *text)
{
    for (int kind = LINE_READ; kind <= LINE_WRITE; kind++) {
        const struct redis_line *line = node->lines[kind];
        if (line == NULL)
            return "no memory for a connection";
        if (redis_line_is_ready(line))
            continue;
        const struct error *failure = redis_link_failure(line->link);
        if (failure && text->type[0] == '\0')
            snprintf(text->type, sizeof(text->type), "%s", failure->type);
        return failure && failure->detail[0] != '\0' ? failure->detail : "connecting";
    }
    return NULL;
}

static status unavailable(struct error *error, const char *type, const char *text)
{
    return error_set(error, STATUS_UNAVAILABLE, type[0] ? type : "redis_unavailable", "%s", text);
}

/* One more sentence; what does not fit is cut. */
static void PRINTF_LIKE(2, 3) append(struct error *text, const char *format, ...)
{
    size_t len = strlen(text->detail);
    if (len > 0 && len + 2 < sizeof(text->detail)) {
        memcpy(text->detail + len, "; ", 3);
        len += 2;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text->detail + len, sizeof(text->detail) - len, format, arguments);
    va_end(arguments);
}

/* Masters whose links are not ready: the first ones by name. */
static uint32_t check_masters(const struct redis_client *client, struct error *text)
{
    uint32_t away = 0;
    for (uint32_t i = 0; i < client->master_count; i++) {
        const struct redis_node *node = client->nodes[client->masters[i]];
        char name[REDIS_ADDRESS_TEXT_MAX];
        const char *trouble = trouble_of(node, text);
        if (trouble && ++away <= NAMED_MAX)
            append(text, "redis %s: %.200s", redis_address_text(&node->address, name), trouble);
    }
    if (away > NAMED_MAX)
        append(text, "and %u more", away - NAMED_MAX);
    return away;
}

/* No map yet: the last answer that was none, or the seeds that are away. */
static status no_map(const struct redis_client *client, struct error *error)
{
    char name[REDIS_ADDRESS_TEXT_MAX];
    if (client->refresh.failure.detail[0] != '\0')
        return unavailable(error, client->refresh.failure.type, client->refresh.failure.detail);
    const struct redis_line *line = client->seed->lines[LINE_WRITE];
    const struct error *failure = line ? redis_link_failure(line->link) : NULL;
    return error_set(error, STATUS_UNAVAILABLE,
                     failure && failure->type[0] ? failure->type : "redis_unavailable",
                     "redis %s: %.200s; the cluster's slots are not known yet",
                     redis_address_text(&client->seed->address, name),
                     failure && failure->detail[0] != '\0' ? failure->detail : "connecting");
}

/* A cluster whose nodes are all there may yet be down in its own view. */
static bool check_complaint(const struct redis_client *client, struct error *text)
{
    const struct redis_complaint *complaint = &client->complaint;
    char name[REDIS_ADDRESS_TEXT_MAX];
    if (!client->is_cluster || complaint->until_ms <= redis_now_ms(client))
        return false;
    append(text, "redis %s: %s", redis_address_text(&complaint->address, name), complaint->words);
    return true;
}

bool redis_client_serves(const struct redis_client *client)
{
    struct error text;
    error_clear(&text);
    for (uint32_t i = 0; i < client->master_count; i++) {
        if (trouble_of(client->nodes[client->masters[i]], &text) == NULL)
            return true;
    }
    return false;
}

status redis_client_check(const struct redis_client *client, struct error *error)
{
    struct error text;
    if (client->is_cluster && !client->has_map)
        return no_map(client, error);
    error_clear(&text);
    uint32_t away = check_masters(client, &text);
    uint32_t holes = client->is_cluster ? REDIS_SLOTS - client->covered : 0;
    if (holes > 0)
        append(&text, "the cluster has no master for %u slots", holes);
    bool is_content = away == 0 && holes == 0 && !check_complaint(client, &text);
    return is_content ? OK : unavailable(error, text.type, text.detail);
}
