/*
 * local: an object whose attributes are different in each greenlet.
 *
 *      greenlet A         greenlet B
 *          |                  |              siblings: a greenlet's cells
 *   local  cell -- dict      cell -- dict
 *   local  cell -- dict
 *
 * A cell is the pair of a local object and a greenlet, with the attributes in a
 * dict. The local owns its cells, in a hash table by greenlet, so that the
 * collector sees a value that refers back to the local; the greenlet has them
 * in a list, so that its end lets go of all its values at once. Cells are made
 * at the first access.
 *
 * Any thread may use a local: each finds its own greenlets' cells.
 */
#include "greenlet/private.h"

#include <stddef.h>

struct local_cell {
    struct local_cell *next;    /* in its bucket; NULL: the last */
    struct local_cell *sibling; /* of the same greenlet; NULL: the last */
    struct local_cell **prev;   /* what points to it among its siblings */
    struct green *green;        /* borrowed: its end frees the cell */
    struct Local *local;        /* borrowed: as does its own */
    PyObject *dict;             /* owned: the attributes */
};

typedef struct Local {
    PyObject_HEAD
    PyObject *args;              /* owned: what __init__ is called with in */
    PyObject *kwargs;            /*   each greenlet; NULL: nothing */
    struct local_cell **buckets; /* owned; NULL: no cell yet */
    size_t mask;                 /* their number, a power of two, less 1 */
    size_t count;                /* of cells */
    PyObject *weakrefs;
} Local;

#define BUCKETS_MIN 4

static PyObject *str_dict;

/* ---- cells --------------------------------------------------------------- */

/* Greenlets are allocated 16 bytes apart at least, of a few hundred each. */
static inline struct local_cell **bucket_of(const Local *self,
                                            const struct green *g)
{
    uintptr_t at = (uintptr_t)g;
    return &self->buckets[((at >> 4) ^ (at >> 9)) & self->mask];
}

static inline struct local_cell *find(const Local *self, const struct green *g)
{
    if (unlikely(!self->buckets))
        return NULL;
    struct local_cell *cell = *bucket_of(self, g);
    while (cell && cell->green != g)
        cell = cell->next;
    return cell;
}

/* Room for one more cell. -1 with MemoryError. */
static int grow(Local *self)
{
    if (self->buckets && self->count <= self->mask)
        return 0;
    size_t n = self->buckets ? 2 * (self->mask + 1) : BUCKETS_MIN;
    struct local_cell **buckets = PyMem_Calloc(n, sizeof(*buckets));
    if (!buckets) {
        PyErr_NoMemory();
        return -1;
    }
    assert((n & (n - 1)) == 0 && n > self->count);
    struct local_cell **old = self->buckets;
    size_t old_n = old ? self->mask + 1 : 0;
    self->buckets = buckets;
    self->mask = n - 1;
    for (size_t i = 0; i < old_n; i++) {
        struct local_cell *next;
        for (struct local_cell *cell = old[i]; cell; cell = next) {
            struct local_cell **bucket = bucket_of(self, cell->green);
            next = cell->next;
            cell->next = *bucket;
            *bucket = cell;
        }
    }
    PyMem_Free(old);
    return 0;
}

static struct local_cell *add(Local *self, struct green *g)
{
    if (grow(self) < 0)
        return NULL;
    struct local_cell *cell = PyMem_Malloc(sizeof(*cell));
    PyObject *dict = PyDict_New();
    if (!cell || !dict) {
        PyMem_Free(cell);
        Py_XDECREF(dict);
        return (struct local_cell *)PyErr_NoMemory();
    }
    struct local_cell **bucket = bucket_of(self, g);
    assert(!find(self, g) && self->count <= self->mask);
    *cell = (struct local_cell){.next = *bucket,
                                .sibling = g->locals,
                                .prev = &g->locals,
                                .green = g,
                                .local = self,
                                .dict = dict};
    *bucket = cell;
    if (g->locals)
        g->locals->prev = &cell->sibling;
    g->locals = cell;
    self->count++;
    return cell;
}

/* Out of both tables; the dict, which is returned, is the caller's. */
static PyObject *take_dict(struct local_cell *cell)
{
    struct local_cell **at = bucket_of(cell->local, cell->green);
    while (*at != cell)
        at = &(*at)->next;
    *at = cell->next;
    cell->local->count--;
    *cell->prev = cell->sibling;
    if (cell->sibling)
        cell->sibling->prev = cell->prev;
    PyObject *dict = cell->dict;
    PyMem_Free(cell);
    return dict;
}

