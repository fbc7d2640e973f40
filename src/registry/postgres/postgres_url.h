/* The URL of a PostgreSQL database, checked, and as it may be shown: without the password. libpq's
 * own complaints about a URL may quote a password that was not percent-encoded; those made here do
 * not. */
#ifndef FEATURED_REGISTRY_POSTGRES_POSTGRES_URL_H
#define FEATURED_REGISTRY_POSTGRES_POSTGRES_URL_H

#include <stddef.h>

#include "base/error.h"

#define POSTGRES_URL_SHOWN_MAX 256

/* INVALID, with a sentence that holds nothing of the URL. `shown` becomes "postgresql://user@host:
 * port/database", of each only what the URL says. */
MUST_CHECK status postgres_url_check(const char *url, char shown[POSTGRES_URL_SHOWN_MAX],
                                     struct error *error);

#endif
