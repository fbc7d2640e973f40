/* CSV, its header included: the first byte holds options, the second where the input is cut. */
#include "fuzz_json_bulk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const str COLUMNS[] = {STR("i"), STR("s")};
    struct bulk_options options = {.format = BULK_CSV};
    if (size < 2)
        return 0;
    if (data[0] & 1) {
        options.columns = COLUMNS;
        options.column_count = ARRAY_LEN(COLUMNS);
    }
    if (data[0] & 2)
        options.id_column = STR("id");
    if (data[0] & 4)
        options.timestamp_column = STR("t");
    fuzz_check_bulk(&options, str_of((const char *)data + 2, size - 2), data[1]);
    return 0;
}
