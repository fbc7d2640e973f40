/* Sizes, durations and addresses as people write them. Every function takes the whole text and
 * changes its out-parameters only on success. */
#ifndef FEATURED_CLI_UNITS_H
#define FEATURED_CLI_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/str.h"

#define UNITS_HOST_MAX 256u

/* "4096", "100k", "512MiB", "1.5GB": k, M, G, T count in 1024 alone or with "iB", in 1000 with "B".
 */
MUST_CHECK bool units_parse_size(str text, uint64_t *bytes);
#define UNITS_SIZE_ACCEPTED "expected a size such as 65536, 100k, 512MiB or 8GiB"

/* "1h", "1h30m", "250ms", "7d", "2w"; a bare number counts `bare_unit_ms`. */
MUST_CHECK bool units_parse_duration_ms(str text, int64_t bare_unit_ms, int64_t *ms);

/* "127.0.0.1:8000", "[::1]:8000", "localhost:0", ":8000" (the host is empty: every address). Names
 * are not looked up. */
MUST_CHECK bool units_parse_address(str text, char host[UNITS_HOST_MAX], uint16_t *port);
#define UNITS_ADDRESS_ACCEPTED "expected HOST:PORT, such as 127.0.0.1:8000, [::1]:8000 or :8000"

#endif
