#include "online/redis/redis_link_private.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"

/* Of the buffer of commands, kept between bursts. */
#define OUT_KEEP_BYTES ((size_t)256 << 10)

static void append(struct redis_command_list *list, struct redis_command *command)
{
    command->next = NULL;
    if (list->first)
        list->last->next = command;
    else
        list->first = command;
    list->last = command;
}

void redis_link_hold(struct redis_link *link)
{
    link->holders++;
}

void redis_link_release(struct redis_link *link)
{
    if (--link->holders > 0)
        return;
    void (*closed)(void *user) = link->closed;
    void *user = link->closed_user;
    redis_replies_fini(&link->replies);
    buffer_fini(&link->out);
    arena_fini(&link->hello_arena);
    memory_free(link);
    if (closed)
        closed(user);
}

static size_t size_of(const struct redis_command *command)
{
    return command->first.len + command->bytes.len;
}

void redis_link_finish(struct redis_link *link, struct redis_command *command,
                       enum redis_outcome outcome, const redisReply *reply)
{
    if (command != &link->hello) {
        link->pending--;
        link->pending_bytes -= size_of(command);
    }
    command->done(command, outcome, reply);
}

/* In order. A `done` may close the link, which goes on here for the rest. */
static void end_all(struct redis_link *link)
{
    struct redis_command *command;
    while ((command = redis_command_take_first(&link->sent)) != NULL)
        redis_link_finish(link, command, command->end <= link->written ? REDIS_LOST : REDIS_REFUSED,
                          NULL);
    while ((command = redis_command_take_first(&link->waiting)) != NULL)
        redis_link_finish(link, command, REDIS_REFUSED, NULL);
}

static void changed(struct redis_link *link)
{
    if (!link->closing && link->options.changed)
        link->options.changed(link->options.user, link, link->state);
}

static void on_backoff_timer(uv_timer_t *timer)
{
    struct redis_link *link = CONTAINER_OF(timer, struct redis_link, timer);
    loop_enter(link->options.loop);
    link->state = REDIS_LINK_CONNECTING;
    changed(link);
    if (!link->closing)
        redis_link_connect(link);
}

static void leave_ready(struct redis_link *link)
{
    if (link->state != REDIS_LINK_READY)
        return;
    redis_count(&link->options.counters->links_ready, -1);
    if (redis_link_now_ms(link) - link->ready_ms >= REDIS_STEADY_MS)
        link->failures = 0;
}

/* What was a Redis a moment ago will be one again: the reasons that last are of connecting. */
static void describe(struct redis_link *link, const struct error *error)
{
    const char *type = link->state == REDIS_LINK_READY ? "store_away" : error->type;
    const char *path = link->options.url->socket_path;
    const struct redis_address *address = &link->options.address;
    if (path[0] != '\0')
        error_set(&link->failure, STATUS_UNAVAILABLE, type, "the online store at %s: %s", path,
                  error->detail);
    else
        error_set(&link->failure, STATUS_UNAVAILABLE, type, "the online store at %s port %u: %s",
                  address->host, address->port, error->detail);
}

void redis_link_lost(struct redis_link *link, const struct error *error)
{
    ASSERT(!link->closing);
    if (link->state == REDIS_LINK_CONNECTING)
        redis_count(&link->options.counters->connect_failures, 1);
    leave_ready(link);
    redis_link_drop_socket(link);
    describe(link, error);
    link->failures++;
    link->state = REDIS_LINK_BACKOFF;
    link->was_ready_or_failed = true;
    link->timer_is_set = false;
    uv_timer_start(&link->timer, on_backoff_timer, (uint64_t)redis_link_backoff_ms(link), 0);
    end_all(link);
    changed(link);
}

static void on_command_timer(uv_timer_t *timer);

static void set_command_timer(struct redis_link *link)
{
    const struct redis_command *oldest = link->sent.first;
    link->timer_is_set = oldest != NULL;
    if (oldest == NULL)
        return;
    int64_t left = oldest->sent_ms + link->options.timeout_ms - redis_link_now_ms(link);
    uv_timer_start(&link->timer, on_command_timer, left > 0 ? (uint64_t)left : 1, 0);
}

