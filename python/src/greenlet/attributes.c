/*
 * What can be seen of a Greenlet: its outcome, its arguments, its name and
 * number, its repr.
 */
#include "greenlet/made_at.h"
#include "greenlet/private.h"

static PyObject *str__run, *str_name, *str_self;

int green_attributes_init(void)
{
    str__run = PyUnicode_InternFromString("_run");
    str_name = PyUnicode_InternFromString("__name__");
    str_self = PyUnicode_InternFromString("__self__");
    return str__run && str_name && str_self ? 0 : -1;
}

/* ---- numbers, for names -------------------------------------------------- */

/* Numbers in use are small: one that is given back is given out first, the
 * smallest of several. A binary heap. */
static uint32_t next_ident;
static uint32_t *free_idents;
static size_t free_count, free_room;

static uint32_t ident_take(void)
{
    if (!free_count)
        return next_ident++;
    uint32_t smallest = free_idents[0];
    uint32_t moved = free_idents[--free_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < free_count &&
            free_idents[child + 1] < free_idents[child])
            child++;
        if (child >= free_count || free_idents[child] >= moved)
            break;
        free_idents[at] = free_idents[child];
        at = child;
    }
    free_idents[at] = moved;
    return smallest;
}

/* Without memory it is not used again, which does no harm. */
void green_ident_give(uint32_t ident)
{
    if (free_count == free_room) {
        size_t room = free_room ? 2 * free_room : 64;
        uint32_t *more = PyMem_Realloc(free_idents, room * sizeof(*more));
        if (!more)
            return;
        free_idents = more;
        free_room = room;
    }
    size_t at = free_count++;
    for (; at && free_idents[(at - 1) / 2] > ident; at = (at - 1) / 2)
        free_idents[at] = free_idents[(at - 1) / 2];
    free_idents[at] = ident;
}

/* ---- attributes ---------------------------------------------------------- */

static PyObject *or_none(PyObject *o)
{
    return Py_NewRef(o ? o : Py_None);
}

static PyObject *get_value(PyObject *self, void *closure)
{
    return or_none(((Greenlet *)self)->value);
}

static PyObject *get_exception(PyObject *self, void *closure)
{
    return or_none(((Greenlet *)self)->exception);
}

static PyObject *get_exc_info(PyObject *self, void *closure)
{
    Greenlet *g = (Greenlet *)self;
    if (!g->exception)
        Py_RETURN_NONE;
    return PyTuple_Pack(3, (PyObject *)Py_TYPE(g->exception), g->exception,
                        g->traceback ? g->traceback : Py_None);
}

static PyObject *get_args(PyObject *self, void *closure)
{
    return green_call_args((Greenlet *)self);
}

static int set_args(PyObject *self, PyObject *value, void *closure)
{
    if (!value || !PyTuple_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "args must be a tuple");
        return -1;
    }
    green_call_set_args((Greenlet *)self, value);
    return 0;
}

static PyObject *get_kwargs(PyObject *self, void *closure)
{
    Greenlet *g = (Greenlet *)self;
    if (g->kwargs)
        return Py_NewRef(g->kwargs);
    PyObject *empty = PyDict_New();
    if (empty && !g->finished)
        g->kwargs = Py_NewRef(empty); /* so that it can be filled */
    return empty;
}

static int set_kwargs(PyObject *self, PyObject *value, void *closure)
{
    if (!value || !PyDict_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "kwargs must be a dict");
        return -1;
    }
    Py_XSETREF(((Greenlet *)self)->kwargs, Py_NewRef(value));
    return 0;
}

static PyObject *default_run(PyObject *self, PyObject *none)
{
    Py_RETURN_NONE;
}

static PyMethodDef default_run_def = {"_run", default_run, METH_NOARGS,
                                      "What a Greenlet does, for subclasses to "
                                      "override."};

static PyObject *get__run(PyObject *self, void *closure)
{
    PyObject *fn = ((Greenlet *)self)->fn;
    return fn ? Py_NewRef(fn) : PyCFunction_New(&default_run_def, self);
}

