/* A real redis-server of a test's own: a temporary directory, a Unix socket and a free port. */
#ifndef FEATURED_TESTS_UNIT_ONLINE_REDIS_REDIS_SERVER_H
#define FEATURED_TESTS_UNIT_ONLINE_REDIS_REDIS_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct redis_server {
    pid_t pid; /* 0: not running */
    char folder[64];
    char socket_path[96];
    uint16_t port; /* TCP, or TLS if `options` say so with their port 0 */
};

/* Whether there is one to start; if not, says so, and main() returns: */
bool redis_server_is_installed(void);
#define REDIS_TEST_SKIPPED 77 /* as meson wants to be told */
/* A port that nobody listened on a moment ago. */
uint16_t redis_server_free_port(void);
/* `options` as on redis-server's command line, NULL ends them; NULL: none. Returns when it answers
 * on its socket; a test assertion fails if it does not. */
void redis_server_start(struct redis_server *server, const char *const *options);
/* The same, with folder and port of before. */
void redis_server_restart(struct redis_server *server, const char *const *options);
/* It keeps its connections, and answers nothing until it is resumed. */
void redis_server_pause(struct redis_server *server);
void redis_server_resume(struct redis_server *server);
void redis_server_kill(struct redis_server *server); /* SIGKILL */
/* Ends it and removes its folder. */
void redis_server_stop(struct redis_server *server);

#endif
