/*
 * Room `wsgi`: requests and responses of a WSGI server. It is Python's: no
 * other room uses it, and only the module's own file includes this header.
 *
 *   reader.c      a connection, for reading
 *   reader_file.c the same as a file of Python's
 *   head.c        the head of a request, by the parser of src/http
 *   keys.c        what fields of requests are called in an environment
 *   environ.c     the environment of a request
 *   body.c        wsgi.input's attributes
 *   body_read.c   reading it
 *   chunks.c      where it comes in chunks
 *   handler.c     the type of handlers: its attributes
 *   overridden.c  which methods a subclass has of its own
 *   request.c     reading a request
 *   start.c       start_response
 *   fields.c      the fields that the server adds to a response
 *   write.c       sending a response
 *   connection.c  a connection: request after request
 *   init.c        the room's part of the module
 */
#ifndef GROVE_PYTHON_WSGI_H
#define GROVE_PYTHON_WSGI_H

#include <Python.h>

int wsgi_init(PyObject *module);

#endif
