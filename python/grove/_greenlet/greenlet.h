/*
 * The C API of the greenlet module, for extensions written in C, C++ or Cython.
 * What is compiled against this header runs on greenlet as well, and the other
 * way round: the object, the names and the order of the table are greenlet's.
 *
 *     #include <greenlet/greenlet.h>
 *     ...
 *     PyGreenlet_Import();            // once, in the module's initialisation
 *     if (!_PyGreenlet_API)
 *         return NULL;                // the exception is set
 *
 * All of it is called with the GIL held. A greenlet of another thread may be
 * asked for its parent and its state; switching to it is refused.
 */
#ifndef Py_GREENLETOBJECT_H
#define Py_GREENLETOBJECT_H

#include <Python.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GREENLET_VERSION "3.5.3"

/* The instance: subclasses in C begin with it. pimpl is the implementation's.
 */
typedef struct _greenlet {
    PyObject_HEAD
    PyObject *weakreflist;
    PyObject *dict;
    void *pimpl;
} PyGreenlet;

/* Whether op is a greenlet; false for NULL. */
#define PyGreenlet_Check(op) \
    ((op) && PyObject_TypeCheck((PyObject *)(op), &PyGreenlet_Type))

/* Places in the table behind the capsule greenlet._C_API. */
#define PyGreenlet_Type_NUM 0
#define PyExc_GreenletError_NUM 1
#define PyExc_GreenletExit_NUM 2
#define PyGreenlet_New_NUM 3
#define PyGreenlet_GetCurrent_NUM 4
#define PyGreenlet_Throw_NUM 5
#define PyGreenlet_Switch_NUM 6
#define PyGreenlet_SetParent_NUM 7
#define PyGreenlet_MAIN_NUM 8
#define PyGreenlet_STARTED_NUM 9
#define PyGreenlet_ACTIVE_NUM 10
#define PyGreenlet_GET_PARENT_NUM 11
#define PyGreenlet_API_pointers 12

static void **_PyGreenlet_API = NULL;

/* Import greenlet and get the table; _PyGreenlet_API is NULL afterwards, with
 * an exception, when that failed. */
#define PyGreenlet_Import() \
    do { \
        _PyGreenlet_API = (void **)PyCapsule_Import("greenlet._C_API", 0); \
    } while (0)

/* The classes greenlet, greenlet.error and greenlet.GreenletExit. */
#define PyGreenlet_Type (*(PyTypeObject *)_PyGreenlet_API[PyGreenlet_Type_NUM])
#define PyExc_GreenletError \
    ((PyObject *)_PyGreenlet_API[PyExc_GreenletError_NUM])
#define PyExc_GreenletExit ((PyObject *)_PyGreenlet_API[PyExc_GreenletExit_NUM])

/* PyGreenlet *PyGreenlet_New(PyObject *run, PyGreenlet *parent)
 * greenlet(run, parent); either may be NULL. A new reference, or NULL with an
 * exception (TypeError, ValueError, MemoryError). */
#define PyGreenlet_New \
    (*(PyGreenlet * (*)(PyObject * run, PyGreenlet * parent)) \
         _PyGreenlet_API[PyGreenlet_New_NUM])

/* PyGreenlet *PyGreenlet_GetCurrent(void)
 * greenlet.getcurrent(). A new reference; NULL with RuntimeError while the
 * interpreter is being finalized. */
#define PyGreenlet_GetCurrent \
    (*(PyGreenlet * (*)(void)) _PyGreenlet_API[PyGreenlet_GetCurrent_NUM])

/* PyObject *PyGreenlet_Throw(PyGreenlet *g, PyObject *typ, PyObject *val,
 *                            PyObject *tb)
 * g.throw(typ, val, tb); val and tb may be NULL or None. What comes back: a new
 * reference, or NULL with the exception. TypeError if g is no greenlet. */
#define PyGreenlet_Throw \
    (*(PyObject * (*)(PyGreenlet * g, PyObject * typ, PyObject * val, \
                      PyObject * tb)) _PyGreenlet_API[PyGreenlet_Throw_NUM])

/* PyObject *PyGreenlet_Switch(PyGreenlet *g, PyObject *args, PyObject *kwargs)
 * g.switch(*args, **kwargs). args: a tuple, or NULL for none; kwargs: a dict;
 * anything else, NULL too, is none. What comes back: a new reference, or NULL
 * with the exception. TypeError if g is no greenlet or args no tuple. */
#define PyGreenlet_Switch \
    (*(PyObject * (*)(PyGreenlet * g, PyObject * args, PyObject * kwargs)) \
         _PyGreenlet_API[PyGreenlet_Switch_NUM])

/* int PyGreenlet_SetParent(PyGreenlet *g, PyGreenlet *parent)
 * g.parent = parent. 0, or -1 with TypeError, ValueError or AttributeError. */
#define PyGreenlet_SetParent \
    (*(int (*)(PyGreenlet * g, PyGreenlet * parent)) \
         _PyGreenlet_API[PyGreenlet_SetParent_NUM])

/* PyGreenlet *PyGreenlet_GetParent(PyGreenlet *g)
 * Its parent, a new reference. NULL without an exception for a main greenlet;
 * NULL with TypeError if g is no greenlet. */
#define PyGreenlet_GetParent \
    (*(PyGreenlet * (*)(PyGreenlet * g)) \
         _PyGreenlet_API[PyGreenlet_GET_PARENT_NUM])
#define PyGreenlet_GET_PARENT PyGreenlet_GetParent

/* int PyGreenlet_MAIN(PyGreenlet *g)     whether it is a thread's main one
 * int PyGreenlet_STARTED(PyGreenlet *g)  whether it was started; also when dead
 * int PyGreenlet_ACTIVE(PyGreenlet *g)   whether it was started and is not dead
 * 1 or 0; -1 with TypeError if g is no greenlet. */
#define PyGreenlet_MAIN \
    (*(int (*)(PyGreenlet * g)) _PyGreenlet_API[PyGreenlet_MAIN_NUM])
#define PyGreenlet_STARTED \
    (*(int (*)(PyGreenlet * g)) _PyGreenlet_API[PyGreenlet_STARTED_NUM])
#define PyGreenlet_ACTIVE \
    (*(int (*)(PyGreenlet * g)) _PyGreenlet_API[PyGreenlet_ACTIVE_NUM])

#ifdef __cplusplus
}
#endif
#endif
