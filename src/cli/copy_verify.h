/* Whether two sides hold the same: for each entity the number of ids and of values, and a checksum
 * that does not depend on their order, the sum of the hashes of all values with id, feature and
 * event time.
 *
 * Both sides go on living while they are read one after the other. So only values that live beyond
 * a horizon are compared: choose it later than the end of the reading. Only features are compared
 * of which the first side has a value. Where the first side holds values of an entity without event
 * times, these are left out of that entity's checksum. A row that is read twice counts once.
 *
 * Memory: 32 bytes for each id and side. One owner. */
#ifndef FEATURED_CLI_COPY_VERIFY_H
#define FEATURED_CLI_COPY_VERIFY_H

#include "base/arena.h"
#include "base/hash_map.h"
#include "cli/copy_row.h"

enum copy_side { COPY_FROM, COPY_TO };

#define COPY_DIFFERENCES_MAX 10u /* ids that are named */

struct copy_verify {
    int64_t horizon_us;
    uint64_t values_ending; /* not compared: they die before the horizon */
    uint64_t values_beside; /* not compared: features that only the second side has */
    /* private */
    struct arena arena;
    struct hash_map features; /* entity and name of all that COPY_FROM has → struct verify_entity */
    struct hash_map entities;
    struct buffer ids[2]; /* of struct verify_id */
    struct buffer scratch;
};

void copy_verify_init(struct copy_verify *verify, int64_t horizon_us);
void copy_verify_fini(struct copy_verify *verify);
/* All rows of COPY_FROM first. False without memory. */
MUST_CHECK bool copy_verify_add(struct copy_verify *verify, enum copy_side side,
                                const struct copy_row *row);
/* Once, when all rows were added: appends a table, a line for each entity and side. True if both
 * are the same. */
MUST_CHECK bool copy_verify_compare(struct copy_verify *verify, struct buffer *out);

/* What makes the difference, after copy_verify_compare(). Of some ids; their names are only known
 * from another reading. */
struct copy_difference {
    uint64_t id_hash;
    bool is_in[2];
};
/* Returns how many of them there are in all. */
uint64_t copy_verify_differences(struct copy_verify *verify, struct copy_difference *out,
                                 uint32_t *count);
/* What copy_difference calls a row's id. */
uint64_t copy_verify_id_hash(struct copy_verify *verify, const struct copy_row *row);

#endif
