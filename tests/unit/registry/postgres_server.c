#include "postgres_server.h"

#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char programs[256]; /* the newest version's */
static char directory[64];
static char url[160];
static pid_t pid;

static void give_up(const char *what)
{
    fprintf(stderr, "postgres_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

bool postgres_server_is_installed(void)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
        return false;
    snprintf(programs, sizeof(programs), "%s", found.gl_pathv[found.gl_pathc - 1]);
    *strrchr(programs, '/') = '\0';
    globfree(&found);
    return true;
}

/* A program of PostgreSQL, as its user, saying nothing, ended with us. It is told its whole path: there
 * it looks for the others. */
static pid_t run(const char **arguments)
{
    char path[320];
    const struct passwd *user = getuid() == 0 ? getpwnam("postgres") : NULL;
    pid_t child = fork();
    if (child != 0)
        return child;
    if (user && (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    snprintf(path, sizeof(path), "%s/%s", programs, arguments[0]);
    if (chdir(directory) != 0 || freopen("log", "a", stdout) == NULL ||
        dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
        _exit(126);
    arguments[0] = path;
    execv(path, (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static void make(void)
{
    const char *arguments[] = {
        "initdb",          "--pgdata=data", "--auth=trust",        "--no-sync",
        "--encoding=UTF8", "--locale=C",    "--username=featured", NULL};
    int result;
    snprintf(directory, sizeof(directory), "/tmp/featured-postgres-XXXXXX");
    if (!postgres_server_is_installed() || mkdtemp(directory) == NULL)
        give_up("mkdtemp");
    const struct passwd *user = getuid() == 0 ? getpwnam("postgres") : NULL;
    if (user && chown(directory, user->pw_uid, user->pw_gid) != 0)
        give_up("chown");
    if (waitpid(run(arguments), &result, 0) < 0 || result != 0)
        give_up("initdb");
    snprintf(url, sizeof(url), "postgresql://featured@/postgres?host=%s", directory);
}

static void start(void)
{
    const char *arguments[] = {"postgres",          "-D", "data",      "-k", directory, "-c",
                                     "listen_addresses=", "-c", "fsync=off", NULL};
    pid = run(arguments);
    for (int tries = 0; PQping(url) != PQPING_OK; tries++) {
        if (tries == 3000 || waitpid(pid, NULL, WNOHANG) != 0)
            give_up("postgres did not start");
        usleep(10000);
    }
}

static void end(void)
{
    char command[128];
    kill(pid, SIGQUIT);
    waitpid(pid, NULL, 0);
    pid = 0;
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    if (system(command) != 0)
        fprintf(stderr, "postgres_server: %s stays\n", directory);
}

const char *postgres_server_url(void)
{
    if (pid == 0) {
        make();
        start();
        atexit(end);
    }
    return url;
}
