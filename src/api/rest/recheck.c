/* A name that the catalog does not know, where other servers register names too. */
#include <stdio.h>

#include "service/define.h"

#include "api/rest/request.h"

struct recheck {
    struct http_exchange *exchange;
    struct registry_request request;
};

static const struct registry_driver *driver_of(const struct http_exchange *exchange)
{
    return api_of(exchange)->service->registry->driver;
}

/* Whether or not it found anything: the handler sees what is there now. */
static void looked(struct registry_request *request)
{
    struct recheck *recheck = request->user;
    recheck->exchange->route->handler(recheck->exchange);
}

bool api_look_again(struct http_exchange *exchange)
{
    if (!driver_of(exchange)->is_shared || exchange->again)
        return false;
    struct recheck *recheck = arena_alloc_zero(&exchange->arena, sizeof(*recheck));
    if (recheck == NULL)
        return false;
    exchange->again = true;
    recheck->exchange = exchange;
    recheck->request.operation = REGISTRY_REFRESH;
    define_submit(api_of(exchange)->service, &recheck->request, exchange->loop, looked, recheck);
    return true;
}

status api_unknown(struct http_exchange *exchange, struct error *error)
{
    char what[ERROR_DETAIL_MAX];
    if (error->code != STATUS_NOT_FOUND || !driver_of(exchange)->is_shared)
        return status_of(error->code);
    struct error *away = api_error(exchange);
    if (status_is_ok(service_check_definitions(api_of(exchange)->service, away)))
        return status_of(error->code);
    strcpy(what, error->detail);
    return error_set(error, STATUS_UNAVAILABLE, "registry",
                     "%s, as far as this server knows; another may have registered it, but %s",
                     what, away->detail);
}

void api_fail_unknown(struct http_exchange *exchange, struct error *error)
{
    if (error->code == STATUS_NOT_FOUND && api_look_again(exchange))
        return;
    (void)!status_is_ok(api_unknown(exchange, error));
    api_fail(exchange, error);
}
