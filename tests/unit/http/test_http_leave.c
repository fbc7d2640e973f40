/* Clients that leave in the midst of it: each exchange comes to its end, and the server goes on. */
#include "served.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

static void test_client_leaves_upload(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, "POST /upload HTTP/1.1\r\n" HOST "Content-Length: 50\r\n\r\nsome");
    shutdown(fd, SHUT_WR);
    sem_wait(&fixture.body_gone);
    close(fd);
    fd = client_connect(&fixture);
    client_say(fd, "POST /upload HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX");
    sem_wait(&fixture.body_gone);
    char *answer = client_read(fd, NULL);
    assert_non_null(strstr(answer, "400 Bad Request"));
    free(answer);
    close(fd);
}

static void test_client_leaves_late_answer(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, GET("/held"));
    sem_wait(&fixture.held);
    reset(fd);
    wait_for_connections(0);
    fixture_release(&fixture);
    expect(GET("/plain"), "200 OK");
}

static void test_half_closed_client_gets_late_answer(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, GET("/held") GET("/plain"));
    shutdown(fd, SHUT_WR);
    sem_wait(&fixture.held);
    fixture_release(&fixture);
    char *answer = client_read(fd, NULL);
    assert_non_null(strstr(answer, "\r\n\r\nreleasedHTTP/1.1 200 OK"));
    free(answer);
    close(fd);
}

static void test_client_leaves_failed_body(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    atomic_store(&fixture.may_answer, false);
    client_say(fd, COUNTED "6\r\nabcdef\r\nX");
    sem_wait(&fixture.body_failed);
    reset(fd);
    wait_for_connections(0);
    atomic_store(&fixture.may_answer, true);
    expect(GET("/plain"), "200 OK");
    assert_int_equal(sem_trywait(&fixture.body_gone), -1);
}

static void test_client_leaves_stream(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, GET("/stream"));
    free(client_read(fd, "\r\n\r\n"));
    reset(fd);
    sem_wait(&fixture.stream_finished);
    wait_for_connections(0);
}

/* Its memory is in use until the wait is over. */
static void test_client_leaves_waiting_stream(void **state)
{
    (void)state;
    int fd = client_connect(&fixture);
    client_say(fd, GET("/waiting/heavy"));
    free(client_read(fd, "before"));
    reset(fd);
    fixture_resume(&fixture, true);
    sem_wait(&fixture.stream_finished);
    assert_int_equal(atomic_load(&fixture.stream_pieces), 1);
    wait_for_connections(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(test_client_leaves_upload),
        SERVED(test_client_leaves_late_answer),
        SERVED(test_half_closed_client_gets_late_answer),
        SERVED(test_client_leaves_failed_body),
        SERVED(test_client_leaves_stream),
        SERVED(test_client_leaves_waiting_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
