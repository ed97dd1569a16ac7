/*
 * Room `greenlet`: gevent's Greenlet and what is done with many of them. It is
 * Python's: no other room uses it, and only the module's own file includes this
 * header.
 *
 *   greenlet.c    Greenlet, the object; start.c, how it comes to run; run.c,
 * what it runs, and its end methods.c     join, get, kill, ...; attributes.c,
 * its attributes; links.c spawn.c       how those that the hub starts wait for
 * their turn; spawn_raw made_at.c     where a Greenlet was made gather.c
 * waiting for several objects; joinall.c, the functions on it group.c groups
 * and pools; members.c, how members come in and go local.c       greenlet-local
 * attributes describe.c    what people are told of a greenlet init.c        the
 * room's part of the module
 */
#ifndef GROVE_PYTHON_GREENLET_H
#define GROVE_PYTHON_GREENLET_H

#include <Python.h>

int greenlet_init(PyObject *module);

#endif
