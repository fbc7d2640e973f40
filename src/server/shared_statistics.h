/* Joins the online store that servers share to the registry they share: what each has counted is
 * merged there. Neither knows the other. */
#ifndef FEATURED_SERVER_SHARED_STATISTICS_H
#define FEATURED_SERVER_SHARED_STATISTICS_H

#include "online/redis/online_redis.h"
#include "registry/registry.h"

/* On the request's loop. Without memory it is answered before this returns. */
void shared_statistics_merge(struct registry *registry, struct redis_statistics_request *request);

#endif
