/* NDJSON: the first byte holds options, the second where the input is cut. */
#include "fuzz_json_bulk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bulk_options options = {.format = BULK_NDJSON};
    if (size < 2)
        return 0;
    options.strict = data[0] & 1;
    if (data[0] & 2)
        options.entity = STR("user");
    fuzz_check_bulk(&options, str_of((const char *)data + 2, size - 2), data[1]);
    return 0;
}
