#include "base/crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are taken as they lie in memory");

#define POLYNOMIAL_REFLECTED 0x82F63B78u
#define SLICES 8

/* slice[k][b]: the sum of byte b followed by k zero bytes. */
static uint32_t slice[SLICES][256];

static uint64_t word_at(const unsigned char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* After: M. E. Kounavis, F. L. Berry, "A systematic approach to building high performance
 * software-based CRC generators", 2005 (slicing by eight). */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t len)
{
    const unsigned char *at = data;
    crc = ~crc;
    for (; len >= SLICES; len -= SLICES, at += SLICES) {
        uint64_t word = word_at(at) ^ crc;
        crc = 0;
        for (unsigned k = 0; k < SLICES; k++)
            crc ^= slice[SLICES - 1 - k][(word >> (8 * k)) & 0xFF];
    }
    for (; len > 0; len--)
        crc = slice[0][(crc ^ *at++) & 0xFF] ^ (crc >> 8);
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const void *data,
                                                                 size_t len)
{
    const unsigned char *at = data;
    uint64_t sum = (uint32_t)~crc;
    for (; len >= 8; len -= 8, at += 8)
        sum = _mm_crc32_u64(sum, word_at(at));
    uint32_t tail = (uint32_t)sum;
    for (; len > 0; len--)
        tail = _mm_crc32_u8(tail, *at++);
    return ~tail;
}

static bool has_instruction(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
#define HWCAP_CRC32_BIT (1u << 7)

static uint32_t by_instruction(uint32_t crc, const void *data, size_t len)
{
    const unsigned char *at = data;
    crc = ~crc;
    for (; len >= 8; len -= 8, at += 8)
        __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word_at(at)));
    for (; len > 0; len--)
        __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1"
                : "+r"(crc)
                : "r"((uint32_t)*at++));
    return ~crc;
}

static bool has_instruction(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32_BIT) != 0;
}
#else
static uint32_t by_instruction(uint32_t crc, const void *data, size_t len)
{
    return crc32c_by_table(crc, data, len);
}

static bool has_instruction(void)
{
    return false;
}
#endif

static uint32_t (*chosen)(uint32_t crc, const void *data, size_t len);

/* Before main(), so that no call has to ask. */
__attribute__((constructor)) static void choose(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL_REFLECTED : 0);
        slice[0][b] = crc;
    }
    for (unsigned k = 1; k < SLICES; k++)
        for (unsigned b = 0; b < 256; b++)
            slice[k][b] = slice[0][slice[k - 1][b] & 0xFF] ^ (slice[k - 1][b] >> 8);
    chosen = has_instruction() ? by_instruction : crc32c_by_table;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    return chosen(crc, data, len);
}

bool crc32c_is_by_table(void)
{
    return chosen == crc32c_by_table;
}
