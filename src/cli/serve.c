#include <stdio.h>

#include "cli/serve_options.h"
#include "server/server.h"

int cli_serve(int argc, char **argv)
{
    static struct serve_options options;
    struct error error;
    int parsed = serve_options_parse(argc, argv, &options);
    if (parsed != CLI_CONTINUE)
        return parsed;
    log_set_level(options.log_level);
    struct server_options server = {
        .host = options.host,
        .port = options.port,
        .data_dir = options.data_dir,
        .database_url = options.database_url,
        .threads = options.threads,
        .max_memory_bytes = options.max_memory_bytes,
        .fsync = options.fsync,
        .fsync_interval_ms = options.fsync_interval_ms,
        .snapshot_interval_ms = options.snapshot_interval_ms,
        .snapshot_log_bytes = options.snapshot_log_bytes,
        .log_segment_bytes = options.log_segment_bytes,
        .log_retention_ms = options.log_retention_ms,
        .recover_truncate = options.recover_truncate,
        .limits = options.limits,
        .drain_timeout_ms = options.drain_timeout_ms,
        .cors_origin = options.cors_origin,
        .strict = options.strict,
    };
    error_clear(&error);
    status ended = server_run(&server, &error);
    if (!status_is_ok(ended))
        cli_complain(&CLI_SERVE, "%s", error.detail);
    serve_options_fini(&options);
    return status_is_ok(ended) ? CLI_OK : CLI_FAILED;
}
