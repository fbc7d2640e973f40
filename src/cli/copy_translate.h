/* Rows of one side in the words of the other: names, types and lives by the definitions of
 * whichever side is a server (the target, if both are). Between two stores in Redis there are none,
 * and rows stay as they are. What cannot be carried over is left out, counted by reason, and the
 * first few named. */
#ifndef FEATURED_CLI_COPY_TRANSLATE_H
#define FEATURED_CLI_COPY_TRANSLATE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "cli/copy_row.h"
#include "cli/registered.h"

enum copy_left_out {
    COPY_UNREGISTERED,    /* no such feature */
    COPY_ANOTHER_ENTITY,  /* the feature is of another one */
    COPY_ANOTHER_VERSION, /* not the active one */
    COPY_ANOTHER_TYPE,    /* no value of the feature's type */
    COPY_BAD_ID,          /* not UTF-8: HTTP cannot carry it */
    COPY_EXPIRED,         /* no longer alive: nothing is said of it */
    COPY_LEFT_OUT_COUNT,
};

struct copy_translator {
    const struct registered *definitions;   /* NULL: none */
    bool fields_in;                         /* names are fields of Redis: "age", "age@2" */
    bool fields_out;                        /* they are to be */
    int64_t now_us;                         /* of the page at hand */
    uint64_t left_out[COPY_LEFT_OUT_COUNT]; /* values; ids for COPY_BAD_ID */
    struct buffer messages; /* of the first of each: the owner prints and resets it */
    struct buffer scratch;
};

void copy_translator_init(struct copy_translator *translator);
void copy_translator_fini(struct copy_translator *translator);
/* In place; what stays has `text` in its one canonical form. OUT_OF_MEMORY is all that can fail. */
MUST_CHECK status copy_translate(struct copy_translator *translator, struct arena *arena,
                                 struct copy_row *row);
/* "12 values of features that are not registered", a line for each reason there is. */
void copy_translator_append_summary(struct buffer *out, const struct copy_translator *translator);
/* Something was left out that is served where it comes from. */
bool copy_translator_left_out(const struct copy_translator *translator);

#endif
