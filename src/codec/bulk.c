#include "codec/bulk.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/memory.h"
#include "codec/arrow_read.h"
#include "codec/csv_scanner.h"
#include "codec/csv_table.h"
#include "codec/json_ingest.h"

#define INPUT_FIRST_BYTES ((size_t)128 << 10)

struct bulk_reader {
    struct bulk_options options; /* texts in `arena` */
    struct arena arena;
    char *input;
    size_t capacity;
    size_t at;      /* where the first row begins that was not given */
    size_t end;     /* of what was fed */
    size_t scanned; /* NDJSON: of these bytes of the row none is a newline */
    uint64_t line;  /* of the row at `at` */
    bool began;     /* a BOM was looked for */
    bool last;      /* nothing more will be fed */
    bool ended;     /* by BULK_END or BULK_FATAL */
    bool has_header;
    struct json_ingest_hints hints;
    struct csv_scanner scanner;
    struct bulk_columns columns;
    struct arrow_reader arrow;
};

static bool copy_options(struct bulk_reader *reader, const struct bulk_options *options)
{
    struct bulk_options *own = &reader->options;
    struct arena *arena = &reader->arena;
    *own = *options;
    if (!arena_copy_str(arena, options->entity, &own->entity) ||
        !arena_copy_str(arena, options->id_column, &own->id_column) ||
        !arena_copy_str(arena, options->timestamp_column, &own->timestamp_column))
        return false;
    if (options->columns == NULL)
        return true;
    str *columns = arena_alloc_array(arena, options->column_count, sizeof(*columns));
    own->columns = columns;
    if (columns == NULL)
        return false;
    for (uint32_t i = 0; i < options->column_count; i++) {
        if (!arena_copy_str(arena, options->columns[i], &columns[i]))
            return false;
    }
    return true;
}

struct bulk_reader *bulk_reader_create(const struct bulk_options *options)
{
    struct bulk_reader *reader = memory_alloc_zero(sizeof(*reader));
    if (reader == NULL)
        return NULL;
    reader->line = 1;
    arena_init(&reader->arena, SIZE_MAX);
    csv_scanner_init(&reader->scanner, BULK_COLUMNS_MAX);
    bool copied = copy_options(reader, options);
    bulk_columns_init(&reader->columns, &reader->options, "header");
    arrow_reader_init(&reader->arrow, &reader->options);
    if (copied)
        return reader;
    bulk_reader_destroy(reader);
    return NULL;
}

void bulk_reader_destroy(struct bulk_reader *reader)
{
    if (reader == NULL)
        return;
    arrow_reader_fini(&reader->arrow);
    bulk_columns_fini(&reader->columns);
    csv_scanner_fini(&reader->scanner);
    arena_fini(&reader->arena);
    memory_free(reader->input);
    memory_free(reader);
}

static bool make_room(struct bulk_reader *reader, size_t more)
{
    size_t needed;
    size_t held = reader->end - reader->at;
    if (__builtin_add_overflow(held, more, &needed))
        return false;
    if (held && reader->at)
        memmove(reader->input, reader->input + reader->at, held);
    reader->at = 0;
    reader->end = held;
    if (reader->input && needed <= reader->capacity)
        return true;
    size_t capacity = reader->capacity ? reader->capacity : INPUT_FIRST_BYTES;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    char *input = memory_realloc(reader->input, capacity);
    if (input == NULL)
        return false;
    reader->input = input;
    reader->capacity = capacity;
    return true;
}

bool bulk_reader_feed(struct bulk_reader *reader, str piece, bool last)
{
    ASSERT(!reader->last);
    if (!make_room(reader, piece.len))
        return false;
    if (piece.len)
        memcpy(reader->input + reader->end, piece.data, piece.len);
    reader->end += piece.len;
    reader->last = last;
    return true;
}

