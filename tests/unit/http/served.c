#include "served.h"

#include <stdlib.h>
#include <string.h>

struct fixture fixture;

int served_setup(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture_start(&fixture);
    return 0;
}

int served_teardown(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

void expect(const char *request, const char *part)
{
    char *answer = client_ask(&fixture, request);
    if (strstr(answer, part) == NULL)
        fail_msg("%s\nwas answered\n%s\nwithout\n%s", request, answer, part);
    free(answer);
}

void expect_without(const char *request, const char *part)
{
    char *answer = client_ask(&fixture, request);
    assert_true(strncmp(answer, "HTTP/1.1 ", 9) == 0);
    if (strstr(answer, part))
        fail_msg("%s\nwas answered\n%s\nwith\n%s", request, answer, part);
    free(answer);
}

unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

void wait_for_connections(uint64_t count)
{
    struct http_server_metrics metrics;
    do {
        sched_yield();
        http_server_metrics_read(fixture.server, &metrics);
    } while (metrics.connections_open != count);
}
