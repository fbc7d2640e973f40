#include "cli/yaml_node.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/json_string.h"

#define NUMBER_MAX 64u /* characters of a plain number; more is a text */

yaml_node_t *yaml_tree_node(struct yaml_tree *tree, int index)
{
    return yaml_document_get_node(&tree->document, index);
}

unsigned yaml_node_line(const yaml_node_t *node)
{
    return (unsigned)node->start_mark.line + 1;
}

bool yaml_node_is(const yaml_node_t *node, yaml_node_type_t type)
{
    return node != NULL && node->type == type;
}

str yaml_node_text(const yaml_node_t *node)
{
    return str_of((const char *)node->data.scalar.value, node->data.scalar.length);
}

static bool is_one_of(str text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(text, str_from_cstr(words[i])))
            return true;
    }
    return false;
}

static bool is_null_text(str text)
{
    static const char *const WORDS[] = {"", "~", "null", "Null", "NULL"};
    return is_one_of(text, WORDS, ARRAY_LEN(WORDS));
}

static bool is_boolean_text(str text, bool *out)
{
    static const char *const ON[] = {"true", "True", "TRUE"};
    static const char *const OFF[] = {"false", "False", "FALSE"};
    *out = is_one_of(text, ON, ARRAY_LEN(ON));
    return *out || is_one_of(text, OFF, ARRAY_LEN(OFF));
}

static bool is_based_integer(str text, int base, int64_t *out)
{
    char copy[NUMBER_MAX];
    char *end;
    if (text.len < 3 || text.len >= sizeof(copy) || strchr("+- ", text.data[2]) != NULL)
        return false;
    memcpy(copy, text.data + 2, text.len - 2);
    copy[text.len - 2] = '\0';
    errno = 0;
    long long value = strtoll(copy, &end, base);
    if (*end != '\0' || errno != 0 || (base == 8 && strpbrk(copy, "xX") != NULL) ||
        (base == 16 && strpbrk(copy, "xX") != NULL))
        return false;
    *out = value;
    return true;
}

