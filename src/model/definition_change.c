#include "model/definition_change.h"

#include "model/cell_rule.h"
#include "model/limits.h"

static const struct catalog_builder_version *
find_version(const struct catalog_builder_feature *feature, uint32_t number)
{
    for (uint32_t i = 0; i < feature->version_count; i++) {
        if (feature->versions[i].number == number)
            return &feature->versions[i];
    }
    return NULL;
}

static uint32_t newest_number(const struct catalog_builder_feature *feature)
{
    uint32_t newest = 0;
    for (uint32_t i = 0; i < feature->version_count; i++) {
        if (feature->versions[i].number > newest)
            newest = feature->versions[i].number;
    }
    return newest;
}

static bool describes(const struct feature_definition *definition,
                      const struct catalog_builder_version *version)
{
    return version && version->data_type == definition->data_type &&
           version->dimension == definition->dimension;
}

static bool optional_eq(const struct optional_str *a, const struct optional_str *b)
{
    return a->present == b->present && (!a->present || str_eq(a->text, b->text));
}

static bool number_eq(const struct optional_double *a, const struct optional_double *b)
{
    return a->present == b->present &&
           (!a->present || memcmp(&a->value, &b->value, sizeof(a->value)) == 0);
}

/* All but name, entity, type and dimension. */
static bool columns_eq(const struct feature_definition *a, const struct feature_definition *b)
{
    return a->is_nullable == b->is_nullable && a->ttl_seconds == b->ttl_seconds &&
           optional_eq(&a->description, &b->description) &&
           optional_eq(&a->feature_group, &b->feature_group) &&
           optional_eq(&a->source, &b->source) &&
           optional_eq(&a->transformation, &b->transformation) &&
           str_eq(a->tags_json, b->tags_json) && number_eq(&a->min_value, &b->min_value) &&
           number_eq(&a->max_value, &b->max_value) && number_eq(&a->mean_value, &b->mean_value) &&
           number_eq(&a->std_dev, &b->std_dev);
}

static void change_create(struct definition_change *out)
{
    *out = (struct definition_change){.create = true, .version = 1};
}

status definition_change_register(const struct catalog_builder_feature *current,
                                  struct definition_change *out, struct error *error)
{
    if (current)
        return error_set(error, STATUS_CONFLICT, "already_exists",
                         "Feature already exists: '%.*s' (version %u)",
                         STR_ARG(current->definition.name), current->active_version);
    change_create(out);
    return OK;
}

/* The active version if the type is its own; the newest one if that is waiting to be activated;
 * else the number after the newest. */
static status choose_version(const struct catalog_builder_feature *current,
                             const struct feature_definition *requested,
                             struct definition_change *change, struct error *error)
{
    uint32_t newest = newest_number(current);
    if (describes(requested, find_version(current, current->active_version))) {
        change->version = current->active_version;
    } else if (describes(requested, find_version(current, newest))) {
        change->version = newest;
    } else if (current->version_count >= LIMIT_VERSIONS_PER_FEATURE || newest >= INT32_MAX) {
        return error_set(error, STATUS_CONFLICT, "too_many_versions",
                         "feature '%.*s' has %u versions, more are not possible: register a new "
                         "name",
                         STR_ARG(current->definition.name), current->version_count);
    } else {
        change->version = newest + 1;
        change->add_version = true;
    }
    return OK;
}

status definition_change_put(const struct catalog_builder_feature *current,
                             const struct feature_definition *requested,
                             struct definition_change *out, struct error *error)
{
    struct definition_change change = {0};
    if (current == NULL) {
        change_create(out);
        return OK;
    }
    if (!str_eq(current->definition.entity, requested->entity))
        return error_set(error, STATUS_CONFLICT, "entity_changed",
                         "feature '%.*s' belongs to entity '%.*s', which cannot change to '%.*s': "
                         "register a new name",
                         STR_ARG(requested->name), STR_ARG(current->definition.entity),
                         STR_ARG(requested->entity));
    TRY(choose_version(current, requested, &change, error));
    change.update = change.add_version || !columns_eq(&current->definition, requested);
    change.move_dead_before = current->definition.ttl_seconds != requested->ttl_seconds;
    *out = change;
    return OK;
}

status definition_change_activate(const struct catalog_builder_feature *current, uint32_t version,
                                  struct definition_change *out, struct error *error)
{
    if (current == NULL)
        return error_set(error, STATUS_NOT_FOUND, "not_found", "Feature not found");
    if (find_version(current, version) == NULL)
        return error_set(error, STATUS_NOT_FOUND, "not_found",
                         "Feature '%.*s' has no version %u: the newest is %u",
                         STR_ARG(current->definition.name), version, newest_number(current));
    *out = (struct definition_change){
        .activate = version != current->active_version,
        .version = version,
    };
    return OK;
}

int64_t definition_change_dead_before(const struct catalog_builder_feature *current,
                                      const struct catalog_builder_version *version, int64_t now_us)
{
    return cell_rule_dead_before(version->dead_before_us, now_us,
                                 current->definition.ttl_seconds * 1000000);
}
