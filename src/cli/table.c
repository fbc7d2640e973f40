#include "cli/table.h"

#include "base/assert.h"
#include "cli/terminal.h"

#define TABLE_BYTES_MAX ((size_t)512 << 20)
#define ELLIPSIS STR("…")

void table_init(struct table *table, unsigned column_count, size_t cell_columns_max)
{
    ASSERT(column_count > 0 && column_count <= TABLE_COLUMNS_MAX);
    *table = (struct table){.column_count = column_count, .cell_columns_max = cell_columns_max};
    buffer_init(&table->text, TABLE_BYTES_MAX);
    buffer_init(&table->ends, TABLE_BYTES_MAX);
}

void table_fini(struct table *table)
{
    buffer_fini(&table->text);
    buffer_fini(&table->ends);
}

/* The longest beginning that takes at most so many columns. */
static str cut(str text, size_t columns)
{
    size_t seen = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (((unsigned char)text.data[i] & 0xc0) == 0x80)
            continue;
        if (seen++ == columns)
            return str_of(text.data, i);
    }
    return text;
}

void table_add(struct table *table, str text)
{
    struct buffer *out = &table->text;
    size_t start = out->len;
    size_t column = table->ends.len / sizeof(size_t) % table->column_count;
    terminal_append_safe(out, text);
    if (out->failed)
        return;
    str cell = str_of(out->data + start, out->len - start);
    size_t columns = terminal_columns(cell);
    if (table->cell_columns_max > 0 && columns > table->cell_columns_max) {
        out->len = start + cut(cell, table->cell_columns_max - 1).len;
        buffer_append_str(out, ELLIPSIS);
        columns = table->cell_columns_max;
    }
    if (columns > table->widths[column])
        table->widths[column] = columns;
    size_t end = out->len;
    buffer_append(&table->ends, &end, sizeof(end));
}

static void append_cell(const struct table *table, struct buffer *out, str cell, size_t column)
{
    buffer_append_str(out, cell);
    if (column + 1 == table->column_count)
        return;
    for (size_t i = terminal_columns(cell); i < table->widths[column] + 2; i++)
        buffer_append_char(out, ' ');
}

void table_append(struct table *table, struct buffer *out, const char *heading_style,
                  const char *plain_style)
{
    size_t start = 0;
    size_t count = table->ends.len / sizeof(size_t);
    for (size_t i = 0; i < count && !table->text.failed; i++) {
        size_t column = i % table->column_count;
        size_t end;
        memcpy(&end, table->ends.data + i * sizeof(end), sizeof(end));
        if (i == 0)
            buffer_append_str(out, str_from_cstr(heading_style));
        append_cell(table, out, str_of(table->text.data + start, end - start), column);
        if (column + 1 == table->column_count) {
            if (i < table->column_count)
                buffer_append_str(out, str_from_cstr(plain_style));
            buffer_append_char(out, '\n');
        }
        start = end;
    }
}
