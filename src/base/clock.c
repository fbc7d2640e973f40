#include "base/clock.h"

#include <time.h>

#include "base/assert.h"

#define US_PER_SECOND INT64_C(1000000)
#define SECONDS_PER_DAY INT64_C(86400)

int64_t clock_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

int64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. Years are counted from March, so
 * that the leap day is a year's last (H. Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * march_month + 2) / 5 + 1;
    *month = march_month < 10 ? march_month + 3 : march_month - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

static bool take_digits(str *text, size_t count, int64_t *out)
{
    int64_t value = 0;
    if (text->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        char c = text->data[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *out = value;
    *text = str_of(text->data + count, text->len - count);
    return true;
}

static bool take_one_of(str *text, const char *accepted)
{
    if (text->len == 0 || text->data[0] == '\0' || strchr(accepted, text->data[0]) == NULL)
        return false;
    *text = str_of(text->data + 1, text->len - 1);
    return true;
}

static bool take_fraction_us(str *text, int64_t *out)
{
    int64_t us = 0;
    int64_t unit = US_PER_SECOND / 10;
    size_t digits = 0;
    *out = 0;
    if (!take_one_of(text, "."))
        return true;
    int64_t digit;
    while (take_digits(text, 1, &digit)) {
        us += digit * unit;
        unit /= 10;
        digits++;
    }
    *out = us;
    return digits > 0;
}

static bool take_offset_seconds(str *text, int64_t *out)
{
    int64_t hours;
    int64_t minutes;
    if (take_one_of(text, "Zz")) {
        *out = 0;
        return true;
    }
    bool west = text->len && text->data[0] == '-';
    if (!take_one_of(text, "+-") || !take_digits(text, 2, &hours) || !take_one_of(text, ":") ||
        !take_digits(text, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *out = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const int8_t DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return DAYS[month - 1] + (month == 2 && leap);
}

bool clock_parse_rfc3339(str text, int64_t *out_us)
{
    int64_t year, month, day, hour, minute, second, fraction_us, offset;
    if (!take_digits(&text, 4, &year) || !take_one_of(&text, "-") ||
        !take_digits(&text, 2, &month) || !take_one_of(&text, "-") || !take_digits(&text, 2, &day) ||
        !take_one_of(&text, "Tt ") || !take_digits(&text, 2, &hour) || !take_one_of(&text, ":") ||
        !take_digits(&text, 2, &minute) || !take_one_of(&text, ":") ||
        !take_digits(&text, 2, &second) || !take_fraction_us(&text, &fraction_us) ||
        !take_offset_seconds(&text, &offset) || text.len != 0)
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
        hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 +
                      minute * 60 + second - offset;
    int64_t us = seconds * US_PER_SECOND + fraction_us;
    if (us < CLOCK_MIN_US || us > CLOCK_MAX_US)
        return false;
    *out_us = us;
    return true;
}

static char *put_digits(char *at, int64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + width;
}

size_t clock_format_rfc3339(int64_t us, char out[CLOCK_RFC3339_MAX])
{
    ASSERT(us >= CLOCK_MIN_US && us <= CLOCK_MAX_US);
    int64_t fraction = (us % US_PER_SECOND + US_PER_SECOND) % US_PER_SECOND;
    int64_t seconds = (us - fraction) / US_PER_SECOND;
    int64_t of_day = (seconds % SECONDS_PER_DAY + SECONDS_PER_DAY) % SECONDS_PER_DAY;
    int64_t year, month, day;
    civil_from_days((seconds - of_day) / SECONDS_PER_DAY, &year, &month, &day);
    char *at = put_digits(out, year, 4);
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day, 2);
    *at++ = 'T';
    at = put_digits(at, of_day / 3600, 2);
    *at++ = ':';
    at = put_digits(at, of_day / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, of_day % 60, 2);
    if (fraction) {
        *at++ = '.';
        at = put_digits(at, fraction, 6);
    }
    *at++ = 'Z';
    return (size_t)(at - out);
}
