/* Query strings: never a crash; what was parsed and is encoded again parses to the same. */
#include <stdint.h>

#include "base/assert.h"
#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(struct buffer *out, const struct http_query_parameter *parameters,
                   uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        http_percent_encode(out, parameters[i].name);
        buffer_append_char(out, '=');
        http_percent_encode(out, parameters[i].value);
        buffer_append_char(out, '&');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct buffer again;
    struct error error;
    struct http_query_parameter *first;
    struct http_query_parameter *second;
    uint32_t first_count;
    uint32_t second_count;
    arena_init(&arena, 64 << 20);
    buffer_init(&again, 64 << 20);
    status result =
        http_query_parse(str_of((const char *)data, size), &arena, &first, &first_count, &error);
    if (status_is_ok(result)) {
        encode(&again, first, first_count);
        result = http_query_parse(buffer_str(&again), &arena, &second, &second_count, &error);
        ASSERT(status_is_ok(result) && first_count == second_count);
        for (uint32_t i = 0; i < first_count; i++)
            ASSERT(str_eq(first[i].name, second[i].name) &&
                   str_eq(first[i].value, second[i].value));
    } else {
        ASSERT(result.code == STATUS_MALFORMED && error.detail[0]);
    }
    buffer_fini(&again);
    arena_fini(&arena);
    return 0;
}
