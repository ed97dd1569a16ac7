/*
 * Room `watchers`: loop.timer(), loop.io() and the other things that call back
 * when something happens. They are Python's: no other room uses them, and only
 * the module's own file includes this header.
 *
 *   watcher.c    what all have, the base class
 *   timer.c io.c signal.c async.c child.c stat.c   one kind each
 *   phases.c     those of the loop's passes: idle, prepare, check, fork
 *   factories.c  the methods of the loop that make them
 *   init.c       the room's part of the module
 */
#ifndef GROVE_PYTHON_WATCHERS_H
#define GROVE_PYTHON_WATCHERS_H

#include <Python.h>

int watchers_init(PyObject *module);

#endif
