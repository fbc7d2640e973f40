#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/compiler.h"
#include "runtime/deadline.h"

#define OBJECTS 64

struct object {
    struct deadline deadline;
    int64_t expected_ms; /* DEADLINE_NEVER: must not be reported */
};

struct world {
    struct deadlines deadlines;
    struct object objects[OBJECTS];
    int64_t now_ms;
    int reported;
};

static void on_reached(struct deadline *deadline, void *context)
{
    struct world *world = context;
    struct object *object = CONTAINER_OF(deadline, struct object, deadline);
    assert_true(object->expected_ms <= world->now_ms);
    object->expected_ms = DEADLINE_NEVER;
    world->reported++;
}

static void expire_at(struct world *world, int64_t now_ms)
{
    world->now_ms = now_ms;
    deadlines_expire(&world->deadlines, now_ms, on_reached, world);
}

static void set(struct world *world, int i, int64_t at_ms)
{
    world->objects[i].expected_ms = at_ms;
    (void)deadline_set(&world->deadlines, &world->objects[i].deadline, at_ms);
}

static struct world *new_world(int64_t now_ms)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    deadlines_init(&world->deadlines, now_ms);
    for (int i = 0; i < OBJECTS; i++)
        world->objects[i].expected_ms = DEADLINE_NEVER;
    return world;
}

static void test_reported_in_time(void **state)
{
    struct world *world = new_world(1000);
    (void)state;
    assert_int_equal(deadlines_next_ms(&world->deadlines), DEADLINE_NEVER);
    set(world, 0, 1250);
    assert_int_equal(deadlines_next_ms(&world->deadlines), 1300);
    expire_at(world, 1299);
    assert_int_equal(world->reported, 0);
    expire_at(world, 1300);
    assert_int_equal(world->reported, 1);
    assert_int_equal(deadlines_next_ms(&world->deadlines), DEADLINE_NEVER);
    free(world);
}

static void test_moved_back_and_forth(void **state)
{
    struct world *world = new_world(0);
    (void)state;
    set(world, 0, 75000);
    set(world, 0, 500);
    assert_int_equal(deadlines_next_ms(&world->deadlines), 500);
    set(world, 0, 2000); /* lazily: the list of 500 still holds it */
    expire_at(world, 600);
    assert_int_equal(world->reported, 0);
    assert_int_equal(deadlines_next_ms(&world->deadlines), 2000);
    set(world, 0, DEADLINE_NEVER);
    expire_at(world, 5000);
    assert_int_equal(world->reported, 0);
    assert_int_equal(deadlines_next_ms(&world->deadlines), DEADLINE_NEVER);
    free(world);
}

static void test_beyond_the_wheel(void **state)
{
    struct world *world = new_world(0);
    int64_t far_ms = (int64_t)DEADLINE_SLOT_MS * DEADLINE_SLOTS * 3;
    (void)state;
    set(world, 0, far_ms);
    for (int64_t now = 0; now < far_ms; now += 5000)
        expire_at(world, now);
    assert_int_equal(world->reported, 0);
    expire_at(world, far_ms);
    assert_int_equal(world->reported, 1);
    free(world);
}

/* Against the plain rule: due ones are reported at the first look one slot later, others never. */
static void test_random_walk(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    struct world *world = new_world(12345);
    (void)state;
    printf("seed %u\n", seed);
    world->now_ms = 12345;
    for (int step = 0; step < 200000; step++) {
        int i = rand_r(&seed) % OBJECTS;
        switch (rand_r(&seed) % 8) {
        case 0:
            set(world, i, DEADLINE_NEVER);
            break;
        case 1:
            deadline_remove(&world->deadlines, &world->objects[i].deadline);
            world->objects[i].expected_ms = DEADLINE_NEVER;
            break;
        case 2:
            expire_at(world, world->now_ms + rand_r(&seed) % 3000);
            for (int j = 0; j < OBJECTS; j++)
                assert_true(world->objects[j].expected_ms > world->now_ms - DEADLINE_SLOT_MS);
            assert_true(deadlines_next_ms(&world->deadlines) > world->now_ms);
            break;
        default:
            set(world, i, world->now_ms + rand_r(&seed) % 200000);
        }
    }
    assert_true(world->reported > 1000);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reported_in_time),
        cmocka_unit_test(test_moved_back_and_forth),
        cmocka_unit_test(test_beyond_the_wheel),
        cmocka_unit_test(test_random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
