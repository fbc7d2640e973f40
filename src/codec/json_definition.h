/* Definitions of features and feature services, to and from JSON (api.md, "Definitions"). */
#ifndef FEATURED_CODEC_JSON_DEFINITION_H
#define FEATURED_CODEC_JSON_DEFINITION_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "model/catalog.h"
#include "model/statistics.h"

/* Names of members nobody knows, in the order written; in the arena. */
struct json_unknown {
    const str *names;
    uint32_t count;
};

/* MALFORMED; shape and types: INVALID with FastAPI's loc and type; then definition_validate(). A
 * loc starts with "body" (whatever it was before). `name` is what the path says, empty on POST; a
 * name in the body must agree with it. `strict`: unknown members are INVALID. id, version,
 * created_at, updated_at (and a service's resolved) are accepted and ignored. Texts are in the
 * arena, or `name`. */
MUST_CHECK status json_decode_feature_definition(str body, str name, bool strict,
                                                 struct arena *arena,
                                                 struct feature_definition *out,
                                                 struct json_unknown *unknown,
                                                 struct error *error);
MUST_CHECK status json_decode_service_definition(str body, str name, bool strict,
                                                 struct arena *arena,
                                                 struct service_definition *out,
                                                 struct json_unknown *unknown,
                                                 struct error *error);
/* {"version":2} */
MUST_CHECK status json_decode_activate(str body, bool strict, uint32_t *version,
                                       struct error *error);

/* {"message":…,"id":…,"name":…,"version":…[,"warnings":["unknown field 'x' ignored"]]} */
void json_encode_registered(struct buffer *out, str message, int64_t id, str name,
                            uint32_t version, const struct json_unknown *unknown);
/* One element of GET /features: every column, id, version (the active one's number), live
 * statistics (before the first live value: what the definition said). With `versions`: all
 * versions as well, those that are not active without statistics; json_encode_feature_versions()
 * has them. */
void json_encode_feature(struct buffer *out, const struct catalog_feature *feature,
                         const struct statistics *active_statistics, bool with_versions);
/* With all versions; statistics[i] are those of feature->versions[i]. */
void json_encode_feature_versions(struct buffer *out, const struct catalog_feature *feature,
                                  const struct statistics *statistics);
void json_encode_service(struct buffer *out, const struct catalog_service *service);
/* The answer to a change: with "warnings" if members were unknown. */
void json_encode_service_changed(struct buffer *out, const struct catalog_service *service,
                                 const struct json_unknown *unknown);
/* Whether tags (a JSON object) hold `key` with a scalar whose text is `text`. */
bool json_tags_match(str tags_json, str key, str text);

#endif
