/* A scan gives every id that stays, once, whatever the table does in between. */
#include "engine_fixture.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/hash.h"

#define IDS 3000u

struct scanned {
    struct online_scan scan;
    struct arena arena;
    bool done;
};

static void scan_done(struct online_scan *scan)
{
    ((struct scanned *)scan->user)->done = true;
}

static void scan_some(struct fixture *f, struct scanned *scanned,
                      const struct catalog_entity *entity, str cursor, uint32_t limit)
{
    scanned->done = false;
    scanned->scan = (struct online_scan){.loop = &f->loop,
                                         .done = scan_done,
                                         .user = scanned,
                                         .arena = &scanned->arena,
                                         .entity_name = STR("user"),
                                         .entity = entity,
                                         .cursor = cursor,
                                         .limit = limit};
    error_clear(&scanned->scan.error);
    loop_enter(&f->loop);
    online_scan(f->store, &scanned->scan);
    assert_true(scanned->done);
}

static void put_ids(struct fixture *f, uint32_t feature, uint32_t from, uint32_t to)
{
    char id[24];
    for (uint32_t i = from; i < to; i++) {
        snprintf(id, sizeof(id), "user_%u", i);
        fixture_put(f, id, feature, value_int(i), 1);
    }
}

/* All of it, in how many calls; `turn` runs after each. The ids below IDS must come once. */
static uint32_t scan_all(struct fixture *f, uint32_t feature, uint32_t limit,
                         void (*turn)(struct fixture *f, uint32_t feature, uint32_t call))
{
    struct scanned scanned;
    uint8_t seen[IDS] = {0};
    char cursor[32] = "";
    uint32_t calls = 0;
    uint32_t most = 0;
    arena_init(&scanned.arena, 1 << 24);
    do {
        arena_reset(&scanned.arena);
        scan_some(f, &scanned, fixture_version(f, feature)->entity, str_from_cstr(cursor), limit);
        assert_true(status_is_ok(scanned.scan.status));
        for (uint32_t i = 0; i < scanned.scan.id_count; i++) {
            char text[24];
            unsigned number;
            snprintf(text, sizeof(text), "%.*s", STR_ARG(scanned.scan.entity_ids[i]));
            assert_int_equal(sscanf(text, "user_%u", &number), 1);
            if (number < IDS)
                seen[number]++;
        }
        most = scanned.scan.id_count > most ? scanned.scan.id_count : most;
        snprintf(cursor, sizeof(cursor), "%.*s", STR_ARG(scanned.scan.next_cursor));
        if (turn)
            turn(f, feature, calls);
        calls++;
    } while (cursor[0]);
    for (uint32_t i = 0; i < IDS; i++)
        assert_int_equal(seen[i], 1);
    arena_fini(&scanned.arena);
    assert_true(most <= 2 * limit + 16); /* about so many */
    return calls;
}

static void every_id_comes_once(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    put_ids(f, age, 0, IDS);
    static const uint32_t LIMITS[] = {1, 2, 7, 100, 1024, 100000};
    for (size_t i = 0; i < ARRAY_LEN(LIMITS); i++) {
        uint32_t calls = scan_all(f, age, LIMITS[i], NULL);
        assert_true(calls >= IDS / (2 * LIMITS[i] + 16));
        assert_true(LIMITS[i] < IDS || calls == 1);
    }
    fixture_close(f);
}

static void grow_and_shrink(struct fixture *f, uint32_t feature, uint32_t call)
{
    char id[24];
    if (call < 20)
        put_ids(f, feature, IDS * (call + 1), IDS * (call + 2));
    for (uint32_t i = 0; call >= 20 && call < 25 && i < IDS; i++) {
        snprintf(id, sizeof(id), "user_%u", IDS * (call - 19) + i);
        fixture_erase(f, id, feature);
    }
}

static void ids_that_stay_survive_growth(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    put_ids(f, age, 0, IDS);
    assert_true(scan_all(f, age, 256, grow_and_shrink) > 25);
    fixture_close(f);
}

static void refuse_cursor(struct fixture *f, struct scanned *scanned, uint32_t feature, str cursor)
{
    scan_some(f, scanned, fixture_version(f, feature)->entity, cursor, 5);
    assert_int_equal(scanned->scan.status.code, STATUS_INVALID);
}

