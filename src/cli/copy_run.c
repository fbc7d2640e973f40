#include "cli/copy_run.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/copy_translate.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/terminal.h"

#define PAGE_BYTES_MAX ((size_t)4 << 30)
#define TEXT_BYTES_MAX 65536u

struct copying {
    const struct copy_run *run;
    struct copy_translator translator;
    struct copy_page page;
    struct progress progress;
    uint64_t rows;
};

static void print_messages(struct progress *progress, struct buffer *messages)
{
    if (messages->len == 0)
        return;
    progress_clear(progress);
    fwrite(messages->data, 1, messages->len, stderr);
    buffer_reset(messages, SIZE_MAX);
}

static void show(struct copying *copying)
{
    struct copy_end *to = copying->run->to;
    print_messages(&copying->progress, &copying->translator.messages);
    print_messages(&copying->progress, &to->written.messages);
    progress_update(&copying->progress, copying->rows, to->written.values);
}

static status save_position(const struct copy_run *run, struct error *error)
{
    buffer_reset(&run->state->position, SIZE_MAX);
    run->from->driver->position(run->from, &run->state->position);
    return copy_state_save(run->state, error);
}

static status copy_page(struct copying *copying, bool *more, struct error *error)
{
    const struct copy_run *run = copying->run;
    struct copy_page *page = &copying->page;
    arena_reset(&page->arena);
    TRY(run->from->driver->next(run->from, page, more, error));
    copying->translator.now_us = clock_wall_us();
    for (uint32_t i = 0; i < page->row_count; i++) {
        struct copy_row *row = &page->rows[i];
        TRY(copy_translate(&copying->translator, &page->arena, row));
        if (row->cell_count > 0)
            TRY(run->to->driver->write(run->to, row, error));
        copying->rows++;
    }
    TRY(run->to->driver->flush(run->to, error));
    show(copying);
    return *more ? save_position(run, error) : OK;
}

static void append_more(struct buffer *out, const char *before, uint64_t count, const char *after)
{
    if (count == 0)
        return;
    buffer_append_str(out, str_from_cstr(before));
    terminal_append_count(out, count);
    buffer_append_str(out, str_from_cstr(after));
}

static void print_summary(struct copying *copying)
{
    const struct copy_run *run = copying->run;
    const struct copy_written *written = &run->to->written;
    double seconds = (double)copying->progress.elapsed_ns / 1e9;
    struct buffer line;
    buffer_init(&line, TEXT_BYTES_MAX);
    buffer_append_format(&line, "%s to %s: ", run->from->name, run->to->name);
    terminal_append_count(&line, copying->rows);
    buffer_append_str(&line, STR(" ids, "));
    terminal_append_count(&line, written->values);
    buffer_append_str(&line, STR(" values copied"));
    append_more(&line, ", ", written->values_late, " late: newer ones are there");
    append_more(&line, ", ", written->rows_refused, " rows refused");
    buffer_append_format(&line, " in %.1f s\n", seconds);
    copy_translator_append_summary(&line, &copying->translator);
    append_more(&line, "not copied: ", run->from->keys_unfit,
                " keys that are not named or filled as rows are\n");
    fwrite(line.data, 1, line.len, stdout);
    fflush(stdout);
    buffer_fini(&line);
}

static status copy_all(struct copying *copying, bool *ended, struct error *error)
{
    const struct copy_run *run = copying->run;
    bool more = true;
    uint64_t total;
    TRY(run->from->driver->seek(run->from, buffer_str(&run->state->position), error));
    TRY(run->from->driver->count(run->from, &total, error));
    progress_start(&copying->progress, "copying", run->state->position.len > 0 ? 0 : total);
    copying->progress.unit = "ids";
    copying->progress.row_unit = "values";
    while (more && !interrupt_asked())
        TRY(copy_page(copying, &more, error));
    *ended = !more;
    return OK;
}

status copy_run_rows(const struct copy_run *run, bool *whole, struct error *error)
{
    struct copying copying = {.run = run};
    bool ended = false;
    copy_translator_init(&copying.translator);
    copying.translator.definitions = run->definitions;
    copying.translator.fields_in = run->from->is_redis;
    copying.translator.fields_out = run->to->is_redis;
    arena_init(&copying.page.arena, PAGE_BYTES_MAX);
    status result = copy_all(&copying, &ended, error);
    if (status_is_ok(result) && ended) {
        run->state->is_copied = true;
        result = copy_state_save(run->state, error);
    }
    progress_clear(&copying.progress);
    print_messages(&copying.progress, &run->to->written.messages);
    if (copying.rows > 0 || status_is_ok(result))
        print_summary(&copying);
    *whole = ended && run->to->written.rows_refused == 0 && run->from->keys_unfit == 0 &&
             !copy_translator_left_out(&copying.translator);
    arena_fini(&copying.page.arena);
    copy_translator_fini(&copying.translator);
    return result;
}
