#include "online/redis/redis_redirect.h"

#include <stdio.h>
#include <string.h>

/* Names, IPv4, IPv6 with a zone: nothing that a resolver or a log line could trip over. */
static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == ':' || c == '%';
}

bool redis_address_read(str host, int64_t port, const struct redis_address *asked,
                        struct redis_address *out)
{
    if (port < 1 || port > UINT16_MAX || host.len >= REDIS_HOST_MAX)
        return false;
    if (host.len == 0)
        host = str_from_cstr(asked->host);
    if (host.len == 0) /* asked through a Unix socket: on this machine */
        host = STR("127.0.0.1");
    for (size_t i = 0; i < host.len; i++)
        if (!is_host_byte(host.data[i]))
            return false;
    struct redis_address address = {.port = (uint16_t)port};
    memcpy(address.host, host.data, host.len);
    *out = address;
    return true;
}

bool redis_address_eq(const struct redis_address *a, const struct redis_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

const char *redis_address_text(const struct redis_address *address,
                               char out[REDIS_ADDRESS_TEXT_MAX])
{
    const char *format = strchr(address->host, ':') ? "[%s]:%u" : "%s:%u";
    if (address->host[0] == '\0')
        return "socket";
    snprintf(out, REDIS_ADDRESS_TEXT_MAX, format, address->host, (unsigned)address->port);
    return out;
}

/* "3999 127.0.0.1:6381": the last colon separates the port, IPv6 has more of them. "?" stands for a
 * host that the server does not know. */
static bool read_target(str text, const struct redis_address *asked, struct redis_redirect *out)
{
    str place;
    uint64_t slot, port;
    if (!str_to_uint64(str_split(text, ' ', &place), &slot) || slot >= REDIS_SLOTS)
        return false;
    place = str_split(place, ' ', &(str){0});
    const char *colon = place.len > 0 ? memrchr(place.data, ':', place.len) : NULL;
    if (colon == NULL)
        return false;
    str host = str_of(place.data, (size_t)(colon - place.data));
    str number = str_of(colon + 1, place.len - host.len - 1);
    if (str_eq(host, STR("?")))
        host.len = 0;
    if (!str_to_uint64(number, &port) || port > UINT16_MAX ||
        !redis_address_read(host, (int64_t)port, asked, &out->address))
        return false;
    out->slot = (uint32_t)slot;
    return true;
}

void redis_redirect_read(const redisReply *reply, const struct redis_address *asked,
                         struct redis_redirect *out)
{
    static const struct {
        str word;
        enum redis_verdict verdict;
    } WORDS[] = {
        {{"MOVED", 5}, REDIS_MOVED},
        {{"ASK", 3}, REDIS_ASK},
        {{"TRYAGAIN", 8}, REDIS_LATER},
        {{"CLUSTERDOWN", 11}, REDIS_LATER_AFTER_REFRESH},
        {{"LOADING", 7}, REDIS_LATER_AFTER_REFRESH},
        {{"MASTERDOWN", 10}, REDIS_LATER_AFTER_REFRESH},
        {{"READONLY", 8}, REDIS_LATER_AFTER_REFRESH},
    };
    out->verdict = REDIS_FINAL;
    if (reply->type != REDIS_REPLY_ERROR)
        return;
    str rest;
    str word = str_split(str_of(reply->str, reply->len), ' ', &rest);
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++)
        if (str_eq(word, WORDS[i].word))
            out->verdict = WORDS[i].verdict;
    if ((out->verdict == REDIS_MOVED || out->verdict == REDIS_ASK) &&
        !read_target(rest, asked, out))
        out->verdict = REDIS_FINAL;
}
