/*
 * loop.child(pid, trace=0, ref=True): a watcher of a child process that ends.
 * It reaps the child. A descriptor tells of the end (child.h), so that SIGCHLD
 * is left alone, and no other child is touched; only for pid 0, any child,
 * SIGCHLD is watched. On the main thread's loop only, as in gevent.
 *
 *     its end, SIGCHLD --> reap --> child_ended --> all that watch it
 *     os.waitpid and subprocess of ours, after reaping -----^
 *
 * A status is there to be had once: whoever gets it tells all active watchers,
 * which stand in a ring. One whose child was reaped behind their backs is not
 * told anything, for there is nothing to tell.
 */
#include "watchers/signals.h"

#include "os/child.h"

#include <structmember.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that has ended, for a watcher of any. */
struct ended {
    struct ended *next; /* ended later; NULL: none did */
    int pid;            /* the child */
    int status;         /* as waitpid gives it */
};

typedef struct ChildWatcher {
    Watcher base;
    struct ring at;          /* in `watched`, while active */
    struct loop_wait wait;   /* for child.end; back set: armed */
    struct signal_link link; /* linked while active, if pid is 0 */
    struct ended *news;      /* if pid is 0: those to call back for; owned */
    struct child child;      /* its end: ours to close; -1: none */
    int pid;                 /* the child; 0: any */
    int rpid;                /* the one that was reaped last; 0: none yet */
    int rstatus;             /* its status, as waitpid gives it */
} ChildWatcher;

/* All that are active, in the order they were started. */
static struct ring watched = {&watched, &watched};

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

/* One more child to call back for. False: out of memory. */
static bool add_news(ChildWatcher *c, int pid, int status)
{
    struct ended **last = &c->news;
    struct ended *ended = PyMem_Malloc(sizeof(*ended));
    assert(c->pid == 0 && c->base.active);
    if (!ended)
        return false;
    *ended = (struct ended){.pid = pid, .status = status};
    while (*last)
        last = &(*last)->next;
    *last = ended;
    return true;
}

static void drop_news(ChildWatcher *c)
{
    struct ended *ended = c->news;
    c->news = ended->next;
    PyMem_Free(ended);
}

/* Whether it is one that c watches. False, too, when it cannot be noted. */
static bool note(ChildWatcher *c, int pid, int status)
{
    if (c->pid == 0)
        return add_news(c, pid, status);
    if (c->pid != pid || c->rpid)
        return false;
    c->rpid = pid;
    c->rstatus = status;
    return true;
}

/* A child has been reaped: have those that watch it called back. On another
 * thread than theirs it is noted only, as what they wait for is near. */
static void child_ended(int pid, int status)
{
    assert(pid > 0);
    for (struct ring *at = watched.next; at != &watched; at = at->next) {
        ChildWatcher *c = container_of(at, ChildWatcher, at);
        if (!note(c, pid, status) || watcher_hub(&c->base) != hub_of_thread)
            continue;
        if (c->pid)
            forget_child(c);
        watcher_due(&c->base);
    }
}

/* If it has ended: pid, or -1, all that have. */
static void reap(int pid)
{
    int status;
    pid_t r;
    do {
        r = waitpid(pid, &status, WNOHANG);
        if (r > 0)
            child_ended(r, status);
    } while (r > 0 && pid == -1);
}

static void on_end(struct loop_wait *wait, int result)
{
    ChildWatcher *c = container_of(wait, ChildWatcher, wait);
    assert(c->base.active && !wait->back);
    watcher_hub(&c->base)->unref--;
    if (c->rpid)
        watcher_due(&c->base);
    else
        reap(c->pid);
}

static void on_sigchld(struct signal_link *link)
{
    ChildWatcher *c = container_of(link, ChildWatcher, link);
    assert(c->base.active && c->pid == 0);
    reap(-1);
    if (c->news)
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
    if (!ring_linked(&c->at))
        ring_insert(&watched, &c->at);
    if (c->pid == 0)
        return signal_watch(watcher_thread(w), SIGCHLD, &c->link);
    if (c->child.end >= 0 || c->rpid)
        return 0;
    /* One that has ended already is reaped in the loop, when whoever else is
     * about to watch it does. */
    siginfo_t info;
    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return 0; /* it is no child of ours: nothing will come */
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
    while (c->news)
        drop_news(c);
    if (ring_linked(&c->at))
        ring_remove(&c->at);
}

static PyObject *child_before(Watcher *w)
{
    ChildWatcher *c = (ChildWatcher *)w;
    if (c->news) {
        c->rpid = c->news->pid;
        c->rstatus = c->news->status;
        drop_news(c);
    }
    return Py_NewRef(watcher_args(w));
}

/* For pid 0, several may have ended. */
static int child_after(Watcher *w)
{
    if (((ChildWatcher *)w)->news)
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
                                               .before = child_before,
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

/* What its thread's end has left active. */
static void child_dealloc(PyObject *self)
{
    ChildWatcher *c = (ChildWatcher *)self;
    if (ring_linked(&c->at))
        ring_remove(&c->at);
    while (c->news)
        drop_news(c);
    watcher_dealloc(self);
}

PyTypeObject ChildWatcher_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.child",
    .tp_doc = "Calls back when a child process has ended, and reaps it.",
    .tp_basicsize = sizeof(ChildWatcher),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = child_new,
    .tp_traverse = watcher_traverse,
    .tp_clear = watcher_clear,
    .tp_dealloc = child_dealloc,
    .tp_members = child_members,
};

/* ---- those who reap children by themselves ------------------------------------ */

static PyObject *tell_child_ended(PyObject *module, PyObject *args)
{
    int pid, status;
    if (!PyArg_ParseTuple(args, "ii:child_ended", &pid, &status))
        return NULL;
    if (pid > 0)
        child_ended(pid, status);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"child_ended", tell_child_ended, METH_VARARGS,
     "child_ended(pid, status, /)\n--\n\n"
     "The caller has reaped a child; those that watch it are told."},
    {NULL}};

int child_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
