/*
 * Threads with a hub each, whose fibers say by what they return whether all
 * went well: NULL, or FAILURE of what went wrong. cmocka's assertions are for
 * the test's own thread only.
 */
#ifndef TESTS_UNIT_HUB_THREADS_H
#define TESTS_UNIT_HUB_THREADS_H

#include "unit.h"

#include <pthread.h>

#include "grove.h"

/* What a fiber or thread returns when something is wrong. */
#define FAILURE(what) ((void *)(uintptr_t)(what))

/* What in_fibers has room for. */
#define MOST_FIBERS 8

/* fn(arg) in n fibers of this thread at once; NULL, or the last of their
 * failures. */
HELPER void *in_fibers(int n, void *(*fn)(void *), void *arg)
{
    grove_fiber *f[MOST_FIBERS];
    void *failure = NULL;
    if (n > MOST_FIBERS)
        return FAILURE("more fibers than in_fibers has room for");
    for (int i = 0; i < n; i++)
        if (grove_spawn(&f[i], fn, arg) != 0)
            return FAILURE("spawn");
    for (int i = 0; i < n; i++) {
        void *value;
        if (grove_join(f[i], &value) != 0 || value)
            failure = value ? value : FAILURE("join");
        grove_release(f[i]);
    }
    return failure;
}

/* fn(i) on each of n threads. */
HELPER void start_threads(pthread_t *threads, int n, void *(*fn)(void *))
{
    for (int i = 0; i < n; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, fn, (void *)(intptr_t)i), 0);
}

/* Waits for all; none may have failed. */
HELPER void join_threads(const pthread_t *threads, int n)
{
    const char *failure = NULL;
    for (int i = 0; i < n; i++) {
        void *value;
        assert_int_equal(pthread_join(threads[i], &value), 0);
        failure = value ? value : failure;
    }
    check(!failure, "%s", failure);
}

#endif
