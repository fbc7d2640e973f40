#include "http/router.h"

#include "base/assert.h"
#include "base/memory.h"

#define NO_NODE (-1)

struct router_node {
    str segment;       /* empty for a parameter */
    int32_t child;     /* first literal child */
    int32_t sibling;   /* next literal of the same parent */
    int32_t parameter; /* the parameter child */
    int32_t routes[HTTP_METHOD_OTHER];
    unsigned methods; /* bit set of those that have a route; 0: no path ends here */
};

struct router {
    int32_t count; /* nodes[0] is the root */
    struct router_node nodes[];
};

/* A path without its first '/', cut into segments: "a/b" is "a" and "b", "" one empty segment. */
struct segments {
    str rest;
    bool more;
};

static struct segments segments_of(str path)
{
    bool rooted = path.len && path.data[0] == '/';
    return (struct segments){rooted ? str_of(path.data + 1, path.len - 1) : path, rooted};
}

static str next_segment(struct segments *segments)
{
    const char *at =
        segments->rest.len ? memchr(segments->rest.data, '/', segments->rest.len) : NULL;
    str segment = segments->rest;
    segments->more = at != NULL;
    if (at) {
        segment.len = (size_t)(at - segment.data);
        segments->rest = str_of(at + 1, segments->rest.len - segment.len - 1);
    }
    return segment;
}

static bool is_parameter(str segment)
{
    return segment.len > 2 && segment.data[0] == '{' && segment.data[segment.len - 1] == '}';
}

static int32_t add_node(struct router *router, str segment)
{
    struct router_node *node = &router->nodes[router->count];
    *node = (struct router_node){
        .segment = segment, .child = NO_NODE, .sibling = NO_NODE, .parameter = NO_NODE};
    for (int method = 0; method < HTTP_METHOD_OTHER; method++)
        node->routes[method] = ROUTER_NONE;
    return router->count++;
}

static int32_t child_for(struct router *router, int32_t parent, str segment)
{
    if (is_parameter(segment)) {
        if (router->nodes[parent].parameter == NO_NODE) {
            int32_t added = add_node(router, str_of(NULL, 0));
            router->nodes[parent].parameter = added;
        }
        return router->nodes[parent].parameter;
    }
    int32_t *link = &router->nodes[parent].child;
    while (*link != NO_NODE && !str_eq(router->nodes[*link].segment, segment))
        link = &router->nodes[*link].sibling;
    if (*link == NO_NODE) {
        int32_t added = add_node(router, segment);
        *link = added;
    }
    return *link;
}

static void add_route(struct router *router, const struct http_route *route, int32_t index)
{
    struct segments segments = segments_of(str_from_cstr(route->path));
    int32_t node = 0;
    unsigned parameters = 0;
    ASSERT(segments.more);
    while (segments.more) {
        str segment = next_segment(&segments);
        parameters += is_parameter(segment);
        node = child_for(router, node, segment);
    }
    ASSERT(parameters <= HTTP_PATH_PARAMETERS_MAX);
    ASSERT(route->method < HTTP_METHOD_OTHER);
    ASSERT(router->nodes[node].routes[route->method] == ROUTER_NONE);
    router->nodes[node].routes[route->method] = index;
    router->nodes[node].methods |= 1U << route->method;
}

struct router *router_create(const struct http_route *routes, size_t count)
{
    size_t nodes = 1;
    for (size_t i = 0; i < count; i++) {
        for (const char *at = routes[i].path; *at; at++)
            nodes += *at == '/';
    }
    struct router *router = memory_alloc(sizeof(*router) + nodes * sizeof(router->nodes[0]));
    if (router == NULL)
        return NULL;
    router->count = 0;
    add_node(router, str_of(NULL, 0));
    for (size_t i = 0; i < count; i++)
        add_route(router, &routes[i], (int32_t)i);
    return router;
}

void router_destroy(struct router *router)
{
    memory_free(router);
}

/* The node where the path ends, or NO_NODE. Depth is bounded by the table: a node has children only as
 * deep as a pattern goes. */
static int32_t match_below(const struct router *router, int32_t at, struct segments segments,
                           str *parameters, unsigned depth)
{
    const struct router_node *node = &router->nodes[at];
    if (!segments.more)
        return node->methods ? at : NO_NODE;
    str segment = next_segment(&segments);
    for (int32_t child = node->child; child != NO_NODE; child = router->nodes[child].sibling) {
        if (!str_eq(router->nodes[child].segment, segment))
            continue;
        int32_t end = match_below(router, child, segments, parameters, depth);
        if (end != NO_NODE)
            return end;
        break;
    }
    if (node->parameter == NO_NODE || segment.len == 0)
        return NO_NODE;
    int32_t end = match_below(router, node->parameter, segments, parameters, depth + 1);
    if (end != NO_NODE)
        parameters[depth] = segment;
    return end;
}

static const struct router_node *match(const struct router *router, str path, str *parameters)
{
    for (unsigned i = 0; i < HTTP_PATH_PARAMETERS_MAX; i++)
        parameters[i] = str_of(NULL, 0);
    struct segments segments = segments_of(path);
    int32_t end = segments.more ? match_below(router, 0, segments, parameters, 0) : NO_NODE;
    return end == NO_NODE ? NULL : &router->nodes[end];
}

int router_match(const struct router *router, enum http_method method, str path, str *parameters)
{
    const struct router_node *node = match(router, path, parameters);
    if (method == HTTP_HEAD)
        method = HTTP_GET;
    return node && method < HTTP_METHOD_OTHER ? node->routes[method] : ROUTER_NONE;
}

unsigned router_methods(const struct router *router, str path)
{
    str parameters[HTTP_PATH_PARAMETERS_MAX];
    const struct router_node *node = match(router, path, parameters);
    unsigned methods = node ? node->methods : 0;
    if (methods & 1U << HTTP_GET)
        methods |= 1U << HTTP_HEAD;
    if (methods)
        methods |= 1U << HTTP_OPTIONS;
    return methods;
}
