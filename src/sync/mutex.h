/*
 * What other primitives need to know of a mutex.
 */
#ifndef GROVE_SYNC_MUTEX_H
#define GROVE_SYNC_MUTEX_H

#include "grove.h"

/* Whether the calling fiber holds m. */
bool mutex_is_held(const grove_mutex *m);

#endif
