/* Definition files: whatever the text, the set holds only definitions that the model's rules
 * accept, each with its place, and what is sent for them is JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/assert.h"
#include "cli/definition_file.h"
#include "cli/plan_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(struct buffer *json)
{
    ASSERT(!json->failed);
    yyjson_doc *document = yyjson_read(json->data, json->len, 0);
    /* libyaml checks the encoding of its input; escapes in quoted texts can still name a lone
     * surrogate, which no JSON text may hold: the server then says so. */
    ASSERT(document != NULL || !str_is_utf8(buffer_str(json)));
    yyjson_doc_free(document);
    buffer_reset(json, SIZE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct definition_set set;
    struct buffer json;
    definition_set_init(&set);
    buffer_init(&json, (size_t)64 << 20);
    bool fine = definition_set_add(&set, "fuzz.yaml", str_of((const char *)data, size));
    ASSERT(fine == (set.error_count == 0));
    ASSERT(fine || set.errors.len > 0);
    for (size_t i = 0; i < set.feature_count; i++) {
        ASSERT(status_is_ok(definition_validate(&set.features[i].definition, NULL)));
        ASSERT(set.features[i].place.line >= 1);
        plan_append_feature_json(&json, &set.features[i].definition);
        check_json(&json);
    }
    for (size_t i = 0; i < set.service_count; i++) {
        ASSERT(status_is_ok(service_definition_validate(&set.services[i].definition, NULL)));
        plan_append_service_json(&json, &set.services[i].definition);
        check_json(&json);
    }
    buffer_fini(&json);
    definition_set_fini(&set);
    return 0;
}
