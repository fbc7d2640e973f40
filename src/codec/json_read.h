/* Read requests from JSON, and answers to it (api.md, "Reading"). */
#ifndef FEATURED_CODEC_JSON_READ_H
#define FEATURED_CODEC_JSON_READ_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "model/cell.h"

/* Errors: MALFORMED, or INVALID with a loc that starts with "body" (whatever it was before). Texts
 * and lists are in the arena. */

/* POST /features/online */
struct json_batch_read {
    const str *entity_ids; /* at most LIMIT_READ_IDS: more is INVALID */
    uint32_t id_count;
    const str *names;      /* NULL: none were given */
    uint32_t name_count;
    str feature_service;   /* empty: none */
    str entity;            /* empty: none */
    bool metadata;
};
/* Names and a service together, or neither, is INVALID. */
MUST_CHECK status json_decode_batch_read(str body, bool strict, struct arena *arena,
                                         struct json_batch_read *out, struct error *error);

/* POST /features/batch: 1 … 100 ids, also "entity" and "metadata". */
struct json_user_batch {
    const str *user_ids;
    uint32_t id_count;
    str entity;
    bool metadata;
};
MUST_CHECK status json_decode_user_batch(str body, bool strict, struct arena *arena,
                                         struct json_user_batch *out, struct error *error);

/* One value: int as integer, float shortest with '.' or exponent (finite), boolean, string,
 * timestamp RFC 3339 "Z", embedding as an array (shortest float32 texts), json as it is. */
void json_encode_value(struct buffer *out, const struct value *value);

/* A column of an answer: its name as asked, as JSON `"name":` with quotes and colon, made once per
 * request by json_encode_key(). */
MUST_CHECK status json_encode_key(struct arena *arena, str name, str *out);

/* A value that others wrote, under no version of ours. */
struct json_other {
    str name;
    struct value value; /* float or string */
};

struct json_vector {
    str id_key;              /* `{"entity_id":` or `{"user_id":` */
    const str *keys;         /* from json_encode_key() */
    uint32_t key_count;
    bool only_held;          /* leave out what is not PRESENT or NULL ("all it has") */
    bool metadata;
    const struct json_other *others; /* of the present row, after its columns */
    uint32_t other_count;
};
/* {"entity_id":"u1","features":{"a":1,"b":null}[,"metadata":{…}]}; cells in the order of the keys,
 * cells[i] is cells_base[index[i]] (index NULL: i). */
void json_encode_vector(struct buffer *out, const struct json_vector *vector, str entity_id,
                        const struct cell *cells, const uint32_t *index);

#endif
