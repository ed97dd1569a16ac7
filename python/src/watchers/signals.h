/*
 * Who is told of a signal, in a Hub; see signal.c. With the GIL held.
 */
#ifndef GROVE_PYTHON_SIGNALS_H
#define GROVE_PYTHON_SIGNALS_H

#include "watchers/watcher.h"

/* In place. fn is called in the Hub, once for all signals that came since. */
struct signal_link {
    struct signal_link *next; /* NULL: not linked */
    struct signal_link *prev; /* valid while it is linked */
    void (*fn)(struct signal_link *link);
};

/* Tell link of signal number, in t's Hub; nothing if it is told already. -1
 * with OSError (KILL, STOP), or RuntimeError: another thread's hub is. */
int signal_watch(struct py_thread *t, int number, struct signal_link *link);

void signal_unwatch(int number, struct signal_link *link);

/* t ends: nobody of its is told any more. */
void signal_thread_end(struct py_thread *t);

#endif
