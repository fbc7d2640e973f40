/* redis_link.h without sockets: a test says which nodes are up and what they answer. Commands are
 * carried out in one turn of the loop and answered in a later one, so that a node can die in
 * between. */
#ifndef TESTS_FAKE_LINK_H
#define TESTS_FAKE_LINK_H

#include "online/redis/redis_link.h"

struct fake_nodes {
    bool (*is_up)(void *user, const struct redis_address *address);
    bool (*is_cluster)(void *user, const struct redis_address *address);
    /* Carries the command out: its answer in RESP, borrowed until the next call; NULL: none for
     * now, it will be asked again. */
    const char *(*answer)(void *user, struct redis_link *link, const struct redis_command *command,
                          bool is_asking);
    void *user;
};

/* Before the first link is created. */
void fake_links_init(const struct fake_nodes *nodes);
/* Links now open; 0 when a test has cleaned up. */
unsigned fake_links_open(void);
unsigned fake_links_to(uint16_t port, bool read_only);
/* Ends the connections to a node, as a crash does: what was sent is lost. */
void fake_links_kill(uint16_t port);
uint16_t fake_link_port(const struct redis_link *link);
bool fake_link_is_read_only(const struct redis_link *link);

#endif
