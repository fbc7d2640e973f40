#include "registry/sql_image.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/memory.h"
#include "model/catalog_builder.h"
#include "model/limits.h"
#include "registry/sql_rows.h"

/* A service's member as its row says. */
struct member {
    int64_t service_id;
    str feature;
    str resolved;
    uint64_t version_id;
};

struct image_load {
    struct catalog_builder *builder;
    struct sql_image_left_out *left_out; /* NULL: a row that cannot be served is a failure */
    struct arena arena;                  /* texts of members, arrays of one service */
    struct sql_version_row *versions;
    size_t version_count;
    size_t version_capacity;
    size_t next_version;
    struct catalog_builder_version *of_feature; /* those of one feature, side by side */
    size_t of_feature_capacity;
    struct member *members;
    size_t member_count;
    size_t member_capacity;
    size_t next_member;
};

static status no_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "no memory to read the registry");
}

/* Makes room for element number `index`. */
static bool make_room(void **items, size_t index, size_t *capacity, size_t size)
{
    if (index < *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : 64;
    void *grown = memory_realloc(*items, wanted * size);
    if (grown == NULL)
        return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

static status receive_version(void *user, const struct sql_value *columns, unsigned count,
                              struct error *error)
{
    struct image_load *load = user;
    if (!make_room((void **)&load->versions, load->version_count, &load->version_capacity,
                   sizeof(*load->versions)))
        return no_memory(error);
    status s = sql_read_version(columns, count, &load->versions[load->version_count], error);
    if (status_is_ok(s))
        load->version_count++;
    else if (load->left_out) /* its feature lacks it and is left out */
        return OK;
    return s;
}

/* Says why, and drops it. */
static status leave_out(struct image_load *load, const struct error *reason)
{
    if (load->left_out->count++ == 0)
        snprintf(load->left_out->first, sizeof(load->left_out->first), "%.250s", reason->detail);
    return OK;
}

/* What others may have written into the table although we do not serve it. */
static status check_servable(const struct catalog_builder_feature *feature, struct error *error)
{
    const struct feature_definition *definition = &feature->definition;
    uint32_t i = 0;
    if (!definition_name_is_valid(definition->name) ||
        !definition_name_is_valid(definition->entity))
        return error_set(error, STATUS_INTERNAL, "registry",
                         "the feature with id %" PRId64 " or its entity has a name that cannot be "
                         "served",
                         feature->id);
    while (i < feature->version_count && feature->versions[i].number != feature->active_version)
        i++;
    if (i < feature->version_count && feature->version_count <= LIMIT_VERSIONS_PER_FEATURE)
        return OK;
    return error_set(error, STATUS_INTERNAL, "registry",
                     "feature '%.*s' has no active version of a type that can be served",
                     STR_ARG(definition->name));
}

/* Both lists come in order of feature id, so they are walked side by side. */
static status receive_feature(void *user, const struct sql_value *columns, unsigned count,
                              struct error *error)
{
    struct image_load *load = user;
    struct catalog_builder_feature feature;
    struct error reason;
    uint32_t found = 0;
    error_clear(&reason);
    status readable = sql_read_feature(columns, count, &feature, load->left_out ? &reason : error);
    if (!status_is_ok(readable))
        return load->left_out ? leave_out(load, &reason) : readable;
    while (load->next_version < load->version_count &&
           load->versions[load->next_version].feature_id <= feature.id) {
        const struct sql_version_row *row = &load->versions[load->next_version++];
        if (row->feature_id < feature.id)
            continue;
        if (!make_room((void **)&load->of_feature, found, &load->of_feature_capacity,
                       sizeof(*load->of_feature)))
            return no_memory(error);
        load->of_feature[found++] = row->version;
    }
    feature.versions = load->of_feature;
    feature.version_count = found;
    if (load->left_out && !status_is_ok(check_servable(&feature, &reason)))
        return leave_out(load, &reason);
    return catalog_builder_add_feature(load->builder, &feature, error);
}

static status receive_member(void *user, const struct sql_value *columns, unsigned count,
                             struct error *error)
{
    struct image_load *load = user;
    struct member member;
    int64_t version_id;
    if (count != 4 || !sql_as_integer(&columns[0], &member.service_id) ||
        !sql_as_integer(&columns[3], &version_id))
        return error_set(error, STATUS_INTERNAL, "registry",
                         "the registry's table feature_service_features has an unreadable row");
    member.version_id = (uint64_t)version_id;
    if (!make_room((void **)&load->members, load->member_count, &load->member_capacity,
                   sizeof(*load->members)) ||
        !arena_copy_str(&load->arena, sql_as_text(&columns[1]), &member.feature) ||
        !arena_copy_str(&load->arena, sql_as_text(&columns[2]), &member.resolved))
        return no_memory(error);
    load->members[load->member_count++] = member;
    return OK;
}

/* Gives the service its members, which come in order of service id too. */
static bool take_members(struct image_load *load, struct catalog_builder_service *service)
{
    while (load->next_member < load->member_count &&
           load->members[load->next_member].service_id < service->id)
        load->next_member++;
    const struct member *first = &load->members[load->next_member];
    uint32_t count = 0;
    while (load->next_member < load->member_count &&
           load->members[load->next_member].service_id == service->id) {
        load->next_member++;
        count++;
    }
    str *features = arena_alloc_array(&load->arena, count, sizeof(*features));
    str *resolved = arena_alloc_array(&load->arena, count, sizeof(*resolved));
    uint64_t *ids = arena_alloc_array(&load->arena, count, sizeof(*ids));
    if (features == NULL || resolved == NULL || ids == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        features[i] = first[i].feature;
        resolved[i] = first[i].resolved;
        ids[i] = first[i].version_id;
    }
    service->definition.features = features;
    service->definition.feature_count = count;
    service->resolved = resolved;
    service->version_ids = ids;
    return true;
}

static status receive_service(void *user, const struct sql_value *columns, unsigned count,
                              struct error *error)
{
    struct image_load *load = user;
    struct catalog_builder_service service = {0};
    if (count != 6 || !sql_as_integer(&columns[0], &service.id))
        return error_set(error, STATUS_INTERNAL, "registry",
                         "the registry's table feature_services has an unreadable row");
    service.definition.name = sql_as_text(&columns[1]);
    service.definition.description.present = columns[2].type == SQL_TEXT;
    service.definition.description.text = sql_as_text(&columns[2]);
    service.definition.tags_json = sql_as_text(&columns[3]);
    service.created_at_us = sql_as_time(&columns[4]);
    service.updated_at_us = sql_as_time(&columns[5]);
    if (!take_members(load, &service))
        return no_memory(error);
    return catalog_builder_add_service(load->builder, &service, error);
}

static status load_all(struct sql_connection *connection, struct image_load *load,
                       struct error *error)
{
    struct sql_receiver versions = {receive_version, load};
    struct sql_receiver features = {receive_feature, load};
    struct sql_receiver members = {receive_member, load};
    struct sql_receiver services = {receive_service, load};
    TRY(sql_run(connection, SQL_VERSIONS_ALL, &versions, error));
    TRY(sql_run(connection, SQL_FEATURES_ALL, &features, error));
    TRY(sql_run(connection, SQL_SERVICE_FEATURES_ALL, &members, error));
    return sql_run(connection, SQL_SERVICES_ALL, &services, error);
}

status sql_image_build(struct sql_connection *connection, const struct catalog *previous,
                       uint64_t revision, const struct catalog **out,
                       struct sql_image_left_out *left_out, struct error *error)
{
    struct image_load load = {
        .builder = catalog_builder_create(previous, revision),
        .left_out = connection->driver->is_shared ? left_out : NULL,
    };
    if (load.builder == NULL)
        return no_memory(error);
    arena_init(&load.arena, SIZE_MAX);
    status s = load_all(connection, &load, error);
    if (status_is_ok(s))
        s = catalog_builder_finish(load.builder, out, error);
    if (!status_is_ok(s))
        catalog_builder_destroy(load.builder);
    arena_fini(&load.arena);
    memory_free(load.versions);
    memory_free(load.of_feature);
    memory_free(load.members);
    return s;
}

status sql_image_load_revision(struct sql_connection *connection, uint64_t *out,
                               struct error *error)
{
    struct sql_one_integer revision = {0};
    struct sql_receiver receiver = {sql_receive_integer, &revision};
    TRY(sql_run(connection, SQL_REVISION_GET, &receiver, error));
    *out = (uint64_t)revision.value;
    return OK;
}
