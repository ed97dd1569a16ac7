/*
 * Calls that only their caller can make: after which there are two who go on
 * where it was made, each on a stack of its own or one after the other on one.
 */
#ifndef GROVE_PATCH_RAW_THROUGH_H
#define GROVE_PATCH_RAW_THROUGH_H

#include <stdbool.h>
#include <ucontext.h>

/* In the handler: when it has returned, the call is made with all registers as
 * they are, by code of ours, and its caller goes on. False: there is no room
 * for another place where such calls are made. */
bool through_send(ucontext_t *context);

#endif
