/*
 * The Python stack of the running greenlet, as faulthandler writes it, for a
 * message about a stack in C that is full. Called in a signal handler, on a
 * stack of its own: nothing is allocated, no Python code runs.
 *
 * CPython has the function, but 3.13 and 3.14 do not export it; what these do
 * export tells of a frame's line.
 */
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE
#endif
#include "interp/interp.h"

#include <stdio.h>
#include <unistd.h>

#if PY_VERSION_HEX >= 0x030F0000

void state_write_traceback(PyThreadState *ts, int fd)
{
    PyUnstable_DumpTraceback(fd, ts);
}

#elif PY_VERSION_HEX < 0x030D0000

/* Declared in an internal header. */
extern void _Py_DumpTraceback(int fd, PyThreadState *tstate);

void state_write_traceback(PyThreadState *ts, int fd)
{
    _Py_DumpTraceback(fd, ts);
}

#else

#include "interp/internal_frames.h"

#define MOST_FRAMES 100
#define MOST_CHARACTERS 200 /* of a name */

static void put(int fd, const char *text, size_t n)
{
    ssize_t r = write(fd, text, n);
    (void)r; /* nobody is left to be told */
}

/* Its characters, those beyond ASCII as question marks. */
static void put_name(int fd, PyObject *name)
{
    char text[MOST_CHARACTERS];
    size_t n = 0;
    if (!name || !PyUnicode_Check(name))
        return;
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    for (Py_ssize_t i = 0; i < length && n < sizeof(text); i++) {
        Py_UCS4 c = PyUnicode_READ_CHAR(name, i);
        text[n++] = c >= ' ' && c < 127 ? (char)c : '?';
    }
    put(fd, text, n);
}

static void put_frame(int fd, struct _PyInterpreterFrame *f, PyCodeObject *code)
{
    char line[32];
    int n = snprintf(line, sizeof(line), "\", line %d in ",
                     PyUnstable_InterpreterFrame_GetLine(f));
    put(fd, "  File \"", 8);
    put_name(fd, code->co_filename);
    put(fd, line, (size_t)n);
    put_name(fd, code->co_name);
    put(fd, "\n", 1);
}

void state_write_traceback(PyThreadState *ts, int fd)
{
    static const char head[] = "Stack (most recent call first):\n";
    int n = 0;
    put(fd, head, sizeof(head) - 1);
    for (_PyInterpreterFrame *f = ts->current_frame; f; f = f->previous) {
        PyCodeObject *code = interp_code_of(f);
        if (!code)
            continue;
        if (n++ == MOST_FRAMES) {
            put(fd, "  ...\n", 6);
            return;
        }
        put_frame(fd, f, code);
    }
}

#endif
