/*
 * Fibers with thread-local storage of their own; see own_tls.c.
 */
#ifndef GROVE_HUB_OWN_TLS_H
#define GROVE_HUB_OWN_TLS_H

#include "hub/hub.h"

/* f, of the calling thread's hub, has not begun: it will run with a block of
 * its own. 0, or -ENOTSUP, -ENOMEM. */
int hub_own_tls(struct grove_fiber *f);

#endif
