/*
 * Room `sockets`: the waiting part of sockets, and waits for descriptors. It is
 * Python's: no other room uses it, and only the module's own file includes this
 * header.
 *
 *   call.c         a call on a descriptor: begun, waiting, ended
 *   socket.c       what grove.socket.socket derives from
 *   transfer.c     its methods that receive and send bytes
 *   wrapped.c      those that go through the wrapped socket
 *   descriptors.c  waiting for anybody's descriptors
 *   files.c        reading and writing descriptors of every kind
 *   init.c         the room's part of the module
 */
#ifndef GROVE_PYTHON_SOCKETS_H
#define GROVE_PYTHON_SOCKETS_H

#include <Python.h>

int sockets_init(PyObject *module);

#endif
