#include "cli/plan.h"

#include <inttypes.h>
#include <yyjson.h>

#include "cli/terminal.h"

#define DETAILS_BYTES_MAX ((size_t)4 << 20)
#define TEXT_SHOWN_MAX 60u /* bytes of a description shown on each side of the arrow */

struct planner {
    struct definition_set *set;
    const struct registered *registered;
    bool activate;
    struct buffer details; /* of the item at hand */
    struct buffer note;
};

static bool type_is(const struct feature_definition *wanted, enum data_type type,
                    uint32_t dimension)
{
    return wanted->data_type == type && wanted->dimension == dimension;
}

bool plan_needs_versions(const struct feature_definition *wanted,
                         const struct registered_feature *current)
{
    return current != NULL &&
           !type_is(wanted, current->definition.data_type, current->definition.dimension);
}

static void append_type(struct buffer *out, enum data_type type, uint32_t dimension)
{
    buffer_append_format(out, "%s", data_type_name(type));
    if (dimension > 0)
        buffer_append_format(out, "[%" PRIu32 "]", dimension);
}

static void append_ttl(struct buffer *out, int64_t seconds)
{
    static const struct {
        int64_t seconds;
        char name;
    } UNITS[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    if (seconds == 0)
        buffer_append_str(out, STR("never"));
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (seconds >= UNITS[i].seconds)
            buffer_append_format(out, "%" PRId64 "%c", seconds / UNITS[i].seconds, UNITS[i].name);
        seconds %= UNITS[i].seconds;
    }
}

static void append_quoted(struct buffer *out, const struct optional_str *text)
{
    str shown = text->text;
    if (!text->present) {
        buffer_append_str(out, STR("none"));
        return;
    }
    if (shown.len > TEXT_SHOWN_MAX) {
        shown.len = TEXT_SHOWN_MAX;
        while (shown.len > 0 && ((unsigned char)shown.data[shown.len] & 0xc0) == 0x80)
            shown.len--;
    }
    buffer_append_char(out, '"');
    terminal_append_safe(out, shown);
    buffer_append_str(out, shown.len < text->text.len ? STR("…\"") : STR("\""));
}

#define ARROW STR(" → ")

static void diff_text(struct planner *planner, const char *field, const struct optional_str *old,
                      const struct optional_str *wanted)
{
    struct buffer *out = &planner->details;
    if (old->present == wanted->present && (!old->present || str_eq(old->text, wanted->text)))
        return;
    buffer_append_format(out, "%s: ", field);
    append_quoted(out, old);
    buffer_append_str(out, ARROW);
    append_quoted(out, wanted);
    buffer_append_char(out, '\n');
}

/* Members in any order; a number is compared by value. */
static bool json_eq(str a, str b)
{
    yyjson_doc *first = yyjson_read(a.data, a.len, 0);
    yyjson_doc *second = yyjson_read(b.data, b.len, 0);
    bool equal = first != NULL && second != NULL &&
                 yyjson_equals(yyjson_doc_get_root(first), yyjson_doc_get_root(second));
    yyjson_doc_free(first);
    yyjson_doc_free(second);
    return equal;
}

static void diff_tags(struct planner *planner, str old, str wanted)
{
    struct buffer *out = &planner->details;
    if (json_eq(old, wanted))
        return;
    buffer_append_str(out, STR("tags: "));
    terminal_append_safe(out, old);
    buffer_append_str(out, ARROW);
    terminal_append_safe(out, wanted);
    buffer_append_char(out, '\n');
}

/* All that changes in place. */
static void diff_columns(struct planner *planner, const struct feature_definition *old,
                         const struct feature_definition *wanted)
{
    struct buffer *out = &planner->details;
    diff_text(planner, "description", &old->description, &wanted->description);
    diff_text(planner, "feature_group", &old->feature_group, &wanted->feature_group);
    diff_text(planner, "source", &old->source, &wanted->source);
    diff_text(planner, "transformation", &old->transformation, &wanted->transformation);
    if (old->is_nullable != wanted->is_nullable)
        buffer_append_format(out, "is_nullable: %s → %s\n", old->is_nullable ? "true" : "false",
                             wanted->is_nullable ? "true" : "false");
    if (old->ttl_seconds != wanted->ttl_seconds) {
        buffer_append_str(out, STR("ttl: "));
        append_ttl(out, old->ttl_seconds);
        buffer_append_str(out, ARROW);
        append_ttl(out, wanted->ttl_seconds);
        buffer_append_char(out, '\n');
    }
    diff_tags(planner, old->tags_json, wanted->tags_json);
}

