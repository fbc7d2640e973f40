#include <curl/curl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/bench_run.h"

static bool takes_connections(const struct addrinfo *candidate)
{
    int fd = socket(candidate->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, candidate->ai_addr, candidate->ai_addrlen) == 0;
    if (fd >= 0)
        close(fd);
    return connected;
}

static bool split_address(const char *server, char host[BENCH_TEXT_MAX], char port[16],
                          struct bench_target *out)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *name = NULL, *number = NULL, *path = NULL;
    bool fine = url != NULL && curl_url_set(url, CURLUPART_URL, server, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_HOST, &name, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_PORT, &number, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK &&
                strcmp(scheme, "http") == 0 && strlen(name) + 8 < BENCH_TEXT_MAX &&
                strlen(path) < BENCH_TEXT_MAX;
    if (fine) {
        size_t len = strlen(name);
        bool bracketed = len > 2 && name[0] == '[';
        snprintf(host, BENCH_TEXT_MAX, "%.*s", (int)(bracketed ? len - 2 : len),
                 name + (bracketed ? 1 : 0));
        snprintf(port, 16, "%s", number);
        snprintf(out->host, sizeof(out->host), "%s:%s", name, number);
        snprintf(out->path, sizeof(out->path), "%s", strcmp(path, "/") == 0 ? "" : path);
    }
    curl_free(scheme);
    curl_free(name);
    curl_free(number);
    curl_free(path);
    curl_url_cleanup(url);
    return fine;
}

status bench_target_find(const char *server, struct bench_target *out, struct error *error)
{
    char host[BENCH_TEXT_MAX], port[16];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    struct bench_target target = {0};
    if (!split_address(server, host, port, &target))
        return error_set(error, STATUS_INVALID, "server",
                         "'%s': a load goes to a plain http:// address", server);
    int failure = getaddrinfo(host, port, &hints, &found);
    if (failure != 0)
        return error_set(error, STATUS_UNAVAILABLE, "server", "%s: %s", host,
                         gai_strerror(failure));
    const struct addrinfo *candidate = found;
    while (candidate != NULL && !takes_connections(candidate))
        candidate = candidate->ai_next;
    if (candidate != NULL) {
        memcpy(&target.address.socket, candidate->ai_addr, candidate->ai_addrlen);
        target.address.len = candidate->ai_addrlen;
        *out = target;
    }
    freeaddrinfo(found);
    return candidate != NULL
               ? OK
               : error_set(error, STATUS_UNAVAILABLE, "server", "cannot connect to %s", server);
}
