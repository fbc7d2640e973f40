#include "runtime/deadline.h"

#include <stddef.h>

#include "base/compiler.h"

static unsigned slot_of(int64_t tick)
{
    return (unsigned)((uint64_t)tick % DEADLINE_SLOTS);
}

void deadlines_init(struct deadlines *deadlines, int64_t now_ms)
{
    *deadlines = (struct deadlines){.tick = now_ms / DEADLINE_SLOT_MS};
}

static void link_to(struct deadline **list, struct deadline *deadline)
{
    deadline->next = *list;
    deadline->link = list;
    if (deadline->next)
        deadline->next->link = &deadline->next;
    *list = deadline;
}

static void unlink_it(struct deadline *deadline)
{
    *deadline->link = deadline->next;
    if (deadline->next)
        deadline->next->link = deadline->link;
    deadline->link = NULL;
}

/* The first tick at which the whole deadline has passed, as far as the wheel reaches. */
static int64_t tick_for(const struct deadlines *deadlines, int64_t at_ms)
{
    int64_t last = deadlines->tick + DEADLINE_SLOTS - 1;
    if (at_ms / DEADLINE_SLOT_MS >= last)
        return last;
    int64_t tick = (at_ms + DEADLINE_SLOT_MS - 1) / DEADLINE_SLOT_MS;
    return tick <= deadlines->tick ? deadlines->tick + 1 : tick;
}

static void enter(struct deadlines *deadlines, struct deadline *deadline, int64_t tick)
{
    unsigned slot = slot_of(tick);
    deadline->tick = tick;
    link_to(&deadlines->slots[slot], deadline);
    deadlines->occupied[slot / 64] |= UINT64_C(1) << slot % 64;
}

void deadline_remove(struct deadlines *deadlines, struct deadline *deadline)
{
    unsigned slot = slot_of(deadline->tick);
    if (deadline->link == NULL)
        return;
    unlink_it(deadline);
    if (deadlines->slots[slot] == NULL)
        deadlines->occupied[slot / 64] &= ~(UINT64_C(1) << slot % 64);
}

bool deadline_set(struct deadlines *deadlines, struct deadline *deadline, int64_t at_ms)
{
    deadline->at_ms = at_ms;
    if (at_ms == DEADLINE_NEVER)
        return false;
    if (likely(deadline->link && at_ms >= deadline->tick * DEADLINE_SLOT_MS))
        return false;
    int64_t tick = tick_for(deadlines, at_ms);
    if (deadline->link) {
        if (tick >= deadline->tick)
            return false;
        deadline_remove(deadlines, deadline);
    }
    enter(deadlines, deadline, tick);
    return true;
}

static void expire_slot(struct deadlines *deadlines, int64_t now_ms,
                        void (*reached)(struct deadline *deadline, void *context), void *context)
{
    unsigned slot = slot_of(deadlines->tick);
    struct deadline *due = deadlines->slots[slot];
    deadlines->slots[slot] = NULL;
    deadlines->occupied[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    if (due)
        due->link = &due;
    while (due) {
        struct deadline *deadline = due;
        unlink_it(deadline);
        if (deadline->at_ms <= now_ms)
            reached(deadline, context);
        else if (deadline->at_ms != DEADLINE_NEVER)
            enter(deadlines, deadline, tick_for(deadlines, deadline->at_ms));
    }
}

/* The next occupied tick after the present one, -1 if none. */
static int64_t next_tick(const struct deadlines *deadlines)
{
    for (int64_t ahead = 1; ahead < DEADLINE_SLOTS;) {
        unsigned slot = slot_of(deadlines->tick + ahead);
        uint64_t word = deadlines->occupied[slot / 64] >> slot % 64;
        if (word)
            return deadlines->tick + ahead + __builtin_ctzll(word);
        ahead += 64 - slot % 64;
    }
    return -1;
}

void deadlines_expire(struct deadlines *deadlines, int64_t now_ms,
                      void (*reached)(struct deadline *deadline, void *context), void *context)
{
    int64_t now_tick = now_ms / DEADLINE_SLOT_MS;
    for (;;) {
        int64_t tick = next_tick(deadlines);
        if (tick < 0 || tick > now_tick)
            break;
        deadlines->tick = tick;
        expire_slot(deadlines, now_ms, reached, context);
    }
    if (deadlines->tick < now_tick)
        deadlines->tick = now_tick;
}

int64_t deadlines_next_ms(const struct deadlines *deadlines)
{
    int64_t tick = next_tick(deadlines);
    return tick < 0 ? DEADLINE_NEVER : tick * DEADLINE_SLOT_MS;
}
