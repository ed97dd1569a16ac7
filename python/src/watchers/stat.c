/*
 * loop.stat(path, interval=0.0, ref=True, priority=None): a watcher of what
 * stat() tells of a path. It looks again when inotify says that something
 * happened to the file (or, while there is none, in its directory), and every
 * interval seconds, for file systems that do not say. 0: every
 * DEFAULT_INTERVAL.
 */
#include "watchers/watcher.h"

#include <structmember.h>
#include <sys/inotify.h>
#include <unistd.h>

#define DEFAULT_INTERVAL \
    5.0074891 /* odd, so that loops do not look together \
               */
#define LEAST_INTERVAL 0.1074891

typedef struct StatWatcher {
    Watcher base;
    struct timer timer;    /* the next look; pending: armed */
    struct run looks;      /* queued: looks again */
    struct loop_wait wait; /* for inotify's descriptor; back set: armed */
    int inotify;           /* the descriptor, ours to close; -1: none */
    PyObject *path;        /* str */
    PyObject *attr;        /* os.stat_result; None: no such file */
    PyObject *prev;        /* attr before it changed last */
    double interval;       /* as the user said, in seconds; see interval_of */
} StatWatcher;

/* ---- looking ------------------------------------------------------------- */

static PyObject *os_function(const char *name)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *function = os ? PyObject_GetAttrString(os, name) : NULL;
    Py_XDECREF(os);
    return function;
}

/* A new reference; None when there is no such file; NULL with an exception. */
static PyObject *look(StatWatcher *s)
{
    PyObject *function = os_function("stat");
    PyObject *attr = function ? PyObject_CallOneArg(function, s->path) : NULL;
    Py_XDECREF(function);
    if (attr || !PyErr_ExceptionMatches(PyExc_OSError))
        return attr;
    PyErr_Clear();
    return Py_NewRef(Py_None);
}

/* 1, 0 or -1 with an exception. */
static int differ(PyObject *a, PyObject *b)
{
    static const char *const fields[] = {
        "st_dev", "st_ino",  "st_mode",     "st_nlink",    "st_uid",
        "st_gid", "st_size", "st_atime_ns", "st_mtime_ns", "st_ctime_ns"};
    if (a == Py_None || b == Py_None)
        return a != b;
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(fields) / sizeof(*fields); i++) {
        PyObject *x = PyObject_GetAttrString(a, fields[i]);
        PyObject *y = x ? PyObject_GetAttrString(b, fields[i]) : NULL;
        r = y ? PyObject_RichCompareBool(x, y, Py_NE) : -1;
        Py_XDECREF(x);
        Py_XDECREF(y);
    }
    return r;
}

static void watch(StatWatcher *s);

/* Due if it has changed. */
static void look_again(StatWatcher *s)
{
    PyObject *attr = look(s);
    int changed = attr ? differ(attr, s->attr) : -1;
    if (changed > 0) {
        Py_XSETREF(s->prev, s->attr);
        s->attr = Py_NewRef(attr);
        watcher_due(&s->base);
    }
    Py_XDECREF(attr);
    if (changed < 0)
        hub_object_report(watcher_thread(&s->base), (PyObject *)s);
    if (s->base.active)
        watch(s);
}

/* ---- when to look -------------------------------------------------------- */

static void drain(int fd)
{
    char buffer[4096];
    while (read(fd, buffer, sizeof(buffer)) > 0)
        ;
}

static void on_change(struct loop_wait *wait, int result)
{
    StatWatcher *s = container_of(wait, StatWatcher, wait);
    assert(s->base.active && !wait->back);
    watcher_count(&s->base, -1);
    if (s->inotify >= 0)
        drain(s->inotify);
    if (!run_queued(&s->looks))
        hub_queue(watcher_hub(&s->base), &s->looks);
}

/* Look at the file itself, or where it would be. */
static void aim(StatWatcher *s)
{
    const char *path = PyUnicode_AsUTF8(s->path);
    if (!path) {
        PyErr_Clear();
        return;
    }
    if (inotify_add_watch(s->inotify, path,
                          IN_ATTRIB | IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE |
                              IN_DELETE | IN_MOVE | IN_DELETE_SELF |
                              IN_MOVE_SELF) >= 0)
        return;
    const char *slash = strrchr(path, '/');
    char *parent = slash ? strndup(path, (size_t)(slash - path)) : NULL;
    inotify_add_watch(s->inotify,
                      !slash              ? "."
                      : parent && *parent ? parent
                                          : "/",
                      IN_CREATE | IN_MOVED_TO);
    free(parent);
}

static void stop_inotify(StatWatcher *s)
{
    struct hub *hub = watcher_hub(&s->base);
    if (s->inotify < 0)
        return;
    if (s->wait.back) {
        loop_wait_remove(&hub->loop, &s->wait);
        watcher_count(&s->base, -1);
    }
    hub_closing(s->inotify);
    close(s->inotify);
    s->inotify = -1;
}

