/*
 * Event: a flag that greenlets, of any thread, wait for. set() takes those who
 * wait out of the list and wakes them, so that clear() comes too late for them.
 */
#include "linkable/object.h"

typedef struct Event {
    Linkable base; /* its list: who waits for the flag, and links */
    bool flag;     /* it is set */
} Event;

static PyObject *event_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return linkable_object_new(type);
}

static int event_init_object(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    return PyArg_ParseTupleAndKeywords(args, kwargs, ":Event", names) ? 0 : -1;
}

static PyObject *event_is_set(PyObject *self, PyObject *none)
{
    return PyBool_FromLong(((Event *)self)->flag);
}

static PyObject *event_set(PyObject *self, PyObject *none)
{
    ((Event *)self)->flag = true;
    linkable_object_notify((Linkable *)self);
    Py_RETURN_NONE;
}

static PyObject *event_clear(PyObject *self, PyObject *none)
{
    ((Event *)self)->flag = false;
    Py_RETURN_NONE;
}

static PyObject *event_rawlink(PyObject *o, PyObject *callback)
{
    Linkable *self = (Linkable *)o;
    if (linkable_object_link(self, callback) < 0)
        return NULL;
    if (((Event *)o)->flag)
        linkable_object_notify(self);
    Py_RETURN_NONE;
}

static PyObject *event_wait(PyObject *self, PyObject *const *args, Py_ssize_t n,
                            PyObject *names)
{
    static const char *const keywords[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    if (arguments("wait", args, n, names, keywords, 0, &timeout) < 0)
        return NULL;
    if (((Event *)self)->flag) {
        if (linkable_object_wait_turn((Linkable *)self) < 0)
            return NULL;
        Py_RETURN_TRUE;
    }
    enum core_wait_result r =
        linkable_object_wait((Linkable *)self, timeout, "Event.wait");
    return r == CORE_FAILED ? NULL : PyBool_FromLong(r == CORE_WOKEN);
}

static PyObject *event_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%s %s _links[%zd]>", type_name(Py_TYPE(self)),
                                ((Event *)self)->flag ? "set" : "clear",
                                linkable_count(&((Event *)self)->base.list));
}

static PyMethodDef event_methods[] = {
    {"is_set", event_is_set, METH_NOARGS,
     "is_set($self, /)\n--\n\n"
     "Whether it is set.\n\n"
     "    >>> from grove.event import Event\n"
     "    >>> event = Event()\n"
     "    >>> event.set()\n"
     "    >>> event.is_set()\n"
     "    True"},
    {"isSet", event_is_set, METH_NOARGS,
     "isSet($self, /)\n--\n\n"
     "Whether it is set.\n\n"
     "    >>> from grove.event import Event\n"
     "    >>> Event().isSet()\n"
     "    False"},
    {"ready", event_is_set, METH_NOARGS,
     "ready($self, /)\n--\n\n"
     "Whether it is set.\n\n"
     "    >>> from grove.event import Event\n"
     "    >>> Event().ready()\n"
     "    False"},
    {"set", event_set, METH_NOARGS,
     "set($self, /)\n--\n\n"
     "Set it: those who wait now go on, in the order they came.\n\n"
     "    >>> from grove.event import Event\n"
     "    >>> event = Event()\n"
     "    >>> event.set()\n"
     "    >>> event.wait(timeout=1)\n"
     "    True"},
    {"clear", event_clear, METH_NOARGS,
     "clear($self, /)\n--\n\n"
     "Clear it. Those it was set for go on nevertheless.\n\n"
     "    >>> from grove.event import Event\n"
     "    >>> event = Event()\n"
     "    >>> event.set()\n"
     "    >>> event.clear()\n"
     "    >>> event.is_set()\n"
     "    False"},
    {"rawlink", event_rawlink, METH_O,
     "rawlink($self, callback, /)\n--\n\n"
     "Call callback(self) in the hub, once, when it is set. It must not\n"
     "wait.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.event import Event\n"
     "    >>> event = Event()\n"
     "    >>> event.rawlink(lambda event: print(\"it is set\"))\n"
     "    >>> grove.spawn(event.set).join()\n"
     "    it is set"},
    {"wait", (PyCFunction)(void (*)(void))event_wait,
     METH_FASTCALL | METH_KEYWORDS,
     "wait($self, /, timeout=None)\n--\n\n"
     "Wait until it is set, True; False when timeout seconds pass first.\n\n"
     "    >>> from grove.event import Event\n"
     "    >>> Event().wait(timeout=0.01)\n"
     "    False"},
    {NULL}};

static PyTypeObject Event_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.event.Event",
    .tp_doc = "Event()\n--\n\n"
              "A flag that greenlets of any thread can wait for.\n\n"
              "    >>> import grove\n"
              "    >>> from grove.event import Event\n"
              "    >>> event = Event()\n"
              "    >>> waiting = [grove.spawn(event.wait) for _ in range(2)]\n"
              "    >>> grove.sleep()\n"
              "    >>> event.set()\n"
              "    >>> [task.get() for task in waiting]\n"
              "    [True, True]",
    .tp_basicsize = sizeof(Event),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_base = &Linkable_Type,
    .tp_new = event_new,
    .tp_init = event_init_object,
    .tp_traverse = linkable_object_traverse,
    .tp_clear = linkable_object_clear,
    .tp_dealloc = linkable_object_dealloc,
    .tp_repr = event_repr,
    .tp_methods = event_methods,
};

int event_init(PyObject *module)
{
    return module_add_type(module, &Event_Type);
}
