/* What an error reply asks the client of a cluster to do. Replies are hostile: an address is taken
 * only if it could be one. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_REDIRECT_H
#define FEATURED_ONLINE_REDIS_REDIS_REDIRECT_H

#include "online/redis/redis_command.h"
#include "online/redis/redis_url.h"

enum redis_verdict {
    REDIS_FINAL,               /* for the owner of the command */
    REDIS_MOVED,               /* the slot lives at `address` from now on */
    REDIS_ASK,                 /* the key lives at `address` already; the slot does not yet */
    REDIS_LATER,               /* TRYAGAIN: the slot is on its way */
    REDIS_LATER_AFTER_REFRESH, /* the node cannot serve; perhaps another one can by now */
};

struct redis_redirect {
    enum redis_verdict verdict;
    uint32_t slot;
    struct redis_address address;
};

/* `asked`: who replied; it stands for a host the server left out. */
void redis_redirect_read(const redisReply *reply, const struct redis_address *asked,
                         struct redis_redirect *out);

/* Checks a host (name or address, without brackets) and a port. An empty host stands for that of
 * `asked`. False: it cannot be one. */
MUST_CHECK bool redis_address_read(str host, int64_t port, const struct redis_address *asked,
                                   struct redis_address *out);
bool redis_address_eq(const struct redis_address *a, const struct redis_address *b);

/* "host:port", "[v6]:port", or "socket": for messages. */
#define REDIS_ADDRESS_TEXT_MAX (REDIS_HOST_MAX + 10u)
const char *redis_address_text(const struct redis_address *address,
                               char out[REDIS_ADDRESS_TEXT_MAX]);

#endif
