/* One command on its way to Redis and back. Whoever embeds it owns it; it is the client's between
 * redis_client_submit() (or redis_link_send()) and the call of `done`, on the same loop. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_COMMAND_H
#define FEATURED_ONLINE_REDIS_REDIS_COMMAND_H

#include <hiredis/hiredis.h>

#include "base/arena.h"
#include "base/error.h"

enum redis_lane {
    REDIS_LANE_READ,  /* short answers that somebody waits for; may go to a replica if so configured */
    REDIS_LANE_WRITE, /* writes, and what is long: behind them no read has to wait */
};
#define REDIS_LANES 2

enum redis_outcome {
    REDIS_ANSWERED, /* `reply` is what the server said, errors that are not ours to mend included */
    REDIS_REFUSED,  /* never sent: away, breaker open, or too much waiting */
    REDIS_LOST,     /* sent, no answer: connection lost or time-out; a write may have happened */
};

/* What answers a command. A reply of another shape is that to another command: the connection is given
 * up, before every answer is somebody else's. So is a plain ERR, which is what a command that is not well
 * formed is told, and ours are: but where a command is not known, and of a script that fails. */
enum redis_shape {
    REDIS_SHAPE_ANY,   /* errors of any kind too */
    REDIS_SHAPE_ARRAY, /* of `elements` */
    REDIS_SHAPE_PAIRS, /* a map, or an array of an even number */
    REDIS_SHAPE_CODE,  /* an array that begins with a number: the scripts' */
};

struct redis_line;

struct redis_command {
    /* set by the owner */
    str bytes;     /* RESP, borrowed until `done`: redis_format() */
    uint32_t slot; /* redis_slot() of its key, or REDIS_SLOT_ANY */
    enum redis_lane lane;
    enum redis_shape shape;
    uint32_t elements;
    /* The reply holds until `done` returns; NULL unless REDIS_ANSWERED. Texts of an ARRAY or PAIRS are not
     * terminated. */
    void (*done)(struct redis_command *command, enum redis_outcome outcome, const redisReply *reply);
    void *user;
    /* private to the link, from redis_link_send() to the call of `done` */
    struct redis_command *next;
    str first;        /* goes out before `bytes`, its reply is dropped; empty: none */
    bool drops_reply; /* that one is still to come */
    int64_t sent_ms;  /* of uv_now() */
    uint64_t end;     /* of `bytes`, in all that the connection was given to send */
    /* private to the client, from redis_client_submit() to the call of `done` */
    void (*finish)(struct redis_command *command, enum redis_outcome outcome,
                   const redisReply *reply); /* the owner's `done`, while the client's is there */
    struct redis_line *line; /* it was last sent on */
    struct redis_command *waiting_next;
    int64_t deadline_ms; /* of uv_now() */
    int64_t due_ms;      /* to be tried again */
    uint16_t redirections;
    uint16_t attempts;
    bool pinned;    /* to one node: never redirected */
    bool to_master; /* a replica could not answer */
};

#define REDIS_SLOTS 16384u
#define REDIS_SLOT_ANY UINT32_MAX /* any node: PING, TIME, SCRIPT … */

/* CRC-16/XMODEM of the key, or of what stands in its first non-empty {braces}, modulo 16384 (Redis
 * Cluster specification, "Hash tags"). */
uint32_t redis_slot(str key);

/* Writes "*12\r\n" or "$12\r\n"; "$3\r\nabc\r\n". Where it ends. */
char *redis_put_head(char *at, char kind, size_t number);
char *redis_put_bulk(char *at, str argument);
#define REDIS_HEAD_BYTES 32u /* room for a head, and the CRLF behind an argument */
/* The arguments as one RESP array of bulk strings, in the arena. False: no memory. */
MUST_CHECK bool redis_format(struct arena *arena, const str *arguments, uint32_t count, str *out);

/* An error reply whose first word is this: "MOVED", "NOSCRIPT" … */
bool redis_reply_is(const redisReply *reply, const char *word);
/* The words of an error reply, as one line of printable UTF-8. */
#define REDIS_WORDS_MAX 256
void redis_reply_words(const redisReply *reply, char out[static REDIS_WORDS_MAX]);
/* The same, without the arguments that a server repeats when it does not know their command, and no
 * words at all if they hold `secret` nevertheless (empty: there is none). */
void redis_reply_words_without(const redisReply *reply, str secret,
                               char out[static REDIS_WORDS_MAX]);

/* Of the shape that the command expects. */
bool redis_reply_fits(const struct redis_command *command, const redisReply *reply);

/* What to tell a client about an outcome that is not an answer: UNAVAILABLE. */
status redis_outcome_error(enum redis_outcome outcome, struct error *error);
/* What to tell about an error reply: UNAVAILABLE (LOADING, CLUSTERDOWN, READONLY, NOAUTH …),
 * STORE_FULL (OOM), else UNAVAILABLE, with the server's words. */
status redis_reply_error(const redisReply *reply, struct error *error);

#endif
