/* What the tests of recovery share: a store on a simulated file system, a snapshot that is made by
 * hand record by record, and what the next start comes to. */
#ifndef FEATURED_TESTS_RECOVERY_BED_H
#define FEATURED_TESTS_RECOVERY_BED_H

#include "base/buffer.h"
#include "engine_fixture.h"
#include "log/log_row.h"
#include "sim_files.h"

#define DATA "data"
#define LSN 100
#define T0 FIXTURE_START_US

enum { INT, TEXT, BRIEF, VECTOR, OTHER, FEATURES }; /* features; BRIEF has a TTL of a second */

struct bed {
    struct sim_files *sim;
    struct fixture *fixture;
    struct buffer file; /* that is being made */
    size_t record;
    uint64_t rows;
};

/* Stopped, with a catalog, without files. */
void bed_open(struct bed *bed);
void bed_close(struct bed *bed);

uint64_t version_of(uint32_t feature);
void begin_snapshot(struct bed *bed, uint64_t lsn);
void begin_record(struct bed *bed, enum log_record_type type);
void end_record(struct bed *bed);
void begin_rows(struct bed *bed, str entity);
void put_row(struct bed *bed, str id, int64_t erased_until_us, const struct log_cell *cells,
             uint32_t count);
struct log_cell int_cell(uint32_t feature, int64_t value, int64_t event_time_us);
/* One row of one value, in a record of its own. */
void put_int(struct bed *bed, const char *entity, const char *id, uint32_t feature, int64_t value,
             int64_t event_time_us);
void put_end(struct bed *bed, uint64_t end_lsn);
void path_of(uint64_t lsn, char path[64]);
void save(struct bed *bed, uint64_t lsn);
void finish(struct bed *bed, uint64_t lsn); /* put_end() and save() */

void expect_started(struct bed *bed);
/* It does not start, and says `what` of a file. */
void expect_damage(struct bed *bed, const char *what);
void expect_int(struct bed *bed, const char *id, uint32_t feature, int64_t value);
void expect_none(struct bed *bed, const char *id, uint32_t feature);
uint64_t entities(struct bed *bed);
/* Started; four writes to one id, and a snapshot of them. */
void open_with_snapshot(struct bed *bed);

#endif
