#include "fixture_bulk.h"

#include "codec/json_read.h"
#include "fixture.h"

/* "3 u1 i=5@1000000 s="x"@now" */
static void append_record(struct buffer *out, uint64_t line, const struct ingest_record *record)
{
    buffer_append_format(out, "%llu %.*s", (unsigned long long)line, STR_ARG(record->entity_id));
    for (uint32_t i = 0; i < record->cell_count; i++) {
        const struct ingest_cell *cell = &record->cells[i];
        buffer_append_format(out, " %.*s=", STR_ARG(cell->name));
        json_encode_value(out, &cell->value);
        if (cell->event_time_us != INGEST_EVENT_TIME_NOW)
            buffer_append_format(out, "@%lld", (long long)cell->event_time_us);
    }
    buffer_append_char(out, '\n');
}

void fixture_read_bulk(const struct catalog *catalog, const struct bulk_options *options, str text,
                       size_t first, size_t step, struct buffer *out)
{
    struct bulk_reader *reader = bulk_reader_create(options);
    struct arena arena;
    struct ingest_record record;
    struct error error;
    size_t fed = first < text.len ? first : text.len;
    uint64_t line = 0;
    assert_non_null(reader);
    arena_init(&arena, 64 << 20);
    assert_true(bulk_reader_feed(reader, str_of(text.data, fed), fed == text.len));
    for (bool more = true; more;) {
        switch (bulk_reader_next(reader, catalog, FIXTURE_NOW_US, &arena, &record, &line, &error)) {
        case BULK_RECORD:
            append_record(out, line, &record);
            break;
        case BULK_BAD:
            buffer_append_format(out, "%llu bad %s\n", (unsigned long long)line,
                                 fixture_error(&error));
            break;
        case BULK_NEED_MORE: {
            size_t len = step < text.len - fed ? step : text.len - fed;
            fed += len;
            assert_true(
                bulk_reader_feed(reader, str_of(text.data + fed - len, len), fed == text.len));
            break;
        }
        case BULK_FATAL:
            buffer_append_format(out, "fatal %s\n", fixture_error(&error));
            more = false;
            break;
        case BULK_END:
            buffer_append_str(out, STR("end\n"));
            more = false;
            break;
        }
    }
    assert_int_equal(
        bulk_reader_next(reader, catalog, FIXTURE_NOW_US, &arena, &record, &line, &error),
        BULK_END);
    arena_fini(&arena);
    bulk_reader_destroy(reader);
}
