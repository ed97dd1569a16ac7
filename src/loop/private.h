/*
 * The runtime's own descriptors, which live as long as what needs them: see
 * private.c. Any thread.
 */
#ifndef GROVE_LOOP_PRIVATE_H
#define GROVE_LOOP_PRIVATE_H

#include <stdbool.h>

#include "fiber/visibility.h"

/* fd, which was just opened, is the runtime's own from now on. Returns the
 * number it has then, a high one unless there is none; fd if it is negative.
 * errno is kept. */
GROVE_HOST_API int loop_private_take(int fd);

/* The same of one that must keep its number. */
void loop_private_note(int fd);

/* It is not any more: to be called before it is closed by who opened it. */
void loop_private_forget(int fd);

/* The same, and closes it. */
GROVE_HOST_API void loop_private_close(int fd);

/* Its number is wanted by another file: it moves to another, which *fd is then.
 * False with errno. */
GROVE_HOST_API bool loop_private_move(int *fd);

/* Whether fd is the runtime's own. */
GROVE_HOST_API bool loop_is_private(int fd);

/* The first of them from `first` to `last`; last + 1: there is none. */
GROVE_HOST_API unsigned loop_private_next(unsigned first, unsigned last);

#endif
