/* What a service manager is told about this process: sd_notify(3), without its library. Nothing is
 * sent unless the environment names a socket (NOTIFY_SOCKET, as systemd sets it for Type=notify); a
 * socket that is no good is said once in the log, and harms nothing. No call waits. One owner, the
 * first loop. */
#ifndef FEATURED_SERVER_NOTIFY_H
#define FEATURED_SERVER_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_TICK_MS_MAX 1000u
/* A start that still recovers is given so much more time with each report: one that hangs is not.
 */
#define NOTIFY_EXTEND_MS 60000u

struct notify {
    struct sockaddr_un address;
    socklen_t address_len; /* 0: nobody is told */
    uint64_t tick_ms;      /* the watchdog's; 0: there is none */
    bool owes_ready;       /* the socket was full */
    bool complained;
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void notify_init(struct notify *notify);
/* While the store recovers, more often than every NOTIFY_EXTEND_MS. */
void notify_recovering(struct notify *notify, unsigned permille);
/* The same while the store is away: it is no fault of this service. */
void notify_waiting(struct notify *notify);
/* Milliseconds between the calls of notify_tick() that are wanted from now on; 0: none. */
uint64_t notify_ready(struct notify *notify);
/* The loop turns: feeds the watchdog. */
void notify_tick(struct notify *notify);
void notify_stopping(struct notify *notify);

#endif
