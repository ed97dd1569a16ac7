/*
 * Greenlets as people are told of them; the host's, and safe in a signal
 * handler: see describe.c.
 */
#ifndef GROVE_PYTHON_DESCRIBE_H
#define GROVE_PYTHON_DESCRIBE_H

#include "hub/hub.h"

/* The name of f, which is a greenlet's, as snprintf writes it. */
void describe_greenlet(const struct grove_fiber *f, char *text, size_t size);

/* Its Python stack, as faulthandler writes it; f runs. */
void describe_trace(const struct grove_fiber *f, int fd);

#endif
