#include "engine_fixture.h"

#include <stdlib.h>

#include "online/engine/edit.h"

/* Two versions: slot 0 with a TTL of 100 µs, slot 1 without; slot 2 was dropped. */
struct bed {
    struct catalog_version versions[2];
    struct catalog_slot slots[3];
    struct catalog_entity entity;
    struct row_draft draft;
    uint64_t memory_bytes;
};

static struct bed *bed_create(void)
{
    struct bed *bed = calloc(1, sizeof(*bed));
    assert_non_null(bed);
    bed->versions[0] = (struct catalog_version){
        .id = 1, .slot = 0, .ttl_us = 100, .dead_before_us = CELL_NEVER_DEAD};
    bed->versions[1] =
        (struct catalog_version){.id = 2, .slot = 1, .dead_before_us = CELL_NEVER_DEAD};
    for (uint32_t i = 0; i < 3; i++)
        bed->slots[i] = (struct catalog_slot){i + 1, i < 2 ? &bed->versions[i] : NULL,
                                              DATA_TYPE_INT, 0};
    bed->entity = (struct catalog_entity){.slots = bed->slots, .slot_count = 3};
    row_draft_begin(&bed->draft, STR("u"));
    return bed;
}

static struct edit_counts write_cell(struct bed *bed, uint32_t slot, int64_t event_time_us)
{
    struct online_write_cell cell = {
        .slot = slot, .value = value_int(event_time_us), .event_time_us = event_time_us};
    struct edit_counts counts = {0};
    edit_write(&bed->draft, &bed->entity, &cell, &counts);
    return counts;
}

/* What the sweeper proposes is what the writer then changes. */
static void expect_swept(struct bed *bed, int64_t cutoff_us, bool changes, uint64_t expired)
{
    struct edit_counts counts = {0};
    struct row *row = row_create(&bed->draft, &bed->memory_bytes);
    assert_non_null(row);
    assert_int_equal(edit_sweep_would_change(row, &bed->entity, cutoff_us), changes);
    row_destroy(row, &bed->memory_bytes);
    edit_sweep(&bed->draft, &bed->entity, cutoff_us, &counts);
    assert_int_equal(counts.changed, changes);
    assert_int_equal(counts.expired, expired);
}

static void a_sweep_takes_what_has_expired_and_nothing_else(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    write_cell(bed, 0, 1000);
    write_cell(bed, 1, -1000);
    expect_swept(bed, 1099, false, 0);
    expect_swept(bed, 1100, true, 1);
    assert_null(row_draft_find(&bed->draft, 0));
    assert_non_null(row_draft_find(&bed->draft, 1));
    expect_swept(bed, INT64_MAX, false, 0);
    write_cell(bed, 2, 1000);
    expect_swept(bed, 1000, true, 0); /* dropped is not expired */
    free(bed);
}

static void a_sweep_takes_erasures_that_no_longer_matter(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    struct edit_counts counts = {0};
    edit_erase_version(&bed->draft, &bed->versions[0], 1000, &counts);
    expect_swept(bed, 1099, false, 0);
    expect_swept(bed, 1100, true, 0);
    assert_true(row_draft_is_empty(&bed->draft));
    bed->versions[1].ttl_us = 300; /* the longest decides for a whole id */
    edit_erase_all(&bed->draft, &bed->entity, 1000, &counts);
    expect_swept(bed, 1299, false, 0);
    expect_swept(bed, 1300, true, 0);
    assert_true(row_draft_is_empty(&bed->draft));
    free(bed);
}

static void an_erasure_lets_only_later_events_in(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    struct edit_counts counts = {0};
    write_cell(bed, 0, 1000);
    write_cell(bed, 1, 1001);
    edit_erase_all(&bed->draft, &bed->entity, 1000, &counts);
    assert_int_equal(counts.erased, 1);
    assert_int_equal(write_cell(bed, 0, 1000).late, 1);
    assert_int_equal(write_cell(bed, 0, 1001).written, 1);
    assert_int_equal(write_cell(bed, 1, 1000).late, 1);
    counts = (struct edit_counts){0};
    edit_erase_version(&bed->draft, &bed->versions[0], 1000, &counts);
    assert_false(counts.changed); /* what is held is later */
    edit_erase_version(&bed->draft, &bed->versions[0], 1001, &counts);
    assert_int_equal(counts.erased, 1);
    assert_int_equal(write_cell(bed, 0, 1001).late, 1);
    assert_int_equal(write_cell(bed, 0, 1002).written, 1);
    free(bed);
}

/* Else it would depend on whether the mark has been swept, which a replay of the log cannot know. */
static void an_erasure_does_not_cover_versions_made_later(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    struct edit_counts counts = {0};
    bed->versions[1].created_at_us = 1001;
    edit_erase_all(&bed->draft, &bed->entity, 1000, &counts);
    assert_int_equal(write_cell(bed, 0, 1000).late, 1);
    assert_int_equal(write_cell(bed, 1, 1000).written, 1);
    expect_swept(bed, 1099, false, 0);
    expect_swept(bed, 1100, true, 0); /* it mattered for slot 0 alone */
    assert_int_equal(bed->draft.erased_until_us, ROW_NOT_ERASED);
    edit_erase_all(&bed->draft, &bed->entity, 1001, &counts);
    assert_int_equal(write_cell(bed, 1, 1001).late, 1);
    free(bed);
}

static void expired_values_are_not_counted_as_erased(void **state)
{
    (void)state;
    struct bed *bed = bed_create();
    struct edit_counts counts = {0};
    write_cell(bed, 0, 1000);
    edit_erase_version(&bed->draft, &bed->versions[0], 1100, &counts);
    assert_int_equal(counts.erased, 0);
    free(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sweep_takes_what_has_expired_and_nothing_else),
        cmocka_unit_test(a_sweep_takes_erasures_that_no_longer_matter),
        cmocka_unit_test(an_erasure_lets_only_later_events_in),
        cmocka_unit_test(an_erasure_does_not_cover_versions_made_later),
        cmocka_unit_test(expired_values_are_not_counted_as_erased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
