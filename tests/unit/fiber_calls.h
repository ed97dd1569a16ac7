/*
 * Calls made in a fiber of their own, whose outcome is looked at from the
 * test's stack, where cmocka's assertions may leave by longjmp.
 */
#ifndef TESTS_UNIT_FIBER_CALLS_H
#define TESTS_UNIT_FIBER_CALLS_H

#include "unit.h"

#include "grove.h"
#include "hub/hub.h"

/* A call made in a fiber, and its outcome once finished. */
struct call {
    ssize_t (*make)(struct call *call); /* what is called; errno counts */
    const char *name;
    int fd;
    char *buf;
    size_t len;
    int flags;
    int64_t deadline;
    void *more; /* for make */
    int order;  /* 1 for the call that finished first, ... */
    ssize_t result;
    int error; /* 0 when result is not negative */
    bool finished;
    grove_fiber *fiber;
};

static int finished_calls;

static void *call_entry(void *arg)
{
    struct call *c = arg;
    errno = 0;
    c->result = c->make(c);
    c->error = c->result < 0 ? errno : 0;
    c->finished = true;
    c->order = ++finished_calls;
    return NULL;
}

/* Spawn the call and let it come as far as it does without waiting; it may give
 * us a turn on its way. */
HELPER void call_start(struct call *c)
{
    c->finished = false;
    if (!c->deadline)
        c->deadline = GROVE_NEVER;
    assert_int_equal(grove_spawn(&c->fiber, call_entry, c), 0);
    do
        grove_yield();
    while (c->fiber->state == FIBER_READY);
}

HELPER void call_finish(struct call *c)
{
    int r = grove_join_until(c->fiber, NULL, grove_now() + HANG);
    if (r == -ETIMEDOUT)
        grove_dump(STDERR_FILENO);
    check(r == 0, "%s: join returned %d", c->name, r);
    grove_release(c->fiber);
}

HELPER void expect_parked(const struct call *c)
{
    check(!c->finished, "%s did not wait: %zd, errno %d", c->name, c->result,
          c->error);
}

/* Start a call that is to wait. */
HELPER void start_parked(struct call *c)
{
    call_start(c);
    expect_parked(c);
}

HELPER void expect_error(struct call *c, int error)
{
    call_finish(c);
    check(c->result == -1 && c->error == error,
          "%s: %zd, errno %d, expected errno %d", c->name, c->result, c->error,
          error);
}

/* A call that is to wait until it is killed. */
HELPER void expect_end_by_kill(struct call *c)
{
    start_parked(c);
    assert_int_equal(grove_kill(c->fiber), 0);
    expect_error(c, ECANCELED);
}

HELPER void expect_result(struct call *c, ssize_t n)
{
    call_finish(c);
    check(c->result == n, "%s: %zd, errno %d, expected %zd", c->name, c->result,
          c->error, n);
}

#endif
