#include "registry/sql_change.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buffer.h"
#include "model/cell_rule.h"
#include "model/definition_change.h"
#include "model/limits.h"
#include "registry/sql_rows.h"
#include "registry/sql_statistics.h"

struct change {
    struct sql_connection *connection;
    struct arena *arena;
    int64_t now_us;
    struct sql_time now_text;
    struct registry_request *request;
    struct sql_change_outcome *outcome;
    struct error *error;
};

static struct sql_value now_of(struct change *change)
{
    return sql_time_of(change->now_us, &change->now_text);
}

static status run_for_integer(struct change *change, enum sql_statement statement,
                              const struct sql_value *parameters, size_t count,
                              struct sql_one_integer *out)
{
    struct sql_receiver receiver = {sql_receive_integer, out};
    return sql_run_values(change->connection, statement, &receiver, change->error, parameters,
                          count);
}

static status check_limit(struct change *change, enum sql_statement count_statement, uint32_t limit,
                          const char *what)
{
    struct sql_one_integer count = {0};
    TRY(run_for_integer(change, count_statement, NULL, 0, &count));
    if (count.value < limit)
        return OK;
    return error_set(change->error, STATUS_INVALID, "too_many", "there can be at most %u %s", limit,
                     what);
}

static status insert_version(struct change *change, int64_t feature_id, uint32_t number)
{
    const struct feature_definition *definition = change->request->definition;
    return sql_run(
        change->connection, SQL_VERSION_INSERT, NULL, change->error, sql_integer(feature_id),
        sql_integer(number), sql_text(str_from_cstr(data_type_name(definition->data_type))),
        sql_integer(definition->dimension), sql_integer(CELL_NEVER_DEAD), now_of(change));
}

/* An entity has one string key today; the list leaves room for more. */
static status insert_entity(struct change *change)
{
    char keys[LIMIT_NAME_BYTES + 64];
    str entity = change->request->definition->entity;
    int len = snprintf(keys, sizeof(keys), "[{\"name\":\"%.*s_id\",\"data_type\":\"string\"}]",
                       STR_ARG(entity));
    return sql_run(change->connection, SQL_ENTITY_INSERT, NULL, change->error, sql_text(entity),
                   sql_text(str_of(keys, (size_t)len)), now_of(change));
}

static struct sql_value ttl_of(const struct feature_definition *definition)
{
    return definition->ttl_seconds ? sql_integer(definition->ttl_seconds) : sql_null();
}

static status insert_feature(struct change *change)
{
    const struct feature_definition *d = change->request->definition;
    struct sql_one_integer id = {0};
    TRY(check_limit(change, SQL_FEATURE_COUNT, LIMIT_FEATURES, "features"));
    TRY(insert_entity(change));
    struct sql_value values[] = {
        sql_text(d->name),
        sql_optional_text(&d->description),
        sql_text(str_from_cstr(data_type_name(d->data_type))),
        sql_text(d->entity),
        sql_optional_text(&d->feature_group),
        sql_integer(d->is_nullable),
        sql_optional_text(&d->source),
        sql_optional_text(&d->transformation),
        sql_optional_real(&d->min_value),
        sql_optional_real(&d->max_value),
        sql_optional_real(&d->mean_value),
        sql_optional_real(&d->std_dev),
        ttl_of(d),
        sql_text(d->tags_json),
        now_of(change),
        now_of(change),
        sql_integer(1),
    };
    TRY(run_for_integer(change, SQL_FEATURE_INSERT, values, ARRAY_LEN(values), &id));
    change->request->id = id.value;
    return insert_version(change, id.value, 1);
}

static status update_columns(struct change *change, int64_t feature_id)
{
    const struct feature_definition *d = change->request->definition;
    return sql_run(change->connection, SQL_FEATURE_UPDATE, NULL, change->error,
                   sql_optional_text(&d->description), sql_optional_text(&d->feature_group),
                   sql_integer(d->is_nullable), sql_optional_text(&d->source),
                   sql_optional_text(&d->transformation), sql_optional_real(&d->min_value),
                   sql_optional_real(&d->max_value), sql_optional_real(&d->mean_value),
                   sql_optional_real(&d->std_dev), ttl_of(d), sql_text(d->tags_json),
                   now_of(change), sql_integer(feature_id));
}

