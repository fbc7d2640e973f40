#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "net/net_private.h"

static const struct net_protocol *protocol_of(const struct net_connection *c)
{
    return c->net_loop->server->options.protocol;
}

static int64_t now_ms(const struct net_connection *c)
{
    return (int64_t)uv_now(&c->net_loop->loop->uv);
}

static struct net_input *take_input(struct net_loop *net_loop)
{
    struct net_input *input = net_loop->spare_inputs;
    if (input) {
        net_loop->spare_inputs = input->next;
        net_loop->spare_input_count--;
    } else {
        input = memory_alloc(sizeof(*input));
        if (input == NULL)
            return NULL;
    }
    input->references = 1;
    return input;
}

void net_input_release(struct net_loop *net_loop, struct net_input *input)
{
    ASSERT(input->references > 0);
    if (--input->references > 0)
        return;
    if (net_loop->spare_input_count == NET_SPARE_INPUTS_MAX) {
        memory_free(input);
        return;
    }
    input->next = net_loop->spare_inputs;
    net_loop->spare_inputs = input;
    net_loop->spare_input_count++;
}

struct net_input *net_input_keep(struct net_connection *c)
{
    ASSERT(c->delivering && c->input);
    c->input->references++;
    return c->input;
}

static void release_input(struct net_connection *c)
{
    if (c->input)
        net_input_release(c->net_loop, c->input);
    c->input = NULL;
}

struct buffer *net_connection_out(struct net_connection *c)
{
    struct net_loop *net_loop = c->net_loop;
    if (c->out.capacity == 0 && net_loop->spare_out_count > 0)
        c->out = net_loop->spare_outs[--net_loop->spare_out_count];
    return &c->out;
}

static void give_back_out(struct net_loop *net_loop, struct buffer *out)
{
    buffer_reset(out, NET_SPARE_OUT_BYTES);
    if (out->capacity == 0)
        return;
    if (net_loop->spare_out_count == NET_SPARE_OUTS_MAX)
        buffer_fini(out);
    else
        net_loop->spare_outs[net_loop->spare_out_count++] = *out;
    buffer_init(out, NET_OUT_LIMIT_BYTES);
}

void net_loop_free_spares(struct net_loop *net_loop)
{
    struct net_input *input = net_loop->spare_inputs;
    while (input) {
        struct net_input *next = input->next;
        memory_free(input);
        input = next;
    }
    struct net_connection *c = net_loop->spare_connections;
    while (c) {
        struct net_connection *next = c->next;
        memory_free(c);
        c = next;
    }
    while (net_loop->spare_out_count > 0)
        buffer_fini(&net_loop->spare_outs[--net_loop->spare_out_count]);
    memory_free(net_loop->reading);
    net_loop->reading = NULL;
    net_loop->spare_inputs = NULL;
    net_loop->spare_input_count = 0;
    net_loop->spare_connections = NULL;
    net_loop->spare_connection_count = 0;
}

static struct net_connection *take_connection(struct net_loop *net_loop)
{
    size_t bytes = net_loop->server->options.protocol->connection_bytes;
    struct net_connection *c = net_loop->spare_connections;
    if (c) {
        net_loop->spare_connections = c->next;
        net_loop->spare_connection_count--;
        memset(c, 0, bytes);
        return c;
    }
    return memory_alloc_zero(bytes);
}

static void give_back_connection(struct net_connection *c)
{
    struct net_loop *net_loop = c->net_loop;
    if (net_loop->spare_connection_count == NET_SPARE_CONNECTIONS_MAX) {
        memory_free(c);
        return;
    }
    c->next = net_loop->spare_connections;
    net_loop->spare_connections = c;
    net_loop->spare_connection_count++;
}

