/* Private to codec: what stands in one row of an Arrow column, as a value of a feature, an entity
 * id or an event time. Rows are below the array's length. */
#ifndef FEATURED_CODEC_ARROW_READ_VALUE_H
#define FEATURED_CODEC_ARROW_READ_VALUE_H

#include "base/arena.h"
#include "codec/arrow_read_batch.h"
#include "codec/value_rule.h"

/* Whether values of the field's type can be read at all: no structs, decimals, lists of lists… */
bool arrow_is_readable(const struct arrow_field *field);
/* Whether they can become values of that type; of strings it shows row by row. */
bool arrow_can_become(const struct arrow_field *field, enum data_type type);
/* Whether they can name entities: strings and integers. */
bool arrow_can_be_id(const struct arrow_field *field);

/* The value by the rules of all input (codec/value_rule.h), its bytes in the arena. */
MUST_CHECK status arrow_take_value(const struct arrow_array *array, uint64_t row,
                                   const struct value_target *target, struct value *out);

/* How long the text is that stands there; 0 of all else. JSON becomes shorter when it is taken. */
uint64_t arrow_text_bytes(const struct arrow_array *array, uint64_t row);

/* Integers become decimal text. The text is a view of the batch, or of `room`. A null is empty. */
#define ARROW_ID_ROOM 24
MUST_CHECK status arrow_take_id(const struct arrow_array *array, uint64_t row,
                                char room[ARROW_ID_ROOM], str *out, struct error *error);
enum arrow_time { ARROW_TIME_OK, ARROW_TIME_NULL, ARROW_TIME_NONE };
/* Times without a zone are UTC; numbers are milliseconds; strings RFC 3339. */
enum arrow_time arrow_take_time(const struct arrow_array *array, uint64_t row, int64_t *out_us);

#endif
