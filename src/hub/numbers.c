/*
 * What a hub has done and holds, for other threads to read; and how long a
 * fiber that can run waits for its turn.
 *
 * The numbers themselves are the hub's own, and not atomic. About once a
 * millisecond they are copied out, and before each sleep once somebody has
 * asked, so that no switch costs more. A version, odd during the copying, tells
 * a reader whether what it has read belongs together; it tries again if not. Of
 * a hub whose fiber computes on and on the numbers are old, and their time
 * tells.
 *
 * The delay is measured by a stand-in: at a tick, if anybody is ready, a node
 * is put at the end of the run queue, which counts the time until its turn
 * comes and makes no fiber of it. So it waits as long as a fiber would that has
 * become ready then, behind all others and through the loop's looks.
 *
 *     tick: publish; stand-in -> end of the queue ... its turn: delays[i]++
 */
#include "hub/numbers.h"

#include <assert.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hub/clock.h"
#include "hub/hooks.h"
#include "hub/layout.h"
#include "hub/mailbox.h"
#include "hub/part.h"

/* Between two ticks: often enough to see a second's worth of delays, and seldom
 * enough to cost nothing. */
#define TICK GROVE_MILLISECOND

/* Delays shorter than 2 to this, in nanoseconds, are all counted as one. */
#define SHORTEST_LOG2 10

enum {
    TAKEN, /* when: the clock */
    SWITCHES,
    SPAWNED,
    POLLS,
    POSTS,
    OFFLOADS,
    LIVE,
    TIMERS,
    DESCRIPTORS,
    NAMES_ASKED,
    NAMES_FOUND,
    NAMES_FAILED,
    NAMES_TIMED_OUT,
    NAMES_TIME,
    WAITS, /* GROVE_WAIT_KINDS of them */
    NUMBERS = WAITS + GROVE_WAIT_KINDS
};

/* What a hub keeps. */
struct numbers {
    grove_post asked;         /* wakes a hub that sleeps, to sleep again */
    struct run stand_in;      /* in the run queue while a delay is measured */
    struct hub *hub;          /* whose it is */
    int64_t ready_since;      /* when stand_in was queued */
    _Atomic long thread;      /* the system's number of it */
    _Atomic unsigned version; /* of `published`; odd: being written */
    _Atomic uint64_t published[NUMBERS];
    _Atomic uint64_t delays[GROVE_DELAYS]; /* each by itself */
    _Atomic int64_t longest;               /* of them */
    _Atomic uint64_t sum;                  /* of them, in nanoseconds */
    _Atomic uint64_t stalls; /* counted by whoever sees one first: the hub, or
                                the watcher's thread */
};

static size_t offset; /* of a struct numbers */
_Atomic bool hub_numbers_wanted;

const struct hub_layout_numbers hub_layout_numbers = {
    .offset = &offset,
    .thread = offsetof(struct numbers, thread),
    .delays = offsetof(struct numbers, delays),
    .longest = offsetof(struct numbers, longest),
    .sum = offsetof(struct numbers, sum),
    .stalls = offsetof(struct numbers, stalls),
    .delays_count = GROVE_DELAYS,
    .delay_shortest = SHORTEST_LOG2,
};

/* ---- on the hub's thread: publishing ------------------------------------------ */

static inline void put(struct numbers *n, size_t which, uint64_t value)
{
    atomic_store_explicit(&n->published[which], value, memory_order_release);
}

void hub_numbers_publish(struct hub *hub, int64_t clock)
{
    struct numbers *n = hub_keeps(hub, offset);
    unsigned version = atomic_load_explicit(&n->version, memory_order_relaxed);
    uint64_t last =
        atomic_load_explicit(&n->published[TAKEN], memory_order_relaxed);
    assert(version % 2 == 0);
    /* Whoever reads one of the new numbers sees that the version is odd. */
    atomic_store_explicit(&n->version, version + 1, memory_order_relaxed);
    /* A hub without timers looks at a clock that is a little behind. */
    put(n, TAKEN, (uint64_t)clock > last ? (uint64_t)clock : last);
    put(n, SWITCHES, hub_switches(hub));
    /* Numbers begin at 1, the thread's own stack. */
    put(n, SPAWNED, hub->next_id - 2 - hub->loop_fibers);
    put(n, LIVE, hub_fibers(hub));
    put(n, POLLS, hub->loop.polls);
    put(n, POSTS, hub_posts(hub));
    put(n, OFFLOADS, hub->offloads);
    put(n, TIMERS, hub->timers.count);
    put(n, DESCRIPTORS, hub->loop.waits);
    put(n, NAMES_ASKED, hub->names.asked);
    put(n, NAMES_FOUND, hub->names.found);
    put(n, NAMES_FAILED, hub->names.failed);
    put(n, NAMES_TIMED_OUT, hub->names.timed_out);
    put(n, NAMES_TIME, hub->names.time);
    for (size_t i = 0; i < GROVE_WAIT_KINDS; i++)
        put(n, WAITS + i, hub->waits[i]);
    atomic_store_explicit(&n->version, version + 2, memory_order_release);
}

/* ---- on the hub's thread: delays ------------------------------------------------ */

static size_t place_of(int64_t delay)
{
    if (delay < INT64_C(1) << SHORTEST_LOG2)
        return 0;
    size_t log2 = 63 - (size_t)__builtin_clzll((unsigned long long)delay);
    size_t place = log2 - SHORTEST_LOG2 + 1;
    return place < GROVE_DELAYS ? place : GROVE_DELAYS - 1;
}

