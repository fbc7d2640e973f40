#include "server_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void on_plain(struct http_exchange *exchange)
{
    http_respond(exchange, 200, STR("text/plain"), STR("plain"));
}

static void on_echo(struct http_exchange *exchange)
{
    http_respond(exchange, 200, STR("text/plain"), exchange->request.body);
}

static void on_item(struct http_exchange *exchange)
{
    http_set_header(exchange, STR("X-Own"), STR("value"));
    http_respond(exchange, 200, STR("text/plain"), exchange->request.path_parameters[0]);
}

static void on_big(struct http_exchange *exchange)
{
    struct buffer *out = http_respond_begin(exchange, 200, STR("text/plain"));
    for (int i = 0; i < 100000; i++)
        buffer_append_str(out, STR("0123456789"));
    http_respond_end(exchange);
}

static void on_invalid(struct http_exchange *exchange)
{
    struct error error;
    error_clear(&error);
    error_loc_name(&error, STR("body"));
    error_loc_index(&error, 3);
    (void)error_set(&error, STATUS_INVALID, "int_type", "not \"%s\"", "an int");
    http_respond_error(exchange, &error);
}

static void on_busy(struct http_exchange *exchange)
{
    struct error error;
    error_clear(&error);
    (void)error_set(&error, STATUS_BUSY, "busy", "later \xFF");
    http_respond_error(exchange, &error);
}

struct late {
    struct loop_task task;
    struct http_exchange *exchange;
};

static void answer_late(struct loop_task *task)
{
    struct late *late = CONTAINER_OF(task, struct late, task);
    http_respond(late->exchange, 200, STR("text/plain"),
                 late->exchange->request.path_parameters[0]);
}

static void on_late(struct http_exchange *exchange)
{
    struct late *late = arena_alloc(&exchange->arena, sizeof(*late));
    if (late == NULL) {
        http_respond(exchange, 503, STR("text/plain"), STR("no memory"));
        return;
    }
    *late = (struct late){{.run = answer_late}, exchange};
    loop_defer(exchange->loop, &late->task);
}

static void on_held(struct http_exchange *exchange)
{
    struct fixture *fixture = exchange->context;
    atomic_store(&fixture->held_exchange, exchange);
    sem_post(&fixture->held);
}

struct release {
    struct loop_task task;
    struct fixture *fixture;
};

static void run_release(struct loop_task *task)
{
    struct release *release = CONTAINER_OF(task, struct release, task);
    struct http_exchange *exchange = atomic_exchange(&release->fixture->held_exchange, NULL);
    http_respond(exchange, 200, STR("text/plain"), exchange->gone ? STR("gone") : STR("released"));
    sem_post(&release->fixture->released);
}

void fixture_release(struct fixture *fixture)
{
    struct release release = {{.run = run_release}, fixture};
    loop_post(atomic_load(&fixture->held_exchange)->loop, &release.task);
    sem_wait(&fixture->released);
}

static enum http_piece produce(struct http_exchange *exchange, struct buffer *out)
{
    struct fixture *fixture = exchange->context;
    unsigned piece = atomic_fetch_add(&fixture->stream_pieces, 1);
    char *at = buffer_reserve(out, FIXTURE_PIECE_BYTES);
    if (at == NULL)
        return HTTP_PIECE_LAST;
    memset(at, 'a' + (int)(piece % 26), FIXTURE_PIECE_BYTES);
    if (piece % 5 != 4) /* now and then an empty piece */
        buffer_commit(out, FIXTURE_PIECE_BYTES);
    return piece + 1 < FIXTURE_STREAM_PIECES ? HTTP_PIECE_MORE : HTTP_PIECE_LAST;
}

static void finish_stream(struct http_exchange *exchange)
{
    struct fixture *fixture = exchange->context;
    sem_post(&fixture->stream_finished);
}

static void on_stream(struct http_exchange *exchange)
{
    struct fixture *fixture = exchange->context;
    atomic_store(&fixture->stream_pieces, 0);
    http_respond_stream(exchange, 200, STR("text/plain"),
                        (struct http_stream){produce, finish_stream});
}

/* GET /waiting/{end}: a piece, a wait until the test lets it go on, and the end. */

static enum http_piece produce_waiting(struct http_exchange *exchange, struct buffer *out)
{
    struct fixture *fixture = exchange->context;
    str end = exchange->request.path_parameters[0];
    if (atomic_fetch_add(&fixture->stream_pieces, 1) == 0) {
        buffer_append_str(out, STR("before"));
        for (int i = 0; str_eq(end, STR("heavy")) && i < 1000000; i++)
            buffer_append_str(out, STR("0123456789"));
        atomic_store(&fixture->held_exchange, exchange);
        sem_post(&fixture->held);
        return HTTP_PIECE_WAIT;
    }
    buffer_append_str(out, STR("after"));
    return str_eq(end, STR("broken")) ? HTTP_PIECE_BROKEN : HTTP_PIECE_LAST;
}

static void on_waiting(struct http_exchange *exchange)
{
    struct fixture *fixture = exchange->context;
    atomic_store(&fixture->stream_pieces, 0);
    http_respond_stream(exchange, 200, STR("text/plain"),
                        (struct http_stream){produce_waiting, finish_stream});
}

