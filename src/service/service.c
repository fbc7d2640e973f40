#include "service/service.h"

status service_check_definitions(struct service *service, struct error *error)
{
    return service->registry->driver->check(service->registry, error);
}

status service_check_values(struct service *service, struct error *error)
{
    return service->online->driver->check(service->online, error);
}

status service_check_ingestion(struct service *service, struct error *error)
{
    return service->online->driver->check_ingestion(service->online, error);
}
