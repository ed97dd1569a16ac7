/*
 * Which Hub a thread has. Its place is thread->hub_object: whoever stands there
 * has the fiber that runs the loop. It is empty until a Hub is first asked for
 * or waited in, and not again before the thread ends: a Hub that is set aside
 * or destroyed is replaced by another, or by a stand-in that nobody is given.
 *
 *            first asked for            set_hub(hub)
 *     none -----------------> a Hub <------------------- another Hub
 *                              |  ^
 *           set_hub(None),     |  | get_hub()
 *           destroy()          v  |
 *                           a stand-in
 *
 * A Hub that does not stand there is dead; set_hub brings it back. Each place
 * is its own thread's to change, with the GIL held.
 */
#include "hub_object/private.h"

/* The class that get_hub() makes: set_default_hub_class's. Borrowed from
 * hub_class_owned, or Hub_Type. */
static PyTypeObject *hub_class = &Hub_Type;

bool hub_object_is_given(struct py_thread *t)
{
    return t->hub_object && !((HubObject *)t->hub_object)->stand_in;
}

void hub_object_take_place(struct py_thread *t, PyObject *hub)
{
    PyGreenlet *old = (PyGreenlet *)t->hub_object, *new = (PyGreenlet *)hub;
    struct green *alive = old->green, *dead = new->green;
    assert(old != new && t->current != old && alive->is_hub && dead->is_hub);
    assert(alive->phase == GREEN_ACTIVE && alive->fiber == t->hub->loop_fiber);
    assert(dead->phase != GREEN_ACTIVE && !dead->fiber && dead->thread == t);
    old->green = dead;
    dead->self = old;
    dead->phase = GREEN_DEAD;
    new->green = alive;
    alive->self = new;
    t->hub_object = Py_NewRef(hub);
    if (alive->parked) { /* with a reference to itself */
        Py_INCREF(new);
        Py_DECREF(old);
    }
    Py_DECREF(old);
}

PyObject *hub_object_make(struct py_thread *t)
{
    assert(!hub_object_is_given(t) && t->tstate == state_current_tstate());
    PyObject *hub = PyObject_CallNoArgs((PyObject *)hub_class);
    if (!hub)
        return NULL;
    Py_DECREF(hub); /* t has it */
    if (!hub_object_is_given(t)) {
        PyErr_Format(PyExc_TypeError, "%R made no Hub of this thread",
                     (PyObject *)hub_class);
        return NULL;
    }
    assert(green_of(t->hub_object)->fiber == t->hub->loop_fiber);
    return t->hub_object;
}

int hub_object_check_alive(PyObject *hub)
{
    assert(PyObject_TypeCheck(hub, &Hub_Type));
    if (likely(green_of(hub)->phase != GREEN_DEAD))
        return 0;
    PyObject *loop = ((HubObject *)hub)->loop;
    PyErr_SetObject(PyExc_HubDestroyed, loop ? loop : Py_None);
    return -1;
}

int hub_object_check_thread(struct py_thread *t)
{
    if (likely(t == thread_cached && t->tstate == state_current_tstate()))
        return 0;
    struct py_thread *mine = thread_self();
    if (mine == t)
        return 0;
    if (mine)
        PyErr_SetString(PyExc_InvalidThreadUse,
                        "cannot be used from a thread other than its own");
    assert(PyErr_Occurred());
    return -1;
}

/* ---- functions of the module --------------------------------------------- */

static PyObject *get_hub(PyObject *module, PyObject *none)
{
    struct py_thread *t = thread_self();
    PyObject *hub = !t                       ? NULL
                    : hub_object_is_given(t) ? t->hub_object
                                             : hub_object_make(t);
    Py_XINCREF(hub);
    return hub;
}

static PyObject *get_hub_if_any(PyObject *module, PyObject *none)
{
    struct py_thread *t = thread_self();
    if (!t)
        return NULL;
    return Py_NewRef(hub_object_is_given(t) ? t->hub_object : Py_None);
}

static PyObject *set_default_hub_class(PyObject *module, PyObject *type)
{
    if (!PyType_Check(type) ||
        !PyType_IsSubtype((PyTypeObject *)type, &Hub_Type)) {
        PyErr_Format(PyExc_TypeError, "expected a subclass of Hub, not %R",
                     type);
        return NULL;
    }
    PyTypeObject *old = hub_class;
    hub_class = (PyTypeObject *)Py_NewRef(type);
    if (old != &Hub_Type)
        Py_DECREF(old);
    Py_RETURN_NONE;
}

/* A thread without a hub has no greenlets but the one that forks. */
static PyObject *forks_alone(PyObject *module, PyObject *flag)
{
    int alone = PyObject_IsTrue(flag);
    if (alone < 0)
        return NULL;
    if (hub_of_thread)
        hub_of_thread->forks_alone = alone;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"forks_alone", forks_alone, METH_O,
     "forks_alone(flag, /)\n--\n\n"
     "Whether the child of the calling thread's next fork has no greenlets\n"
     "but the one that forks, as it has no threads."},
    {"get_hub", get_hub, METH_NOARGS,
     "get_hub()\n--\n\n"
     "The calling thread's Hub, made now if it has none.\n\n"
     "    >>> import grove\n"
     "    >>> grove.get_hub() is grove.getcurrent().parent\n"
     "    False\n"
     "    >>> grove.spawn(lambda: grove.getcurrent().parent is "
     "grove.get_hub()).get()\n"
     "    True"},
    {"_get_hub", get_hub_if_any, METH_NOARGS,
     "The calling thread's Hub, or None."},
    {"set_default_hub_class", set_default_hub_class, METH_O,
     "set_default_hub_class(hub_class, /)\n--\n\n"
     "The class of Hubs made from now on."},
    {NULL}};

int place_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