struct resumption {
    struct loop_task task;
    struct fixture *fixture;
    bool once_gone;
};

static void run_resumption(struct loop_task *task)
{
    struct resumption *resumption = CONTAINER_OF(task, struct resumption, task);
    struct http_exchange *exchange = atomic_load(&resumption->fixture->held_exchange);
    int finished;
    if (resumption->once_gone && !exchange->gone) {
        loop_defer(exchange->loop, task);
        return;
    }
    sem_getvalue(&resumption->fixture->stream_finished, &finished);
    assert_int_equal(finished, 0); /* whoever is gone: what is awaited may use the exchange */
    http_stream_resume(exchange);
    http_stream_resume(exchange); /* of no consequence */
    sem_post(&resumption->fixture->released);
}

void fixture_resume(struct fixture *fixture, bool once_gone)
{
    struct resumption resumption = {{.run = run_resumption}, fixture, once_gone};
    sem_wait(&fixture->held);
    loop_post(atomic_load(&fixture->held_exchange)->loop, &resumption.task);
    sem_wait(&fixture->released);
}

struct upload {
    struct loop_task resume;
    struct http_exchange *exchange;
    size_t bytes;
    unsigned sum;
    unsigned pauses;
    bool refuses;
    struct error error;
};

static void run_resume(struct loop_task *task)
{
    struct upload *upload = CONTAINER_OF(task, struct upload, resume);
    struct fixture *fixture = upload->exchange->context;
    atomic_store(&fixture->upload_paused, false);
    http_body_resume(upload->exchange);
}

static void on_upload_piece(struct http_exchange *exchange, str piece, bool last)
{
    struct upload *upload = exchange->user;
    struct fixture *fixture = exchange->context;
    char text[64];
    assert_false(atomic_load(&fixture->upload_paused));
    for (size_t i = 0; i < piece.len; i++)
        upload->sum = upload->sum * 31 + (unsigned char)piece.data[i];
    upload->bytes += piece.len;
    if (upload->refuses && upload->bytes > 5) {
        http_respond(exchange, 422, STR("text/plain"), STR("refused"));
        return;
    }
    if (last) {
        int len = snprintf(text, sizeof(text), "%zu bytes, sum %u", upload->bytes, upload->sum);
        http_respond(exchange, 200, STR("text/plain"), str_of(text, (size_t)len));
        return;
    }
    if (++upload->pauses % 3 == 0) {
        atomic_store(&fixture->upload_paused, true);
        http_body_pause(exchange);
        loop_defer(exchange->loop, &upload->resume);
    }
}

static void on_upload_gone(struct http_exchange *exchange)
{
    struct fixture *fixture = exchange->context;
    struct upload *upload = exchange->user;
    assert_true(exchange->gone);
    assert_true(upload->exchange == exchange);
    http_respond(exchange, 200, STR("text/plain"), STR("nobody hears this"));
    sem_post(&fixture->body_gone);
}

static void start_upload(struct http_exchange *exchange, bool refuses)
{
    struct fixture *fixture = exchange->context;
    struct upload *upload = arena_alloc_zero(&exchange->arena, sizeof(*upload));
    if (upload == NULL) {
        http_respond(exchange, 503, STR("text/plain"), STR("no memory"));
        return;
    }
    upload->resume.run = run_resume;
    upload->exchange = exchange;
    upload->refuses = refuses;
    exchange->user = upload;
    exchange->on_body = on_upload_piece;
    exchange->on_body_gone = on_upload_gone;
    atomic_store(&fixture->upload_started, true);
}

static void on_upload(struct http_exchange *exchange)
{
    start_upload(exchange, false);
}

static void on_picky(struct http_exchange *exchange)
{
    start_upload(exchange, true);
}

/* Answers a body that cannot be read on with how much came, at once or later. */

static void answer_failed(struct http_exchange *exchange, const struct error *error)
{
    struct upload *upload = exchange->user;
    struct buffer *out = http_respond_error_begin(exchange, error);
    buffer_append_format(out, ",\"bytes\":%zu", upload->bytes);
    http_respond_error_end(exchange, out);
}

static void run_answer_failed(struct loop_task *task)
{
    struct upload *upload = CONTAINER_OF(task, struct upload, resume);
    struct fixture *fixture = upload->exchange->context;
    /* As long as the test likes: nothing may come of the connection meanwhile. */
    if (!atomic_load(&fixture->may_answer)) {
        loop_defer(upload->exchange->loop, &upload->resume);
        return;
    }
    answer_failed(upload->exchange, &upload->error);
}

static void on_counted_failed(struct http_exchange *exchange, const struct error *error)
{
    struct fixture *fixture = exchange->context;
    struct upload *upload = exchange->user;
    http_body_pause(exchange); /* both are of no consequence any more */
    http_body_resume(exchange);
    if (upload->bytes < 5) {
        answer_failed(exchange, error);
        return;
    }
    upload->error = *error;
    upload->resume.run = run_answer_failed;
    loop_defer(exchange->loop, &upload->resume);
    sem_post(&fixture->body_failed);
}

