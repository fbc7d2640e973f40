/* Which columns an answer has, and which groups are read for them. */
#include "service/retrieve.h"

#include <stdio.h>

#include "model/limits.h"

#define SMALL_LIST 32u /* up to here a linear search beats building a map */

void retrieve_init(struct retrieve *retrieve, struct service *service, struct arena *arena,
                   struct loop *loop)
{
    *retrieve =
        (struct retrieve){.service = service, .arena = arena, .slice_arena = arena, .loop = loop};
}

static struct retrieve_group *find_group(struct retrieve *retrieve, uint32_t entity_index)
{
    for (uint32_t i = 0; i < retrieve->group_count; i++) {
        if (retrieve->groups[i].entity_index == entity_index)
            return &retrieve->groups[i];
    }
    return NULL;
}

/* Room for `columns` columns and as many groups as they could need. */
static bool plan_reserve(struct retrieve *retrieve, uint32_t columns, uint32_t groups)
{
    retrieve->columns = arena_alloc(retrieve->arena, (size_t)columns * sizeof(*retrieve->columns));
    retrieve->groups = arena_alloc(retrieve->arena, (size_t)groups * sizeof(*retrieve->groups));
    return retrieve->columns && retrieve->groups;
}

/* `entity` NULL: nobody registered it. A store that answers later needs the name longer than an
 * image of the catalog lives. */
static struct retrieve_group *group_create(struct retrieve *retrieve, str entity_name,
                                           const struct catalog_entity *entity, uint32_t capacity)
{
    struct retrieve_group *group = &retrieve->groups[retrieve->group_count];
    group->entity_index = entity ? entity->index : RETRIEVE_NO_ENTITY;
    group->entity_name = str_of(NULL, 0);
    group->more_reads = NULL;
    group->version_count = 0;
    group->cells = NULL;
    group->others = NULL;
    if ((entity == NULL || retrieve_is_late(retrieve)) &&
        !arena_copy_str(retrieve->arena, entity_name, &group->entity_name))
        return NULL;
    group->versions = arena_alloc(retrieve->arena, capacity * sizeof(*group->versions));
    group->version_ids = arena_alloc(retrieve->arena, capacity * sizeof(*group->version_ids));
    group->slots = arena_alloc(retrieve->arena, capacity * sizeof(*group->slots));
    if (!group->versions || !group->version_ids || !group->slots)
        return NULL;
    retrieve->group_count++;
    return group;
}

/* `capacity` bounds how many versions the group can get. */
static bool plan_add(struct retrieve *retrieve, str name, const struct catalog_version *version,
                     uint32_t capacity)
{
    struct retrieve_column *column = &retrieve->columns[retrieve->column_count++];
    *column = (struct retrieve_column){.name = name, .group = RETRIEVE_UNREGISTERED};
    if (version == NULL) {
        retrieve->unregistered_count++;
        return true;
    }
    struct retrieve_group *group = find_group(retrieve, version->entity->index);
    if (group == NULL)
        group = group_create(retrieve, version->entity->name, version->entity, capacity);
    if (group == NULL)
        return false;
    column->group = (uint32_t)(group - retrieve->groups);
    column->place = group->version_count;
    column->data_type = version->data_type;
    column->dimension = version->dimension;
    group->versions[group->version_count] = version;
    group->version_ids[group->version_count] = version->id;
    group->slots[group->version_count] = version->slot;
    group->version_count++;
    return true;
}

static status plan_finish(struct retrieve *retrieve, const struct catalog *catalog,
                          struct error *error)
{
    retrieve->catalog_revision = catalog->revision;
    retrieve->is_direct = retrieve->group_count == 1 && retrieve->unregistered_count == 0;
    if (!retrieve->is_direct) {
        retrieve->row =
            arena_alloc(retrieve->arena, (retrieve->column_count + 1) * sizeof(*retrieve->row));
        if (retrieve->row == NULL)
            return service_out_of_memory(error);
    }
    return OK;
}

/* Remembers names, to leave out those asked for twice. */
struct name_set {
    const struct retrieve *retrieve;
    struct hash_map map; /* used for long lists */
    bool is_large;
};