/* Without inotify the timer will do. */
static void watch_changes(StatWatcher *s)
{
    struct hub *hub = watcher_hub(&s->base);
    if (s->inotify < 0)
        s->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (s->inotify < 0)
        return;
    aim(s);
    struct loop_fd *record = loop_fd(&hub->loop, s->inotify);
    if (!record || loop_register(&hub->loop, record) < 0) {
        stop_inotify(s);
        return;
    }
    if (!s->wait.back) {
        loop_wait_add(&hub->loop, record, &s->wait);
        watcher_count(&s->base, 1);
    }
}

static double interval_of(StatWatcher *s)
{
    return s->interval <= 0               ? DEFAULT_INTERVAL
           : s->interval < LEAST_INTERVAL ? LEAST_INTERVAL
                                          : s->interval;
}

static void watch(StatWatcher *s)
{
    assert(s->base.active && s->base.timed);
    watch_changes(s);
    if (timer_pending(&s->timer))
        return;
    double ns = interval_of(s) * 1e9;
    timer_add(&watcher_hub(&s->base)->timers, &s->timer,
              hub_deadline(ns > 9e18 ? GROVE_NEVER : (int64_t)ns));
    watcher_count(&s->base, 1);
}

static void on_time(struct timer *timer)
{
    StatWatcher *s = container_of(timer, StatWatcher, timer);
    assert(s->base.active && !timer_pending(timer));
    watcher_count(&s->base, -1);
    if (!run_queued(&s->looks))
        hub_queue(watcher_hub(&s->base), &s->looks);
}

/* Looking runs code of Python's. */
static void on_look(struct run *run)
{
    StatWatcher *s = container_of(run, StatWatcher, looks);
    assert(s->base.active && !run_queued(run));
    Py_INCREF(s);
    look_again(s);
    Py_DECREF(s);
}

/* ---- the watcher --------------------------------------------------------- */

static int stat_arm(Watcher *w)
{
    StatWatcher *s = (StatWatcher *)w;
    PyObject *attr = look(s);
    if (!attr)
        return -1;
    Py_XSETREF(s->attr, attr);
    if (watcher_timed(w) < 0)
        return -1;
    watch(s);
    return 0;
}

static void stat_disarm(Watcher *w)
{
    StatWatcher *s = (StatWatcher *)w;
    if (run_queued(&s->looks))
        run_queue_remove(&s->looks);
    stop_inotify(s);
    if (timer_pending(&s->timer)) {
        timer_remove(&watcher_hub(w)->timers, &s->timer);
        watcher_count(w, -1);
    }
    watcher_untimed(w);
}

static size_t stat_armed(const Watcher *w)
{
    const StatWatcher *s = (const StatWatcher *)w;
    return (size_t)timer_pending(&s->timer) + (s->wait.back != NULL);
}

static PyObject *stat_format(Watcher *w)
{
    return PyUnicode_FromFormat(" path=%R", ((StatWatcher *)w)->path);
}

static const struct watcher_kind stat_kind = {.arm = stat_arm,
                                              .disarm = stat_disarm,
                                              .armed = stat_armed,
                                              .format = stat_format};

static PyObject *stat_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {(char *)"loop",     (char *)"path",
                            (char *)"interval", (char *)"ref",
                            (char *)"priority", NULL};
    PyObject *loop, *path, *priority = NULL;
    double interval = 0;
    int ref = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|dpO:stat", names, &loop,
                                     &path, &interval, &ref, &priority))
        return NULL;
    PyObject *decode = os_function("fsdecode");
    PyObject *text = decode ? PyObject_CallOneArg(decode, path) : NULL;
    Py_XDECREF(decode);
    if (!text)
        return NULL;
    StatWatcher *s =
        (StatWatcher *)watcher_new(type, loop, ref, priority, &stat_kind);
    if (!s) {
        Py_DECREF(text);
        return NULL;
    }
    s->path = text;
    s->attr = Py_NewRef(Py_None);
    s->prev = Py_NewRef(Py_None);
    s->interval = interval;
    s->inotify = -1;
    s->timer.fn = on_time;
    s->looks.call = on_look;
    s->wait.direction = LOOP_READ;
    s->wait.fn = on_change;
    return (PyObject *)s;
}

static void stat_dealloc(PyObject *self)
{
    StatWatcher *s = (StatWatcher *)self;
    assert(!run_queued(&s->looks) || watcher_thread(&s->base)->dead);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(s->path);
    Py_CLEAR(s->attr);
    Py_CLEAR(s->prev);
    watcher_dealloc(self);
}

static PyMemberDef stat_members[] = {
    {"path", T_OBJECT, offsetof(StatWatcher, path), READONLY, NULL},
    {"attr", T_OBJECT, offsetof(StatWatcher, attr), READONLY,
     "os.stat_result as it was last; None: no such file."},
    {"prev", T_OBJECT, offsetof(StatWatcher, prev), READONLY,
     "What attr was before it changed."},
    {"interval", T_DOUBLE, offsetof(StatWatcher, interval), READONLY,
     "Seconds between two looks; 0: as the loop likes."},
    {NULL}};

PyTypeObject StatWatcher_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.stat",
    .tp_doc = "Calls back when a file has changed.",
    .tp_basicsize = sizeof(StatWatcher),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = stat_new,
    .tp_traverse = watcher_traverse,
    .tp_clear = watcher_clear,
    .tp_dealloc = stat_dealloc,
    .tp_members = stat_members,
};
