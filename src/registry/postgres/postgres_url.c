#include "registry/postgres/postgres_url.h"

#include <stdio.h>
#include <string.h>

#include <libpq-fe.h>

static status refuse(struct error *error)
{
    return error_set(error, STATUS_INVALID, "url",
                     "expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full, "
                     "with reserved characters in it percent-encoded (%%40 for @, %%2F for /)");
}

/* What follows the scheme, or NULL. */
static const char *after_scheme(const char *url)
{
    static const char *const SCHEMES[] = {"postgresql://", "postgres://"};
    for (size_t i = 0; i < ARRAY_LEN(SCHEMES); i++) {
        if (strncmp(url, SCHEMES[i], strlen(SCHEMES[i])) == 0)
            return url + strlen(SCHEMES[i]);
    }
    return NULL;
}

/* An '@' or '/' inside a password would make the rest of it a host, a port or a database, and those
 * are shown. */
static bool has_stray_at(const char *rest)
{
    const char *at = strchr(rest, '@');
    return at != NULL && (strchr(at + 1, '@') != NULL || at > rest + strcspn(rest, "/?"));
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    while (options->keyword && strcmp(options->keyword, keyword) != 0)
        options++;
    return options->keyword && options->val ? options->val : "";
}

static void show(const PQconninfoOption *options, char shown[POSTGRES_URL_SHOWN_MAX])
{
    const char *user = value_of(options, "user");
    const char *host = value_of(options, "host");
    const char *port = value_of(options, "port");
    const char *database = value_of(options, "dbname");
    if (host[0] == '/')
        snprintf(shown, POSTGRES_URL_SHOWN_MAX, "postgresql://%s%s/%s?host=%s", user,
                 user[0] ? "@" : "", database, host);
    else
        snprintf(shown, POSTGRES_URL_SHOWN_MAX, "postgresql://%s%s%s%s%s/%s", user,
                 user[0] ? "@" : "", host, port[0] ? ":" : "", port, database);
}

status postgres_url_check(const char *url, char shown[POSTGRES_URL_SHOWN_MAX], struct error *error)
{
    const char *rest = after_scheme(url);
    if (rest == NULL || has_stray_at(rest))
        return refuse(error);
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (options == NULL)
        return refuse(error);
    const char *port = value_of(options, "port");
    bool is_fit = strspn(port, "0123456789,") == strlen(port);
    if (is_fit)
        show(options, shown);
    PQconninfoFree(options);
    return is_fit ? OK : refuse(error);
}