static int set__run(PyObject *self, PyObject *value, void *closure)
{
    Py_XSETREF(((Greenlet *)self)->fn, Py_XNewRef(value));
    return 0;
}

static PyObject *get_dead(PyObject *self, void *closure)
{
    return PyBool_FromLong(green_state((Greenlet *)self)->phase == GREEN_DEAD ||
                           green_state((Greenlet *)self)->thread->dead ||
                           ((Greenlet *)self)->finished);
}

int green_bool(PyObject *self)
{
    Greenlet *g = (Greenlet *)self;
    return g->begun && !green_ready(g);
}

static PyObject *get_started(PyObject *self, void *closure)
{
    return PyBool_FromLong(green_bool(self));
}

static PyObject *get_ident(PyObject *self, void *closure)
{
    Greenlet *g = (Greenlet *)self;
    if (!g->ident)
        g->ident = ident_take() + 1;
    return PyLong_FromUnsignedLong(g->ident - 1);
}

/* Borrowed: made of its number if it was not set. */
static PyObject *get_name_now(PyObject *self)
{
    Greenlet *g = (Greenlet *)self;
    if (!g->name) {
        PyObject *ident = PyObject_GetAttrString(self, "minimal_ident");
        if (!ident)
            return NULL;
        g->name = PyUnicode_FromFormat("Greenlet-%S", ident);
        Py_DECREF(ident);
    }
    return g->name;
}

static PyObject *get_name(PyObject *self, void *closure)
{
    return Py_XNewRef(get_name_now(self));
}

static int set_name(PyObject *self, PyObject *value, void *closure)
{
    Py_XSETREF(((Greenlet *)self)->name, Py_XNewRef(value));
    return 0;
}

static PyObject *get_made_at(PyObject *self, void *closure)
{
    return spawn_stack_frames(((Greenlet *)self)->made_at);
}

PyGetSetDef green_getset[] = {
    {"value", get_value, NULL,
     "What it returned; None before, and when it failed.", NULL},
    {"exception", get_exception, NULL, "What ended it, or None.", NULL},
    {"exc_info", get_exc_info, NULL, "The same as type, value, traceback.",
     NULL},
    {"args", get_args, set_args, "What it is called with, until it ends.",
     NULL},
    {"kwargs", get_kwargs, set_kwargs, "What it is called with, until it ends.",
     NULL},
    {"_run", get__run, set__run, "What it calls.", NULL},
    {"dead", get_dead, NULL, "Whether it has ended, or will never run.", NULL},
    {"started", get_started, NULL, "The same as bool(greenlet).", NULL},
    {"minimal_ident", get_ident, NULL, "A small number of its own.", NULL},
    {"name", get_name, set_name, "For people.", NULL},
    {"loop", spawned_get_loop, NULL, "Its Hub's loop.", NULL},
    {"spawning_greenlet", spawned_get_spawner, spawned_set_spawner,
     "A weak reference to the greenlet that made it.", NULL},
    {"spawning_stack", get_made_at, NULL,
     "Where it was made, as something like a frame; None if it is not known.",
     NULL},
    {"spawn_tree_locals", spawned_get_locals, spawned_set_locals,
     "A dict shared with its descendants.", NULL},
    {NULL}};

/* ---- as text ------------------------------------------------------------- */

#define SHOWN 50 /* characters of an argument */

/* Whether fn's name alone does not tell what it is: a method of an object, but
 * not self's own, or a built-in function, which is bound to its module. */
static bool bound_elsewhere(PyObject *fn, PyObject *self)
{
    PyObject *to = PyObject_GetAttr(fn, str_self);
    if (!to)
        PyErr_Clear();
    bool bound = to && to != Py_None && to != self;
    Py_XDECREF(to);
    return bound;
}

