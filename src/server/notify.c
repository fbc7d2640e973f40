#include "server/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"

#define MESSAGE_MAX 128

static void complain(struct notify *notify, const char *reason)
{
    if (!notify->complained)
        log_event(LOG_WARN, "notify_failed", "reason=\"%s\"", reason);
    notify->complained = true;
}

/* A path, or a name of the abstract kind ("@name"). */
static void take_socket(struct notify *notify, const char *name)
{
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(notify->address.sun_path)) {
        complain(notify,
                 "NOTIFY_SOCKET is neither a path nor an abstract name of 107 bytes at most");
        return;
    }
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, name, len);
    if (name[0] == '@')
        notify->address.sun_path[0] = '\0';
    else
        len++; /* the address of a path ends with its NUL */
    notify->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* Fed twice as often as it has to be. */
static void take_watchdog(struct notify *notify)
{
    uint64_t limit_us;
    int64_t pid;
    const char *of = getenv("WATCHDOG_PID");
    if (of != NULL && (!str_to_int64(str_from_cstr(of), &pid) || pid != getpid()))
        return;
    if (!str_to_uint64(str_from_cstr(getenv("WATCHDOG_USEC")), &limit_us) || limit_us == 0)
        return;
    uint64_t half_ms = limit_us / 2000;
    if (half_ms > NOTIFY_TICK_MS_MAX)
        half_ms = NOTIFY_TICK_MS_MAX;
    notify->tick_ms = half_ms ? half_ms : 1;
}

void notify_init(struct notify *notify)
{
    const char *name = getenv("NOTIFY_SOCKET");
    *notify = (struct notify){0};
    if (name == NULL || name[0] == '\0')
        return;
    take_socket(notify, name);
    if (notify->address_len > 0)
        take_watchdog(notify);
}

/* False if nobody took it, and why in errno. A socket each time: the manager may have started anew.
 */
static bool send_message(const struct notify *notify, const char *message)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    ssize_t sent = sendto(fd, message, strlen(message), MSG_NOSIGNAL,
                          (const struct sockaddr *)&notify->address, notify->address_len);
    int reason = errno;
    close(fd);
    errno = reason;
    return sent >= 0;
}

static bool tell(struct notify *notify, const char *message)
{
    if (notify->address_len == 0)
        return true;
    if (send_message(notify, message))
        return true;
    complain(notify, strerror(errno));
    return false;
}

void notify_recovering(struct notify *notify, unsigned permille)
{
    char message[MESSAGE_MAX];
    snprintf(message, sizeof(message), "STATUS=recovering, %u.%u %%\nEXTEND_TIMEOUT_USEC=%u000",
             permille / 10, permille % 10, NOTIFY_EXTEND_MS);
    (void)tell(notify, message);
}

void notify_waiting(struct notify *notify)
{
    char message[MESSAGE_MAX];
    snprintf(message, sizeof(message), "STATUS=waiting for Redis\nEXTEND_TIMEOUT_USEC=%u000",
             NOTIFY_EXTEND_MS);
    (void)tell(notify, message);
}

/* Until the manager has heard it, it would end the service as one that never started. */
static void tell_ready(struct notify *notify)
{
    notify->owes_ready = !tell(notify, "READY=1\nSTATUS=serving");
}

uint64_t notify_ready(struct notify *notify)
{
    tell_ready(notify);
    if (notify->tick_ms > 0)
        return notify->tick_ms;
    return notify->owes_ready ? NOTIFY_TICK_MS_MAX : 0;
}

void notify_tick(struct notify *notify)
{
    if (notify->owes_ready)
        tell_ready(notify);
    if (notify->tick_ms > 0)
        (void)tell(notify, "WATCHDOG=1");
}

void notify_stopping(struct notify *notify)
{
    (void)tell(notify, "STOPPING=1\nSTATUS=answering what is under way");
}
