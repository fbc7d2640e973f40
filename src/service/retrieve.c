/* The cells of some ids, as planned, and what others wrote about them. */
#include "service/retrieve.h"

#include <stdlib.h>

#include "base/assert.h"
#include "model/limits.h"

static struct service_counters *counters_of(const struct retrieve *retrieve)
{
    return &retrieve->service->counters[retrieve->loop->index];
}

void retrieve_count_unregistered(const struct retrieve *retrieve)
{
    if (retrieve->unregistered_count)
        service_count(&counters_of(retrieve)->names_unregistered, retrieve->unregistered_count);
}

bool retrieve_has_bytes(const struct retrieve *retrieve)
{
    for (uint32_t c = 0; c < retrieve->column_count; c++) {
        const struct retrieve_column *column = &retrieve->columns[c];
        if (column->group != RETRIEVE_UNREGISTERED && data_type_has_bytes(column->data_type))
            return true;
    }
    return retrieve->wants_others;
}

static uint32_t at_least_1(size_t ids)
{
    if (ids == 0)
        return 1;
    return ids < RETRIEVE_LATE_SLICE_IDS ? (uint32_t)ids : RETRIEVE_LATE_SLICE_IDS;
}

static uint32_t late_slice_ids(const struct retrieve *retrieve)
{
    uint32_t by_cells = at_least_1(RETRIEVE_LATE_SLICE_CELLS / (retrieve->column_count + 1));
    uint32_t by_bytes = RETRIEVE_LATE_FIRST_IDS;
    if (!retrieve_has_bytes(retrieve))
        return by_cells;
    if (retrieve->id_count > 0)
        by_bytes = at_least_1(RETRIEVE_LATE_SLICE_BYTES /
                              (retrieve->slice_arena->held_bytes / retrieve->id_count + 1));
    return by_bytes < by_cells ? by_bytes : by_cells;
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
    /* Field by field: a read of four features notices a copy of the whole. */
    read->entity_name = group->entity_name.data ? group->entity_name : entity->name;
    read->entity = entity;
    read->entity_ids = retrieve->entity_ids + first;
    read->id_count = count;
    read->versions = group->versions;
    /* All of them dropped: none. */
    read->version_count = group->version_count && group->versions[0] ? group->version_count : 0;
    read->cells = group->cells + (size_t)first * group->version_count;
    read->arena = retrieve->slice_arena;
    read->others = group->others ? group->others + first : NULL;
    read->loop = retrieve->loop;
    read->done = read_done;
    read->user = retrieve;
    read->status = OK;
    read->error = retrieve->error;
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
        retrieve->status = service_out_of_memory(error);
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
