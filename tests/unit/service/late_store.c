#include "late_store.h"

#include <string.h>

#include "base/assert.h"

static struct late_store *late_of(struct online_store *store)
{
    return CONTAINER_OF(store, struct late_store, store);
}

struct late_read {
    struct loop_task task;
    struct late_store *late;
    struct online_read *read; /* the caller's */
    struct online_read inner;
};

static status copy_value(struct arena *arena, struct value *value)
{
    if (value->is_null || !data_type_has_bytes(value->type))
        return OK;
    str bytes = value->type == DATA_TYPE_EMBEDDING
                    ? str_of((const char *)value->embedding.data,
                             value->embedding.dimension * sizeof(float))
                    : value->text;
    str copy;
    if (!arena_copy_str(arena, bytes, &copy))
        return status_of(STATUS_OUT_OF_MEMORY);
    if (value->type == DATA_TYPE_EMBEDDING)
        value->embedding.data = (const float *)copy.data;
    else
        value->text = copy;
    return OK;
}

static status add_others(const struct late_read *waiting, uint32_t id)
{
    struct late_store *late = waiting->late;
    struct online_read *read = waiting->read;
    struct online_other *items = arena_alloc(read->arena, LATE_OTHERS_MAX * sizeof(*items));
    uint32_t count = 0;
    if (items == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    for (unsigned i = 0; i < late->other_count; i++) {
        const struct late_other *other = &late->others[i];
        if (!str_eq(read->entity_name, str_from_cstr(other->entity)) ||
            !str_eq(read->entity_ids[id], str_from_cstr(other->entity_id)))
            continue;
        items[count] = other->value;
        TRY(copy_value(read->arena, &items[count].value));
        if (!arena_copy_str(read->arena, other->value.name, &items[count++].name))
            return status_of(STATUS_OUT_OF_MEMORY);
    }
    read->others[id] = (struct online_others){items, count};
    return OK;
}

static status deliver(struct late_read *waiting)
{
    struct online_read *read = waiting->read;
    size_t cells = (size_t)read->id_count * read->version_count;
    for (size_t i = 0; i < cells; i++) {
        read->cells[i] = waiting->inner.cells[i];
        if (read->cells[i].state == CELL_PRESENT)
            TRY(copy_value(read->arena, &read->cells[i].value));
    }
    for (uint32_t i = 0; read->others && i < read->id_count; i++)
        TRY(add_others(waiting, i));
    return OK;
}

static void inner_done(struct online_read *read)
{
    struct late_read *waiting = read->user;
    ASSERT(status_is_ok(read->status));
    /* Rows hold until the loop's next quiescent state only. */
    for (size_t i = 0; i < (size_t)read->id_count * read->version_count; i++) {
        if (read->cells[i].state == CELL_PRESENT)
            ASSERT(status_is_ok(copy_value(waiting->read->arena, &read->cells[i].value)));
    }
}

static status read_failed(struct online_read *read)
{
    return error_set(read->error, STATUS_UNAVAILABLE, "online_store", "the store is away");
}

static void complete(struct late_read *waiting)
{
    struct late_store *late = waiting->late;
    atomic_fetch_sub(&late->reads_open, 1);
    waiting->read->done(waiting->read);
}

static void run_read(struct loop_task *task)
{
    struct late_read *waiting = CONTAINER_OF(task, struct late_read, task);
    if (atomic_load(&waiting->late->hold)) {
        loop_defer(waiting->read->loop, task);
        return;
    }
    if (status_is_ok(waiting->read->status))
        waiting->read->status = deliver(waiting);
    complete(waiting);
}

static void read_now(struct late_read *waiting)
{
    waiting->inner = *waiting->read;
    waiting->inner.done = inner_done;
    waiting->inner.user = waiting;
    waiting->inner.others = NULL;
    waiting->inner.cells =
        arena_alloc(waiting->read->arena, (size_t)waiting->read->id_count *
                                              waiting->read->version_count * sizeof(struct cell));
    ASSERT(waiting->inner.cells);
    online_read(waiting->late->inner, &waiting->inner);
}

static void late_read(struct online_store *store, struct online_read *read)
{
    struct late_store *late = late_of(store);
    struct late_read *waiting = arena_alloc(read->arena, sizeof(*waiting));
    unsigned number = atomic_fetch_add(&late->reads, 1) + 1;
    unsigned open = atomic_fetch_add(&late->reads_open, 1) + 1;
    unsigned fail_read = atomic_load(&late->fail_read);
    ASSERT(waiting && read->entity_name.len > 0 && read->id_count <= ONLINE_READ_IDS_MAX);
    ASSERT(read->entity || read->version_count == 0);
    if (open > atomic_load(&late->reads_open_most))
        atomic_store(&late->reads_open_most, open);
    *waiting = (struct late_read){.task = {.run = run_read}, .late = late, .read = read};
    bool fails = fail_read && number >= fail_read;
    read->status = fails ? read_failed(read) : OK;
    if (fails && atomic_load(&late->fail_at_once)) {
        complete(waiting);
        return;
    }
    if (!fails)
        read_now(waiting);
    loop_defer(read->loop, &waiting->task);
}

static void late_write(struct online_store *store, struct online_write *write)
{
    struct late_store *late = late_of(store);
    enum status_code refusal = atomic_load(&late->refuse_writes);
    atomic_fetch_add(&late->writes, 1);
    if (refusal == STATUS_OK) {
        online_write(late->inner, write);
        return;
    }
    write->records_applied = 0;
    write->values_written = 0;
    write->values_late = 0;
    error_clear(&write->error);
    write->status = error_set(&write->error, refusal, "refused", "the store refuses");
    write->done(write);
}

static void late_erase(struct online_store *store, struct online_erase *erase)
{
    struct late_store *late = late_of(store);
    enum status_code refusal = atomic_load(&late->refuse_writes);
    if (refusal == STATUS_OK) {
        online_erase(late->inner, erase);
        return;
    }
    error_clear(&erase->error);
    erase->status = error_set(&erase->error, refusal, "refused", "the store refuses");
    erase->done(erase);
}

#define NOTHING_YET STR("nothing-yet")

struct late_scan {
    struct loop_task task;
    struct late_store *late;
    struct online_scan *scan;
    struct online_scan inner;
};

/* What only others wrote comes with the last of the engine's ids. */
static void add_strangers(struct late_scan *waiting)
{
    struct late_store *late = waiting->late;
    struct online_scan *scan = waiting->scan;
    str *ids = arena_alloc(scan->arena, (scan->id_count + LATE_OTHERS_MAX) * sizeof(*ids));
    ASSERT(ids);
    if (scan->id_count)
        memcpy(ids, scan->entity_ids, scan->id_count * sizeof(*ids));
    for (unsigned i = 0; i < late->other_count; i++) {
        if (str_eq(scan->entity_name, str_from_cstr(late->others[i].entity)))
            ids[scan->id_count++] = str_from_cstr(late->others[i].entity_id);
    }
    scan->entity_ids = ids;
}

static void run_scan(struct loop_task *task)
{
    struct late_scan *waiting = CONTAINER_OF(task, struct late_scan, task);
    struct online_scan *scan = waiting->scan;
    if (atomic_load(&waiting->late->hold)) {
        loop_defer(scan->loop, task);
        return;
    }
    atomic_fetch_add(&waiting->late->scans, 1);
    if (atomic_load(&waiting->late->empty_scans) > 0) {
        atomic_fetch_sub(&waiting->late->empty_scans, 1);
        scan->status = OK;
        scan->id_count = 0;
        scan->next_cursor = NOTHING_YET;
        scan->done(scan);
        return;
    }
    scan->status = waiting->inner.status;
    scan->error = waiting->inner.error;
    scan->entity_ids = waiting->inner.entity_ids;
    scan->id_count = waiting->inner.id_count;
    scan->next_cursor = waiting->inner.next_cursor;
    if (status_is_ok(scan->status) && scan->next_cursor.len == 0)
        add_strangers(waiting);
    scan->done(scan);
}

static void inner_scan_done(struct online_scan *scan)
{
    (void)scan;
}

static void late_scan(struct online_store *store, struct online_scan *scan)
{
    struct late_store *late = late_of(store);
    struct late_scan *waiting = arena_alloc(scan->arena, sizeof(*waiting));
    ASSERT(waiting);
    *waiting = (struct late_scan){.task = {.run = run_scan}, .late = late, .scan = scan};
    waiting->inner = *scan;
    waiting->inner.done = inner_scan_done;
    if (str_eq(scan->cursor, NOTHING_YET))
        waiting->inner.cursor = STR("");
    online_scan(late->inner, &waiting->inner);
    loop_defer(scan->loop, &waiting->task);
}

static void late_statistics(struct online_store *store, struct online_statistics *request)
{
    late_of(store)->inner->driver->statistics(late_of(store)->inner, request);
}

static void late_metrics(struct online_store *store, struct online_metrics *out)
{
    late_of(store)->inner->driver->metrics(late_of(store)->inner, out);
}

static int64_t late_now_us(struct online_store *store)
{
    return online_now_us(late_of(store)->inner);
}

static status late_check(struct online_store *store, struct error *error)
{
    return late_of(store)->inner->driver->check(late_of(store)->inner, error);
}

void late_store_init(struct late_store *late, struct online_store *inner)
{
    memset(late, 0, sizeof(*late));
    late->inner = inner;
    late->driver = (struct online_driver){
        .name = "late",
        .keeps_others = true,
        .answers_later = true,
        .read = late_read,
        .write = late_write,
        .erase = late_erase,
        .scan = late_scan,
        .statistics = late_statistics,
        .metrics = late_metrics,
        .now_us = late_now_us,
        .check = late_check,
        .check_ingestion = late_check,
    };
    late->store.driver = &late->driver;
}
