#include "online/redis/redis_url.h"

#include <string.h>
#include <sys/un.h>

#define DEFAULT_PORT 6379

/* No part of the text is repeated in an error: where a password is not encoded, any part of it may
 * be the password's. */
static status refuse(struct error *error, const char *what)
{
    return error_set(
        error, STATUS_INVALID, "url",
        "%s: expected redis://USER:PASSWORD@HOST:PORT/DATABASE, rediss:// (TLS), "
        "redis-cluster://HOST:PORT,HOST:PORT or unix:///PATH?db=DATABASE, with reserved "
        "characters in names and passwords percent-encoded (%%40 for @, %%2F for /)",
        what);
}

struct scheme {
    str name;
    bool is_tls;
    bool is_cluster;
    bool is_unix;
};

static const struct scheme SCHEMES[] = {
    {{"redis://", 8}, false, false, false},         {{"rediss://", 9}, true, false, false},
    {{"redis-cluster://", 16}, false, true, false}, {{"rediss-cluster://", 17}, true, true, false},
    {{"unix://", 7}, false, false, true},
};

static const struct scheme *scheme_of(str text)
{
    for (size_t i = 0; i < ARRAY_LEN(SCHEMES); i++) {
        if (str_starts_with(text, SCHEMES[i].name))
            return &SCHEMES[i];
    }
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decodes into a terminated text; false: cut escape, a zero byte, or too long. */
static bool decode(str text, char *out, size_t capacity)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        int c = (unsigned char)text.data[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
            if (low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0 || len + 1 >= capacity)
            return false;
        out[len++] = (char)c;
    }
    out[len] = '\0';
    return true;
}

/* The position of the first `c`, or the length. */
static size_t find(str text, char c)
{
    const char *found = text.len ? memchr(text.data, c, text.len) : NULL;
    return found ? (size_t)(found - text.data) : text.len;
}

static str after(str text, size_t position)
{
    return position < text.len ? str_of(text.data + position + 1, text.len - position - 1)
                               : str_of(NULL, 0);
}

/* USER:PASSWORD, both decoded; the user may be empty. */
static status parse_credentials(str text, struct redis_url *url, struct error *error)
{
    size_t colon = find(text, ':');
    if (colon == text.len)
        return refuse(error, "a user without password (:PASSWORD@ is the default user's)");
    if (!decode(str_of(text.data, colon), url->user, sizeof(url->user)) ||
        !decode(after(text, colon), url->password, sizeof(url->password)))
        return refuse(error, "user or password is too long or wrongly percent-encoded");
    if (url->password[0] == '\0')
        return refuse(error, "the password is empty");
    return OK;
}