/* Destructors of one that runs still may use locals anew; after this many the
 * rest is dropped with the object. */
#define FORGET_MOST 10000

/* raw_forget_locals. */
static void forget_all(struct green *g)
{
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    bool running = g->thread->current == g->self;
    for (int i = 0; g->locals && !(running && i == FORGET_MOST); i++)
        Py_DECREF(take_dict(g->locals));
    PyErr_Restore(type, value, tb);
}

/* ---- the current greenlet's ---------------------------------------------- */

static bool has_init(PyTypeObject *type)
{
    return type->tp_init != PyBaseObject_Type.tp_init;
}

/* A greenlet's first access: its dict is filled by __init__. */
static PyObject *first_dict(Local *self, struct green *g)
{
    struct local_cell *cell = add(self, g);
    if (!cell)
        return NULL;
    if (!has_init(Py_TYPE(self)))
        return cell->dict;
    PyObject *args = self->args ? Py_NewRef(self->args) : PyTuple_New(0);
    int r = args ? Py_TYPE(self)->tp_init((PyObject *)self, args, self->kwargs)
                 : -1;
    Py_XDECREF(args);
    cell = find(self, g); /* it may have moved, or gone, meanwhile */
    if (r == 0 && likely(cell != NULL))
        return cell->dict;
    if (r == 0)
        PyErr_SetString(PyExc_RuntimeError,
                        "the attributes went while __init__ ran");
    else if (cell) { /* so that the next access tries again */
        PyObject *e = exception_take();
        Py_DECREF(take_dict(cell));
        exception_set(e);
    }
    return NULL;
}

/* Borrowed; NULL with an exception. */
static inline PyObject *current_dict(Local *self)
{
    struct py_thread *t = thread_self();
    if (unlikely(!t))
        return NULL;
    struct green *g = t->current->green;
    struct local_cell *cell = find(self, g);
    return likely(cell != NULL) ? cell->dict : first_dict(self, g);
}

/* ---- attributes ---------------------------------------------------------- */

static inline bool is_dict(PyObject *name)
{
    return name == str_dict || (unlikely(PyUnicode_Check(name) &&
                                         PyUnicode_GET_LENGTH(name) == 8) &&
                                PyUnicode_Compare(name, str_dict) == 0);
}

static PyObject *local_getattro(PyObject *o, PyObject *name)
{
    PyObject *dict = current_dict((Local *)o);
    if (unlikely(!dict))
        return NULL;
    if (unlikely(is_dict(name)))
        return Py_NewRef(dict);
    return state_generic_getattr(o, name, dict);
}

static int local_setattro(PyObject *o, PyObject *name, PyObject *value)
{
    PyObject *dict = current_dict((Local *)o);
    if (unlikely(!dict))
        return -1;
    if (unlikely(is_dict(name))) {
        PyErr_Format(PyExc_AttributeError,
                     "'%.100s' object attribute '%U' is read-only",
                     type_name(Py_TYPE(o)), name);
        return -1;
    }
    return state_generic_setattr(o, name, value, dict);
}

/* ---- the object ---------------------------------------------------------- */

static PyObject *local_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    bool given = PyTuple_GET_SIZE(args) || (kwargs && PyDict_GET_SIZE(kwargs));
    if (given && !has_init(type)) {
        PyErr_Format(PyExc_TypeError,
                     "Initialization arguments are not supported: %s has no "
                     "__init__",
                     type_name(type));
        return NULL;
    }
    struct py_thread *t = thread_self();
    Local *self = t ? (Local *)type->tp_alloc(type, 0) : NULL;
    if (!self)
        return NULL;
    if (given) {
        self->args = Py_NewRef(args);
        self->kwargs = Py_XNewRef(kwargs);
    }
    /* The caller runs __init__ here. */
    if (!add(self, t->current->green)) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int local_traverse(PyObject *o, visitproc visit, void *arg)
{
    Local *self = (Local *)o;
    Py_VISIT(self->args);
    Py_VISIT(self->kwargs);
    for (size_t i = 0; self->buckets && i <= self->mask; i++) {
        for (struct local_cell *c = self->buckets[i]; c; c = c->next)
            Py_VISIT(c->dict);
    }
    return 0;
}

