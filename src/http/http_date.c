#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "http/http_private.h"

#define US_PER_SECOND INT64_C(1000000)
#define DATE_LINE_MAX 64 /* room for what snprintf could write at most */

/* Names, not strftime(): that one speaks the locale's language. */
static const char *const DAYS[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const MONTHS[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static void format_date(char out[HTTP_DATE_BYTES], int64_t seconds)
{
    char line[DATE_LINE_MAX];
    time_t time = (time_t)seconds;
    struct tm tm;
    gmtime_r(&time, &tm);
    snprintf(line, sizeof(line), "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", DAYS[tm.tm_wday],
             tm.tm_mday, MONTHS[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(out, line, HTTP_DATE_BYTES);
}

const char *http_date_line(struct http_loop *http_loop, const struct loop *loop)
{
    int64_t now_ms = (int64_t)uv_now(&loop->uv);
    if (unlikely(now_ms >= http_loop->date_until_ms)) {
        int64_t wall_us = clock_wall_us();
        format_date(http_loop->date, wall_us / US_PER_SECOND);
        http_loop->date_until_ms = now_ms + (US_PER_SECOND - wall_us % US_PER_SECOND + 999) / 1000;
    }
    return http_loop->date;
}
