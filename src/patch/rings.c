/*
 * io_uring_enter(2), by its number: waiting for completions. The ring's
 * descriptor is readable while there are any. For more than one nobody but the
 * kernel knows whether there are enough, which is asked again after pauses that
 * grow to 16 ms.
 *
 * What is to be submitted is before that, by a call that does not wait. Calls
 * with a mask, and those of forms that came later, are made as they are.
 */
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "patch/call.h"
#include "patch/duration.h"
#include "patch/functions.h"

/* Linux's, of IORING_ENTER_EXT_ARG. */
struct extended {
    uint64_t mask;
    uint32_t mask_size;
    uint32_t pad; /* 0, or of later forms */
    uint64_t time;
};

#define KNOWN (IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG)

struct ring_wait {
    int fd;
    unsigned least; /* so many completions */
    int64_t end;
};

static int enter(int fd, unsigned submit, unsigned least, unsigned flags,
                 const void *arg, size_t size)
{
    return (int)syscall(SYS_io_uring_enter, fd, submit, least, flags, arg,
                        size);
}

/* Whether it waits, and it is known for what; what for in *w. */
static bool is_wait(struct ring_wait *w, int fd, unsigned least, unsigned flags,
                    const void *arg, size_t size)
{
    const struct extended *e = flags & IORING_ENTER_EXT_ARG ? arg : NULL;
    const struct timespec *time = e ? (const void *)(uintptr_t)e->time : NULL;
    if (!(flags & IORING_ENTER_GETEVENTS) || (flags & ~KNOWN) || least == 0)
        return false;
    if (e ? size != sizeof(*e) || e->mask || e->pad : arg != NULL)
        return false;
    if (time && !duration_is_valid(time))
        return false;
    *w = (struct ring_wait){fd, least, duration_end(time)};
    return true;
}

/* 0, or -1 with ETIME: there are fewer, and other errors. */
static int look(const struct ring_wait *w)
{
    static const struct timespec now = {0, 0};
    const struct extended e = {.time = (uint64_t)(uintptr_t)&now};
    return enter(w->fd, 0, w->least, KNOWN, &e, sizeof(e));
}

static int pause_for(struct hub *hub, const struct ring_wait *w, int64_t *pause)
{
    return w->least == 1
               ? hub_wait_fd(hub, w->fd, LOOP_READ, w->end, "io_uring_enter")
               : patch_back_off(hub, pause, w->end, "io_uring_enter");
}

/* Whether a pause has ended by no handler that we know of: a completion
 * interrupts the thread's sleep as a signal does. */
static bool is_news(const struct patch_call *call, int r)
{
    return r == -EINTR && patch_thread_self()->handlers.run == call->begun;
}

static int wait_for(struct hub *hub, const struct ring_wait *w,
                    const struct patch_call *call)
{
    int64_t pause = 0;
    int r;
    while ((r = look(w)) < 0 && errno == ETIME) {
        r = pause_for(hub, w, &pause);
        if (r < 0 && !is_news(call, r)) {
            errno = r == -ETIMEDOUT && w->end != GROVE_NEVER ? ETIME : -r;
            return -1;
        }
    }
    return r;
}

/* What was submitted is told, whatever becomes of the wait. */
static int submit_and_wait(struct hub *hub, const struct ring_wait *w,
                           unsigned submit, const struct patch_call *call)
{
    int n = enter(w->fd, submit, 0, IORING_ENTER_GETEVENTS, NULL, 0);
    if (n < 0 || (unsigned)n < submit)
        return n;
    int r = wait_for(hub, w, call);
    return n > 0 ? n : r;
}

int patch_io_uring_enter(int fd, unsigned submit, unsigned least,
                         unsigned flags, const void *arg, size_t size)
{
    struct ring_wait w;
    if (likely(!patch_hub()) || !is_wait(&w, fd, least, flags, arg, size))
        return enter(fd, submit, least, flags, arg, size);
    PATCHED(int, PATCH_INTERRUPTED, enter(fd, submit, least, flags, arg, size),
            submit_and_wait(hub, &w, submit, &call_));
}
