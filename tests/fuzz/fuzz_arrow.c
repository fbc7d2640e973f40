/* Arrow IPC streams: the first byte holds options, the second where the input is cut. */
#include "codec/arrow_read.h"
#include "fuzz_json_bulk.h"

/* Without the bulk reader's buffer, whose spare bytes would hide a read beyond the end. */
static void read_in_place(const struct bulk_options *options, str input)
{
    struct arrow_reader reader;
    struct ingest_record record;
    struct arena arena;
    struct error error;
    uint64_t line = 0;
    size_t taken = 0;
    enum bulk_next next;
    arena_init(&arena, (size_t)64 << 20);
    arrow_reader_init(&reader, options);
    do {
        next =
            arrow_reader_next(&reader, str_of(input.data + taken, input.len - taken), true, &taken,
                              fuzz_catalog(), FUZZ_NOW_US, &arena, &record, &line, &error);
        ASSERT(next != BULK_NEED_MORE && taken <= input.len);
        arena_reset(&arena);
    } while (next == BULK_RECORD || next == BULK_BAD);
    arrow_reader_fini(&reader);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const str COLUMNS[] = {STR("i"), STR("s")};
    struct bulk_options options = {.format = BULK_ARROW};
    if (size < 2)
        return 0;
    str input = str_of((const char *)data + 2, size - 2);
    if (data[0] & 1) {
        options.columns = COLUMNS;
        options.column_count = ARRAY_LEN(COLUMNS);
    }
    if (data[0] & 2)
        options.id_column = STR("s");
    if (data[0] & 4)
        options.timestamp_column = STR("t");
    read_in_place(&options, input);
    fuzz_check_bulk(&options, input, data[1]);
    return 0;
}
