/*
 * Signal masks of calls that wait with one of their own.
 */
#ifndef GROVE_PATCH_MASKS_H
#define GROVE_PATCH_MASKS_H

#include <signal.h>

#include "patch/call.h"

/* A descriptor that is readable while a signal is pending that the thread's
 * mask blocks and `mask` does not: such a signal ends the call. To be closed by
 * masks_close. -1: there is no such signal, with errno 0, or an error. */
int masks_open(const sigset_t *mask);
void masks_close(int fd);

/* Have such a signal's handler run now. Whether there was one: errno is EINTR
 * then. */
bool masks_deliver(const sigset_t *mask);

#endif