/* A closed connection lives until its queued tasks have run. */
static void give_back_if_unused(struct net_connection *c)
{
    if (c->closed && !c->resume_queued && !c->flush_queued)
        give_back_connection(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct net_connection *c = CONTAINER_OF((uv_tcp_t *)handle, struct net_connection, tcp);
    struct net_loop *net_loop = c->net_loop;
    give_back_out(net_loop, &c->out);
    give_back_out(net_loop, &c->sending);
    c->closed = true;
    give_back_if_unused(c);
    net_connection_forget(net_loop);
}

void net_connection_close(struct net_connection *c)
{
    if (c->closing)
        return;
    c->closing = true;
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    deadline_remove(&c->net_loop->deadlines, &c->deadline);
    protocol_of(c)->close(c);
    if (!c->delivering)
        release_input(c);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct net_loop *net_loop)
{
    int64_t next_ms = deadlines_next_ms(&net_loop->deadlines);
    if (next_ms == net_loop->timer_at_ms)
        return;
    net_loop->timer_at_ms = next_ms;
    int64_t left_ms = next_ms - (int64_t)uv_now(&net_loop->loop->uv);
    if (next_ms == DEADLINE_NEVER)
        uv_timer_stop(&net_loop->timer);
    else
        uv_timer_start(&net_loop->timer, on_timer, left_ms > 0 ? (uint64_t)left_ms : 0, 0);
}

static void set_deadline(struct net_connection *c)
{
    int64_t at_ms = c->protocol_deadline_ms < c->write_deadline_ms ? c->protocol_deadline_ms
                                                                   : c->write_deadline_ms;
    if (deadline_set(&c->net_loop->deadlines, &c->deadline, at_ms))
        set_timer(c->net_loop);
}

void net_connection_set_deadline(struct net_connection *c, int64_t at_ms)
{
    if (c->finishing || c->closing)
        return;
    c->protocol_deadline_ms = at_ms;
    set_deadline(c);
}

void net_connection_count_timeout(struct net_connection *c)
{
    net_count(&c->net_loop->counters.timed_out, 1);
}

/* What the kernel has not taken of the write under way; shrinks while the peer reads. */
static size_t unwritten(const struct net_connection *c)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

static void on_deadline(struct deadline *deadline, void *context)
{
    struct net_connection *c = CONTAINER_OF(deadline, struct net_connection, deadline);
    struct net_loop *net_loop = context;
    int64_t now = now_ms(c);
    if (c->write_deadline_ms <= now) {
        if (unwritten(c) >= c->unwritten_before) {
            net_connection_count_timeout(c);
            net_connection_close(c);
            return;
        }
        c->unwritten_before = unwritten(c);
        c->write_deadline_ms = now + net_loop->server->options.write_timeout_ms;
    }
    if (c->protocol_deadline_ms <= now) {
        c->protocol_deadline_ms = DEADLINE_NEVER;
        if (c->finishing)
            net_connection_close(c);
        else
            protocol_of(c)->expire(c);
    }
    if (!c->closing)
        (void)deadline_set(&net_loop->deadlines, &c->deadline,
                           c->protocol_deadline_ms < c->write_deadline_ms ? c->protocol_deadline_ms
                                                                          : c->write_deadline_ms);
}

static void on_timer(uv_timer_t *timer)
{
    struct net_loop *net_loop = CONTAINER_OF(timer, struct net_loop, timer);
    loop_enter(net_loop->loop);
    net_loop->timer_at_ms = DEADLINE_NEVER;
    deadlines_expire(&net_loop->deadlines, (int64_t)uv_now(timer->loop), on_deadline, net_loop);
    set_timer(net_loop);
}

size_t net_connection_unsent(const struct net_connection *c)
{
    return c->out.len + c->sending.len;
}

static void start_reading(struct net_connection *c);

static void on_shut(uv_shutdown_t *request, int result)
{
    (void)request;
    (void)result; /* fails only if the peer is away; the read then says so too */
}

/* Everything has left a connection that is to end. */
static void end_finished(struct net_connection *c)
{
    if (!c->linger || c->ended) {
        net_connection_close(c);
        return;
    }
    if (c->shut)
        return;
    c->shut = true;
    (void)uv_shutdown(&c->shutdown_request, (uv_stream_t *)&c->tcp, on_shut);
    c->protocol_deadline_ms = now_ms(c) + NET_LINGER_MS;
    set_deadline(c);
    start_reading(c);
}

static void on_written(uv_write_t *request, int result)
{
    struct net_connection *c = CONTAINER_OF(request, struct net_connection, write_request);
    if (c->closing)
        return;
    loop_enter(c->net_loop->loop);
    give_back_out(c->net_loop, &c->sending);
    c->write_deadline_ms = DEADLINE_NEVER;
    if (result < 0) {
        net_connection_close(c);
        return;
    }
    net_connection_flush(c);
    if (!c->closing && !c->finishing)
        protocol_of(c)->sent(c);
}

static void write_rest(struct net_connection *c, size_t written)
{
    c->sending = c->out;
    buffer_init(&c->out, NET_OUT_LIMIT_BYTES);
    uv_buf_t rest = uv_buf_init(c->sending.data + written, (unsigned)(c->sending.len - written));
    int result = uv_write(&c->write_request, (uv_stream_t *)&c->tcp, &rest, 1, on_written);
    if (result < 0) {
        net_connection_close(c);
        return;
    }
    net_count(&c->net_loop->counters.bytes_sent, rest.len);
    c->unwritten_before = unwritten(c);
    c->write_deadline_ms = now_ms(c) + c->net_loop->server->options.write_timeout_ms;
    set_deadline(c);
}

void net_connection_flush(struct net_connection *c)
{
    if (c->closing || c->sending.len > 0)
        return;
    if (c->out.len > 0) {
        uv_buf_t all = uv_buf_init(c->out.data, (unsigned)c->out.len);
        int written = uv_try_write((uv_stream_t *)&c->tcp, &all, 1);
        if (written < 0 && written != UV_EAGAIN) {
            net_connection_close(c);
            return;
        }
        size_t sent = written > 0 ? (size_t)written : 0;
        net_count(&c->net_loop->counters.bytes_sent, sent);
        if (sent < c->out.len) {
            write_rest(c, sent);
            return;
        }
    }
    give_back_out(c->net_loop, &c->out);
    if (c->finishing)
        end_finished(c);
}

static void run_flush(struct loop_task *task)
{
    struct net_connection *c = CONTAINER_OF(task, struct net_connection, flush);
    c->flush_queued = false;
    if (c->closed)
        give_back_if_unused(c);
    else
        net_connection_flush(c);
}

void net_connection_flush_soon(struct net_connection *c)
{
    if (c->flush_queued || c->closing || (c->out.len == 0 && !c->finishing))
        return;
    c->flush_queued = true;
    loop_before_poll(c->net_loop->loop, &c->flush);
}

void net_connection_finish(struct net_connection *c, bool linger)
{
    if (c->closing || c->finishing)
        return;
    c->finishing = true;
    c->linger = linger;
    c->protocol_deadline_ms = DEADLINE_NEVER;
    if (!c->delivering)
        release_input(c);
    net_connection_flush(c);
}

static void give_read_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct net_connection *c = CONTAINER_OF((uv_tcp_t *)handle, struct net_connection, tcp);
    struct net_loop *net_loop = c->net_loop;
    (void)suggested;
    if (net_loop->reading == NULL)
        net_loop->reading = take_input(net_loop);
    *room = net_loop->reading ? uv_buf_init(net_loop->reading->data, NET_READ_BYTES)
                              : uv_buf_init(NULL, 0);
}

