/* The one server of a test program, and what tests say to it and expect of it. */
#ifndef FEATURED_TESTS_HTTP_SERVED_H
#define FEATURED_TESTS_HTTP_SERVED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_fixture.h"

#define HOST "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define COUNTED "POST /counted HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

extern struct fixture fixture;

/* A test that starts it with the default limits. */
#define SERVED(test) cmocka_unit_test_setup_teardown(test, served_setup, served_teardown)
int served_setup(void **state);
int served_teardown(void **state);

/* Fail if the answer to the request lacks the part, or has it. */
void expect(const char *request, const char *part);
void expect_without(const char *request, const char *part);
unsigned count_of(const char *text, const char *part);
/* Returns once so many are open. */
void wait_for_connections(uint64_t count);

#endif
