#include "base/assert.h"
#include "base/clock.h"
#include "http/http_private.h"

static struct http_connection *connection_of(struct net_connection *net)
{
    return CONTAINER_OF(net, struct http_connection, net);
}

static int64_t now_ms(const struct http_connection *c)
{
    return (int64_t)uv_now(&net_loop_of(c->net.net_loop)->uv);
}

static const struct http_limits *limits_of(const struct http_connection *c)
{
    const struct http_server *server = net_loop_context(c->net.net_loop);
    return &server->options.limits;
}

static void set_deadline(struct http_connection *c)
{
    const struct http_message *message = c->message;
    const struct http_limits *limits = limits_of(c);
    int64_t at_ms = DEADLINE_NEVER;
    if (message == NULL || !message->parser.started)
        at_ms = c->waits_for_room ? DEADLINE_NEVER : now_ms(c) + limits->idle_timeout_ms;
    else if (!message->complete && !message->body_paused && !message->body_failed)
        at_ms = c->since_ms + limits->read_timeout_ms;
    net_connection_set_deadline(&c->net, at_ms);
}

static void count_answer(struct http_message *message)
{
    struct http_loop *http_loop = message->http_loop;
    http_loop->clock_ns = clock_monotonic_ns();
    if (unlikely(message->route == ROUTER_NONE))
        return;
    struct http_metrics_route *metrics = &http_loop->metrics[message->route];
    _Atomic uint64_t *count = &metrics->responses[message->status / 100];
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    histogram_add(&metrics->duration, (uint64_t)(http_loop->clock_ns - message->started_ns));
}

/* The answer is in the output. False if the connection ends with it. */
static bool end_message(struct http_connection *c, bool more_input)
{
    struct http_message *message = c->message;
    bool close = message->close || net_is_draining(message->net_loop);
    bool linger = !message->complete || more_input;
    count_answer(message);
    c->message = NULL;
    c->since_ms = 0;
    http_message_recycle(message);
    if (likely(!close))
        return true;
    net_connection_finish(&c->net, linger);
    return false;
}

void http_message_answered(struct http_message *message)
{
    struct http_connection *c = message->connection;
    message->answered = true;
    if (likely(message->in_callback))
        return;
    if (c == NULL) {
        struct net_loop *net_loop = message->net_loop;
        count_answer(message);
        http_message_recycle(message);
        net_release(net_loop);
        return;
    }
    if (!end_message(c, false))
        return;
    if (unlikely(net_connection_unsent(&c->net) > HTTP_OUT_HIGH_BYTES)) {
        net_connection_flush(&c->net);
        if (net_connection_is_closing(&c->net))
            return;
        c->waits_for_room = net_connection_unsent(&c->net) > HTTP_OUT_HIGH_BYTES;
    }
    net_connection_flush_soon(&c->net);
    set_deadline(c);
    if (!c->waits_for_room) /* else when the client has read */
        net_connection_resume(&c->net);
}

/* The client is gone, or its request is broken: the handler still has the exchange. */
static void detach(struct http_connection *c)
{
    struct http_message *message = c->message;
    struct http_exchange *exchange = &message->exchange;
    c->message = NULL;
    message->connection = NULL;
    if (!message->dispatched) {
        http_message_recycle(message);
        return;
    }
    exchange->gone = true;
    net_hold(message->net_loop);
    if (message->streaming)
        http_stream_abandon(message);
    else if (!message->complete && !message->body_failed && exchange->on_body_gone)
        exchange->on_body_gone(exchange);
}

/* In the middle of a streamed body. False if its handler leaves the answer to the server. */
static bool fail_body(struct http_connection *c, const struct error *error)
{
    struct http_message *message = c->message;
    struct http_exchange *exchange = &message->exchange;
    if (message->streaming || exchange->on_body_failed == NULL)
        return false;
    message->body_failed = true;
    message->in_callback = true;
    exchange->on_body_failed(exchange, error);
    message->in_callback = false;
    if (message->answered) {
        (void)end_message(c, true);
        return true;
    }
    net_connection_pause(&c->net);
    set_deadline(c);
    return true;
}

