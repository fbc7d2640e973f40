/* Rows of the registry's tables ↔ the model. */
#ifndef FEATURED_REGISTRY_SQL_ROWS_H
#define FEATURED_REGISTRY_SQL_ROWS_H

#include "base/arena.h"
#include "base/clock.h"
#include "model/catalog_builder.h"
#include "registry/sql.h"

/* Room for a time as the registry writes it. */
struct sql_time {
    char text[CLOCK_RFC3339_MAX];
};

/* RFC 3339 in UTC; borrows from `room`. */
struct sql_value sql_time_of(int64_t us, struct sql_time *room);
struct sql_value sql_optional_text(const struct optional_str *text);
struct sql_value sql_optional_real(const struct optional_double *number);

/* A column as an integer (0 for NULL); false for text or what does not fit. */
MUST_CHECK bool sql_as_integer(const struct sql_value *column, int64_t *out);
/* Empty for all but text. */
str sql_as_text(const struct sql_value *column);
/* Also what other writers leave: no offset (then UTC), seconds since 1970 as a number. */
MUST_CHECK bool sql_read_time(const struct sql_value *column, int64_t *out_us);
int64_t sql_as_time(const struct sql_value *column); /* 0 if unreadable */

/* One row of features; texts stay borrowed, versions are the caller's to add. */
MUST_CHECK status sql_read_feature(const struct sql_value *columns, unsigned count,
                                   struct catalog_builder_feature *out, struct error *error);
struct sql_version_row {
    int64_t feature_id;
    struct catalog_builder_version version;
};
MUST_CHECK status sql_read_version(const struct sql_value *columns, unsigned count,
                                   struct sql_version_row *out, struct error *error);

/* The feature with all its versions, by SQL_FEATURE_BY_NAME or SQL_FEATURE_BY_ID; *found false if
 * there is none. Memory: the arena. */
MUST_CHECK status sql_load_feature(struct sql_connection *connection, enum sql_statement statement,
                                   struct sql_value key, struct arena *arena,
                                   struct catalog_builder_feature *out, bool *found,
                                   struct error *error);

/* A receiver for one number; `found` stays false without a row, or if it is NULL. */
struct sql_one_integer {
    int64_t value;
    bool found;
};
status sql_receive_integer(void *one_integer, const struct sql_value *columns, unsigned count,
                           struct error *error) MUST_CHECK;

#endif
