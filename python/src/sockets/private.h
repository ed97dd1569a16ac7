/*
 * One call on a descriptor, as it begins, waits and ends: what every function
 * of this room goes through (call.c). And the socket, whose methods are such
 * calls (socket.c).
 */
#ifndef GROVE_PYTHON_SOCKETS_PRIVATE_H
#define GROVE_PYTHON_SOCKETS_PRIVATE_H

#include "sockets/sockets.h"

#include "hub_object/hub_object.h"
#include "net/net.h"

/* On the stack of the function that makes the call. After call_begin at most
 * one of blocking and in_hub is true:
 *
 *   blocking  in_hub
 *     true     false   it parks while the system call would block
 *     false    true    it would have waited, but runs in the hub: having to
 *                      wait is BlockingSwitchOutError
 *     false    false   the time-out is 0: having to wait is BlockingIOError
 */
struct call {
    struct py_thread *thread; /* the calling one */
    int fd;                   /* -1: several, in poll */
    bool blocking;            /* it may park */
    bool in_hub;              /* it would, were it not in the hub */
    bool has_timeout;         /* the time-out is not None; it may be 0 */
    bool unref;       /* its waits are no reason for the loop to go on */
    int64_t deadline; /* GROVE_NEVER without a time-out */
};

/* 0, or -1 with TypeError, ValueError, MemoryError, BlockingSwitchOutError,
 * what was thrown here, or OSError EBADF as call_give_turn. */
int call_begin(struct call *call, int fd, PyObject *timeout);

/* A greenlet whose calls never have to wait (its peer is quicker, or has hung
 * up and it does not mind) would starve the rest: now and then they get a turn.
 * Before the system call, so that nothing is lost when an exception comes
 * meanwhile. call_begin does it for calls that may park. Not in the hub. 0, or
 * -1 with what was thrown here, or EBADF when the descriptor was closed: its
 * number may be another file's. */
int call_give_turn(const struct call *call);

/* Raise TimeoutError: -1. */
int call_raise_timeout(void);

/* The exception of a call that failed with errno: -1. */
int call_raise(const struct call *call);

/* Around what may park, with as many waits as it begins at a time: those of a
 * socket without ref are not counted by the loop. */
static inline void call_parks(const struct call *call, size_t waits)
{
    call->thread->hub->unref += call->unref ? waits : 0;
}

/* errno stays. */
static inline void call_parked(const struct call *call, size_t waits)
{
    assert(!call->unref || call->thread->hub->unref >= waits);
    call->thread->hub->unref -= call->unref ? waits : 0;
}

/* Park until the descriptor may be ready for LOOP_READ or LOOP_WRITE. 0: try
 * again; -1 with an exception. */
int call_wait(struct call *call, unsigned direction, const char *what);

/* What a net_ function returned, or -1 with an exception. */
static inline Py_ssize_t call_end(const struct call *call, ssize_t n)
{
    int error = errno;
    assert(!(call->blocking && call->in_hub));
    if (call->blocking && core_after_wait(call->thread) < 0)
        return -1;
    errno = error;
    return n >= 0 ? n : call_raise(call);
}

/* The flags for a call that may or may not wait. With a time-out MSG_DONTWAIT
 * changes nothing, as with the standard sockets, which poll before they call.
 */
static inline int call_flags(const struct call *call, int flags)
{
    assert(!(call->blocking && call->in_hub));
    if (!call->blocking)
        return flags | MSG_DONTWAIT;
    return call->has_timeout ? flags & ~MSG_DONTWAIT : flags;
}

/* ---- sockets without ref: unreferenced.c ----------------------------------- */

extern size_t unreferenced_count; /* of descriptors */

bool unreferenced_slow(int fd);
void unreferenced_forget_slow(int fd);

/* Whether waits for fd, which may be -1, do not count. */
static inline bool unreferenced(int fd)
{
    return unlikely(unreferenced_count) && unreferenced_slow(fd);
}

/* fd stands for another file, or none, from now on. */
static inline void unreferenced_forget(int fd)
{
    if (unlikely(unreferenced_count))
        unreferenced_forget_slow(fd);
}

/* *call, begun for no descriptor in particular, is for fd. */
static inline void call_is_for(struct call *call, int fd)
{
    assert(call->fd == -1);
    call->fd = fd;
    call->unref = unreferenced(fd);
}

/* ---- the socket: socket.c ---------------------------------------------------- */

/* The compiled part of grove.socket.socket. NULL: not set yet, or deleted. */
typedef struct {
    PyObject_HEAD
    PyObject *sock;    /* the wrapped _socket.socket */
    PyObject *timeout; /* seconds; None: never; 0: it is not to wait */
} Socket;

/* Stands for a socket's own time-out where None would mean never. */
extern PyObject *socket_timeout_default;

/* Its descriptor, -1 when it is closed; -1 with an exception. */
int socket_fd(const Socket *s);

/* A call on the socket begins, with its time-out or the one given. The
 * descriptor is the one that it has after others have had their turn. 0, or -1
 * with an exception. */
int socket_begin(struct call *call, const Socket *s, PyObject *timeout);

/* ---- parts of sockets_init: each adds its names; 0 or -1 -------------------- */

int socket_init(PyObject *module);
int descriptors_init(PyObject *module);
int unreferenced_init(PyObject *module);
int files_init(PyObject *module);
int names_init(PyObject *module);

/* Parts of socket_init: each gives the type its methods. 0 or -1. */
int transfer_init(PyTypeObject *type);
int wrapped_init(PyObject *module, PyTypeObject *type);

#endif