static void begin_error(struct error *error, uint64_t line)
{
    error_clear(error);
    error_loc_name(error, STR("line"));
    error_loc_index(error, line);
}

static enum bulk_next fatal(struct bulk_reader *reader)
{
    reader->ended = true;
    return BULK_FATAL;
}

static enum bulk_next row_too_long(struct bulk_reader *reader, struct error *error)
{
    begin_error(error, reader->line);
    (void)error_set(error, STATUS_TOO_LARGE, "too_long",
                    "the row at line %" PRIu64 " is longer than %u bytes", reader->line,
                    BULK_ROW_BYTES);
    return fatal(reader);
}

static enum bulk_next no_memory(struct bulk_reader *reader, struct error *error)
{
    begin_error(error, reader->line);
    (void)error_no_memory(error);
    return fatal(reader);
}

/* What a decoder said of the row at `line`. */
static enum bulk_next outcome(struct bulk_reader *reader, status decoded)
{
    if (likely(status_is_ok(decoded)))
        return BULK_RECORD;
    return decoded.code == STATUS_OUT_OF_MEMORY ? fatal(reader) : BULK_BAD;
}

/* True when rows may be looked for: whether a BOM is there shows with the third byte. */
static bool skip_bom(struct bulk_reader *reader)
{
    str input = str_of(reader->input + reader->at, reader->end - reader->at);
    if (reader->began)
        return true;
    if (input.len < 3 && !reader->last)
        return false;
    reader->began = true;
    if (str_starts_with(input, STR("\xEF\xBB\xBF")))
        reader->at += 3;
    return true;
}

static bool is_blank(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != ' ' && text.data[i] != '\t' && text.data[i] != '\r')
            return false;
    }
    return true;
}

/* The next line without its newline; false: there is no whole one. */
static bool take_line(struct bulk_reader *reader, str *line)
{
    char *start = reader->input + reader->at;
    size_t held = reader->end - reader->at;
    char *newline = held > reader->scanned
                        ? memchr(start + reader->scanned, '\n', held - reader->scanned)
                        : NULL;
    if (newline == NULL && (!reader->last || held == 0)) {
        reader->scanned = held;
        return false;
    }
    *line = str_of(start, newline ? (size_t)(newline - start) : held);
    reader->scanned = 0;
    reader->at += line->len + (newline != NULL);
    return true;
}

static enum bulk_next next_json(struct bulk_reader *reader,
                                const struct json_ingest_options *options, struct arena *arena,
                                struct ingest_record *out, uint64_t *line, struct error *error)
{
    str text;
    while (take_line(reader, &text)) {
        if (text.len > BULK_ROW_BYTES)
            return row_too_long(reader, error);
        *line = reader->line++;
        if (is_blank(text))
            continue;
        begin_error(error, *line);
        return outcome(reader, json_decode_ingest(text, options, arena, out, error));
    }
    if (reader->end - reader->at > BULK_ROW_BYTES)
        return row_too_long(reader, error);
    reader->ended = reader->last;
    return reader->last ? BULK_END : BULK_NEED_MORE;
}

/* The next row, split, in `scanner`; RECORD stands for "there is one". */
static enum bulk_next take_row(struct bulk_reader *reader, char **row, struct error *error)
{
    size_t held = reader->end - reader->at;
    size_t seen = held > BULK_ROW_BYTES ? BULK_ROW_BYTES + 1 : held;
    *row = reader->input + reader->at;
    switch (csv_scanner_scan(&reader->scanner, str_of(*row, seen), reader->last && seen == held)) {
    case CSV_ROW:
        if (reader->scanner.at <= BULK_ROW_BYTES)
            return BULK_RECORD;
        return row_too_long(reader, error);
    case CSV_MORE:
        if (held > BULK_ROW_BYTES)
            return row_too_long(reader, error);
        return reader->last ? BULK_END : BULK_NEED_MORE;
    case CSV_NO_MEMORY:
    default:
        return no_memory(reader, error);
    }
}

