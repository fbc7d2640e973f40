/* The one writer of JSON strings: quotes, and escapes what RFC 8259 asks for. The text is UTF-8. */
#ifndef FEATURED_BASE_JSON_STRING_H
#define FEATURED_BASE_JSON_STRING_H

#include "base/buffer.h"

#define JSON_ESCAPE_MAX 6u /* bytes that one byte becomes at most: \u001f */

/* So many bytes at the beginning need no escape. */
size_t json_plain_len(str text);
void json_append_string(struct buffer *out, str text);

#endif
