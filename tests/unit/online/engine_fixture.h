/* An engine with one loop, a clock set by hand and a catalog that tests change: what all tests of the
 * engine stand on. The test's thread is the loop's. */
#ifndef FEATURED_TESTS_ENGINE_FIXTURE_H
#define FEATURED_TESTS_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "model/catalog_builder.h"
#include "online/engine/engine_state.h"
#include "online/engine/sweeper.h"

struct sim_files;

#define FIXTURE_FEATURES_MAX 400
#define FIXTURE_IDENTITY UINT64_C(0x0123456789abcdef)
#define FIXTURE_START_US INT64_C(1700000000000000)
#define SECOND_US INT64_C(1000000)

struct fixture_feature {
    int64_t id; /* its only version has id 1000 + id; 0: dropped */
    char name[24];
    const char *entity;
    enum data_type type;
    uint32_t dimension;
    int64_t ttl_seconds;
    int64_t dead_before_us;
    int64_t created_at_us;
};

struct fixture {
    struct epoch epoch;
    struct store_clock clock;
    struct loop loop;
    struct catalog_ref catalog;
    const struct catalog *images[4096]; /* kept to the end: no reader is surprised */
    uint32_t image_count;
    struct fixture_feature features[FIXTURE_FEATURES_MAX];
    uint32_t feature_count;
    struct engine_options options; /* of the next fixture_start() */
    struct online_store *store;
    uint32_t waiting;
    pthread_mutex_t lock;
    pthread_cond_t recovered;
    bool has_recovered; /* under the lock, as what it says */
    status recovery;
    struct error recovery_error;
};

/* The wall clock that the engine sees. */
void fixture_set_wall(int64_t wall_us);
int64_t fixture_wall_us(void);

/* Without features, in memory only, ready. `max_memory_bytes` 0: plenty. */
struct fixture *fixture_open(uint64_t max_memory_bytes);
/* The same on files: `directory` is DATA. */
struct fixture *fixture_open_on(struct file_system *files, const char *directory,
                                enum log_fsync fsync);
void fixture_close(struct fixture *fixture);
/* The store alone ends, and begins again with fixture->options; start returns what recovery came
 * to. In between nothing but features can be changed. */
void fixture_stop(struct fixture *fixture);
status fixture_start(struct fixture *fixture);
status fixture_await(struct fixture *fixture); /* the same, of a store that is being opened */
status fixture_restart(struct fixture *fixture); /* both */
/* Stops without a last snapshot: *sim becomes what was on the disk, for the next start. */
void fixture_kill(struct fixture *fixture, struct sim_files **sim);
status fixture_snapshot(struct fixture *fixture);
/* While stopped: the catalog is built anew, with other slots, as a process does at its start. */
void fixture_forget_slots(struct fixture *fixture);
/* All segments of the folder, as somebody might do. */
void fixture_remove_log(struct file_system *files, const char *directory);
struct engine *fixture_engine(struct fixture *fixture);

/* These publish a new image. A feature is known by its number, from 0. */
uint32_t fixture_add(struct fixture *fixture, const char *entity, enum data_type type,
                     int64_t ttl_seconds);
void fixture_drop(struct fixture *fixture, uint32_t feature);
void fixture_set_ttl(struct fixture *fixture, uint32_t feature, int64_t ttl_seconds);
const struct catalog_version *fixture_version(struct fixture *fixture, uint32_t feature);

/* Runs the loop until everything submitted was answered. */
void fixture_wait(struct fixture *fixture);
void fixture_submit(struct fixture *fixture, struct online_write *write); /* sets loop and done */
status fixture_write(struct fixture *fixture, struct online_write *write);
struct online_write_cell fixture_cell(struct fixture *fixture, uint32_t feature,
                                      struct value value, int64_t event_time_us);
/* One value of one id; OK is asserted. Returns whether it was not late. */
bool fixture_put(struct fixture *fixture, const char *id, uint32_t feature, struct value value,
                 int64_t event_time_us);
#define FIXTURE_ALL UINT32_MAX /* everything of the entity of feature 0 */
status fixture_try_erase(struct fixture *fixture, const char *id, uint32_t feature,
                         uint64_t *deleted);
uint64_t fixture_erase(struct fixture *fixture, const char *id, uint32_t feature); /* asserts OK */
void fixture_read(struct fixture *fixture, struct online_read *read); /* sets loop and done */
/* The value borrows from the row until the next call of the fixture. */
struct cell fixture_get(struct fixture *fixture, const char *id, uint32_t feature);
struct statistics fixture_statistics(struct fixture *fixture, uint32_t feature);
struct online_metrics fixture_metrics(struct fixture *fixture);
void fixture_sweep(struct fixture *fixture);

#define LONG_TEXT "a text that is longer than thirty-two bytes, out of line"

static inline struct value value_int(int64_t integer)
{
    return (struct value){.type = DATA_TYPE_INT, .integer = integer};
}

static inline struct value value_text(str text)
{
    return (struct value){.type = DATA_TYPE_STRING, .text = text};
}

static inline struct value value_null(enum data_type type)
{
    return (struct value){.type = type, .is_null = true};
}

/* xorshift64*; the seed is printed, and taken from FEATURED_TEST_SEED if that is set. */
struct random {
    uint64_t state;
};

void random_init(struct random *random);
uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound);

#endif
