/* The second pass of a copy (copy_run.h): both sides are read from beginning to end and compared.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/copy_run.h"
#include "cli/copy_translate.h"
#include "cli/copy_verify.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/terminal.h"

#define PAGE_BYTES_MAX ((size_t)4 << 30)
#define TEXT_BYTES_MAX ((size_t)1 << 20)
#define HORIZON_US INT64_C(60000000) /* at first: what takes longer is tried again with more */
#define TRIES_MAX 4

/* Called with each row as the target would name it; false without memory. */
typedef bool row_fn(void *context, enum copy_side side, const struct copy_row *row);

struct comparing {
    const struct copy_run *run;
    row_fn *take;
    void *context;
    struct progress progress;
    uint64_t rows;
};

static status no_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "client", "not enough memory to compare");
}

static status read_page(struct comparing *comparing, enum copy_side side,
                        struct copy_translator *translator, struct copy_page *page, bool *more,
                        struct error *error)
{
    struct copy_end *end = side == COPY_FROM ? comparing->run->from : comparing->run->to;
    arena_reset(&page->arena);
    TRY(end->driver->next(end, page, more, error));
    translator->now_us = clock_wall_us();
    for (uint32_t i = 0; i < page->row_count; i++) {
        if (!status_is_ok(copy_translate(translator, &page->arena, &page->rows[i])) ||
            !comparing->take(comparing->context, side, &page->rows[i]))
            return no_memory(error);
        comparing->rows++;
    }
    buffer_reset(&translator->messages, SIZE_MAX); /* copying has said it */
    progress_update(&comparing->progress, comparing->rows, 0);
    return OK;
}

static status read_side(struct comparing *comparing, enum copy_side side, struct error *error)
{
    const struct copy_run *run = comparing->run;
    struct copy_end *end = side == COPY_FROM ? run->from : run->to;
    struct copy_translator translator;
    struct copy_page page = {0};
    bool more = true;
    copy_translator_init(&translator);
    translator.definitions = run->definitions;
    translator.fields_in = end->is_redis;
    translator.fields_out = run->to->is_redis;
    arena_init(&page.arena, PAGE_BYTES_MAX);
    status result = end->driver->seek(end, (str){0}, error);
    while (status_is_ok(result) && more && !interrupt_asked())
        result = read_page(comparing, side, &translator, &page, &more, error);
    arena_fini(&page.arena);
    copy_translator_fini(&translator);
    return result;
}

static status read_both(const struct copy_run *run, const char *label, row_fn *take, void *context,
                        struct error *error)
{
    struct comparing comparing = {.run = run, .take = take, .context = context};
    progress_start(&comparing.progress, label, 0);
    comparing.progress.hides_rows = true;
    comparing.progress.unit = "ids";
    status result = read_side(&comparing, COPY_FROM, error);
    if (status_is_ok(result))
        result = read_side(&comparing, COPY_TO, error);
    progress_clear(&comparing.progress);
    return result;
}

static bool add_row(void *context, enum copy_side side, const struct copy_row *row)
{
    return copy_verify_add(context, side, row);
}

struct naming {
    struct copy_verify *verify;
    struct copy_difference found[COPY_DIFFERENCES_MAX];
    bool said[COPY_DIFFERENCES_MAX];
    uint32_t count;
};

static bool name_row(void *context, enum copy_side side, const struct copy_row *row)
{
    struct naming *naming = context;
    struct buffer line;
    uint64_t hash = copy_verify_id_hash(naming->verify, row);
    (void)side;
    for (uint32_t i = 0; i < naming->count; i++) {
        const struct copy_difference *found = &naming->found[i];
        if (found->id_hash != hash || naming->said[i])
            continue;
        naming->said[i] = true;
        buffer_init(&line, TEXT_BYTES_MAX);
        terminal_append_safe(&line, row->entity);
        buffer_append_char(&line, ' ');
        terminal_append_safe(&line, row->id);
        fprintf(stderr, "%.*s: %s\n", STR_ARG(buffer_str(&line)),
                found->is_in[COPY_FROM] && found->is_in[COPY_TO] ? "not the same on both sides"
                : found->is_in[COPY_FROM]                        ? "only where it was copied from"
                                                                 : "only where it was copied to");
        buffer_fini(&line);
    }
    return true;
}

static status name_differences(const struct copy_run *run, struct copy_verify *verify,
                               struct error *error)
{
    struct naming naming = {.verify = verify};
    uint64_t count = copy_verify_differences(verify, naming.found, &naming.count);
    TRY(read_both(run, "looking for the names", name_row, &naming, error));
    if (count > naming.count)
        fprintf(stderr, "… and %" PRIu64 " more ids\n", count - naming.count);
    return OK;
}

static status report(const struct copy_run *run, struct copy_verify *verify, bool *same,
                     struct error *error)
{
    struct buffer text;
    buffer_init(&text, TEXT_BYTES_MAX);
    *same = copy_verify_compare(verify, &text);
    if (verify->values_ending > 0) {
        buffer_append_str(&text, STR("not compared: "));
        terminal_append_count(&text, verify->values_ending);
        buffer_append_str(&text, STR(" values that are about to expire\n"));
    }
    if (verify->values_beside > 0) {
        buffer_append_str(&text, STR("not compared: "));
        terminal_append_count(&text, verify->values_beside);
        buffer_append_str(&text, STR(" values of features that only the second side has\n"));
    }
    if (*same)
        buffer_append_str(&text, STR("verified: both sides hold the same\n"));
    fwrite(text.data, 1, text.len, stdout);
    fflush(stdout);
    buffer_fini(&text);
    return *same ? OK : name_differences(run, verify, error);
}

/* *late: reading took longer than expected, and values have died in between. */
static status try_once(const struct copy_run *run, int64_t horizon_us, bool *late, bool *same,
                       struct error *error)
{
    struct copy_verify verify;
    copy_verify_init(&verify, clock_wall_us() + horizon_us);
    status result = read_both(run, "verifying", add_row, &verify, error);
    *late = clock_wall_us() > verify.horizon_us;
    if (status_is_ok(result) && !*late && !interrupt_asked())
        result = report(run, &verify, same, error);
    copy_verify_fini(&verify);
    return result;
}

status copy_run_verify(const struct copy_run *run, bool *same, struct error *error)
{
    int64_t horizon_us = HORIZON_US;
    bool late = true;
    *same = false;
    for (int i = 0; i < TRIES_MAX && late && !interrupt_asked(); i++) {
        int64_t begun_us = clock_wall_us();
        TRY(try_once(run, horizon_us, &late, same, error));
        horizon_us = (clock_wall_us() - begun_us) * 2;
    }
    if (late && !interrupt_asked())
        return error_set(error, STATUS_TIMEOUT, "verify", "reading both sides takes ever longer");
    return OK;
}
