/*
 * Signal masks of calls that wait with one of their own.
 */
#ifndef GROVE_PATCH_MASKS_H
#define GROVE_PATCH_MASKS_H

#include <signal.h>

#include "patch/call.h"

/* A descriptor that is readable while a signal is pending that the thread's
 * mask blocks and `mask` does not: such a signal ends the call. To be closed by
 * masks_close. -1: there is no such signal, with errno 0, and that is to be
 * called, too; or an error. */
int masks_open(const sigset_t *mask);
void masks_close(int fd);

/* Have such a signal's handler run now. Whether there was one: errno is EINTR
 * then. The same for those that the kernel does not know of, as they were sent
 * to a thread that is a fiber; the call has begun, or was ended. */
bool masks_deliver(const sigset_t *mask);
bool masks_deliver_kept(const sigset_t *mask);

#endif
