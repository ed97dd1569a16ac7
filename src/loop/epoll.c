/*
 * The loop on epoll.
 *
 * A descriptor is registered once, edge-triggered, for both directions, when
 * somebody first waits for it, and stays so until it is closed. After that a
 * wait costs no system call: the hints readable and writable follow the edges
 * (set) and what calls found out (cleared), and an edge that came between a
 * call's EAGAIN and the wait is still in the kernel's list.
 *
 *      registered          edge                 EAGAIN, short read
 *   o ------------> ready ------> ready      ready -----------> exhausted
 *                                exhausted --------- edge ----> ready
 *
 * Records are found by number, through two levels, and never move. close()
 * takes the registration with it in the kernel; loop_forget bumps the record's
 * generation, which travels in the event, so that events already taken from
 * the kernel are not given to the next file of that number. Whoever waits
 * compares it afterwards, together with the process's count of closes
 * (number.h): between the edge and the waiter's turn the number may have been
 * closed and taken by another file.
 *
 * The kernel knows a registration by file and number and keeps it as long as
 * the file lives, in a dup of another number or in a forked child even when the
 * number is closed, and then nobody can take it back any more. So it is taken
 * back before the close, also from the loops of other threads (loop_leave).
 * What was closed behind our back leaves it; its events carry a generation that
 * is over by the time the number is waited for again.
 *
 * Everything is called on the loop's thread, except loop_interrupt and
 * loop_leave.
 */
#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fiber/log.h"
#include "loop/private.h"

#define INTERRUPT UINT64_MAX /* the eventfd's event */
#define GROUP 64             /* chunks a group */

/* Whether waits is a list: its last link is the end of it. */
static inline bool waits_sound(const struct loop_waits *waits)
{
    return !*waits->last &&
           (waits->first != NULL) == (waits->last != &waits->first);
}

static void waits_init(struct loop_waits *waits)
{
    waits->first = NULL;
    waits->last = &waits->first;
}

