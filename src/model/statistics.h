/* Live statistics of one feature version: every accepted value since its creation (design.md §7).
 * Mean and M2 by Welford's recurrence, merged by Chan et al., "Updating formulae and a pairwise
 * algorithm for computing sample variances", 1979. Plain data: one thread owns it. */
#ifndef FEATURED_MODEL_STATISTICS_H
#define FEATURED_MODEL_STATISTICS_H

#include <stdint.h>

#include "model/value.h"

#define STATISTICS_NO_EVENT INT64_MIN

struct statistics {
    uint64_t count; /* values that are not null */
    uint64_t null_count;
    double min; /* of numeric values; embeddings by Euclidean norm */
    double max;
    double mean;
    double m2;                  /* sum of squared distances from the mean */
    int64_t last_event_time_us; /* STATISTICS_NO_EVENT before the first */
};

void statistics_init(struct statistics *statistics);
void statistics_add(struct statistics *statistics, const struct value *value,
                    int64_t event_time_us);
void statistics_merge(struct statistics *into, const struct statistics *from);
/* Population standard deviation; 0 below two values. May be infinite: then it is shown as null. */
double statistics_std_dev(const struct statistics *statistics);

#endif