static void stop_reading(struct net_connection *c)
{
    if (c->reading)
        uv_read_stop((uv_stream_t *)&c->tcp);
    c->reading = false;
}

static void queue_resume(struct net_connection *c)
{
    if (c->resume_queued)
        return;
    c->resume_queued = true;
    loop_defer(c->net_loop->loop, &c->resume);
}

static void tell_end(struct net_connection *c)
{
    if (c->end_told)
        return;
    c->end_told = true;
    protocol_of(c)->end(c);
    net_connection_flush(c);
}

static void deliver(struct net_connection *c)
{
    size_t len = c->input ? c->input_end - c->input_at : 0;
    c->delivering = true;
    size_t used = protocol_of(c)->receive(c, c->input ? c->input->data + c->input_at : "", len);
    c->delivering = false;
    ASSERT(used == len || (used < len && (c->paused || c->closing || c->finishing)) ||
           c->resume_queued);
    c->input_at += used;
    if (used == len || c->closing || c->finishing)
        release_input(c);
    net_connection_flush_soon(c);
    if (c->closing || c->finishing)
        return;
    if (c->input)
        stop_reading(c);
    else if (c->ended && !c->paused)
        tell_end(c);
    else
        start_reading(c);
}

static void discard(struct net_connection *c, size_t len)
{
    c->lingered_bytes += len;
    if (c->lingered_bytes > NET_LINGER_BYTES)
        net_connection_close(c);
}

