/* A plan for people (lines with +, ~, = and !), and its items for the server (JSON). */
#ifndef FEATURED_CLI_PLAN_TEXT_H
#define FEATURED_CLI_PLAN_TEXT_H

#include "base/buffer.h"
#include "cli/plan.h"

/* `fd` says where it goes: colours on a terminal. */
void plan_append_text(struct buffer *out, const struct plan *plan, int fd);
/* The bodies of PUT /features/definitions/{name} and PUT /feature-services/{name}. */
void plan_append_feature_json(struct buffer *out, const struct feature_definition *definition);
void plan_append_service_json(struct buffer *out, const struct service_definition *definition);

#endif