static void on_counted(struct http_exchange *exchange)
{
    start_upload(exchange, false);
    exchange->on_body_failed = on_counted_failed;
}

static void on_never(struct http_exchange *exchange)
{
    http_respond(exchange, 415, STR("text/plain"), STR("never"));
}

static const struct http_route ROUTES[] = {
    {HTTP_GET, "/plain", on_plain, false},      {HTTP_POST, "/echo", on_echo, false},
    {HTTP_GET, "/items/{id}", on_item, false},  {HTTP_GET, "/big", on_big, false},
    {HTTP_GET, "/invalid", on_invalid, false},  {HTTP_GET, "/busy", on_busy, false},
    {HTTP_GET, "/late/{text}", on_late, false}, {HTTP_GET, "/held", on_held, false},
    {HTTP_GET, "/stream", on_stream, false},    {HTTP_POST, "/upload", on_upload, true},
    {HTTP_POST, "/picky", on_picky, true},      {HTTP_POST, "/never", on_never, true},
    {HTTP_POST, "/counted", on_counted, true},  {HTTP_GET, "/waiting/{end}", on_waiting, false},
};

void fixture_init(struct fixture *fixture)
{
    memset(fixture, 0, sizeof(*fixture));
    epoch_init(&fixture->epoch);
    sem_init(&fixture->drained, 0, 0);
    sem_init(&fixture->held, 0, 0);
    sem_init(&fixture->released, 0, 0);
    sem_init(&fixture->body_gone, 0, 0);
    sem_init(&fixture->body_failed, 0, 0);
    atomic_store(&fixture->may_answer, true);
    sem_init(&fixture->stream_finished, 0, 0);
    fixture->options = (struct http_server_options){
        .host = "127.0.0.1",
        .limits = HTTP_LIMITS_DEFAULT,
        .routes = ROUTES,
        .route_count = ARRAY_LEN(ROUTES),
        .context = fixture,
        .loops = fixture->loops,
        .loop_count = FIXTURE_LOOPS,
    };
}

static void *run_loop(void *loop)
{
    loop_run(loop);
    return NULL;
}

void fixture_start(struct fixture *fixture)
{
    struct error error;
    for (unsigned i = 0; i < FIXTURE_LOOPS; i++)
        assert_true(status_is_ok(loop_init(&fixture->loops[i], &fixture->epoch, i)));
    if (!status_is_ok(http_server_start(&fixture->options, &fixture->server, &error)))
        fail_msg("%s", error.detail);
    for (unsigned i = 0; i < FIXTURE_LOOPS; i++)
        assert_int_equal(pthread_create(&fixture->threads[i], NULL, run_loop, &fixture->loops[i]),
                         0);
}

struct drain {
    struct loop_task task;
    struct fixture *fixture;
};

static void on_drained(void *user)
{
    struct fixture *fixture = user;
    sem_post(&fixture->drained);
}

static void run_drain(struct loop_task *task)
{
    struct drain *drain = CONTAINER_OF(task, struct drain, task);
    http_server_drain(drain->fixture->server, 5000, on_drained, drain->fixture);
}

void fixture_stop(struct fixture *fixture)
{
    struct drain drain = {{.run = run_drain}, fixture};
    loop_post(&fixture->loops[0], &drain.task);
    sem_wait(&fixture->drained);
    for (unsigned i = 0; i < FIXTURE_LOOPS; i++)
        loop_stop(&fixture->loops[i]);
    for (unsigned i = 0; i < FIXTURE_LOOPS; i++)
        pthread_join(fixture->threads[i], NULL);
    http_server_destroy(fixture->server);
    for (unsigned i = 0; i < FIXTURE_LOOPS; i++)
        loop_fini(&fixture->loops[i]);
}

int client_connect(const struct fixture *fixture)
{
    static const int ON = 1;
    struct timeval patience = {.tv_sec = 20};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(http_server_port(fixture->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &ON, sizeof(ON));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

void client_send(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0) /* the server may have closed: what it said is still to be read */
            return;
        bytes += sent;
        len -= (size_t)sent;
    }
}

void client_say(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

char *client_read(int fd, const char *until)
{
    size_t len = 0;
    size_t capacity = 1 << 16;
    char *text = malloc(capacity);
    for (;;) {
        ssize_t got = recv(fd, text + len, until ? 1 : capacity - len - 1, 0);
        if (got < 0 && errno == EINTR) /* the process was stopped and goes on */
            continue;
        assert_true(got >= 0 || errno == ECONNRESET);
        if (got <= 0)
            break;
        len += (size_t)got;
        if (capacity - len < 1 << 15)
            text = realloc(text, capacity *= 2);
        if (until && len >= strlen(until) &&
            memcmp(text + len - strlen(until), until, strlen(until)) == 0)
            break;
    }
    text[len] = '\0';
    return text;
}

char *client_ask(const struct fixture *fixture, const char *text)
{
    int fd = client_connect(fixture);
    client_say(fd, text);
    shutdown(fd, SHUT_WR);
    char *answer = client_read(fd, NULL);
    close(fd);
    return answer;
}
