/* Rows made here, as NDJSON, to POST /features/ingest/bulk: one request for each chunk, rows that
 * the server refuses are passed over, named by their entity id (the first few) and counted. */
#ifndef FEATURED_CLI_BULK_SENDER_H
#define FEATURED_CLI_BULK_SENDER_H

#include "cli/client.h"
#include "cli/ingest_result.h"

#define BULK_SENDER_CHUNK_BYTES ((size_t)1 << 20)
#define BULK_SENDER_NAMED_MAX 20u /* refused rows that are said one by one */

struct bulk_sender {
    struct client *client; /* borrowed */
    struct client_answer answer;
    struct buffer rows; /* append whole lines */
    struct ingest_result result;
    struct buffer messages; /* "ID: message\n" of refused rows: the owner prints and resets it */
    size_t sent;            /* private: bytes of `rows` */
};

void bulk_sender_init(struct bulk_sender *sender, struct client *client);
void bulk_sender_fini(struct bulk_sender *sender);
static inline bool bulk_sender_is_full(const struct bulk_sender *sender)
{
    return sender->rows.len >= BULK_SENDER_CHUNK_BYTES;
}
/* Sends what was appended, if anything, and forgets it, unless there was no answer: then it may be
 * called again. OK: acknowledged, refused rows aside. */
MUST_CHECK status bulk_sender_flush(struct bulk_sender *sender, struct error *error);

#endif
