#include "cli/suggest.h"

#include "base/assert.h"

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Restricted Damerau-Levenshtein distance ("optimal string alignment"), three rows at a time. */
unsigned suggest_distance(str a, str b)
{
    unsigned rows[3][SUGGEST_WORD_MAX + 1];
    ASSERT(a.len <= SUGGEST_WORD_MAX && b.len <= SUGGEST_WORD_MAX);
    for (unsigned j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3];
        const unsigned *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            bool same = a.data[i - 1] == b.data[j - 1];
            row[j] = least(above[j - 1] + !same, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

struct suggestion suggestion_of(str wanted)
{
    /* One slip in three letters is a typing error; more is another word. */
    return (struct suggestion){.wanted = wanted, .distance = (unsigned)wanted.len / 3 + 2};
}

void suggestion_offer(struct suggestion *suggestion, str candidate)
{
    if (suggestion->wanted.len > SUGGEST_WORD_MAX || candidate.len > SUGGEST_WORD_MAX)
        return;
    unsigned distance = suggest_distance(suggestion->wanted, candidate);
    bool unfinished = suggestion->wanted.len >= 3 && str_starts_with(candidate, suggestion->wanted);
    if (unfinished)
        distance = least(distance, 1);
    if (distance < suggestion->distance) {
        suggestion->distance = distance;
        suggestion->best = candidate;
    }
}
