/* The entity ids that a load is about: a pattern such as "user_{0..99999}", or a list. Each is kept
 * as it stands in a path and in JSON, so that a request costs no escaping. Immutable once made: any
 * thread may read. */
#ifndef FEATURED_CLI_BENCH_IDS_H
#define FEATURED_CLI_BENCH_IDS_H

#include "base/buffer.h"
#include "base/error.h"

#define BENCH_IDS_MAX UINT64_C(100000000)           /* of a pattern */
#define BENCH_ID_FILE_BYTES_MAX ((size_t)512 << 20) /* of a list */

struct bench_ids {
    uint64_t count;
    /* a pattern: before, number, after */
    uint64_t first;
    struct buffer path_before, path_after; /* percent-encoded */
    struct buffer json_before, json_after; /* with the quotes */
    /* a list: all texts one after the other, and where each ends */
    struct buffer path_texts, json_texts;
    struct buffer path_ends, json_ends; /* size_t each */
};

void bench_ids_init(struct bench_ids *ids);
void bench_ids_fini(struct bench_ids *ids);
/* "PREFIX{FIRST..LAST}SUFFIX", or one id. INVALID says what is accepted. */
MUST_CHECK status bench_ids_set_pattern(struct bench_ids *ids, str pattern, struct error *error);
/* One more of a list; empty ids, longer ones than the store takes and such as are not UTF-8 are
 * INVALID. */
MUST_CHECK status bench_ids_add(struct bench_ids *ids, str id, struct error *error);
/* One id a line; blank lines are skipped. */
MUST_CHECK status bench_ids_add_lines(struct bench_ids *ids, str text, const char *name,
                                      struct error *error);

void bench_ids_append_path(const struct bench_ids *ids, uint64_t index, struct buffer *out);
void bench_ids_append_json(const struct bench_ids *ids, uint64_t index, struct buffer *out);

#endif
