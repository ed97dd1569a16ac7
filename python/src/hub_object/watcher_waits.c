/*
 * Waits for a watcher: hub.wait(), and how those who wait for watchers are
 * called off. That is done in the Hub, a callback later, for only there may an
 * error be thrown into a greenlet that waits.
 */
#include "hub_object/private.h"

/* hub.wait(watcher): until it fires. */
PyObject *hub_object_wait(PyObject *self, PyObject *watcher)
{
    if (hub_object_check_alive(self) < 0)
        return NULL;
    PyObject *waiter = PyObject_CallOneArg((PyObject *)&Waiter_Type, self);
    PyObject *wake = waiter ? PyObject_GetAttrString(waiter, "switch") : NULL;
    PyObject *result =
        wake ? PyObject_CallMethod(watcher, "start", "OO", wake, waiter) : NULL;
    Py_XDECREF(wake);
    if (!result) {
        Py_XDECREF(waiter);
        return NULL;
    }
    Py_DECREF(result);
    result = PyObject_CallMethod(waiter, "get", NULL);
    if (result && result != waiter) {
        PyErr_Format(PyExc_InvalidSwitch,
                     "Invalid switch into %R: got %R (expected %R)",
                     green_of(self)->thread->current, result, waiter);
        Py_CLEAR(result);
    }
    PyObject *exception = result ? NULL : exception_take();
    PyObject *stopped = PyObject_CallMethod(watcher, "stop", NULL);
    if (!stopped && exception)
        PyErr_Clear();
    Py_XDECREF(stopped);
    if (exception)
        exception_set(exception);
    Py_XDECREF(result);
    Py_DECREF(waiter);
    if (exception || !stopped)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *close_watcher(PyObject *watcher)
{
    return PyObject_CallMethod(watcher, "close", NULL);
}

/* In the Hub: throw error into whoever waits for watcher by a bound method of
 * its own or its Waiter's. */
PyObject *hub_object_cancel_wait_now(PyObject *self, PyObject *const *args,
                                     Py_ssize_t n)
{
    PyObject *watcher = args[0], *error = args[1];
    PyObject *wake = PyObject_GetAttrString(watcher, "callback");
    PyObject *who = wake && wake != Py_None
                        ? PyObject_GetAttrString(wake, "__self__")
                        : NULL;
    Py_XDECREF(wake);
    if (who) {
        PyObject *result = PyObject_CallMethod(who, "throw", "(O)", error);
        Py_DECREF(who);
        if (!result)
            return NULL;
        Py_DECREF(result);
    } else {
        PyErr_Clear();
    }
    if (PyObject_IsTrue(args[2]))
        return close_watcher(watcher);
    Py_RETURN_NONE;
}

/* Once the waits of all watchers were cancelled, in the Hub. */
PyObject *hub_object_cancel_waits_then(PyObject *self, PyObject *const *args,
                                       Py_ssize_t n)
{
    PyObject *watchers = PySequence_Fast(args[0], "expected watchers");
    if (!watchers)
        return NULL;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(watchers); i++) {
        PyObject *one[] = {PySequence_Fast_GET_ITEM(watchers, i), args[1],
                           Py_True};
        PyObject *result = one[0] == Py_None
                               ? Py_NewRef(Py_None)
                               : hub_object_cancel_wait_now(self, one, 3);
        if (!result)
            hub_object_report(green_of(self)->thread, one[0]);
        Py_XDECREF(result);
    }
    Py_DECREF(watchers);
    return PyObject_Call(args[2], args[3], NULL);
}

/* cancel_waits_close_and_then(watchers, error, then, *args) */
PyObject *hub_object_cancel_waits(PyObject *self, PyObject *const *args,
                                  Py_ssize_t n)
{
    if (n < 3) {
        PyErr_SetString(PyExc_TypeError,
                        "cancel_waits_close_and_then() needs watchers, an "
                        "error and a function");
        return NULL;
    }
    PyObject *rest = PyTuple_New(n - 3);
    for (Py_ssize_t i = 3; rest && i < n; i++)
        PyTuple_SET_ITEM(rest, i - 3, Py_NewRef(args[i]));
    PyObject *fn =
        rest ? PyObject_GetAttrString(self, "_cancel_waits_then") : NULL;
    PyObject *call =
        fn ? PyTuple_Pack(4, args[0], args[1], args[2], rest) : NULL;
    PyObject *later =
        call ? loop_run_callback(green_of(self)->thread, fn, call) : NULL;
    Py_XDECREF(call);
    Py_XDECREF(fn);
    Py_XDECREF(rest);
    if (!later)
        return NULL;
    Py_DECREF(later);
    Py_RETURN_NONE;
}

PyObject *hub_object_cancel_wait(PyObject *self, PyObject *const *args,
                                 Py_ssize_t n, PyObject *names)
{
    static const char *const keywords[] = {"watcher", "error", "close_watcher",
                                           NULL};
    PyObject *given[] = {NULL, NULL, Py_False};
    if (arguments("cancel_wait", args, n, names, keywords, 2, given) < 0)
        return NULL;
    PyObject *watcher = given[0], *error = given[1];
    int close = PyObject_IsTrue(given[2]);
    if (close < 0)
        return NULL;
    if (watcher == Py_None)
        Py_RETURN_NONE;
    PyObject *wake = PyObject_GetAttrString(watcher, "callback");
    if (!wake)
        return NULL;
    Py_DECREF(wake);
    if (wake == Py_None) {
        if (close)
            return close_watcher(watcher);
        Py_RETURN_NONE;
    }
    PyObject *fn = PyObject_GetAttrString(self, "_cancel_wait");
    PyObject *call =
        fn ? PyTuple_Pack(3, watcher, error, close ? Py_True : Py_False) : NULL;
    PyObject *later =
        call ? loop_run_callback(green_of(self)->thread, fn, call) : NULL;
    Py_XDECREF(call);
    Py_XDECREF(fn);
    if (!later)
        return NULL;
    Py_DECREF(later);
    Py_RETURN_NONE;
}
