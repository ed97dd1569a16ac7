/*
 * loop.signal(signum, ref=True, priority=None): a watcher of a signal.
 *
 * While one is active the process's action for the signal is ours: it posts to
 * the hub of the watcher, which wakes it and calls back. Python's handler for
 * it, if there is one, is not called meanwhile, and neither is any other's; the
 * last watcher that stops puts the former action back. All watchers of a signal
 * belong to one loop.
 *
 * The action runs in any thread, at any moment: it touches nothing but the
 * slot's hub and post, which stay valid while it is installed.
 */
#include "watchers/signals.h"

#include <signal.h>

#define SIGNALS 65 /* numbers 1 to 64 */

struct slot {
    struct hub *hub;          /* NULL: not installed */
    struct py_thread *thread; /* its; valid while it is installed */
    grove_post post;          /* on_post; sent by the action, many times */
    struct signal_link ends;  /* of the ring of the links: none is empty while
                                 it is installed */
    struct sigaction former;  /* the action that ours stands for */
};

static struct slot slots[SIGNALS];

static void on_signal(int number)
{
    int saved = errno;
    struct slot *slot = &slots[number];
    struct hub *hub = slot->hub;
    if (hub)
        grove_hub_post((grove_hub *)hub, &slot->post);
    errno = saved;
}

/* In the Hub. A link may go while the others are told. */
static void on_post(grove_post *post)
{
    struct slot *slot = container_of(post, struct slot, post);
    for (struct signal_link *link = slot->ends.next, *next;
         link && link != &slot->ends; link = next) {
        next = link->next;
        link->fn(link);
    }
}

static int install(struct slot *slot, int number, struct py_thread *t)
{
    assert(!slot->hub && t->hub);
    slot->post.fn = on_post;
    slot->ends.next = slot->ends.prev = &slot->ends;
    slot->thread = t;
    slot->hub = t->hub;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    if (sigaction(number, &action, &slot->former) == 0)
        return 0;
    slot->hub = NULL;
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

int signal_watch(struct py_thread *t, int number, struct signal_link *link)
{
    assert(number > 0 && number < SIGNALS && link->fn);
    struct slot *slot = &slots[number];
    if (link->next)
        return 0;
    if (slot->hub && slot->thread != t) {
        PyErr_Format(PyExc_RuntimeError,
                     "signal %d is watched by the loop of another thread",
                     number);
        return -1;
    }
    if (!slot->hub && install(slot, number, t) < 0)
        return -1;
    link->next = &slot->ends;
    link->prev = slot->ends.prev;
    slot->ends.prev->next = link;
    slot->ends.prev = link;
    return 0;
}

static void uninstall(struct slot *slot, int number)
{
    assert(slot->hub && slot->ends.prev == &slot->ends);
    struct sigaction now;
    /* Unless somebody has set another since. */
    if (sigaction(number, NULL, &now) == 0 && now.sa_handler == on_signal)
        sigaction(number, &slot->former, NULL);
    slot->hub = NULL;
}

void signal_unwatch(int number, struct signal_link *link)
{
    struct slot *slot = &slots[number];
    if (!link->next)
        return;
    assert(slot->hub && link->prev->next == link && link->next->prev == link);
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
    if (slot->ends.next == &slot->ends)
        uninstall(slot, number);
}

void signal_thread_end(struct py_thread *t)
{
    for (int number = 1; number < SIGNALS; number++) {
        struct slot *slot = &slots[number];
        if (!slot->hub || slot->thread != t)
            continue;
        while (slot->ends.next != &slot->ends)
            signal_unwatch(number, slot->ends.next);
        assert(!slot->hub);
    }
}

/* ---- the watcher --------------------------------------------------------- */

typedef struct SignalWatcher {
    Watcher base;
    struct signal_link link; /* linked while it is active */
    int number;              /* of the signal, 1 to SIGNALS - 1 */
} SignalWatcher;

static void told(struct signal_link *link)
{
    watcher_due(&container_of(link, SignalWatcher, link)->base);
}

static int signal_arm(Watcher *w)
{
    SignalWatcher *s = (SignalWatcher *)w;
    return signal_watch(watcher_thread(w), s->number, &s->link);
}

static void signal_disarm(Watcher *w)
{
    SignalWatcher *s = (SignalWatcher *)w;
    signal_unwatch(s->number, &s->link);
}

static PyObject *signal_format(Watcher *w)
{
    return PyUnicode_FromFormat(" signalnum=%d", ((SignalWatcher *)w)->number);
}

static const struct watcher_kind signal_kind = {
    .arm = signal_arm, .disarm = signal_disarm, .format = signal_format};

static PyObject *signal_new(PyTypeObject *type, PyObject *args,
                            PyObject *kwargs)
{
    static char *names[] = {(char *)"loop", (char *)"signalnum", (char *)"ref",
                            (char *)"priority", NULL};
    PyObject *loop, *priority = NULL;
    int number, ref = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oi|pO:signal", names, &loop,
                                     &number, &ref, &priority))
        return NULL;
    if (number < 1 || number >= SIGNALS) {
        PyErr_Format(PyExc_ValueError,
                     "illegal signal number: %d (it must be 1 to %d)", number,
                     SIGNALS - 1);
        return NULL;
    }
    SignalWatcher *s =
        (SignalWatcher *)watcher_new(type, loop, ref, priority, &signal_kind);
    if (s) {
        s->number = number;
        s->link.fn = told;
    }
    return (PyObject *)s;
}

PyTypeObject SignalWatcher_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.signal",
    .tp_doc = "Calls back when a signal comes.",
    .tp_basicsize = sizeof(SignalWatcher),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = signal_new,
    .tp_traverse = watcher_traverse,
    .tp_clear = watcher_clear,
    .tp_dealloc = watcher_dealloc,
};
