#include "online/redis/redis_scripts.h"

#include "base/compiler.h"

#define CALL_BYTES_MAX ((size_t)256 << 20) /* far above what one request may hold */
#define CALL_KEEP_BYTES ((size_t)64 << 10)
#define FIXED_ARGUMENTS 4 /* command, script, number of keys, key */

void redis_append_bulk(struct buffer *out, str argument)
{
    buffer_append_char(out, '$');
    buffer_append_uint64(out, argument.len);
    buffer_append(out, "\r\n", 2);
    buffer_append_str(out, argument);
    buffer_append(out, "\r\n", 2);
}

void redis_call_init(struct redis_call *call, struct redis_client *client, _Atomic uint64_t *loads)
{
    *call = (struct redis_call){.client = client, .loads = loads};
    buffer_init(&call->bytes, CALL_BYTES_MAX);
}

void redis_call_fini(struct redis_call *call)
{
    buffer_fini(&call->bytes);
}

static void append_head(struct buffer *out, uint32_t argument_count, const char *command,
                        str script)
{
    buffer_append_char(out, '*');
    buffer_append_uint64(out, argument_count + FIXED_ARGUMENTS);
    buffer_append(out, "\r\n", 2);
    redis_append_bulk(out, str_from_cstr(command));
    redis_append_bulk(out, script);
}

void redis_call_begin(struct redis_call *call, const struct redis_script *script, str key,
                      uint32_t argument_count)
{
    buffer_reset(&call->bytes, CALL_KEEP_BYTES);
    call->script = script;
    call->in_full = false;
    call->command = (struct redis_command){.slot = redis_slot(key), .lane = REDIS_LANE_WRITE};
    append_head(&call->bytes, argument_count, "EVALSHA", script->sha);
    redis_append_bulk(&call->bytes, STR("1"));
    redis_append_bulk(&call->bytes, key);
}

void redis_call_add(struct redis_call *call, str argument)
{
    redis_append_bulk(&call->bytes, argument);
}

/* The same arguments behind another head. */
static bool put_text_for_sha(struct redis_call *call)
{
    str old = buffer_str(&call->bytes);
    str count_text = {NULL, 0};
    const char *end = memchr(old.data, '\r', old.len);
    uint64_t count = 0;
    struct buffer bytes;
    if (end == NULL)
        return false;
    count_text = str_of(old.data + 1, (size_t)(end - old.data) - 1);
    if (!str_to_uint64(count_text, &count))
        return false;
    size_t head_len = (size_t)(end - old.data) + 2 + STR("$7\r\nEVALSHA\r\n$40\r\n\r\n").len +
                      call->script->sha.len;
    buffer_init(&bytes, CALL_BYTES_MAX);
    append_head(&bytes, (uint32_t)count - FIXED_ARGUMENTS, "EVAL", call->script->text);
    buffer_append(&bytes, old.data + head_len, old.len - head_len);
    if (!status_is_ok(buffer_status(&bytes))) {
        buffer_fini(&bytes);
        return false;
    }
    buffer_fini(&call->bytes);
    call->bytes = bytes;
    return true;
}

static void send_call(struct redis_call *call);

static void call_done(struct redis_command *command, enum redis_outcome outcome,
                      const redisReply *reply)
{
    struct redis_call *call = CONTAINER_OF(command, struct redis_call, command);
    bool is_unknown = outcome == REDIS_ANSWERED && redis_reply_is(reply, "NOSCRIPT");
    if (likely(!is_unknown || call->in_full) || !put_text_for_sha(call)) {
        call->done(call, outcome, reply);
        return;
    }
    call->in_full = true;
    if (call->loads != NULL)
        atomic_fetch_add_explicit(call->loads, 1, memory_order_relaxed);
    send_call(call);
}

static void send_call(struct redis_call *call)
{
    call->command = (struct redis_command){
        .bytes = buffer_str(&call->bytes),
        .slot = call->command.slot,
        .lane = REDIS_LANE_WRITE,
        .shape = REDIS_SHAPE_CODE,
        .done = call_done,
    };
    redis_client_submit(call->client, &call->command);
}

status redis_call_submit(struct redis_call *call,
                         void (*done)(struct redis_call *call, enum redis_outcome outcome,
                                      const redisReply *reply),
                         void *user)
{
    TRY(buffer_status(&call->bytes));
    call->done = done;
    call->user = user;
    send_call(call);
    return OK;
}
