/*
 * Talking to a child: input and both outputs at once, by one fiber that polls
 * all its pipes, so that neither side can hold up the other.
 *
 * The pipes are ours alone, so they are set to O_NONBLOCK for good; they are
 * closed as they end. How much of the input is through is kept in the handle,
 * so that a call which was cut short can be made again.
 *
 * To be called on any thread, but by one fiber at a time.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "os/process.h"

#define PIECE 65536 /* what a pipe holds */

struct talk {
    grove_process *p;        /* the child */
    const char *input;       /* what it is to read */
    size_t size;             /* of input; p->written of it are through */
    grove_output *output[3]; /* of descriptors 1 and 2 */
};

/* A child that does not read any more must not end us by SIGPIPE. */
static ssize_t write_quietly(int fd, const void *buf, size_t size)
{
    sigset_t pipe, pending, old;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &old);
    ssize_t n = write(fd, buf, size);
    int error = errno;
    if (n < 0 && error == EPIPE && !was_pending) {
        static const struct timespec now;
        while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = error;
    return n;
}

static bool is_early(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static int give(struct talk *t)
{
    grove_process *p = t->p;
    if (p->written < t->size) {
        ssize_t n = write_quietly(p->pipes[0], t->input + p->written,
                                  t->size - p->written);
        if (n < 0 && is_early())
            return 0;
        assert(n < 0 || (size_t)n <= t->size - p->written);
        p->written = n < 0 ? t->size : p->written + (size_t)n;
    }
    if (p->written == t->size)
        grove_process_close(p, 0);
    return 0;
}

/* Room for a piece and a zero byte; sizes double, so that pieces are rarely
 * copied. */
static bool make_room(grove_output *out)
{
    size_t need = out->size + PIECE + 1;
    size_t room = PIECE + 1;
    while (room < need)
        room *= 2;
    assert(room - out->size > PIECE);
    char *data = realloc(out->data, room);
    if (data)
        out->data = data;
    return data;
}

static int take(struct talk *t, int i)
{
    char thrown_away[4096];
    grove_output *out = t->output[i];
    assert(i == 1 || i == 2); /* descriptor 0 is the child's to read */
    if (out && !make_room(out))
        return -ENOMEM;
    ssize_t n = out ? read(t->p->pipes[i], out->data + out->size, PIECE)
                    : read(t->p->pipes[i], thrown_away, sizeof(thrown_away));
    if (n < 0)
        return is_early() ? 0 : -errno;
    if (n == 0)
        grove_process_close(t->p, i);
    if (out) {
        out->size += (size_t)n;
        out->data[out->size] = '\0';
    }
    return 0;
}

/* One of them was closed while it was waited for, not by grove_process_close:
 * its number is somebody else's now, and not to be closed either. */
static bool lost(grove_process *p, const struct pollfd *fds)
{
    bool any = false;
    for (int i = 0; i < 3; i++) {
        if (!(fds[i].revents & POLLNVAL))
            continue;
        any |= p->pipes[i] == fds[i].fd;
        p->pipes[i] = -1;
    }
    return any;
}

/* Wait for what can go on, and go on. */
static int step(struct talk *t, int64_t deadline)
{
    struct pollfd fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = (struct pollfd){.fd = t->p->pipes[i],
                                 .events = i ? POLLIN : POLLOUT};
    int n = grove_poll_until(fds, 3, deadline);
    if (n <= 0)
        return n < 0 ? -errno : -ETIMEDOUT;
    if (lost(t->p, fds))
        return -EBADF;
    int r = fds[0].revents & ~POLLNVAL ? give(t) : 0;
    for (int i = 1; i < 3 && r == 0; i++) {
        if (fds[i].revents & ~POLLNVAL)
            r = take(t, i);
    }
    return r;
}

static bool is_over(const grove_process *p)
{
    return p->pipes[0] < 0 && p->pipes[1] < 0 && p->pipes[2] < 0;
}

int grove_process_communicate_until(grove_process *p, const void *input,
                                    size_t size, grove_output *out,
                                    grove_output *err, int *status,
                                    int64_t deadline)
{
    struct talk t = {p, input, size, {NULL, out, err}};
    for (int i = 0; i < 3; i++) {
        if (p->pipes[i] >= 0 && fcntl(p->pipes[i], F_SETFL, O_NONBLOCK) < 0)
            return -errno;
    }
    if (p->pipes[0] >= 0 && p->written >= size)
        grove_process_close(p, 0);
    while (!is_over(p)) {
        int r = step(&t, deadline);
        if (r < 0)
            return r;
    }
    return grove_process_wait_until(p, status, deadline);
}

int grove_process_communicate(grove_process *p, const void *input, size_t size,
                              grove_output *out, grove_output *err, int *status)
{
    return grove_process_communicate_until(p, input, size, out, err, status,
                                           GROVE_NEVER);
}
