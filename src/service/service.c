#include "service/service.h"

status service_check(struct service *service, struct error *error)
{
    TRY(service->registry->driver->check(service->registry, error));
    return service_check_values(service, error);
}

status service_check_values(struct service *service, struct error *error)
{
    return service->online->driver->check(service->online, error);
}

status service_check_ingestion(struct service *service, struct error *error)
{
    return service->online->driver->check_ingestion(service->online, error);
}
