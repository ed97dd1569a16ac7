/*
 * sleep and its kin.
 *
 * What is left when a signal ends them is told as libc does. A sleep until a
 * time of the wall clock is looked at again whenever it is over, for the clock
 * may have been set back meanwhile; set forward, it ends a second late at most.
 *
 * Where a host has ended the fiber's waits, for something that it will tell the
 * fiber itself, a sleep is over, and not in error: whoever slept goes on, and
 * is told.
 */
#include <time.h>
#include <unistd.h>

#include "patch/call.h"
#include "patch/duration.h"
#include "patch/functions.h"

/* Between two looks at another clock. */
#define LOOK GROVE_SECOND

/* 0, or an errno; what is left in *left, if it was ended and somebody asks. */
static int sleep_for(int64_t ns, struct timespec *left)
{
    int64_t end = hub_deadline(ns);
    int r = -grove_sleep_until(end);
    if (r != 0 && left)
        *left = duration_left(end);
    return r;
}

static int64_t now_on(clockid_t clock)
{
    struct timespec now;
    return clock_gettime(clock, &now) == 0 ? duration_of(&now) : GROVE_NEVER;
}

/* Until the time on that clock. */
static int sleep_until(clockid_t clock, int64_t time)
{
    int r = 0;
    for (int64_t now = now_on(clock); r == 0 && now < time;
         now = now_on(clock)) {
        int64_t ns = time - now;
        r = -grove_sleep(ns < LOOK ? ns : LOOK);
    }
    return r;
}

/* Clocks whose seconds are those of our own. */
static bool is_steady(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC ||
           clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
}

int patch_clock_nanosleep(clockid_t clock, int flags,
                          const struct timespec *time, struct timespec *left)
{
    struct hub *hub = patch_hub();
    /* Others it refuses, or they count what only the thread itself uses up. */
    if (likely(!hub) || !duration_is_valid(time) || !is_steady(clock))
        return clock_nanosleep(clock, flags, time, left);
    struct patch_call call;
    patch_call_begin(&call, hub, PATCH_INTERRUPTED);
    int r = flags & TIMER_ABSTIME ? sleep_until(clock, duration_of(time))
                                  : sleep_for(duration_of(time), left);
    patch_call_end(&call, true); /* it leaves errno alone */
    if (r == ECANCELED && call.fiber->host)
        r = 0;
    if (r != 0 && thread_self) {
        thread_act();
        errno = call.error;
    }
    return r;
}

int patch_nanosleep(const struct timespec *time, struct timespec *left)
{
    if (likely(!patch_hub()))
        return nanosleep(time, left);
    if (!duration_is_valid(time)) {
        errno = EINVAL;
        return -1;
    }
    int r = patch_clock_nanosleep(CLOCK_REALTIME, 0, time, left);
    if (r == 0)
        return 0;
    errno = r;
    return -1;
}

int patch_usleep(useconds_t us)
{
    struct timespec time = {us / 1000000, us % 1000000 * 1000};
    return patch_nanosleep(&time, NULL);
}

/* libc's results: -1 is a signal, others are errors. */
int patch_thrd_sleep(const struct timespec *time, struct timespec *left)
{
    int r = patch_clock_nanosleep(CLOCK_REALTIME, 0, time, left);
    return r == 0 ? 0 : r == EINTR ? -1 : -2;
}

unsigned patch_sleep(unsigned seconds)
{
    struct timespec time = {seconds, 0}, left = {0, 0};
    if (likely(!patch_hub()))
        return sleep(seconds);
    int error = errno;
    if (patch_nanosleep(&time, &left) == 0) {
        errno = error;
        return 0;
    }
    return (unsigned)left.tv_sec; /* whole seconds, as libc has it */
}