static int open_kernel_objects(struct loop *loop)
{
    loop->epoll = loop_private_take(epoll_create1(EPOLL_CLOEXEC));
    if (loop->epoll < 0)
        return -errno;
    loop->wakeup = loop_private_take(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (loop->wakeup < 0)
        goto fail_epoll;
    /* Edge-triggered: each write is an edge, and nobody need ever read. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET,
                                .data.u64 = INTERRUPT};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wakeup, &event) < 0)
        goto fail_wakeup;
    return 0;

    int error;
fail_wakeup:
    /* fs.epoll.max_user_watches: memory that the kernel does not grant. */
    error = errno == ENOSPC ? ENOMEM : errno;
    loop_private_close(loop->wakeup);
    errno = error;
fail_epoll:
    error = errno;
    loop_private_close(loop->epoll);
    return -error;
}

/* How many loops have each mark. */
static _Atomic unsigned marked[LOOP_MARKS];

/* One that few have; none, as long as there are enough. */
static uint32_t take_mark(void)
{
    unsigned best = 0;
    for (unsigned i = 1; i < LOOP_MARKS; i++) {
        if (atomic_load(&marked[i]) < atomic_load(&marked[best]))
            best = i;
    }
    atomic_fetch_add(&marked[best], 1);
    return 1u << best;
}

static _Atomic unsigned *marked_as(const struct loop *loop)
{
    assert(loop->mark & LOOP_MARK_BITS);
    return &marked[__builtin_ctz(loop->mark)];
}

bool loop_mark_is_shared(const struct loop *loop)
{
    return atomic_load(marked_as(loop)) > 1;
}

int loop_init(struct loop *loop)
{
    memset(loop, 0, sizeof(*loop));
    loop->has_pwait2 = true;
    int r = open_kernel_objects(loop);
    if (r == 0)
        loop->mark = take_mark();
    return r;
}

void loop_destroy(struct loop *loop)
{
    for (size_t g = 0; g < LOOP_CHUNKS / GROUP; g++) {
        for (size_t c = 0; loop->chunks[g] && c < GROUP; c++)
            free(loop->chunks[g][c]);
        free(loop->chunks[g]);
    }
    loop_private_close(loop->wakeup);
    loop_private_close(loop->epoll);
    atomic_fetch_sub(marked_as(loop), 1);
}

struct loop_fd *loop_fd_slow(struct loop *loop, int fd)
{
    if (fd < 0 || fd >= LOOP_CHUNK * LOOP_CHUNKS) {
        errno = fd < 0 ? EBADF : EMFILE;
        return NULL;
    }
    size_t chunk = (size_t)fd / LOOP_CHUNK;
    struct loop_fd ***group = &loop->chunks[chunk / GROUP];
    if (!*group && !(*group = calloc(GROUP, sizeof(**group))))
        return NULL;
    struct loop_fd **records = &(*group)[chunk % GROUP];
    if (!*records) {
        void *memory;
        if (!loop_numbers_make(chunk)) {
            errno = ENOMEM;
            return NULL;
        }
        size_t size = LOOP_CHUNK * sizeof(**records);
        if (posix_memalign(&memory, 64, size) != 0) {
            errno = ENOMEM;
            return NULL;
        }
        *records = memset(memory, 0, size);
        for (size_t i = 0; i < LOOP_CHUNK; i++) {
            struct loop_fd *r = &(*records)[i];
            waits_init(&r->readers);
            waits_init(&r->writers);
            r->number = (int)(chunk * LOOP_CHUNK + i);
        }
    }
    return &(*records)[(size_t)fd % LOOP_CHUNK];
}

/* A short read of a TCP stream has taken all there was; of a pipe, a datagram
 * or a Unix socket (which stops at passed descriptors) it says nothing. */
static bool is_tcp(int fd)
{
    int protocol = 0;
    socklen_t size = sizeof(protocol);
    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
           protocol == IPPROTO_TCP;
}

/* In milliseconds; 0 also of what is no socket. */
static uint32_t timeout_option(int fd, int name)
{
    struct timeval tv = {0, 0};
    socklen_t size = sizeof(tv);
    if (getsockopt(fd, SOL_SOCKET, name, &tv, &size) < 0 ||
        tv.tv_sec > UINT32_MAX / 1000 - 1)
        return 0;
    return (uint32_t)tv.tv_sec * 1000 + (uint32_t)(tv.tv_usec + 999) / 1000;
}

static void read_timeouts(struct loop_fd *fd)
{
    fd->timeouts[0] = timeout_option(fd->number, SO_RCVTIMEO);
    fd->timeouts[1] = timeout_option(fd->number, SO_SNDTIMEO);
}

void loop_read_options(struct loop_fd *fd)
{
    int flags = fcntl(fd->number, F_GETFL);
    fd->nonblocking = flags >= 0 && (flags & O_NONBLOCK);
    fd->asked = LOOP_ASKED_UNKNOWN;
    read_timeouts(fd);
}

void loop_read_timeouts(struct loop *loop, int number)
{
    struct loop_fd *fd = loop_fd(loop, number);
    if (fd && fd->registered)
        read_timeouts(fd);
}

static void forget_kind(struct loop_fd *fd)
{
    fd->not_socket = false;
    fd->no_nowait = 0;
    fd->not_terminal = false;
}

static struct epoll_event event_of(const struct loop_fd *fd)
{
    return (struct epoll_event){
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
        .data.u64 = (uint64_t)fd->generation << 32 | (uint32_t)fd->number};
}

/* Whether the registered fd still stands for the file that was registered: the
 * kernel knows a registration by file and number. That it is made anew is an
 * edge of its own if it is ready, so nothing is missed. 0: it does; 1: it is
 * another, or none; -errno: it cannot be told. */
static int ask_kernel(struct loop *loop, const struct loop_fd *fd)
{
    struct epoll_event event = event_of(fd);
    if (fd->always_ready)
        return 1;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd->number, &event) == 0)
        return 0;
    return errno == ENOENT || errno == EBADF || errno == EPERM ? 1 : -errno;
}

/* The mark first: see number.c. */
static void mark_known(struct loop *loop, struct loop_fd *fd)
{
    struct loop_number *n = loop_number_of(fd);
    uint32_t state = atomic_load(&n->state);
    if (!(state & loop->mark))
        state = atomic_fetch_or(&n->state, loop->mark);
    fd->closes = atomic_load(&n->closes);
    uint32_t others = state & LOOP_MARK_BITS & ~loop->mark;
    if (unlikely(others && !(state & LOOP_SHARED) && loop->shared)) {
        atomic_fetch_or(&n->state, LOOP_SHARED);
        loop->shared(loop, fd->number, others);
    }
}

