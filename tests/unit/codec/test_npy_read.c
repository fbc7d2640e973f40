#include "codec/npy_read.h"

#include <stdlib.h>

#include "fixture.h"

/* Version 1.0, with the length that the header has. */
static str file_of(char *file, const char *header, const char *data)
{
    size_t len = strlen(header);
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = (char)(len & 0xFF);
    file[9] = (char)(len >> 8);
    memcpy(file + 10, header, len);
    memcpy(file + 10 + len, data, strlen(data));
    return str_of(file, 10 + len + strlen(data));
}

#define DESCR "'descr': '|S2', "
#define ORDER "'fortran_order': False, "
#define SHAPE "'shape': (2,), "

static void headers_are_read(void **state)
{
    static const char *const HEADERS[] = {
        "{" DESCR ORDER SHAPE "}            \n",
        "{" SHAPE ORDER DESCR "}",
        "  { 'shape' : ( 2 , ) , \"descr\":\"|S2\",'fortran_order':False}\n\n",
        "{'descr':'|S2','fortran_order':False,'shape':(2,)}",
    };
    char file[256];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(HEADERS); i++) {
        struct npy_array array;
        struct error error;
        error_clear(&error);
        assert_true(status_is_ok(npy_read(file_of(file, HEADERS[i], "abcd"), &array, &error)));
        assert_str(array.descr, "|S2");
        assert_false(array.fortran_order);
        assert_int_equal(array.dimension_count, 1);
        assert_int_equal(array.shape[0], 2);
        assert_str(array.data, "abcd");
    }
}

static void later_versions_have_a_longer_length(void **state)
{
    static const char HEADER[] = "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 4), }";
    char file[256] = "\x93NUMPY";
    (void)state;
    for (char version = 2; version <= 3; version++) {
        struct npy_array array;
        size_t len = sizeof(HEADER) - 1;
        file[6] = version;
        file[8] = (char)len;
        memcpy(file + 12, HEADER, len);
        assert_true(status_is_ok(npy_read(str_of(file, 12 + len), &array, NULL)));
        assert_true(array.fortran_order);
        assert_int_equal(array.dimension_count, 2);
        assert_int_equal(array.shape[1], 4);
        assert_int_equal(array.data.len, 0);
    }
}

static void other_shapes(void **state)
{
    char file[512];
    struct npy_array array;
    (void)state;
    assert_true(
        status_is_ok(npy_read(file_of(file, "{" DESCR ORDER "'shape': ()}", ""), &array, NULL)));
    assert_int_equal(array.dimension_count, 0);
    assert_true(status_is_ok(npy_read(
        file_of(file, "{" DESCR ORDER "'shape': (2, 18446744073709551615)}", ""), &array, NULL)));
    assert_true(array.shape[1] == UINT64_MAX);
    assert_true(status_is_ok(
        npy_read(file_of(file, "{'descr': [('a', '<f8')], " ORDER SHAPE "}", ""), &array, NULL)));
    assert_null(array.descr.data);
}

static void what_is_no_header_is_refused(void **state)
{
    static const char *const HEADERS[] = {
        "",
        "{",
        "{}",
        "{" DESCR ORDER "}",
        "{" DESCR ORDER SHAPE SHAPE "}",
        "{" DESCR ORDER SHAPE "'more': 1}",
        "{" DESCR ORDER SHAPE "} x",
        "{" DESCR ORDER "'shape': (2)}",
        "{" DESCR ORDER "'shape': (,)}",
        "{" DESCR ORDER "'shape': (-1,)}",
        "{" DESCR ORDER "'shape': (18446744073709551616,)}",
        "{" DESCR ORDER "'shape': (1 2)}",
        "{" DESCR ORDER "'shape': (1, 2",
        "{" DESCR ORDER "'shape': 2}",
        "{" DESCR "'fortran_order': 0, " SHAPE "}",
        "{" DESCR "'fortran_order': No",
        "{'descr': 5, " ORDER SHAPE "}",
        "{'descr': '|S2, }",
        "{'descr': '|S\\x32', " ORDER SHAPE "}",
        "{'descr' '|S2'}",
        "{" DESCR ORDER
        "'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
        "\x80\x02}q\x01.",
    };
    char file[512];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(HEADERS); i++) {
        struct npy_array array;
        struct error error;
        error_clear(&error);
        status result = npy_read(file_of(file, HEADERS[i], "abcd"), &array, &error);
        if (result.code != STATUS_MALFORMED)
            print_error("taken: %s\n", HEADERS[i]);
        assert_int_equal(result.code, STATUS_MALFORMED);
        assert_non_null(strstr(error.detail, "at byte "));
    }
}

/* Every byte of it is needed; what is cut off is not read (a sanitizer would see it). */
static void a_cut_header_is_refused(void **state)
{
    struct error error;
    char whole[256];
    struct npy_array array;
    (void)state;
    str file = file_of(whole, "{" DESCR ORDER SHAPE "}\n", "");
    for (size_t len = 0; len < file.len; len++) {
        char *exact = malloc(len ? len : 1);
        memcpy(exact, file.data, len);
        assert_int_equal(npy_read(str_of(exact, len), &array, &error).code, STATUS_MALFORMED);
        if (len >= 10)
            assert_non_null(strstr(error.detail, "the header is cut off"));
        free(exact);
    }
    whole[6] = 4;
    assert_int_equal(npy_read(file, &array, NULL).code, STATUS_MALFORMED);
    whole[6] = 0;
    assert_int_equal(npy_read(file, &array, NULL).code, STATUS_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read),
        cmocka_unit_test(later_versions_have_a_longer_length),
        cmocka_unit_test(other_shapes),
        cmocka_unit_test(what_is_no_header_is_refused),
        cmocka_unit_test(a_cut_header_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
