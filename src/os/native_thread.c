/*
 * Threads of the library's own, which are counted (hub/library_threads.h), so
 * that a hub knows that they are no reason to expect anything.
 *
 * They block all signals: those are for the program's threads. A fork leaves
 * none of them to the child. Any thread may call these.
 */
#include "os/native_thread.h"

#include <pthread.h>
#include <signal.h>

#include "hub/library_threads.h"

static void in_child(void)
{
    hub_library_threads_forked();
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
    hub_library_thread_begins();
    r = pthread_create(&thread, &attr, run, arg);
    if (r)
        hub_library_thread_ends();
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return r;
}

void native_thread_ends(void)
{
    hub_library_thread_ends();
}
