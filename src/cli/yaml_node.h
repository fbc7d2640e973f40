/* YAML text as a tree that knows its lines, over libyaml. Scalars follow YAML 1.2's core schema: a
 * plain `yes` is a text, `true` a boolean, `0x1F` a number. */
#ifndef FEATURED_CLI_YAML_NODE_H
#define FEATURED_CLI_YAML_NODE_H

#include <stdbool.h>
#include <yaml.h>

#include "base/buffer.h"
#include "base/error.h"

#define YAML_DEPTH_MAX 32u             /* aliases can nest without end */
#define YAML_JSON_BYTES_MAX (1u << 20) /* aliases can multiply without end */

/* One document of a file; the nodes live in it. */
struct yaml_tree {
    yaml_document_t document;
    const char *file;
};

enum yaml_scalar {
    YAML_SCALAR_NULL,
    YAML_SCALAR_BOOLEAN,
    YAML_SCALAR_INTEGER,
    YAML_SCALAR_FLOAT,
    YAML_SCALAR_STRING
};

/* NULL if there is no such node. */
yaml_node_t *yaml_tree_node(struct yaml_tree *tree, int index);
/* The line a node begins at, from 1. */
unsigned yaml_node_line(const yaml_node_t *node);
/* "a mapping", "a list", "a text", … for messages. */
const char *yaml_node_kind(const yaml_node_t *node);
str yaml_node_text(const yaml_node_t *node);
bool yaml_node_is(const yaml_node_t *node, yaml_node_type_t type);
/* What a scalar node means. */
enum yaml_scalar yaml_node_scalar(const yaml_node_t *node);
bool yaml_node_is_null(const yaml_node_t *node);
bool yaml_node_to_int64(const yaml_node_t *node, int64_t *out);
bool yaml_node_to_boolean(const yaml_node_t *node, bool *out);

/* The node as JSON. INVALID, with the detail "line N: …", where JSON cannot say it: keys that are
 * not scalars, .inf and .nan, too deep, too large. */
MUST_CHECK status yaml_node_to_json(struct yaml_tree *tree, yaml_node_t *node, struct buffer *out,
                                    struct error *error);

#endif
