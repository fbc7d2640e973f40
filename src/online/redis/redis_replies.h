/* Replies out of a stream of bytes: hiredis' parser of RESP2 and RESP3, building struct redisReply
 * in an arena that is emptied before the next one, so that a reply costs no allocation. What comes
 * is hostile until parsed: size, nesting and syntax are checked. Rows, which are nearly all that
 * comes, are taken apart where they lie; all else is hiredis'. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_REPLIES_H
#define FEATURED_ONLINE_REDIS_REDIS_REPLIES_H

#include <hiredis/hiredis.h>

#include "base/arena.h"
#include "base/error.h"

/* Of one reply, as bytes and as what it is parsed into. Far more than a row or one step of a scan.
 */
#define REDIS_REPLY_BYTES_MAX ((size_t)64 << 20)
/* CLUSTER SLOTS has four levels. */
#define REDIS_REPLY_DEPTH_MAX 16

struct redis_replies {
    redisReader *reader;
    struct arena arena;
    redisReply *row; /* the last one that was taken, in the arena; NULL: something else is there */
};

MUST_CHECK bool redis_replies_init(struct redis_replies *replies);
void redis_replies_fini(struct redis_replies *replies);
/* UNAVAILABLE: the stream is damaged or over the limits, for good. */
MUST_CHECK status redis_replies_feed(struct redis_replies *replies, str bytes, struct error *error);
/* The next whole one, until the next call here; NULL: none yet. Fails as redis_replies_feed(). */
MUST_CHECK status redis_replies_next(struct redis_replies *replies, const redisReply **out,
                                     struct error *error);

/* A whole array or map of texts and nils at the beginning of `bytes`, none of which hiredis was given:
 * its length, and the reply until the next call here. Its texts are borrowed from `bytes`, without an
 * end of their own. 0: it is something else, or not whole, or another reply has begun. */
size_t redis_replies_take_row(struct redis_replies *replies, str bytes, const redisReply **out);

#endif
