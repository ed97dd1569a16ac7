/*
 * Asking all hubs of the process for their numbers; from any thread. Who asks
 * calls a function of its own for each, so the ring of hubs is not locked
 * meanwhile: the hubs are written down and retained first.
 */
#include <assert.h>
#include <stdlib.h>

#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/list.h"
#include "hub/numbers.h"

/* What is there usually; more is asked for once it was too little. */
#define ROOM 16

struct survey {
    struct hub **hubs; /* that were written down, a reference each */
    size_t room;       /* for so many */
    size_t count;      /* of those there are */
};

static void write_down(struct hub *hub, void *arg)
{
    struct survey *s = arg;
    if (s->count++ >= s->room)
        return;
    grove_hub_retain((grove_hub *)hub);
    s->hubs[s->count - 1] = hub;
}

static void forget(struct survey *s)
{
    size_t written = s->count < s->room ? s->count : s->room;
    for (size_t i = 0; i < written; i++)
        hub_unref(s->hubs[i]);
    free(s->hubs);
}

/* 0 or -ENOMEM. */
static int write_all_down(struct survey *s)
{
    s->room = ROOM;
    for (;;) {
        s->count = 0;
        s->hubs = calloc(s->room, sizeof(struct hub *));
        if (!s->hubs)
            return -ENOMEM;
        hub_list_each(write_down, s);
        if (s->count <= s->room)
            return 0;
        size_t wanted = s->count + ROOM; /* some may come meanwhile */
        forget(s);
        s->room = wanted;
    }
}

/* The first time they are told to write their numbers down. */
static void ask_all(const struct survey *s)
{
    if (atomic_load(&hub_numbers_wanted))
        return;
    for (size_t i = 0; i < s->count; i++)
        hub_numbers_ask(s->hubs[i]);
}

int grove_each_hub(void (*fn)(const grove_hub_info *info, void *arg), void *arg)
{
    struct survey s;
    int r = write_all_down(&s);
    if (r < 0)
        return r;
    ask_all(&s);
    if (hub_of_thread)
        hub_numbers_publish(hub_of_thread, hub_clock());
    for (size_t i = 0; i < s.count; i++) {
        grove_hub_info info;
        hub_numbers_read(s.hubs[i], &info);
        fn(&info, arg);
    }
    forget(&s);
    return (int)s.count;
}
