/* Which features and ids a load is about: what is registered, or the features of its own that
 * `featured bench --setup` makes: user_age, user_clicks_30d, user_purchases_7d (int) and
 * user_avg_session_time (float) of the entity user, with a life of an hour, in the feature group
 * BENCH_GROUP, which is how they are known again. */
#ifndef FEATURED_CLI_BENCH_FEATURES_H
#define FEATURED_CLI_BENCH_FEATURES_H

#include "cli/bench_workload.h"
#include "cli/client.h"
#include "cli/registered.h"

#define BENCH_GROUP "featured_bench"
#define BENCH_FEATURES_MAX 64u

struct bench_features {
    struct registered registered; /* holds the texts */
    struct bench_feature chosen[BENCH_FEATURES_MAX];
    size_t count;
    str entity;
    bool are_ours;  /* all of them were made by --setup */
    uint64_t users; /* ours: how many were loaded */
};

/* Defines ours and loads users user_0, user_1, …; refuses if a name is somebody else's. */
MUST_CHECK status bench_features_set_up(struct client *client, uint64_t users, struct error *error);
/* Deletes ours with all their values; *deleted counts them. */
MUST_CHECK status bench_features_tear_down(struct client *client, uint64_t *deleted,
                                           struct error *error);

void bench_features_init(struct bench_features *features);
void bench_features_fini(struct bench_features *features);
/* `names` ("a,b") or NULL: ours, else those of the entity that has the most; `entity` NULL: any. */
MUST_CHECK status bench_features_choose(struct bench_features *features, struct client *client,
                                        const char *names, const char *entity, struct error *error);
/* Some ids that the server has values of, by GET /features/export. OK and none if it cannot tell.
 */
MUST_CHECK status bench_features_sample_ids(const struct bench_features *features,
                                            struct client *client, struct bench_ids *ids,
                                            struct error *error);
/* Reads up to a hundred of the ids once: an answer that is not what the API promises is an error;
 * *with_values counts ids with at least one value. */
MUST_CHECK status bench_features_probe(const struct bench_features *features, struct client *client,
                                       const struct bench_ids *ids, uint64_t *read,
                                       uint64_t *with_values, struct error *error);

#endif
