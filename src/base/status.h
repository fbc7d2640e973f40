/* What a function that can fail returns. Compare with status_is(); details travel in a caller-owned
 * `struct error` (base/error.h). Out-parameters change only on success. */
#ifndef FEATURED_BASE_STATUS_H
#define FEATURED_BASE_STATUS_H

#include <stdbool.h>

#include "base/compiler.h"

enum status_code {
#define STATUS(code, name, http_status, retry) STATUS_##code,
#include "base/status.def"
#undef STATUS
    STATUS_CODE_COUNT,
};

typedef struct status {
    enum status_code code;
} status;

#define OK ((status){STATUS_OK})

static inline bool status_is_ok(status s)
{
    return likely(s.code == STATUS_OK);
}

static inline status status_of(enum status_code code)
{
    return (status){code};
}

const char *status_name(enum status_code code);
int status_http(enum status_code code);
bool status_retry_helps(enum status_code code);

/* Hands a failure on to the caller; for functions that own nothing at this point. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        status try_status_ = (expression);                                                         \
        if (!status_is_ok(try_status_))                                                            \
            return try_status_;                                                                    \
    } while (0)

#endif
