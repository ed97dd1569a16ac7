/*
 * What the Hub does about errors that nobody else will see: system errors go to
 * the main greenlet, the others are printed with the greenlet or callback that
 * failed. Every step is a method that a subclass may override.
 */
#include "hub_object/private.h"

/* Nothing else can be done about the exception that is set. */
static void last_resort(PyObject *context)
{
    PyErr_WriteUnraisable(context);
}

void hub_object_report(struct py_thread *t, PyObject *context)
{
    PyObject *exception = exception_take();
    assert(exception && t->tstate == state_current_tstate());
    PyObject *hub = hub_object(t);
    if (!hub) {
        last_resort(context);
        Py_XDECREF(exception);
        return;
    }
    Py_INCREF(hub);
    PyObject *tb = PyException_GetTraceback(exception);
    PyObject *result = PyObject_CallMethod(
        hub, "handle_error", "OOOO", context ? context : Py_None,
        (PyObject *)Py_TYPE(exception), exception, tb ? tb : Py_None);
    if (!result)
        last_resort(context);
    assert(!PyErr_Occurred());
    Py_XDECREF(result);
    Py_XDECREF(tb);
    Py_DECREF(hub);
    Py_DECREF(exception);
}

void loop_report(PyObject *loop, PyObject *context)
{
    struct py_thread *t = ((Loop *)loop)->thread;
    PyObject *handler = ((Loop *)loop)->error_handler;
    if (!handler || handler == Py_None) {
        hub_object_report(t, context);
        return;
    }
    PyObject *type, *value, *tb;
    PyErr_Fetch(&type, &value, &tb);
    PyErr_NormalizeException(&type, &value, &tb);
    PyObject *result =
        PyObject_CallMethod(handler, "handle_error", "OOOO", context, type,
                            value, tb ? tb : Py_None);
    if (!result)
        hub_object_report(t, handler);
    Py_XDECREF(result);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(tb);
}

/* Whether type is a subclass of the class or tuple of classes that attribute
 * name of self is. -1 with an exception. */
static int is_listed(PyObject *self, const char *name, PyObject *type)
{
    PyObject *list = PyObject_GetAttrString(self, name);
    if (!list)
        return -1;
    int listed = PyObject_IsSubclass(type, list);
    Py_DECREF(list);
    return listed;
}

PyObject *hub_object_handle_error(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n)
{
    if (arguments_count("handle_error", n, 4, 4) < 0)
        return NULL;
    PyObject *context = args[0], *type = args[1], *value = args[2];
    /* What C raises may come with a string for its value. */
    if (!PyType_Check(type)) {
        value = type;
        type = (PyObject *)Py_TYPE(type);
    }
    if (PyObject_IsSubclass(type, PyExc_HubDestroyed) == 1) {
        greenlet_throw((PyGreenlet *)green_of(self)->thread->main, type, value,
                       args[3]);
        Py_RETURN_NONE;
    }
    int quiet = is_listed(self, "NOT_ERROR", type);
    int system = quiet < 0 ? -1 : is_listed(self, "SYSTEM_ERROR", type);
    if (system < 0)
        return NULL;
    PyObject *result;
    /* What has no context and goes to main is main's to tell of. */
    if (!quiet && !(system && context == Py_None)) {
        result = PyObject_CallMethod(self, "print_exception", "OOOO", context,
                                     type, value, args[3]);
        if (!result)
            return NULL;
        Py_DECREF(result);
    }
    if (context == Py_None || system) {
        result = PyObject_CallMethod(self, "handle_system_error", "OOO", type,
                                     value, args[3]);
        if (!result)
            return NULL;
        Py_DECREF(result);
    }
    Py_RETURN_NONE;
}

/* Throw into the main greenlet now. A current greenlet other than the Hub goes
 * on later. */
