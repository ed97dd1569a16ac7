/*
 * The signal that the kernel tells of raw calls by.
 */
#ifndef GROVE_PATCH_RAW_TRAP_H
#define GROVE_PATCH_RAW_TRAP_H

#include "patch/raw/places.h"

/* It is handled from now on, until sigsys_give_back. 0 or a negative errno. */
int trap_begin(const struct place *libc);

#endif
