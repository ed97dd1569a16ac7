/*
 * libgrove-run.so, which `grove run` loads in front of a program: patches it
 * before its main begins, and tells at its end what was asked for.
 *
 * The environment is put back as it was, unless programs that it starts are to
 * be run so as well.
 */
#include <errno.h>
#include <grove.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gil.h"
#include "run.h"

/* ---- what was parked ------------------------------------------------------------ */

#define KINDS 64 /* of waits that are told apart; the last is all others */
#define FIBER_BITS 14
#define FIBERS (1 << FIBER_BITS) /* of which it is known when they parked */

static struct {
    pthread_mutex_t lock; /* of the rest: hubs of several threads tell */
    struct {
        const char *what; /* NULL: none yet */
        unsigned long parks;
        int64_t time; /* of those that were woken, in nanoseconds */
    } kind[KINDS];
    struct {
        const grove_fiber *fiber; /* the last that parked and came here */
        int kind;
        int64_t since;
    } parked[FIBERS];
} stats = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int kind_of(const char *what)
{
    int i = 0;
    while (i < KINDS - 1 && stats.kind[i].what &&
           strcmp(stats.kind[i].what, what) != 0)
        i++;
    if (!stats.kind[i].what)
        stats.kind[i].what = i < KINDS - 1 ? what : "others";
    return i;
}

static size_t place_of(const grove_fiber *f)
{
    uint64_t hash = (uint64_t)(uintptr_t)f * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> (64 - FIBER_BITS));
}

static void parks(grove_fiber *f, const char *what, int fd, void *arg)
{
    if (!what)
        return;
    pthread_mutex_lock(&stats.lock);
    size_t at = place_of(f);
    int kind = kind_of(what);
    stats.kind[kind].parks++;
    stats.parked[at].fiber = f;
    stats.parked[at].kind = kind;
    stats.parked[at].since = grove_now();
    pthread_mutex_unlock(&stats.lock);
}

static void wakes(grove_fiber *f, grove_fiber *by, int result, void *arg)
{
    pthread_mutex_lock(&stats.lock);
    size_t at = place_of(f);
    if (stats.parked[at].fiber == f) {
        stats.kind[stats.parked[at].kind].time +=
            grove_now() - stats.parked[at].since;
        stats.parked[at].fiber = NULL;
    }
    pthread_mutex_unlock(&stats.lock);
}

static void begin_stats(void)
{
    grove_hooks hooks = {.size = sizeof(hooks), .park = parks, .wake = wakes};
    grove_hooks_set(&hooks);
}

static void tell_stats(void)
{
    grove_hooks_set(NULL);
    dprintf(STDERR_FILENO, "grove: %-16s %10s %12s\n", "waited for", "times",
            "seconds");
    for (int i = 0; i < KINDS && stats.kind[i].what; i++)
        dprintf(STDERR_FILENO, "grove: %-16s %10lu %12.3f\n",
                stats.kind[i].what, stats.kind[i].parks,
                (double)stats.kind[i].time / GROVE_SECOND);
}

/* ---- beginning and end ------------------------------------------------------------ */

/* Ours is the first of the list. */
static void restore_environment(void)
{
    const char *list = getenv("LD_PRELOAD");
    const char *others = list ? strchr(list, ':') : NULL;
    if (others)
        setenv("LD_PRELOAD", others + 1, 1);
    else
        unsetenv("LD_PRELOAD");
    unsetenv(RUN_VARIABLE);
}

/* CPython's threads take turns anyway, by its lock, and faster on one. */
static unsigned hubs_for_program(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return gil_is_there() || n < 1 ? 1 : (unsigned)n;
}

static int patch(bool threads, bool syscalls, unsigned hubs, size_t stack)
{
    unsigned flags = syscalls ? GROVE_PATCH_SYSCALLS : 0;
    if (!threads)
        return grove_patch_all(flags);
    int r = grove_patch_cores(hubs ? hubs : hubs_for_program());
    if (r == 0)
        r = grove_patch_stack(stack);
    if (r == 0)
        r = grove_patch_all(GROVE_PATCH_THREADS | flags);
    if (r >= 0 && gil_is_there())
        gil_watch();
    return r;
}

/* The program has not begun. */
static void refuse(const char *why)
{
    dprintf(STDERR_FILENO, "grove: cannot run %s: %s\n",
            program_invocation_name, why);
    _exit(CANNOT_RUN);
}

static pid_t process; /* a forked child tells nothing */
static bool wants_stats;

__attribute__((constructor)) static void begin(void)
{
    const char *wishes = getenv(RUN_VARIABLE);
    char letters[8];
    unsigned hubs;
    size_t stack;
    if (!wishes || sscanf(wishes, "%7[^:]:%u:%zu", letters, &hubs, &stack) != 3)
        return;
    bool wants_report = strchr(letters, RUN_REPORT);
    wants_stats = strchr(letters, RUN_STATS);
    process = getpid();
    if (!strchr(letters, RUN_CHILDREN))
        restore_environment();
    bool syscalls = strchr(letters, RUN_SYSCALLS);
    if (syscalls && grove_patch_syscalls_refused())
        refuse(grove_patch_syscalls_refused());
    int r = patch(strchr(letters, RUN_THREADS), syscalls, hubs, stack);
    if (r < 0)
        dprintf(STDERR_FILENO, "grove: nothing is patched: %s\n", strerror(-r));
    if (wants_report)
        grove_patch_report(STDERR_FILENO);
    if (wants_stats)
        begin_stats();
}

__attribute__((destructor)) static void end(void)
{
    if (wants_stats && process == getpid())
        tell_stats();
}
