/* A row as Redis might answer it: fields, texts and __event_times that anybody may have written. The first
 * byte says whether columns were named (HMGET) or everything was asked for; the rest are the elements of
 * the reply, each ended by 0x1f, one of a single 0x1e nil. What is read is a value as this server would
 * have written it, and reads back as the same. A row read by the pattern of one that differs in a byte is what
 * it is without a pattern. */
#include <math.h>
#include <stdint.h>

#include "base/assert.h"
#include "model/cell_rule.h"
#include "online/redis/redis_row.h"
#include "online/redis/redis_value.h"

#define ELEMENTS_MAX 64u
#define NOW_US 1000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const NAMES[DATA_TYPE_COUNT] = {"i", "f", "b", "s", "t", "e", "j"};

static void check_value(const struct value *value, struct arena *arena)
{
    struct buffer scratch;
    struct value again;
    bool is_one;
    ASSERT(!value->is_null && value->type < DATA_TYPE_COUNT);
    ASSERT(value->type != DATA_TYPE_FLOAT || isfinite(value->real));
    ASSERT(value->type != DATA_TYPE_STRING || str_is_utf8(value->text));
    buffer_init(&scratch, 8 << 20);
    str text = redis_value_text(value, &scratch);
    ASSERT(status_is_ok(redis_value_read(text, value->type, 0, arena, &again, &is_one)));
    ASSERT(is_one && value_eq(value, &again));
    buffer_fini(&scratch);
}

static uint32_t split(str rest, redisReply *elements, redisReply **pointers)
{
    uint32_t count = 0;
    while (rest.len > 0 && count < ELEMENTS_MAX) {
        str one = str_split(rest, '\x1f', &rest);
        bool is_nil = str_eq(one, STR("\x1e"));
        elements[count] = (redisReply){.type = is_nil ? REDIS_REPLY_NIL : REDIS_REPLY_STRING};
        if (!is_nil) {
            elements[count].str = (char *)(uintptr_t)one.data;
            elements[count].len = one.len;
        }
        pointers[count] = &elements[count];
        count++;
    }
    return count;
}

static void check_cells(const struct cell *cells, const struct online_others *others,
                        struct arena *arena)
{
    for (uint32_t i = 0; i < DATA_TYPE_COUNT; i++) {
        ASSERT(cells[i].state <= CELL_EXPIRED);
        if (cells[i].state == CELL_PRESENT)
            check_value(&cells[i].value, arena);
    }
    for (uint32_t i = 0; others != NULL && i < others->count; i++) {
        ASSERT(str_is_utf8(others->items[i].name));
        check_value(&others->items[i].value, arena);
    }
}

static void check_same(const struct cell *a, const struct cell *b)
{
    for (uint32_t i = 0; i < DATA_TYPE_COUNT; i++) {
        ASSERT(a[i].state == b[i].state);
        if (a[i].state == CELL_NOT_FOUND)
            continue;
        ASSERT(a[i].event_time_us == b[i].event_time_us);
        ASSERT(a[i].state != CELL_PRESENT || value_eq(&a[i].value, &b[i].value));
    }
}

/* The row, and the row with one byte of its event times changed, both after it. */
static void check_pattern(struct redis_columns *columns, const redisReply *row, uint8_t choice,
                          struct arena *arena)
{
    struct redis_columns plain = *columns;
    redisReply *times = row->element[row->elements - 1];
    struct cell cells[2][DATA_TYPE_COUNT];
    bool is_damaged[2] = {false, false};
    struct error error;
    char *text = times->len ? arena_alloc(arena, times->len) : NULL;
    if (row->elements != DATA_TYPE_COUNT + 1 || text == NULL)
        return;
    ASSERT(redis_columns_expect_many(columns, arena));
    memcpy(text, times->str, times->len);
    times->str = text;
    for (int round = 0; round < 2; round++) {
        ASSERT(status_is_ok(redis_row_read(columns, row, NOW_US, arena, cells[0], NULL,
                                           &is_damaged[0], &error)));
        ASSERT(status_is_ok(redis_row_read(&plain, row, NOW_US, arena, cells[1], NULL,
                                           &is_damaged[1], &error)));
        ASSERT(is_damaged[0] == is_damaged[1]);
        check_same(cells[0], cells[1]);
        text[choice % times->len] ^= (char)(1 << choice % 7);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct catalog_feature features[DATA_TYPE_COUNT] = {0};
    struct catalog_version versions[DATA_TYPE_COUNT];
    const struct catalog_version *pointers[DATA_TYPE_COUNT];
    redisReply elements[ELEMENTS_MAX];
    redisReply *element_pointers[ELEMENTS_MAX];
    redisReply reply = {.type = REDIS_REPLY_ARRAY, .element = element_pointers};
    struct cell cells[DATA_TYPE_COUNT];
    struct online_others others;
    struct redis_columns columns;
    struct arena arena;
    struct error error;
    bool is_damaged = false;
    if (size == 0)
        return 0;
    bool is_all = data[0] & 1;
    arena_init(&arena, 64 << 20);
    for (uint32_t i = 0; i < DATA_TYPE_COUNT; i++) {
        features[i].definition.name = str_from_cstr(NAMES[i]);
        versions[i] = (struct catalog_version){
            .id = i + 1,
            .number = 1 + i / 4,
            .slot = i,
            .data_type = (enum data_type)i,
            .dead_before_us = CELL_NEVER_DEAD,
            .ttl_us = i % 2 ? NOW_US : 0,
            .feature = &features[i],
        };
        pointers[i] = &versions[i];
    }
    reply.elements = split(str_of((const char *)data + 1, size - 1), elements, element_pointers);
    ASSERT(redis_columns_init(&columns, pointers, DATA_TYPE_COUNT, &arena));
    status result = redis_row_read(&columns, &reply, NOW_US, &arena, cells,
                                   is_all ? &others : NULL, &is_damaged, &error);
    if (status_is_ok(result))
        check_cells(cells, is_all ? &others : NULL, &arena);
    else
        ASSERT(result.code == STATUS_UNAVAILABLE && error.detail[0]);
    if (status_is_ok(result) && !is_all)
        check_pattern(&columns, &reply, data[0], &arena);
    arena_fini(&arena);
    return 0;
}
