/* One value of a row as text, and back: as answers to clients write it, strings and json as they are. */
#ifndef FEATURED_ONLINE_REDIS_REDIS_VALUE_H
#define FEATURED_ONLINE_REDIS_REDIS_VALUE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "model/value.h"

/* The text of a value that is not null, in `scratch` unless it borrows from the value. */
str redis_value_text(const struct value *value, struct buffer *scratch);

/* As the declared type if the text is one, else as redis_value_of_others() takes it. Texts and embeddings
 * go to the arena: OUT_OF_MEMORY is all that can fail. *is_one false: it is no value at all. */
MUST_CHECK status redis_value_read(str text, enum data_type type, uint32_t dimension,
                                   struct arena *arena, struct value *out, bool *is_one);

/* A value by somebody who knew no types: a plain decimal number is a float, any other text a string, if
 * it is UTF-8 and not longer than a value may be. */
MUST_CHECK status redis_value_of_others(str text, struct arena *arena, struct value *out,
                                        bool *is_one);

#endif
