#include "codec/number_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "base/assert.h"

static const char PAIRS[] =
    "0001020304050607080910111213141516171819"
    "2021222324252627282930313233343536373839"
    "4041424344454647484950515253545556575859"
    "6061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static const uint64_t POWERS[] = {
    UINT64_C(1),
    UINT64_C(10),
    UINT64_C(100),
    UINT64_C(1000),
    UINT64_C(10000),
    UINT64_C(100000),
    UINT64_C(1000000),
    UINT64_C(10000000),
    UINT64_C(100000000),
    UINT64_C(1000000000),
    UINT64_C(10000000000),
    UINT64_C(100000000000),
    UINT64_C(1000000000000),
    UINT64_C(10000000000000),
    UINT64_C(100000000000000),
    UINT64_C(1000000000000000),
    UINT64_C(10000000000000000),
    UINT64_C(100000000000000000),
    UINT64_C(1000000000000000000),
    UINT64_C(10000000000000000000),
};

/* All of these are exact. */
static const double POWERS_REAL[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define POWERS_REAL_MAX 22

/* The bit length times log10(2) is the digit count, or one less. */
static unsigned digit_count(uint64_t value)
{
    unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
    unsigned count = bits * 1233 >> 12;
    return count + (value >= POWERS[count] || value == 0);
}

/* Exactly `count` digits, zeros in front. */
static void put_digits(char *at, uint64_t value, unsigned count)
{
    while (count >= 2) {
        count -= 2;
        memcpy(at + count, PAIRS + value % 100 * 2, 2);
        value /= 100;
    }
    if (count)
        at[0] = (char)('0' + value);
}

char *number_write_uint64(char *at, uint64_t value)
{
    if (value < 10) {
        *at = (char)('0' + value);
        return at + 1;
    }
    unsigned count = digit_count(value);
    put_digits(at, value, count);
    return at + count;
}

char *number_write_int64(char *at, int64_t value)
{
    if (value >= 0)
        return number_write_uint64(at, (uint64_t)value);
    *at = '-';
    return number_write_uint64(at + 1, 0 - (uint64_t)value);
}

/* digits × 10^-decimals without an exponent, at least one digit on both sides of the point. */
static char *write_decimal(char *at, uint64_t digits, unsigned decimals)
{
    uint64_t fraction = digits % POWERS[decimals];
    at = number_write_uint64(at, digits / POWERS[decimals]);
    *at++ = '.';
    if (decimals == 0) {
        *at++ = '0';
        return at;
    }
    put_digits(at, fraction, decimals);
    at += decimals;
    while (at[-1] == '0' && at[-2] != '.')
        at--;
    return at;
}

/* What most features hold: few decimals. A text of at most 15 digits that reads back to the value
 * is the shortest one, for no two of those mean the same double. False: not of that kind. */
static bool write_short(char **at, double magnitude)
{
    if (!(magnitude < 1e9 && (magnitude >= 1e-4 || magnitude == 0)))
        return false;
    uint64_t digits = (uint64_t)(magnitude * 1e6 + 0.5);
    if ((double)digits / 1e6 != magnitude)
        return false;
    uint32_t fraction = (uint32_t)(digits % 1000000);
    char *end = number_write_uint64(*at, digits / 1000000);
    *end++ = '.';
    memcpy(end, PAIRS + (size_t)(fraction / 10000) * 2, 2);
    memcpy(end + 2, PAIRS + (size_t)(fraction / 100 % 100) * 2, 2);
    memcpy(end + 4, PAIRS + (size_t)(fraction % 100) * 2, 2);
    end += fraction % 10000 == 0 ? 2 : fraction % 100 == 0 ? 4 : 6;
    if (end[-1] == '0' && end[-2] != '.')
        end--;
    *at = end;
    return true;
}

/* yyjson writes one number into a block that it asks its allocator for: this one. */
struct number_block {
    char bytes[64];
};

static void *block_malloc(void *block, size_t size)
{
    return size <= sizeof(struct number_block) ? ((struct number_block *)block)->bytes : NULL;
}

static void *block_realloc(void *block, void *pointer, size_t old_size, size_t size)
{
    (void)pointer;
    (void)old_size;
    return block_malloc(block, size);
}

static void block_free(void *block, void *pointer)
{
    (void)block;
    (void)pointer;
}

char *number_write_double(char *at, double value)
{
    double magnitude = fabs(value);
    if (signbit(value))
        *at++ = '-';
    if (write_short(&at, magnitude))
        return at;
    struct number_block block;
    const yyjson_alc allocator = {block_malloc, block_realloc, block_free, &block};
    yyjson_val number = {.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL, .uni.f64 = magnitude};
    size_t len = 0;
    const char *text = yyjson_val_write_opts(&number, YYJSON_WRITE_NOFLAG, &allocator, &len, NULL);
    ASSERT(text && len < NUMBER_FLOAT_BYTES);
    memcpy(at, text, len);
    return at + len;
}

/* Whether digits × 10^-decimals reads back as `magnitude`. Both factors are exact, so the double
 * is the nearest one; rounding it once more to a float errs only if that first rounding put it
 * half way between two floats. */
static bool reads_back(uint64_t digits, int decimals, float magnitude)
{
    double mantissa = (double)digits;
    double power = POWERS_REAL[decimals >= 0 ? decimals : -decimals];
    double nearest = decimals >= 0 ? mantissa / power : mantissa * power;
    uint64_t bits;
    memcpy(&bits, &nearest, sizeof(bits));
    if ((float)nearest != magnitude)
        return false;
    if (likely((bits & 0x1FFFFFFF) != 0x10000000))
        return true;
    return decimals >= 0 ? fma(nearest, power, -mantissa) == 0
                         : fma(mantissa, power, -nearest) == 0;
}

/* The nearest text of so many decimals, or its neighbour on the other side: beside a power of two
 * the wider gap may hold only that one. */
static bool find_digits(float magnitude, int decimals, uint64_t *digits)
{
    double scaled = decimals >= 0 ? (double)magnitude * POWERS_REAL[decimals]
                                  : (double)magnitude / POWERS_REAL[-decimals];
    uint64_t nearest = (uint64_t)(scaled + 0.5);
    if (reads_back(nearest, decimals, magnitude)) {
        *digits = nearest;
        return true;
    }
    uint64_t other = (double)nearest > scaled ? nearest - 1 : nearest + 1;
    if (!reads_back(other, decimals, magnitude))
        return false;
    *digits = other;
    return true;
}

static char *write_scientific(char *at, uint64_t digits, int decimals)
{
    unsigned count = digit_count(digits);
    int exponent = (int)count - 1 - decimals;
    char text[NUMBER_INT_BYTES] = {0};
    put_digits(text, digits, count);
    *at++ = text[0];
    if (count > 1) {
        *at++ = '.';
        memcpy(at, text + 1, count - 1);
        at += count - 1;
    }
    *at++ = 'e';
    return number_write_int64(at, exponent);
}

/* Outside the range where the powers of ten are exact; subnormal ones may have a single digit. */
static void find_digits_slow(float magnitude, uint64_t *digits, int *decimals)
{
    for (int precision = 1; precision < 10; precision++) {
        char text[NUMBER_FLOAT_BYTES];
        snprintf(text, sizeof(text), "%.*e", precision - 1, (double)magnitude);
        *digits = (uint64_t)(text[0] - '0') * POWERS[precision - 1];
        if (precision > 1)
            *digits += strtoull(text + 2, NULL, 10);
        *decimals = precision - 1 - atoi(strchr(text, 'e') + 1);
        if (strtof(text, NULL) == magnitude)
            return;
    }
}

/* Every text of six digits is told apart by its float: if six suffice, trailing zeros are all there
 * is to cut; otherwise one to three more are needed. */
static void find_shortest(float magnitude, uint64_t *digits, int *decimals)
{
    uint32_t bits;
    memcpy(&bits, &magnitude, sizeof(bits));
    int exponent = (int)(bits >> 23) - 127;
    int first = 5 - (exponent * 1233 >> 12);
    if (first >= -POWERS_REAL_MAX && first + 3 <= POWERS_REAL_MAX) {
        for (*decimals = first; *decimals <= first + 3; ++*decimals) {
            if (find_digits(magnitude, *decimals, digits))
                return;
        }
    }
    find_digits_slow(magnitude, digits, decimals);
}

char *number_write_float(char *at, float value)
{
    uint64_t digits;
    int decimals;
    if (signbit(value))
        *at++ = '-';
    if (value == 0)
        return write_decimal(at, 0, 0);
    find_shortest(fabsf(value), &digits, &decimals);
    while (digits % 10 == 0) {
        digits /= 10;
        decimals--;
    }
    if (decimals > 12 || (int)digit_count(digits) - decimals > 12)
        return write_scientific(at, digits, decimals);
    if (decimals < 0)
        return write_decimal(at, digits * POWERS[-decimals], 0);
    return write_decimal(at, digits, (unsigned)decimals);
}
