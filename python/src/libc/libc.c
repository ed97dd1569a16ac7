/*
 * Loading libgrove-patch and having it patch.
 *
 * It is loaded when it is first asked for: programs that patch nothing do not
 * carry it. What the interpreter itself reads and writes by read(2) and
 * write(2) is left alone: its buffered files hold a lock meanwhile that belongs
 * to the thread, and another greenlet of that thread would be refused as its
 * owner
 * ("reentrant call").
 *
 * With the GIL, on any thread.
 */
#include "libc/libc.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "grove.h"
#include "raw/raw.h"

#define LIBRARY "libgrove-patch.so.0"

/* Its calls; see grove_patch_all(3). */
static struct {
    int (*patch_all)(unsigned flags);
    int (*patch_except)(const char *objects, const char *symbols);
    int (*unpatch_all)(void);
    int (*report)(int fd);
} library;

/* ---- loading --------------------------------------------------------------------- */

static void *find(void *handle, const char *name)
{
    void *function = dlsym(handle, name);
    if (!function && !PyErr_Occurred())
        PyErr_Format(PyExc_ImportError, LIBRARY " has no %s", name);
    return function;
}

/* It stays. -1 with ImportError. */
static int load(void)
{
    if (library.report)
        return 0;
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        PyErr_SetString(PyExc_ImportError, dlerror());
        return -1;
    }
    library.patch_all = find(handle, "grove_patch_all");
    library.patch_except = find(handle, "grove_patch_except");
    library.unpatch_all = find(handle, "grove_unpatch_all");
    library.report = find(handle, "grove_patch_report");
    return PyErr_Occurred() ? -1 : 0;
}

/* ---- patching -------------------------------------------------------------------- */

/* A number; OSError for a negative errno. */
static PyObject *counted(int r)
{
    if (r >= 0)
        return PyLong_FromLong(r);
    errno = -r;
    return PyErr_SetFromErrno(PyExc_OSError);
}

/* The name of the object that the interpreter is in, as the patch layer has it:
 * a library's, or "" for the program. */
static const char *interpreter(void)
{
    Dl_info info;
    if (!dladdr((void *)PyEval_SaveThread, &info) || !info.dli_fname)
        return "";
    const char *slash = strrchr(info.dli_fname, '/');
    const char *name = slash ? slash + 1 : info.dli_fname;
    return strncmp(name, "libpython", strlen("libpython")) == 0 ? name : "";
}

static int spare_the_interpreter(void)
{
    static const char *const symbols[] = {
        "read", "__read", "__read_chk", "readv", "write", "__write", "writev"};
    int r = 0;
    for (size_t i = 0; r == 0 && i < Py_ARRAY_LENGTH(symbols); i++)
        r = library.patch_except(interpreter(), symbols[i]);
    return r;
}

static PyObject *patch(PyObject *module, PyObject *none)
{
    if (load() < 0)
        return NULL;
    int r = spare_the_interpreter();
    return counted(r < 0 ? r : library.patch_all(0));
}

static PyObject *unpatch(PyObject *module, PyObject *none)
{
    return counted(library.report ? library.unpatch_all() : 0);
}

static PyObject *report(PyObject *module, PyObject *fd)
{
    int number = state_as_int(fd);
    if (number == -1 && PyErr_Occurred())
        return NULL;
    return counted(library.report ? library.report(number) : 0);
}

/* In a forked child, once the interpreter is whole again. */
static PyObject *after_fork(PyObject *module, PyObject *none)
{
    struct py_thread *t = thread_look_up(state_current_tstate());
    if (t)
        t->foreign_off = false;
    Py_RETURN_NONE;
}

/* ---- the module --------------------------------------------------------------------- */

static PyMethodDef functions[] = {
    {"_libc_patch", patch, METH_NOARGS,
     "Have libc's blocking calls let other greenlets run: how many slots."},
    {"_libc_unpatch", unpatch, METH_NOARGS, "Undo that: how many slots."},
    {"_libc_report", report, METH_O,
     "_libc_report(fd): write which slots are patched to a descriptor."},
    {"_libc_after_fork", after_fork, METH_NOARGS,
     "In a forked child: calls of C code may wait again."},
    {NULL}};

int libc_init(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
