/* Lists of ids: the first byte picks lines or .npy. What is taken is written out as lines, where it
 * has none of its own, and read again: it must be the same. */
#include "base/assert.h"
#include "base/buffer.h"
#include "codec/id_list.h"
#include "model/definition.h"
#include "model/limits.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* False if some id cannot be a line. */
static bool encode(struct buffer *out, const struct id_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        str id = list->ids[i];
        ASSERT(entity_id_is_valid(id) && str_is_utf8(id));
        if (memchr(id.data, '\n', id.len) || id.data[id.len - 1] == '\r')
            return false;
        if (i == 0 && str_starts_with(id, STR("\xEF\xBB\xBF")))
            return false;
        buffer_append_str(out, id);
        buffer_append_char(out, '\n');
    }
    return true;
}

static void check_again(struct arena *arena, const struct id_list *first)
{
    struct buffer lines;
    struct id_list second;
    buffer_init(&lines, SIZE_MAX);
    if (encode(&lines, first)) {
        ASSERT(status_is_ok(id_list_from_lines(buffer_str(&lines), arena, &second, NULL)));
        ASSERT(second.count == first->count);
        for (uint32_t i = 0; i < first->count; i++)
            ASSERT(str_eq(first->ids[i], second.ids[i]));
    }
    buffer_fini(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct error error;
    struct id_list list;
    if (size == 0)
        return 0;
    str body = str_of((const char *)data + 1, size - 1);
    arena_init(&arena, 64 << 20);
    error_clear(&error);
    status result = data[0] & 1 ? id_list_from_npy(body, &arena, &list, &error)
                                : id_list_from_lines(body, &arena, &list, &error);
    if (status_is_ok(result)) {
        ASSERT(list.count <= LIMIT_READ_IDS);
        check_again(&arena, &list);
    } else {
        ASSERT(result.code == STATUS_MALFORMED || result.code == STATUS_INVALID);
        ASSERT(error.detail[0]);
    }
    arena_fini(&arena);
    return 0;
}
