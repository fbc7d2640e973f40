/* Private to codec: the numbers of Arrow's IPC format that are not fields of a table: what a
 * message holds, and the types of columns. Format: Message.fbs and Schema.fbs of Arrow. */
#ifndef FEATURED_CODEC_ARROW_FORMAT_H
#define FEATURED_CODEC_ARROW_FORMAT_H

#define ARROW_VERSION_V5 4 /* 1.0 and later */

enum arrow_header { ARROW_SCHEMA = 1, ARROW_DICTIONARY_BATCH = 2, ARROW_RECORD_BATCH = 3 };

enum arrow_type {
    ARROW_NULL = 1,
    ARROW_INT,
    ARROW_FLOAT,
    ARROW_BINARY,
    ARROW_UTF8,
    ARROW_BOOL,
    ARROW_DECIMAL,
    ARROW_DATE,
    ARROW_TIME,
    ARROW_TIMESTAMP,
    ARROW_INTERVAL,
    ARROW_LIST,
    ARROW_STRUCT,
    ARROW_UNION,
    ARROW_FIXED_SIZE_BINARY,
    ARROW_FIXED_SIZE_LIST,
    ARROW_MAP,
    ARROW_DURATION,
    ARROW_LARGE_BINARY,
    ARROW_LARGE_UTF8,
    ARROW_LARGE_LIST,
    ARROW_RUN_END_ENCODED,
    ARROW_BINARY_VIEW,
    ARROW_UTF8_VIEW,
    ARROW_LIST_VIEW,
    ARROW_LARGE_LIST_VIEW,
    ARROW_TYPE_COUNT,
};

#endif
