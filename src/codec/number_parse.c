#include "codec/number_parse.h"

#include <stdbool.h>
#include <yyjson.h>

#include "base/memory.h"

#define EXPONENT_CAP INT64_C(1000000000) /* beyond what any text of ours has digits */

/* mantissa × 10^exponent. */
struct decimal {
    bool negative;
    bool cut; /* more significant digits than the mantissa holds */
    uint64_t mantissa;
    int64_t exponent;
};

static unsigned digit_at(str text, size_t at)
{
    return at < text.len ? (unsigned)(unsigned char)text.data[at] - '0' : 10;
}

/* Zeros that nothing follows must not fill the mantissa: they are counted, and multiplied in when a
 * digit comes. */
struct accumulator {
    struct decimal *decimal;
    int64_t zeros;
};

static void push_digit(struct accumulator *into, unsigned digit)
{
    struct decimal *decimal = into->decimal;
    if (digit == 0 && decimal->mantissa == 0)
        return;
    into->zeros++;
    if (digit == 0)
        return;
    uint64_t mantissa = decimal->mantissa;
    for (; into->zeros > 0 && !decimal->cut; into->zeros--) {
        if (__builtin_mul_overflow(mantissa, UINT64_C(10), &mantissa))
            decimal->cut = true;
    }
    if (decimal->cut || __builtin_add_overflow(mantissa, digit, &mantissa))
        decimal->cut = true;
    else
        decimal->mantissa = mantissa;
}

static bool scan_exponent(str text, size_t *at, int64_t *exponent)
{
    bool negative = *at < text.len && text.data[*at] == '-';
    int64_t value = 0;
    if (*at < text.len && (text.data[*at] == '-' || text.data[*at] == '+'))
        ++*at;
    if (digit_at(text, *at) > 9)
        return false;
    for (unsigned digit; (digit = digit_at(text, *at)) <= 9; ++*at)
        value = value < EXPONENT_CAP ? value * 10 + digit : EXPONENT_CAP;
    *exponent += negative ? -value : value;
    return true;
}

static bool scan(str text, struct decimal *out)
{
    struct accumulator digits = {out, 0};
    size_t at = 0;
    unsigned digit;
    *out = (struct decimal){.negative = text.len && text.data[0] == '-'};
    at += out->negative;
    if (digit_at(text, at) > 9 || (digit_at(text, at) == 0 && digit_at(text, at + 1) <= 9))
        return false;
    for (; (digit = digit_at(text, at)) <= 9; at++)
        push_digit(&digits, digit);
    if (at < text.len && text.data[at] == '.') {
        if (digit_at(text, ++at) > 9)
            return false;
        for (; (digit = digit_at(text, at)) <= 9; at++) {
            push_digit(&digits, digit);
            out->exponent--;
        }
    }
    out->exponent += digits.zeros;
    if (at < text.len && (text.data[at] | 0x20) == 'e') {
        at++;
        if (!scan_exponent(text, &at, &out->exponent))
            return false;
    }
    return at == text.len;
}

/* The common case: a sign and up to 18 digits. */
static bool parse_plain(str text, int64_t *out)
{
    bool negative = text.len && text.data[0] == '-';
    size_t count = text.len - negative;
    const char *digits = text.data + negative;
    int64_t value = 0;
    if (count == 0 || count > 18 || (digits[0] == '0' && count > 1))
        return false;
    for (size_t i = 0; i < count; i++) {
        unsigned digit = (unsigned)(unsigned char)digits[i] - '0';
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    *out = negative ? -value : value;
    return true;
}

enum number_result number_parse_int64(str text, int64_t *out)
{
    struct decimal decimal;
    if (likely(parse_plain(text, out)))
        return NUMBER_OK;
    if (!scan(text, &decimal))
        return NUMBER_MALFORMED;
    if (decimal.mantissa == 0 && !decimal.cut) {
        *out = 0;
        return NUMBER_OK;
    }
    /* The mantissa ends in no zero but those that stand before the point. */
    uint64_t magnitude = decimal.mantissa;
    for (; decimal.exponent < 0 && magnitude % 10 == 0; decimal.exponent++)
        magnitude /= 10;
    if (decimal.exponent < 0)
        return NUMBER_FRACTION;
    if (decimal.cut)
        return NUMBER_RANGE;
    for (; decimal.exponent > 0; decimal.exponent--) {
        if (__builtin_mul_overflow(magnitude, UINT64_C(10), &magnitude))
            return NUMBER_RANGE;
    }
    if (magnitude > (uint64_t)INT64_MAX + decimal.negative)
        return NUMBER_RANGE;
    *out = (int64_t)(decimal.negative ? 0 - magnitude : magnitude);
    return NUMBER_OK;
}

/* Correct rounding of any text is yyjson's; it wants a terminated one. */
static enum number_result parse_any_double(str text, double *out)
{
    char small[128];
    char *copy = text.len < sizeof(small) ? small : memory_alloc(text.len + 1);
    yyjson_val number;
    if (copy == NULL)
        return NUMBER_NO_MEMORY;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    bool read = yyjson_read_number(copy, &number, YYJSON_READ_NOFLAG, NULL, NULL) != NULL;
    if (copy != small)
        memory_free(copy);
    if (!read)
        return NUMBER_RANGE;
    *out = yyjson_get_num(&number);
    return NUMBER_OK;
}

/* A mantissa and a power of ten that are both exact round once (W. D. Clinger, "How to read floating
 * point numbers accurately", 1990). */
static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* The common case: a sign, few digits, and perhaps a point among them. */
static bool parse_plain_double(str text, double *out)
{
    const char *at = text.data;
    const char *end = text.data + text.len;
    const char *point = NULL;
    uint64_t mantissa = 0;
    bool negative = text.len && *at == '-';
    at += negative;
    if (end - at < 1 || end - at > 16 || (end - at > 1 && at[0] == '0' && at[1] != '.') ||
        at[0] == '.' || end[-1] == '.')
        return false;
    for (; at < end; at++) {
        unsigned digit = (unsigned)(unsigned char)*at - '0';
        if (digit <= 9)
            mantissa = mantissa * 10 + digit;
        else if (*at == '.' && point == NULL)
            point = at;
        else
            return false;
    }
    if (mantissa > UINT64_C(1) << 53)
        return false;
    double magnitude = (double)mantissa / POWERS[point ? end - point - 1 : 0];
    *out = negative ? -magnitude : magnitude;
    return true;
}

enum number_result number_parse_double(str text, double *out)
{
    struct decimal decimal;
    if (likely(parse_plain_double(text, out)))
        return NUMBER_OK;
    if (!scan(text, &decimal))
        return NUMBER_MALFORMED;
    if (decimal.cut || decimal.mantissa > UINT64_C(1) << 53 || decimal.exponent < -22 ||
        decimal.exponent > 22)
        return parse_any_double(text, out);
    double magnitude = (double)decimal.mantissa;
    magnitude = decimal.exponent < 0 ? magnitude / POWERS[-decimal.exponent]
                                     : magnitude * POWERS[decimal.exponent];
    *out = decimal.negative ? -magnitude : magnitude;
    return NUMBER_OK;
}
