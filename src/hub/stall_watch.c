/*
 * The watcher: a thread that looks now and then whether hubs turn, and tells of
 * one that does not where it is held up. It begins when a hub has seen a stall
 * of its own (stall.c), or when it is asked for; in the child of a fork it is
 * not there, and in the parent it has ended before the fork: Python counts
 * threads there.
 *
 *     look --> a hub turned, or is held up  --> look again, limit / 2 later
 *          --> all hubs sleep --> waits for one that is awake (listens)
 *
 * What it looks at are words that hubs write anyway: how many switches and
 * polls there were, and who runs. A hub that sleeps is at `polling`, and is no
 * stall; nor is time in which the watcher itself did not come to run, or in
 * which others had the processor that the hub's thread was ready for.
 *
 * Invariants:
 *   1. `running` changes under `life`, which a fork holds.
 *   2. A hub that is found in the ring while `looking` is held does not end
 *      before that is let go: its end waits for it.
 *   3. Between the look at all hubs that finds none awake and the wait that
 *      follows, `hub_stall_listens` is set: a hub first says that it is awake,
 *      or is added to the ring, and then looks at that, so that one of the two
 *      sees the other.
 */
#include <assert.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fiber/log.h"
#include "hub/clock.h"
#include "hub/library_threads.h"
#include "hub/list.h"
#include "hub/numbers.h"
#include "hub/stall.h"

#define STACK ((size_t)256 << 10)

/* Between two that are told of. */
#define SILENCE GROVE_SECOND

_Atomic bool hub_stall_listens;

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t looking = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;      /* while running */
static _Atomic bool running;  /* there is a watcher */
static _Atomic bool ending;   /* it is to end */
static _Atomic bool seen;     /* a stall was, so that there is to be one */
static _Atomic unsigned bell; /* rung so often */
static _Atomic int64_t told;  /* the clock, when one was told of last */

/* Whether it is the caller's to tell of one at `now`; *before is what untell is
 * to be given if nothing came of it. */
static bool may_tell(int64_t now, int64_t *before)
{
    *before = atomic_load(&told);
    return (!*before || now - *before >= SILENCE) &&
           atomic_compare_exchange_strong(&told, before, now);
}

/* ---- a look ----------------------------------------------------------------------- */

struct look {
    int64_t limit;
    int64_t passed;  /* nanoseconds since the last one */
    bool any;        /* a hub is awake */
    struct hub *hub; /* that is held up; NULL: none that is to be told of */
};

/* Whether anybody waits for the hub's turns: as hub_stall_matters. */
__attribute__((no_sanitize("address", "thread"))) static bool
matters(const struct hub *hub)
{
    bool is_free =
        STALL_PEEK(hub->current) == &hub->root &&
        (STALL_PEEK(hub->timers.claims) == STALL_PEEK(hub->timers.others) ||
         STALL_PEEK(hub->embedded));
    return STALL_PEEK(hub->turned) && !STALL_PEEK(hub->told_elsewhere) &&
           !is_free;
}

/* Of the time since the last look, what the thread has run or waited in the
 * kernel: where it is ready to run it may wait for a processor now, for which
 * nobody can be blamed. */
static int64_t spent(const struct stall *s, const struct frames_times *before,
                     int64_t passed)
{
    int64_t ran = s->times.ran - before->ran;
    int64_t preempted = s->times.preempted - before->preempted;
    if (s->times.ran == 0)
        return passed;
    if (frames_doing(atomic_load(&s->thread)) == FRAMES_RUNS)
        return ran < passed ? ran : passed;
    return preempted < passed ? passed - preempted : 0;
}

/* Whether it is where it was at the last look. */
__attribute__((no_sanitize("address", "thread"))) static bool
stands(const struct hub *hub, struct stall *s)
{
    uint64_t switches = hub_stall_switches(hub);
    uint64_t polls = STALL_PEEK(hub->loop.polls);
    const struct grove_fiber *current = STALL_PEEK(hub->current);
    bool same = s->known && switches == s->switches && polls == s->polls &&
                current == s->current;
    s->switches = switches;
    s->polls = polls;
    s->current = current;
    s->known = true;
    return same;
}

static void look_at(struct hub *hub, void *arg)
{
    struct look *look = arg;
    struct stall *s = hub_stall_of(hub);
    bool asleep = atomic_load(&hub->polling);
    look->any |= !asleep;
    if (asleep || !matters(hub)) {
        s->known = false;
        return;
    }
    struct frames_times before = s->times;
    frames_times(atomic_load(&s->thread), &s->times);
    if (!stands(hub, s)) {
        s->lasted = 0;
        s->was_told = false;
    } else {
        s->lasted += spent(s, &before, look->passed);
        if (s->lasted >= look->limit && !s->was_told)
            look->hub = hub;
    }
}

/* Its stall, unless another one was told of lately. */
static void tell(struct hub *hub)
{
    struct stall *s = hub_stall_of(hub);
    struct stall_sight sight;
    int64_t before;
    if (!may_tell(hub_clock(), &before))
        return;
    hub_stall_see(&sight, hub);
    if (!sight.seen) {
        atomic_store(&told, before);
        return;
    }
    s->was_told = true;
    hub_numbers_stall(hub);
    atomic_store(&s->told, hub_clock());
    hub_stall_tell(&sight, s->lasted);
}

/* Whether it is to look again soon. */
static bool look_around(int64_t passed)
{
    struct look look = {.limit = atomic_load(&hub_stall_limit),
                        .passed = passed};
    if (look.limit == STALL_NEVER)
        return false;
    pthread_mutex_lock(&looking);
    hub_list_each(look_at, &look);
    if (look.hub && !frames_traced())
        tell(look.hub);
    pthread_mutex_unlock(&looking);
    return look.any;
}

