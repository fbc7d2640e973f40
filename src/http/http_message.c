#include "base/memory.h"
#include "http/http_private.h"

static struct http_message *new_message(struct http_loop *http_loop)
{
    struct http_message *message = memory_alloc(sizeof(*message));
    if (message == NULL)
        return NULL;
    memset(message, 0, offsetof(struct http_message, headers));
    request_parser_init(&message->parser, &http_loop->server->options.limits);
    arena_init(&message->exchange.arena, HTTP_ARENA_BYTES);
    message->exchange.context = http_loop->server->options.context;
    message->http_loop = http_loop;
    return message;
}

struct http_message *http_message_take(struct http_connection *connection)
{
    struct net_loop *net_loop = connection->net.net_loop;
    struct loop *loop = net_loop_of(net_loop);
    struct http_server *server = net_loop_context(net_loop);
    struct http_loop *http_loop = &server->loops[loop->index];
    struct http_message *message = http_loop->spare_messages;
    if (likely(message != NULL)) {
        http_loop->spare_messages = message->next;
        http_loop->spare_message_count--;
    } else {
        message = new_message(http_loop);
        if (message == NULL)
            return NULL;
    }
    message->connection = connection;
    message->net_loop = net_loop;
    message->exchange.loop = loop;
    message->route = ROUTER_NONE;
    return message;
}

void http_message_free(struct http_message *message)
{
    request_parser_fini(&message->parser);
    arena_fini(&message->exchange.arena);
    memory_free(message);
}

void http_message_recycle(struct http_message *message)
{
    struct http_loop *http_loop = message->http_loop;
    struct http_exchange *exchange = &message->exchange;
    if (message->kept) {
        net_input_release(message->net_loop, message->kept);
        message->kept = NULL;
    }
    if (unlikely(http_loop->spare_message_count == HTTP_SPARE_MESSAGES_MAX)) {
        http_message_free(message);
        return;
    }
    request_parser_reset(&message->parser);
    arena_reset(&exchange->arena);
    memset(&exchange->request, 0, sizeof(exchange->request));
    exchange->route = NULL;
    exchange->gone = false;
    exchange->on_body = NULL;
    exchange->on_body_gone = NULL;
    exchange->on_body_failed = NULL;
    exchange->user = NULL;
    exchange->again = false;
    message->dispatched = false;
    message->complete = false;
    message->answered = false;
    message->close = false;
    message->body_paused = false;
    message->body_failed = false;
    message->degraded = false;
    message->streaming = false;
    message->waits_for_room = false;
    message->waits_for_more = false;
    message->answer_header_count = 0;
    message->next = http_loop->spare_messages;
    http_loop->spare_messages = message;
    http_loop->spare_message_count++;
}

static bool is_usable_id(str id)
{
    if (id.len == 0 || id.len > HTTP_REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        if (id.data[i] <= 0x20 || id.data[i] >= 0x7F)
            return false;
    }
    return true;
}

void http_message_assign_id(struct http_message *message)
{
    static const char HEX[] = "0123456789abcdef";
    struct http_loop *http_loop = message->http_loop;
    str theirs = message->parser.request_id;
    if (is_usable_id(theirs)) {
        message->exchange.request.request_id = theirs;
        return;
    }
    uint64_t number = http_loop->id_counter++;
    memcpy(message->id, http_loop->id, sizeof(message->id));
    for (size_t i = HTTP_ID_BYTES; number; number >>= 4)
        message->id[--i] = HEX[number & 15];
    message->exchange.request.request_id = str_of(message->id, sizeof(message->id));
}
