#include "http/router.h"

#include "base/assert.h"
#include "base/memory.h"

#define NO_NODE (-1)

struct router_node {
    str segment;       /* empty for a parameter */
    int32_t child;     /* first literal child */
    int32_t sibling;   /* next literal of the same parent */
    int32_t parameter; /* the parameter child */
    int32_t route;
};

struct router {
    int32_t roots[HTTP_METHOD_OTHER];
    int32_t count;
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
    router->nodes[router->count] =
        (struct router_node){segment, NO_NODE, NO_NODE, NO_NODE, ROUTER_NONE};
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
    int32_t node = router->roots[route->method];
    unsigned parameters = 0;
    ASSERT(segments.more);
    while (segments.more) {
        str segment = next_segment(&segments);
        parameters += is_parameter(segment);
        node = child_for(router, node, segment);
    }
    ASSERT(parameters <= HTTP_PATH_PARAMETERS_MAX);
    ASSERT(router->nodes[node].route == ROUTER_NONE);
    router->nodes[node].route = index;
}

struct router *router_create(const struct http_route *routes, size_t count)
{
    size_t nodes = HTTP_METHOD_OTHER;
    for (size_t i = 0; i < count; i++) {
        for (const char *at = routes[i].path; *at; at++)
            nodes += *at == '/';
    }
    struct router *router = memory_alloc(sizeof(*router) + nodes * sizeof(router->nodes[0]));
    if (router == NULL)
        return NULL;
    router->count = 0;
    for (int method = 0; method < HTTP_METHOD_OTHER; method++)
        router->roots[method] = add_node(router, str_of(NULL, 0));
    for (size_t i = 0; i < count; i++) {
        ASSERT(routes[i].method < HTTP_METHOD_OTHER);
        add_route(router, &routes[i], (int32_t)i);
    }
    return router;
}

void router_destroy(struct router *router)
{
    memory_free(router);
}

/* Depth is bounded by the table: a node has children only as deep as a pattern goes. */
static int match_below(const struct router *router, int32_t at, struct segments segments,
                       str *parameters, unsigned depth)
{
    const struct router_node *node = &router->nodes[at];
    if (!segments.more)
        return node->route;
    str segment = next_segment(&segments);
    for (int32_t child = node->child; child != NO_NODE; child = router->nodes[child].sibling) {
        if (!str_eq(router->nodes[child].segment, segment))
            continue;
        int route = match_below(router, child, segments, parameters, depth);
        if (route != ROUTER_NONE)
            return route;
        break;
    }
    if (node->parameter == NO_NODE || segment.len == 0)
        return ROUTER_NONE;
    int route = match_below(router, node->parameter, segments, parameters, depth + 1);
    if (route != ROUTER_NONE)
        parameters[depth] = segment;
    return route;
}

int router_match(const struct router *router, enum http_method method, str path, str *parameters)
{
    for (unsigned i = 0; i < HTTP_PATH_PARAMETERS_MAX; i++)
        parameters[i] = str_of(NULL, 0);
    if (method == HTTP_HEAD)
        method = HTTP_GET;
    struct segments segments = segments_of(path);
    if (method >= HTTP_METHOD_OTHER || !segments.more)
        return ROUTER_NONE;
    return match_below(router, router->roots[method], segments, parameters, 0);
}

unsigned router_methods(const struct router *router, str path)
{
    static const enum http_method ALL[] = {HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_DELETE};
    str parameters[HTTP_PATH_PARAMETERS_MAX];
    unsigned methods = 0;
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++) {
        if (router_match(router, ALL[i], path, parameters) != ROUTER_NONE)
            methods |= 1U << ALL[i];
    }
    if (methods & 1U << HTTP_GET)
        methods |= 1U << HTTP_HEAD;
    if (methods)
        methods |= 1U << HTTP_OPTIONS;
    return methods;
}
