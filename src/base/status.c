#include "base/status.h"

#include "base/assert.h"

static const struct status_row {
    const char *name;
    int http_status;
    bool retry_helps;
} STATUS_TABLE[] = {
#define STATUS(code, name, http_status, retry) [STATUS_##code] = {name, http_status, retry},
#include "base/status.def"
#undef STATUS
};

const char *status_name(enum status_code code)
{
    ASSERT((unsigned)code < STATUS_CODE_COUNT);
    return STATUS_TABLE[code].name;
}

int status_http(enum status_code code)
{
    ASSERT((unsigned)code < STATUS_CODE_COUNT);
    return STATUS_TABLE[code].http_status;
}

bool status_retry_helps(enum status_code code)
{
    ASSERT((unsigned)code < STATUS_CODE_COUNT);
    return STATUS_TABLE[code].retry_helps;
}
