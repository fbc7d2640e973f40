/* Every limit on what a definition, a value or a request may hold, with its reason. Limits of the
 * HTTP layer are in http/http_limits.h. */
#ifndef FEATURED_MODEL_LIMITS_H
#define FEATURED_MODEL_LIMITS_H

#include <stdint.h>

#define LIMIT_NAME_BYTES 128u       /* api.md: [A-Za-z_][A-Za-z0-9_.-]{0,127} */
#define LIMIT_ENTITY_ID_BYTES 512u  /* design.md §1; the row keeps it in 16 bits */
#define LIMIT_DIMENSION 16384u      /* api.md; 64 KiB of float32 */
#define LIMIT_TEXT_BYTES (1u << 20) /* one string or json value: a row is copied when it is out of line */
#define LIMIT_DESCRIPTION_BYTES 8192u /* description, source, transformation each */
#define LIMIT_TAGS_BYTES 16384u       /* tags as JSON text */
#define LIMIT_TTL_SECONDS INT64_C(3155760000) /* 100 years: event time + TTL stays far from overflow */
#define LIMIT_ENTITIES 256u           /* kinds of things; one table each */
#define LIMIT_FEATURES 10000u         /* definitions; one page of GET /features shows all */
#define LIMIT_SLOTS_PER_ENTITY 4096u  /* feature versions of one entity in a process's life */
#define LIMIT_VERSIONS_PER_FEATURE 1000u
#define LIMIT_SERVICES 10000u
#define LIMIT_SERVICE_FEATURES 4096u  /* the input vector of one model */
#define LIMIT_READ_IDS 10000u         /* api.md */
#define LIMIT_READ_CELLS 1000000u     /* ids × features of one request (413) */
#define LIMIT_READ_NAMES 4096u        /* feature names of one request */
#define LIMIT_USER_BATCH_IDS 100u     /* api.md, POST /features/batch */
#define LIMIT_INGEST_FEATURES 10000u  /* values of one ingest request or bulk row */
#define LIMIT_FUTURE_US INT64_C(300000000) /* event times at most 5 minutes ahead */
#define LIMIT_BULK_ERRORS 100u        /* errors listed in one bulk answer */

#endif
