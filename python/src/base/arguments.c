/*
 * Arguments of functions called with METH_FASTCALL: what PyArg_Parse does for
 * tuples, without the tuple. And seconds, which every wait takes.
 */
#include "base/base.h"

#include <math.h>

int arguments_count(const char *function, Py_ssize_t n, Py_ssize_t least,
                    Py_ssize_t most)
{
    assert(least <= most);
    if (likely(n >= least && n <= most))
        return 0;
    PyErr_Format(PyExc_TypeError,
                 "%s() takes %zd to %zd positional arguments (%zd given)",
                 function, least, most, n);
    return -1;
}

static int find(const char *const *keywords, PyObject *name)
{
    for (int i = 0; keywords[i]; i++) {
        if (PyUnicode_CompareWithASCIIString(name, keywords[i]) == 0)
            return i;
    }
    return -1;
}

int arguments(const char *function, PyObject *const *args, Py_ssize_t n,
              PyObject *names, const char *const *keywords, int required,
              PyObject **out)
{
    int most = 0;
    while (keywords[most])
        most++;
    assert(required <= most);
    if (arguments_count(function, n, 0, most) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < n; i++)
        out[i] = args[i];
    Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        int at = find(keywords, name);
        if (at < 0 || at < n) {
            PyErr_Format(PyExc_TypeError,
                         at < 0 ? "%s() got an unexpected keyword argument '%U'"
                                : "%s() got multiple values for argument '%U'",
                         function, name);
            return -1;
        }
        assert(at < most);
        out[at] = args[n + i];
    }
    for (int i = 0; i < required; i++) {
        if (!out[i]) {
            PyErr_Format(PyExc_TypeError,
                         "%s() missing required argument: '%s'", function,
                         keywords[i]);
            return -1;
        }
    }
    return 0;
}

PyObject *argument(const char *function, PyObject *const *args, Py_ssize_t n,
                   PyObject *names, const char *keyword)
{
    if (likely(n == 1 && !names))
        return args[0];
    const char *const keywords[] = {keyword, NULL};
    PyObject *given = NULL;
    return arguments(function, args, n, names, keywords, 1, &given) < 0 ? NULL
                                                                        : given;
}

int argument_deadline(PyObject *seconds, int64_t *deadline)
{
    if (!seconds || seconds == Py_None) {
        *deadline = GROVE_NEVER;
        return 0;
    }
    double s = PyFloat_AsDouble(seconds);
    if (s == -1.0 && PyErr_Occurred())
        return -1;
    if (isnan(s)) {
        PyErr_SetString(PyExc_ValueError,
                        "Invalid value NaN (not a number) for a time in "
                        "seconds");
        return -1;
    }
    *deadline = s >= 9.2e9 ? GROVE_NEVER
                : s <= 0   ? 0
                           : hub_deadline((int64_t)ceil(s * 1e9));
    assert(*deadline >= 0 && !PyErr_Occurred());
    return 0;
}