/* Nobody else writes them. */
static void count(_Atomic uint64_t *number, uint64_t by)
{
    uint64_t before = atomic_load_explicit(number, memory_order_relaxed);
    atomic_store_explicit(number, before + by, memory_order_relaxed);
}

static struct grove_fiber *turn_comes(struct run *run)
{
    struct numbers *n = container_of(run, struct numbers, stand_in);
    int64_t delay = hub_clock() - n->ready_since;
    assert(n->hub == hub_of_thread && delay >= 0);
    count(&n->delays[place_of(delay)], 1);
    count(&n->sum, (uint64_t)delay);
    if (delay > atomic_load_explicit(&n->longest, memory_order_relaxed))
        atomic_store_explicit(&n->longest, delay, memory_order_relaxed);
    return NULL;
}

void hub_numbers_tick(struct hub *hub)
{
    struct numbers *n = hub_keeps(hub, offset);
    hub->numbers_due = hub->now + TICK;
    hub_watch_look(hub); /* as often as this is often enough */
    hub_numbers_publish(hub, hub->now);
    if (run_queue_empty(&hub->queue) || run_queued(&n->stand_in))
        return;
    n->ready_since = hub_clock();
    hub_queue(hub, &n->stand_in);
}

size_t hub_due(const struct hub *hub, enum hub_due what)
{
    const struct numbers *n = hub_keeps(hub, offset);
    const struct run *ends = &hub->queue.ends;
    size_t due = 0;
    for (const struct run *run = ends->next; run != ends; run = run->next) {
        bool is_fiber = !run->call && !run->birth && run != &hub->root.run;
        due += what == HUB_DUE_FIBERS ? is_fiber : run != &n->stand_in;
    }
    return due;
}

/* ---- any thread: stalls --------------------------------------------------------- */

void hub_numbers_stall(struct hub *hub)
{
    struct numbers *n = hub_keeps(hub, offset);
    atomic_fetch_add_explicit(&n->stalls, 1, memory_order_relaxed);
}

/* ---- any thread: reading --------------------------------------------------------- */

static void wake_up(grove_post *post)
{
    (void)post;
}

void hub_numbers_ask(struct hub *hub)
{
    struct numbers *n = hub_keeps(hub, offset);
    atomic_store(&hub_numbers_wanted, true);
    grove_hub_post((grove_hub *)hub, &n->asked);
}

/* Whether what was read belongs together. */
static bool try_read(struct numbers *n, uint64_t read[NUMBERS])
{
    unsigned version = atomic_load_explicit(&n->version, memory_order_acquire);
    for (size_t i = 0; i < NUMBERS; i++)
        read[i] = atomic_load_explicit(&n->published[i], memory_order_acquire);
    return version % 2 == 0 &&
           version == atomic_load_explicit(&n->version, memory_order_relaxed);
}

void hub_numbers_read(struct hub *hub, grove_hub_info *info)
{
    struct numbers *n = hub_keeps(hub, offset);
    uint64_t read[NUMBERS];
    while (!try_read(n, read))
        ; /* a few stores are all that is waited for */
    *info = (grove_hub_info){
        .size = sizeof(*info),
        .hub = (grove_hub *)hub,
        .thread = atomic_load_explicit(&n->thread, memory_order_relaxed),
        .taken = (int64_t)read[TAKEN],
        .asleep = atomic_load(&hub->polling),
        .switches = read[SWITCHES],
        .spawned = read[SPAWNED],
        .ended = read[SPAWNED] - read[LIVE],
        .polls = read[POLLS],
        .posts = read[POSTS],
        .offloads = read[OFFLOADS],
        .live = read[LIVE],
        .timers = read[TIMERS],
        .descriptors = read[DESCRIPTORS],
        .names_asked = read[NAMES_ASKED],
        .names_found = read[NAMES_FOUND],
        .names_failed = read[NAMES_FAILED],
        .names_timed_out = read[NAMES_TIMED_OUT],
        .names_time = read[NAMES_TIME],
        .stalls = atomic_load_explicit(&n->stalls, memory_order_relaxed),
        .delay_longest =
            atomic_load_explicit(&n->longest, memory_order_relaxed),
        .delay_sum = atomic_load_explicit(&n->sum, memory_order_relaxed),
    };
    memcpy(info->waits, &read[WAITS], sizeof(info->waits));
    for (size_t i = 0; i < GROVE_DELAYS; i++)
        info->delays[i] =
            atomic_load_explicit(&n->delays[i], memory_order_relaxed);
}

/* ---- its life --------------------------------------------------------------------- */

static void note_thread(struct hub *hub)
{
    struct numbers *n = hub_keeps(hub, offset);
    atomic_store(&n->thread, (long)syscall(SYS_gettid));
}

static int begin(struct hub *hub)
{
    struct numbers *n = hub_keeps(hub, offset);
    n->hub = hub;
    n->asked.fn = wake_up;
    n->stand_in.birth = turn_comes;
    note_thread(hub);
    hub_numbers_publish(hub, hub->now);
    return 0;
}

const struct hub_fixture hub_numbers_fixture = {
    .size = sizeof(struct numbers),
    .offset = &offset,
    .begin = begin,
    .forked = note_thread,
};
