/* Answers as Arrow streams, of a store that answers at once and of one that answers later: batches
 * may end elsewhere, but the rows are the same. */
#include "api_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/arrow_read_batch.h"

#define ARROW "Accept: application/vnd.apache.arrow.stream\r\n"
#define LINES "Content-Type: text/plain\r\n"
#define NPY "Accept: application/x-npy\r\n"

/* f0 int, f1 string, f2 float of another entity, f3 embedding, f4 boolean */
static void fill(struct api_fixture *f)
{
    static const float NUMBERS[] = {0.5f, -1};
    const struct value vector = {.type = DATA_TYPE_EMBEDDING, .embedding = {NUMBERS, 2}};
    char id[16];
    fixture_add(f->engine, "user", DATA_TYPE_INT, 0);
    fixture_add(f->engine, "user", DATA_TYPE_STRING, 0);
    fixture_add(f->engine, "driver", DATA_TYPE_FLOAT, 0);
    uint32_t vectors = fixture_add(f->engine, "user", DATA_TYPE_EMBEDDING, 0);
    f->engine->features[vectors].dimension = 2; /* counts with the next one */
    fixture_add(f->engine, "user", DATA_TYPE_BOOLEAN, 0);
    for (uint32_t i = 0; i < 300; i++) {
        struct value real = {.type = DATA_TYPE_FLOAT, .real = i / 2.0};
        struct value boolean = {.type = DATA_TYPE_BOOLEAN, .boolean = i % 2};
        snprintf(id, sizeof(id), "u%u", i * 7);
        fixture_put(f->engine, id, 0, value_int(i), 1000000);
        if (i % 3 == 0)
            fixture_put(f->engine, id, 1, value_text(str_from_cstr(id)), 3000000);
        if (i % 5 == 0)
            fixture_put(f->engine, id, 2, real, 4000000);
        if (i % 4 == 0)
            fixture_put(f->engine, id, 3, vector, 5000000);
        if (i % 2 == 0)
            fixture_put(f->engine, id, 4, boolean, 5000000);
    }
}

/* u0 and so on, a line each; to be freed */
static str lines_of(uint32_t ids)
{
    size_t capacity = (size_t)ids * 16 + 1;
    char *text = malloc(capacity);
    size_t len = 0;
    for (uint32_t i = 0; i < ids; i++)
        len += (size_t)snprintf(text + len, capacity - len, "u%u\n", i);
    return str_of(text, len);
}

static void dump_cell(struct buffer *out, const struct arrow_array *array, uint64_t i)
{
    uint32_t ends[2] = {0, 0};
    if (array->validity && !(array->validity[i / 8] >> i % 8 & 1)) {
        buffer_append_char(out, '-');
        return;
    }
    switch (array->field->type) {
    case ARROW_UTF8:
        memcpy(ends, array->values + i * 4, sizeof(ends));
        buffer_append(out, array->text.data + ends[0], ends[1] - ends[0]);
        break;
    case ARROW_BOOL:
        buffer_append_char(out, array->values[i / 8] >> i % 8 & 1 ? 't' : 'f');
        break;
    case ARROW_FIXED_SIZE_LIST:
        buffer_append(out, array->items->values + i * 8, 8); /* of two numbers */
        break;
    case ARROW_NULL:
        break;
    default:
        buffer_append(out, array->values + i * 8, 8);
    }
}

static void dump_batch(struct buffer *out, const struct arrow_schema *schema,
                       const struct arrow_batch *batch)
{
    for (uint64_t i = 0; i < batch->length; i++) {
        for (uint32_t field = 0; field < schema->field_count; field = schema->fields[field].end) {
            dump_cell(out, &batch->arrays[field], i);
            buffer_append_char(out, '|');
        }
        buffer_append_char(out, '\n');
    }
}

