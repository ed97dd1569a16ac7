/*
 * loop.child(pid, trace=0, ref=True): a watcher of a child process that ends.
 * It reaps the child. A descriptor tells of the end (child.h), so that SIGCHLD
 * is left alone, and no other child is touched; only for pid 0, any child,
 * SIGCHLD is watched. On the main thread's loop only, as in gevent.
 */
#include "watchers/signals.h"

#include "os/child.h"

#include <structmember.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct ChildWatcher {
    Watcher base;
    struct loop_wait wait;   /* for child.end; back set: armed */
    struct signal_link link; /* linked while active, if pid is 0 */
    struct child child;      /* its end: ours to close; -1: none */
    int pid;                 /* the child; 0: any */
    int rpid;                /* the one that was reaped last; 0: none yet */
    int rstatus;             /* its status, as waitpid gives it */
} ChildWatcher;

static void forget_child(ChildWatcher *c)
{
    if (c->child.end < 0)
        return;
    struct hub *hub = watcher_hub(&c->base);
    if (c->wait.back) {
        loop_wait_remove(&hub->loop, &c->wait);
        hub->unref--;
    }
    hub_closing(c->child.end);
    close(c->child.end);
    c->child.end = -1;
}

/* Whether a child has ended, which is reaped then. */
static bool reap(ChildWatcher *c)
{
    int status = 0;
    pid_t r = waitpid(c->pid ? c->pid : -1, &status, WNOHANG);
    if (r > 0) {
        c->rpid = r;
        c->rstatus = status;
    } else if (r < 0 && errno == ECHILD && c->pid) {
        c->rpid = c->pid; /* somebody else reaped it: its status is lost */
        c->rstatus = 0;
    }
    return r > 0 || (r < 0 && c->pid);
}

static void on_end(struct loop_wait *wait, int result)
{
    ChildWatcher *c = container_of(wait, ChildWatcher, wait);
    assert(c->base.active && !wait->back);
    watcher_hub(&c->base)->unref--;
    if (reap(c))
        watcher_due(&c->base);
}

static void on_sigchld(struct signal_link *link)
{
    ChildWatcher *c = container_of(link, ChildWatcher, link);
    assert(c->base.active && c->pid == 0);
    if (!run_queued(&c->base.run) && reap(c))
        watcher_due(&c->base);
}

/* It is no reason for the loop to go on: the watcher is. */
static int wait_for(ChildWatcher *c)
{
    struct hub *hub = watcher_hub(&c->base);
    assert(c->child.end >= 0 && !c->wait.back);
    struct loop_fd *record = loop_fd(&hub->loop, c->child.end);
    int r = record ? loop_register(&hub->loop, record) : -errno;
    if (r < 0) {
        errno = -r;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    loop_wait_add(&hub->loop, record, &c->wait);
    hub->unref++;
    return 0;
}

static int child_arm(Watcher *w)
{
    ChildWatcher *c = (ChildWatcher *)w;
    if (c->child.end >= 0 || c->rpid)
        return 0;
    if (c->pid == 0)
        return signal_watch(watcher_thread(w), SIGCHLD, &c->link);
    int status;
    pid_t r = waitpid(c->pid, &status, WNOHANG);
    if (r > 0) {
        c->rpid = r;
        c->rstatus = status;
        watcher_due(w);
    }
    if (r != 0) /* it has ended, or is no child of ours: nothing will come */
        return 0;
    int opened = child_open(&c->child, c->pid);
    if (opened < 0) {
        errno = -opened;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return wait_for(c);
}

static void child_disarm(Watcher *w)
{
    ChildWatcher *c = (ChildWatcher *)w;
    signal_unwatch(SIGCHLD, &c->link);
    forget_child(c);
}

/* For pid 0, several may have ended. */
static int child_after(Watcher *w)
{
    ChildWatcher *c = (ChildWatcher *)w;
    if (c->pid == 0 && reap(c))
        watcher_due(w);
    return 1;
}

static PyObject *child_format(Watcher *w)
{
    ChildWatcher *c = (ChildWatcher *)w;
    return PyUnicode_FromFormat(" pid=%d rstatus=%d", c->pid, c->rstatus);
}

static const struct watcher_kind child_kind = {.arm = child_arm,
                                               .disarm = child_disarm,
                                               .after = child_after,
                                               .format = child_format};

static PyObject *child_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"loop", (char *)"pid",      (char *)"trace",
                            (char *)"ref",  (char *)"priority", NULL};
    PyObject *loop, *priority = NULL;
    int pid, trace = 0, ref = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oi|ipO:child", names, &loop,
                                     &pid, &trace, &ref, &priority))
        return NULL;
    if (pid < 0) {
        PyErr_Format(PyExc_ValueError, "pid must not be negative: %d", pid);
        return NULL;
    }
    ChildWatcher *c =
        (ChildWatcher *)watcher_new(type, loop, ref, priority, &child_kind);
    if (!c)
        return NULL;
    if (!loop_is_default(loop)) {
        Py_DECREF(c);
        PyErr_SetString(PyExc_TypeError, "child watchers are only available on "
                                         "the default loop");
        return NULL;
    }
    c->pid = pid;
    c->child.end = -1;
    c->wait.direction = LOOP_READ;
    c->wait.fn = on_end;
    c->link.fn = on_sigchld;
    return (PyObject *)c;
}

static PyMemberDef child_members[] = {
    {"rpid", T_INT, offsetof(ChildWatcher, rpid), 0,
     "The process that ended; 0: none yet."},
    {"rstatus", T_INT, offsetof(ChildWatcher, rstatus), 0,
     "Its status, as os.waitpid has it."},
    {"pid", T_INT, offsetof(ChildWatcher, pid), READONLY,
     "The process watched; 0: any child."},
    {NULL}};

PyTypeObject ChildWatcher_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.child",
    .tp_doc = "Calls back when a child process has ended, and reaps it.",
    .tp_basicsize = sizeof(ChildWatcher),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = child_new,
    .tp_traverse = watcher_traverse,
    .tp_clear = watcher_clear,
    .tp_dealloc = watcher_dealloc,
    .tp_members = child_members,
};
