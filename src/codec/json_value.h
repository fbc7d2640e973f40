/* Private to codec: one value of a feature, from JSON and from a CSV field; and event times. Types
 * are strict (api.md, "Writing"). */
#ifndef FEATURED_CODEC_JSON_VALUE_H
#define FEATURED_CODEC_JSON_VALUE_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/error.h"
#include "codec/value_rule.h"

/* The value in the type of `version`, or INVALID naming `name` (the feature as written). error->loc
 * is what the caller made it (an item of an embedding is appended); texts stay in the tree's arena,
 * embeddings and minified json are put there. */
MUST_CHECK status json_decode_value(yyjson_val *json, const struct catalog_version *version,
                                    str name, struct arena *arena, struct value *out,
                                    struct error *error);
/* The same from text: strict decimal numbers, true/false/1/0, embeddings and json as JSON text. An
 * empty field is null unless it was quoted and the feature is a string. */
MUST_CHECK status csv_decode_value(str field, bool quoted, const struct catalog_version *version,
                                   str name, struct arena *arena, struct value *out,
                                   struct error *error);
/* JSON text as a value of a json or embedding feature. */
MUST_CHECK status json_decode_value_text(str text, const struct value_target *target,
                                         struct value *out);

/* RFC 3339 or integer milliseconds. */
MUST_CHECK bool json_decode_time(yyjson_val *json, int64_t *out_us);
MUST_CHECK bool csv_decode_time(str field, int64_t *out_us);
/* The two failures of an event time; loc is the caller's. */
status event_time_malformed(struct error *error, const char *name);
status event_time_ahead(struct error *error, const char *name);

#endif
