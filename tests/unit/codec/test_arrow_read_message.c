#include "codec/arrow_read_message.h"

#include "fixture.h"

/* A message of type `type` with a header table that is empty, and 8 bytes of body. */
static const char MESSAGE[] =
    "\xFF\xFF\xFF\xFF\x30\0\0\0"           /* 48 bytes of metadata */
    "\x10\0\0\0"                           /* the root is at 16 */
    "\x0C\0\x18\0\x04\0\x06\0\x08\0\x10\0" /* at 4 its vtable: 12 bytes; the table has 24 */
    "\x0C\0\0\0"                           /* at 16 the table: its vtable is 12 before */
    "\x04\0"                               /* version V5 */
    "\x03\0"                               /* a record batch */
    "\x10\0\0\0\0\0\0\0"                   /* at 24 the header: 16 further, at 40 */
    "\x08\0\0\0\0\0\0\0"                   /* at 32 the length of the body */
    "\x04\0\0\0\x04\0\x04\0"               /* at 40 the header, at 44 its vtable */
    "body1234";

static void put(char *message, size_t at, char byte)
{
    message[8 + at] = byte;
}

static enum arrow_taken take(const char *message, size_t len, struct error *error)
{
    struct arrow_message out;
    error_clear(error);
    return arrow_message_take(str_of(message, len), &out, error);
}

static void a_message(void **state)
{
    char message[sizeof(MESSAGE) - 1];
    struct arrow_message out;
    struct error error;
    (void)state;
    memcpy(message, MESSAGE, sizeof(message));
    /* The header's vtable lies behind it: the distance is negative. */
    put(message, 40, (char)0xFC);
    for (size_t i = 41; i < 44; i++)
        put(message, i, (char)0xFF);
    for (size_t len = 0; len < sizeof(message); len++)
        assert_int_equal(take(message, len, &error), ARROW_NEED_MORE);
    assert_int_equal(arrow_message_take(str_of(message, sizeof(message)), &out, &error),
                     ARROW_MESSAGE);
    assert_int_equal(out.version, ARROW_VERSION_V5);
    assert_int_equal(out.type, ARROW_RECORD_BATCH);
    assert_int_equal(out.bytes, sizeof(message));
    assert_str(out.body, "body1234");
    assert_false(out.metadata.is_damaged);

    put(message, 20, 2);
    assert_int_equal(take(message, sizeof(message), &error), ARROW_FAILED);
    assert_non_null(strstr(error.detail, "metadata version 3"));
    put(message, 20, 4);
    put(message, 39, (char)0x80); /* a body of less than no bytes */
    assert_int_equal(take(message, sizeof(message), &error), ARROW_FAILED);
    assert_int_equal(error.code, STATUS_INVALID);
    put(message, 39, 1);
    assert_int_equal(take(message, sizeof(message), &error), ARROW_FAILED);
    assert_int_equal(error.code, STATUS_TOO_LARGE);
    assert_non_null(strstr(error.detail, "max_chunksize"));
    put(message, 39, 0);
    put(message, 24, 0); /* the header is where it is referred to */
    assert_int_equal(take(message, sizeof(message), &error), ARROW_FAILED);
    assert_int_equal(error.code, STATUS_INVALID);
}

static void what_is_none(void **state)
{
    struct error error;
    (void)state;
    assert_int_equal(take("\xFF\xFF\xFF\xFF\0\0\0\0", 8, &error), ARROW_END);
    assert_int_equal(take("\xFF\xFF\xFF\xFF\x01\0\0\x01", 8, &error), ARROW_FAILED);
    assert_int_equal(error.code, STATUS_TOO_LARGE);
    assert_non_null(strstr(error.detail, "16777217 bytes of metadata, at most 16777216"));
    assert_int_equal(take("PAR1\0\0\0\0", 8, &error), ARROW_FAILED);
    assert_non_null(strstr(error.detail, "Parquet"));
    assert_int_equal(take("entity_id,i\n", 12, &error), ARROW_FAILED);
    assert_non_null(strstr(error.detail, "not an Arrow IPC stream"));
    assert_int_equal(take("\xFF\xFF\xFF\xFF\x01\0\0\x01", 8, &error), ARROW_FAILED);
    assert_int_equal(error.code, STATUS_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message),
        cmocka_unit_test(what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
