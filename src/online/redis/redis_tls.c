#include "online/redis/redis_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/memory.h"
#include "online/redis/redis_link.h"

struct tls {
    SSL_CTX *context;
    bool verify;
};

struct redis_tls_session {
    SSL *ssl;
};

/* The queue belongs to the thread: what is left in it would be taken for the next failure's. */
static const char *reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    return text ? text : "no reason given";
}

static status bad_file(struct error *error, const char *what, const char *path)
{
    error_set(error, STATUS_INVALID, "url", "cannot use the %s %s of the store's URL: %s", what,
              path, reason());
    ERR_clear_error();
    return status_of(STATUS_INVALID);
}

static status load_files(SSL_CTX *context, const struct redis_url *url, struct error *error)
{
    if (url->ca_file[0] != '\0') {
        if (SSL_CTX_load_verify_locations(context, url->ca_file, NULL) != 1)
            return bad_file(error, "CA certificates (cacert)", url->ca_file);
    } else if (url->verify && SSL_CTX_set_default_verify_paths(context) != 1) {
        return bad_file(error, "CA certificates", "of the system");
    }
    if (url->cert_file[0] == '\0')
        return OK;
    if (SSL_CTX_use_certificate_chain_file(context, url->cert_file) != 1)
        return bad_file(error, "certificate (cert)", url->cert_file);
    if (SSL_CTX_use_PrivateKey_file(context, url->key_file, SSL_FILETYPE_PEM) != 1)
        return bad_file(error, "private key (key)", url->key_file);
    if (SSL_CTX_check_private_key(context) != 1)
        return bad_file(error, "private key (key), which is not the certificate's,", url->key_file);
    return OK;
}

status redis_link_tls_create(const struct redis_url *url, void **out, struct error *error)
{
    struct tls *tls = memory_alloc_zero(sizeof(*tls));
    status result = status_of(STATUS_OUT_OF_MEMORY);
    ERR_clear_error();
    if (tls)
        tls->context = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || tls->context == NULL) {
        error_set(error, STATUS_OUT_OF_MEMORY, "memory", "no memory for TLS");
        goto out;
    }
    tls->verify = url->verify;
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION); /* a write never waits for a read */
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls->context, url->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
    result = load_files(tls->context, url, error);
    if (status_is_ok(result))
        *out = tls;
out:
    if (!status_is_ok(result))
        redis_link_tls_destroy(tls);
    return result;
}

void redis_link_tls_destroy(void *pointer)
{
    struct tls *tls = pointer;
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    memory_free(tls);
}

static bool is_address(const char *host)
{
    unsigned char binary[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, binary) == 1 || inet_pton(AF_INET6, host, binary) == 1;
}

/* SSL_set1_host() takes a name or an address; the server is told a name only (RFC 6066). */
static bool expect_host(SSL *ssl, const struct tls *tls, const char *host)
{
    if (!is_address(host) && SSL_set_tlsext_host_name(ssl, host) != 1)
        return false;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return !tls->verify || SSL_set1_host(ssl, host) == 1;
}

status redis_tls_start(void *pointer, int fd, const char *host, struct redis_tls_session **out,
                       struct error *error)
{
    struct tls *tls = pointer;
    struct redis_tls_session *session = memory_alloc_zero(sizeof(*session));
    ERR_clear_error();
    if (session)
        session->ssl = SSL_new(tls->context);
    if (session == NULL || session->ssl == NULL || SSL_set_fd(session->ssl, fd) != 1 ||
        !expect_host(session->ssl, tls, host)) {
        redis_tls_end(session);
        return error_set(error, STATUS_UNAVAILABLE, "store_tls", "cannot start TLS: %s", reason());
    }
    SSL_set_connect_state(session->ssl);
    *out = session;
    return OK;
}

struct ssl_st *redis_tls_ssl(void *pointer, const char *host)
{
    struct tls *tls = pointer;
    SSL *ssl = SSL_new(tls->context);
    if (ssl == NULL || expect_host(ssl, tls, host))
        return ssl;
    SSL_free(ssl);
    return NULL;
}

void redis_tls_end(struct redis_tls_session *session)
{
    if (session == NULL)
        return;
    SSL_free(session->ssl);
    memory_free(session);
}

/* A peer that is killed says no good-bye. No reply is cut by that unseen: each has its length. */
static bool is_end(void)
{
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
    return ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
#else
    return false; /* before OpenSSL 3: SSL_ERROR_SYSCALL */
#endif
}

static enum redis_io io_of(struct redis_tls_session *session, int result, struct error *error)
{
    int saved = errno;
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return REDIS_IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return REDIS_IO_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        error_set(error, STATUS_UNAVAILABLE, "store_away", "it closed the connection");
        break;
    case SSL_ERROR_SYSCALL:
        error_set(error, STATUS_UNAVAILABLE, "store_away", "%s",
                  saved ? strerror(saved) : "it closed the connection");
        break;
    default:
        if (is_end())
            error_set(error, STATUS_UNAVAILABLE, "store_away", "it closed the connection");
        else
            error_set(error, STATUS_UNAVAILABLE, "store_tls", "TLS failed: %s", reason());
    }
    ERR_clear_error();
    return REDIS_IO_FAILED;
}

enum redis_io redis_tls_handshake(struct redis_tls_session *session, struct error *error)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(session->ssl);
    if (result == 1)
        return REDIS_IO_DONE;
    long verified = SSL_get_verify_result(session->ssl);
    enum redis_io io = io_of(session, result, error);
    if (io == REDIS_IO_FAILED && verified != X509_V_OK)
        error_set(error, STATUS_UNAVAILABLE, "store_tls", "its certificate is refused: %s",
                  X509_verify_cert_error_string(verified));
    return io;
}

enum redis_io redis_tls_read(struct redis_tls_session *session, char *out, size_t capacity,
                             size_t *len, struct error *error)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_read_ex(session->ssl, out, capacity, len);
    return result == 1 ? REDIS_IO_DONE : io_of(session, result, error);
}

enum redis_io redis_tls_write(struct redis_tls_session *session, const char *data, size_t len,
                              size_t *written, struct error *error)
{
    ERR_clear_error();
    errno = 0;
    int result = SSL_write_ex(session->ssl, data, len, written);
    return result == 1 ? REDIS_IO_DONE : io_of(session, result, error);
}