static status move_dead_before(struct change *change, const struct catalog_builder_feature *current)
{
    for (uint32_t i = 0; i < current->version_count; i++) {
        const struct catalog_builder_version *version = &current->versions[i];
        int64_t dead_before_us = definition_change_dead_before(current, version, change->now_us);
        TRY(sql_run(change->connection, SQL_VERSION_DEAD_BEFORE, NULL, change->error,
                    sql_integer(dead_before_us), sql_integer((int64_t)version->id)));
    }
    change->outcome->ttl_changed = true;
    change->outcome->old_ttl_us = current->definition.ttl_seconds * 1000000;
    return OK;
}

static status activate(struct change *change, const struct catalog_builder_feature *current,
                       uint32_t number)
{
    const struct catalog_builder_version *version = current->versions;
    while (version->number != number)
        version++;
    return sql_run(change->connection, SQL_FEATURE_ACTIVATE, NULL, change->error,
                   sql_integer(number), sql_text(str_from_cstr(data_type_name(version->data_type))),
                   now_of(change), sql_integer(current->id));
}

static status write_change(struct change *change, const struct definition_change *decided,
                           const struct catalog_builder_feature *current)
{
    struct registry_request *request = change->request;
    if (decided->create) {
        TRY(insert_feature(change));
    } else {
        request->id = current->id;
        if (decided->update)
            TRY(update_columns(change, current->id));
        if (decided->move_dead_before)
            TRY(move_dead_before(change, current));
        if (decided->add_version)
            TRY(insert_version(change, current->id, decided->version));
        if (decided->activate)
            TRY(activate(change, current, decided->version));
    }
    request->version_number = decided->version;
    request->created = decided->create;
    request->new_version = decided->add_version;
    change->outcome->catalog_changed = decided->create || decided->update ||
                                       decided->move_dead_before || decided->add_version ||
                                       decided->activate;
    return OK;
}

static status change_feature(struct change *change)
{
    struct registry_request *request = change->request;
    struct catalog_builder_feature loaded;
    struct definition_change decided;
    bool found;
    str name =
        request->operation == REGISTRY_ACTIVATE_VERSION ? request->name : request->definition->name;
    TRY(sql_load_feature(change->connection, SQL_FEATURE_BY_NAME, sql_text(name), change->arena,
                         &loaded, &found, change->error));
    const struct catalog_builder_feature *current = found ? &loaded : NULL;
    if (request->operation == REGISTRY_REGISTER_FEATURE)
        TRY(definition_change_register(current, &decided, change->error));
    else if (request->operation == REGISTRY_PUT_FEATURE)
        TRY(definition_change_put(current, request->definition, &decided, change->error));
    else
        TRY(definition_change_activate(current, request->version, &decided, change->error));
    return write_change(change, &decided, current);
}

/* Names of an answer as "'a', 'b'", as far as an error has room. */
static status receive_name(void *user, const struct sql_value *columns, unsigned count,
                           struct error *error)
{
    struct buffer *names = user;
    (void)count;
    (void)error;
    str name = sql_as_text(&columns[0]);
    buffer_append_format(names, "%s'%.*s'", names->len ? ", " : "", STR_ARG(name));
    return OK;
}

static status check_unused(struct change *change, const struct catalog_builder_feature *feature)
{
    struct buffer names;
    struct sql_receiver receiver = {receive_name, &names};
    buffer_init(&names, 1u << 20);
    status s = sql_run(change->connection, SQL_SERVICES_OF_FEATURE, &receiver, change->error,
                       sql_integer(feature->id));
    if (status_is_ok(s) && names.len > 0)
        s = error_set(change->error, STATUS_CONFLICT, "in_use",
                      "Feature '%.*s' is used by feature service %.*s: change or delete it first, "
                      "or add force=true",
                      STR_ARG(feature->definition.name), STR_ARG(buffer_str(&names)));
    buffer_fini(&names);
    return s;
}

