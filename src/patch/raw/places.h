/*
 * Where system calls are made.
 */
#ifndef GROVE_PATCH_RAW_PLACES_H
#define GROVE_PATCH_RAW_PLACES_H

#include <stdbool.h>
#include <stdint.h>

struct place {
    uintptr_t start, end;
};

/* libc's code. False: it was not found. */
bool places_libc(struct place *libc);

/* Objects may have been loaded: look which of them are left alone. One at a
 * time. */
void places_look(void);

/* Whether the call is one of an object that is left alone. Any thread, also in
 * a handler. */
bool places_exempt(uintptr_t address);

#endif
