/* How far a copy is, in a small file: so that one that was interrupted goes on there. Replaced
 * whole after each acknowledged page. */
#ifndef FEATURED_CLI_COPY_STATE_H
#define FEATURED_CLI_COPY_STATE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

struct copy_state {
    const char *path; /* NULL: none is kept */
    const char *from; /* names of the two sides: a file of another copy is refused */
    const char *to;
    bool is_copied;         /* only the verification is missing */
    struct buffer position; /* empty: at the beginning */
};

void copy_state_init(struct copy_state *state, const char *path, const char *from, const char *to);
void copy_state_fini(struct copy_state *state);
/* No file is a beginning. INVALID: it is of another copy, or none. */
MUST_CHECK status copy_state_load(struct copy_state *state, struct error *error);
MUST_CHECK status copy_state_save(const struct copy_state *state, struct error *error);
void copy_state_remove(const struct copy_state *state);

#endif
