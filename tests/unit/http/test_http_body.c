/* Bodies: awaited, taken in pieces, refused, and those that cannot be read on. */
#include "served.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_expect_continue(void **state)
{
    (void)state;
    static const char *const PATHS[] = {"/echo", "/upload"};
    for (int i = 0; i < 2; i++) {
        char head[160];
        int fd = client_connect(&fixture);
        snprintf(head, sizeof(head),
                 "POST %s HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\n"
                 "Connection: close\r\nContent-Length: 4\r\n\r\n",
                 PATHS[i]);
        client_say(fd, head);
        char *interim = client_read(fd, "\r\n\r\n");
        assert_string_equal(interim, "HTTP/1.1 100 Continue\r\n\r\n");
        client_say(fd, "body");
        char *answer = client_read(fd, NULL);
        assert_non_null(strstr(answer, i ? "4 bytes" : "\r\n\r\nbody"));
        free(interim);
        free(answer);
        close(fd);
        /* the body is there already: no interim answer */
        strcat(head, "body");
        expect_without(head, "100 Continue");
    }
    expect("GET /plain HTTP/1.1\r\n" HOST "Expect: magic\r\n\r\n", "417 Expectation Failed");
    expect("POST /none HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
           "HTTP/1.1 404 Not Found");
    expect("POST /never HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
           "HTTP/1.1 415 ");
}

/* The client writes 20 MB before it looks for the answer, and finds it all the same. */
static void test_refused_body_does_not_destroy_the_answer(void **state)
{
    static char megabyte[1 << 20];
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 20000000\r\n\r\n");
    for (int i = 0; i < 3; i++)
        client_send(fd, megabyte, sizeof(megabyte));
    shutdown(fd, SHUT_WR);
    char *answer = client_read(fd, NULL);
    assert_non_null(strstr(answer, "413 Content Too Large"));
    assert_non_null(strstr(answer, "Connection: close"));
    free(answer);
    close(fd);
}

static void test_uploads(void **state)
{
    enum { BYTES = 3000000 };
    char *body = malloc(BYTES);
    char expected[64];
    unsigned sum = 0;
    (void)state;
    for (size_t i = 0; i < BYTES; i++) {
        body[i] = (char)(i * 7 + i / 1000);
        sum = sum * 31 + (unsigned char)body[i];
    }
    snprintf(expected, sizeof(expected), "\r\n\r\n%d bytes, sum %u", BYTES, sum);
    int fd = client_connect(&fixture);
    client_say(fd, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n");
    client_send(fd, body, BYTES);
    client_say(fd, "POST /upload HTTP/1.1\r\n" HOST
                   "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < BYTES; at += 1000) {
        client_say(fd, "3e8\r\n");
        client_send(fd, body + at, 1000);
        client_say(fd, "\r\n");
    }
    client_say(fd, "0\r\n\r\n");
    char *answer = client_read(fd, NULL);
    assert_int_equal(count_of(answer, expected), 2);
    free(answer);
    close(fd);
    free(body);
    expect("POST /upload HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "\r\n\r\n0 bytes, sum 0");
    expect("POST /picky HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\n0123456789", "422 ");
    expect("POST /picky HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\n0123456789",
           "Connection: close");
}

/* A body that cannot be read on: its handler answers, at once or later, and nothing more is read. */
static void test_failed_body_is_answered_by_its_handler(void **state)
{
    (void)state;
    expect(COUNTED "3\r\nabc\r\nX", "HTTP/1.1 400 Bad Request\r\n");
    expect(COUNTED "3\r\nabc\r\nX", "Connection: close\r\n");
    expect(COUNTED "3\r\nabc\r\nX", "\"status\":400,\"detail\":\"");
    expect(COUNTED "3\r\nabc\r\nX", ",\"bytes\":3}");

    int fd = client_connect(&fixture);
    atomic_store(&fixture.may_answer, false);
    client_say(fd, COUNTED "6\r\nabcdef\r\nX");
    sem_wait(&fixture.body_failed);
    client_say(fd, GET("/plain"));
    shutdown(fd, SHUT_WR);
    expect(GET("/plain"), "200 OK");
    atomic_store(&fixture.may_answer, true);
    char *answer = client_read(fd, NULL);
    assert_int_equal(count_of(answer, "HTTP/1.1"), 1);
    assert_non_null(strstr(answer, ",\"bytes\":6}"));
    free(answer);
    close(fd);
    assert_int_equal(sem_trywait(&fixture.body_gone), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(test_expect_continue),
        SERVED(test_refused_body_does_not_destroy_the_answer),
        SERVED(test_uploads),
        SERVED(test_failed_body_is_answered_by_its_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
