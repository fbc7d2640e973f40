/* The nearest of some words, for "did you mean …?". */
#ifndef FEATURED_CLI_SUGGEST_H
#define FEATURED_CLI_SUGGEST_H

#include "base/str.h"

#define SUGGEST_WORD_MAX 64u /* longer words are not compared */

struct suggestion {
    str wanted;
    str best; /* empty while nothing is near enough */
    unsigned distance;
};

/* Then offer each candidate; `best` borrows from the one that was nearest. */
struct suggestion suggestion_of(str wanted);
void suggestion_offer(struct suggestion *suggestion, str candidate);

/* Insertions, deletions, replacements and swaps of neighbours that make one word the other. */
unsigned suggest_distance(str a, str b);

#endif
