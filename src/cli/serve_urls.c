#include "cli/serve_urls.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "registry/postgres/postgres_url.h"

#define TOO_LONG "expected at most 4095 bytes"

/* Takes the text out of where others may look. */
static void hide(const char *text)
{
    if (text)
        memset((char *)(uintptr_t)text, '*', strlen(text));
}

/* False: it is too long. */
static bool take_text(const char *url, char out[SERVE_URL_MAX])
{
    ASSERT(url != NULL);
    bool fits = strlen(url) < SERVE_URL_MAX;
    snprintf(out, SERVE_URL_MAX, "%s", url);
    hide(url);
    return fits;
}

/* SQLAlchemy names its driver in the scheme ("postgresql+asyncpg://…"), libpq knows none. */
static void cut_driver(char *url)
{
    static const char SCHEME[] = "postgresql";
    const size_t len = sizeof(SCHEME) - 1;
    if (strncmp(url, SCHEME, len) != 0 || url[len] != '+')
        return;
    size_t driver_len = strcspn(url + len, ":/?@");
    memmove(url + len, url + len + driver_len, strlen(url + len + driver_len) + 1);
}

bool serve_take_database_url(const struct cli_arguments *arguments, struct serve_options *out)
{
    const char *url = cli_argument(arguments, "database-url");
    char shown[POSTGRES_URL_SHOWN_MAX];
    struct error error;
    if (url == NULL || url[0] == '\0')
        return true;
    bool fits = take_text(url, out->database_url_text);
    cut_driver(out->database_url_text);
    out->server.database_url = out->database_url_text;
    error_clear(&error);
    if (fits && status_is_ok(postgres_url_check(out->server.database_url, shown, &error)))
        return true;
    (void)cli_argument_refuse(arguments, "database-url", fits ? error.detail : TOO_LONG);
    return false;
}

/* Of a URL: what is no unreserved character. */
static void append_encoded(struct buffer *out, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        buffer_append_format(out, isalnum(*at) || strchr("-._~", *at) ? "%c" : "%%%02X", *at);
}

/* Kubernetes gives a pod beside a service named redis REDIS_PORT=tcp://10.0.0.1:6379. */
static const char *port_of(const char *port)
{
    return strncmp(port, "tcp://", 6) == 0 && strrchr(port + 6, ':') ? strrchr(port, ':') + 1
                                                                     : port;
}

/* The parts come from the same place as the host. False: there is no host. */
static bool join_parts(const struct cli_arguments *arguments, enum cli_origin from,
                       struct buffer *out)
{
    const char *host = cli_variable(arguments, "REDIS_HOST", from);
    const char *port = cli_variable(arguments, "REDIS_PORT", from);
    const char *password = cli_variable(arguments, "REDIS_PASSWORD", from);
    const char *database = cli_variable(arguments, "REDIS_DB", from);
    if (host == NULL)
        return false;
    bool is_v6 = strchr(host, ':') != NULL && host[0] != '[';
    buffer_append_str(out, STR("redis://"));
    if (password) {
        buffer_append_char(out, ':');
        append_encoded(out, password);
        buffer_append_char(out, '@');
    }
    buffer_append_format(out, "%s%s%s", is_v6 ? "[" : "", host, is_v6 ? "]" : "");
    if (port)
        buffer_append_format(out, ":%s", port_of(port));
    if (database)
        buffer_append_format(out, "/%s", database);
    hide(password);
    return true;
}

static bool parse(str text, struct serve_options *out, struct error *error)
{
    error_clear(error);
    if (!status_is_ok(redis_url_parse(text, &out->redis_url, error)))
        return false;
    out->server.redis_url = &out->redis_url;
    return true;
}

static bool take_parts(const struct cli_arguments *arguments, enum cli_origin from,
                       struct serve_options *out, bool *found)
{
    struct buffer text;
    struct error error;
    buffer_init(&text, SERVE_URL_MAX);
    *found = join_parts(arguments, from, &text);
    bool taken = true;
    if (*found && !status_is_ok(buffer_status(&text))) {
        cli_complain(arguments->command, "REDIS_HOST and REDIS_PASSWORD: " TOO_LONG);
        taken = false;
    } else if (*found && !parse(buffer_str(&text), out, &error)) {
        cli_complain(arguments->command, "REDIS_HOST, REDIS_PORT, REDIS_DB: %s", error.detail);
        taken = false;
    }
    if (text.data)
        explicit_bzero(text.data, text.len);
    buffer_fini(&text);
    return taken;
}

static bool take_url(const struct cli_arguments *arguments, struct serve_options *out)
{
    char text[SERVE_URL_MAX];
    struct error error;
    bool fits = take_text(cli_argument(arguments, "redis-url"), text);
    bool taken = fits && parse(str_from_cstr(text), out, &error);
    explicit_bzero(text, sizeof(text));
    if (!taken)
        (void)cli_argument_refuse(arguments, "redis-url", fits ? error.detail : TOO_LONG);
    return taken;
}

/* A flag, then what the environment says in either form, then the env file; of both forms in one
 * place the URL. */
bool serve_take_redis_url(const struct cli_arguments *arguments, struct serve_options *out)
{
    enum cli_origin origin = cli_argument_origin(arguments, "redis-url");
    bool found = false;
    if (origin == CLI_ORIGIN_FLAG && cli_argument(arguments, "redis-url")[0] == '\0')
        return true;
    if (origin == CLI_ORIGIN_NONE || origin == CLI_ORIGIN_FILE) {
        if (!take_parts(arguments, CLI_ORIGIN_ENVIRONMENT, out, &found))
            return false;
    }
    if (found)
        return true;
    if (origin != CLI_ORIGIN_NONE)
        return take_url(arguments, out);
    return take_parts(arguments, CLI_ORIGIN_FILE, out, &found);
}
