/*
 * The threads that have touched a greenlet and live, linked by next, and how
 * long the struct of one stays: until its greenlets, which may outlive it, are
 * gone, too.
 *
 * With the GIL held, on any thread. thread_cached is the one that was asked for
 * last: whoever uses it compares its thread state first.
 */
#include "raw/private.h"

struct py_thread *thread_cached;
static struct py_thread *threads;

void thread_unref(struct py_thread *t)
{
    assert(t->references > 0);
    if (--t->references == 0) {
        assert(thread_cached != t && !t->main && !t->current && !t->left);
        PyMem_Free(t);
    }
}

void roster_add(struct py_thread *t)
{
    assert(t->references > 0 && !thread_look_up(t->tstate));
    t->next = threads;
    threads = t;
}

void roster_remove(struct py_thread *t)
{
    for (struct py_thread **at = &threads; *at; at = &(*at)->next) {
        if (*at == t) {
            *at = t->next;
            break;
        }
    }
    if (thread_cached == t)
        thread_cached = NULL;
}

struct py_thread *thread_first(void)
{
    return threads;
}

struct py_thread *thread_look_up(PyThreadState *tstate)
{
    struct py_thread *t = threads;
    while (t && t->tstate != tstate)
        t = t->next;
    return t;
}
