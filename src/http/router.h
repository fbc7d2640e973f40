/* From method and path to a line of the route table: a tree of path segments. A literal segment
 * wins over a parameter if some route, of whatever method, comes of it: where there is a
 * POST /features/batch, GET /features/batch is a wrong method and no user called "batch". Immutable after create; any thread. */
#ifndef FEATURED_HTTP_ROUTER_H
#define FEATURED_HTTP_ROUTER_H

#include "http/http.h"

#define ROUTER_NONE (-1)

struct router;

/* The routes are borrowed and must outlive it. Patterns are ours: a wrong one is a bug (asserted).
 * NULL without memory. */
MUST_CHECK struct router *router_create(const struct http_route *routes, size_t count);
void router_destroy(struct router *router);
/* Index of the route, ROUTER_NONE if none. HEAD finds GET's. `parameters` gets the raw segments and
 * has HTTP_PATH_PARAMETERS_MAX places; the others are empty. */
int router_match(const struct router *router, enum http_method method, str path, str *parameters);
/* For Allow: the methods that serve this path as a bit set (1 << enum http_method), HEAD beside GET
 * and OPTIONS beside any; 0 if no route has it. */
unsigned router_methods(const struct router *router, str path);

#endif