/* Registered, but for the kernel. */
static int register_anew(struct loop *loop, struct loop_fd *fd)
{
    mark_known(loop, fd);
    struct epoll_event event = event_of(fd);
    fd->always_ready = false;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd->number, &event) < 0) {
        /* Left by a dup of the file that had this number: take it over. */
        if (errno == EEXIST &&
            epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd->number, &event) == 0)
            goto registered;
        if (errno != EPERM)
            return -errno;
        fd->always_ready = true;
    }
registered:
    loop_read_options(fd);
    fd->stream = !fd->always_ready && is_tcp(fd->number);
    fd->no_short_reads = false;
    forget_kind(fd);
    fd->readable = true;
    fd->writable = true;
    fd->registered = true;
    return 0;
}

static struct loop_waits *waits_of(struct loop_fd *fd, unsigned direction)
{
    return direction == LOOP_READ ? &fd->readers : &fd->writers;
}

void loop_wait_add(struct loop *loop, struct loop_fd *fd,
                   struct loop_wait *wait)
{
    struct loop_waits *waits = waits_of(fd, wait->direction);
    assert(wait->direction == LOOP_READ || wait->direction == LOOP_WRITE);
    assert(!wait->back && wait->fn && waits_sound(waits));
    assert(fd->registered && !fd->always_ready);
    wait->fd = fd;
    wait->next = NULL;
    wait->back = waits->last;
    *waits->last = wait;
    waits->last = &wait->next;
    loop->waits++;
}

void loop_wait_remove(struct loop *loop, struct loop_wait *wait)
{
    if (!wait->back)
        return;
    assert(loop->waits > 0 && *wait->back == wait);
    assert(!wait->next || wait->next->back == &wait->next);
    *wait->back = wait->next;
    if (wait->next)
        wait->next->back = wait->back;
    else
        waits_of(wait->fd, wait->direction)->last = wait->back;
    wait->back = NULL;
    loop->waits--;
    assert(waits_sound(waits_of(wait->fd, wait->direction)));
}

/* Calls those who wait now, of whom there are some, first come first; not those
 * who come meanwhile. */
static void call_all(struct loop *loop, struct loop_waits *waits, int result)
{
    struct loop_wait *last = container_of(waits->last, struct loop_wait, next);
    while (last && waits->first) {
        struct loop_wait *wait = waits->first;
        if (wait == last)
            last = NULL;
        loop_wait_remove(loop, wait);
        wait->fn(wait, result);
    }
}

/* As a rule an event says of a socket that it can be written to, too, for which
 * nobody waits. */
static inline void call_waits(struct loop *loop, struct loop_waits *waits,
                              int result)
{
    if (waits->first)
        call_all(loop, waits, result);
}

/* The registered file has been closed unseen, by another thread or behind our
 * back, and perhaps the number given to the next. */
static int replaced(struct loop *loop, struct loop_fd *fd)
{
    if (!fd->always_ready) /* of which nobody can wait for another's */
        fd->generation++;
    fd->registered = false;
    int r = register_anew(loop, fd);
    call_waits(loop, &fd->readers, -EBADF);
    call_waits(loop, &fd->writers, -EBADF);
    return r;
}

int loop_register(struct loop *loop, struct loop_fd *fd)
{
    assert(loop_fd(loop, fd->number) == fd);
    if (likely(loop_trusted(fd)))
        return 0;
    if (!fd->registered)
        return register_anew(loop, fd);
    int r = loop_current(fd) ? ask_kernel(loop, fd) : 1;
    return likely(r <= 0) ? r : replaced(loop, fd);
}

static void drop_gone(struct loop *loop, struct loop_waits *waits,
                      bool (*gone)(struct loop_wait *wait, void *arg),
                      void *arg)
{
    struct loop_wait *next;
    for (struct loop_wait *wait = waits->first; wait; wait = next) {
        next = wait->next;
        if (gone(wait, arg))
            loop_wait_remove(loop, wait);
    }
}

/* Registered anew if anybody waits; an edge tells at once what is ready. The
 * file is the same, so its generation is: an event of the old epoll's that is
 * yet to be looked at is one edge too many at most. */
