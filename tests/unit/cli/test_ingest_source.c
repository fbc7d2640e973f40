#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/ingest_source.h"
#include "codec/arrow_read_message.h"

static char path[32];

static void write_file(str text)
{
    strcpy(path, "/tmp/test_source_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.data, text.len), (ssize_t)text.len);
    close(fd);
}

static void open_source(struct ingest_source *source, enum ingest_format format,
                        uint64_t part_bytes)
{
    assert_true(status_is_ok(ingest_source_open(source, path, format, part_bytes, NULL)));
}

/* The parts, each ended by '|', read in pieces of `room`. */
static void read_parts(struct ingest_source *source, size_t room, struct buffer *out)
{
    char piece[64];
    assert_true(room <= sizeof(piece));
    while (ingest_source_next_part(source)) {
        ssize_t got;
        while ((got = ingest_source_read(source, piece, room)) > 0)
            buffer_append(out, piece, (size_t)got);
        assert_int_equal(got, 0);
        buffer_append_char(out, '|');
    }
    assert_false(out->failed);
}

static void parts_are(const char *text, enum ingest_format format, uint64_t part_bytes,
                      const char *expected, uint64_t rows)
{
    for (size_t room = 1; room <= 64; room++) {
        struct ingest_source source;
        struct buffer out;
        buffer_init(&out, 1 << 20);
        write_file(str_from_cstr(text));
        open_source(&source, format, part_bytes);
        read_parts(&source, room, &out);
        buffer_append_char(&out, '\0');
        assert_string_equal(out.data, expected);
        assert_int_equal(source.rows, rows);
        assert_int_equal(source.bytes, strlen(text));
        assert_int_equal(source.total_bytes, strlen(text));
        ingest_source_close(&source);
        buffer_fini(&out);
        unlink(path);
    }
}

static void ndjson_is_cut_between_lines(void **state)
{
    (void)state;
    parts_are("{\"a\":1}\n{\"b\":2}\n\n{\"c\":3}", INGEST_NDJSON, 1000,
              "{\"a\":1}\n{\"b\":2}\n\n{\"c\":3}|", 3);
    parts_are("11111\n2\n3\n4", INGEST_NDJSON, 4, "11111\n|2\n3\n|4|", 4);
    parts_are("1\n2\n", INGEST_NDJSON, 2, "1\n|2\n|", 2);
}

static void csv_parts_begin_with_the_header(void **state)
{
    (void)state;
    parts_are("id,a\n1,2\n3,4\n5,6", INGEST_CSV, 10, "id,a\n1,2\n3,4\n|id,a\n5,6|", 3);
    parts_are("id,a\r\n1,2\r\n3,4\r\n", INGEST_CSV, 1, "id,a\r\n|id,a\r\n1,2\r\n|id,a\r\n3,4\r\n|",
              2);
}

static void csv_is_not_cut_inside_quotes(void **state)
{
    (void)state;
    parts_are("id,a\n1,\"x\ny\"\n2,\"q\"\"\n\"\"\"\n3,a\"b\n4,\"\"\n", INGEST_CSV, 1,
              "id,a\n|id,a\n1,\"x\ny\"\n|id,a\n2,\"q\"\"\n\"\"\"\n|id,a\n3,a\"b\n|id,a\n4,\"\"\n|",
              4);
    parts_are("\"i\nd\",a\n1,2\n3,4\n", INGEST_CSV, 12, "\"i\nd\",a\n1,2\n|\"i\nd\",a\n3,4\n|", 2);
}

/* The bytes of one of tests/vectors/arrow. */
static void load_vector(const char *name, struct buffer *out)
{
    char from[1024];
    snprintf(from, sizeof(from), "%s%s", ARROW_VECTORS, name);
    FILE *file = fopen(from, "rb");
    assert_non_null(file);
    buffer_init(out, 1 << 20);
    buffer_commit(out, fread(buffer_reserve(out, 1 << 16), 1, 1 << 16, file));
    fclose(file);
}

/* Where the messages of dictionaries.arrows begin: schema, ids, texts, batch, and the last three
 * again, and the end. */
struct messages {
    size_t at[9];
    size_t count;
};

static void find_messages(str stream, struct messages *out)
{
    struct arrow_message message = {0};
    *out = (struct messages){.at = {0}};
    for (size_t at = 0; at <= stream.len; at += message.bytes) {
        assert_true(out->count < ARRAY_LEN(out->at));
        out->at[out->count++] = at;
        if (arrow_message_take(str_of(stream.data + at, stream.len - at), &message, NULL) !=
            ARROW_MESSAGE)
            return;
    }
}

static void append_messages(struct buffer *out, str stream, const struct messages *messages,
                            size_t from, size_t to)
{
    buffer_append(out, stream.data + messages->at[from], messages->at[to] - messages->at[from]);
}

static void assert_arrow(str file, uint64_t part_bytes, str expected, uint64_t rows)
{
    for (size_t room = 1; room <= 64; room += 7) {
        struct ingest_source source;
        struct buffer out;
        buffer_init(&out, 1 << 20);
        write_file(file);
        open_source(&source, INGEST_ARROW, part_bytes);
        read_parts(&source, room, &out);
        assert_true(str_eq(buffer_str(&out), expected));
        assert_int_equal(source.rows, rows);
        assert_int_equal(source.bytes, file.len);
        ingest_source_close(&source);
        buffer_fini(&out);
        unlink(path);
    }
}

static void arrow_parts_begin_with_what_batches_need(void **state)
{
    struct messages messages;
    struct buffer stream;
    struct buffer expected;
    (void)state;
    load_vector("dictionaries.arrows", &stream);
    str whole = buffer_str(&stream);
    find_messages(whole, &messages);
    assert_int_equal(messages.count, 8);
    buffer_init(&expected, 1 << 20);
    append_messages(&expected, whole, &messages, 0, 7);
    buffer_append_char(&expected, '|');
    assert_arrow(whole, 1 << 20, buffer_str(&expected), 6);
    buffer_reset(&expected, SIZE_MAX);
    append_messages(&expected, whole, &messages, 0, 6);
    buffer_append_char(&expected, '|');
    append_messages(&expected, whole, &messages, 0, 3);
    append_messages(&expected, whole, &messages, 4, 6);
    append_messages(&expected, whole, &messages, 6, 7);
    buffer_append_char(&expected, '|');
    assert_arrow(whole, 1, buffer_str(&expected), 6);
    buffer_fini(&expected);
    buffer_fini(&stream);
}

static void an_arrow_file_is_sent_as_a_stream(void **state)
{
    struct messages messages;
    struct buffer file;
    struct buffer expected;
    (void)state;
    load_vector("file.arrow", &file);
    str stream = str_of(file.data + 8, file.len - 8);
    find_messages(stream, &messages);
    buffer_init(&expected, 1 << 20);
    append_messages(&expected, stream, &messages, 0, 2);
    buffer_append_char(&expected, '|');
    assert_arrow(buffer_str(&file), 1, buffer_str(&expected), 3);
    buffer_fini(&expected);
    buffer_fini(&file);
}

/* The server says what is wrong with it. */
static void what_is_no_arrow_is_sent_as_it_is(void **state)
{
    struct buffer cut;
    (void)state;
    parts_are("entity_id,i\nu,1\n", INGEST_ARROW, 1, "entity_id,i\nu,1\n|", 0);
    parts_are("u", INGEST_ARROW, 1, "u|", 0);
    parts_are("", INGEST_ARROW, 1, "|", 0);
    load_vector("v4.arrows", &cut);
    cut.len -= 20;
    str stream = buffer_str(&cut);
    buffer_append_char(&cut, '|');
    assert_arrow(stream, 1 << 20, buffer_str(&cut), 0);
    buffer_fini(&cut);
}

static void an_empty_file_is_one_empty_part(void **state)
{
    (void)state;
    parts_are("", INGEST_NDJSON, 10, "|", 0);
    parts_are("id,a\n", INGEST_CSV, 10, "id,a\n|", 0);
    parts_are("id,a", INGEST_CSV, 1, "id,a|", 0);
}

/* Row i of the file is "i"; in part p its line must lead back to the file's. */
static void lines_lead_back_to_the_file(void **state)
{
    struct ingest_source source;
    struct buffer out;
    (void)state;
    buffer_init(&out, 1000);
    write_file(STR("id\n2\n3\n4\n5\n"));
    open_source(&source, INGEST_CSV, 5);
    char piece[64];
    assert_true(ingest_source_next_part(&source)); /* id 2 */
    assert_int_equal(ingest_source_line(&source, 2), 2);
    while (ingest_source_read(&source, piece, sizeof(piece)) > 0) {
    }
    assert_true(ingest_source_next_part(&source)); /* id 3 4 5 */
    assert_int_equal(ingest_source_line(&source, 1), 1);
    assert_int_equal(ingest_source_line(&source, 2), 3);
    assert_int_equal(ingest_source_line(&source, 4), 5);
    ingest_source_close(&source);
    unlink(path);
    write_file(STR("1\n2\n3\n4\n"));
    open_source(&source, INGEST_NDJSON, 4);
    assert_true(ingest_source_next_part(&source));
    assert_int_equal(ingest_source_line(&source, 2), 2);
    while (ingest_source_read(&source, piece, sizeof(piece)) > 0) {
    }
    assert_true(ingest_source_next_part(&source));
    assert_int_equal(ingest_source_line(&source, 1), 3);
    ingest_source_close(&source);
    unlink(path);
    buffer_fini(&out);
}

/* A writer that pauses after a row ends the part. */
static void a_silent_pipe_ends_the_part(void **state)
{
    struct ingest_source source;
    struct buffer out;
    char piece[64];
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
    open_source(&source, INGEST_NDJSON, 1000);
    assert_int_equal(source.total_bytes, 0);
    assert_int_equal(write(ends[1], "1\n2\n", 4), 4);
    assert_true(ingest_source_next_part(&source));
    assert_int_equal(ingest_source_read(&source, piece, sizeof(piece)), 4);
    assert_int_equal(ingest_source_read(&source, piece, sizeof(piece)), 0);
    assert_int_equal(write(ends[1], "3\n", 2), 2);
    close(ends[1]);
    buffer_init(&out, 1000);
    read_parts(&source, 64, &out);
    buffer_append_char(&out, '\0');
    assert_string_equal(out.data, "3\n|");
    assert_int_equal(source.rows, 3);
    buffer_fini(&out);
    ingest_source_close(&source);
    close(ends[0]);
}

static void what_cannot_be_read_is_an_error(void **state)
{
    struct ingest_source source;
    struct error error;
    (void)state;
    error_clear(&error);
    assert_int_equal(ingest_source_open(&source, "/nonexistent", INGEST_CSV, 1, &error).code,
                     STATUS_NOT_FOUND);
    assert_int_equal(ingest_source_open(&source, "/tmp", INGEST_CSV, 1, &error).code, STATUS_IO);
    assert_string_equal(error.detail, "cannot read /tmp: Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ndjson_is_cut_between_lines),
        cmocka_unit_test(csv_parts_begin_with_the_header),
        cmocka_unit_test(csv_is_not_cut_inside_quotes),
        cmocka_unit_test(arrow_parts_begin_with_what_batches_need),
        cmocka_unit_test(an_arrow_file_is_sent_as_a_stream),
        cmocka_unit_test(what_is_no_arrow_is_sent_as_it_is),
        cmocka_unit_test(an_empty_file_is_one_empty_part),
        cmocka_unit_test(lines_lead_back_to_the_file),
        cmocka_unit_test(a_silent_pipe_ends_the_part),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
    };
    return cmocka_run_group_tests_name("ingest_source", tests, NULL, NULL);
}
