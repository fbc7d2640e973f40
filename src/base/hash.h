/* The one hash of the process: XXH3 64 bit, seeded at start so that ids cannot be made to collide
 * by who sends them. */
#ifndef FEATURED_BASE_HASH_H
#define FEATURED_BASE_HASH_H

#include <stdint.h>

#include "base/str.h"

uint64_t hash_str(str s);
/* Draws the seed from the kernel; called once, before threads start. Without it the seed is 0, which
 * tests rely on. */
void hash_seed_init(void);

#endif
