#include "fake_link.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define RECONNECT_MS 10
#define BLOCKED_MS 2

/* What was taken over for one command. */
struct fake_sent {
    struct fake_sent *next;
    struct redis_command *command;
    redisReply *reply; /* NULL: not carried out yet */
    bool is_asking;
};

struct redis_link {
    struct redis_link_options options;
    struct redis_link *next;
    uv_timer_t timer;
    enum redis_link_state state;
    bool has_failed;
    bool is_closing;
    uint32_t pending;
    struct fake_sent *first;
    struct fake_sent **last;
    struct error failure;
    void (*closed)(void *user);
    void *closed_user;
};

static struct fake_nodes nodes;
static struct redis_link *links;
static unsigned open_links;

void fake_links_init(const struct fake_nodes *given)
{
    nodes = *given;
    ASSERT(links == NULL && open_links == 0);
}

unsigned fake_links_open(void)
{
    return open_links;
}

uint16_t fake_link_port(const struct redis_link *link)
{
    return link->options.address.port;
}

bool fake_link_is_read_only(const struct redis_link *link)
{
    return link->options.read_only;
}

unsigned fake_links_to(uint16_t port, bool read_only)
{
    unsigned count = 0;
    for (struct redis_link *link = links; link; link = link->next)
        count += fake_link_port(link) == port && link->options.read_only == read_only;
    return count;
}

static void on_timer(uv_timer_t *timer);

static void work_in(struct redis_link *link, uint64_t ms)
{
    if (!link->is_closing)
        uv_timer_start(&link->timer, on_timer, ms, 0);
}

static void set_state(struct redis_link *link, enum redis_link_state state)
{
    if (link->state == state)
        return;
    link->state = state;
    if (link->options.changed)
        link->options.changed(link->options.user, link, state);
}

static void end_all(struct redis_link *link, enum redis_outcome outcome)
{
    struct fake_sent *sent = link->first;
    link->first = NULL;
    link->last = &link->first;
    link->pending = 0;
    while (sent) {
        struct fake_sent *next = sent->next;
        struct redis_command *command = sent->command;
        freeReplyObject(sent->reply);
        free(sent);
        command->done(command, outcome, NULL);
        sent = next;
    }
}

static void fail(struct redis_link *link)
{
    enum redis_outcome outcome = link->state == REDIS_LINK_READY ? REDIS_LOST : REDIS_REFUSED;
    link->has_failed = true;
    error_set(&link->failure, STATUS_UNAVAILABLE, "store_away", "connection refused");
    work_in(link, RECONNECT_MS);
    set_state(link, REDIS_LINK_BACKOFF);
    end_all(link, outcome);
}

static redisReply *parse(const char *text)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    ASSERT(redisReaderFeed(reader, text, strlen(text)) == REDIS_OK);
    ASSERT(redisReaderGetReply(reader, &reply) == REDIS_OK && reply);
    redisReaderFree(reader);
    return reply;
}

/* Answers what was carried out in an earlier turn. */
static void deliver(struct redis_link *link)
{
    while (link->first && link->first->reply && link->state == REDIS_LINK_READY) {
        struct fake_sent *sent = link->first;
        link->first = sent->next;
        if (link->first == NULL)
            link->last = &link->first;
        link->pending--;
        sent->command->done(sent->command, REDIS_ANSWERED, sent->reply);
        freeReplyObject(sent->reply);
        free(sent);
    }
}

static void carry_out(struct redis_link *link)
{
    for (struct fake_sent *sent = link->first; sent; sent = sent->next) {
        const char *text = nodes.answer(nodes.user, link, sent->command, sent->is_asking);
        if (text == NULL)
            break;
        sent->reply = parse(text);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct redis_link *link = CONTAINER_OF(timer, struct redis_link, timer);
    loop_enter(link->options.loop);
    if (link->state == REDIS_LINK_READY) {
        deliver(link);
        if (link->state == REDIS_LINK_READY && !link->is_closing) {
            carry_out(link);
            if (link->first)
                work_in(link, link->first->reply ? 0 : BLOCKED_MS);
        }
    } else if (nodes.is_up(nodes.user, &link->options.address)) {
        work_in(link, 0);
        set_state(link, REDIS_LINK_READY);
    } else {
        set_state(link, REDIS_LINK_CONNECTING);
        fail(link);
    }
}

void fake_links_kill(uint16_t port)
{
    for (struct redis_link *link = links, *next; link; link = next) {
        next = link->next;
        if (fake_link_port(link) == port && link->state == REDIS_LINK_READY)
            fail(link);
    }
}

struct redis_link *redis_link_create(const struct redis_link_options *options)
{
    struct redis_link *link = calloc(1, sizeof(*link));
    ASSERT(link != NULL);
    link->options = *options;
    link->last = &link->first;
    link->next = links;
    links = link;
    open_links++;
    uv_timer_init(&options->loop->uv, &link->timer);
    work_in(link, 0);
    return link;
}

static void on_closed(uv_handle_t *handle)
{
    struct redis_link *link = CONTAINER_OF((uv_timer_t *)(void *)handle, struct redis_link, timer);
    void (*closed)(void *user) = link->closed;
    void *user = link->closed_user;
    free(link);
    open_links--;
    closed(user);
}

void redis_link_close(struct redis_link *link, void (*closed)(void *user), void *user)
{
    struct redis_link **at = &links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    enum redis_outcome outcome = link->state == REDIS_LINK_READY ? REDIS_LOST : REDIS_REFUSED;
    ASSERT(!link->is_closing);
    link->is_closing = true;
    link->closed = closed;
    link->closed_user = user;
    link->state = REDIS_LINK_BACKOFF;
    uv_close((uv_handle_t *)&link->timer, on_closed);
    end_all(link, outcome);
}

static void take_over(struct redis_link *link, struct redis_command *command, bool is_asking)
{
    if (link->state == REDIS_LINK_BACKOFF ||
        (link->state == REDIS_LINK_CONNECTING && link->has_failed) ||
        link->pending >= link->options.max_pending) {
        command->done(command, REDIS_REFUSED, NULL);
        return;
    }
    struct fake_sent *sent = calloc(1, sizeof(*sent));
    ASSERT(sent != NULL);
    sent->command = command;
    sent->is_asking = is_asking;
    *link->last = sent;
    link->last = &sent->next;
    link->pending++;
    if (link->state == REDIS_LINK_READY)
        work_in(link, 0);
}

void redis_link_send(struct redis_link *link, struct redis_command *command)
{
    take_over(link, command, false);
}

void redis_link_send_after(struct redis_link *link, str first, struct redis_command *command)
{
    ASSERT(str_eq(first, STR("*1\r\n$6\r\nASKING\r\n")));
    take_over(link, command, true);
}

enum redis_link_state redis_link_state(const struct redis_link *link)
{
    return link->state;
}

const struct error *redis_link_failure(const struct redis_link *link)
{
    return &link->failure;
}

bool redis_link_is_cluster(const struct redis_link *link)
{
    return nodes.is_cluster(nodes.user, &link->options.address);
}

uint32_t redis_link_pending(const struct redis_link *link)
{
    return link->pending;
}