/* Versions and statistics go with it, and services lose them, by the tables' foreign keys. */
static status delete_feature(struct change *change)
{
    struct registry_request *request = change->request;
    struct catalog_builder_feature feature;
    bool found;
    TRY(sql_load_feature(change->connection, SQL_FEATURE_BY_ID, sql_integer(request->feature_id),
                         change->arena, &feature, &found, change->error));
    if (!found)
        return error_set(change->error, STATUS_NOT_FOUND, "not_found", "Feature not found");
    if (!request->force)
        TRY(check_unused(change, &feature));
    TRY(sql_run(change->connection, SQL_FEATURE_DELETE, NULL, change->error,
                sql_integer(feature.id)));
    request->id = feature.id;
    change->outcome->catalog_changed = true;
    return OK;
}

/* What a member of a service means now; id 0 if it is not registered. */
struct member {
    int64_t version_id;
    int64_t number;
};

static status receive_member(void *user, const struct sql_value *columns, unsigned count,
                             struct error *error)
{
    struct member *member = user;
    if (count == 2 && sql_as_integer(&columns[0], &member->version_id) &&
        sql_as_integer(&columns[1], &member->number))
        return OK;
    return error_set(error, STATUS_INTERNAL, "registry", "unreadable feature version");
}

static status resolve_members(struct change *change, struct member *members)
{
    const struct service_definition *service = change->request->service;
    struct buffer missing;
    status s = OK;
    buffer_init(&missing, 1u << 20);
    for (uint32_t i = 0; i < service->feature_count && status_is_ok(s); i++) {
        str name;
        uint32_t version;
        struct sql_receiver receiver = {receive_member, &members[i]};
        if (definition_parse_reference(service->features[i], &name, &version))
            s = sql_run(change->connection, SQL_VERSION_RESOLVE, &receiver, change->error,
                        sql_text(name), sql_integer(version));
        if (status_is_ok(s) && members[i].version_id == 0)
            buffer_append_format(&missing, "%s'%.*s'", missing.len ? ", " : "",
                                 STR_ARG(service->features[i]));
    }
    if (status_is_ok(s) && missing.len > 0) {
        error_loc_name(change->error, STR("body"));
        error_loc_name(change->error, STR("features"));
        s = error_set(change->error, STATUS_INVALID, "not_registered", "not registered: %.*s",
                      STR_ARG(buffer_str(&missing)));
    }
    buffer_fini(&missing);
    return s;
}

static status insert_members(struct change *change, const struct member *members)
{
    const struct service_definition *service = change->request->service;
    for (uint32_t i = 0; i < service->feature_count; i++) {
        char resolved[LIMIT_NAME_BYTES + 24];
        str name;
        uint32_t version;
        if (!definition_parse_reference(service->features[i], &name, &version))
            return error_set(change->error, STATUS_INTERNAL, "registry", "unchecked reference");
        int len =
            snprintf(resolved, sizeof(resolved), "%.*s@%" PRId64, STR_ARG(name), members[i].number);
        TRY(sql_run(change->connection, SQL_SERVICE_FEATURE_INSERT, NULL, change->error,
                    sql_integer(change->request->id), sql_integer(i),
                    sql_text(service->features[i]), sql_text(str_of(resolved, (size_t)len)),
                    sql_integer(members[i].version_id)));
    }
    return OK;
}

static status write_service(struct change *change, bool known)
{
    const struct service_definition *service = change->request->service;
    struct sql_one_integer id = {0};
    if (known) {
        TRY(sql_run(change->connection, SQL_SERVICE_UPDATE, NULL, change->error,
                    sql_optional_text(&service->description), sql_text(service->tags_json),
                    now_of(change), sql_integer(change->request->id)));
        return sql_run(change->connection, SQL_SERVICE_FEATURES_DELETE, NULL, change->error,
                       sql_integer(change->request->id));
    }
    TRY(check_limit(change, SQL_SERVICE_COUNT, LIMIT_SERVICES, "feature services"));
    struct sql_value values[] = {
        sql_text(service->name),
        sql_optional_text(&service->description),
        sql_text(service->tags_json),
        now_of(change),
        now_of(change),
    };
    TRY(run_for_integer(change, SQL_SERVICE_INSERT, values, ARRAY_LEN(values), &id));
    change->request->id = id.value;
    return OK;
}