static bool name_set_contains(const struct name_set *set, str name)
{
    if (set->is_large)
        return hash_map_get(&set->map, name) != NULL;
    for (uint32_t i = 0; i < set->retrieve->column_count; i++) {
        if (str_eq(set->retrieve->columns[i].name, name))
            return true;
    }
    return false;
}

static uint32_t groups_needed(const struct catalog *catalog, uint32_t columns)
{
    return columns < catalog->entity_count ? columns : catalog->entity_count;
}

static bool plan_add_name(struct retrieve *retrieve, const struct catalog *catalog,
                          struct name_set *seen, str name, str entity, uint32_t capacity)
{
    const struct catalog_version *version = catalog_resolve(catalog, name);
    if (version && entity.len && !str_eq(version->entity->name, entity))
        version = NULL;
    if (!plan_add(retrieve, name, version, capacity))
        return false;
    return !seen->is_large ||
           hash_map_put(&seen->map, name, &retrieve->columns[retrieve->column_count - 1]);
}

status retrieve_plan_names(struct retrieve *retrieve, const str *names, uint32_t count, str entity,
                           bool unique, struct error *error)
{
    const struct catalog *catalog = service_catalog(retrieve->service);
    struct name_set seen = {.retrieve = retrieve, .is_large = unique && count > SMALL_LIST};
    status result = OK;
    if (!plan_reserve(retrieve, count, groups_needed(catalog, count)))
        return service_out_of_memory(error);
    hash_map_init(&seen.map);
    for (uint32_t i = 0; i < count && status_is_ok(result); i++) {
        if (unique && name_set_contains(&seen, names[i]))
            continue;
        if (!plan_add_name(retrieve, catalog, &seen, names[i], entity, count))
            result = service_out_of_memory(error);
    }
    if (seen.is_large)
        hash_map_fini(&seen.map);
    return status_is_ok(result) ? plan_finish(retrieve, catalog, error) : result;
}

static status plan_add_member(struct retrieve *retrieve, struct name_set *seen, str member,
                              const struct catalog_version *version, uint32_t capacity)
{
    str column;
    if (!arena_copy_str(retrieve->arena, member, &column) ||
        !plan_add(retrieve, column, version, capacity) ||
        (seen->is_large &&
         !hash_map_put(&seen->map, column, &retrieve->columns[retrieve->column_count - 1])))
        return status_of(STATUS_OUT_OF_MEMORY);
    return OK;
}

status retrieve_plan_service(struct retrieve *retrieve, str name, bool unique, struct error *error)
{
    const struct catalog *catalog = service_catalog(retrieve->service);
    const struct catalog_service *feature_service = catalog_find_service(catalog, name);
    if (feature_service == NULL)
        return error_set(error, STATUS_NOT_FOUND, "not_found", "Feature service '%.*s' not found",
                         STR_ARG(name));
    uint32_t count = feature_service->feature_count;
    struct name_set seen = {.retrieve = retrieve, .is_large = unique && count > SMALL_LIST};
    status result = OK;
    if (!plan_reserve(retrieve, count, groups_needed(catalog, count)))
        return service_out_of_memory(error);
    hash_map_init(&seen.map);
    for (uint32_t i = 0; i < count && status_is_ok(result); i++) {
        if (!unique || !name_set_contains(&seen, feature_service->features[i]))
            result = plan_add_member(retrieve, &seen, feature_service->features[i],
                                     feature_service->versions[i], count);
    }
    if (seen.is_large)
        hash_map_fini(&seen.map);
    return status_is_ok(result) ? plan_finish(retrieve, catalog, error)
                                : service_out_of_memory(error);
}

/* An entity without features may still have what others wrote. */
static status add_empty_group(struct retrieve *retrieve, const struct catalog_entity *entity,
                              struct error *error)
{
    if (retrieve->wants_others && find_group(retrieve, entity->index) == NULL &&
        group_create(retrieve, entity->name, entity, 0) == NULL)
        return service_out_of_memory(error);
    return OK;
}

