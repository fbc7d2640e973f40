#include "service/service.h"

status service_out_of_memory(struct error *error)
{
    return error_set(error, STATUS_OUT_OF_MEMORY, "out_of_memory",
                     "not enough memory for this request; ask for fewer ids or features");
}

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
