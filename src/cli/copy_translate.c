#include "cli/copy_translate.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/terminal.h"
#include "codec/json_read.h"
#include "online/redis/redis_entries.h"
#include "online/redis/redis_row.h"
#include "online/redis/redis_value.h"

#define NAMED_MAX 3u /* of each reason */
#define MESSAGES_BYTES_MAX ((size_t)1 << 20)
#define SCRATCH_BYTES_MAX ((size_t)16 << 20)
#define US_PER_SECOND INT64_C(1000000)

static const struct {
    const char *one;  /* of one value */
    const char *many; /* after a count */
} REASONS[COPY_LEFT_OUT_COUNT] = {
    [COPY_UNREGISTERED] = {"no feature of that name is registered",
                           "values of features that are not registered"},
    [COPY_ANOTHER_ENTITY] = {"the feature of that name belongs to another entity",
                             "values of features that belong to another entity"},
    [COPY_ANOTHER_VERSION] = {"it is of a version that is not the active one",
                              "values of versions that are not active"},
    [COPY_ANOTHER_TYPE] = {"the value does not fit the feature's type",
                           "values that do not fit their feature's type"},
    [COPY_BAD_ID] = {"the id is not UTF-8, which HTTP cannot carry", "ids that are not UTF-8"},
    [COPY_EXPIRED] = {"", "values that had expired"},
};

void copy_translator_init(struct copy_translator *translator)
{
    *translator = (struct copy_translator){0};
    buffer_init(&translator->messages, MESSAGES_BYTES_MAX);
    buffer_init(&translator->scratch, SCRATCH_BYTES_MAX);
}

void copy_translator_fini(struct copy_translator *translator)
{
    buffer_fini(&translator->messages);
    buffer_fini(&translator->scratch);
}

static void leave_out(struct copy_translator *translator, const struct copy_row *row, str name,
                      enum copy_left_out reason)
{
    struct buffer *out = &translator->messages;
    if (translator->left_out[reason]++ >= NAMED_MAX || reason == COPY_EXPIRED)
        return;
    terminal_append_safe(out, row->entity);
    buffer_append_char(out, ' ');
    terminal_append_safe(out, row->id);
    if (name.len > 0) {
        buffer_append_char(out, ' ');
        terminal_append_safe(out, str_of(name.data, name.len < 200 ? name.len : 200));
    }
    buffer_append_format(out, ": %s\n", REASONS[reason].one);
}

/* NULL, and why. */
static const struct registered_feature *find_feature(const struct copy_translator *translator,
                                                     const struct copy_row *row, str written,
                                                     enum copy_left_out *reason)
{
    str name;
    uint32_t version;
    *reason = COPY_UNREGISTERED;
    if (!definition_parse_reference(written, &name, &version))
        return NULL;
    const struct registered_feature *feature = registered_feature(translator->definitions, name);
    if (feature == NULL)
        return NULL;
    *reason = COPY_ANOTHER_ENTITY;
    if (!str_eq(feature->definition.entity, row->entity))
        return NULL;
    *reason = COPY_ANOTHER_VERSION;
    /* a server says name@2 of what is not its active version, whatever the number is elsewhere */
    bool is_active =
        translator->fields_in ? (version ? version : 1) == feature->active : version == 0;
    return is_active ? feature : NULL;
}

static bool name_out(const struct copy_translator *translator,
                     const struct registered_feature *feature, struct arena *arena, str *out)
{
    char field[REDIS_FIELD_MAX];
    const struct catalog_feature of = {.definition = feature->definition};
    const struct catalog_version version = {.number = feature->active, .feature = &of};
    return arena_copy_str(
        arena, translator->fields_out ? redis_row_field(&version, field) : feature->definition.name,
        out);
}

