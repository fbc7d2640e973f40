/* Links over TLS, to a real server with certificates made for the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "link_world.h"
#include "online/redis/redis_link_private.h"
#include "redis_server.h"

#define MANY 300

static char folder[] = "/tmp/featured-tls-XXXXXX";
static struct redis_server server;   /* its certificate: localhost, 127.0.0.1 */
static struct redis_server stranger; /* other.example; wants certificates */
static struct redis_server plain;
static struct link_world world;
static struct call calls[MANY];

static void run(const char *command)
{
    char line[1024];
    snprintf(line, sizeof(line), "cd '%s' && { %s; } >>log 2>&1", folder, command);
    if (system(line) != 0)
        fail_msg("see %s/log: %s", folder, command);
}

/* NAME.key and NAME.crt, signed by the test's own authority. */
static void make_certificate(const char *name, const char *names)
{
    char command[700];
    snprintf(command, sizeof(command),
             "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key "
             "-out %s.csr -subj /CN=%s && printf 'subjectAltName=%s' >%s.ext && "
             "openssl x509 -req -in %s.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 "
             "-extfile %s.ext -out %s.crt",
             name, name, name, names, name, name, name, name);
    run(command);
}

static void start_tls(struct redis_server *at, const char *name, const char *clients)
{
    char port[8];
    char key[128];
    char certificate[128];
    char authority[128];
    uint16_t tls_port = redis_server_free_port();
    const char *const options[] = {"--port",
                                   "0",
                                   "--tls-port",
                                   port,
                                   "--tls-key-file",
                                   key,
                                   "--tls-cert-file",
                                   certificate,
                                   "--tls-ca-cert-file",
                                   authority,
                                   "--tls-auth-clients",
                                   clients,
                                   NULL};
    snprintf(port, sizeof(port), "%u", tls_port);
    snprintf(key, sizeof(key), "%s/%s.key", folder, name);
    snprintf(certificate, sizeof(certificate), "%s/%s.crt", folder, name);
    snprintf(authority, sizeof(authority), "%s/ca.crt", folder);
    redis_server_start(at, options);
    at->port = tls_port;
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-keyout ca.key -out ca.crt -subj /CN=authority");
    make_certificate("server", "DNS:localhost,IP:127.0.0.1");
    make_certificate("stranger", "DNS:other.example");
    make_certificate("client", "DNS:client");
    start_tls(&server, "server", "no");
    start_tls(&stranger, "stranger", "yes");
    redis_server_start(&plain, NULL);
    return 0;
}

static int teardown(void **state)
{
    char command[64];
    (void)state;
    redis_server_stop(&server);
    redis_server_stop(&stranger);
    redis_server_stop(&plain);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    return system(command);
}

/* Each $ stands for the folder of the certificates. */
static void make_url(char url[512], const char *host, uint16_t port, const char *options)
{
    size_t len = (size_t)snprintf(url, 512, "rediss://%s:%u", host, port);
    for (; *options; options++)
        len += (size_t)snprintf(url + len, 512 - len, "%.*s", *options == '$' ? 100 : 1,
                                *options == '$' ? folder : options);
}

static void init(const char *host, uint16_t port, const char *options)
{
    char url[512];
    struct error error;
    make_url(url, host, port, options);
    link_world_init(&world, url);
    if (!status_is_ok(redis_link_tls_create(&world.url, &world.options.tls, &error)))
        fail_msg("%s", error.detail);
    link_world_open(&world);
}

static void fini(void)
{
    link_world_fini(&world);
    redis_link_tls_destroy(world.options.tls);
}

static void assert_answers(const char *host, uint16_t port, const char *options)
{
    struct call call;
    init(host, port, options);
    call_run(&world, &call, "ECHO hello");
    if (call.outcome != REDIS_ANSWERED)
        fail_msg("%s", redis_link_failure(world.link)->detail);
    assert_string_equal(call.text, "hello");
    fini();
}

static void assert_fails(const char *host, uint16_t port, const char *options, const char *expected)
{
    init(host, port, options);
    link_world_until_state(&world, REDIS_LINK_BACKOFF);
    const struct error *failure = redis_link_failure(world.link);
    if (strstr(failure->detail, expected) == NULL)
        fail_msg("%s", failure->detail);
    assert_string_equal(failure->type, "store_tls");
    fini();
}

static void test_verified(void **state)
{
    (void)state;
    assert_answers("127.0.0.1", server.port, "?cacert=$/ca.crt");
    assert_answers("localhost", server.port, "?cacert=$/ca.crt");
}

static void test_unknown_authority(void **state)
{
    (void)state;
    assert_fails("127.0.0.1", server.port, "", "certificate is refused");
    assert_answers("127.0.0.1", server.port, "?verify=none");
}

static void test_name_of_another(void **state)
{
    (void)state;
    assert_fails("127.0.0.1", stranger.port, "?cacert=$/ca.crt&cert=$/client.crt&key=$/client.key",
                 "mismatch");
    assert_fails("localhost", stranger.port, "?cacert=$/ca.crt&cert=$/client.crt&key=$/client.key",
                 "mismatch");
    assert_answers("127.0.0.1", stranger.port,
                   "?cacert=$/ca.crt&cert=$/client.crt&key=$/client.key&verify=none");
}

