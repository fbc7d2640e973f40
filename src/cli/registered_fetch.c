#include "cli/registered_fetch.h"

#define TARGET_BYTES_MAX 65536u

status registered_fetch_features(struct registered *registered, struct client *client,
                                 struct client_answer *answer, struct error *error)
{
    struct buffer target;
    str cursor = {0};
    status result = OK;
    buffer_init(&target, TARGET_BYTES_MAX);
    do {
        buffer_reset(&target, SIZE_MAX);
        buffer_append_str(&target, STR("/features"));
        if (cursor.len > 0) {
            buffer_append_str(&target, STR("?cursor="));
            client_append_encoded(&target, cursor);
        }
        buffer_append_char(&target, '\0');
        result = client_request_ok(client, "GET", target.failed ? NULL : target.data, (str){0},
                                   answer, error);
        if (status_is_ok(result))
            result = registered_add_features(registered, buffer_str(&answer->body), &cursor, error);
    } while (status_is_ok(result) && cursor.len > 0);
    buffer_fini(&target);
    return result;
}
