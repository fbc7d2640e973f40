#include "cli/copy_definitions.h"

#include <inttypes.h>

#include "cli/plan_text.h"
#include "model/data_type.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)
#define TARGET_BYTES_MAX 4096u

static status create(const struct feature_definition *definition, struct client *client,
                     struct client_answer *answer, struct error *error)
{
    struct buffer body;
    struct buffer target;
    buffer_init(&body, BODY_BYTES_MAX);
    buffer_init(&target, TARGET_BYTES_MAX);
    plan_append_feature_json(&body, definition);
    buffer_append_str(&target, STR("/features/definitions/"));
    client_append_encoded(&target, definition->name);
    buffer_append_char(&target, '\0');
    status result = buffer_status(&body);
    if (status_is_ok(result))
        result = client_request_ok(client, "PUT", target.failed ? NULL : target.data,
                                   buffer_str(&body), answer, error);
    buffer_fini(&body);
    buffer_fini(&target);
    return result;
}

static void append_type(struct buffer *out, const struct feature_definition *definition)
{
    buffer_append_format(out, "%s", data_type_name(definition->data_type));
    if (definition->dimension > 0)
        buffer_append_format(out, "[%" PRIu32 "]", definition->dimension);
    buffer_append_format(out, " of %.*s", STR_ARG(definition->entity));
}

static bool is_same(const struct feature_definition *a, const struct feature_definition *b)
{
    return str_eq(a->entity, b->entity) && a->data_type == b->data_type &&
           a->dimension == b->dimension;
}

static void note_difference(struct copy_definitions *result, const struct feature_definition *from,
                            const struct feature_definition *to)
{
    struct buffer *out = &result->messages;
    result->differing++;
    buffer_append_format(out, "%.*s is there already as ", STR_ARG(from->name));
    append_type(out, to);
    buffer_append_str(out, STR(", not "));
    append_type(out, from);
    buffer_append_str(out, STR(": what does not fit is left out\n"));
}

static status copy_one(const struct registered_feature *feature,
                       const struct registered_feature *there, struct client *client,
                       struct client_answer *answer, struct copy_definitions *out,
                       struct error *error)
{
    if (there != NULL) {
        if (!is_same(&feature->definition, &there->definition))
            note_difference(out, &feature->definition, &there->definition);
        return OK;
    }
    TRY(create(&feature->definition, client, answer, error));
    out->created++;
    if (feature->active != 1)
        buffer_append_format(&out->messages,
                             "%.*s: its active version %" PRIu32 " is version 1 there; other "
                             "versions are not copied\n",
                             STR_ARG(feature->definition.name), feature->active);
    return OK;
}

status copy_definitions(const struct registered *from, const struct registered *to,
                        struct client *client, struct copy_definitions *out, struct error *error)
{
    struct client_answer answer;
    status result = OK;
    client_answer_init(&answer);
    for (size_t i = 0; i < from->features.capacity && status_is_ok(result); i++) {
        const struct registered_feature *feature = from->features.slots[i].value;
        if (feature != NULL)
            result = copy_one(feature, registered_feature(to, feature->definition.name), client,
                              &answer, out, error);
    }
    client_answer_fini(&answer);
    return result;
}
