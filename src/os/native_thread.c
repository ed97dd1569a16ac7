/*
 * Threads of the library's own, and how many there are: hub_helpers, by which a
 * hub knows that they are no reason to expect anything.
 *
 * They block all signals: those are for the program's threads. A fork leaves
 * none of them to the child. Any thread may call these.
 */
#include "os/native_thread.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>

#include "hub/wait_shared.h"

static void in_child(void)
{
    atomic_store(&hub_helpers, 0);
}

static void once_a_process(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

int native_thread_start(void *(*run)(void *arg), void *arg, size_t stack)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    pthread_once(&once, once_a_process);
    int r = pthread_attr_init(&attr);
    if (r)
        return r;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, stack);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    atomic_fetch_add(&hub_helpers, 1);
    r = pthread_create(&thread, &attr, run, arg);
    if (r)
        atomic_fetch_sub(&hub_helpers, 1);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return r;
}

void native_thread_ends(void)
{
    unsigned before = atomic_fetch_sub(&hub_helpers, 1);
    assert(before > 0);
    (void)before;
}
