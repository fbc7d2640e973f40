#include "service/export.h"

#include "base/assert.h"
#include "model/limits.h"

#define ARENA_BYTES ((size_t)512 << 20) /* as of any request */

status export_init(struct export_reader *reader, struct service *service, struct arena *arena,
                   struct loop *loop, str entity, str cursor, uint64_t limit, struct error *error)
{
    reader->service = service;
    reader->loop = loop;
    reader->ids_left = limit;
    reader->error = error;
    reader->scan.status = OK;
    arena_init(&reader->arena, ARENA_BYTES);
    arena_init(&reader->slice_arena, ARENA_BYTES);
    retrieve_init(&reader->retrieve, service, arena, loop);
    reader->retrieve.slice_arena = &reader->slice_arena;
    if (cursor.len > sizeof(reader->cursor))
        return error_set(error, STATUS_INVALID, "value_error",
                         "this is not a cursor that an export gave");
    if (cursor.len)
        memcpy(reader->cursor, cursor.data, cursor.len);
    reader->cursor_len = cursor.len;
    if (!arena_copy_str(arena, entity, &reader->entity_name))
        return service_out_of_memory(error);
    return retrieve_plan_versions(&reader->retrieve, entity, error);
}

void export_fini(struct export_reader *reader)
{
    arena_fini(&reader->arena);
    arena_fini(&reader->slice_arena);
}

static void finish(struct export_reader *reader, status result, uint32_t row_count)
{
    reader->status = result;
    reader->row_count = row_count;
    reader->has_ended =
        status_is_ok(result) && row_count == 0 && (reader->scanned_all || reader->ids_left == 0);
    reader->done(reader);
}

static void slice_done(struct retrieve *retrieve)
{
    struct export_reader *reader = retrieve->user;
    finish(reader, retrieve->status, retrieve->id_count);
}

static void read_ids(struct export_reader *reader)
{
    uint32_t left = reader->id_count - reader->id_next;
    uint32_t most = retrieve_slice_ids(&reader->retrieve);
    arena_reset(&reader->slice_arena);
    retrieve_slice(&reader->retrieve, reader->ids + reader->id_next, left < most ? left : most,
                   slice_done, reader, reader->error);
}

static bool take_scanned(struct export_reader *reader)
{
    struct online_scan *scan = &reader->scan;
    ASSERT(scan->next_cursor.len <= sizeof(reader->cursor));
    if (scan->next_cursor.len)
        memcpy(reader->cursor, scan->next_cursor.data, scan->next_cursor.len);
    reader->cursor_len = scan->next_cursor.len;
    reader->scanned_all = scan->next_cursor.len == 0;
    reader->ids = scan->entity_ids;
    reader->id_count = scan->id_count;
    reader->id_next = 0;
    reader->ids_left -= scan->id_count < reader->ids_left ? scan->id_count : reader->ids_left;
    return scan->id_count > 0;
}

/* A store that shares its keys with others may have to look at many of them before it finds any: in
 * between the caller is asked whether anybody still waits. */
static void scan_done(struct online_scan *scan)
{
    struct export_reader *reader = scan->user;
    if (!status_is_ok(scan->status)) {
        if (reader->error)
            *reader->error = scan->error;
        finish(reader, scan->status, 0);
    } else if (take_scanned(reader)) {
        read_ids(reader);
    } else {
        finish(reader, OK, 0);
    }
}

static void scan_some(struct export_reader *reader)
{
    uint32_t most = RETRIEVE_LATE_SLICE_IDS; /* their values come by smaller slices */
    arena_reset(&reader->arena);
    reader->scan = (struct online_scan){
        .loop = reader->loop,
        .done = scan_done,
        .user = reader,
        .arena = &reader->arena,
        .entity_name = reader->entity_name,
        .entity = catalog_find_entity(service_catalog(reader->service), reader->entity_name),
        .cursor = str_of(reader->cursor, reader->cursor_len),
        .limit = reader->ids_left < most ? (uint32_t)reader->ids_left : most,
    };
    error_clear(&reader->scan.error);
    online_scan(reader->service->online, &reader->scan);
}

void export_next(struct export_reader *reader, void (*done)(struct export_reader *reader),
                 void *user)
{
    reader->done = done;
    reader->user = user;
    if (reader->id_next < reader->id_count)
        read_ids(reader);
    else if (reader->scanned_all || reader->ids_left == 0)
        finish(reader, OK, 0);
    else
        scan_some(reader);
}
