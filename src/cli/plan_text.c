#include "cli/plan_text.h"

#include <inttypes.h>

#include "base/json_string.h"
#include "cli/terminal.h"

static const struct {
    const char *mark;
    enum terminal_style style;
} ACTIONS[] = {
    [PLAN_UNCHANGED] = {"= unchanged", STYLE_DIM},
    [PLAN_CREATE] = {"+ create", STYLE_GREEN},
    [PLAN_CHANGE] = {"~ change", STYLE_YELLOW},
    [PLAN_VERSION] = {"~ new version", STYLE_YELLOW},
    [PLAN_ACTIVATE] = {"~ activate", STYLE_YELLOW},
    [PLAN_REFUSED] = {"! refused", STYLE_RED},
};

static void append_subject(struct buffer *out, const struct plan_item *item)
{
    str name = item->feature ? item->feature->definition.name : item->service->definition.name;
    buffer_append_format(out, " %s %.*s", item->feature ? "feature" : "feature service",
                         STR_ARG(name));
    if (item->action == PLAN_VERSION || item->action == PLAN_ACTIVATE)
        buffer_append_format(out, "@%" PRIu32, item->version);
}

/* One line for each detail, so that each can be read (and searched) alone. */
static void append_item(struct buffer *out, const struct plan_item *item, int fd)
{
    str rest = item->details;
    while (rest.len > 0) {
        str line = str_split(rest, '\n', &rest);
        buffer_append_format(out, "%s%s", terminal_style(fd, ACTIONS[item->action].style),
                             ACTIONS[item->action].mark);
        append_subject(out, item);
        buffer_append_format(out, "%s%s %.*s\n", terminal_style(fd, STYLE_PLAIN),
                             item->action == PLAN_REFUSED ? ":" : "", STR_ARG(line));
    }
}

static void append_note(struct buffer *out, const struct plan_item *item, int fd)
{
    if (item->note.len == 0)
        return;
    buffer_append_format(out, "%s  note:", terminal_style(fd, STYLE_DIM));
    append_subject(out, item);
    buffer_append_format(out, ": %.*s%s\n", STR_ARG(item->note), terminal_style(fd, STYLE_PLAIN));
}

static void append_unchanged(struct buffer *out, size_t features, size_t services, int fd)
{
    if (features + services == 0)
        return;
    buffer_append_format(out, "%s%s", terminal_style(fd, STYLE_DIM), ACTIONS[PLAN_UNCHANGED].mark);
    if (features > 0)
        buffer_append_format(out, " %zu feature%s", features, features == 1 ? "" : "s");
    if (services > 0)
        buffer_append_format(out, "%s %zu feature service%s", features ? "," : "", services,
                             services == 1 ? "" : "s");
    buffer_append_format(out, "%s\n", terminal_style(fd, STYLE_PLAIN));
}

void plan_append_text(struct buffer *out, const struct plan *plan, int fd)
{
    size_t unchanged_features = 0;
    size_t unchanged_services = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_item *item = &plan->items[i];
        if (item->action != PLAN_UNCHANGED)
            append_item(out, item, fd);
        else if (item->feature != NULL)
            unchanged_features++;
        else
            unchanged_services++;
        append_note(out, item, fd);
    }
    append_unchanged(out, unchanged_features, unchanged_services, fd);
}

static void append_optional(struct buffer *out, const char *field, const struct optional_str *text)
{
    if (!text->present)
        return;
    buffer_append_format(out, ",\"%s\":", field);
    json_append_string(out, text->text);
}

void plan_append_feature_json(struct buffer *out, const struct feature_definition *definition)
{
    buffer_append_str(out, STR("{\"name\":"));
    json_append_string(out, definition->name);
    buffer_append_str(out, STR(",\"entity\":"));
    json_append_string(out, definition->entity);
    buffer_append_format(out, ",\"data_type\":\"%s\"", data_type_name(definition->data_type));
    if (definition->dimension > 0)
        buffer_append_format(out, ",\"dimension\":%" PRIu32, definition->dimension);
    buffer_append_format(out, ",\"is_nullable\":%s", definition->is_nullable ? "true" : "false");
    buffer_append_format(out, ",\"ttl_seconds\":%" PRId64, definition->ttl_seconds);
    append_optional(out, "description", &definition->description);
    append_optional(out, "feature_group", &definition->feature_group);
    append_optional(out, "source", &definition->source);
    append_optional(out, "transformation", &definition->transformation);
    buffer_append_format(out, ",\"tags\":%.*s}", STR_ARG(definition->tags_json));
}

void plan_append_service_json(struct buffer *out, const struct service_definition *definition)
{
    buffer_append_str(out, STR("{\"name\":"));
    json_append_string(out, definition->name);
    buffer_append_str(out, STR(",\"features\":["));
    for (uint32_t i = 0; i < definition->feature_count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        json_append_string(out, definition->features[i]);
    }
    buffer_append_char(out, ']');
    append_optional(out, "description", &definition->description);
    buffer_append_format(out, ",\"tags\":%.*s}", STR_ARG(definition->tags_json));
}
