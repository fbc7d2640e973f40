/* What a load asks of the server: a mix of reads of one id, reads of many and writes, of the
 * features of one entity. Requests are HTTP/1.1, whole, with keep-alive; all of one that does not
 * change from request to request is rendered once. The workload is immutable while renderers use
 * it. */
#ifndef FEATURED_CLI_BENCH_WORKLOAD_H
#define FEATURED_CLI_BENCH_WORKLOAD_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "cli/bench_ids.h"
#include "cli/bench_random.h"
#include "model/data_type.h"

enum bench_kind { BENCH_SINGLE, BENCH_BATCH, BENCH_INGEST, BENCH_KINDS };

extern const char *const BENCH_KIND_NAMES[BENCH_KINDS]; /* "single", "batch", "ingest" */

struct bench_feature {
    str name;
    enum data_type data_type;
    uint32_t dimension; /* of an embedding; 0: any */
};

struct bench_workload {
    uint32_t shares[BENCH_KINDS]; /* of requests, relative to each other */
    uint32_t batch_size;          /* ids of a BENCH_BATCH */
    bool tensors;                 /* reads ask for application/x-npy */
    bool is_zipf;
    double zipf_exponent;
    uint64_t seed;
    str entity;
    struct bench_feature *features; /* borrowed */
    size_t feature_count;
    const struct bench_ids *ids; /* borrowed */
    /* made by bench_workload_prepare() */
    struct bench_zipf zipf;
    struct buffer single_before, single_after; /* around the id */
    struct buffer batch_before, batch_after;   /* around the ids, of the body */
    struct buffer ingest_before;               /* of the body, up to the id */
    struct buffer batch_head, ingest_head;     /* up to the value of Content-Length */
};

/* "single", "batch=2,ingest=1": fills `shares`. False if it is no such text. */
MUST_CHECK bool bench_workload_parse_mix(str text, uint32_t shares[BENCH_KINDS]);
#define BENCH_MIX_ACCEPTED                                                                         \
    "expected single, batch or ingest, or a mix with shares such as single=8,batch=1,ingest=1"

/* `host` is what the header Host says, `path` what the server's address has before the routes. */
MUST_CHECK status bench_workload_prepare(struct bench_workload *workload, str host, str path);
void bench_workload_fini(struct bench_workload *workload);

/* One thread's requests. */
struct bench_renderer {
    const struct bench_workload *workload;
    struct bench_random random;
    uint32_t share_total;
    struct buffer body;
};

/* `stream`: each gives other requests, the same for the same seed. */
void bench_renderer_init(struct bench_renderer *renderer, const struct bench_workload *workload,
                         uint64_t stream);
void bench_renderer_fini(struct bench_renderer *renderer);
/* The next request, in place of what `out` holds; it has failed without memory. */
enum bench_kind bench_renderer_next(struct bench_renderer *renderer, struct buffer *out);
/* The same of a kind, whatever the shares say. */
void bench_renderer_render(struct bench_renderer *renderer, enum bench_kind kind,
                           struct buffer *out);

#endif
