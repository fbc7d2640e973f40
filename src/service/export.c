#include "service/export.h"

#include "base/assert.h"
#include "model/limits.h"

#define ARENA_BYTES ((size_t)512 << 20) /* as of any request */

status export_init(struct export *export, struct service *service, struct arena *arena,
                   struct loop *loop, str entity, str cursor, uint64_t limit, struct error *error)
{
    export->service = service;
    export->loop = loop;
    export->ids_left = limit;
    export->error = error;
    export->scan.status = OK;
    arena_init(&export->arena, ARENA_BYTES);
    retrieve_init(&export->retrieve, service, arena, loop);
    export->retrieve.slice_arena = &export->arena;
    if (cursor.len > sizeof(export->cursor))
        return error_set(error, STATUS_INVALID, "value_error",
                         "this is not a cursor that an export gave");
    if (cursor.len)
        memcpy(export->cursor, cursor.data, cursor.len);
    export->cursor_len = cursor.len;
    if (!arena_copy_str(arena, entity, &export->entity_name))
        return service_out_of_memory(error);
    return retrieve_plan_versions(&export->retrieve, entity, error);
}

void export_fini(struct export *export)
{
    arena_fini(&export->arena);
}

static void finish(struct export *export, status result, uint32_t row_count)
{
    export->status = result;
    export->row_count = row_count;
    export->done(export);
}

static void slice_done(struct retrieve *retrieve)
{
    struct export *export = retrieve->user;
    finish(export, retrieve->status, retrieve->id_count);
}

static void read_ids(struct export *export)
{
    uint32_t left = export->id_count - export->id_next;
    uint32_t most = retrieve_slice_ids(&export->retrieve);
    retrieve_slice(&export->retrieve, export->ids + export->id_next, left < most ? left : most,
                   slice_done, export, export->error);
}

static bool take_scanned(struct export *export)
{
    struct online_scan *scan = &export->scan;
    ASSERT(scan->next_cursor.len <= sizeof(export->cursor));
    if (scan->next_cursor.len)
        memcpy(export->cursor, scan->next_cursor.data, scan->next_cursor.len);
    export->cursor_len = scan->next_cursor.len;
    export->scanned_all = scan->next_cursor.len == 0;
    export->ids = scan->entity_ids;
    export->id_count = scan->id_count;
    export->id_next = 0;
    export->ids_left -= scan->id_count < export->ids_left ? scan->id_count : export->ids_left;
    return scan->id_count > 0;
}

static void scan_some(struct export *export);

/* Nothing found is no reason to come back to the caller: a store that shares its keys with others may
 * have to look at many of them. It answers later, so this does not nest. */
static void scan_done(struct online_scan *scan)
{
    struct export *export = scan->user;
    if (!status_is_ok(scan->status)) {
        if (export->error)
            *export->error = scan->error;
        finish(export, scan->status, 0);
    } else if (take_scanned(export)) {
        read_ids(export);
    } else if (export->scanned_all) {
        finish(export, OK, 0);
    } else {
        scan_some(export);
    }
}

static void scan_some(struct export *export)
{
    uint32_t most = retrieve_slice_ids(&export->retrieve);
    arena_reset(&export->arena);
    export->scan = (struct online_scan){
        .loop = export->loop,
        .done = scan_done,
        .user = export,
        .arena = &export->arena,
        .entity_name = export->entity_name,
        .entity = catalog_find_entity(service_catalog(export->service), export->entity_name),
        .cursor = str_of(export->cursor, export->cursor_len),
        .limit = export->ids_left < most ? (uint32_t)export->ids_left : most,
    };
    error_clear(&export->scan.error);
    online_scan(export->service->online, &export->scan);
}

void export_next(struct export *export, void (*done)(struct export *export), void *user)
{
    export->done = done;
    export->user = user;
    if (export->id_next < export->id_count)
        read_ids(export);
    else if (export->scanned_all || export->ids_left == 0)
        finish(export, OK, 0);
    else
        scan_some(export);
}
