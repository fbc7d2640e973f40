/* Whether we could serve the rows of another service's `features` table, which a driver is about to
 * adopt: all of them, or the table stays as it is. */
#ifndef FEATURED_REGISTRY_SQL_ADOPT_H
#define FEATURED_REGISTRY_SQL_ADOPT_H

#include "registry/sql.h"

/* The columns a driver reads of that table, in this order. */
enum sql_adopted_column {
    SQL_ADOPTED_ID,
    SQL_ADOPTED_NAME,
    SQL_ADOPTED_DATA_TYPE,
    SQL_ADOPTED_ENTITY,
    SQL_ADOPTED_IS_NULLABLE,
    SQL_ADOPTED_TTL_SECONDS,
    SQL_ADOPTED_MIN_VALUE,
    SQL_ADOPTED_MAX_VALUE,
    SQL_ADOPTED_MEAN_VALUE,
    SQL_ADOPTED_STD_DEV,
    SQL_ADOPTED_DESCRIPTION,
    SQL_ADOPTED_FEATURE_GROUP,
    SQL_ADOPTED_SOURCE,
    SQL_ADOPTED_TRANSFORMATION,
    SQL_ADOPTED_TAGS,
    SQL_ADOPTED_CREATED_AT,
    SQL_ADOPTED_UPDATED_AT,
    SQL_ADOPTED_COLUMN_COUNT,
};

#define SQL_ADOPT_COMPLAINTS_MAX 3 /* told in full; more do not fit into an error */
#define SQL_ADOPT_COMPLAINT_BYTES 256
#define SQL_ADOPT_VALUE_BYTES 64 /* of a value that is shown */

/* How the refusals of all drivers begin. */
#define SQL_ADOPT_CANNOT                                                                           \
    "another service's table 'features' in it cannot be adopted, and nothing was changed: "

struct sql_adoption {
    const char *instead; /* what to do if the rows are to stay as they are */
    uint64_t refused;    /* rows */
    char complaints[SQL_ADOPT_COMPLAINTS_MAX * SQL_ADOPT_COMPLAINT_BYTES];
};

/* False, after noting what is wrong, for a row that could not be served. */
MUST_CHECK bool sql_adopt_check(struct sql_adoption *adoption, const struct sql_value *columns);
/* Notes what else is wrong with a row. */
void sql_adopt_refuse(struct sql_adoption *adoption, const struct sql_value *columns,
                      const char *format, ...) PRINTF_LIKE(3, 4);
/* A value for such a note: quoted, in one line, whole characters only. */
void sql_adopt_show(const struct sql_value *value, char out[SQL_ADOPT_VALUE_BYTES]);
/* OK, or an error that names the rows and columns noted. */
MUST_CHECK status sql_adopt_result(const struct sql_adoption *adoption, struct error *error);
/* What one server cannot hold would keep it from starting for ever. */
MUST_CHECK status sql_adopt_check_limits(const struct sql_adoption *adoption, int64_t features,
                                         int64_t entities, int64_t of_one_entity,
                                         struct error *error);

#endif
