#include "cli/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yyjson.h>

#include "base/assert.h"
#include "base/memory.h"

#define SERVER_MAX 1024
#define CONNECT_TIMEOUT_MS 10000L
#define REQUEST_TIMEOUT_MS 120000L

struct client {
    CURL *curl;
    long timeout_ms; /* of a request; not of uploads: they may take hours */
    char server[SERVER_MAX];
    char curl_error[CURL_ERROR_SIZE];
};

static bool is_loopback(const char *server)
{
    CURLU *url = curl_url();
    char *host = NULL;
    bool loopback = url != NULL && curl_url_set(url, CURLUPART_URL, server, 0) == CURLUE_OK &&
                    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                    (strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
                     strcmp(host, "[::1]") == 0);
    curl_free(host);
    curl_url_cleanup(url);
    return loopback;
}

/* "http://host:port" with nothing behind it; a path is kept, for a server behind a proxy. */
static bool normalize_server(const char *server, char out[SERVER_MAX])
{
    CURLU *url = curl_url();
    char *scheme = NULL;
    char *query = NULL;
    bool fine = false;
    int len = snprintf(out, SERVER_MAX, "%s%s", strstr(server, "://") ? "" : "http://", server);
    if (url == NULL || len <= 0 || len >= SERVER_MAX ||
        curl_url_set(url, CURLUPART_URL, out, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        goto out;
    fine = (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
           curl_url_get(url, CURLUPART_QUERY, &query, 0) == CURLUE_NO_QUERY;
    while (len > 0 && out[len - 1] == '/')
        out[--len] = '\0';
out:
    curl_free(scheme);
    curl_free(query);
    curl_url_cleanup(url);
    return fine;
}

status client_create(const char *server, struct client **out, struct error *error)
{
    char normalized[SERVER_MAX];
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(error, STATUS_OUT_OF_MEMORY, "client", "libcurl does not start");
    if (!normalize_server(server, normalized))
        return error_set(error, STATUS_INVALID, "server",
                         "'%s' is no server; expected an address such as http://127.0.0.1:8000",
                         server);
    struct client *client = memory_alloc_zero(sizeof(*client));
    if (client == NULL)
        return error_set(error, STATUS_OUT_OF_MEMORY, "client", "out of memory");
    strcpy(client->server, normalized);
    client->timeout_ms = REQUEST_TIMEOUT_MS;
    client->curl = curl_easy_init();
    if (client->curl == NULL) {
        client_destroy(client);
        return error_set(error, STATUS_OUT_OF_MEMORY, "client", "out of memory");
    }
    *out = client;
    return OK;
}

void client_destroy(struct client *client)
{
    if (client == NULL)
        return;
    if (client->curl != NULL)
        curl_easy_cleanup(client->curl);
    memory_free(client);
}

void client_set_timeout(struct client *client, int64_t timeout_ms)
{
    client->timeout_ms = (long)timeout_ms;
}

const char *client_server(const struct client *client)
{
    return client->server;
}

void client_answer_init(struct client_answer *answer)
{
    answer->http_status = 0;
    buffer_init(&answer->body, CLIENT_ANSWER_BYTES_MAX);
}

void client_answer_fini(struct client_answer *answer)
{
    buffer_fini(&answer->body);
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct client_answer *answer = context;
    buffer_append(&answer->body, data, size * count);
    return answer->body.failed ? 0 : size * count;
}

static size_t give_body(char *to, size_t size, size_t count, void *context)
{
    const struct client_upload *upload = context;
    ssize_t got = upload->read(upload->context, to, size * count);
    return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static int tick(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                curl_off_t up)
{
    const struct client_upload *upload = context;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    if (upload->tick != NULL)
        upload->tick(upload->context);
    return 0;
}

static status explain(const struct client *client, CURLcode code, struct error *error)
{
    const char *reason = client->curl_error[0] ? client->curl_error : curl_easy_strerror(code);
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return error_set(error, STATUS_UNAVAILABLE, "connect",
                         "cannot connect: is `featured serve` running at %s? (%s)", client->server,
                         reason);
    case CURLE_COULDNT_RESOLVE_HOST:
        return error_set(error, STATUS_UNAVAILABLE, "connect",
                         "%s: the host is not known; check --server or FEATURED_SERVER",
                         client->server);
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(error, STATUS_TIMEOUT, "timeout", "%s does not answer (%s)",
                         client->server, reason);
    case CURLE_ABORTED_BY_CALLBACK:
        return error_set(error, STATUS_IO, "upload", "reading the input failed");
    default:
        return error_set(error, STATUS_IO, "connection", "the exchange with %s broke off: %s",
                         client->server, reason);
    }
}

/* Options of every request; the connection is kept by curl_easy_reset(). */
static void prepare(struct client *client, const char *url, struct curl_slist *headers,
                    struct client_answer *answer)
{
    CURL *curl = client->curl;
    curl_easy_reset(curl);
    client->curl_error[0] = '\0';
    buffer_reset(&answer->body, SIZE_MAX);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->curl_error);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "featured/" FEATURED_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (is_loopback(client->server))
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
}

static status perform(struct client *client, struct client_answer *answer, struct error *error)
{
    CURLcode code = curl_easy_perform(client->curl);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer->http_status);
    if (answer->body.failed)
        return error_set(error, STATUS_TOO_LARGE, "answer", "the answer does not fit in memory");
    /* An answer that ended the upload early (a bad row, a limit) counts, even if the server then
     * closed while we were still sending. */
    bool answered = answer->http_status >= 400 && answer->body.len > 0 &&
                    (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR);
    return code == CURLE_OK || answered ? OK : explain(client, code, error);
}

static status make_url(const struct client *client, const char *target, struct buffer *url,
                       struct error *error)
{
    if (target != NULL) {
        ASSERT(target[0] == '/');
        buffer_append_format(url, "%s%s", client->server, target);
        buffer_append_char(url, '\0');
        if (status_is_ok(buffer_status(url)))
            return OK;
    }
    return error_set(error, STATUS_OUT_OF_MEMORY, "client", "out of memory");
}

/* Adds one header; without memory the list is gone and the result NULL. */
static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
    char line[256];
    snprintf(line, sizeof(line), "%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(list, line);
    if (longer == NULL)
        curl_slist_free_all(list);
    return longer;
}

status client_request(struct client *client, const char *method, const char *target, str body,
                      struct client_answer *answer, struct error *error)
{
    struct buffer url;
    struct curl_slist *headers = add_header(NULL, "Accept", "application/json");
    status result;
    buffer_init(&url, 1u << 20);
    if (headers != NULL && body.len > 0)
        headers = add_header(headers, "Content-Type", "application/json");
    if (headers == NULL) {
        result = error_set(error, STATUS_OUT_OF_MEMORY, "client", "out of memory");
        goto out;
    }
    result = make_url(client, target, &url, error);
    if (!status_is_ok(result))
        goto out;
    prepare(client, url.data, headers, answer);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, client->timeout_ms);
    curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
    if (body.len > 0) {
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body.data);
    }
    result = perform(client, answer, error);
