#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"

#define LOOPS 2
#define ECHO_BYTES 200000

static struct epoch epoch;
static struct loop loops[LOOPS];
static pthread_t threads[LOOPS];
static struct net_server *server;
static struct net_options options;
static sem_t drained;
static sem_t closed;
static _Atomic unsigned opened[LOOPS];

/* Sends back what comes, at most seven bytes at a time, pausing in between; the first piece of each
 * input is kept and must not have changed by then. 'f' finishes. */
struct echo {
    struct net_connection net;
    struct loop_task task;
    struct net_input *kept;
    const char *first;
    char first_byte;
};

static struct echo *echo_of(struct net_connection *net)
{
    return CONTAINER_OF(net, struct echo, net);
}

static void go_on(struct loop_task *task)
{
    struct echo *echo = CONTAINER_OF(task, struct echo, task);
    assert_true(*echo->first == echo->first_byte);
    net_input_release(echo->net.net_loop, echo->kept);
    echo->kept = NULL;
    if (!net_connection_is_closing(&echo->net))
        net_connection_resume(&echo->net);
}

static void on_open(struct net_connection *net)
{
    opened[net_loop_of(net->net_loop)->index]++;
    assert_ptr_equal(net_loop_context(net->net_loop), &options);
}

static size_t on_receive(struct net_connection *net, const char *data, size_t len)
{
    struct echo *echo = echo_of(net);
    size_t some = len < 7 ? len : 7;
    if (len == 0)
        return 0;
    assert_null(echo->kept);
    const char *last = memchr(data, 'f', some);
    if (last)
        some = (size_t)(last - data) + 1;
    buffer_append(net_connection_out(net), data, some);
    if (last) {
        net_connection_finish(net, true);
        return some;
    }
    echo->kept = net_input_keep(net);
    echo->first = data;
    echo->first_byte = data[0];
    echo->task.run = go_on;
    net_connection_pause(net);
    loop_defer(net_loop_of(net->net_loop), &echo->task);
    return some;
}

static void on_end(struct net_connection *net)
{
    net_connection_finish(net, false);
}

static void ignore(struct net_connection *net)
{
    (void)net;
}

static void on_close(struct net_connection *net)
{
    (void)net;
    sem_post(&closed);
}

static const struct net_protocol ECHO_PROTOCOL = {
    .connection_bytes = sizeof(struct echo),
    .open = on_open,
    .receive = on_receive,
    .end = on_end,
    .sent = ignore,
    .expire = ignore,
    .drain = on_end,
    .close = on_close,
};

static void *run_loop(void *loop)
{
    loop_run(loop);
    return NULL;
}

static void start(const char *host)
{
    struct error error;
    sem_init(&drained, 0, 0);
    sem_init(&closed, 0, 0);
    epoch_init(&epoch);
    options = (struct net_options){
        .host = host,
        .connections = 100,
        .write_timeout_ms = 1000,
        .protocol = &ECHO_PROTOCOL,
        .context = &options,
        .loops = loops,
        .loop_count = LOOPS,
    };
    for (unsigned i = 0; i < LOOPS; i++) {
        opened[i] = 0;
        assert_true(status_is_ok(loop_init(&loops[i], &epoch, i)));
    }
    if (!status_is_ok(net_server_start(&options, &server, &error)))
        fail_msg("%s", error.detail);
    for (unsigned i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_loop, &loops[i]), 0);
}

static void on_drained(void *user)
{
    sem_post(user);
}

static void run_drain(struct loop_task *task)
{
    (void)task;
    net_server_drain(server, 5000, on_drained, &drained);
}

static void stop(void)
{
    struct loop_task drain = {.run = run_drain};
    loop_post(&loops[0], &drain);
    sem_wait(&drained);
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_stop(&loops[i]);
        pthread_join(threads[i], NULL);
    }
    net_server_destroy(server);
    for (unsigned i = 0; i < LOOPS; i++)
        loop_fini(&loops[i]);
}

/* -1 if this machine cannot reach it. */
static int connect_to(const char *host)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *address;
    char port[8];
    snprintf(port, sizeof(port), "%u", net_server_port(server));
    assert_int_equal(getaddrinfo(host, port, &hints, &address), 0);
    int fd = socket(address->ai_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    int result = connect(fd, address->ai_addr, address->ai_addrlen);
    freeaddrinfo(address);
    if (result == 0)
        return fd;
    close(fd);
    return -1;
}

static void *send_bytes(void *fd)
{
    for (unsigned i = 0; i < ECHO_BYTES; i++) {
        char byte = (char)('A' + i % 26);
        if (send(*(int *)fd, &byte, 1, MSG_NOSIGNAL) != 1)
            break;
    }
    shutdown(*(int *)fd, SHUT_WR);
    return NULL;
}

static void test_bytes_come_back_in_order(void **state)
{
    pthread_t sender;
    unsigned got = 0;
    char piece[4096];
    ssize_t len;
    (void)state;
    start("127.0.0.1");
    int fd = connect_to("127.0.0.1");
    assert_int_equal(pthread_create(&sender, NULL, send_bytes, &fd), 0);
    while ((len = recv(fd, piece, sizeof(piece), 0)) > 0) {
        for (ssize_t i = 0; i < len; i++, got++)
            assert_int_equal(piece[i], 'A' + got % 26);
    }
    pthread_join(sender, NULL);
    assert_int_equal(got, ECHO_BYTES);
    close(fd);
    stop();
}

static void test_connections_are_spread(void **state)
{
    int fds[8];
    (void)state;
    start("127.0.0.1");
    for (int i = 0; i < 8; i++) {
        char byte;
        fds[i] = connect_to("127.0.0.1");
        assert_int_equal(send(fds[i], "x", 1, 0), 1);
        assert_int_equal(recv(fds[i], &byte, 1, 0), 1);
    }
    assert_int_equal(opened[0], 4);
    assert_int_equal(opened[1], 4);
    assert_int_equal(net_server_connections(server), 8);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    stop();
}

/* The server has the last word: the output arrives although the client still sends. */
static void test_finish_lingers(void **state)
{
    char text[16] = {0};
    static char more[100000];
    (void)state;
    start("127.0.0.1");
    int fd = connect_to("127.0.0.1");
    assert_int_equal(send(fd, "abf", 3, 0), 3);
    for (int i = 0; i < 5; i++)
        (void)!send(fd, more, sizeof(more), MSG_NOSIGNAL);
    assert_int_equal(recv(fd, text, 3, MSG_WAITALL), 3);
    assert_string_equal(text, "abf");
    assert_int_equal(recv(fd, text, 1, 0), 0);
    close(fd);
    sem_wait(&closed);
    stop();
}

static void test_other_addresses(void **state)
{
    static const char *const HOSTS[] = {"localhost", "0.0.0.0"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        start(HOSTS[i]);
        int fd = connect_to(i == 0 ? "localhost" : "127.0.0.1");
        assert_true(fd >= 0);
        close(fd);
        stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_come_back_in_order),
        cmocka_unit_test(test_connections_are_spread),
        cmocka_unit_test(test_finish_lingers),
        cmocka_unit_test(test_other_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
