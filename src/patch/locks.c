/*
 * Locks of files: flock, lockf, and those of fcntl.
 *
 * No descriptor tells that one has become free, so who waits tries again, after
 * pauses that grow to 16 ms. A worker would hear of it at once; but workers are
 * few, and who holds the lock may need one to let it go.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/net.h"
#include "patch/call.h"
#include "patch/functions.h"

/* After a try has failed: whether to try again. */
static bool again(struct hub *hub, int64_t *pause, uint32_t closes, int fd,
                  const char *what)
{
    if (errno != EAGAIN && errno != EACCES)
        return false;
    int r = patch_back_off(hub, pause, GROVE_NEVER, what);
    if (r == 0 && closes == loop_closes(fd))
        return true;
    errno = r == 0 ? EBADF : -r;
    return false;
}

/* ---- flock --------------------------------------------------------------------------------- */

static int flock_parking(struct hub *hub, int fd, int operation)
{
    int64_t pause = 0;
    uint32_t closes = loop_closes_counted(fd);
    int r;
    do {
        r = flock(fd, operation | LOCK_NB);
    } while (r < 0 && !(operation & LOCK_NB) &&
             again(hub, &pause, closes, fd, "flock"));
    return r;
}

int patch_flock(int fd, int operation)
{
    PATCHED(int, PATCH_RESTARTS, flock(fd, operation),
            flock_parking(hub, fd, operation));
}

/* ---- lockf --------------------------------------------------------------------------------- */

static int lockf_parking(struct hub *hub, int fd, int command, off_t length)
{
    int64_t pause = 0;
    uint32_t closes = loop_closes_counted(fd);
    int r;
    do {
        r = lockf(fd, command == F_LOCK ? F_TLOCK : command, length);
    } while (r < 0 && command == F_LOCK &&
             again(hub, &pause, closes, fd, "lockf"));
    return r;
}

int patch_lockf(int fd, int command, off_t length)
{
    PATCHED(int, PATCH_RESTARTS, lockf(fd, command, length),
            lockf_parking(hub, fd, command, length));
}

/* ---- fcntl --------------------------------------------------------------------------------- */

static int lock_parking(struct hub *hub, int fd, int command, void *lock)
{
    int without = command == F_SETLKW ? F_SETLK : F_OFD_SETLK;
    int64_t pause = 0;
    uint32_t closes = loop_closes_counted(fd);
    int r;
    do {
        r = fcntl(fd, without, lock);
    } while (r < 0 && again(hub, &pause, closes, fd, "fcntl"));
    return r;
}

static int lock_waiting(int fd, int command, void *lock)
{
    PATCHED(int, PATCH_RESTARTS, fcntl(fd, command, lock),
            lock_parking(hub, fd, command, lock));
}

/* Each command takes one argument at most, of a word at most. */
int patch_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (command == F_SETLKW || command == F_OFD_SETLKW)
        return lock_waiting(fd, command, argument);
    return fcntl(fd, command, argument);
}
