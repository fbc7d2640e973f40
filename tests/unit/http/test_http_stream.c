/* Answers in pieces, and long ones: whole, in order, and no faster than the client reads. */
#include "served.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_stream_is_whole(void **state)
{
    (void)state;
    char *answer = client_ask(&fixture, "GET /stream HTTP/1.0\r\n\r\n");
    const char *body = strstr(answer, "\r\n\r\n") + 4;
    assert_null(strstr(answer, "chunked"));
    assert_int_equal(strlen(body), FIXTURE_STREAM_PIECES * 4 / 5 * FIXTURE_PIECE_BYTES);
    free(answer);
    sem_wait(&fixture.stream_finished);
    expect("HEAD /stream HTTP/1.1\r\n" HOST "\r\n", "Transfer-Encoding: chunked\r\n\r\n");
    sem_wait(&fixture.stream_finished);
}

/* A client that does not read stops the producer; when it reads, it gets everything. */
static void test_backpressure(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, "GET /stream HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    unsigned before;
    do {
        before = atomic_load(&fixture.stream_pieces);
        usleep(200000); /* stands still for so long */
    } while (before == 0 || before != atomic_load(&fixture.stream_pieces));
    assert_true(before < FIXTURE_STREAM_PIECES);
    char *answer = client_read(fd, NULL);
    assert_true(strlen(answer) > FIXTURE_STREAM_PIECES * 4 / 5 * FIXTURE_PIECE_BYTES);
    assert_string_equal(answer + strlen(answer) - 7, "\r\n0\r\n\r\n");
    sem_wait(&fixture.stream_finished);
    free(answer);
    close(fd);
}

/* What has left is seen before the rest is there; then the end, or the connection's. */
static void test_stream_waits(void **state)
{
    (void)state;
    for (int broken = 0; broken < 2; broken++) {
        int fd = client_connect(&fixture);
        client_say(fd, broken ? GET("/waiting/broken") : GET("/waiting/whole"));
        free(client_read(fd, "before\r\n"));
        assert_int_equal(atomic_load(&fixture.stream_pieces), 1);
        fixture_resume(&fixture, false);
        char *rest = client_read(fd, broken ? NULL : "0\r\n\r\n");
        assert_int_equal(strstr(rest, "0\r\n\r\n") == NULL, broken);
        sem_wait(&fixture.stream_finished);
        assert_int_equal(atomic_load(&fixture.stream_pieces), 2);
        if (!broken) { /* the connection is as good as before */
            client_say(fd, GET("/plain"));
            free(client_read(fd, "plain"));
        }
        free(rest);
        close(fd);
    }
}

/* Fifty answers of 1 MB are asked for, none is read: the server holds a few, not all. */
static void test_pipelining_without_reading(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    for (int i = 0; i < 50; i++)
        client_say(fd, GET("/big"));
    shutdown(fd, SHUT_WR);
    char *answer = client_read(fd, NULL);
    assert_int_equal(count_of(answer, "200 OK"), 50);
    assert_true(strlen(answer) > 50000000);
    free(answer);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(test_stream_is_whole),
        SERVED(test_backpressure),
        SERVED(test_stream_waits),
        SERVED(test_pipelining_without_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
