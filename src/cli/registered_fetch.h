/* What a running server has registered, asked for page by page. */
#ifndef FEATURED_CLI_REGISTERED_FETCH_H
#define FEATURED_CLI_REGISTERED_FETCH_H

#include "cli/client.h"
#include "cli/registered.h"

/* All definitions: GET /features. `answer` is only used meanwhile. */
MUST_CHECK status registered_fetch_features(struct registered *registered, struct client *client,
                                            struct client_answer *answer, struct error *error);

#endif
