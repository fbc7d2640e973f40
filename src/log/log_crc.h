/* The sum that makes a run of bytes a record of this data directory. Private to the log room. */
#ifndef FEATURED_LOG_LOG_CRC_H
#define FEATURED_LOG_LOG_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Where the fields of a record's header lie. */
#define LOG_CRC_AT 4u
#define LOG_CRC_END 8u
#define LOG_LSN_AT 8u
#define LOG_TYPE_AT 16u

/* `record`: its header, with the length filled in, and its payload. */
uint32_t log_record_crc(uint64_t identity, const char *record, size_t payload_len);

#endif