/* One text for one value, whoever wrote it. */
static status make_canonical(struct copy_translator *translator,
                             const struct feature_definition *definition, struct arena *arena,
                             struct copy_cell *cell, bool *fits)
{
    struct value value;
    *fits = true;
    if (cell->is_null)
        return OK;
    TRY(redis_value_read(cell->text, definition->data_type, definition->dimension, arena, &value,
                         fits));
    *fits = *fits && value.type == definition->data_type;
    if (!*fits)
        return OK;
    buffer_reset(&translator->scratch, SIZE_MAX);
    json_encode_value(&translator->scratch, &value);
    if (!arena_copy_str(arena, buffer_str(&translator->scratch), &cell->json) ||
        !arena_copy_str(arena, redis_value_text(&value, &translator->scratch), &cell->text))
        return status_of(STATUS_OUT_OF_MEMORY);
    return buffer_status(&translator->scratch);
}

/* What has no time of its own dies where its key goes, if that is before its TTL has passed: a
 * server is told the event time that makes it so. */
static void give_life(const struct copy_translator *translator, const struct copy_row *row,
                      const struct feature_definition *definition, struct copy_cell *cell)
{
    int64_t ttl_us = definition->ttl_seconds * US_PER_SECOND;
    bool key_ends = row->key_end_us != COPY_NEVER_ENDS && row->key_end_us != COPY_LIFE_UNKNOWN;
    if (ttl_us == 0)
        return;
    if (cell->is_timeless && key_ends && row->key_end_us < translator->now_us + ttl_us)
        cell->event_time_us = row->key_end_us - ttl_us;
    if (cell->event_time_us != COPY_TIME_UNKNOWN)
        cell->end_us = cell->event_time_us + ttl_us;
}

static status translate_cell(struct copy_translator *translator, struct arena *arena,
                             const struct copy_row *row, struct copy_cell *cell, bool *stays)
{
    enum copy_left_out reason;
    bool fits;
    *stays = false;
    const struct registered_feature *feature = find_feature(translator, row, cell->name, &reason);
    if (feature == NULL) {
        leave_out(translator, row, cell->name, reason);
        return OK;
    }
    TRY(make_canonical(translator, &feature->definition, arena, cell, &fits));
    if (!fits) {
        leave_out(translator, row, cell->name, COPY_ANOTHER_TYPE);
        return OK;
    }
    give_life(translator, row, &feature->definition, cell);
    if (cell->end_us <= translator->now_us) {
        leave_out(translator, row, cell->name, COPY_EXPIRED);
        return OK;
    }
    *stays = true;
    return name_out(translator, feature, arena, &cell->name) ? OK : status_of(STATUS_OUT_OF_MEMORY);
}

status copy_translate(struct copy_translator *translator, struct arena *arena, struct copy_row *row)
{
    uint32_t kept = 0;
    if (translator->definitions == NULL)
        return OK;
    if (!translator->fields_out && !str_is_utf8(row->id)) {
        leave_out(translator, row, (str){0}, COPY_BAD_ID);
        row->cell_count = 0;
        return OK;
    }
    for (uint32_t i = 0; i < row->cell_count; i++) {
        bool stays;
        TRY(translate_cell(translator, arena, row, &row->cells[i], &stays));
        if (stays)
            row->cells[kept++] = row->cells[i];
    }
    row->cell_count = kept;
    return OK;
}

void copy_translator_append_summary(struct buffer *out, const struct copy_translator *translator)
{
    for (int i = 0; i < COPY_LEFT_OUT_COUNT; i++) {
        if (translator->left_out[i] == 0)
            continue;
        buffer_append_str(out, STR("not copied: "));
        terminal_append_count(out, translator->left_out[i]);
        buffer_append_format(out, " %s\n", REASONS[i].many);
    }
}

bool copy_translator_left_out(const struct copy_translator *translator)
{
    uint64_t sum = 0;
    for (int i = 0; i < COPY_LEFT_OUT_COUNT; i++)
        sum += i == COPY_EXPIRED || i == COPY_ANOTHER_VERSION ? 0 : translator->left_out[i];
    return sum > 0;
}
