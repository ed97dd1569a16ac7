/*
 * What ends a descriptor: who waits for it, on any hub, gets EBADF, and what
 * was known of its number is forgotten.
 *
 * The runtime has descriptors of its own. To a program that closes all that
 * there are, they are not there: EBADF. Before the number of one of the
 * thread's hub is taken by dup2 the runtime moves to another; others' are
 * EBUSY.
 */
#include <fcntl.h>
#include <unistd.h>

#include "loop/private.h"
#include "net/net.h"
#include "patch/call.h"
#include "patch/functions.h"

/* ---- the runtime's own ---------------------------------------------------------------- */

/* fd is about to be another file: false with errno. Those of other threads'
 * hubs, which may be in use at that moment, stay where they are. */
static bool make_way(int fd)
{
    struct loop *loop = hub_of_thread ? &hub_of_thread->loop : NULL;
    if (!loop_is_private(fd))
        return true;
    if (loop && fd == loop->epoll)
        return loop_private_move(&loop->epoll);
    if (loop && fd == loop->wakeup)
        return loop_private_move(&loop->wakeup);
    errno = EBUSY;
    return false;
}

/* ---- close ---------------------------------------------------------------------------- */

int patch_close(int fd)
{
    if (loop_is_private(fd)) {
        errno = EBADF;
        return -1;
    }
    if (patch_in_handler())
        return close(fd); /* nobody can be told now */
    patch_listener_ends(fd);
    return net_close(fd);
}

/* ---- dup2 ------------------------------------------------------------------------------- */

/* What takes number `to`, done by replace. */
static int replace(int from, int to, int flags, bool three)
{
    if (patch_in_handler())
        return three ? dup3(from, to, flags) : dup2(from, to);
    if (!make_way(to))
        return -1;
    bool ends = from != to && to >= 0 && fcntl(from, F_GETFD) >= 0;
    if (ends) {
        patch_listener_ends(to);
        hub_closing(to);
    }
    int r = three ? dup3(from, to, flags) : dup2(from, to);
    if (ends) {
        int error = errno;
        hub_closed(to);
        errno = error;
    }
    return r;
}

int patch_dup2(int from, int to)
{
    return replace(from, to, 0, false);
}

int patch_dup3(int from, int to, int flags)
{
    return replace(from, to, flags, true);
}

/* ---- close_range ------------------------------------------------------------------------ */

/* Numbers that any hub has known: others nobody waits for. */
static int last_known(void)
{
    for (int chunk = LOOP_CHUNKS; chunk-- > 0;) {
        if (loop_number(chunk * LOOP_CHUNK))
            return (chunk + 1) * LOOP_CHUNK - 1;
    }
    return -1;
}

static void each_known(unsigned first, unsigned last, void (*fn)(int fd))
{
    int known = last_known();
    for (unsigned fd = first; (int)fd <= known && fd <= last; fd++) {
        if (!loop_is_private((int)fd))
            fn((int)fd);
    }
}

static void ending(int fd)
{
    patch_listener_ends(fd);
    hub_closing(fd);
}

/* All but the runtime's own. */
static int close_between(unsigned first, unsigned last, int flags)
{
    int r = 0;
    while (r == 0 && first <= last) {
        unsigned ours = loop_private_next(first, last);
        if (ours > first)
            r = close_range(first, ours - 1, flags);
        if (ours == last + 1 || ours == last)
            break;
        first = ours + 1;
    }
    return r;
}

int patch_close_range(unsigned first, unsigned last, int flags)
{
    if (first > last || (flags & CLOSE_RANGE_CLOEXEC) || patch_in_handler())
        return close_range(first, last, flags);
    if (last > INT32_MAX)
        last = INT32_MAX; /* no descriptor is higher */
    each_known(first, last, ending);
    int r = close_between(first, last, flags), error = errno;
    each_known(first, last, hub_closed);
    errno = error;
    return r;
}

void patch_closefrom(int first)
{
    patch_close_range(first < 0 ? 0 : (unsigned)first, INT32_MAX, 0);
}
