/* A store over a real Redis, with one loop and a catalog that tests change. The test's thread is the
 * loop's. */
#ifndef FEATURED_TESTS_UNIT_ONLINE_REDIS_STORE_WORLD_H
#define FEATURED_TESTS_UNIT_ONLINE_REDIS_STORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "model/catalog_builder.h"
#include "online/redis/online_redis.h"
#include "redis_server.h"

#define STORE_FEATURES_MAX 64
#define STORE_ALL UINT32_MAX /* everything of the entity of feature 0 */
#define SECOND_US INT64_C(1000000)
#define IDENTITY "0123456789abcdef0123456789abcdef" /* of the registry */
#define NOW ONLINE_EVENT_TIME_NOW

struct store_feature {
    int64_t id; /* its only version has id 1000 + id; 0: dropped */
    char name[24];
    const char *entity;
    enum data_type type;
    uint32_t dimension;
    int64_t ttl_seconds;
    int64_t dead_before_us;
    uint32_t number; /* of the version */
};

struct store_world {
    struct epoch epoch;
    struct store_clock clock;
    struct loop loop;
    struct catalog_ref catalog;
    const struct catalog *images[256];
    uint32_t image_count;
    struct store_feature features[STORE_FEATURES_MAX];
    uint32_t feature_count;
    struct redis_server server;
    struct redis_url url;
    struct redis_store_options options;
    uint32_t max_pending; /* 0: plenty */
    struct online_store *store;
    redisContext *redis; /* a client of the test's own */
    struct arena arena;  /* of the last read or scan */
    uint32_t waiting;
    unsigned opened;
    status open_result;
    struct error open_error;
    bool is_drained;
    /* where statistics are merged */
    struct statistics shared[STORE_FEATURES_MAX]; /* of version id 1001 and on */
    uint64_t last_number;
    unsigned merges;
    bool registry_is_away;
    bool registry_forgets; /* merges, but says that it did not */
};

extern struct store_world world;

/* The server; no feature yet, the store not opened. */
int store_setup(void **state);
int store_setup_open(void **state); /* opened */
int store_teardown(void **state);
#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, store_setup_open, store_teardown)
/* Opens it, and waits until it has been reached. */
void store_open(const char *identity);
void store_begin(const char *identity); /* does not wait */
void store_drain_and_close(void);

uint32_t store_add(const char *entity, enum data_type type, int64_t ttl_seconds);
void store_drop(uint32_t feature);
void store_set_ttl(uint32_t feature, int64_t ttl_seconds);
const struct catalog_version *store_version(uint32_t feature);

/* Runs the loop until it is true: fails after 20 s. */
#define STORE_UNTIL(condition)                                                                     \
    do {                                                                                           \
        int64_t until_ = store_now_ms() + 20000;                                                   \
        while (!(condition)) {                                                                     \
            if (store_now_ms() > until_)                                                           \
                fail_msg("line %d: never: %s", __LINE__, #condition);                              \
            store_turn();                                                                          \
        }                                                                                          \
    } while (0)
void store_turn(void);
int64_t store_now_ms(void);

struct online_write_cell store_cell(uint32_t feature, struct value value, int64_t event_time_us);
status store_write(struct online_write *write);
/* One value; OK is asserted. Whether it was not late. */
bool store_put(const char *id, uint32_t feature, struct value value, int64_t event_time_us);
status store_try_put(const char *id, uint32_t feature, struct value value, int64_t event_time_us,
                     struct error *error);
status store_try_erase(const char *id, uint32_t feature, uint64_t *deleted);
uint64_t store_erase(const char *id, uint32_t feature); /* asserts OK */
status store_read(struct online_read *read);            /* sets loop, arena and done */
struct cell store_get(const char *id, uint32_t feature);
/* Others' values of one id, of the entity of feature 0. */
struct online_others store_others(const char *id);
void store_scan(struct online_scan *scan); /* sets loop, arena and done */
struct statistics store_statistics(uint32_t feature);
struct online_metrics store_metrics(void);

/* A command of the test's own client, its words parted by spaces; freed with the next one. */
const redisReply *store_redis(const char *format, ...);

void expect_int(const char *id, uint32_t feature, int64_t expected);
void expect_reply(const char *expected, const redisReply *reply); /* a string */

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

#endif
