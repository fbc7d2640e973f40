/* Where the values are that a data directory's registry describes: in its own log and snapshots, or
 * in a Redis. A server that was started the other way would serve none of them and say nothing. */
#ifndef FEATURED_SERVER_DATA_VALUES_H
#define FEATURED_SERVER_DATA_VALUES_H

#include <stdbool.h>

#include "base/error.h"

#define DATA_VALUES_URL_MAX 512

/* CONFLICT: they are in a Redis. */
MUST_CHECK status data_values_use_embedded(const char *path, struct error *error);
/* CONFLICT: the directory holds some itself. */
MUST_CHECK status data_values_use_redis(const char *path, struct error *error);
/* From now on they are in that Redis (`shown`: its URL without a password): durably. */
MUST_CHECK status data_values_note_redis(const char *path, const char *shown, struct error *error);
/* Whether there are any in its log or snapshots; a directory that is not there has none. */
MUST_CHECK status data_values_find(const char *path, bool *found, struct error *error);
/* The URL that was noted, "" if none was: the values are the directory's. */
MUST_CHECK status data_values_read(const char *path, char out[DATA_VALUES_URL_MAX],
                                   struct error *error);
/* In a copy of the directory. */
MUST_CHECK status data_values_write(const char *path, const char *shown, struct error *error);

#endif
