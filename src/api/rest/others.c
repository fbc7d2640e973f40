#include "api/rest/others.h"

static status make_room(struct others *others, struct arena *arena, uint32_t count)
{
    if (count <= others->room)
        return OK;
    others->room = 0;
    others->items = arena_alloc_array(arena, 2 * (size_t)count, sizeof(*others->items));
    if (others->items == NULL)
        return status_of(STATUS_OUT_OF_MEMORY);
    others->room = 2 * count;
    return OK;
}

status others_take(struct others *others, struct retrieve *retrieve, uint32_t i,
                   const struct cell *row)
{
    struct online_others from;
    others->count = 0;
    TRY(retrieve_others(retrieve, i, row, &from));
    TRY(make_room(others, retrieve->arena, from.count));
    for (uint32_t o = 0; o < from.count; o++)
        others->items[o] = (struct json_other){from.items[o].name, from.items[o].value};
    others->count = from.count;
    return OK;
}
