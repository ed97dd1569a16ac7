/*
 * What a Queue has and a SimpleQueue has not: tasks, which are items that were
 * put and are not dealt with; the end, by shutdown(); and the locks of the
 * standard library's queue, which are made of Python when somebody asks for
 * one, and told of everything from then on.
 */
#include "queue/object.h"

PyObject *queue_on_put, *queue_on_get, *queue_on_done, *queue_wait_free;
PyObject *queue_locks_class;

/* ---- tasks --------------------------------------------------------------- */

static int tasks_are_done(Queue *self)
{
    assert(self->unfinished == 0);
    linkable_wake_all(&self->joiners);
    return queue_tell(self, queue_on_done);
}

static PyObject *queue_task_done(PyObject *o, PyObject *none)
{
    Queue *self = (Queue *)o;
    if (queue_pass_mutex(self) < 0)
        return NULL;
    if (self->unfinished <= 0) {
        PyErr_SetString(PyExc_ValueError, "task_done() called too many times");
        return NULL;
    }
    if (--self->unfinished == 0 && tasks_are_done(self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *queue_join(PyObject *o, PyObject *const *args, Py_ssize_t n,
                            PyObject *names)
{
    static const char *const keywords[] = {"timeout", NULL};
    PyObject *timeout = Py_None;
    if (arguments("join", args, n, names, keywords, 0, &timeout) < 0)
        return NULL;
    Queue *self = (Queue *)o;
    struct py_thread *t = thread_self();
    int64_t deadline;
    if (!t || timeout_deadline(timeout, &deadline) < 0 || !hub_object(t))
        return NULL;
    while (self->unfinished) {
        assert(self->unfinished > 0);
        struct linkable_waiter me;
        linkable_waiter_init(&me, t);
        linkable_append(&self->joiners, &me);
        enum core_wait_result r =
            timeout_settle(timeout, linkable_wait(&me, deadline, "Queue.join"));
        if (r == CORE_FAILED)
            return NULL;
        if (r == CORE_TIMED_OUT)
            break;
    }
    return PyBool_FromLong(self->unfinished == 0);
}

static int drop_items(Queue *self)
{
    Py_ssize_t size;
    while ((size = queue_size(self)) > 0) {
        PyObject *item = queue_items_get(&self->items, (PyObject *)self);
        if (!item)
            return -1;
        Py_DECREF(item);
        if (self->unfinished > 0)
            self->unfinished--;
    }
    return (int)size;
}

static PyObject *queue_shutdown(PyObject *o, PyObject *const *args,
                                Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"immediate", NULL};
    PyObject *immediate = Py_False;
    if (arguments("shutdown", args, n, names, keywords, 0, &immediate) < 0)
        return NULL;
    Queue *self = (Queue *)o;
    int now = PyObject_IsTrue(immediate);
    if (now < 0 || queue_pass_mutex(self) < 0)
        return NULL;
    self->is_shut = true;
    if (now && drop_items(self) < 0)
        return NULL;
    if (!self->unfinished && tasks_are_done(self) < 0)
        return NULL;
    linkable_wake_all(&self->getters);
    linkable_wake_all(&self->putters);
    if (queue_tell(self, queue_on_put) < 0 ||
        queue_tell(self, queue_on_get) < 0)
        return NULL;
    Py_RETURN_NONE;
}

int queue_settle_unfinished(Queue *self, PyObject *unfinished)
{
    if (unfinished && unfinished != Py_None) {
        Py_ssize_t n = PyNumber_AsSsize_t(unfinished, PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred())
            return -1;
        if (n < 0) {
            PyErr_Format(PyExc_ValueError,
                         "unfinished_tasks must not be negative: %zd", n);
            return -1;
        }
        self->unfinished = n;
        return 0;
    }
    Py_ssize_t n = queue_size(self);
    if (n < 0)
        return -1;
    self->unfinished = n;
    return 0;
}

static PyObject *get_unfinished(PyObject *o, void *closure)
{
    return PyLong_FromSsize_t(((Queue *)o)->unfinished);
}

static int set_unfinished(PyObject *o, PyObject *value, void *closure)
{
    if (!value) {
        PyErr_SetString(PyExc_AttributeError,
                        "unfinished_tasks cannot be deleted");
        return -1;
    }
    return value == Py_None ? 0 : queue_settle_unfinished((Queue *)o, value);
}

/* ---- the standard library's locks ---------------------------------------- */

int queue_tell_locks(Queue *self, PyObject *method)
{
    assert(self->locks && method && !PyErr_Occurred());
    PyObject *result = PyObject_CallMethodNoArgs(self->locks, method);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* An attribute of self->locks, which is made now if it must be. */
static PyObject *get_lock(PyObject *o, void *name)
{
    Queue *self = (Queue *)o;
    if (!self->locks) {
        self->locks = PyObject_CallOneArg(queue_locks_class, o);
        if (!self->locks)
            return NULL;
    }
    return PyObject_GetAttrString(self->locks, name);
}

/* What notify() of a condition does for those who wait here. */
static PyObject *queue_wake(PyObject *o, PyObject *const *args, Py_ssize_t n)
{
    if (arguments_count("_wake", n, 2, 2) < 0)
        return NULL;
    Queue *self = (Queue *)o;
    struct linkable_list *lists[] = {&self->getters, &self->putters,
                                     &self->joiners};
    Py_ssize_t which = PyNumber_AsSsize_t(args[0], PyExc_IndexError);
    Py_ssize_t count = PyNumber_AsSsize_t(args[1], NULL);
    if (PyErr_Occurred())
        return NULL;
    if (which < 0 || which > 2) {
        PyErr_Format(PyExc_ValueError, "no list of waiters %zd", which);
        return NULL;
    }
    for (; count > 0 && !linkable_empty(lists[which]); count--)
        queue_wake_first(lists[which]);
    Py_RETURN_NONE;
}

/* ---- for the type -------------------------------------------------------- */

#define FAST (METH_FASTCALL | METH_KEYWORDS)
#define FUNCTION(f) ((PyCFunction)(void (*)(void))(f))

PyMethodDef queue_task_methods[] = {
    {"task_done", queue_task_done, METH_NOARGS,
     "task_done($self, /)\n--\n\n"
     "An item that was got is dealt with. ValueError when all were.\n\n"
     "    >>> from grove.queue import Queue\n"
     "    >>> queue = Queue(items=[\"first\"])\n"
     "    >>> item = queue.get()\n"
     "    >>> queue.task_done()\n"
     "    >>> queue.join(timeout=1)\n"
     "    True"},
    {"join", FUNCTION(queue_join), FAST,
     "join($self, /, timeout=None)\n--\n\n"
     "Wait until all items that were put are dealt with; False when timeout\n"
     "seconds pass first.\n\n"
     "    >>> import grove\n"
     "    >>> from grove.queue import JoinableQueue\n"
     "    >>> queue = JoinableQueue(items=[\"work\"])\n"
     "    >>> working = grove.spawn(lambda: (queue.get(), queue.task_done()))\n"
     "    >>> queue.join()\n"
     "    True"},
    {"shutdown", FUNCTION(queue_shutdown), FAST,
     "shutdown($self, /, immediate=False)\n--\n\n"
     "Have put() raise ShutDown, and get() once there are no items: at once "
     "with\nimmediate, which drops them.\n\n"
     "    >>> from grove.queue import JoinableQueue, ShutDown\n"
     "    >>> queue = JoinableQueue(items=[\"last\"])\n"
     "    >>> queue.shutdown()\n"
     "    >>> queue.get()\n"
     "    'last'\n"
     "    >>> try:\n"
     "    ...     queue.get()\n"
     "    ... except ShutDown:\n"
     "    ...     print(\"no more\")\n"
     "    no more"},
    {"_wake", FUNCTION(queue_wake), METH_FASTCALL,
     "_wake($self, which, count, /)\n--\n\n"
     "Let so many look again: 0 of the getters, 1 putters, 2 joiners."},
    {NULL}};

PyGetSetDef queue_task_getset[] = {
    {"unfinished_tasks", get_unfinished, set_unfinished,
     "How many items that were put are not dealt with. May be set.", NULL},
    {"mutex", get_lock, NULL,
     "While a greenlet holds it, others cannot use the queue.",
     (void *)"mutex"},
    {"not_empty", get_lock, NULL, "A condition: an item was put.",
     (void *)"not_empty"},
    {"not_full", get_lock, NULL, "A condition: an item was taken.",
     (void *)"not_full"},
    {"all_tasks_done", get_lock, NULL, "A condition: no task is unfinished.",
     (void *)"all_tasks_done"},
    {NULL}};

/* ---- what is in Python --------------------------------------------------- */

static PyObject *set_queue_parts(PyObject *module, PyObject *const *args,
                                 Py_ssize_t n)
{
    PyObject **const where[] = {&queue_Empty, &queue_Full, &queue_ShutDown,
                                &queue_locks_class};
    if (arguments_count("_set_queue_parts", n, 4, 4) < 0)
        return NULL;
    for (int i = 0; i < 4; i++)
        Py_XSETREF(*where[i], Py_NewRef(args[i]));
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_set_queue_parts", FUNCTION(set_queue_parts), METH_FASTCALL,
     "_set_queue_parts(Empty, Full, ShutDown, locks, /)\n--\n\n"
     "What grove.queue has in Python."},
    {NULL}};

int queue_locks_init(PyObject *module)
{
    queue_wait_free = PyUnicode_InternFromString("wait_free");
    queue_on_put = PyUnicode_InternFromString("on_put");
    queue_on_get = PyUnicode_InternFromString("on_get");
    queue_on_done = PyUnicode_InternFromString("on_done");
    if (!queue_wait_free || !queue_on_put || !queue_on_get || !queue_on_done)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
