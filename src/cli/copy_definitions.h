/* Definitions from one server to another: what is missing there is created, nothing is changed. */
#ifndef FEATURED_CLI_COPY_DEFINITIONS_H
#define FEATURED_CLI_COPY_DEFINITIONS_H

#include "cli/client.h"
#include "cli/registered.h"

struct copy_definitions {
    uint32_t created;
    uint32_t differing;     /* there already, with another entity, type or dimension */
    struct buffer messages; /* a line for each of these, and for what a copy cannot say */
};

/* PUTs each feature of `from` that `to` lacks, its active type as version 1. */
MUST_CHECK status copy_definitions(const struct registered *from, const struct registered *to,
                                   struct client *client, struct copy_definitions *out,
                                   struct error *error);

#endif
