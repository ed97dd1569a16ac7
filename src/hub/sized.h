/*
 * Structures that callers fill in, or have filled in, and that begin with their
 * own size, so that they can grow: a program passes the size that it was
 * compiled with, and 0 where it initialised the structure to zero, which is the
 * size of the first version.
 *
 *     program older than the library    members that it does not know are zero
 *     library older than the program    members that it does not know must be
 *                                       zero, and are left zero
 *
 * Whoever appends a member leaves SIZED_TO as it is.
 */
#ifndef GROVE_HUB_SIZED_H
#define GROVE_HUB_SIZED_H

#include <stddef.h>

#include "fiber/visibility.h"

/* The size of the first version, whose last member that was. */
#define SIZED_TO(type, member) \
    (offsetof(type, member) + sizeof(((type *)0)->member))

/* Copies given, of the caller's, to ours, which has `size` bytes. 0, or
 * -EINVAL: it says that it is smaller than `first`, or asks for what is not
 * known here.
 */
GROVE_HOST_API int sized_take(void *ours, size_t size, size_t first,
                              const void *given);

/* Copies ours to given, of the caller's, but for the size that that has. 0, or
 * -EINVAL for one that cannot be. */
GROVE_HOST_API int sized_give(void *given, const void *ours, size_t size,
                              size_t first);

#endif