static bool is_integer_text(str text, int64_t *out)
{
    if (str_starts_with(text, STR("0x")))
        return is_based_integer(text, 16, out);
    if (str_starts_with(text, STR("0o")))
        return is_based_integer(text, 8, out);
    if (text.len > 1 && text.data[0] == '+' && text.data[1] != '-')
        text = str_of(text.data + 1, text.len - 1);
    return str_to_int64(text, out);
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?, and the words of .inf/.nan */
static bool is_float_text(str text, double *out)
{
    static const char *const NOT_FINITE[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};
    char copy[NUMBER_MAX];
    char *end;
    str unsigned_text = text;
    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    if (text.data[0] == '-' || text.data[0] == '+')
        unsigned_text = str_of(text.data + 1, text.len - 1);
    if (is_one_of(unsigned_text, NOT_FINITE, ARRAY_LEN(NOT_FINITE))) {
        *out = NAN;
        return true;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len || strspn(copy, "0123456789+-.eE") != text.len ||
        strpbrk(copy, "0123456789") == NULL || unsigned_text.data[0] == 'e' ||
        unsigned_text.data[0] == 'E')
        return false;
    *out = strtod(copy, &end);
    return *end == '\0';
}

enum yaml_scalar yaml_node_scalar(const yaml_node_t *node)
{
    str text = yaml_node_text(node);
    bool boolean;
    int64_t integer;
    double real;
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return YAML_SCALAR_STRING;
    if (is_null_text(text))
        return YAML_SCALAR_NULL;
    if (is_boolean_text(text, &boolean))
        return YAML_SCALAR_BOOLEAN;
    if (is_integer_text(text, &integer))
        return YAML_SCALAR_INTEGER;
    return is_float_text(text, &real) ? YAML_SCALAR_FLOAT : YAML_SCALAR_STRING;
}

bool yaml_node_is_null(const yaml_node_t *node)
{
    return yaml_node_is(node, YAML_SCALAR_NODE) && yaml_node_scalar(node) == YAML_SCALAR_NULL;
}

bool yaml_node_to_int64(const yaml_node_t *node, int64_t *out)
{
    return yaml_node_is(node, YAML_SCALAR_NODE) && yaml_node_scalar(node) == YAML_SCALAR_INTEGER &&
           is_integer_text(yaml_node_text(node), out);
}

bool yaml_node_to_boolean(const yaml_node_t *node, bool *out)
{
    return yaml_node_is(node, YAML_SCALAR_NODE) && yaml_node_scalar(node) == YAML_SCALAR_BOOLEAN &&
           is_boolean_text(yaml_node_text(node), out);
}

const char *yaml_node_kind(const yaml_node_t *node)
{
    static const char *const SCALARS[] = {
        [YAML_SCALAR_NULL] = "nothing",       [YAML_SCALAR_BOOLEAN] = "a boolean",
        [YAML_SCALAR_INTEGER] = "an integer", [YAML_SCALAR_FLOAT] = "a number",
        [YAML_SCALAR_STRING] = "a text",
    };
    if (yaml_node_is(node, YAML_MAPPING_NODE))
        return "a mapping";
    if (yaml_node_is(node, YAML_SEQUENCE_NODE))
        return "a list";
    return yaml_node_is(node, YAML_SCALAR_NODE) ? SCALARS[yaml_node_scalar(node)] : "nothing";
}

static status refuse(const yaml_node_t *node, struct error *error, const char *why)
{
    return error_set(error, STATUS_INVALID, "yaml", "line %u: %s", node ? yaml_node_line(node) : 0,
                     why);
}

/* As it was written where JSON can read it (0.1 stays 0.1), else what it means ("1." and ".5"). */
static void append_number(struct buffer *out, str text, double value)
{
    yyjson_doc *number = yyjson_read(text.data, text.len, 0);
    if (number != NULL)
        buffer_append_str(out, text);
    else
        buffer_append_format(out, "%.17g", value);
    yyjson_doc_free(number);
}

static status scalar_to_json(const yaml_node_t *node, struct buffer *out, struct error *error)
{
    str text = yaml_node_text(node);
    bool boolean = false;
    int64_t integer = 0;
    double real = 0;
    switch (yaml_node_scalar(node)) {
    case YAML_SCALAR_NULL:
        buffer_append_str(out, STR("null"));
        break;
    case YAML_SCALAR_BOOLEAN:
        is_boolean_text(text, &boolean);
        buffer_append_str(out, boolean ? STR("true") : STR("false"));
        break;
    case YAML_SCALAR_INTEGER:
        is_integer_text(text, &integer);
        buffer_append_int64(out, integer);
        break;
    case YAML_SCALAR_FLOAT:
        is_float_text(text, &real);
        if (!isfinite(real))
            return refuse(node, error, "infinity and not-a-number have no place here");
        append_number(out, text, real);
        break;
    case YAML_SCALAR_STRING:
        json_append_string(out, text);
        break;
    }
    return OK;
}

static status append_json(struct yaml_tree *tree, yaml_node_t *node, unsigned depth,
                          struct buffer *out, struct error *error);

static status sequence_to_json(struct yaml_tree *tree, yaml_node_t *node, unsigned depth,
                               struct buffer *out, struct error *error)
{
    const yaml_node_item_t *first = node->data.sequence.items.start;
    buffer_append_char(out, '[');
    for (const yaml_node_item_t *at = first; at < node->data.sequence.items.top; at++) {
        if (at > first)
            buffer_append_char(out, ',');
        TRY(append_json(tree, yaml_tree_node(tree, *at), depth + 1, out, error));
    }
    buffer_append_char(out, ']');
    return OK;
}

static status mapping_to_json(struct yaml_tree *tree, yaml_node_t *node, unsigned depth,
                              struct buffer *out, struct error *error)
{
    const yaml_node_pair_t *first = node->data.mapping.pairs.start;
    buffer_append_char(out, '{');
    for (const yaml_node_pair_t *at = first; at < node->data.mapping.pairs.top; at++) {
        const yaml_node_t *key = yaml_tree_node(tree, at->key);
        if (!yaml_node_is(key, YAML_SCALAR_NODE))
            return refuse(node, error, "a key must be a text");
        if (at > first)
            buffer_append_char(out, ',');
        json_append_string(out, yaml_node_text(key));
        buffer_append_char(out, ':');
        TRY(append_json(tree, yaml_tree_node(tree, at->value), depth + 1, out, error));
    }
    buffer_append_char(out, '}');
    return OK;
}

static status append_json(struct yaml_tree *tree, yaml_node_t *node, unsigned depth,
                          struct buffer *out, struct error *error)
{
    if (node == NULL || depth > YAML_DEPTH_MAX)
        return refuse(node, error, "nested too deeply");
    if (out->failed || out->len > YAML_JSON_BYTES_MAX)
        return refuse(node, error, "too large");
    switch (node->type) {
    case YAML_SCALAR_NODE:
        return scalar_to_json(node, out, error);
    case YAML_SEQUENCE_NODE:
        return sequence_to_json(tree, node, depth, out, error);
    case YAML_MAPPING_NODE:
        return mapping_to_json(tree, node, depth, out, error);
    default:
        return refuse(node, error, "a value is missing");
    }
}

status yaml_node_to_json(struct yaml_tree *tree, yaml_node_t *node, struct buffer *out,
                         struct error *error)
{
    TRY(append_json(tree, node, 0, out, error));
    return out->failed ? refuse(node, error, "too large") : OK;
}
