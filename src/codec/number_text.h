/* Numbers to the shortest text that reads back to the same bits. Floats always show a '.' or an
 * exponent, so that a reader can tell them from integers. Each function writes at `at` (room for
 * the maximum below, nothing is terminated) and returns the end of what it wrote. */
#ifndef FEATURED_CODEC_NUMBER_TEXT_H
#define FEATURED_CODEC_NUMBER_TEXT_H

#include <stdint.h>

#define NUMBER_INT_BYTES 20
#define NUMBER_FLOAT_BYTES 32   /* a double */
#define NUMBER_FLOAT32_BYTES 16 /* a float */

char *number_write_uint64(char *at, uint64_t value);
char *number_write_int64(char *at, int64_t value);
/* Finite values only. */
char *number_write_double(char *at, double value);
char *number_write_float(char *at, float value);

#endif