/* The function's name, or what it looks like. */
static PyObject *describe_fn(PyObject *self)
{
    PyObject *fn = PyObject_GetAttr(self, str__run);
    if (!fn)
        return NULL;
    PyObject *name =
        bound_elsewhere(fn, self) ? NULL : PyObject_GetAttr(fn, str_name);
    if (!name)
        PyErr_Clear();
    if (!name || !PyUnicode_Check(name))
        Py_XSETREF(name, PyObject_Repr(fn));
    Py_DECREF(fn);
    return name;
}

/* An argument as text, its beginning; name (borrowed) NULL: not by keyword. */
static PyObject *describe_arg(PyObject *name, PyObject *value)
{
    PyObject *text = PyObject_Repr(value);
    if (text)
        Py_SETREF(text, PyUnicode_Substring(text, 0, SHOWN));
    if (text && name)
        Py_SETREF(text, PyUnicode_FromFormat("%S=%U", name, text));
    return text;
}

/* One whose repr fails is left out: this is for people. */
static void add_arg(PyObject *parts, PyObject *name, PyObject *value)
{
    PyObject *part = describe_arg(name, value);
    if (!part || PyList_Append(parts, part) < 0)
        PyErr_Clear();
    Py_XDECREF(part);
}

/* Of positional and keyword arguments, a list. NULL with MemoryError. */
static PyObject *describe_each_arg(PyObject *args, PyObject *kwargs)
{
    PyObject *parts = PyList_New(0);
    PyObject *items = parts && kwargs ? PyDict_Items(kwargs) : NULL;
    for (Py_ssize_t i = 0; parts && args && i < PyTuple_GET_SIZE(args); i++)
        add_arg(parts, NULL, PyTuple_GET_ITEM(args, i));
    for (Py_ssize_t i = 0; items && i < PyList_GET_SIZE(items); i++) {
        PyObject *item = PyList_GET_ITEM(items, i);
        add_arg(parts, PyTuple_GET_ITEM(item, 0), PyTuple_GET_ITEM(item, 1));
    }
    Py_XDECREF(items);
    return parts;
}

/* "(1, 'x', z=[2])", or "" without arguments. */
static PyObject *describe_args(Greenlet *g)
{
    PyObject *args = green_call_args(g), *kwargs = Py_XNewRef(g->kwargs);
    PyObject *parts = args ? describe_each_arg(args, kwargs) : NULL;
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    if (!parts)
        return NULL;
    PyObject *text;
    if (PyList_GET_SIZE(parts) == 0) {
        text = PyUnicode_FromString("");
    } else {
        PyObject *comma = PyUnicode_FromString(", ");
        text = comma ? PyUnicode_Join(comma, parts) : NULL;
        Py_XDECREF(comma);
        if (text)
            Py_SETREF(text, PyUnicode_FromFormat("(%U)", text));
    }
    Py_DECREF(parts);
    return text;
}

/* What it runs. Once it has ended and let go of that: what was told of it
 * before. */
static PyObject *describe_call(PyObject *self)
{
    Greenlet *g = (Greenlet *)self;
    if (g->finished && g->described)
        return Py_NewRef(g->described);
    PyObject *fn = describe_fn(self);
    PyObject *args = fn ? describe_args(g) : NULL;
    PyObject *text = args ? PyUnicode_FromFormat("%U%U", fn, args) : NULL;
    Py_XDECREF(fn);
    Py_XDECREF(args);
    if (text)
        Py_XSETREF(g->described, Py_NewRef(text));
    return text;
}

PyObject *green_repr(PyObject *self)
{
    Greenlet *g = (Greenlet *)self;
    const char *type = type_name(Py_TYPE(self));
    PyObject *call = describe_call(self);
    PyObject *text = NULL;
    if (call && !g->name && !g->ident)
        text = PyUnicode_FromFormat("<%s at %p: %U>", type, self, call);
    else if (call && get_name_now(self)) /* a number has a name */
        text = PyUnicode_FromFormat("<%s \"%S\" at %p: %U>", type, g->name,
                                    self, call);
    Py_XDECREF(call);
    return text;
}