/* The framing is lost, or a limit reached: one answer, and the connection ends. */
static void refuse(struct http_connection *c, enum status_code code, const char *detail)
{
    struct error error;
    bool routed = c->message && c->message->route != ROUTER_NONE;
    error_clear(&error);
    (void)error_set(&error, code, status_name(code), "%s", detail);
    if (c->message && c->message->dispatched && fail_body(c, &error))
        return;
    if (c->message && c->message->dispatched)
        detach(c);
    if (c->message == NULL)
        c->message = http_message_take(c);
    struct http_message *message = c->message;
    if (message == NULL) {
        net_connection_close(&c->net);
        return;
    }
    if (!routed) {
        _Atomic uint64_t *count = &message->http_loop->requests_malformed;
        atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
    }
    /* An earlier view of it may point into input that is gone; the parser's moves with the copy. */
    if (message->exchange.request.request_id.data != message->id)
        http_message_assign_id(message);
    message->complete = false; /* hence "Connection: close", and lingering */
    message->started_ns = message->http_loop->clock_ns;
    message->in_callback = true;
    http_respond_error(&message->exchange, &error);
    message->in_callback = false;
    (void)end_message(c, true);
}

static void view_head(struct http_message *message)
{
    struct http_request *request = &message->exchange.request;
    request_parser_view(&message->parser, message->headers, request);
    if (request->request_id.data != message->id) /* a view, or none yet */
        http_message_assign_id(message);
}

static bool expects_continue(const struct http_message *message)
{
    return message->parser.expect.len && !message->parser.http_1_0;
}

static bool expectation_is_known(const struct http_message *message)
{
    return !expects_continue(message) || str_eq_nocase(message->parser.expect, STR("100-continue"));
}

/* A handler or on_body was called. False if the connection is done with, or must wait. */
static bool after_callback(struct http_connection *c, bool more_input)
{
    struct http_message *message = c->message;
    if (likely(message->answered))
        return end_message(c, more_input);
    if (message->complete || message->body_paused) {
        net_connection_pause(&c->net);
        return false;
    }
    return true;
}

/* The headers are there and a body follows. */
static bool begin_body(struct http_connection *c, bool more_input)
{
    struct http_message *message = c->message;
    const struct http_limits *limits = limits_of(c);
    view_head(message);
    if (!expectation_is_known(message)) {
        refuse(c, STATUS_EXPECTATION_FAILED, "Only the expectation '100-continue' is known");
        return false;
    }
    http_find_route(message);
    const struct http_route *route = message->exchange.route;
    bool streams = route && route->streams_body;
    enum request_body_mode mode = streams ? REQUEST_BODY_STREAMED
                                  : route ? REQUEST_BODY_HELD
                                          : REQUEST_BODY_SKIPPED;
    if (!request_parser_begin_body(&message->parser, mode,
                                   streams ? limits->bulk_body_bytes : limits->body_bytes) ||
        (streams && !request_parser_retain(&message->parser))) {
        refuse(c, message->parser.failure, message->parser.failure_detail);
        return false;
    }
    bool must_invite = expects_continue(message) && !more_input;
    if (streams) {
        view_head(message);
        http_find_route(message);
        http_dispatch(message);
    } else if (must_invite && route == NULL) {
        http_dispatch(message); /* the final answer at once; nobody wants the body */
    }
    if (must_invite && !message->answered)
        buffer_append_str(net_connection_out(&c->net), STR("HTTP/1.1 100 Continue\r\n\r\n"));
    return !message->dispatched || after_callback(c, true);
}

static bool give_piece(struct http_connection *c, str piece, bool last)
{
    struct http_message *message = c->message;
    ASSERT(message->exchange.on_body);
    message->complete = last;
    c->since_ms = now_ms(c);
    message->in_callback = true;
    message->exchange.on_body(&message->exchange, piece, last);
    message->in_callback = false;
    return after_callback(c, true);
}

static bool serve(struct http_connection *c, bool more_input)
{
    struct http_message *message = c->message;
    message->complete = true;
    view_head(message);
    if (unlikely(!expectation_is_known(message))) {
        refuse(c, STATUS_EXPECTATION_FAILED, "Only the expectation '100-continue' is known");
        return false;
    }
    http_find_route(message);
    http_dispatch(message);
    if (!message->answered)
        message->kept = net_input_keep(&c->net);
    if (unlikely(!message->answered && message->exchange.on_body)) { /* streamed, and empty */
        message->body_paused = false;
        return give_piece(c, str_of(NULL, 0), true);
    }
    return after_callback(c, more_input);
}

static bool handle_event(struct http_connection *c, enum request_event event, bool more_input)
{
    struct http_message *message = c->message;
    switch (event) {
    case REQUEST_COMPLETE:
        if (unlikely(message->dispatched))
            return give_piece(c, str_of(NULL, 0), true);
        return serve(c, more_input);
    case REQUEST_HEAD:
        return begin_body(c, more_input);
    case REQUEST_PIECE:
        return give_piece(c, message->parser.piece, false);
    case REQUEST_FAILED:
        refuse(c, message->parser.failure, message->parser.failure_detail);
        return false;
    case REQUEST_MORE:
        break;
    }
    if (c->since_ms == 0)
        c->since_ms = now_ms(c);
    return false;
}