static void on_end(struct net_connection *c)
{
    c->ended = true;
    stop_reading(c);
    if (c->finishing) {
        if (net_connection_unsent(c) == 0)
            net_connection_close(c);
    } else if (c->input == NULL && !c->paused) {
        tell_end(c);
    }
}

static void on_read(uv_stream_t *stream, ssize_t result, const uv_buf_t *room)
{
    struct net_connection *c = CONTAINER_OF((uv_tcp_t *)stream, struct net_connection, tcp);
    struct net_loop *net_loop = c->net_loop;
    (void)room;
    if (result == 0)
        return;
    loop_enter(net_loop->loop);
    if (result == UV_EOF) {
        on_end(c);
        return;
    }
    if (result < 0) {
        net_connection_close(c);
        return;
    }
    net_count(&net_loop->counters.bytes_received, (uint64_t)result);
    if (c->finishing) {
        discard(c, (size_t)result);
        return;
    }
    ASSERT(c->input == NULL);
    c->input = net_loop->reading;
    net_loop->reading = NULL;
    c->input_at = 0;
    c->input_end = (size_t)result;
    if (c->paused)
        stop_reading(c);
    else
        deliver(c);
}

static void start_reading(struct net_connection *c)
{
    if (c->reading || c->ended)
        return;
    if (uv_read_start((uv_stream_t *)&c->tcp, give_read_room, on_read) == 0)
        c->reading = true;
    else
        net_connection_close(c);
}

static void run_resume(struct loop_task *task)
{
    struct net_connection *c = CONTAINER_OF(task, struct net_connection, resume);
    c->resume_queued = false;
    if (c->closed) {
        give_back_if_unused(c);
        return;
    }
    if (!c->closing && !c->finishing && !c->paused)
        deliver(c);
}

void net_connection_pause(struct net_connection *c)
{
    c->paused = true;
}

void net_connection_resume(struct net_connection *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    queue_resume(c); /* also without input: the next event may need none */
}

void net_connection_open(struct net_loop *net_loop, int fd)
{
    net_loop_prepare(net_loop);
    struct net_connection *c = net_loop->draining ? NULL : take_connection(net_loop);
    if (c == NULL || uv_tcp_init(&net_loop->loop->uv, &c->tcp) != 0) {
        memory_free(c);
        close(fd);
        net_connection_forget(net_loop);
        return;
    }
    c->net_loop = net_loop;
    c->resume.run = run_resume;
    c->flush.run = run_flush;
    c->protocol_deadline_ms = DEADLINE_NEVER;
    c->write_deadline_ms = DEADLINE_NEVER;
    buffer_init(&c->out, NET_OUT_LIMIT_BYTES);
    buffer_init(&c->sending, NET_OUT_LIMIT_BYTES);
    c->next = net_loop->connections;
    c->link = &net_loop->connections;
    if (c->next)
        c->next->link = &c->next;
    net_loop->connections = c;
    protocol_of(c)->open(c);
    if (uv_tcp_open(&c->tcp, fd) != 0) {
        close(fd);
        net_connection_close(c);
        return;
    }
    start_reading(c);
}