static void a_cursor_is_checked(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    struct scanned scanned;
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    char cursor[32];
    static const char *const NONSENSE[] = {"0", "x", "ffffffffffffffff",
                                           "00000000ffffffffffffffff"};
    put_ids(f, age, 0, 10);
    arena_init(&scanned.arena, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(NONSENSE); i++)
        refuse_cursor(f, &scanned, age, str_from_cstr(NONSENSE[i]));
    scan_some(f, &scanned, fixture_version(f, age)->entity, str_of(NULL, 0), 1);
    int len = snprintf(cursor, sizeof(cursor), "%.*s", STR_ARG(scanned.scan.next_cursor));
    for (int i = 0; i < len; i++) {
        static const char WRONG[] = "G -F";
        char right = cursor[i];
        cursor[i] = WRONG[i % 4];
        refuse_cursor(f, &scanned, age, str_from_cstr(cursor));
        cursor[i] = right;
    }
    refuse_cursor(f, &scanned, age, str_of(cursor, (size_t)len - 1));
    memset(cursor + len - 16, 'f', 16);
    scan_some(f, &scanned, fixture_version(f, age)->entity, str_from_cstr(cursor), 5);
    assert_true(status_is_ok(scanned.scan.status));
    assert_int_equal(scanned.scan.next_cursor.len, 0);
    arena_fini(&scanned.arena);
    fixture_close(f);
}

/* Its hashes are others, so that going on there would miss ids. */
static void a_cursor_of_another_process_is_refused(void **state)
{
    (void)state;
    struct scanned scanned;
    char cursor[32];
    for (int i = 0; i < 2; i++) {
        struct fixture *f = fixture_open(0);
        uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
        put_ids(f, age, 0, 10);
        arena_init(&scanned.arena, 1 << 16);
        if (i == 0) {
            scan_some(f, &scanned, fixture_version(f, age)->entity, str_of(NULL, 0), 1);
            snprintf(cursor, sizeof(cursor), "%.*s", STR_ARG(scanned.scan.next_cursor));
        } else {
            refuse_cursor(f, &scanned, age, str_from_cstr(cursor));
        }
        arena_fini(&scanned.arena);
        fixture_close(f);
        hash_seed_init();
    }
}

static void what_is_not_there_has_no_ids(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    struct scanned scanned;
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    arena_init(&scanned.arena, 1 << 16);
    scan_some(f, &scanned, NULL, str_of(NULL, 0), 5);
    assert_true(status_is_ok(scanned.scan.status));
    assert_int_equal(scanned.scan.id_count + scanned.scan.next_cursor.len, 0);
    scan_some(f, &scanned, fixture_version(f, age)->entity, str_of(NULL, 0), 5);
    assert_true(status_is_ok(scanned.scan.status));
    assert_int_equal(scanned.scan.id_count + scanned.scan.next_cursor.len, 0);
    arena_fini(&scanned.arena);
    fixture_close(f);
}

static void a_scan_without_memory_says_so(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    struct scanned scanned;
    uint32_t age = fixture_add(f, "user", DATA_TYPE_INT, 0);
    put_ids(f, age, 0, IDS);
    arena_init(&scanned.arena, 1 << 13);
    scan_some(f, &scanned, fixture_version(f, age)->entity, str_of(NULL, 0), IDS);
    assert_int_equal(scanned.scan.status.code, STATUS_OUT_OF_MEMORY);
    arena_fini(&scanned.arena);
    fixture_close(f);
}

/* Nobody registered the entity: nothing of it is here. */
static void a_read_of_no_entity_finds_nothing(void **state)
{
    (void)state;
    struct fixture *f = fixture_open(0);
    str id = STR("user_1");
    struct cell cells[1] = {{.state = CELL_PRESENT}};
    struct online_read read = {
        .entity_name = STR("user"), .entity_ids = &id, .id_count = 1, .cells = cells};
    fixture_read(f, &read);
    assert_int_equal(cells[0].state, CELL_PRESENT); /* no version, no cell */
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_id_comes_once),
        cmocka_unit_test(ids_that_stay_survive_growth),
        cmocka_unit_test(a_cursor_is_checked),
        cmocka_unit_test(a_cursor_of_another_process_is_refused),
        cmocka_unit_test(what_is_not_there_has_no_ids),
        cmocka_unit_test(a_scan_without_memory_says_so),
        cmocka_unit_test(a_read_of_no_entity_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
