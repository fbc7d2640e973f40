/* What is bounded: time, connections, descriptors and memory; and the end, when all is answered. */
#include "served.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"

static void test_timeouts(void **state)
{
    struct http_server_metrics metrics;
    (void)state;
    fixture_init(&fixture);
    fixture.options.limits.idle_timeout_ms = 100;
    fixture.options.limits.read_timeout_ms = 150;
    fixture_start(&fixture);
    int idle = client_connect(&fixture);
    int slow = client_connect(&fixture);
    int slow_body = client_connect(&fixture);
    int served = client_connect(&fixture);
    client_say(slow, "GET /plain HT");
    client_say(slow_body, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nhalf");
    client_say(served, GET("/plain"));
    char *answers[] = {client_read(idle, NULL), client_read(slow, NULL),
                       client_read(slow_body, NULL), client_read(served, NULL)};
    assert_string_equal(answers[0], "");
    assert_non_null(strstr(answers[1], "HTTP/1.1 408 Request Timeout\r\n"));
    assert_non_null(strstr(answers[1], "Retry-After: 1\r\n"));
    assert_non_null(strstr(answers[2], "408 Request Timeout"));
    assert_non_null(strstr(answers[3], "200 OK"));
    assert_null(strstr(answers[3], "408"));
    http_server_metrics_read(fixture.server, &metrics);
    assert_int_equal(metrics.connections_timed_out, 2);
    for (int i = 0; i < 4; i++)
        free(answers[i]);
    close(idle);
    close(slow);
    close(slow_body);
    close(served);
    fixture_stop(&fixture);
}

/* The time to read is over once, however long the handler then takes. */
static void test_slow_body_is_answered_by_its_handler(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture.options.limits.idle_timeout_ms = 60;
    fixture.options.limits.read_timeout_ms = 50;
    fixture_start(&fixture);
    atomic_store(&fixture.may_answer, false);
    int fd = client_connect(&fixture);
    client_say(fd, "POST /counted HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\nabcdef");
    sem_wait(&fixture.body_failed);
    for (int i = 0; i < 2; i++) { /* idle connections end: twice the time is over */
        int idle = client_connect(&fixture);
        free(client_read(idle, NULL));
        close(idle);
    }
    assert_int_equal(sem_trywait(&fixture.body_failed), -1);
    atomic_store(&fixture.may_answer, true);
    char *answer = client_read(fd, NULL);
    assert_non_null(strstr(answer, "HTTP/1.1 408 Request Timeout\r\n"));
    assert_non_null(strstr(answer, ",\"bytes\":6}"));
    free(answer);
    close(fd);
    fixture_stop(&fixture);
}

static void test_write_timeout(void **state)
{
    int small = 4096;
    (void)state;
    fixture_init(&fixture);
    fixture.options.limits.write_timeout_ms = 200;
    fixture_start(&fixture);
    int fd = client_connect(&fixture);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    client_say(fd, GET("/stream"));
    sem_wait(&fixture.stream_finished); /* cut off */
    wait_for_connections(0);
    assert_true(atomic_load(&fixture.stream_pieces) < FIXTURE_STREAM_PIECES);
    close(fd);
    fixture_stop(&fixture);
}

static void test_connection_limit(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture.options.limits.connections = 2;
    fixture_start(&fixture);
    int first = client_connect(&fixture);
    int second = client_connect(&fixture);
    wait_for_connections(2);
    int third = client_connect(&fixture); /* in the kernel's queue */
    client_say(third, "GET /plain HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    client_say(second, "GET /plain HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    char *answer = client_read(second, NULL);
    assert_non_null(strstr(answer, "200 OK"));
    free(answer);
    answer = client_read(third, NULL);
    assert_non_null(strstr(answer, "200 OK"));
    free(answer);
    close(first);
    close(second);
    close(third);
    fixture_stop(&fixture);
}

static void test_out_of_descriptors(void **state)
{
    struct rlimit limit;
    struct rlimit none;
    int fds[3];
    (void)state;
    fixture_init(&fixture);
    fixture_start(&fixture);
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fds[i] >= 0);
        close(fds[i]);
    }
    int fd = client_connect(&fixture);
    wait_for_connections(1);
    int second = client_connect(&fixture);
    wait_for_connections(2);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int third = socket(AF_INET, SOCK_STREAM, 0);
    none = limit;
    none.rlim_cur = (rlim_t)third + 1; /* no further descriptor in this process */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    assert_int_equal(getpeername(fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(connect(third, (struct sockaddr *)&address, len), 0);
    client_say(third, "GET /plain HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    client_say(fd, "GET /plain HTTP/1.1\r\n" HOST "\r\n"); /* the others are served meanwhile */
    free(client_read(fd, "plain"));
    close(second);
    char *answer = client_read(third, NULL); /* goes on when a descriptor is free */
    assert_non_null(strstr(answer, "200 OK"));
    free(answer);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    close(fd);
    close(third);
    fixture_stop(&fixture);
}

static void *release_when_idle_is_closed(void *idle_fd)
{
    char byte;
    if (recv(*(int *)idle_fd, &byte, 1, 0) == 0)
        fixture_release(&fixture);
    return NULL;
}

static void test_drain(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_start(&fixture);
    int idle = client_connect(&fixture);
    int busy = client_connect(&fixture);
    client_say(busy, GET("/held"));
    sem_wait(&fixture.held);
    wait_for_connections(2);
    pthread_t releaser;
    assert_int_equal(pthread_create(&releaser, NULL, release_when_idle_is_closed, &idle), 0);
    fixture_stop(&fixture); /* returns only after the held one was answered */
    pthread_join(releaser, NULL);
    char *answer = client_read(busy, NULL);
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\nreleased"));
    free(answer);
    close(idle);
    close(busy);
}

/* Whatever allocation fails: an answer or an end, and the server goes on. */
static void test_out_of_memory(void **state)
{
    static const char *const REQUESTS[] = {
        "GET /late/x HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        "GET /items/a%20b HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        "GET /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        "POST /upload HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 3\r\n\r\nabc",
        "GET /none HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
    };
    (void)state;
    for (size_t r = 0; r < ARRAY_LEN(REQUESTS); r++) {
        unsigned failed = 0;
        for (uint64_t n = 0; n < 30; n++) {
            fixture_init(&fixture);
            fixture_start(&fixture);
            memory_fail_after(n);
            int fd = client_connect(&fixture);
            client_say(fd, REQUESTS[r]);
            char *answer = client_read(fd, NULL);
            memory_fail_after(UINT64_MAX);
            bool served =
                strncmp(answer, "HTTP/1.1 ", 9) == 0 && strncmp(answer + 9, "503", 3) != 0;
            assert_true(served || answer[0] == '\0' || strncmp(answer, "HTTP/1.1 503", 12) == 0);
            failed += !served;
            free(answer);
            close(fd);
            expect(GET("/plain"), "200 OK");
            fixture_stop(&fixture);
        }
        assert_true(failed > 0 && failed < 30);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_slow_body_is_answered_by_its_handler),
        cmocka_unit_test(test_write_timeout),
        cmocka_unit_test(test_connection_limit),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