static void renew_record(struct loop *loop, struct loop_fd *fd)
{
    bool gone = fd->registered && !loop_current(fd); /* nobody was told yet */
    fd->registered = false;
    if (!loop_waited(fd))
        return;
    fd->generation += gone;
    int r = gone ? -EBADF : loop_register(loop, fd);
    if (r == 0 && !fd->always_ready)
        return;
    call_waits(loop, &fd->readers, r);
    call_waits(loop, &fd->writers, r);
}

int loop_renew(struct loop *loop,
               bool (*gone)(struct loop_wait *wait, void *arg), void *arg)
{
    loop_private_close(loop->wakeup);
    loop_private_close(loop->epoll);
    int r = open_kernel_objects(loop);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < LOOP_MARKS; i++) /* the others are not there */
        atomic_store(&marked[i], loop->mark == 1u << i);
    for (size_t g = 0; g < LOOP_CHUNKS / GROUP; g++) {
        for (size_t c = 0; loop->chunks[g] && c < GROUP; c++) {
            struct loop_fd *records = loop->chunks[g][c];
            for (size_t i = 0; records && i < LOOP_CHUNK; i++) {
                drop_gone(loop, &records[i].readers, gone, arg);
                drop_gone(loop, &records[i].writers, gone, arg);
                renew_record(loop, &records[i]);
            }
        }
    }
    return 0;
}

/* NULL: it was never used. */
static struct loop_fd *known_fd(struct loop *loop, int number)
{
    if (number < 0 || number >= LOOP_CHUNK * LOOP_CHUNKS)
        return NULL;
    struct loop_fd **group = loop->chunks[number / LOOP_CHUNK / GROUP];
    struct loop_fd *records = group ? group[number / LOOP_CHUNK % GROUP] : NULL;
    return records ? &records[number % LOOP_CHUNK] : NULL;
}

uint32_t loop_own(struct loop *loop, int number)
{
    uint32_t marks = loop_number_opened(number);
    loop_forget(loop, number);
    return loop_mark_is_shared(loop) ? marks : marks & ~loop->mark;
}

void loop_adopt(struct loop *loop, int number)
{
    struct loop_fd *fd = loop_fd(loop, number);
    if (!fd) /* without memory it is checked before waits, as others are */
        return;
    if (fd->registered && (!loop_current(fd) || ask_kernel(loop, fd) != 0) &&
        replaced(loop, fd) < 0)
        return;
    loop_number_adopted(number, loop_mark_is_shared(loop) ? 0 : loop->mark);
}

void loop_leave(const struct loop *loop, int number)
{
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, number, NULL);
}

static void forget(struct loop *loop, struct loop_fd *fd)
{
    fd->registered = false;
    fd->generation++; /* calls that were about to try must know */
    forget_kind(fd);
    call_waits(loop, &fd->readers, -EBADF);
    call_waits(loop, &fd->writers, -EBADF);
}

void loop_forget(struct loop *loop, int number)
{
    struct loop_fd *fd = known_fd(loop, number);
    if (!fd)
        return;
    assert(fd->number == number);
    if (fd->registered && !fd->always_ready)
        loop_leave(loop, number);
    forget(loop, fd);
}

/* The file is there, but somebody else has it, or may close it without a word.
 * Not counted as an end: calls that are about to try find their file. */
static void unregister(struct loop *loop, struct loop_fd *fd)
{
    if (!fd->always_ready)
        loop_leave(loop, fd->number);
    fd->registered = false;
    /* Last: who closes it now still finds the mark, or no registration. */
    if (!loop_mark_is_shared(loop))
        atomic_fetch_and(&loop_number_of(fd)->state, ~loop->mark);
}

/* Nobody else has it, and it will not be closed unheard of. */
static bool is_ours_alone(const struct loop_fd *fd)
{
    uint32_t state = atomic_load(&loop_number_of(fd)->state);
    return (state & LOOP_OWNED) && !(state & LOOP_SHARED);
}

void loop_look(struct loop *loop, int number)
{
    struct loop_fd *fd = known_fd(loop, number);
    if (!fd || !fd->registered)
        return;
    bool waited = loop_waited(fd);
    /* What is gone the kernel has registered no more: who closed it has seen to
     * that, or nobody could. */
    if (!loop_current(fd) || (waited && ask_kernel(loop, fd) == 1))
        forget(loop, fd);
    else if (!waited && !is_ours_alone(fd))
        unregister(loop, fd);
}

