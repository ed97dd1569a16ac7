/*
 * How long greenlets run before they let others: for who looks for code that
 * blocks the hub. On by request, a clock read a switch then; else one test of a
 * pointer.
 *
 * The thread that is watched writes, any thread reads, both with the GIL held.
 */
#include "raw/raw.h"

static void note_switch(struct switch_clock *c, int64_t now)
{
    assert(c->watchers > 0 && now >= c->last_switch);
    if (now - c->last_switch > c->longest)
        c->longest = now - c->last_switch;
    c->last_switch = now;
}

static void note_wait(struct switch_clock *c, int64_t now)
{
    assert(now >= c->last_wait);
    if (now - c->last_wait > c->longest_wait)
        c->longest_wait = now - c->last_wait;
    c->last_wait = now;
}

void switch_clock_note(struct switch_clock *c, bool waits)
{
    int64_t now = hub_clock();
    c->switches++;
    note_switch(c, now);
    if (!waits)
        return;
    c->waits++;
    note_wait(c, now);
}

void switch_clock_reached(struct switch_clock *c)
{
    int64_t now = hub_clock();
    note_switch(c, now);
    note_wait(c, now);
}

void switch_clock_rested(struct switch_clock *c)
{
    c->last_switch = c->last_wait = hub_clock();
}
