/* What the files of the registry over SQL share: sql_registry.c (life, thread, publishing),
 * sql_group.c (changes of ours), sql_follow.c (changes of others, and a database that went away).
 */
#ifndef FEATURED_REGISTRY_SQL_REGISTRY_PRIVATE_H
#define FEATURED_REGISTRY_SQL_REGISTRY_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "registry/sql_change.h"
#include "registry/sql_image.h"
#include "registry/sql_registry.h"

#define SQL_GROUP_MAX 4096        /* requests of one transaction */
#define SQL_GROUP_MAX_SHARED 128u /* the same while other servers wait for the lock */

/* Where following the database stands; of the registry's thread. */
struct sql_follow {
    struct registry_request *waiting; /* refreshes, the latest first, by their task's node */
    bool hinted;                      /* others may have changed something */
    int64_t looked_ns;                /* the last look began */
    int64_t attempt_ns;               /* while failing: the next try, not before */
    int64_t backoff_ns;
    uint64_t random;
    uint32_t left_out; /* features of the last image that could not be served: said once */
};

struct sql_registry {
    struct registry registry; /* first */
    struct registry_driver driver;
    struct sql_connection *connection;
    struct store_clock *clock;
    struct catalog_ref *catalog;
    struct queue queue;
    int wake_fd; /* readable: the queue is no longer empty, or closing */
    pthread_t thread;
    _Atomic bool closing;

    /* of the thread */
    struct epoch_limbo limbo;
    struct arena arena;
    struct registry_request *group[SQL_GROUP_MAX];
    struct sql_change_outcome outcomes[SQL_GROUP_MAX];
    uint64_t revision; /* the database's, whose image is the current one */
    struct sql_follow follow;

    /* for check(): why the database fails, or OK */
    pthread_mutex_t health_lock;
    struct error health;
};

/* On the thread. */
void sql_registry_note_health(struct sql_registry *self, status s, const struct error *error);
bool sql_registry_is_failing(struct sql_registry *self);
/* Why it fails, as the request's answer. */
void sql_registry_refuse(struct sql_registry *self, struct registry_request *request);
/* On the loop of who asked. */
void sql_registry_answer(struct registry_request *request);
/* The image of what the transaction under way sees, with room to publish it. */
MUST_CHECK status sql_registry_build(struct sql_registry *self, uint64_t revision,
                                     const struct catalog **image, struct error *error);
/* Takes the image, which sql_registry_build() made. */
void sql_registry_publish(struct sql_registry *self, const struct catalog *image,
                          uint64_t revision);
/* Writes what the current image holds of the feature's versions, in a transaction under way. */
MUST_CHECK status sql_registry_write_dead_before(struct sql_registry *self, int64_t feature_id,
                                                 struct error *error);

/* Runs the first `count` requests of `group`, each to its outcome; does not answer them. */
void sql_group_run(struct sql_registry *self, size_t count);

void sql_follow_init(struct sql_registry *self);
/* The database has begun to fail, or has stopped. */
void sql_follow_note_turn(struct sql_registry *self, status s, const struct error *error);
/* Says in the log which features of an image just built could not be served. */
void sql_follow_note_left_out(struct sql_registry *self, const struct sql_image_left_out *left_out);
/* A refresh: it is answered by a later sql_follow_run(). */
void sql_follow_add(struct sql_registry *self, struct registry_request *request);
/* How long the thread may sleep if nobody wakes it. */
int64_t sql_follow_wait_ns(struct sql_registry *self);
/* Does what is due. */
void sql_follow_run(struct sql_registry *self);

#endif