out:
    curl_slist_free_all(headers);
    buffer_fini(&url);
    return result;
}

status client_upload(struct client *client, const char *target, const char *content_type,
                     const struct client_upload *upload, struct client_answer *answer,
                     struct error *error)
{
    struct buffer url;
    struct curl_slist *headers = add_header(NULL, "Content-Type", content_type);
    status result;
    buffer_init(&url, 1u << 20);
    if (headers != NULL)
        headers = add_header(headers, "Transfer-Encoding", "chunked");
    if (headers == NULL) {
        result = error_set(error, STATUS_OUT_OF_MEMORY, "client", "out of memory");
        goto out;
    }
    result = make_url(client, target, &url, error);
    if (!status_is_ok(result))
        goto out;
    prepare(client, url.data, headers, answer);
    curl_easy_setopt(client->curl, CURLOPT_POST, 1L);
    curl_easy_setopt(client->curl, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(client->curl, CURLOPT_READFUNCTION, give_body);
    curl_easy_setopt(client->curl, CURLOPT_READDATA, upload);
    curl_easy_setopt(client->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(client->curl, CURLOPT_XFERINFOFUNCTION, tick);
    curl_easy_setopt(client->curl, CURLOPT_XFERINFODATA, upload);
    result = perform(client, answer, error);
out:
    curl_slist_free_all(headers);
    buffer_fini(&url);
    return result;
}

status client_request_ok(struct client *client, const char *method, const char *target, str body,
                         struct client_answer *answer, struct error *error)
{
    TRY(client_request(client, method, target, body, answer, error));
    if (answer->http_status >= 200 && answer->http_status < 300)
        return OK;
    return client_answer_error(answer, error);
}

void client_append_encoded(struct buffer *out, str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (unreserved)
            buffer_append_char(out, (char)c);
        else
            buffer_append_format(out, "%%%02X", c);
    }
}