void loop_look_at_all(struct loop *loop)
{
    for (int number = 0; number < LOOP_CHUNK * LOOP_CHUNKS; number++) {
        struct loop_fd *fd = known_fd(loop, number);
        if (!fd)
            number |= LOOP_CHUNK - 1; /* nor the rest of its chunk */
        else if (fd->registered && !loop_current(fd))
            forget(loop, fd);
    }
}

static void on_event(struct loop *loop, const struct epoll_event *event)
{
    uint64_t data = event->data.u64;
    if (data == INTERRUPT)
        return;
    struct loop_fd *fd = loop_fd(loop, (int)(uint32_t)data);
    /* Events come of registrations, and those of records, which stay. */
    assert(fd && fd->number == (int)(uint32_t)data);
    assert((int32_t)(fd->generation - (uint32_t)(data >> 32)) >= 0);
    if (fd->generation != (uint32_t)(data >> 32) || !fd->registered)
        return;
    uint32_t events = event->events;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
        fd->no_short_reads = true;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) {
        fd->readable = true;
        call_waits(loop, &fd->readers, 0);
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        fd->writable = true;
        call_waits(loop, &fd->writers, 0);
    }
}

/* Milliseconds, rounded up: a timer must not fire early. */
static int milliseconds(int64_t ns)
{
    if (ns <= 0)
        return (int)ns;
    int64_t ms = (ns - 1) / 1000000 + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static int wait_events(struct loop *loop, struct epoll_event *events,
                       int64_t timeout, const sigset_t *mask)
{
    if (timeout > 0 && loop->has_pwait2) {
        struct timespec ts = {.tv_sec = timeout / 1000000000,
                              .tv_nsec = timeout % 1000000000};
        int n = epoll_pwait2(loop->epoll, events, LOOP_EVENTS, &ts, mask);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM))
            return n; /* EPERM: what older filters of system calls say */
        loop->has_pwait2 = false;
    }
    if (mask)
        return epoll_pwait(loop->epoll, events, LOOP_EVENTS,
                           milliseconds(timeout), mask);
    return epoll_wait(loop->epoll, events, LOOP_EVENTS, milliseconds(timeout));
}

/* The program closed a descriptor that is not its own (all of them, say): no
 * event would ever come again, and the hub would spin. */
static __attribute__((noreturn, cold)) void die_of_lost_epoll(void)
{
    log_tell(GROVE_LOG_FATAL,
             "the event loop's descriptor was closed by the program");
    abort();
}

int loop_wait(struct loop *loop, struct loop_events *events, int64_t timeout,
              const sigset_t *mask)
{
    loop->polls++;
    assert(timeout >= -1 && loop->epoll >= 0 && loop->wakeup >= 0);
    int n = wait_events(loop, events->event, timeout, mask);
    if (n >= 0)
        return n;
    if (errno == EINTR)
        return -EINTR;
    die_of_lost_epoll();
}

/* With many descriptors, what an event leads to has left the cache: its record
 * is asked for so many events ahead, and who waits half as many. Inlined by
 * force, as hub_prefetch is. */
#define AHEAD 8

__attribute__((always_inline)) static inline void
prefetch(struct loop *loop, const struct epoll_event *event, bool waits)
{
    if (event->data.u64 == INTERRUPT)
        return;
    struct loop_fd *fd = loop_fd(loop, (int)(uint32_t)event->data.u64);
    __builtin_prefetch(waits ? (void *)fd->readers.first : (void *)fd);
}

void loop_dispatch(struct loop *loop, const struct loop_events *events, int n)
{
    const struct epoll_event *event = events->event;
    assert(n <= LOOP_EVENTS);
    for (int i = 0; i < n; i++) {
        if (i + AHEAD < n)
            prefetch(loop, &event[i + AHEAD], false);
        if (i + AHEAD / 2 < n)
            prefetch(loop, &event[i + AHEAD / 2], true);
        on_event(loop, &event[i]);
    }
}

int loop_poll(struct loop *loop, int64_t timeout)
{
    struct loop_events events;
    int n = loop_wait(loop, &events, timeout, NULL);
    loop_dispatch(loop, &events, n);
    return n;
}

void loop_interrupt(struct loop *loop)
{
    int error = errno;
    uint64_t one = 1;
    ssize_t n = write(loop->wakeup, &one, sizeof(one));
    (void)n; /* full is as good: the edge is there */
    errno = error;
}
