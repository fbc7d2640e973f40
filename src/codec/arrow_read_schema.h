/* Private to codec: the schema of an Arrow stream, its nested fields laid out in the order in which
 * a record batch has their buffers. Format: Schema.fbs of Arrow. One owner. */
#ifndef FEATURED_CODEC_ARROW_READ_SCHEMA_H
#define FEATURED_CODEC_ARROW_READ_SCHEMA_H

#include "base/arena.h"
#include "codec/arrow_read_message.h"

#define ARROW_FIELDS_MAX 65536u /* nested ones too */
#define ARROW_DEPTH_MAX 64

/* What one value of a fixed width is. */
struct arrow_width {
    uint8_t bytes;
    bool is_signed; /* integers */
};

struct arrow_field {
    str name;             /* of a column; nested ones have none */
    enum arrow_type type; /* of the values, also where a dictionary holds them */
    struct arrow_width width;
    uint32_t per_second; /* timestamps; dates: 0 counts days, 1000 milliseconds */
    uint32_t list_size;  /* lists of a fixed size */
    bool has_dictionary; /* then a batch holds indices */
    struct arrow_width index_width;
    int64_t dictionary_id;
    uint32_t end;   /* of it and what is nested in it: the next field beside it */
    bool is_wanted; /* by who reads batches */
};

struct arrow_schema {
    struct arrow_field *fields;
    uint32_t field_count;
    uint32_t capacity;
    uint32_t column_count; /* fields that are in no other */
    int64_t version;
    size_t name_bytes;
    struct arena arena; /* names */
};

void arrow_schema_init(struct arrow_schema *schema);
void arrow_schema_fini(struct arrow_schema *schema);
/* Only once, from a message of type ARROW_SCHEMA. */
MUST_CHECK status arrow_schema_read(struct arrow_schema *schema,
                                    const struct arrow_message *message, struct error *error);
bool arrow_is_list(const struct arrow_field *field); /* a dictionary's values, if it has one */
/* "int32", "list of float", "dictionary of string" */
#define ARROW_TYPE_TEXT_MAX 64
void arrow_type_text(const struct arrow_field *field, char out[ARROW_TYPE_TEXT_MAX]);

#endif