bool redis_link_put(struct redis_link *link, struct redis_command *command)
{
    size_t size = size_of(command);
    char *room = buffer_reserve(&link->out, size);
    if (room == NULL) {
        link->out.failed = false;
        return false;
    }
    if (command->first.len > 0)
        memcpy(room, command->first.data, command->first.len);
    memcpy(room + command->first.len, command->bytes.data, command->bytes.len);
    buffer_commit(&link->out, size);
    link->given += size;
    command->end = link->given;
    command->drops_reply = command->first.len > 0;
    command->sent_ms = redis_link_now_ms(link);
    append(&link->sent, command);
    link->unflushed++;
    redis_count(&link->options.counters->commands, 1);
    if (!link->flush_is_due) {
        link->flush_is_due = true;
        redis_link_hold(link);
        loop_before_poll(link->options.loop, &link->flush);
    }
    if (link->state == REDIS_LINK_READY && !link->timer_is_set)
        set_command_timer(link);
    return true;
}

void redis_link_fail(struct redis_link *link, const struct error *error)
{
    if (link->state == REDIS_LINK_CONNECTING)
        redis_link_connect_next(link, error);
    else
        redis_link_lost(link, error);
}

/* What the server said before it ended the connection: answers, or why. */
static void fail_write(struct redis_link *link, const struct error *error)
{
    const struct redis_socket *socket = link->socket;
    redis_link_receive(link);
    if (link->socket == socket)
        redis_link_fail(link, error);
}

static void flush(struct redis_link *link)
{
    struct redis_counters *counters = link->options.counters;
    struct error error;
    size_t written = 0;
    size_t left = link->out.len - link->out_written;
    if (link->socket == NULL || link->is_blocked || left == 0)
        return;
    enum redis_io io = redis_socket_write(link->socket, link->out.data + link->out_written, left,
                                          &written, &error);
    link->written += written;
    link->out_written += written;
    redis_count(&counters->batches, 1);
    redis_count(&counters->bytes_sent, (int64_t)written);
    if (io == REDIS_IO_FAILED) {
        fail_write(link, &error);
        return;
    }
    link->is_blocked = io != REDIS_IO_DONE;
    if (!link->is_blocked) {
        buffer_reset(&link->out, OUT_KEEP_BYTES);
        link->out_written = 0;
    } else if (link->out_written > link->out.len / 2) {
        buffer_consume(&link->out, link->out_written);
        link->out_written = 0;
    }
}

/* Those who were answered since the last flush may ask again at once. Their commands leave with the
 * others, so that a few connections do not cost both sides system calls for each; a turn of the
 * loop that brings none ends the waiting. */
static bool waits_for_more(struct redis_link *link)
{
    bool brought_some = link->unflushed > link->unflushed_before;
    link->unflushed_before = link->unflushed;
    return brought_some && link->unflushed < link->answered - link->answered_at_flush &&
           link->out.len < REDIS_FLUSH_BYTES && link->turns_waited++ < REDIS_FLUSH_TURNS;
}

static void run_flush(struct loop_task *task)
{
    struct redis_link *link = CONTAINER_OF(task, struct redis_link, flush);
    if (waits_for_more(link)) {
        loop_defer(link->options.loop, &link->flush);
        return;
    }
    link->flush_is_due = false;
    link->answered_at_flush = link->answered;
    link->unflushed = 0;
    link->unflushed_before = 0;
    link->turns_waited = 0;
    flush(link);
    redis_link_release(link);
}

static void on_writable(void *user)
{
    struct redis_link *link = user;
    link->is_blocked = false;
    flush(link);
}

static void on_readable(void *user)
{
    redis_link_receive(user);
}

static void on_opened(void *user)
{
    redis_link_hello(user);
}

static void on_failed(void *user, const struct error *error)
{
    redis_link_connect_next(user, error);
}

const struct redis_socket_callbacks REDIS_LINK_CALLBACKS = {
    .opened = on_opened, .readable = on_readable, .writable = on_writable, .failed = on_failed};

static bool is_overdue(const struct redis_link *link)
{
    const struct redis_command *oldest = link->sent.first;
    return oldest && redis_link_now_ms(link) - oldest->sent_ms >= link->options.timeout_ms;
}

/* The loop was held up before it could send them: their time begins now. */
static void excuse_unsent(struct redis_link *link)
{
    struct redis_command *command = link->is_blocked ? NULL : link->sent.first;
    for (; command; command = command->next) {
        if (command->end > link->written)
            command->sent_ms = redis_link_now_ms(link);
    }
}