static bool is_host(str text, bool is_ipv6)
{
    static const char NAME[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    static const char IPV6[] = "abcdefABCDEF0123456789:.";
    if (text.len == 0 || text.len >= REDIS_HOST_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\0' || strchr(is_ipv6 ? IPV6 : NAME, text.data[i]) == NULL)
            return false;
    }
    return true;
}

/* HOST, HOST:PORT, [IPV6] or [IPV6]:PORT. */
static status parse_address(str text, struct redis_address *out, struct error *error)
{
    bool is_ipv6 = text.len > 0 && text.data[0] == '[';
    str host = text;
    str port = str_of(NULL, 0);
    if (is_ipv6) {
        size_t close = find(text, ']');
        str rest = after(text, close);
        if (close == text.len || (rest.len > 0 && rest.data[0] != ':'))
            return refuse(error, "an IPv6 address stands in brackets, as [::1]:6379");
        host = str_of(text.data + 1, close - 1);
        port = after(rest, 0);
        if (rest.len == 1)
            return refuse(error, "the port is a number from 1 to 65535");
    } else {
        size_t colon = find(text, ':');
        host.len = colon;
        port = after(text, colon);
        if (colon + 1 == text.len)
            return refuse(error, "the port is a number from 1 to 65535");
    }
    uint64_t number = DEFAULT_PORT;
    if (!is_host(host, is_ipv6))
        return refuse(error, "the host is missing or is no host name or address");
    if (port.len > 0 && (!str_to_uint64(port, &number) || number == 0 || number > UINT16_MAX))
        return refuse(error, "the port is a number from 1 to 65535");
    memcpy(out->host, host.data, host.len);
    out->host[host.len] = '\0';
    out->port = (uint16_t)number;
    return OK;
}

static status parse_addresses(str text, struct redis_url *url, struct error *error)
{
    bool more = true;
    while (more) {
        size_t comma = find(text, ',');
        more = comma < text.len;
        if (url->seed_count == REDIS_SEEDS_MAX)
            return refuse(error, "more than 16 hosts");
        if (more && !url->is_cluster)
            return refuse(error, "more than one host is for redis-cluster://");
        TRY(parse_address(str_of(text.data, comma), &url->seeds[url->seed_count], error));
        url->seed_count++;
        text = after(text, comma);
    }
    return OK;
}

static status parse_database(str text, struct redis_url *url, struct error *error)
{
    uint64_t number;
    if (!str_to_uint64(text, &number) || number > INT32_MAX)
        return refuse(error, "the database is a number");
    if (number != 0 && url->is_cluster)
        return refuse(error, "a cluster has only database 0");
    url->database = (uint32_t)number;
    return OK;
}

static status parse_verify(str value, struct redis_url *url, struct error *error)
{
    if (!str_eq(value, STR("none")) && !str_eq(value, STR("full")))
        return refuse(error, "verify is none or full");
    url->verify = str_eq(value, STR("full"));
    return OK;
}

static status parse_option(str name, str value, struct redis_url *url, struct error *error)
{
    struct {
        str name;
        char *out;
    } files[] = {
        {STR("cacert"), url->ca_file},
        {STR("cert"), url->cert_file},
        {STR("key"), url->key_file},
    };
    if (url->socket_path[0] != '\0') {
        if (str_eq(name, STR("db")))
            return parse_database(value, url, error);
        return refuse(error, "the only option of unix:// is db");
    }
    if (!url->is_tls)
        return refuse(error, "options are for rediss://");
    if (str_eq(name, STR("verify")))
        return parse_verify(value, url, error);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (!str_eq(name, files[i].name))
            continue;
        if (value.len == 0 || !decode(value, files[i].out, REDIS_TEXT_MAX))
            return refuse(error, "a file name is missing, too long or wrongly percent-encoded");
        return OK;
    }
    return refuse(error, "the options of rediss:// are cacert, cert, key and verify");
}

static status parse_options(str text, struct redis_url *url, struct error *error)
{
    while (text.len > 0) {
        size_t ampersand = find(text, '&');
        str option = str_of(text.data, ampersand);
        size_t equals = find(option, '=');
        TRY(parse_option(str_of(option.data, equals), after(option, equals), url, error));
        text = after(text, ampersand);
    }
    if ((url->cert_file[0] == '\0') != (url->key_file[0] == '\0'))
        return refuse(error, "cert and key go together");
    return OK;
}

static status parse_socket(str authority, str path, struct redis_url *url, struct error *error)
{
    size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path);
    if (authority.len > 0)
        return refuse(error, "a socket has no host: unix:/// and its path");
    if (path.len < 2 || !decode(path, url->socket_path, room))
        return refuse(error, "the socket's path is missing, longer than 107 bytes or wrongly "
                             "percent-encoded");
    return OK;
}

static status parse_rest(const struct scheme *scheme, str text, struct redis_url *url,
                         struct error *error)
{
    size_t question = find(text, '?');
    str options = after(text, question);
    text.len = question;
    size_t slash = find(text, '/');
    str authority = str_of(text.data, slash);
    str path = str_of(text.data + slash, text.len - slash);
    size_t at = find(authority, '@');
    if (at < authority.len) {
        TRY(parse_credentials(str_of(authority.data, at), url, error));
        authority = after(authority, at);
    }
    if (find(authority, '@') < authority.len ||
        (!scheme->is_unix && (find(path, '@') < path.len || find(options, '@') < options.len)))
        return refuse(error, "an @ in the wrong place");
    if (scheme->is_unix) {
        TRY(parse_socket(authority, path, url, error));
    } else {
        TRY(parse_addresses(authority, url, error));
        if (path.len > 1)
            TRY(parse_database(after(path, 0), url, error));
    }
    return parse_options(options, url, error);
}

status redis_url_parse(str text, struct redis_url *out, struct error *error)
{
    const struct scheme *scheme = scheme_of(text);
    if (scheme == NULL)
        return refuse(error, "not an address of Redis");
    struct redis_url url = {
        .is_cluster = scheme->is_cluster, .is_tls = scheme->is_tls, .verify = scheme->is_tls};
    text = str_of(text.data + scheme->name.len, text.len - scheme->name.len);
    TRY(parse_rest(scheme, text, &url, error));
    *out = url;
    return OK;
}
