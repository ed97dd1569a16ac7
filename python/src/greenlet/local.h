/*
 * What the end of a greenlet means for local.local.
 */
#ifndef GROVE_PYTHON_LOCAL_H
#define GROVE_PYTHON_LOCAL_H

struct green;

/* Drop what local objects keep for g, which ends. May run code, and keeps the
 * exception that is set. */
void local_forget(struct green *g);

#endif