static int local_clear(PyObject *o)
{
    Local *self = (Local *)o;
    Py_CLEAR(self->args);
    Py_CLEAR(self->kwargs);
    /* Each release may run code that adds cells: those are for the next call.
     */
    for (size_t i = 0; self->buckets && i <= self->mask; i++) {
        while (self->buckets[i])
            Py_DECREF(take_dict(self->buckets[i]));
    }
    return 0;
}

static void local_dealloc(PyObject *o)
{
    Local *self = (Local *)o;
    PyObject_GC_UnTrack(o);
    if (self->weakrefs)
        PyObject_ClearWeakRefs(o);
    local_clear(o);
    PyMem_Free(self->buckets);
    Py_TYPE(o)->tp_free(o);
}

/* copy.copy(): another of its class, with this greenlet's attributes. */
static PyObject *local_copy(PyObject *o, PyObject *none)
{
    Local *self = (Local *)o;
    PyObject *dict = current_dict(self);
    PyObject *duplicate = dict ? PyDict_Copy(dict) : NULL;
    PyObject *args = self->args ? Py_NewRef(self->args) : PyTuple_New(0);
    PyObject *copy = NULL;
    if (duplicate && args)
        copy = PyObject_Call((PyObject *)Py_TYPE(o), args, self->kwargs);
    Py_XDECREF(args);
    if (copy && Py_TYPE(copy) == Py_TYPE(o)) {
        PyObject *fresh = current_dict((Local *)copy);
        if (fresh) {
            PyDict_Clear(fresh);
            if (PyDict_Update(fresh, duplicate) < 0)
                Py_CLEAR(copy);
        } else {
            Py_CLEAR(copy);
        }
    }
    Py_XDECREF(duplicate);
    return copy;
}

static PyMethodDef methods[] = {
    {"__copy__", local_copy, METH_NOARGS,
     "Another one, with the current greenlet's attributes."},
    {NULL}};

PyDoc_STRVAR(local_doc,
             "local(*args, **kwargs)\n--\n\n"
             "An object whose attributes are different in each greenlet, and "
             "go with it.\n"
             "A subclass's __init__ is called, with the same arguments, in "
             "each greenlet that\n"
             "uses the object; what is in __slots__ is common to all.\n\n"
             "    >>> import grove\n"
             "    >>> from grove.local import local\n"
             "    >>> mine = local()\n"
             "    >>> mine.name = \"main\"\n"
             "    >>> grove.spawn(lambda: hasattr(mine, \"name\")).get()\n"
             "    False");

static PyTypeObject Local_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "grove.local.local",
    .tp_doc = local_doc,
    .tp_basicsize = sizeof(Local),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = local_new,
    .tp_traverse = local_traverse,
    .tp_clear = local_clear,
    .tp_dealloc = local_dealloc,
    .tp_getattro = local_getattro,
    .tp_setattro = local_setattro,
    .tp_weaklistoffset = offsetof(Local, weakrefs),
    .tp_methods = methods,
};

/* ---- the module ---------------------------------------------------------- */

static PyObject *all_local_dicts(PyObject *module, PyObject *greenlet)
{
    if (!greenlet_check(greenlet)) {
        PyErr_Format(PyExc_TypeError, "a greenlet was expected, not %R",
                     greenlet);
        return NULL;
    }
    PyObject *list = PyList_New(0);
    struct local_cell *cell = green_of(greenlet)->locals;
    for (; list && cell; cell = cell->sibling) {
        PyObject *item =
            Py_BuildValue("((ON)O)", (PyObject *)Py_TYPE(cell->local),
                          PyLong_FromVoidPtr(cell->local), cell->dict);
        if (!item || PyList_Append(list, item) < 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyMethodDef functions[] = {
    {"all_local_dicts_for_greenlet", all_local_dicts, METH_O,
     "all_local_dicts_for_greenlet(greenlet, /)\n--\n\n"
     "A list of ((class of a local, its id), its attributes there)."},
    {NULL}};

int local_init(PyObject *module)
{
    str_dict = PyUnicode_InternFromString("__dict__");
    if (!str_dict || module_add_type(module, &Local_Type) < 0)
        return -1;
    raw_forget_locals = forget_all;
    return PyModule_AddFunctions(module, functions);
}
