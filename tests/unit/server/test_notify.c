#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/log.h"
#include "server/notify.h"

/* The manager's end, in a folder of this test's own or of the abstract kind. */
struct manager {
    char folder[64];
    char name[104]; /* as in NOTIFY_SOCKET */
    int fd;
};

static void bind_socket(struct manager *manager, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(manager->name);
    memcpy(address.sun_path, manager->name, len);
    if (manager->name[0] == '@')
        address.sun_path[0] = '\0';
    else
        len++;
    manager->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(manager->fd >= 0);
    assert_int_equal(bind(manager->fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
                     0);
}

static void open_manager(struct manager *manager, const char *prefix, int type)
{
    strcpy(manager->folder, "/tmp/featured-notify-XXXXXX");
    assert_non_null(mkdtemp(manager->folder));
    snprintf(manager->name, sizeof(manager->name), "%s%s/socket", prefix, manager->folder);
    bind_socket(manager, type);
    setenv("NOTIFY_SOCKET", manager->name, 1);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static void close_manager(struct manager *manager)
{
    char path[128];
    close(manager->fd);
    snprintf(path, sizeof(path), "%s/socket", manager->folder);
    (void)unlink(path);
    assert_int_equal(rmdir(manager->folder), 0);
    unsetenv("NOTIFY_SOCKET");
}

static void assert_told(const struct manager *manager, const char *expected)
{
    char message[256];
    ssize_t len = recv(manager->fd, message, sizeof(message) - 1, 0);
    assert_true(len >= 0);
    message[len] = '\0';
    assert_string_equal(message, expected);
}

static void assert_told_nothing(const struct manager *manager)
{
    char message[1];
    assert_int_equal(recv(manager->fd, message, sizeof(message), 0), -1);
}

static void a_life(const char *prefix)
{
    struct manager manager;
    struct notify notify;
    open_manager(&manager, prefix, SOCK_DGRAM);
    notify_init(&notify);
    assert_told_nothing(&manager);
    notify_waiting(&notify);
    assert_told(&manager, "STATUS=waiting for Redis\nEXTEND_TIMEOUT_USEC=60000000");
    notify_recovering(&notify, 437);
    assert_told(&manager, "STATUS=recovering, 43.7 %\nEXTEND_TIMEOUT_USEC=60000000");
    assert_int_equal(notify_ready(&notify), 0);
    assert_told(&manager, "READY=1\nSTATUS=serving");
    notify_tick(&notify);
    assert_told_nothing(&manager);
    notify_stopping(&notify);
    assert_told(&manager, "STOPPING=1\nSTATUS=answering what is under way");
    assert_false(notify.complained);
    close_manager(&manager);
}

static void a_life_on_a_path(void **state)
{
    (void)state;
    a_life("");
}

static void a_life_on_an_abstract_name(void **state)
{
    (void)state;
    a_life("@");
}

static void the_watchdog_is_fed_in_time(void **state)
{
    char own[32];
    snprintf(own, sizeof(own), "%ld", (long)getpid());
    const struct {
        const char *limit_us;
        const char *pid;
        uint64_t tick_ms;
    } cases[] = {
        {"30000000", NULL, 1000},
        {"30000000", own, 1000},
        {"500000", own, 250},
        {"1", own, 1},
        {"30000000", "1", 0},
        {"30000000", "x", 0},
        {"0", own, 0},
        {"-5", own, 0},
        {"30s", own, 0},
        {"", own, 0},
        {NULL, own, 0},
        {"18446744073709551615", NULL, 1000},
        {"99999999999999999999999", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct manager manager;
        struct notify notify;
        open_manager(&manager, "", SOCK_DGRAM);
        if (cases[i].limit_us)
            setenv("WATCHDOG_USEC", cases[i].limit_us, 1);
        if (cases[i].pid)
            setenv("WATCHDOG_PID", cases[i].pid, 1);
        notify_init(&notify);
        assert_int_equal(notify_ready(&notify), cases[i].tick_ms);
        assert_told(&manager, "READY=1\nSTATUS=serving");
        notify_tick(&notify);
        if (cases[i].tick_ms > 0)
            assert_told(&manager, "WATCHDOG=1");
        assert_told_nothing(&manager);
        close_manager(&manager);
    }
}

static void a_full_socket_hears_of_ready_later(void **state)
{
    struct manager manager;
    struct notify notify;
    int sent = 0;
    (void)state;
    open_manager(&manager, "", SOCK_DGRAM);
    notify_init(&notify);
    while (!notify.complained && sent < 100000) {
        notify_stopping(&notify);
        sent++;
    }
    assert_true(notify.complained);
    assert_int_equal(notify_ready(&notify), NOTIFY_TICK_MS_MAX);
    for (int i = 1; i < sent; i++)
        assert_told(&manager, "STOPPING=1\nSTATUS=answering what is under way");
    assert_told_nothing(&manager);
    notify_tick(&notify);
    assert_told(&manager, "READY=1\nSTATUS=serving");
    notify_tick(&notify);
    assert_told_nothing(&manager);
    close_manager(&manager);
}

static void tell_all(struct notify *notify)
{
    notify_init(notify);
    notify_recovering(notify, 1000);
    notify_waiting(notify);
    (void)notify_ready(notify);
    notify_tick(notify);
    notify_stopping(notify);
}

static void a_name_that_is_no_socket_harms_nothing(void **state)
{
    char at_limit[] =
        "/tmp/"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "bbbbbbbbbbbbbbbbbbbbbb";
    char longer[5000];
    const char *const names[] = {
        "/",
        "@",
        "socket",
        "../socket",
        "vsock:2:1",
        "unixgram:/run/x",
        "/no/such/socket",
        "/dev/null",
        "/tmp",
        "%n%s",
        "\x01",
        at_limit,
        longer,
    };
    struct notify notify;
    (void)state;
    assert_int_equal(strlen(at_limit), sizeof(notify.address.sun_path) - 1);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        tell_all(&notify);
        assert_true(notify.complained);
    }
    unsetenv("NOTIFY_SOCKET");
}

static void a_socket_of_another_type_harms_nothing(void **state)
{
    struct manager manager;
    struct notify notify;
    (void)state;
    open_manager(&manager, "", SOCK_STREAM);
    assert_int_equal(listen(manager.fd, 1), 0);
    tell_all(&notify);
    assert_true(notify.complained);
    close_manager(&manager);
}

static void without_a_socket_nobody_is_told(void **state)
{
    struct notify notify;
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    setenv("WATCHDOG_USEC", "1000000", 1);
    tell_all(&notify);
    assert_int_equal(notify_ready(&notify), 0);
    assert_false(notify.complained);
    setenv("NOTIFY_SOCKET", "", 1);
    tell_all(&notify);
    assert_false(notify.complained);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life_on_a_path),
        cmocka_unit_test(a_life_on_an_abstract_name),
        cmocka_unit_test(the_watchdog_is_fed_in_time),
        cmocka_unit_test(a_full_socket_hears_of_ready_later),
        cmocka_unit_test(a_name_that_is_no_socket_harms_nothing),
        cmocka_unit_test(a_socket_of_another_type_harms_nothing),
        cmocka_unit_test(without_a_socket_nobody_is_told),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
