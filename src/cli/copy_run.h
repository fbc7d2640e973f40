/* The two passes of a copy between two opened sides: carrying rows over, and comparing. Both show
 * how far they are, and end after the page at hand when Ctrl-C asked for it. */
#ifndef FEATURED_CLI_COPY_RUN_H
#define FEATURED_CLI_COPY_RUN_H

#include "cli/copy_row.h"
#include "cli/copy_state.h"
#include "cli/registered.h"

struct copy_run {
    struct copy_end *from;
    struct copy_end *to;
    const struct registered
        *definitions; /* of the side in charge of types; NULL: neither has any */
    struct copy_state *state;
};

/* OK also after an interruption. *whole: every row was read and taken, nothing was left out. */
MUST_CHECK status copy_run_rows(const struct copy_run *run, bool *whole, struct error *error);
/* *same: both sides hold the same. */
MUST_CHECK status copy_run_verify(const struct copy_run *run, bool *same, struct error *error);

#endif
