#include "codec/csv_scanner.h"

#include "base/memory.h"

#define FIRST_FIELDS 16

void csv_scanner_init(struct csv_scanner *scanner, uint32_t stored_max)
{
    *scanner = (struct csv_scanner){.stored_max = stored_max};
}

void csv_scanner_fini(struct csv_scanner *scanner)
{
    memory_free(scanner->fields);
    csv_scanner_init(scanner, scanner->stored_max);
}

void csv_scanner_next_row(struct csv_scanner *scanner)
{
    scanner->count = 0;
    scanner->at = 0;
    scanner->newlines = 0;
    scanner->problem = NULL;
    scanner->state = CSV_FIELD_START;
}

static bool grow(struct csv_scanner *scanner)
{
    uint32_t capacity = scanner->capacity ? scanner->capacity * 2 : FIRST_FIELDS;
    struct csv_field *fields =
        memory_realloc(scanner->fields, (size_t)capacity * sizeof(*fields));
    if (fields == NULL)
        return false;
    scanner->fields = fields;
    scanner->capacity = capacity;
    return true;
}

/* The field ends before offset `end`. */
static bool end_field(struct csv_scanner *scanner, uint32_t end)
{
    if (!scanner->field.quoted)
        scanner->field.len = end - scanner->field.start;
    scanner->state = CSV_FIELD_START;
    if (scanner->count >= scanner->stored_max) {
        scanner->count++;
        return true;
    }
    if (unlikely(scanner->count == scanner->capacity) && !grow(scanner))
        return false;
    scanner->fields[scanner->count++] = scanner->field;
    return true;
}

/* The newline at offset `end` (or the end of the input) ends the row, with a CR before it. */
static enum csv_scan end_row(struct csv_scanner *scanner, str row, uint32_t end, bool newline)
{
    if (scanner->state == CSV_FIELD_START)
        scanner->field = (struct csv_field){.start = end};
    uint32_t text_end = end;
    if (scanner->state == CSV_UNQUOTED && row.data[end - 1] == '\r')
        text_end--;
    if (!end_field(scanner, text_end))
        return CSV_NO_MEMORY;
    scanner->at = end + newline;
    return CSV_ROW;
}

static void misplaced(struct csv_scanner *scanner, const char *problem)
{
    scanner->problem = problem;
    scanner->state = CSV_SKIPPING;
}

static void begin_field(struct csv_scanner *scanner, char c)
{
    bool quoted = c == '"';
    scanner->field = (struct csv_field){.start = scanner->at + quoted, .quoted = quoted};
    scanner->state = quoted ? CSV_QUOTED : CSV_UNQUOTED;
    scanner->at += quoted;
}

/* Each runs over the bytes of its state and stops at the first that is not one of them. */
static void run_unquoted(struct csv_scanner *scanner, str row)
{
    uint32_t at = scanner->at;
    while (at < row.len && row.data[at] != ',' && row.data[at] != '\n' && row.data[at] != '"')
        at++;
    scanner->at = at;
}

static void run_quoted(struct csv_scanner *scanner, str row)
{
    uint32_t at = scanner->at;
    for (; at < row.len && row.data[at] != '"'; at++)
        scanner->newlines += row.data[at] == '\n';
    scanner->at = at;
    if (at == row.len)
        return;
    scanner->field.len = at - scanner->field.start;
    scanner->at++;
    scanner->state = CSV_QUOTE_SEEN;
}

/* After a quote inside quotes: another one, or the end of the field. */
static void after_quote(struct csv_scanner *scanner, str row)
{
    char c = row.data[scanner->at];
    if (c == '"') {
        scanner->field.doubled = true;
        scanner->state = CSV_QUOTED;
        scanner->at++;
    } else if (c == '\r' && scanner->at + 1 < row.len && row.data[scanner->at + 1] == '\n') {
        scanner->at++;
    } else {
        misplaced(scanner, "text after a closing quote");
    }
}

static void skip_line(struct csv_scanner *scanner, str row)
{
    const char *newline = memchr(row.data + scanner->at, '\n', row.len - scanner->at);
    scanner->at = newline ? (uint32_t)(newline - row.data) : (uint32_t)row.len;
}

/* What ends a field is the same in every state but in quotes. False without memory. */
static bool step(struct csv_scanner *scanner, str row)
{
    if (scanner->state == CSV_QUOTED) {
        run_quoted(scanner, row);
        return true;
    }
    if (scanner->state == CSV_SKIPPING) {
        skip_line(scanner, row);
        return true;
    }
    if (row.data[scanner->at] == ',') {
        if (scanner->state == CSV_FIELD_START)
            scanner->field = (struct csv_field){.start = scanner->at};
        return end_field(scanner, scanner->at++);
    }
    if (scanner->state == CSV_QUOTE_SEEN) {
        after_quote(scanner, row);
        return true;
    }
    if (scanner->state == CSV_FIELD_START)
        begin_field(scanner, row.data[scanner->at]);
    else if (row.data[scanner->at] == '"')
        misplaced(scanner, "a quote inside a field that is not quoted");
    if (scanner->state == CSV_UNQUOTED)
        run_unquoted(scanner, row);
    return true;
}

enum csv_scan csv_scanner_scan(struct csv_scanner *scanner, str row, bool last)
{
    while (scanner->at < row.len) {
        if (row.data[scanner->at] == '\n' && scanner->state != CSV_QUOTED)
            return end_row(scanner, row, scanner->at, true);
        /* Whether this CR belongs to the newline shows with the next byte. */
        if (scanner->state == CSV_QUOTE_SEEN && row.data[scanner->at] == '\r' &&
            scanner->at + 1 == row.len) {
            if (!last)
                return CSV_MORE;
            return end_row(scanner, str_of(row.data, row.len), (uint32_t)row.len, false);
        }
        if (!step(scanner, row))
            return CSV_NO_MEMORY;
    }
    if (!last || row.len == 0)
        return CSV_MORE;
    if (scanner->state == CSV_QUOTED) {
        scanner->field.len = (uint32_t)row.len - scanner->field.start;
        scanner->problem = "a quote that is never closed";
    }
    return end_row(scanner, row, (uint32_t)row.len, false);
}

str csv_field_text(char *row, struct csv_field *field)
{
    char *text = row + field->start;
    if (field->doubled) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < field->len; i++) {
            text[kept++] = text[i];
            if (text[i] == '"')
                i++;
        }
        field->len = kept;
        field->doubled = false;
    }
    return str_of(text, field->len);
}