static const struct registered_version *newest(const struct registered_feature *feature)
{
    const struct registered_version *found = NULL;
    for (uint32_t i = 0; i < feature->version_count; i++) {
        if (found == NULL || feature->versions[i].number > found->number)
            found = &feature->versions[i];
    }
    return found;
}

/* The server's rule (model/definition_change.h): another type than the active version's is the
 * newest version if that one has it, else a new one. */
static void plan_version(struct planner *planner, const struct feature_definition *wanted,
                         const struct registered_feature *current, struct plan_item *item)
{
    struct buffer *out = &planner->details;
    const struct registered_version *last = newest(current);
    bool waiting = last != NULL && type_is(wanted, last->data_type, last->dimension);
    item->version = waiting ? last->number : (last ? last->number : current->active) + 1;
    item->activate = planner->activate;
    if (!waiting) {
        item->action = PLAN_VERSION;
        item->put = true;
    } else if (planner->activate && !item->put) {
        item->action = PLAN_ACTIVATE;
    }
    if (!waiting || planner->activate) {
        buffer_append_str(out, STR("data_type: "));
        append_type(out, current->definition.data_type, current->definition.dimension);
        buffer_append_str(out, ARROW);
        append_type(out, wanted->data_type, wanted->dimension);
        buffer_append_char(out, '\n');
    }
    if (planner->activate)
        buffer_append_format(out, "active version: %" PRIu32 " → %" PRIu32 "\n", current->active,
                             item->version);
    else
        buffer_append_format(&planner->note,
                             "version %" PRIu32 " is not active until `featured apply --activate`, "
                             "version %" PRIu32 " stays so",
                             item->version, current->active);
}

static void plan_feature(struct planner *planner, const struct file_feature *file,
                         struct plan_item *item)
{
    const struct feature_definition *wanted = &file->definition;
    struct buffer *out = &planner->details;
    const struct registered_feature *current =
        registered_feature(planner->registered, wanted->name);
    item->feature = file;
    if (current == NULL) {
        item->action = PLAN_CREATE;
        item->put = true;
        item->version = 1;
        buffer_append_char(out, '(');
        append_type(out, wanted->data_type, wanted->dimension);
        buffer_append_format(out, ", entity %.*s", STR_ARG(wanted->entity));
        if (wanted->ttl_seconds > 0) {
            buffer_append_str(out, STR(", ttl "));
            append_ttl(out, wanted->ttl_seconds);
        }
        buffer_append_str(out, STR(")\n"));
        return;
    }
    if (!str_eq(wanted->entity, current->definition.entity)) {
        item->action = PLAN_REFUSED;
        buffer_append_format(out,
                             "its entity is %.*s and cannot become %.*s: register a new name, or "
                             "delete it first\n",
                             STR_ARG(current->definition.entity), STR_ARG(wanted->entity));
        return;
    }
    item->version = current->active;
    diff_columns(planner, &current->definition, wanted);
    item->put = out->len > 0;
    item->action = item->put ? PLAN_CHANGE : PLAN_UNCHANGED;
    if (plan_needs_versions(wanted, current))
        plan_version(planner, wanted, current, item);
}

static bool is_defined(const struct planner *planner, str name)
{
    if (registered_feature(planner->registered, name) != NULL)
        return true;
    for (size_t i = 0; i < planner->set->feature_count; i++) {
        if (str_eq(planner->set->features[i].definition.name, name))
            return true;
    }
    return false;
}

static bool refuse_unknown_members(struct planner *planner, const struct service_definition *wanted)
{
    bool all_known = true;
    for (uint32_t i = 0; i < wanted->feature_count; i++) {
        str name;
        uint32_t version;
        if (definition_parse_reference(wanted->features[i], &name, &version) &&
            is_defined(planner, name))
            continue;
        buffer_append_format(&planner->details,
                             "its feature %.*s is neither registered nor in the files\n",
                             STR_ARG(wanted->features[i]));
        all_known = false;
    }
    return !all_known;
}

