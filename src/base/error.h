/* The details of a failure, owned by the caller of the function that failed. Big (over 1 KiB), so it
 * lives in a request's arena or on the stack of whoever answers, and is passed down by pointer.
 * Every function here accepts a NULL error and then only returns the status. */
#ifndef FEATURED_BASE_ERROR_H
#define FEATURED_BASE_ERROR_H

#include "base/compiler.h"
#include "base/status.h"
#include "base/str.h"

#define ERROR_DETAIL_MAX 1024 /* longer texts are cut, never in the middle of a UTF-8 sequence */
#define ERROR_TYPE_MAX 40
#define ERROR_LOC_MAX 384 /* two names of 128 bytes, and the words around them */

struct error {
    enum status_code code;
    char detail[ERROR_DETAIL_MAX]; /* a sentence for a person, terminated */
    char type[ERROR_TYPE_MAX];     /* a word for a program, as FastAPI's: int_type, missing, … */
    char loc[ERROR_LOC_MAX];       /* see error_loc_next() */
    size_t loc_len;
};

void error_clear(struct error *error);

/* Sets code, type and detail (loc stays) and returns the code: `return error_set(e, …)`. The detail is
 * valid UTF-8 whatever is in it: where it would not be, all beyond ASCII is shown as `?`. */
status error_set(struct error *error, enum status_code code, const char *type, const char *format,
                 ...) PRINTF_LIKE(4, 5);
/* OUT_OF_MEMORY, of whoever could not get what a request needs. */
status error_no_memory(struct error *error);

/* Where in the input: ["body","features",0,"value"] is built by one call per part, in order. */
void error_loc_name(struct error *error, str name);
void error_loc_index(struct error *error, uint64_t index);

/* Reads the parts back. *cursor starts at 0; false at the end. A part is a name or an index. */
struct error_loc_part {
    bool is_index;
    uint64_t index;
    str name;
};
bool error_loc_next(const struct error *error, size_t *cursor, struct error_loc_part *part);

#endif
