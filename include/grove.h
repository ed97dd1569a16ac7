/*
 * Grove: green threads for C. Blocking calls, written straight, park the
 * calling fiber instead of the thread; other fibers run meanwhile.
 *
 * Conventions
 *   - Calls shaped like POSIX return -1 and set errno. Calls of the runtime
 *     return 0 (or a count) or a negative errno value.
 *   - A deadline is an absolute time on the monotonic clock in nanoseconds,
 *     as grove_now() tells it; GROVE_NEVER is no deadline. Every call that can
 *     wait has a twin that ends in _until and takes one as its last argument.
 *     A call that need not wait succeeds even when its deadline has passed.
 *   - A call that waits ends early with ECANCELED when its fiber is killed
 *     (grove_kill), with ETIMEDOUT when its deadline or that of an enclosing
 *     timeout scope (grove_timeout_begin) passes, and with EDEADLK, on the
 *     thread's own stack only, when nothing is left that could wake anybody,
 *     other threads included.
 *   - Every call may be made from a fiber or from a thread's own stack; there
 *     it runs the thread's other fibers until it is done.
 *   - Fibers never leave the thread that spawned them, and a grove_fiber may
 *     only be used on that thread. Errno belongs to the fiber.
 *   - Attributes and statistics are structures that begin with their size: of
 *     sizeof what the program was compiled with, or 0, which is that of the
 *     first version, so that one that is all zero, or initialised by member
 *     names, is right. Later versions append members; what a structure is too
 *     small for is the default, or is not told.
 *   - After fork() the child keeps the calling fiber and the thread's own
 *     stack; every other fiber of the child ends with ECANCELED, unrun.
 *
 * Each function has a manual page: man 3 grove_spawn; man 7 grove.
 */
#ifndef GROVE_H
#define GROVE_H

#include <grove/base.h>
#include <grove/channel.h>
#include <grove/datagram.h>
#include <grove/dns.h>
#include <grove/fiber.h>
#include <grove/file.h>
#include <grove/group.h>
#include <grove/http.h>
#include <grove/hub.h>
#include <grove/net.h>
#include <grove/observe.h>
#include <grove/offload.h>
#include <grove/patch.h>
#include <grove/process.h>
#include <grove/select.h>
#include <grove/server.h>
#include <grove/signal.h>
#include <grove/socket.h>
#include <grove/stream.h>
#include <grove/sync.h>
#include <grove/tls.h>

#endif
