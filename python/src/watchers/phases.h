/*
 * What the loop's passes tell their watchers; see phases.c. All are
 * called in the Hub's fiber, with the GIL held, and call no Python code.
 */
#ifndef GROVE_PYTHON_PHASES_H
#define GROVE_PYTHON_PHASES_H

#include "watchers/watcher.h"

struct phases;

/* A poll that may sleep is near; it is over. */
void phases_before_sleep(struct phases *p);
void phases_after_sleep(struct phases *p);

/* t ends, and its hub is whole; or has ended. Nobody of its is told any more.
 */
void phases_abandon(struct py_thread *t);
void phases_end(struct py_thread *t);

/* A pass of a loop of its own begins: idle, prepare and check are due there.
 * Whether there are idle ones, which want another at once. */
bool phases_own_pass(PyObject *loop);

/* In a forked child. */
void phases_forked(struct phases *p);

#endif
