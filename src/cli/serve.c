#include <stdio.h>

#include "cli/serve_options.h"

int cli_serve(int argc, char **argv)
{
    static struct serve_options options;
    struct error error;
    int parsed = serve_options_parse(argc, argv, &options);
    if (parsed != CLI_CONTINUE)
        return parsed;
    log_set_level(options.log_level);
    error_clear(&error);
    status ended = server_run(&options.server, &error);
    if (!status_is_ok(ended))
        cli_complain(&CLI_SERVE, "%s", error.detail);
    serve_options_fini(&options);
    return status_is_ok(ended) ? CLI_OK : CLI_FAILED;
}
