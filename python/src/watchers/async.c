/*
 * loop.async_(ref=True, priority=None): a watcher that other threads wake, by
 * send(). What is sent several times before the loop comes to it is told once.
 */
#include "hub/mailbox.h"
#include "watchers/watcher.h"

typedef struct AsyncWatcher {
    Watcher base;
    grove_post post; /* while it is under way it holds a reference */
    bool posted;     /* it is under way: sending again changes nothing */
} AsyncWatcher;

static void on_post(grove_post *post)
{
    AsyncWatcher *a = container_of(post, AsyncWatcher, post);
    assert(a->posted && Py_REFCNT(a) > 0);
    a->posted = false;
    if (a->base.active)
        watcher_due(&a->base);
    Py_DECREF(a);
}

void asyncs_abandon(struct hub *hub)
{
    hub_take_posts(hub, on_post, on_post);
}

static int async_arm(Watcher *w)
{
    return 0;
}

static void async_disarm(Watcher *w)
{
}

static const struct watcher_kind async_kind = {.arm = async_arm,
                                               .disarm = async_disarm};

static PyObject *async_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    AsyncWatcher *a =
        (AsyncWatcher *)watcher_new_plain(type, args, kwargs, &async_kind);
    if (a)
        a->post.fn = on_post;
    return (PyObject *)a;
}

static PyObject *async_send(PyObject *self, PyObject *none)
{
    AsyncWatcher *a = (AsyncWatcher *)self;
    struct py_thread *t = watcher_thread(&a->base);
    if (t->dead) {
        PyErr_SetString(PyExc_HubDestroyed, "the hub's thread has ended");
        return NULL;
    }
    if (!a->posted && a->base.active) {
        assert(t->hub);
        a->posted = true;
        Py_INCREF(a);
        grove_hub_post((grove_hub *)t->hub, &a->post);
    }
    Py_RETURN_NONE;
}

static PyObject *async_send_ignoring_arg(PyObject *self, PyObject *ignored)
{
    return async_send(self, NULL);
}

static PyObject *async_pending(PyObject *self, void *closure)
{
    AsyncWatcher *a = (AsyncWatcher *)self;
    return PyBool_FromLong(a->posted || run_queued(&a->base.run));
}

static PyMethodDef async_methods[] = {
    {"send", async_send, METH_NOARGS,
     "send($self, /)\n--\n\n"
     "Have it called back soon. From any thread."},
    {"send_ignoring_arg", async_send_ignoring_arg, METH_O,
     "send_ignoring_arg($self, ignored, /)\n--\n\n"
     "As send(), as a link."},
    {NULL}};

static PyGetSetDef async_getset[] = {
    {"pending", async_pending, NULL, "Whether it is due to be called.", NULL},
    {NULL}};

PyTypeObject AsyncWatcher_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.core.async_",
    .tp_doc = "Calls back when another thread says so.",
    .tp_basicsize = sizeof(AsyncWatcher),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = async_new,
    .tp_traverse = watcher_traverse,
    .tp_clear = watcher_clear,
    .tp_dealloc = watcher_dealloc,
    .tp_methods = async_methods,
    .tp_getset = async_getset,
};
