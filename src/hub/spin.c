/*
 * Spinning: what a hub does before it sleeps, when posts of other hubs have
 * lately come soon after it had fallen asleep. A sleep and its end cost two
 * system calls and the way through the kernel's scheduler, tens of
 * microseconds; a post that comes while the hub still looks costs none of it.
 *
 *              a post                    a post: its poster writes
 *         +--------------+          +------- to the eventfd -----+
 *         v              |          v                            |
 *       AWAKE --idle--> SPINNING    AWAKE        +---------> ASLEEP
 *         |              |                       |               ^
 *         |              +--in vain: polling = true, and a look--+
 *         +--no hope: polling = true, and a look at the mailbox--+
 *
 * To a poster the first two are one: it pushes its post and then reads
 * hub->polling, which is false. A hub that goes to sleep sets that and then
 * looks at the mailbox once more, so that no post is slept over (mailbox.c).
 *
 * What is spent in vain is bounded. When enough posts have come soon after the
 * hub fell asleep, it has SPIN_TRIAL spins, again as many after each that a
 * post has ended; once these are used up, twice as many such posts are enough
 * for the next trial, or half as many after each spin that was not in vain:
 *
 *   1. A hub to which nothing is sent spins SPIN_TRIAL times at most.
 *   2. Where spinning never helps (the poster is on the processor that the
 *      spinning takes from it), it spins SPIN_TRIAL times in
 *      SPIN_PATIENCE_MOST sleeps.
 *   3. Of the process's hubs fewer spin than there are processors: one is left
 *      to those who would post.
 *
 * With a host nobody spins: it has locks of its own to give away first.
 */
#include "hub/spin.h"

#include <assert.h>
#include <ctype.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "fiber/log.h"
#include "hub/clock.h"
#include "hub/list.h"
#include "hub/mailbox.h"
#include "hub/part.h"

/* Microseconds that the environment may ask for. */
#define TIME_MOST 1000

/* Looks between two at the clock. */
#define LOOKS 16

/* Looks of one spin at most, should the clock stand still. */
#define LOOKS_MOST 100000

/* Two hubs that talk to each other spin both for as long as a post is under
 * way: only after so many nanoseconds there are too many. */
#define GRACE 1000

struct spin {
    int left;                  /* of a trial; 0: the hub does not spin */
    int soon;                  /* posts that came soon, since the last trial */
    int patience;              /* so many of them are enough for the next */
    struct spin_counts counts; /* for tests */
};

static size_t offset;

/* How long a hub spins at most; 0: none does. */
static _Atomic int64_t spin_time = SPIN_TIME;

/* That this process may use, as last counted. */
static _Atomic int processors;

/* Hubs that spin at present, of all threads; on a cache line of its own. */
static struct {
    _Atomic int count;
} spinners __attribute__((aligned(64)));

static struct spin *spin_of(const struct hub *hub)
{
    return hub_keeps(hub, offset);
}

const struct spin_counts *hub_spin_counts(const struct hub *hub)
{
    return &spin_of(hub)->counts;
}

int hub_spinners(void)
{
    return atomic_load(&spinners.count);
}

int64_t hub_spin_set_time(int64_t ns)
{
    return atomic_exchange(&spin_time, ns);
}

static bool is_possible(const struct hub *hub)
{
    return !hub_list_is_alone(hub) && !hub->host && atomic_load(&spin_time) > 0;
}

/* ---- trials -------------------------------------------------------------------- */

/* A thread may be pinned to one processor and the others elsewhere: the first
 * thread's are counted as well. Both calls fail where there are more than
 * CPU_SETSIZE: enough. */
static int count_processors(void)
{
    cpu_set_t own, first, all;
    if (sched_getaffinity(0, sizeof(own), &own) < 0 ||
        sched_getaffinity(getpid(), sizeof(first), &first) < 0)
        return CPU_SETSIZE;
    CPU_OR(&all, &own, &first);
    return CPU_COUNT(&all);
}

static void came_soon(struct spin *s)
{
    s->counts.soon++;
    if (s->left > 0 || ++s->soon < s->patience)
        return;
    int n = count_processors(); /* they may have changed */
    atomic_store(&processors, n);
    s->soon = 0;
    s->left = n > 1 ? SPIN_TRIAL : 0;
}