static void append_members(struct buffer *out, const struct service_definition *service)
{
    buffer_append_char(out, '[');
    for (uint32_t i = 0; i < service->feature_count; i++)
        buffer_append_format(out, "%s%.*s", i ? ", " : "", STR_ARG(service->features[i]));
    buffer_append_char(out, ']');
}

static bool members_eq(const struct service_definition *a, const struct service_definition *b)
{
    if (a->feature_count != b->feature_count)
        return false;
    for (uint32_t i = 0; i < a->feature_count; i++) {
        if (!str_eq(a->features[i], b->features[i]))
            return false;
    }
    return true;
}

/* Bare names of a service keep the version they meant when it was put; say where that is no longer
 * the active one. */
static void note_moved_members(struct planner *planner, const struct registered_service *current,
                               bool put)
{
    for (uint32_t i = 0; i < current->definition.feature_count; i++) {
        str name, resolved_name;
        uint32_t asked, resolved;
        if (!definition_parse_reference(current->definition.features[i], &name, &asked) ||
            asked != 0 ||
            !definition_parse_reference(current->resolved[i], &resolved_name, &resolved))
            continue;
        const struct registered_feature *feature = registered_feature(planner->registered, name);
        if (feature == NULL || feature->active == resolved)
            continue;
        buffer_append_format(&planner->note, "%s%.*s %s version %" PRIu32,
                             planner->note.len ? "; " : "", STR_ARG(name),
                             put ? "moves to" : "stays at", put ? feature->active : resolved);
        if (!put)
            buffer_append_format(&planner->note, ", active is %" PRIu32, feature->active);
    }
}

static void plan_service(struct planner *planner, const struct file_service *file,
                         struct plan_item *item)
{
    const struct service_definition *wanted = &file->definition;
    struct buffer *out = &planner->details;
    const struct registered_service *current =
        registered_service(planner->registered, wanted->name);
    item->service = file;
    if (refuse_unknown_members(planner, wanted)) {
        item->action = PLAN_REFUSED;
        return;
    }
    if (current == NULL) {
        item->action = PLAN_CREATE;
        item->put = true;
        append_members(out, wanted);
        buffer_append_char(out, '\n');
        return;
    }
    diff_text(planner, "description", &current->definition.description, &wanted->description);
    diff_tags(planner, current->definition.tags_json, wanted->tags_json);
    if (!members_eq(&current->definition, wanted)) {
        buffer_append_str(out, STR("features: "));
        append_members(out, &current->definition);
        buffer_append_str(out, ARROW);
        append_members(out, wanted);
        buffer_append_char(out, '\n');
    }
    item->put = out->len > 0;
    item->action = item->put ? PLAN_CHANGE : PLAN_UNCHANGED;
    note_moved_members(planner, current, item->put);
}

static bool finish_item(struct planner *planner, struct plan *plan)
{
    struct plan_item *item = &plan->items[plan->count++];
    plan->change_count += item->put || item->activate;
    plan->refused_count += item->action == PLAN_REFUSED;
    bool fine =
        !planner->details.failed && !planner->note.failed &&
        arena_copy_str(&planner->set->arena, buffer_str(&planner->details), &item->details) &&
        arena_copy_str(&planner->set->arena, buffer_str(&planner->note), &item->note);
    buffer_reset(&planner->details, SIZE_MAX);
    buffer_reset(&planner->note, SIZE_MAX);
    return fine;
}

bool plan_make(struct definition_set *set, const struct registered *registered, bool activate,
               struct plan *out)
{
    struct planner planner = {.set = set, .registered = registered, .activate = activate};
    struct plan plan = {0};
    plan.items = arena_alloc_array(&set->arena, set->feature_count + set->service_count + 1,
                                   sizeof(*plan.items));
    bool fine = plan.items != NULL;
    buffer_init(&planner.details, DETAILS_BYTES_MAX);
    buffer_init(&planner.note, DETAILS_BYTES_MAX);
    for (size_t i = 0; i < set->feature_count && fine; i++) {
        plan_feature(&planner, &set->features[i], &plan.items[plan.count]);
        fine = finish_item(&planner, &plan);
    }
    for (size_t i = 0; i < set->service_count && fine; i++) {
        plan_service(&planner, &set->services[i], &plan.items[plan.count]);
        fine = finish_item(&planner, &plan);
    }
    buffer_fini(&planner.details);
    buffer_fini(&planner.note);
    if (fine)
        *out = plan;
    return fine;
}
