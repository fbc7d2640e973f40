/* A PostgreSQL of the test's own: made and started by the first who asks, on a socket in a
 * temporary directory, ended with the process. It refuses to run as root: then it runs as the user
 * `postgres`. */
#ifndef FEATURED_TESTS_POSTGRES_SERVER_H
#define FEATURED_TESTS_POSTGRES_SERVER_H

#include <libpq-fe.h>
#include <stdbool.h>

bool postgres_server_is_installed(void);
/* "postgresql://featured@/postgres?host=…"; starts the server. */
const char *postgres_server_url(void);

#endif