struct service_row {
    int64_t id;
    int64_t created_at_us;
    bool found;
};

static status receive_service(void *user, const struct sql_value *columns, unsigned count,
                              struct error *error)
{
    struct service_row *row = user;
    if (count != 2 || !sql_as_integer(&columns[0], &row->id))
        return error_set(error, STATUS_INTERNAL, "registry", "unreadable feature service");
    row->created_at_us = sql_as_time(&columns[1]);
    row->found = true;
    return OK;
}

static status find_service(struct change *change, str name, struct service_row *out)
{
    struct sql_receiver receiver = {receive_service, out};
    return sql_run(change->connection, SQL_SERVICE_BY_NAME, &receiver, change->error,
                   sql_text(name));
}

static void tell_service(const struct change *change, const struct service_row *before,
                         const struct member *members)
{
    struct registry_request *request = change->request;
    request->created = !before->found;
    request->created_at_us = before->found ? before->created_at_us : change->now_us;
    request->updated_at_us = change->now_us;
    for (uint32_t i = 0; request->member_versions && i < request->service->feature_count; i++)
        request->member_versions[i] = (uint32_t)members[i].number;
}

static status change_service(struct change *change)
{
    struct registry_request *request = change->request;
    const struct service_definition *service = request->service;
    struct service_row before = {0};
    TRY(find_service(change, service->name, &before));
    if (before.found && request->operation == REGISTRY_CREATE_SERVICE)
        return error_set(change->error, STATUS_CONFLICT, "already_exists",
                         "Feature service already exists: '%.*s'", STR_ARG(service->name));
    struct member *members =
        arena_alloc_array(change->arena, service->feature_count, sizeof(*members));
    if (members == NULL)
        return error_set(change->error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                         "no memory for the feature service");
    TRY(resolve_members(change, members));
    request->id = before.id;
    TRY(write_service(change, before.found));
    TRY(insert_members(change, members));
    tell_service(change, &before, members);
    change->outcome->catalog_changed = true;
    return OK;
}

static status delete_service(struct change *change)
{
    struct registry_request *request = change->request;
    struct service_row row = {0};
    TRY(find_service(change, request->name, &row));
    if (!row.found)
        return error_set(change->error, STATUS_NOT_FOUND, "not_found",
                         "Feature service '%.*s' not found", STR_ARG(request->name));
    TRY(sql_run(change->connection, SQL_SERVICE_DELETE, NULL, change->error, sql_integer(row.id)));
    request->id = row.id;
    change->outcome->catalog_changed = true;
    return OK;
}

status sql_change_apply(struct sql_connection *connection, struct arena *arena, int64_t now_us,
                        struct registry_request *request, struct sql_change_outcome *outcome,
                        struct error *error)
{
    struct change change = {
        .connection = connection,
        .arena = arena,
        .now_us = now_us,
        .request = request,
        .outcome = outcome,
        .error = error,
    };
    *outcome = (struct sql_change_outcome){0};
    switch (request->operation) {
    case REGISTRY_REGISTER_FEATURE:
    case REGISTRY_PUT_FEATURE:
    case REGISTRY_ACTIVATE_VERSION:
        return change_feature(&change);
    case REGISTRY_DELETE_FEATURE:
        return delete_feature(&change);
    case REGISTRY_CREATE_SERVICE:
    case REGISTRY_PUT_SERVICE:
        return change_service(&change);
    case REGISTRY_DELETE_SERVICE:
        return delete_service(&change);
    case REGISTRY_STATISTICS:
        return sql_statistics_merge(connection, arena, now_us, request->statistics, error);
    case REGISTRY_REFRESH: /* changes nothing: sql_follow.c */
        break;
    }
    return error_set(error, STATUS_INTERNAL, "registry", "unknown registry operation");
}
