/*
 * The watchers of hub.loop, for the files that make them. See watcher.c.
 */
#ifndef GROVE_PYTHON_WATCHER_H
#define GROVE_PYTHON_WATCHER_H

#include "hub_object/hub_object.h"

struct watcher_kind;

/* What all have. Their objects begin with it. */
typedef struct Watcher {
    PyObject_HEAD
    const struct watcher_kind *kind; /* what is its sort's own */
    PyObject *loop;                  /* owned; whose thread it is on */
    PyObject *callback;              /* owned; NULL: none; there while active */
    PyObject *args;                  /* owned tuple; NULL: none */
    struct run run;                  /* queued: due; only while active */
    struct ring at;                  /* in its thread's ring, while active */
    int priority;                    /* -2 to 2; kept for those who read it */
    bool ref;                        /* keeps the loop going */
    bool closed;                     /* for good: it cannot be started */
    bool active; /* started and not stopped: refers to itself */
    bool live;   /* active, and it may happen yet: a timer that fires once is
                    not while it is called. Its own loop counts it */
    bool timed;  /* its hub has room for a timer of it; only while active */
} Watcher;

/* A sort of watcher: what is its own. Timers and waits are counted by
 * watcher_count as they are armed, fired and disarmed. */
struct watcher_kind {
    /* Have watcher_due called when it happens. -1 with an exception. */
    int (*arm)(Watcher *w);
    /* Have it no more, armed or not. */
    void (*disarm)(Watcher *w);
    /* Its turn has come, the callback is about to be called: what it gets (a
     * new reference; NULL with an exception). NULL: args. */
    PyObject *(*before)(Watcher *w);
    /* It has been called and is still active: 1: it stays so; 0: it stops; -1
     * with an exception. NULL: it stays so. */
    int (*after)(Watcher *w);
    /* How many of its timers and waits for descriptors are armed. NULL: it has
     * none, and holds the hub while it is active. */
    size_t (*armed)(const Watcher *w);
    /* What repr() tells of it: a new string. NULL: nothing. */
    PyObject *(*format)(Watcher *w);
};

/* The base class. */
extern PyTypeObject Watcher_Type;

static inline struct py_thread *watcher_thread(const Watcher *w)
{
    return loop_thread(w->loop);
}

/* What its callback gets: borrowed. */
static inline PyObject *watcher_args(const Watcher *w)
{
    return w->args ? w->args : greenlet_no_args;
}

static inline struct hub *watcher_hub(const Watcher *w)
{
    return watcher_thread(w)->hub;
}

/* For tp_new: loop (borrowed) is checked. NULL with an exception. */
Watcher *watcher_new(PyTypeObject *type, PyObject *loop, int ref,
                     PyObject *priority, const struct watcher_kind *kind);

/* For tp_new of watchers that take no arguments of their own: loop, ref,
 * priority. */
Watcher *watcher_new_plain(PyTypeObject *type, PyObject *args, PyObject *kwargs,
                           const struct watcher_kind *kind);

/* start(callback, *args), and again. -1 with an exception. */
int watcher_start(Watcher *w, PyObject *args);

/* stop(): nothing when it is not active. */
void watcher_stop(Watcher *w);

/* Whether it is a reason for the hub to go on, while it is active. */
static inline bool watcher_keeps_hub(const Watcher *w)
{
    return w->ref && !loop_is_own(w->loop);
}

/* Whether it may happen yet: a reason for a loop of its own to go on. */
static inline void watcher_live(Watcher *w, bool live)
{
    assert(w->active || !live);
    if (w->live != live && w->ref)
        loop_count(w->loop, live ? 1 : -1);
    w->live = live;
}

/* n more of its timers and waits are armed (or -n fewer). */
static inline void watcher_count(Watcher *w, int n)
{
    if (!watcher_keeps_hub(w))
        watcher_hub(w)->unref += (size_t)n;
}

/* Have room for a timer of w, which is active, until watcher_untimed. -1 with
 * an exception. */
static inline int watcher_timed(Watcher *w)
{
    assert(w->active);
    if (w->timed)
        return 0;
    if (timer_claim(&watcher_hub(w)->timers) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    w->timed = true;
    return 0;
}

/* It has no timer armed and will have none until it is started again. */
static inline void watcher_untimed(Watcher *w)
{
    if (w->timed)
        timer_unclaim(&watcher_hub(w)->timers);
    w->timed = false;
}

/* It has happened: its callback is due. */
static inline void watcher_due(Watcher *w)
{
    assert(w->active && !watcher_thread(w)->dead);
    if (!run_queued(&w->run))
        loop_due(w->loop, &w->run);
}

/* Whether the calling thread is its own; else -1 with InvalidThreadUseError.
 */
static inline int watcher_check_thread(const Watcher *w)
{
    return hub_object_check_thread(watcher_thread(w));
}

/* loop is destroyed: all of it that are active stop. */
void watchers_stop_of(PyObject *loop);

/* The thread ends: all that are active stop. */
void watchers_abandon(struct py_thread *t);

/* The thread of hub ends, and they have stopped: what was sent to them is not
 * called. async.c. */
void asyncs_abandon(struct hub *hub);

int watcher_traverse(PyObject *self, visitproc visit, void *arg);
int watcher_clear(PyObject *self);
void watcher_dealloc(PyObject *self);

/* The types; loop's factories call them. */
extern PyTypeObject TimerWatcher_Type;  /* timer.c */
extern PyTypeObject IoWatcher_Type;     /* io.c */
extern PyTypeObject SignalWatcher_Type; /* signal.c */
extern PyTypeObject AsyncWatcher_Type;  /* async.c */
extern PyTypeObject ChildWatcher_Type;  /* child.c */
extern PyTypeObject StatWatcher_Type;   /* stat.c */
extern PyTypeObject IdleWatcher_Type;   /* phases.c */
extern PyTypeObject PrepareWatcher_Type;
extern PyTypeObject CheckWatcher_Type;
extern PyTypeObject ForkWatcher_Type;

/* child.c's part of the module. 0 or -1. */
int child_init(PyObject *module);

/* The methods of the loop that make them. 0 or -1. */
int watcher_factories_init(void);

#endif
