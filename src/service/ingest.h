/* Writing: typed records into the store, and erasure. Memory: the caller's arena, which must live
 * until `done` has been called (on the given loop, once). */
#ifndef FEATURED_SERVICE_INGEST_H
#define FEATURED_SERVICE_INGEST_H

#include "base/arena.h"
#include "base/error.h"
#include "model/ingest.h"
#include "service/service.h"

struct ingest {
    struct online_write write; /* private, as are the next two */
    const struct ingest_record *records;
    uint32_t record_count;
    void (*done)(struct ingest *ingest);
    void *user;
    /* out, in `done` */
    uint32_t records_applied; /* in order; the one after them failed, if status is not OK */
    uint64_t values_written;
    uint64_t values_late;
    status status;
    struct error error;
};

/* Each record is all or nothing; one that names several entities' features becomes one row each, seen
 * together. A record without cells is accepted and does nothing. The records' values are borrowed until
 * `done`. OUT_OF_MEMORY: `done` will not be called. */
MUST_CHECK status ingest_submit(struct ingest *ingest, struct service *service,
                                struct arena *arena, const struct ingest_record *records,
                                uint32_t record_count, struct loop *loop,
                                void (*done)(struct ingest *ingest), void *user);

struct ingest_erase {
    struct online_erase erase; /* private */
    void (*done)(struct ingest_erase *erase);
    void *user;
    uint64_t values_deleted; /* out */
    status status;
    struct error error;
};

/* Erases all values of an id (names NULL), or of the named features with all their versions (of
 * "a@1": that version only). `entity` empty: of every entity. NOT_FOUND for a name or entity that is
 * not registered. */
MUST_CHECK status ingest_erase_submit(struct ingest_erase *erase, struct service *service,
                                      struct arena *arena, str entity_id, str entity,
                                      const str *names, uint32_t name_count, struct loop *loop,
                                      void (*done)(struct ingest_erase *erase), void *user,
                                      struct error *error);

#endif