/* The row's bytes stay where they are until the next feed. */
static void leave_row(struct bulk_reader *reader)
{
    reader->at += reader->scanner.at;
    reader->line += reader->scanner.newlines + 1;
}

static bool is_empty_row(const struct csv_scanner *scanner)
{
    return scanner->count == 1 && !scanner->fields[0].quoted && scanner->fields[0].len == 0 &&
           scanner->problem == NULL;
}

static enum bulk_next read_header(struct bulk_reader *reader, struct error *error)
{
    char *row;
    begin_error(error, 1);
    enum bulk_next taken = take_row(reader, &row, error);
    if (taken == BULK_END || (taken == BULK_RECORD && is_empty_row(&reader->scanner))) {
        (void)error_set(error, STATUS_INVALID, "missing", "there is no header line");
        return fatal(reader);
    }
    if (taken != BULK_RECORD)
        return taken;
    if (!status_is_ok(csv_table_open(&reader->columns, row, &reader->scanner, error)))
        return fatal(reader);
    leave_row(reader);
    csv_scanner_next_row(&reader->scanner);
    reader->has_header = true;
    return BULK_RECORD;
}

static enum bulk_next next_csv(struct bulk_reader *reader, const struct catalog *catalog,
                               int64_t now_us, struct arena *arena, struct ingest_record *out,
                               uint64_t *line, struct error *error)
{
    char *row;
    enum bulk_next taken;
    if (!reader->has_header && (taken = read_header(reader, error)) != BULK_RECORD)
        return taken;
    if (!bulk_columns_are_resolved(&reader->columns, catalog)) {
        begin_error(error, 1);
        if (!status_is_ok(bulk_columns_resolve(&reader->columns, catalog, error)))
            return fatal(reader);
    }
    while ((taken = take_row(reader, &row, error)) == BULK_RECORD) {
        struct csv_scanner *scanner = &reader->scanner;
        bool empty = is_empty_row(scanner);
        *line = reader->line;
        leave_row(reader);
        status decoded = OK;
        if (!empty) {
            begin_error(error, *line);
            decoded = csv_table_record(&reader->columns, row, scanner, now_us, arena, out, error);
        }
        csv_scanner_next_row(scanner);
        if (!empty)
            return outcome(reader, decoded);
    }
    reader->ended = taken == BULK_END || taken == BULK_FATAL;
    return taken;
}

static enum bulk_next next_arrow(struct bulk_reader *reader, const struct catalog *catalog,
                                 int64_t now_us, struct arena *arena, struct ingest_record *out,
                                 uint64_t *line, struct error *error)
{
    str input = str_of(reader->input + reader->at, reader->end - reader->at);
    enum bulk_next next = arrow_reader_next(&reader->arrow, input, reader->last, &reader->at,
                                            catalog, now_us, arena, out, line, error);
    reader->ended = next == BULK_END || next == BULK_FATAL;
    return next;
}

enum bulk_next bulk_reader_next(struct bulk_reader *reader, const struct catalog *catalog,
                                int64_t now_us, struct arena *arena, struct ingest_record *out,
                                uint64_t *line, struct error *error)
{
    if (reader->ended)
        return BULK_END;
    if (reader->input == NULL)
        return BULK_NEED_MORE;
    if (reader->options.format == BULK_ARROW)
        return next_arrow(reader, catalog, now_us, arena, out, line, error);
    if (!skip_bom(reader))
        return BULK_NEED_MORE;
    if (reader->options.format == BULK_CSV)
        return next_csv(reader, catalog, now_us, arena, out, line, error);
    const struct json_ingest_options options = {.catalog = catalog,
                                                .entity = reader->options.entity,
                                                .now_us = now_us,
                                                .strict = reader->options.strict,
                                                .by_name = true,
                                                .hints = &reader->hints};
    return next_json(reader, &options, arena, out, line, error);
}
