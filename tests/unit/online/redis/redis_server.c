#include "redis_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPTIONS_MAX 40
#define START_MS 20000
#define CLUSTER_BUS_OFFSET 10000

bool redis_server_is_installed(void)
{
    bool is_installed = system("command -v redis-server >/dev/null 2>&1") == 0;
    if (!is_installed)
        print_message("no redis-server is installed: skipped\n");
    return is_installed;
}

uint16_t redis_server_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static bool accepts(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    bool result = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return result;
}

static void execute(const struct redis_server *server, const char *const *options)
{
    char log_path[128];
    char port[8];
    const char *arguments[OPTIONS_MAX] = {
        "redis-server", "--port",      port, "--unixsocket", server->socket_path, "--dir",
        server->folder, "--save",      "",   "--bind",       "127.0.0.1",         "--appendonly",
        "no",           "--daemonize", "no"};
    size_t count = 0;
    while (arguments[count])
        count++;
    for (; options && *options && count + 1 < OPTIONS_MAX; options++)
        arguments[count++] = *options;
    snprintf(port, sizeof(port), "%u", server->port);
    snprintf(log_path, sizeof(log_path), "%s/log", server->folder);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves none behind */
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    _exit(127);
}

void redis_server_restart(struct redis_server *server, const char *const *options)
{
    struct timespec pause = {.tv_nsec = 5000000};
    unlink(server->socket_path);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0)
        execute(server, options);
    for (int waited = 0; !accepts(server->socket_path); waited += 5) {
        int result;
        if (waited >= START_MS || waitpid(server->pid, &result, WNOHANG) != 0)
            fail_msg("redis-server does not start: see %s/log", server->folder);
        nanosleep(&pause, NULL);
    }
}

void redis_server_start(struct redis_server *server, const char *const *options)
{
    snprintf(server->folder, sizeof(server->folder), "/tmp/featured-redis-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->socket_path, sizeof(server->socket_path), "%s/socket", server->folder);
    do
        server->port = redis_server_free_port();
    while (server->port > UINT16_MAX - CLUSTER_BUS_OFFSET);
    redis_server_restart(server, options);
}

static void end(struct redis_server *server, int number)
{
    int result;
    if (server->pid == 0)
        return;
    kill(server->pid, number);
    if (number != SIGKILL)
        kill(server->pid, SIGCONT); /* it may be paused */
    assert_int_equal(waitpid(server->pid, &result, 0), server->pid);
    server->pid = 0;
}

void redis_server_pause(struct redis_server *server)
{
    int result;
    kill(server->pid, SIGSTOP);
    assert_int_equal(waitpid(server->pid, &result, WUNTRACED), server->pid);
    assert_true(WIFSTOPPED(result));
}

void redis_server_resume(struct redis_server *server)
{
    kill(server->pid, SIGCONT);
}

void redis_server_kill(struct redis_server *server)
{
    end(server, SIGKILL);
}

void redis_server_stop(struct redis_server *server)
{
    char command[128];
    end(server, SIGTERM);
    snprintf(command, sizeof(command), "rm -rf '%s'", server->folder);
    assert_int_equal(system(command), 0);
}
