#include "base/hash.h"

#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t seed;

uint64_t hash_str(str s)
{
    return XXH3_64bits_withSeed(s.data, s.len, seed);
}

void hash_seed_init(void)
{
    uint64_t random;
    if (getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random))
        seed = random;
}