/* With TLS 1.3 the server says so only after the link's first words, and may reset the connection.
 */
static void test_without_client_certificate(void **state)
{
    (void)state;
    init("127.0.0.1", stranger.port, "?verify=none");
    link_world_until_state(&world, REDIS_LINK_BACKOFF);
    assert_int_equal(link_world_count(&world.counters.connects), 0);
    fini();
}

static void test_server_without_tls(void **state)
{
    (void)state;
    init("127.0.0.1", plain.port, "?verify=none");
    world.link->options.timeout_ms = 300;
    link_world_until_state(&world, REDIS_LINK_BACKOFF);
    assert_int_equal(link_world_count(&world.counters.connects), 0);
    assert_non_null(strstr(redis_link_failure(world.link)->detail, "does this port speak it?"));
    fini();
}

static void serve_silence(int fd)
{
    while (peer_receive(fd))
        continue;
}

static void serve_close(int fd)
{
    peer_receive(fd);
}

/* It is tried again soon: a server that stops is no server without TLS. */
static void test_closed_at_once(void **state)
{
    struct peer peer;
    (void)state;
    peer_start(&peer, serve_close);
    init("127.0.0.1", peer.port, "?verify=none");
    link_world_until_state(&world, REDIS_LINK_BACKOFF);
    assert_string_equal(redis_link_failure(world.link)->type, "store_away");
    fini();
    peer_stop(&peer);
}

static void test_silent_peer(void **state)
{
    struct peer peer;
    (void)state;
    peer_start(&peer, serve_silence);
    init("127.0.0.1", peer.port, "?verify=none");
    world.link->options.timeout_ms = 150;
    link_world_until_state(&world, REDIS_LINK_BACKOFF);
    assert_int_equal(link_world_count(&world.counters.timeouts), 1);
    fini();
    peer_stop(&peer);
}

/* Records, full sockets and order. */
static void test_much(void **state)
{
    static char value[5000001];
    struct call set_call;
    (void)state;
    init("127.0.0.1", server.port, "?cacert=$/ca.crt");
    memset(value, 'v', sizeof(value) - 1);
    const str set[] = {STR("SET"), STR("big"), str_of(value, sizeof(value) - 1)};
    call_init(&world, &set_call, "SET");
    assert_true(redis_format(&world.arena, set, 3, &set_call.command.bytes));
    call_send(&set_call);
    for (unsigned i = 0; i < MANY; i++) {
        char words[32];
        snprintf(words, sizeof(words), i % 100 == 7 ? "GET big" : "ECHO %u", i);
        call_init(&world, &calls[i], words);
        call_send(&calls[i]);
    }
    link_world_until_done(&world, MANY + 1);
    assert_string_equal(set_call.text, "OK");
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(calls[i].order, i + 2);
        if (i % 100 == 7)
            assert_int_equal(strlen(calls[i].text), sizeof(calls[i].text) - 1);
        else
            assert_int_equal(strtoul(calls[i].text, NULL, 10), i);
    }
    fini();
}

static void test_killed(void **state)
{
    (void)state;
    init("127.0.0.1", server.port, "?cacert=$/ca.crt");
    link_world_until_state(&world, REDIS_LINK_READY);
    redis_server_pause(&server);
    call_init(&world, &calls[0], "PING");
    call_send(&calls[0]);
    uv_run(&world.loop.uv, UV_RUN_NOWAIT);
    redis_server_stop(&server);
    link_world_until_state(&world, REDIS_LINK_BACKOFF);
    assert_string_equal(redis_link_failure(world.link)->type, "store_away");
    start_tls(&server, "server", "no");
    world.link->options.address.port = server.port;
    link_world_until_state(&world, REDIS_LINK_READY);
    fini();
}

static void test_bad_files(void **state)
{
    static const struct {
        const char *options;
        const char *expected;
    } CASES[] = {
        {"?cacert=/nowhere/ca.crt", "/nowhere/ca.crt"},
        {"?cert=/nowhere/c.crt&key=/nowhere/c.key", "/nowhere/c.crt"},
        {"?cert=$/client.crt&key=/nowhere/c.key", "/nowhere/c.key"},
        {"?cert=$/client.crt&key=$/server.key", "server.key"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct redis_url url;
        struct error error;
        char text[512];
        void *tls = NULL;
        make_url(text, "h", 1, CASES[i].options);
        assert_true(status_is_ok(redis_url_parse(str_from_cstr(text), &url, &error)));
        assert_int_equal(redis_link_tls_create(&url, &tls, &error).code, STATUS_INVALID);
        assert_null(tls);
        if (strstr(error.detail, CASES[i].expected) == NULL)
            fail_msg("%s", error.detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verified),
        cmocka_unit_test(test_unknown_authority),
        cmocka_unit_test(test_name_of_another),
        cmocka_unit_test(test_without_client_certificate),
        cmocka_unit_test(test_server_without_tls),
        cmocka_unit_test(test_closed_at_once),
        cmocka_unit_test(test_silent_peer),
        cmocka_unit_test(test_much),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_bad_files),
    };
    if (!redis_server_is_installed() || system("command -v openssl >/dev/null 2>&1") != 0)
        return REDIS_TEST_SKIPPED;
    return cmocka_run_group_tests(tests, setup, teardown);
}
