/* JSON bodies and NDJSON lines of ingestion into typed records (api.md, "Writing").
 *
 * Errors in this order over the whole input: MALFORMED (not JSON, with the byte offset), INVALID
 * (shape: FastAPI's loc, msg, type), NOT_FOUND "Feature 'x' not registered", INVALID (a value that
 * does not fit its feature, an event time too far ahead, a feature of another entity than the one
 * named). `loc` starts with what the caller put into error->loc before (["body"] or ["line",7]); a
 * value of the object form of "features" is named by its feature alone (["line",7,"user_age"]). */
#ifndef FEATURED_CODEC_JSON_INGEST_H
#define FEATURED_CODEC_JSON_INGEST_H

#include "base/arena.h"
#include "base/error.h"
#include "model/ingest.h"

#define JSON_INGEST_HINTS 64

/* What the features of the row before were, in their order: rows of one load mostly look alike,
 * and a version that is still the same needs no look-up. Zeroed before the first row. */
struct json_ingest_hints {
    const struct catalog *catalog;
    uint64_t revision;
    const struct catalog_version *versions[JSON_INGEST_HINTS];
};

struct json_ingest_options {
    const struct catalog *catalog;
    str entity;     /* from ?entity=; empty: not named (the body's "entity" may name it) */
    int64_t now_us; /* event times may lie LIMIT_FUTURE_US ahead of it */
    bool strict;    /* unknown members are INVALID */
    bool by_name;   /* bulk rows: "features" may be {"name":value,…} too */
    struct json_ingest_hints *hints; /* NULL: none */
};

/* {"entity_id":…,"event_timestamp":…,"entity":…,"features":[{"feature_name":…,"value":…,
 * "event_timestamp":…},…] or {"name":value,…}}. The record's texts are in the arena. */
MUST_CHECK status json_decode_ingest(str text, const struct json_ingest_options *options,
                                     struct arena *arena, struct ingest_record *out,
                                     struct error *error);

#endif
