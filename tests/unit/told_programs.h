/*
 * A small program and the events in it, as lines of tests of the hooks and of
 * the trace, which are to tell of the same.
 */
#ifndef TESTS_UNIT_TOLD_PROGRAMS_H
#define TESTS_UNIT_TOLD_PROGRAMS_H

#include "unit.h"

/* What was told so far, as lines. */
struct told {
    char text[4096];
    size_t length;
};

__attribute__((format(printf, 2, 3))) HELPER void tell(struct told *t,
                                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof(t->text) - t->length;
    int n = vsnprintf(t->text + t->length, room, format, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < room);
    t->length += (size_t)n;
    errno = EDOM; /* which nobody must find in theirs */
}

HELPER grove_fiber *spawn(const char *called, void *(*fn)(void *), void *arg)
{
    grove_fiber *f;
    grove_attr attr = {.name = called};
    assert_int_equal(grove_spawn_with(&f, &attr, fn, arg), 0);
    return f;
}

HELPER void join(grove_fiber *f)
{
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

HELPER void *wait_for_event(void *event)
{
    errno = ENOTTY;
    assert_int_equal(grove_event_wait(event), 0);
    assert_int_equal(errno, ENOTTY);
    return NULL;
}

HELPER void *set_event(void *event)
{
    grove_event_set(event);
    grove_yield();
    return NULL;
}

HELPER void run_small_program(void)
{
    grove_event e = GROVE_EVENT_INIT;
    grove_fiber *a = spawn("a", wait_for_event, &e);
    grove_fiber *b = spawn("b", set_event, &e);
    join(a);
    join(b);
}

#define SMALL_PROGRAM \
    "a spawned by main\n" \
    "b spawned by main\n" \
    "main parks in join -1\n" \
    "main -> a\n" \
    "a parks in event -1\n" \
    "a -> b\n" \
    "a woken by b with 0\n" \
    "b -> a\n" \
    "main woken by a with 0\n" \
    "a ends\n" \
    "a -> b\n" \
    "b ends\n" \
    "b -> main\n"

#endif
