/* What the tests of codec share: a catalog with a feature of every type, and errors as text. */
#ifndef FEATURED_TESTS_CODEC_FIXTURE_H
#define FEATURED_TESTS_CODEC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/error.h"
#include "model/catalog.h"

#define FIXTURE_NOW_US INT64_C(1767323045000000) /* 2026-01-02T03:04:05Z */

/* Features of `user`: i (int, version 2 is a string), f, b, s, t, e (embedding), e3 (of dimension
 * 3), j (json), n (int, not nullable), m (string, not nullable); of `driver`: d (int). */
const struct catalog *fixture_catalog(uint64_t revision);

/* "422 body.features.0.value int_type" */
const char *fixture_error(const struct error *error);
/* The same for a loc alone. */
const char *fixture_loc(const struct error *error);

static inline void assert_str(str actual, const char *expected)
{
    if (!str_eq(actual, str_from_cstr(expected)))
        print_error("got: %.*s\n", STR_ARG(actual));
    assert_true(str_eq(actual, str_from_cstr(expected)));
}

/* A seed from the clock, printed, so that a failure can be repeated with FEATURED_TEST_SEED. */
uint64_t fixture_seed(void);
uint64_t fixture_random(uint64_t *state);

#endif