/* A client that pipelines but does not read its answers is stopped; one that pipelines without end
 * lets the others have a turn. False if the rest must wait. */
static bool may_go_on(struct http_connection *c, unsigned served, bool more_input)
{
    if (unlikely(net_connection_unsent(&c->net) > HTTP_OUT_HIGH_BYTES)) {
        net_connection_flush(&c->net);
        if (net_connection_is_closing(&c->net))
            return false;
        if (net_connection_unsent(&c->net) > HTTP_OUT_HIGH_BYTES) {
            c->waits_for_room = true;
            net_connection_pause(&c->net);
            return false;
        }
    }
    if (unlikely(served % HTTP_TURN_REQUESTS == 0 && more_input)) {
        net_connection_pause(&c->net);
        net_connection_resume(&c->net);
        return false;
    }
    return true;
}

static size_t on_receive(struct net_connection *net, const char *data, size_t len)
{
    struct http_connection *c = connection_of(net);
    size_t used = 0;
    unsigned served = 0;
    bool go_on = true;
    struct http_server *server = net_loop_context(net->net_loop);
    server->loops[net_loop_of(net->net_loop)->index].clock_ns = clock_monotonic_ns();
    while (go_on && (used < len || c->message)) {
        size_t some;
        if (c->message == NULL)
            c->message = http_message_take(c);
        if (c->message == NULL) {
            net_connection_close(net);
            return used;
        }
        enum request_event event =
            request_parser_next(&c->message->parser, data + used, len - used, &some);
        used += some;
        go_on = handle_event(c, event, used < len);
        if (go_on && c->message == NULL)
            go_on = may_go_on(c, ++served, used < len);
    }
    if (net_connection_is_closing(net))
        return used;
    set_deadline(c);
    return c->message && c->message->body_failed ? len : used; /* the rest is nothing any more */
}

static void on_open(struct net_connection *net)
{
    set_deadline(connection_of(net));
}

static void on_end(struct net_connection *net)
{
    struct http_connection *c = connection_of(net);
    if (c->message && c->message->dispatched)
        net_connection_close(net); /* in the middle of a streamed body */
    else
        net_connection_finish(net, false);
}

static void on_sent(struct net_connection *net)
{
    struct http_connection *c = connection_of(net);
    if (net_connection_unsent(net) > HTTP_OUT_HIGH_BYTES)
        return;
    if (c->message && c->message->waits_for_room)
        http_stream_continue(c->message);
    if (c->waits_for_room) {
        c->waits_for_room = false;
        set_deadline(c);
        net_connection_resume(net);
    }
}

static void on_expire(struct net_connection *net)
{
    struct http_connection *c = connection_of(net);
    if (c->message == NULL || !c->message->parser.started) {
        net_connection_close(net);
        return;
    }
    net_connection_count_timeout(net);
    refuse(c, STATUS_TIMEOUT, "The request did not arrive in time");
}

static void on_drain(struct net_connection *net)
{
    struct http_connection *c = connection_of(net);
    if (c->message == NULL || !c->message->parser.started)
        net_connection_finish(net, false);
}

static void on_close(struct net_connection *net)
{
    struct http_connection *c = connection_of(net);
    if (c->message)
        detach(c);
}

const struct net_protocol http_protocol = {
    .connection_bytes = sizeof(struct http_connection),
    .open = on_open,
    .receive = on_receive,
    .end = on_end,
    .sent = on_sent,
    .expire = on_expire,
    .drain = on_drain,
    .close = on_close,
};

void http_body_pause(struct http_exchange *exchange)
{
    struct http_message *message = http_message_of(exchange);
    message->body_paused = true;
    if (message->connection == NULL || message->in_callback || message->body_failed)
        return;
    net_connection_pause(&message->connection->net);
    set_deadline(message->connection);
}

void http_body_resume(struct http_exchange *exchange)
{
    struct http_message *message = http_message_of(exchange);
    if (!message->body_paused)
        return;
    message->body_paused = false;
    if (message->connection == NULL || message->in_callback || message->complete ||
        message->body_failed)
        return; /* a complete request, or one cut off, goes on when it is answered */
    message->connection->since_ms = now_ms(message->connection);
    set_deadline(message->connection);
    net_connection_resume(&message->connection->net);
}