PyObject *hub_object_handle_system_error(PyObject *self, PyObject *const *args,
                                         Py_ssize_t n)
{
    if (arguments_count("handle_system_error", n, 2, 3) < 0)
        return NULL;
    struct py_thread *t = green_of(self)->thread;
    PyObject *tb = n == 3 && args[2] != Py_None ? args[2] : NULL;
    PyObject *value =
        args[1] == Py_None || PyType_Check(args[1]) ? NULL : args[1];
    PyObject *current = (PyObject *)t->current;
    if (current != self && current != (PyObject *)t->main) {
        PyObject *go_on = PyObject_GetAttrString(current, "switch");
        PyObject *later = go_on ? loop_run_callback(t, go_on, NULL) : NULL;
        Py_XDECREF(go_on);
        if (!later)
            return NULL;
        Py_DECREF(later);
    }
    PyObject *type = value ? value : args[0];
    PyObject *result = greenlet_throw(t->main, type, NULL, tb);
    if (!result)
        return NULL;
    Py_DECREF(result);
    Py_RETURN_NONE;
}

/* sys.stderr, or what exception_stream was set to. New reference, may be None.
 */
static PyObject *stream_of(PyObject *self)
{
    PyObject *stream = PyObject_GetAttrString(self, "exception_stream");
    return stream;
}

static PyObject *describe(PyObject *self, PyObject *context)
{
    if (PyUnicode_Check(context))
        return Py_NewRef(context);
    PyObject *text =
        PyObject_CallMethod(self, "format_context", "(O)", context);
    if (text)
        return text;
    last_resort(context);
    return PyObject_Repr(self);
}

static int write_footer(PyObject *self, PyObject *stream, PyObject *context,
                        PyObject *type)
{
    char when[32];
    time_t now = time(NULL);
    struct tm tm;
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    PyObject *what = describe(self, context);
    PyObject *text =
        what ? PyUnicode_FromFormat("%s %S failed with %s\n\n", when, what,
                                    PyType_Check(type)
                                        ? type_name((PyTypeObject *)type)
                                        : "exception")
             : NULL;
    Py_XDECREF(what);
    PyObject *result =
        text ? PyObject_CallMethod(stream, "write", "O", text) : NULL;
    Py_XDECREF(text);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

static int write_traceback(PyObject *stream, PyObject *type, PyObject *value,
                           PyObject *tb)
{
    PyObject *result = NULL;
    if (!PyExceptionInstance_Check(value)) {
        PyObject *text = PyUnicode_FromFormat("%S: %S\n", type, value);
        if (text)
            result = PyObject_CallMethod(stream, "write", "O", text);
        Py_XDECREF(text);
    } else {
        PyObject *module = PyImport_ImportModule("traceback");
        PyObject *print =
            module ? PyObject_GetAttrString(module, "print_exception") : NULL;
        PyObject *args = print ? PyTuple_Pack(3, type, value, tb) : NULL;
        PyObject *kwargs = args ? Py_BuildValue("{sO}", "file", stream) : NULL;
        if (kwargs)
            result = PyObject_Call(print, args, kwargs);
        Py_XDECREF(kwargs);
        Py_XDECREF(args);
        Py_XDECREF(print);
        Py_XDECREF(module);
    }
    Py_XDECREF(result);
    return result ? 0 : -1;
}

PyObject *hub_object_print_exception(PyObject *self, PyObject *const *args,
                                     Py_ssize_t n)
{
    if (arguments_count("print_exception", n, 4, 4) < 0)
        return NULL;
    PyObject *stream = stream_of(self);
    if (!stream)
        return NULL;
    int r = 0;
    if (stream != Py_None) {
        r = write_traceback(stream, args[1], args[2], args[3]);
        if (r == 0 && args[0] != Py_None)
            r = write_footer(self, stream, args[0], args[1]);
    }
    Py_DECREF(stream);
    if (r < 0)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *hub_object_format_context(PyObject *self, PyObject *context)
{
    return PyObject_Repr(context);
}
