/* JSON bodies: the first byte picks the route. What is taken is written out and read again: it must
 * be the same. */
#include "codec/json_definition.h"
#include "codec/json_ingest.h"
#include "codec/json_read.h"
#include "fuzz_json_catalog.h"

static status ingest(str body, bool strict, bool by_name, struct arena *arena,
                     struct ingest_record *record, struct error *error)
{
    const struct json_ingest_options options = {.catalog = fuzz_catalog(),
                                                .now_us = FUZZ_NOW_US,
                                                .strict = strict,
                                                .by_name = by_name};
    return json_decode_ingest(body, &options, arena, record, error);
}

/* A record as the request that would make it. */
static void encode_record(struct buffer *out, struct arena *arena,
                          const struct ingest_record *record)
{
    buffer_append_str(out, STR("{\"entity_id\":\"u\",\"features\":["));
    for (uint32_t i = 0; i < record->cell_count; i++) {
        str name;
        ASSERT(status_is_ok(json_encode_key(arena, record->cells[i].name, &name)));
        if (i)
            buffer_append_char(out, ',');
        buffer_append_str(out, STR("{\"feature_name\":"));
        buffer_append_str(out, str_of(name.data, name.len - 1));
        buffer_append_str(out, STR(",\"value\":"));
        json_encode_value(out, &record->cells[i].value);
        buffer_append_char(out, '}');
    }
    buffer_append_str(out, STR("]}"));
}

static void check_ingest(str body, bool strict, bool by_name, struct arena *arena,
                         struct error *error)
{
    struct ingest_record record;
    struct ingest_record again;
    struct buffer text;
    if (!status_is_ok(ingest(body, strict, by_name, arena, &record, error)))
        return;
    buffer_init(&text, SIZE_MAX);
    encode_record(&text, arena, &record);
    ASSERT(status_is_ok(ingest(buffer_str(&text), true, false, arena, &again, error)));
    ASSERT(again.cell_count == record.cell_count);
    for (uint32_t i = 0; i < record.cell_count; i++)
        ASSERT(value_eq(&record.cells[i].value, &again.cells[i].value));
    buffer_fini(&text);
}

static status decode(unsigned route, str body, bool strict, struct arena *arena,
                     struct error *error)
{
    struct feature_definition feature;
    struct service_definition service;
    struct json_unknown unknown;
    struct json_batch_read read;
    struct json_user_batch batch;
    uint32_t version;
    switch (route) {
    case 0:
        return json_decode_feature_definition(body, STR(""), strict, arena, &feature, &unknown,
                                              error);
    case 1:
        return json_decode_service_definition(body, STR("name"), strict, arena, &service, &unknown,
                                              error);
    case 2:
        return json_decode_batch_read(body, strict, arena, &read, error);
    case 3:
        return json_decode_user_batch(body, strict, arena, &batch, error);
    case 4:
        return json_decode_activate(body, strict, &version, error);
    default:
        (void)json_tags_match(body, STR("a"), STR("b"));
        return OK;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct error error;
    if (size == 0)
        return 0;
    str body = str_of((const char *)data + 1, size - 1);
    bool strict = data[0] & 1;
    arena_init(&arena, (size_t)64 << 20);
    error_clear(&error);
    if (data[0] & 2)
        check_ingest(body, strict, data[0] & 4, &arena, &error);
    else if (!status_is_ok(decode(data[0] >> 2 & 7, body, strict, &arena, &error)))
        ASSERT(error.code != STATUS_OK && error.detail[0] != '\0');
    arena_fini(&arena);
    return 0;
}
