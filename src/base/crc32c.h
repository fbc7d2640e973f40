/* CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected, as in RFC 3720 §B.4), by the processor's
 * instruction where there is one. */
#ifndef FEATURED_BASE_CRC32C_H
#define FEATURED_BASE_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc`; 0 begins. crc32c(crc32c(0, a), b) is the sum of a and b together. The sum of
 * "123456789" is 0xE3069283. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The same by table, eight bytes at a time; and whether crc32c() needs it. For tests. */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t len);
bool crc32c_is_by_table(void);

#endif