/* ---- its thread ------------------------------------------------------------------- */

/* Until the bell has rung more than `heard` times, or for ns; -1: for as long
 * as it takes. */
static void pause_for(unsigned heard, int64_t ns)
{
    struct timespec time = {.tv_sec = ns / GROVE_SECOND,
                            .tv_nsec = (long)(ns % GROVE_SECOND)};
    syscall(SYS_futex, &bell, FUTEX_WAIT_PRIVATE, heard, ns < 0 ? NULL : &time,
            NULL, 0);
}

/* How long it was. Where it comes back late others may not have run either: one
 * look alone makes no stall, whatever has stopped the process. */
static int64_t pause_between_looks(unsigned heard)
{
    int64_t limit = atomic_load(&hub_stall_limit);
    int64_t ns = limit == STALL_NEVER ? GROVE_SECOND : limit / 2;
    int64_t began = hub_clock();
    pause_for(heard, ns);
    int64_t passed = hub_clock() - began;
    return passed < ns + ns / 2 ? passed : ns + ns / 2;
}

/* All hubs sleep. Rung once, it looks later: a hub that sleeps and wakes all
 * the time rings no oftener than that. */
static void wait_for_any(unsigned heard)
{
    atomic_store(&hub_stall_listens, true);
    if (!look_around(0))
        pause_for(heard, -1);
    atomic_store(&hub_stall_listens, false);
}

static void *watch(void *arg)
{
    int64_t passed = 0;
    while (!atomic_load(&ending)) {
        unsigned heard = atomic_load(&bell);
        if (!look_around(passed)) {
            wait_for_any(heard);
            heard = atomic_load(&bell);
        }
        passed = atomic_load(&ending) ? 0 : pause_between_looks(heard);
    }
    return arg;
}

/* Signals are for the program's threads, but a fault of its own is its. */
static int start(void)
{
    pthread_attr_t attr;
    sigset_t most, before;
    int r = pthread_attr_init(&attr);
    if (r)
        return r;
    pthread_attr_setstacksize(&attr, STACK);
    sigfillset(&most);
    sigdelset(&most, SIGSEGV);
    pthread_sigmask(SIG_SETMASK, &most, &before);
    atomic_store(&ending, false);
    r = pthread_create(&thread, &attr, watch, NULL);
    if (r == 0)
        pthread_setname_np(thread, "grove-stalls");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return r;
}

void hub_stall_watch(void)
{
    pthread_mutex_lock(&life);
    if (!atomic_load(&running)) {
        hub_library_thread_begins();
        if (start() == 0)
            atomic_store(&running, true);
        else
            hub_library_thread_ends();
    }
    pthread_mutex_unlock(&life);
}

static bool is_wanted(void)
{
    const grove_stalls settings = hub_stall_settings();
    return settings.limit &&
           (settings.watch || settings.fn || atomic_load(&seen));
}

void hub_stall_ring(void)
{
    atomic_store(&hub_stall_listens, false);
    if (!atomic_load(&running) && is_wanted())
        hub_stall_watch();
    atomic_fetch_add(&bell, 1);
    syscall(SYS_futex, &bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- around a fork ----------------------------------------------------------------- */

static void before_fork(void)
{
    pthread_mutex_lock(&life);
    if (atomic_load(&running)) {
        atomic_store(&ending, true);
        atomic_fetch_add(&bell, 1);
        syscall(SYS_futex, &bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        pthread_join(thread, NULL);
        hub_library_thread_ends();
        atomic_store(&running, false);
    }
    pthread_mutex_lock(&looking);
    hub_stall_settings_lock();
}

/* It begins again when a hub has slept. */
static void in_parent(void)
{
    hub_stall_settings_unlock();
    pthread_mutex_unlock(&looking);
    atomic_store(&hub_stall_listens, is_wanted());
    pthread_mutex_unlock(&life);
}

static void in_child(void)
{
    atomic_store(&seen, false);
    in_parent();
}

/* ---- a hub's part of it ------------------------------------------------------------ */

/* A callback of the hub, which has noted a stall. */
static void tell_over(struct run *run)
{
    struct stall *s = container_of(run, struct stall, tell);
    int64_t before;
    if (frames_traced() || !may_tell(hub_clock(), &before))
        return;
    hub_stall_tell_over(s);
    atomic_store(&seen, true);
    hub_stall_watch();
}

static void note_thread(struct hub *hub)
{
    struct stall *s = hub_stall_of(hub);
    atomic_store(&s->thread, (long)syscall(SYS_gettid));
    s->known = false;
    hub_stall_ask(hub, hub_clock_coarse());
    hub->turned = 0;
}

static int begin(struct hub *hub)
{
    hub_stall_of(hub)->tell.call = tell_over;
    note_thread(hub);
    if (is_wanted())
        hub_stall_watch();
    return 0;
}

/* The watcher may be at it. */
static void end(struct hub *hub)
{
    struct stall *s = hub_stall_of(hub);
    if (run_queued(&s->tell))
        run_queue_remove(&s->tell);
    pthread_mutex_lock(&looking);
    pthread_mutex_unlock(&looking);
}

/* A fork lets go of the locks of the log and of the ring of hubs after it has
 * ended the watcher, which may want them. */
static void once(void)
{
    hub_stall_read_environment();
    log_prepare();
    pthread_atfork(before_fork, in_parent, in_child);
}

const struct hub_fixture hub_stall_fixture = {
    .size = sizeof(struct stall),
    .offset = &hub_stall_offset,
    .once = once,
    .begin = begin,
    .end = end,
    .forked = note_thread,
};