/* Each row on a line; how many batches there were. */
static uint32_t dump(struct buffer *out, const struct answer *answer)
{
    str rest = str_of(answer->body, answer->body_len);
    struct arrow_schema schema;
    struct arrow_message message;
    struct arrow_batch batch = {0};
    uint32_t batches = 0;
    arrow_schema_init(&schema);
    assert_int_equal(arrow_message_take(rest, &message, NULL), ARROW_MESSAGE);
    assert_true(status_is_ok(arrow_schema_read(&schema, &message, NULL)));
    for (uint32_t i = 0; i < schema.field_count; i++)
        schema.fields[i].is_wanted = true;
    for (;; batches++) {
        rest = str_of(rest.data + message.bytes, rest.len - message.bytes);
        if (arrow_message_take(rest, &message, NULL) == ARROW_END)
            break;
        assert_true(status_is_ok(arrow_batch_read(&batch, &schema, &message, NULL)));
        assert_true(batch.length > 0);
        dump_batch(out, &schema, &batch);
    }
    assert_int_equal(rest.len, 8);
    arrow_batch_fini(&batch);
    arrow_schema_fini(&schema);
    return batches;
}

static struct answer ask_for_names(struct api_fixture *f, const char *names, const char *accept,
                                   str ids)
{
    char target[256];
    char headers[256];
    snprintf(target, sizeof(target), "/features/online?feature_names=%s", names);
    snprintf(headers, sizeof(headers), LINES "%s", accept);
    struct answer answer = api_ask(f, "POST", target, headers, ids);
    assert_int_equal(answer.status, 200);
    assert_true(answer.whole);
    return answer;
}

static void late_columns_are_the_same(void **state)
{
    static const char *const NAMES[] = {"f0", "f0,f4", "f1,f0", "nobody", "f2,f3,nobody,f1,f0",
                                        "f3"};
    static const uint32_t IDS[] = {0, 1, 31, 33, 256, 257, 500, 1025, 5000};
    struct api_fixture *now = api_fixture_open(false);
    struct api_fixture *later = api_fixture_open(true);
    (void)state;
    fill(now);
    fill(later);
    for (size_t i = 0; i < ARRAY_LEN(IDS) * ARRAY_LEN(NAMES); i++) {
        struct buffer rows[2];
        const char *names = NAMES[i % ARRAY_LEN(NAMES)];
        str ids = lines_of(IDS[i / ARRAY_LEN(NAMES)]);
        for (int late = 0; late < 2; late++) {
            struct answer answer = ask_for_names(late ? later : now, names, ARROW, ids);
            buffer_init(&rows[late], SIZE_MAX);
            dump(&rows[late], &answer);
            answer_free(&answer);
        }
        assert_int_equal(rows[0].len, rows[1].len);
        if (rows[0].len)
            assert_memory_equal(rows[0].data, rows[1].data, rows[0].len);
        buffer_fini(&rows[0]);
        buffer_fini(&rows[1]);
        free((void *)ids.data);
    }
    api_fixture_close(now);
    api_fixture_close(later);
}

/* The vector of a model for 500 candidates is one batch, of one slice. */
static void a_batch_of_500_is_one(void **state)
{
    struct api_fixture *f = api_fixture_open(false);
    struct buffer rows;
    (void)state;
    fill(f);
    str ids = lines_of(500);
    struct answer answer = ask_for_names(f, "f0,f4,f0@1,f4@1", ARROW, ids);
    buffer_init(&rows, SIZE_MAX);
    assert_int_equal(dump(&rows, &answer), 1);
    assert_true(str_starts_with(buffer_str(&rows), STR("u0|\0\0\0\0\0\0\0\0|f|")));
    assert_non_null(strstr(answer.head, "Content-Length: "));
    buffer_fini(&rows);
    answer_free(&answer);
    free((void *)ids.data);
    api_fixture_close(f);
}

/* Ids that came alone are read as those of JSON are, of either store. */
static void lines_are_the_same(void **state)
{
    struct api_fixture *now = api_fixture_open(false);
    struct api_fixture *later = api_fixture_open(true);
    (void)state;
    fill(now);
    fill(later);
    for (uint32_t count = 0; count < 3000; count = count * 5 + 1) {
        str ids = lines_of(count);
        struct answer first = ask_for_names(now, "f0,f3", NPY, ids);
        struct answer second = ask_for_names(later, "f0,f3", NPY, ids);
        assert_int_equal(first.body_len, second.body_len);
        assert_memory_equal(first.body, second.body, first.body_len);
        answer_free(&first);
        answer_free(&second);
        free((void *)ids.data);
    }
    api_fixture_close(now);
    api_fixture_close(later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_columns_are_the_same),
        cmocka_unit_test(a_batch_of_500_is_one),
        cmocka_unit_test(lines_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
