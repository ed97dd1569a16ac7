/*
 * What ends a descriptor: who waits for it, on any hub, gets EBADF, and what
 * was known of its number is forgotten.
 *
 * The runtime has descriptors of its own. To a program that closes all that
 * there are, they are not there: EBADF; and before one's number is taken by
 * dup2 the runtime moves to another.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "net/net.h"
#include "patch/call.h"
#include "patch/functions.h"

/* ---- the runtime's own ---------------------------------------------------------------- */

static bool is_hubs(const struct hub *hub, int fd)
{
    return fd >= 0 && (fd == hub->loop.epoll || fd == hub->loop.wakeup);
}

/* Those of other threads' hubs are not looked at: they would have to be asked.
 */
static bool is_ours(int fd)
{
    return hub_of_thread && is_hubs(hub_of_thread, fd);
}

/* The same file by another number. */
static bool move(int *fd)
{
    int other = fcntl(*fd, F_DUPFD_CLOEXEC, *fd + 1);
    if (other < 0)
        return false;
    close(*fd);
    *fd = other;
    return true;
}

/* *fd is about to be another file: false with errno. */
static bool make_way(int fd)
{
    if (!is_ours(fd))
        return true;
    struct loop *loop = &hub_of_thread->loop;
    return move(fd == loop->epoll ? &loop->epoll : &loop->wakeup);
}

/* ---- close ---------------------------------------------------------------------------- */

int patch_close(int fd)
{
    if (patch_in_handler())
        return close(fd); /* nobody can be told now */
    if (is_ours(fd)) {
        errno = EBADF;
        return -1;
    }
    patch_listener_ends(fd);
    return net_close(fd);
}

/* fclose closes inside libc. */
int patch_fclose(FILE *file)
{
    int fd = fileno(file);
    if (fd < 0 || patch_in_handler())
        return fclose(file);
    fflush(file); /* which may wait; its error fclose tells again */
    patch_listener_ends(fd);
    hub_closing(fd);
    int r = fclose(file), error = errno;
    hub_closed(fd);
    errno = error;
    return r;
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
        if (!is_ours((int)fd))
            fn((int)fd);
    }
}

static void ending(int fd)
{
    patch_listener_ends(fd);
    hub_closing(fd);
}

/* The next of the runtime's own in the range; last + 1: there is none. */
static unsigned next_of_ours(unsigned first, unsigned last)
{
    const struct loop *loop = &hub_of_thread->loop;
    unsigned a = (unsigned)loop->epoll, b = (unsigned)loop->wakeup;
    unsigned next = last + 1;
    if (a >= first && a <= last)
        next = a;
    if (b >= first && b <= last && b < next)
        next = b;
    return next;
}

/* All but the runtime's own. */
static int close_between(unsigned first, unsigned last, int flags)
{
    int r = 0;
    while (r == 0 && first <= last) {
        unsigned ours = next_of_ours(first, last);
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
    if (!hub_of_thread || first > last || flags || patch_in_handler())
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