/* When the loop itself was held up (the process was stopped), answers may be there already. */
static void on_command_timer(uv_timer_t *timer)
{
    struct redis_link *link = CONTAINER_OF(timer, struct redis_link, timer);
    const struct redis_socket *socket = link->socket;
    uint64_t answered = link->answered;
    struct error error;
    loop_enter(link->options.loop);
    link->timer_is_set = false;
    if (is_overdue(link))
        excuse_unsent(link);
    if (is_overdue(link)) {
        redis_link_receive(link);
        if (link->socket != socket)
            return;
        if (link->answered == answered) {
            error_set(&error, STATUS_UNAVAILABLE, "store_away",
                      "a command was not answered within %lld ms",
                      (long long)link->options.timeout_ms);
            redis_count(&link->options.counters->timeouts, 1);
            redis_link_lost(link, &error);
            return;
        }
    }
    set_command_timer(link);
}

void redis_link_set_ready(struct redis_link *link)
{
    struct redis_command *command;
    uv_timer_stop(&link->timer);
    link->state = REDIS_LINK_READY;
    link->was_ready_or_failed = true;
    link->ready_ms = redis_link_now_ms(link);
    redis_count(&link->options.counters->connects, 1);
    redis_count(&link->options.counters->links_ready, 1);
    const struct redis_socket *socket = link->socket;
    while (link->socket == socket && (command = redis_command_take_first(&link->waiting)) != NULL) {
        if (!redis_link_put(link, command))
            redis_link_finish(link, command, REDIS_REFUSED, NULL);
    }
    changed(link);
}

static void on_start(uv_timer_t *timer)
{
    struct redis_link *link = CONTAINER_OF(timer, struct redis_link, timer);
    loop_enter(link->options.loop);
    redis_link_connect(link);
}

struct redis_link *redis_link_create(const struct redis_link_options *options)
{
    struct redis_link *link = memory_alloc_zero(sizeof(*link));
    if (link == NULL)
        return NULL;
    link->options = *options;
    link->state = REDIS_LINK_CONNECTING;
    link->random = ((uint64_t)clock_monotonic_ns() ^ (uint64_t)(uintptr_t)link) | 1;
    link->flush.run = run_flush;
    buffer_init(&link->out, SIZE_MAX); /* max_pending_bytes is its limit */
    error_set(&link->failure, STATUS_UNAVAILABLE, "store_connecting",
              "the online store is being connected to");
    redis_link_hold(link); /* the timer */
    ASSERT(uv_timer_init(&options->loop->uv, &link->timer) == 0);
    uv_timer_start(&link->timer, on_start, 0, 0);
    redis_count(&options->counters->links, 1);
    return link;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct redis_link *link = CONTAINER_OF((uv_timer_t *)(void *)handle, struct redis_link, timer);
    loop_enter(link->options.loop);
    redis_link_release(link);
}

void redis_link_close(struct redis_link *link, void (*closed)(void *user), void *user)
{
    ASSERT(!link->closing);
    link->closing = true;
    link->closed = closed;
    link->closed_user = user;
    leave_ready(link);
    link->state = REDIS_LINK_BACKOFF;
    redis_count(&link->options.counters->links, -1);
    redis_link_connect_abandon(link);
    uv_close((uv_handle_t *)&link->timer, on_timer_closed);
    end_all(link);
}

static void refuse(struct redis_command *command)
{
    command->done(command, REDIS_REFUSED, NULL);
}

static bool takes(const struct redis_link *link, size_t size)
{
    if (link->state == REDIS_LINK_BACKOFF ||
        (link->state == REDIS_LINK_CONNECTING && link->was_ready_or_failed))
        return false;
    return link->pending < link->options.max_pending &&
           size <= link->options.max_pending_bytes - link->pending_bytes;
}

void redis_link_send_after(struct redis_link *link, str first, struct redis_command *command)
{
    command->first = first;
    if (!takes(link, size_of(command))) {
        refuse(command);
        return;
    }
    if (link->state == REDIS_LINK_CONNECTING) {
        append(&link->waiting, command);
    } else if (!redis_link_put(link, command)) {
        refuse(command);
        return;
    }
    link->pending++;
    link->pending_bytes += size_of(command);
}

void redis_link_send(struct redis_link *link, struct redis_command *command)
{
    redis_link_send_after(link, str_of(NULL, 0), command);
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
    return link->is_cluster;
}

uint32_t redis_link_pending(const struct redis_link *link)
{
    return link->pending;
}
