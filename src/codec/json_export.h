/* One line of an export: what POST /features/ingest/bulk takes. */
#ifndef FEATURED_CODEC_JSON_EXPORT_H
#define FEATURED_CODEC_JSON_EXPORT_H

#include "codec/json_read.h"

/* A column as it stands in every line: `{"feature_name":"a","value":`. */
MUST_CHECK status json_encode_export_key(struct arena *arena, str name, str *out);

/* {"entity_id":"u1","features":[{"feature_name":"a","value":1,"event_timestamp":"…"},…]} and a
 * newline: the cells that are PRESENT or NULL, then the others. Without an event time where it is
 * unknown. No line at all if nothing is held. */
void json_encode_export(struct buffer *out, str entity_id, const str *keys,
                        const struct cell *cells, uint32_t count, const struct json_other *others,
                        uint32_t other_count);

/* The last line: {"next_cursor":"…"} or, for an empty one, {"next_cursor":null}. */
void json_encode_export_end(struct buffer *out, str cursor);

#endif
