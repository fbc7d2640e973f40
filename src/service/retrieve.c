#include "service/retrieve.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "model/limits.h"

#define SMALL_LIST 32u /* up to here a linear search beats building a map */

void retrieve_init(struct retrieve *retrieve, struct service *service, struct arena *arena,
                   struct loop *loop)
{
    *retrieve = (struct retrieve){
        .service = service, .arena = arena, .slice_arena = arena, .loop = loop};
}

static status out_of_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "not enough memory for this request; ask for fewer ids or features");
}

static struct service_counters *counters_of(const struct retrieve *retrieve)
{
    return &retrieve->service->counters[retrieve->loop->index];
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

/* `entity` NULL: nobody registered it. A store that answers later needs the name longer than an image
 * of the catalog lives. */
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
            return out_of_memory(error);
    }
    return OK;
}

void retrieve_count_unregistered(const struct retrieve *retrieve)
{
    if (retrieve->unregistered_count)
        service_count(&counters_of(retrieve)->names_unregistered, retrieve->unregistered_count);
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
        return out_of_memory(error);
    hash_map_init(&seen.map);
    for (uint32_t i = 0; i < count && status_is_ok(result); i++) {
        if (unique && name_set_contains(&seen, names[i]))
            continue;
        if (!plan_add_name(retrieve, catalog, &seen, names[i], entity, count))
            result = out_of_memory(error);
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
        return out_of_memory(error);
    hash_map_init(&seen.map);
    for (uint32_t i = 0; i < count && status_is_ok(result); i++) {
        if (!unique || !name_set_contains(&seen, feature_service->features[i]))
            result = plan_add_member(retrieve, &seen, feature_service->features[i],
                                     feature_service->versions[i], count);
    }
    if (seen.is_large)
        hash_map_fini(&seen.map);
    return status_is_ok(result) ? plan_finish(retrieve, catalog, error) : out_of_memory(error);
}

static status plan_add_entity(struct retrieve *retrieve, const struct catalog_entity *entity,
                              struct error *error)
{
    for (uint32_t i = 0; i < entity->active_count; i++) {
        const struct catalog_version *version = entity->active[i];
        str column;
        if (!arena_copy_str(retrieve->arena, version->feature->definition.name, &column) ||
            !plan_add(retrieve, column, version, entity->active_count))
            return out_of_memory(error);
    }
    /* An entity without features may still have what others wrote. */
    if (retrieve->wants_others && entity->active_count == 0 &&
        !group_create(retrieve, entity->name, entity, 0))
        return out_of_memory(error);
    return OK;
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
        return out_of_memory(error);
    if (only)
        TRY(plan_add_entity(retrieve, only, error));
    else if (entity.len && retrieve->wants_others && !group_create(retrieve, entity, NULL, 0))
        return out_of_memory(error);
    for (uint32_t i = 0; entity.len == 0 && i < catalog->entity_count; i++)
        TRY(plan_add_entity(retrieve, catalog->entities[i], error));
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

/* In cells. Texts are of any length; most are short. */
static uint64_t column_weight(const struct retrieve_column *column)
{
    if (column->group == RETRIEVE_UNREGISTERED || !data_type_has_bytes(column->data_type))
        return 1;
    return 16 + column->dimension / 8;
}

static uint32_t late_slice_ids(const struct retrieve *retrieve)
{
    uint64_t weight = 1;
    for (uint32_t c = 0; c < retrieve->column_count; c++)
        weight += column_weight(&retrieve->columns[c]);
    uint64_t ids = RETRIEVE_LATE_SLICE_CELLS / weight;
    if (ids == 0)
        return 1;
    return ids < RETRIEVE_LATE_SLICE_IDS ? (uint32_t)ids : RETRIEVE_LATE_SLICE_IDS;
}

uint32_t retrieve_slice_ids(const struct retrieve *retrieve)
{
    if (retrieve_is_late(retrieve))
        return late_slice_ids(retrieve);
    uint32_t ids = RETRIEVE_SLICE_CELLS / (retrieve->column_count ? retrieve->column_count : 1);
    if (ids == 0)
        return 1;
    return ids < ONLINE_READ_IDS_MAX ? ids : ONLINE_READ_IDS_MAX;
}

/* Versions hold until a quiescent state: in a newer image, look each up again. A dropped version
 * moves its columns to the unregistered ones; its group's read simply leaves it out. */
static void follow_catalog(struct retrieve *retrieve, const struct catalog *catalog)
{
    for (uint32_t c = 0; c < retrieve->column_count; c++) {
        struct retrieve_column *column = &retrieve->columns[c];
        if (column->group == RETRIEVE_UNREGISTERED)
            continue;
        struct retrieve_group *group = &retrieve->groups[column->group];
        if (!catalog_version_at(catalog, group->entity_index, group->slots[column->place],
                                group->version_ids[column->place])) {
            column->group = RETRIEVE_UNREGISTERED;
            retrieve->unregistered_count++;
            retrieve->is_direct = false;
        }
    }
    for (uint32_t g = 0; g < retrieve->group_count; g++) {
        struct retrieve_group *group = &retrieve->groups[g];
        const struct catalog_version *some = NULL;
        for (uint32_t i = 0; i < group->version_count; i++) {
            group->versions[i] = catalog_version_at(catalog, group->entity_index, group->slots[i],
                                                    group->version_ids[i]);
            if (group->versions[i])
                some = group->versions[i];
        }
        /* A place must name a version of the entity; nobody reads the cell of a dropped one. */
        for (uint32_t i = 0; i < group->version_count; i++) {
            if (group->versions[i] == NULL)
                group->versions[i] = some;
        }
    }
    retrieve->catalog_revision = catalog->revision;
}

static bool reserve_group(const struct retrieve *retrieve, struct retrieve_group *group,
                          uint32_t id_count)
{
    uint32_t reads = (id_count - 1) / ONLINE_READ_IDS_MAX;
    group->cells = arena_alloc(retrieve->arena,
                               (size_t)id_count * group->version_count * sizeof(*group->cells));
    if (retrieve->wants_others)
        group->others = arena_alloc(retrieve->arena, id_count * sizeof(*group->others));
    if (reads > 0)
        group->more_reads = arena_alloc(retrieve->arena, reads * sizeof(*group->more_reads));
    return group->cells && (group->others || !retrieve->wants_others) &&
           (group->more_reads || reads == 0);
}

static bool reserve_cells(struct retrieve *retrieve, uint32_t id_count)
{
    if (retrieve->row == NULL && !retrieve->is_direct) {
        retrieve->row =
            arena_alloc(retrieve->arena, (retrieve->column_count + 1) * sizeof(*retrieve->row));
        if (retrieve->row == NULL)
            return false;
    }
    if (id_count <= retrieve->cells_for_ids)
        return true;
    for (uint32_t g = 0; g < retrieve->group_count; g++) {
        if (!reserve_group(retrieve, &retrieve->groups[g], id_count))
            return false;
    }
    retrieve->cells_for_ids = id_count;
    return true;
}

static void read_done(struct online_read *read)
{
    struct retrieve *retrieve = read->user;
    if (!status_is_ok(read->status))
        retrieve->status = read->status;
    ASSERT(retrieve->reads_pending > 0);
    if (--retrieve->reads_pending == 0)
        retrieve->done(retrieve);
}

/* Reads the ids of the slice from `first` on, as many as fit into a read. */
static void read_group(struct retrieve *retrieve, const struct catalog *catalog,
                       struct retrieve_group *group, uint32_t first)
{
    uint32_t left = retrieve->id_count - first;
    uint32_t count = left < ONLINE_READ_IDS_MAX ? left : ONLINE_READ_IDS_MAX;
    const struct catalog_entity *entity =
        group->entity_index == RETRIEVE_NO_ENTITY ? NULL : catalog->entities[group->entity_index];
    struct online_read *read =
        first == 0 ? &group->read : &group->more_reads[first / ONLINE_READ_IDS_MAX - 1];
    if (group->others)
        memset(group->others + first, 0, count * sizeof(*group->others));
    *read = (struct online_read){
        .entity_name = group->entity_name.data ? group->entity_name : entity->name,
        .entity = entity,
        .entity_ids = retrieve->entity_ids + first,
        .id_count = count,
        .versions = group->versions,
        /* All of them dropped: none. */
        .version_count = group->version_count && group->versions[0] ? group->version_count : 0,
        .cells = group->cells + (size_t)first * group->version_count,
        .arena = retrieve->slice_arena,
        .others = group->others ? group->others + first : NULL,
        .loop = retrieve->loop,
        .done = read_done,
        .user = retrieve,
        .error = retrieve->error,
    };
    online_read(retrieve->service->online, read);
}

static void count_read(struct retrieve *retrieve)
{
    struct service_counters *counters = counters_of(retrieve);
    service_count(&counters->entities_read, retrieve->id_count);
    service_count(&counters->values_read, (uint64_t)retrieve->id_count * retrieve->column_count);
}

void retrieve_slice(struct retrieve *retrieve, const str *entity_ids, uint32_t id_count,
                    void (*done)(struct retrieve *retrieve), void *user, struct error *error)
{
    const struct catalog *catalog = service_catalog(retrieve->service);
    ASSERT(id_count > 0 && id_count <= RETRIEVE_LATE_SLICE_IDS);
    if (catalog->revision != retrieve->catalog_revision)
        follow_catalog(retrieve, catalog);
    retrieve->entity_ids = entity_ids;
    retrieve->id_count = id_count;
    retrieve->done = done;
    retrieve->user = user;
    retrieve->error = error;
    retrieve->status = OK;
    if (!reserve_cells(retrieve, id_count)) {
        retrieve->status = out_of_memory(error);
        done(retrieve);
        return;
    }
    count_read(retrieve);
    if (retrieve->group_count == 0) {
        done(retrieve);
        return;
    }
    /* Counted before the first read, which may complete at once. */
    uint32_t groups = retrieve->group_count;
    retrieve->reads_pending = groups * ((id_count - 1) / ONLINE_READ_IDS_MAX + 1);
    /* The last read may end it all: then nothing of the plan is left. */
    for (uint32_t first = 0; first < id_count; first += ONLINE_READ_IDS_MAX) {
        for (uint32_t g = 0; g < groups; g++)
            read_group(retrieve, catalog, &retrieve->groups[g], first);
    }
}

const struct cell *retrieve_row(struct retrieve *retrieve, uint32_t i)
{
    if (retrieve->is_direct)
        return &retrieve->groups[0].cells[(size_t)i * retrieve->groups[0].version_count];
    for (uint32_t c = 0; c < retrieve->column_count; c++) {
        const struct retrieve_column *column = &retrieve->columns[c];
        if (column->group == RETRIEVE_UNREGISTERED) {
            retrieve->row[c] = (struct cell){.state = CELL_NOT_REGISTERED};
            continue;
        }
        const struct retrieve_group *group = &retrieve->groups[column->group];
        retrieve->row[c] = group->cells[(size_t)i * group->version_count + column->place];
    }
    return retrieve->row;
}

uint64_t retrieve_count_others(const struct retrieve *retrieve)
{
    uint64_t count = 0;
    for (uint32_t g = 0; retrieve->wants_others && g < retrieve->group_count; g++) {
        for (uint32_t i = 0; i < retrieve->id_count; i++)
            count += retrieve->groups[g].others[i].count;
    }
    return count;
}

static int compare_columns(const void *a, const void *b, void *columns)
{
    const struct retrieve_column *all = columns;
    return str_compare(all[*(const uint32_t *)a].name, all[*(const uint32_t *)b].name);
}

static bool sort_columns(struct retrieve *retrieve)
{
    uint32_t count = retrieve->column_count;
    retrieve->by_name = arena_alloc(retrieve->arena, (count + 1) * sizeof(*retrieve->by_name));
    if (retrieve->by_name == NULL)
        return false;
    for (uint32_t c = 0; c < count; c++)
        retrieve->by_name[c] = c;
    qsort_r(retrieve->by_name, count, sizeof(*retrieve->by_name), compare_columns,
            retrieve->columns);
    return true;
}

static bool is_hidden(const struct retrieve *retrieve, const struct cell *row, str name)
{
    uint32_t low = 0;
    uint32_t high = retrieve->column_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t column = retrieve->by_name[middle];
        int order = str_compare(name, retrieve->columns[column].name);
        if (order == 0)
            return row[column].state == CELL_PRESENT || row[column].state == CELL_NULL;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* Of several entities the first that has a name wins. */
static status add_others(struct retrieve *retrieve, const struct online_others *others,
                         const struct cell *row, struct hash_map *seen, struct online_other *out,
                         uint32_t *count)
{
    for (uint32_t i = 0; i < others->count; i++) {
        const struct online_other *other = &others->items[i];
        if (is_hidden(retrieve, row, other->name) || hash_map_get(seen, other->name))
            continue;
        out[(*count)++] = *other;
        if (retrieve->group_count > 1 && !hash_map_put(seen, other->name, retrieve))
            return status_of(STATUS_OUT_OF_MEMORY);
    }
    return OK;
}

status retrieve_others(struct retrieve *retrieve, uint32_t i, const struct cell *row,
                       struct online_others *out)
{
    struct hash_map seen;
    status result = OK;
    uint32_t count = 0;
    size_t total = 0;
    for (uint32_t g = 0; retrieve->wants_others && g < retrieve->group_count; g++)
        total += retrieve->groups[g].others[i].count;
    *out = (struct online_others){0};
    if (total == 0)
        return OK;
    struct online_other *items = arena_alloc(retrieve->slice_arena, total * sizeof(*items));
    if (items == NULL || (retrieve->by_name == NULL && !sort_columns(retrieve)))
        return status_of(STATUS_OUT_OF_MEMORY);
    hash_map_init(&seen);
    for (uint32_t g = 0; g < retrieve->group_count && status_is_ok(result); g++)
        result = add_others(retrieve, &retrieve->groups[g].others[i], row, &seen, items, &count);
    hash_map_fini(&seen);
    *out = (struct online_others){items, count};
    return result;
}