static void was_found(struct spin *s)
{
    s->counts.found++;
    s->left = SPIN_TRIAL;
    if (s->patience > SPIN_PATIENCE_LEAST)
        s->patience /= 2;
}

static void was_vain(struct spin *s)
{
    assert(s->left > 0);
    s->counts.vain++;
    if (--s->left == 0 && s->patience < SPIN_PATIENCE_MOST)
        s->patience *= 2;
}

int64_t hub_spin_sleeps(const struct hub *hub)
{
    return is_possible(hub) ? hub_clock() : 0;
}

void hub_spin_slept(struct hub *hub, int64_t began)
{
    struct spin *s = spin_of(hub);
    assert(hub == hub_of_thread);
    if (!began || hub_clock() - began > SPIN_SOON)
        return;
    came_soon(s);
}

/* ---- a spin -------------------------------------------------------------------- */

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool start(void)
{
    if (atomic_fetch_add(&spinners.count, 1) < atomic_load(&processors))
        return true;
    atomic_fetch_sub(&spinners.count, 1);
    return false;
}

static void stop(void)
{
    int before = atomic_fetch_sub(&spinners.count, 1);
    assert(before > 0);
    (void)before;
}

/* Stops if there is no processor left; of several hubs as many as need be. */
static bool give_way(void)
{
    int n = atomic_load(&spinners.count);
    while (n >= atomic_load(&processors)) {
        if (atomic_compare_exchange_weak(&spinners.count, &n, n - 1))
            return true;
    }
    return false;
}

static bool comes_at_once(const struct hub *hub)
{
    for (int i = 0; i < LOOKS; i++) {
        if (hub_has_mail(hub))
            return true;
        pause_briefly();
    }
    return false;
}

/* Started; stops. */
static bool comes_within(const struct hub *hub, int64_t ns)
{
    int64_t began = hub_clock(), spent = 0;
    int looks = 0;
    bool found = false;
    while (!found && spent < ns && looks < LOOKS_MOST) {
        found = comes_at_once(hub);
        looks += LOOKS;
        spent = hub_clock() - began;
        if (!found && spent >= GRACE && give_way())
            return false;
    }
    stop();
    return found;
}

bool hub_spin(struct hub *hub, int64_t timeout)
{
    struct spin *s = spin_of(hub);
    int64_t ns = atomic_load(&spin_time);
    assert(hub == hub_of_thread && !atomic_load(&hub->polling));
    if (likely(s->left == 0) || !is_possible(hub))
        return false;
    if (hub->loop.waits && loop_poll(&hub->loop, 0) > 0)
        return true;
    if (!start())
        return false;
    if (timeout >= 0 && timeout < ns)
        ns = timeout;
    bool found = comes_within(hub, ns);
    if (found)
        was_found(s);
    else
        was_vain(s);
    return found;
}

/* ---- its beginnings ------------------------------------------------------------ */

static int begin(struct hub *hub)
{
    spin_of(hub)->patience = SPIN_PATIENCE_LEAST;
    return 0;
}

static void read_environment(void)
{
    const char *wish = getenv("GROVE_SPIN");
    if (!wish)
        return;
    char *end;
    unsigned long us = strtoul(wish, &end, 10);
    if (isdigit((unsigned char)*wish) && !*end && us <= TIME_MOST) {
        hub_spin_set_time((int64_t)us * GROVE_MICROSECOND);
        return;
    }
    log_tell(GROVE_LOG_WARNING,
             "GROVE_SPIN is \"%s\"; expected microseconds from 0 to %d; using "
             "%d",
             wish, TIME_MOST, (int)(SPIN_TIME / GROVE_MICROSECOND));
}

/* The other threads' hubs are not there. */
static void forked(struct hub *hub)
{
    (void)hub;
    atomic_store(&spinners.count, 0);
}

const struct hub_fixture hub_spin_fixture = {
    .size = sizeof(struct spin),
    .offset = &offset,
    .once = read_environment,
    .begin = begin,
    .forked = forked,
};
