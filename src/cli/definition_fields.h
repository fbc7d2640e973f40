/* The fields of one mapping of a definition file: which there are, and their values. What is wrong
 * is complained of with file and line and otherwise left as it was. Private to definition_file.c.
 */
#ifndef FEATURED_CLI_DEFINITION_FIELDS_H
#define FEATURED_CLI_DEFINITION_FIELDS_H

#include "cli/definition_file.h"
#include "cli/yaml_node.h"

/* What is being read, and where it goes. */
struct loader {
    struct definition_set *set;
    struct yaml_tree tree;
};

enum field {
    FIELD_NAME,
    FIELD_DATA_TYPE,
    FIELD_ENTITY,
    FIELD_DESCRIPTION,
    FIELD_GROUP,
    FIELD_SOURCE,
    FIELD_TRANSFORMATION,
    FIELD_NULLABLE,
    FIELD_TTL,
    FIELD_TTL_SECONDS,
    FIELD_DIMENSION,
    FIELD_TAGS,
    FIELD_FEATURES,
    FIELD_SERVICES,
    FIELD_ENTITIES,
    FIELD_COUNT,
};

extern const char *const FIELD_NAMES[FIELD_COUNT];

#define BIT(field) (1u << (field))
#define TEXT_FIELDS                                                                                \
    (BIT(FIELD_DESCRIPTION) | BIT(FIELD_GROUP) | BIT(FIELD_SOURCE) | BIT(FIELD_TRANSFORMATION))
#define FEATURE_FIELDS                                                                             \
    (TEXT_FIELDS | BIT(FIELD_NAME) | BIT(FIELD_DATA_TYPE) | BIT(FIELD_ENTITY) |                    \
     BIT(FIELD_NULLABLE) | BIT(FIELD_TTL) | BIT(FIELD_TTL_SECONDS) | BIT(FIELD_DIMENSION) |        \
     BIT(FIELD_TAGS))
#define SERVICE_FIELDS                                                                             \
    (BIT(FIELD_NAME) | BIT(FIELD_FEATURES) | BIT(FIELD_DESCRIPTION) | BIT(FIELD_TAGS))
/* What a group of an entity's features may say for all of them. */
#define GROUP_FIELDS                                                                               \
    (BIT(FIELD_NAME) | BIT(FIELD_FEATURES) | BIT(FIELD_GROUP) | BIT(FIELD_SOURCE) |                \
     BIT(FIELD_TTL) | BIT(FIELD_TTL_SECONDS) | BIT(FIELD_TAGS))
#define TOP_FIELDS (BIT(FIELD_FEATURES) | BIT(FIELD_SERVICES) | BIT(FIELD_ENTITIES))

/* The fields that one mapping has, by field; NULL: absent. */
struct fields {
    yaml_node_t *values[FIELD_COUNT];
    unsigned lines[FIELD_COUNT];
    bool has_unknown; /* one was misspelled, maybe: what is missing then goes unsaid */
};

void loader_complain(struct loader *loader, unsigned line, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* False if the node is no mapping; unknown fields are complained of and left out. */
bool fields_read(struct loader *loader, const yaml_node_t *node, const char *what, unsigned allowed,
                 struct fields *out);
/* False, and said, if the field is absent (unless an unknown one was complained of). */
bool fields_require(struct loader *loader, const yaml_node_t *node, const struct fields *fields,
                    enum field field);
/* The field is there and must be a text; false, and said, if it is not. */
bool fields_copy_text(struct loader *loader, const struct fields *fields, enum field field,
                      str *out);
/* The node of a field that must be a list; NULL if it is absent or null, or is no list (and said).
 */
const yaml_node_t *fields_list(struct loader *loader, const struct fields *fields,
                               enum field field);

/* Absent leaves *out as it is (a group's default); null takes it back. */
void fields_take_text(struct loader *loader, const struct fields *fields, enum field field,
                      struct optional_str *out);
void fields_take_ttl(struct loader *loader, const struct fields *fields, int64_t *seconds);
void fields_take_tags(struct loader *loader, const struct fields *fields, str *out);
void fields_take_data_type(struct loader *loader, const struct fields *fields,
                           struct feature_definition *out);
void fields_take_dimension(struct loader *loader, const struct fields *fields,
                           struct feature_definition *out);
void fields_take_nullable(struct loader *loader, const struct fields *fields,
                          struct feature_definition *out);

/* The line of the field that a rule of the model complains of, else the mapping's. */
unsigned fields_line_of(const yaml_node_t *node, const struct fields *fields,
                        const struct error *error);

#endif
