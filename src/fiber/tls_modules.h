/*
 * What thread-local variables begin with: see tls_modules.c.
 */
#ifndef GROVE_FIBER_TLS_MODULES_H
#define GROVE_FIBER_TLS_MODULES_H

#include <stdbool.h>

/* Give the variables of tp's block, which nobody runs with, the values that
 * they have in a new thread, libc's own left out. false: no memory to find out
 * what has been loaded meanwhile. */
bool tls_modules_renew(void *tp);

/* The same for those variables of the calling thread's block that were made
 * when they were first used. */
void tls_modules_renew_late(void);

#endif