static status plan_add_entity(struct retrieve *retrieve, const struct catalog_entity *entity,
                              struct error *error)
{
    for (uint32_t i = 0; i < entity->active_count; i++) {
        const struct catalog_version *version = entity->active[i];
        str column;
        if (!arena_copy_str(retrieve->arena, version->feature->definition.name, &column) ||
            !plan_add(retrieve, column, version, entity->active_count))
            return service_out_of_memory(error);
    }
    return add_empty_group(retrieve, entity, error);
}

status retrieve_plan_all(struct retrieve *retrieve, str entity, struct error *error)
{
    const struct catalog *catalog = service_catalog(retrieve->service);
    const struct catalog_entity *only = entity.len ? catalog_find_entity(catalog, entity) : NULL;
    retrieve->entity_unknown = entity.len && only == NULL;
    retrieve->wants_others = retrieve->service->online->driver->keeps_others;
    uint32_t columns = entity.len == 0 ? catalog->feature_count : only ? only->active_count : 0;
    uint32_t groups = entity.len ? 1 : catalog->entity_count;
    if (!plan_reserve(retrieve, columns, groups))
        return service_out_of_memory(error);
    if (only)
        TRY(plan_add_entity(retrieve, only, error));
    else if (entity.len && retrieve->wants_others && !group_create(retrieve, entity, NULL, 0))
        return service_out_of_memory(error);
    for (uint32_t i = 0; entity.len == 0 && i < catalog->entity_count; i++)
        TRY(plan_add_entity(retrieve, catalog->entities[i], error));
    return plan_finish(retrieve, catalog, error);
}

/* "name", or "name@2" for a version that the bare name does not mean. */
static bool version_name(struct arena *arena, const struct catalog_version *version, str *out)
{
    str name = version->feature->definition.name;
    size_t capacity = name.len + sizeof("@4294967295");
    if (version == version->feature->active)
        return arena_copy_str(arena, name, out);
    char *text = arena_alloc(arena, capacity);
    if (text == NULL)
        return false;
    int len = snprintf(text, capacity, "%.*s@%u", STR_ARG(name), version->number);
    *out = str_of(text, (size_t)len);
    return true;
}

status retrieve_plan_versions(struct retrieve *retrieve, str entity, struct error *error)
{
    const struct catalog *catalog = service_catalog(retrieve->service);
    const struct catalog_entity *only = catalog_find_entity(catalog, entity);
    uint32_t columns = only ? only->slot_count : 0;
    retrieve->entity_unknown = only == NULL;
    retrieve->wants_others = retrieve->service->online->driver->keeps_others;
    if (!plan_reserve(retrieve, columns, 1))
        return service_out_of_memory(error);
    for (uint32_t i = 0; i < columns; i++) {
        const struct catalog_version *version = only->slots[i].version;
        str column;
        if (version == NULL)
            continue;
        if (!version_name(retrieve->arena, version, &column) ||
            !plan_add(retrieve, column, version, columns))
            return service_out_of_memory(error);
    }
    if (only)
        TRY(add_empty_group(retrieve, only, error));
    else if (retrieve->wants_others && !group_create(retrieve, entity, NULL, 0))
        return service_out_of_memory(error);
    return plan_finish(retrieve, catalog, error);
}

status retrieve_require_registered(const struct retrieve *retrieve, struct error *error)
{
    char names[ERROR_DETAIL_MAX - 64];
    size_t len = 0;
    if (retrieve->unregistered_count == 0)
        return OK;
    for (uint32_t i = 0; i < retrieve->column_count; i++) {
        str name = retrieve->columns[i].name;
        if (retrieve->columns[i].group != RETRIEVE_UNREGISTERED)
            continue;
        if (len + name.len + 8 > sizeof(names)) {
            memcpy(names + len, ", …", sizeof(", …") - 1);
            len += sizeof(", …") - 1;
            break;
        }
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s'%.*s'", len ? ", " : "",
                                STR_ARG(name));
    }
    return error_set(error, STATUS_NOT_FOUND, "not_registered", "Feature%s %.*s not registered",
                     retrieve->unregistered_count > 1 ? "s" : "", (int)len, names);
}
