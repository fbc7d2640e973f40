/* The HTTP parser: whatever the bytes and wherever they are split, the same requests or the same
 * refusal come of them. Input: one byte for mode and limits, one for the number of split points,
 * the split points (two bytes each), then what the client sends. */
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "http/request_parser.h"

#define SPLITS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the bytes came to: a running hash of every request, and the refusal's status. */
struct outcome {
    uint64_t hash;
    uint64_t body_hash; /* of the streamed body under way, byte by byte */
    uint64_t requests;
    int refusal;
};

struct session {
    struct request_parser parser;
    struct http_header headers[HTTP_HEADERS_MAX];
    enum request_body_mode mode;
    uint64_t body_max;
    struct outcome outcome;
};

static void mix(uint64_t *hash, str text)
{
    *hash = (*hash ^ hash_str(text) ^ text.len) * UINT64_C(0x9E3779B97F4A7C15);
}

static void note_request(struct session *session)
{
    struct http_request request = {0};
    struct outcome *outcome = &session->outcome;
    request_parser_view(&session->parser, session->headers, &request);
    mix(&outcome->hash, request.path);
    mix(&outcome->hash, request.query);
    mix(&outcome->hash, request.body);
    for (uint32_t i = 0; i < request.header_count; i++) {
        mix(&outcome->hash, request.headers[i].name);
        mix(&outcome->hash, request.headers[i].value);
    }
    outcome->hash += outcome->body_hash + (uint64_t)request.method * 4 +
                     session->parser.keep_alive + (request.http_1_0 ? 2 : 0);
    outcome->body_hash = 0;
    outcome->requests++;
}

static bool on_event(struct session *session, enum request_event event)
{
    struct request_parser *parser = &session->parser;
    switch (event) {
    case REQUEST_MORE:
        return false;
    case REQUEST_HEAD:
        if (request_parser_begin_body(parser, session->mode, session->body_max))
            return true;
        break;
    case REQUEST_PIECE:
        for (size_t i = 0; i < parser->piece.len; i++)
            session->outcome.body_hash =
                session->outcome.body_hash * 31 + (unsigned char)parser->piece.data[i] + 1;
        return true;
    case REQUEST_COMPLETE:
        note_request(session);
        request_parser_reset(parser);
        return true;
    case REQUEST_FAILED:
        break;
    }
    session->outcome.refusal = status_http(parser->failure);
    ASSERT(session->outcome.refusal >= 400 && parser->failure_detail);
    return false;
}

static void feed(struct session *session, const uint8_t *data, size_t len)
{
    /* A copy of its own, so that a view into an earlier piece is found. */
    char *own = malloc(len ? len : 1);
    size_t used = 0;
    bool more = session->outcome.refusal == 0;
    ASSERT(own);
    if (len)
        memcpy(own, data, len);
    while (more) {
        size_t some;
        enum request_event event =
            request_parser_next(&session->parser, own + used, len - used, &some);
        used += some;
        ASSERT(used <= len);
        more = on_event(session, event) && (used < len || event != REQUEST_COMPLETE);
    }
    free(own);
}

static struct outcome run(uint8_t mode, const uint8_t *data, size_t size, const size_t *splits,
                          size_t split_count)
{
    static struct session session;
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.header_bytes = mode & 4 ? 256 : 8192;
    limits.target_bytes = mode & 4 ? 64 : 1024;
    session.mode = mode % 3;
    session.body_max = mode & 8 ? 64 : 1 << 20;
    session.outcome = (struct outcome){0};
    request_parser_init(&session.parser, &limits);
    size_t at = 0;
    for (size_t i = 0; i < split_count; i++) {
        size_t end = splits[i] < size ? splits[i] : size;
        if (end <= at)
            continue;
        feed(&session, data + at, end - at);
        at = end;
    }
    feed(&session, data + at, size - at);
    request_parser_fini(&session.parser);
    return session.outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t splits[SPLITS_MAX];
    if (size < 2)
        return 0;
    uint8_t mode = data[0];
    size_t split_count = data[1] % (SPLITS_MAX + 1);
    data += 2;
    size -= 2;
    if (size < split_count * 2)
        return 0;
    for (size_t i = 0; i < split_count; i++)
        splits[i] = (size_t)data[2 * i] << 8 | data[2 * i + 1];
    data += split_count * 2;
    size -= split_count * 2;
    struct outcome whole = run(mode, data, size, NULL, 0);
    struct outcome pieces = run(mode, data, size, splits, split_count);
    ASSERT(whole.requests == pieces.requests);
    ASSERT(whole.refusal == pieces.refusal);
    ASSERT(whole.hash == pieces.hash);
    return 0;
}
