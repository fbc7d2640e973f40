#include "api_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/memory.h"

static status registry_check(struct registry *registry, struct error *error)
{
    (void)registry;
    (void)error;
    return OK;
}

static void *run_loop(void *loop)
{
    loop_run(loop);
    return NULL;
}

struct api_fixture *api_fixture_open(bool late)
{
    struct error error;
    struct api_fixture *f = NULL;
    assert_int_equal(posix_memalign((void **)&f, _Alignof(struct api_fixture), sizeof(*f)), 0);
    memset(f, 0, sizeof(*f));
    f->engine = fixture_open(0);
    late_store_init(&f->late, f->engine->store);
    f->service = memory_alloc_aligned(CACHE_LINE_BYTES, sizeof(*f->service));
    assert_non_null(f->service);
    memset(f->service, 0, sizeof(*f->service));
    f->registry_driver = (struct registry_driver){.name = "none", .check = registry_check};
    f->registry.driver = &f->registry_driver;
    f->service->registry = &f->registry;
    f->service->online = late ? &f->late.store : f->engine->store;
    f->service->catalog = &f->engine->catalog;
    f->api = (struct api){.service = f->service, .version = STR("0"), .loop_count = 1};
    sem_init(&f->drained, 0, 0);
    assert_true(status_is_ok(loop_init(&f->loop, &f->engine->epoch, 0)));
    struct http_server_options options = {
        .host = "127.0.0.1",
        .limits = HTTP_LIMITS_DEFAULT,
        .routes = api_routes,
        .route_count = api_route_count,
        .context = &f->api,
        .loops = &f->loop,
        .loop_count = 1,
    };
    if (!status_is_ok(http_server_start(&options, &f->server, &error)))
        fail_msg("%s", error.detail);
    f->api.http = f->server;
    assert_int_equal(pthread_create(&f->thread, NULL, run_loop, &f->loop), 0);
    return f;
}

struct drain {
    struct loop_task task;
    struct api_fixture *f;
};

static void on_drained(void *user)
{
    sem_post(&((struct api_fixture *)user)->drained);
}

static void run_drain(struct loop_task *task)
{
    struct drain *drain = CONTAINER_OF(task, struct drain, task);
    http_server_drain(drain->f->server, 5000, on_drained, drain->f);
}

void api_fixture_close(struct api_fixture *f)
{
    struct drain drain = {{.run = run_drain}, f};
    loop_post(&f->loop, &drain.task);
    sem_wait(&f->drained);
    loop_stop(&f->loop);
    pthread_join(f->thread, NULL);
    assert_int_equal(atomic_load(&f->late.reads_open), 0);
    http_server_destroy(f->server);
    loop_fini(&f->loop);
    memory_free(f->service);
    fixture_close(f->engine);
    sem_destroy(&f->drained);
    free(f);
}

int api_connect(const struct api_fixture *f)
{
    struct timeval patience = {.tv_sec = 20};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(http_server_port(f->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

void api_send(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        bytes += sent;
        len -= (size_t)sent;
    }
}

char *api_receive(int fd, size_t *len)
{
    size_t capacity = 1 << 16;
    char *text = malloc(capacity);
    *len = 0;
    for (;;) {
        ssize_t got = recv(fd, text + *len, capacity - *len - 1, 0);
        if (got < 0 && errno == EINTR) /* the process was stopped and goes on */
            continue;
        if (got <= 0)
            break;
        *len += (size_t)got;
        if (capacity - *len < 1 << 15)
            text = realloc(text, capacity *= 2);
    }
    text[*len] = '\0';
    return text;
}

/* Takes the chunks' frames out. */
static void join_chunks(struct answer *answer)
{
    char *from = answer->body;
    char *end = answer->body + answer->body_len;
    char *to = answer->body;
    while (from < end && !answer->whole) {
        char *data;
        size_t len = strtoul(from, &data, 16);
        data += 2;
        answer->whole = len == 0;
        if (data + len > end)
            len = data < end ? (size_t)(end - data) : 0;
        memmove(to, data, len);
        to += len;
        from = data + len + 2;
    }
    answer->body_len = (size_t)(to - answer->body);
    *to = '\0';
}

struct answer api_ask(const struct api_fixture *f, const char *method, const char *target,
                      const char *headers, str body)
{
    struct answer answer = {0};
    char head[2048];
    size_t len;
    int fd = api_connect(f);
    int head_len =
        snprintf(head, sizeof(head),
                 "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n",
                 method, target, body.len, headers);
    api_send(fd, head, (size_t)head_len);
    api_send(fd, body.data, body.len);
    answer.head = api_receive(fd, &len);
    close(fd);
    assert_int_equal(sscanf(answer.head, "HTTP/1.1 %d", &answer.status), 1);
    answer.body = strstr(answer.head, "\r\n\r\n") + 4;
    answer.body[-1] = '\0';
    answer.body_len = len - (size_t)(answer.body - answer.head);
    if (strstr(answer.head, "chunked"))
        join_chunks(&answer);
    else
        answer.whole = true;
    return answer;
}

void answer_free(struct answer *answer)
{
    free(answer->head);
}
