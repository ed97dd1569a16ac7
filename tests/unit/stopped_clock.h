/*
 * A clock that stands still until the test lets it go on: then a deadline
 * passes when the test says so, and not because the machine was busy for the
 * few milliseconds in which something was to be done before it. Link with
 * -Wl,--wrap=clock_gettime (meson.build); only the library's and the test's own
 * calls are reached, and only the monotonic clocks stand.
 *
 *     clock_stop();
 *     start_what_is_to_wait(grove_now() + 5 * MS);
 *     expect_that_it_waits();      // however long that took
 *     clock_go_on(5 * MS);         // now it is due
 *
 * While it stands nothing that sleeps for a time is woken: yield, or await what
 * other threads do by usleep. After HANG it goes on by itself, for a test that
 * has failed meanwhile, or waits for a time that does not pass.
 */
#ifndef TESTS_UNIT_STOPPED_CLOCK_H
#define TESTS_UNIT_STOPPED_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "unit.h"

/* What it shows while it stands; 0: it does not. */
static _Atomic int64_t clock_stands;

/* What it has shown or skipped, and does not fall behind. */
static _Atomic int64_t clock_least;

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
    int r = __real_clock_gettime(id, ts);
    if (r != 0 || (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE))
        return r;
    int64_t now = (int64_t)ts->tv_sec * GROVE_SECOND + ts->tv_nsec;
    int64_t stands = clock_stands, least = clock_least;
    int64_t told = now > least ? now : least;
    if (stands && now < stands + HANG)
        told = stands;
    ts->tv_sec = (time_t)(told / GROVE_SECOND);
    ts->tv_nsec = (long)(told % GROVE_SECOND);
    return 0;
}

HELPER void clock_stop(void)
{
    clock_stands = grove_now();
}

/* Skip ns of time at once, and stand still there. */
HELPER void clock_skip(int64_t ns)
{
    clock_stands += ns;
}

/* Skip ns of the time for which it stood, and go on from there. */
HELPER void clock_go_on(int64_t ns)
{
    clock_least = clock_stands + ns;
    clock_stands = 0;
}

#endif
