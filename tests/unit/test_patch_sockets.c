/* Patched calls on sockets, and reading and writing of all kinds of files. */
#include "patch_stage.h"

#include <limits.h>
#include <pty.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <termios.h>

/* libc's other names, which no header declares. */
ssize_t __send(int fd, const void *buf, size_t len, int flags)
    __attribute__((weak)); /* of x86-64 alone */
int __connect(int fd, const struct sockaddr *addr, socklen_t size);
ssize_t __read(int fd, void *buf, size_t len);
ssize_t __write(int fd, const void *buf, size_t len);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t size, int flags,
                       struct sockaddr *addr, socklen_t *addrlen);
ssize_t __pread64(int fd, void *buf, size_t len, off_t offset);
ssize_t __pwrite64(int fd, const void *buf, size_t len, off_t offset);
ssize_t __pread_chk(int fd, void *buf, size_t len, off_t offset, size_t size);
ssize_t __pread64_chk(int fd, void *buf, size_t len, off_t offset, size_t size);

/* ---- what peers do ------------------------------------------------------------ */

static void send_word(void *arg)
{
    assert_int_equal(send(*(int *)arg, "word", 4, 0), 4);
}

static void write_word(void *arg)
{
    assert_int_equal(write(*(int *)arg, "word", 4), 4);
}

static void shut(void *arg)
{
    assert_int_equal(shutdown(*(int *)arg, SHUT_WR), 0);
}

static void *drain(void *arg)
{
    char buf[65536];
    int fd = (int)(intptr_t)arg;
    while (read(fd, buf, sizeof(buf)) > 0)
        ;
    close(fd);
    return NULL;
}

/* Reads until the end, on a thread of its own, and closes it. */
static void start_draining(void *arg)
{
    pthread_t thread;
    void *fd = (void *)(intptr_t) * (int *)arg;
    assert_int_equal(pthread_create(&thread, NULL, drain, fd), 0);
    pthread_detach(thread);
}

/* Whom a signal is sent to, and where there is something to read after it. */
struct target {
    pthread_t thread;
    int fd;
};

static void interrupt(void *arg)
{
    const struct target *t = arg;
    assert_int_equal(pthread_kill(t->thread, SIGUSR1), 0);
}

static void interrupt_and_send(void *arg)
{
    struct target *t = arg;
    interrupt(t);
    send_word(&t->fd);
}

static void close_pair(struct pair p)
{
    close(p.in);
    close(p.out);
}

/* ---- receiving ------------------------------------------------------------------ */

static void recv_waits(struct stage *s)
{
    struct pair p = tcp_pair();
    char buf[8] = "";
    later(s, send_word, &p.out);
    say(s, recv(p.in, buf, sizeof(buf), 0));
    say(s, memcmp(buf, "word", 4));
    await_peer(s);
    say(s, fcntl(p.in, F_GETFL)); /* nobody has touched O_NONBLOCK */
    later(s, send_word, &p.out);
    say(s, recv(p.in, buf, 2, 0));
    say(s, __recv_chk(p.in, buf, 2, sizeof(buf), 0));
    say(s, recv(p.in, buf, 1, MSG_DONTWAIT));
    await_peer(s);
    later(s, shut, &p.out);
    say(s, recv(p.in, buf, 1, 0));
    say(s, recv(-1, buf, 1, 0));
    await_peer(s);
    close(p.in);
    close(p.out);
}

static void recv_nonblocking(struct stage *s)
{
    struct pair p = tcp_pair();
    char buf[8];
    later(s, send_word, &p.out);
    say(s, recv(p.in, buf, 4, 0));
    await_peer(s);
    set_nonblocking(p.in); /* after it has been waited for */
    say(s, recv(p.in, buf, 4, 0));
    int flags = fcntl(p.in, F_GETFL);
    assert_int_equal(fcntl(p.in, F_SETFL, flags & ~O_NONBLOCK), 0);
    later(s, send_word, &p.out);
    say(s, recv(p.in, buf, 4, 0));
    await_peer(s);
    close(p.in);
    close(p.out);
}

/* Gives a socket's waits a limit in microseconds. False, and it has none: qemu
 * 9 and later sets it, but does not tell it when asked. */
static bool limits(int fd, int name, long us)
{
    struct timeval tv = {us / 1000000, us % 1000000}, told = {0, 0},
                   none = {0, 0};
    socklen_t size = sizeof(told);
    setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv));
    getsockopt(fd, SOL_SOCKET, name, &told, &size);
    if (told.tv_sec * 1000000 + told.tv_usec >= us)
        return true;
    assert_true(unit_emulated());
    setsockopt(fd, SOL_SOCKET, name, &none, sizeof(none));
    return false;
}

static void recv_timed(struct stage *s)
{
    struct pair p = tcp_pair();
    char buf[8];
    later(s, send_word, &p.out);
    say(s, recv(p.in, buf, 4, 0));
    await_peer(s);
    if (limits(p.in, SO_RCVTIMEO, 20000)) {
        say(s, recv(p.in, buf, 4, 0));
        say(s, send(p.out, "ab", 2, 0));
        say(s, recv(p.in, buf, 4, MSG_WAITALL));
    }
    await_peer(s);
    close(p.in);
    close(p.out);
}

static void recv_all(struct stage *s)
{
    struct pair p = tcp_pair();
    char buf[8] = "";
    say(s, send(p.out, "1234", 4, 0));
    later(s, send_word, &p.out);
    say(s, recv(p.in, buf, sizeof(buf), MSG_WAITALL));
    say(s, memcmp(buf, "1234word", 8));
    await_peer(s);
    say(s, send(p.out, "12", 2, 0));
    later(s, shut, &p.out);
    say(s, recv(p.in, buf, sizeof(buf), MSG_WAITALL));
    await_peer(s);
    close(p.in);
    close(p.out);
}

static void on_signal(int signum)
{
}

static void interrupted(struct stage *s, int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags}, old;
    struct pair p = tcp_pair();
    struct target self = {pthread_self(), p.out};
    char buf[8];
    sigaction(SIGUSR1, &action, &old);
    later(s, flags & SA_RESTART ? interrupt_and_send : interrupt, &self);
    say(s, recv(p.in, buf, sizeof(buf), 0));
    await_peer(s);
    sigaction(SIGUSR1, &old, NULL);
    await_peer(s);
    close(p.in);
    close(p.out);
}

static void recv_interrupted(struct stage *s)
{
    interrupted(s, 0);
    interrupted(s, SA_RESTART);
}

/* The kernel does not make it anew once a part has come, nor where there is a
 * time-out, whatever the handler has. */
static void recv_interrupted_halfway(struct stage *s)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART},
                     old;
    char buf[8] = "";
    sigaction(SIGUSR1, &action, &old);
    for (enum kind kind = TCP; kind <= UNIX_STREAM; kind++) {
        struct pair p = pair_of(kind);
        struct target self = {pthread_self(), p.out};
        struct iovec v[2] = {{buf, 1}, {buf + 1, 5}};
        struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
        say(s, write(p.out, "ab", 2));
        later(s, interrupt, &self);
        say(s, recv(p.in, buf, 6, MSG_WAITALL));
        say(s, write(p.out, "ab", 2));
        later(s, interrupt, &self);
        say(s, recvmsg(p.in, &m, MSG_WAITALL));
        later(s, interrupt_and_send, &self); /* nothing has come: made anew */
        say(s, recv(p.in, buf, 4, MSG_WAITALL));
        later(s, interrupt_and_send, &self);
        say(s, read(p.in, buf, 4));
        await_peer(s);
        if (limits(p.in, SO_RCVTIMEO, 50000000)) {
            later(s, interrupt, &self);
            say(s, recv(p.in, buf, 4, 0));
            later(s, interrupt, &self);
            say(s, read(p.in, buf, 4));
            await_peer(s);
        }
        close_pair(p);
    }
    sigaction(SIGUSR1, &old, NULL);
}

/* Until as many bytes have come: poll would go by SO_RCVLOWAT. */
static void await_bytes(int fd, int n)
{
    int there = 0;
    while (there < n)
        assert_int_equal(ioctl(fd, FIONREAD, &there), 0);
}

/* SO_RCVLOWAT, which who does not wait goes without. */
static void recv_marked(struct stage *s)
{
    for (enum kind kind = TCP; kind <= UNIX_STREAM; kind++) {
        struct pair p = pair_of(kind);
        char buf[8];
        int mark = 3;
        struct iovec v[2] = {{buf, 1}, {buf + 1, 7}};
        struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
        say(s, setsockopt(p.in, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark)));
        for (int i = 0; i < 6; i++) {
            say(s, write(p.out, "1", 1));
            await_bytes(p.in, 1);
            if (i < 5)
                later(s, send_word, &p.out);
            say(s, i == 0   ? recv(p.in, buf, sizeof(buf), 0)
                   : i == 1 ? recvmsg(p.in, &m, 0)
                   : i == 2 ? read(p.in, buf, sizeof(buf))
                   : i == 3 ? readv(p.in, v, 2)
                   : i == 4 ? recvfrom(p.in, buf, sizeof(buf), 0, NULL, NULL)
                            : recv(p.in, buf, sizeof(buf), MSG_DONTWAIT));
            await_peer(s);
        }
        say(s, write(p.out, "1", 1));
        say(s, recv(p.in, buf, 1, 0));
        if (limits(p.in, SO_RCVTIMEO, 20000)) {
            say(s, write(p.out, "1", 1));
            say(s, read(p.in, buf, 4));
            limits(p.in, SO_RCVTIMEO, 0);
        }
        say(s, write(p.out, "1", 1));
        later(s, shut, &p.out);
        say(s, recv(p.in, buf, 4, 0));
        await_peer(s);
        close_pair(p);
    }
}

/* Only TCP waits for all to look at. */
static void recv_peeks(struct stage *s)
{
    for (enum kind kind = TCP; kind <= UNIX_STREAM; kind++) {
        struct pair p = pair_of(kind);
        char buf[8];
        say(s, write(p.out, "ab", 2));
        if (kind == TCP)
            later(s, send_word, &p.out);
        say(s, recv(p.in, buf, 6, MSG_PEEK | MSG_WAITALL));
        await_peer(s);
        close_pair(p);
    }
}

static void recvfrom_waits(struct stage *s)
{
    struct pair p = udp_pair();
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    char buf[8];
    later(s, send_word, &p.out);
    say(s,
        recvfrom(p.in, buf, sizeof(buf), 0, (struct sockaddr *)&from, &size));
    say(s, size);
    say(s, from.sin_addr.s_addr);
    await_peer(s);
    later(s, send_word, &p.out);
    say(s, recvfrom(p.in, buf, 2, MSG_TRUNC, NULL, NULL));
    await_peer(s);
    later(s, send_word, &p.out);
    say(s, __recvfrom_chk(p.in, buf, 2, sizeof(buf), 0, NULL, NULL));
    await_peer(s);
    close(p.in);
    close(p.out);
}

static void recvmsg_waits(struct stage *s)
{
    struct pair p = tcp_pair();
    char a[2], b[8];
    struct iovec iov[2] = {{a, 2}, {b, 8}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    later(s, send_word, &p.out);
    say(s, recvmsg(p.in, &msg, 0));
    say(s, memcmp(a, "wo", 2) || memcmp(b, "rd", 2));
    say(s, msg.msg_flags);
    await_peer(s);
    close(p.in);
    close(p.out);
}

static void recvmmsg_waits(struct stage *s)
{
    struct pair p = udp_pair();
    char buf[3][8];
    struct iovec iov[3];
    struct mmsghdr messages[3] = {0};
    for (int i = 0; i < 3; i++) {
        iov[i] = (struct iovec){buf[i], 8};
        messages[i].msg_hdr.msg_iov = &iov[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    later(s, send_word, &p.out);
    say(s, recvmmsg(p.in, messages, 3, MSG_WAITFORONE, NULL));
    say(s, messages[0].msg_len);
    await_peer(s);
    struct timespec none = {0, 0}, wrong = {0, -1};
    say(s, send(p.out, "ab", 2, 0));
    say(s, send(p.out, "cd", 2, 0));
    if (!unit_emulated()) {
        say(s, recvmmsg(p.in, messages, 3, 0, &none));
        say(s, recvmmsg(p.in, messages, 3, 0, &wrong));
    }
    await_peer(s);
    close(p.in);
    close(p.out);
}

/* ---- sending ----------------------------------------------------------------------- */

/* More than the buffers of a full pair hold. */
#define MUCH ((size_t)4 << 20)

/* A pair whose buffers do not grow with what is sent. */
static struct pair full_pair(void)
{
    struct pair p = tcp_pair();
    int size = 65536;
    setsockopt(p.out, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    setsockopt(p.in, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    return p;
}

static void send_all(struct stage *s)
{
    struct pair p = full_pair();
    char *much = calloc(1, MUCH);
    later(s, start_draining, &p.in);
    say(s, send(p.out, much, MUCH, 0));
    if (__send)
        say(s, __send(p.out, much, 10, 0));
    say(s, shutdown(p.out, SHUT_WR));
    signal(SIGPIPE, SIG_IGN);
    say(s, send(p.out, much, 10, 0));
    signal(SIGPIPE, SIG_DFL);
    await_peer(s);
    close(p.out);
    free(much);
}

static void send_timed(struct stage *s)
{
    struct pair p = pair_of(UNIX_STREAM);
    char *much = calloc(1, MUCH);
    if (limits(p.out, SO_SNDTIMEO, 20000)) {
        say(s, send(p.out, much, MUCH, 0) < (ssize_t)MUCH);
        say(s, send(p.out, much, MUCH, 0));
        say(s, send(p.out, much, MUCH, MSG_DONTWAIT));
    }
    await_peer(s);
    close(p.in);
    close(p.out);
    free(much);
}

static void send_interrupted(struct stage *s)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART},
                     old;
    char *much = calloc(1, MUCH);
    sigaction(SIGUSR1, &action, &old);
    for (int i = 0; i < 3; i++) {
        struct pair p = pair_of(UNIX_STREAM);
        struct target self = {pthread_self(), p.out};
        struct iovec v = {much, MUCH};
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
        later(s, interrupt, &self);
        ssize_t n = i == 0   ? send(p.out, much, MUCH, 0)
                    : i == 1 ? sendmsg(p.out, &m, 0)
                             : write(p.out, much, MUCH);
        say(s, n > 0 && n < (ssize_t)MUCH);
        await_peer(s);
        if (limits(p.out, SO_SNDTIMEO, 50000000)) {
            later(s, interrupt, &self);
            say(s,
                i < 2 ? send(p.out, much, MUCH, 0) : write(p.out, much, MUCH));
            await_peer(s);
        }
        close_pair(p);
    }
    sigaction(SIGUSR1, &old, NULL);
    free(much);
}

static int pipe_signals;

static void on_pipe(int signum)
{
    pipe_signals++;
}

/* Takes a part, then resets the connection. */
static void take_and_reset(void *arg)
{
    static char part[65536];
    int fd = *(int *)arg;
    struct linger l = {1, 0};
    assert_true(read(fd, part, sizeof(part)) > 0);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    close(fd);
}

static void shut_writing(void *arg)
{
    shutdown(*(int *)arg, SHUT_WR);
}

/* The part is told, and then the error, once; SIGPIPE comes with EPIPE alone.
 */
static void send_reset(struct stage *s)
{
    char *much = calloc(1, MUCH);
    for (int i = 0; i < 6; i++) {
        struct pair p = tcp_pair();
        int small = 4096;
        struct iovec v = {much, MUCH};
        struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
        setsockopt(p.out, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
        pipe_signals = 0;
        signal(SIGPIPE, on_pipe);
        later(s, i < 3 ? take_and_reset : shut_writing, i < 3 ? &p.in : &p.out);
        ssize_t n = i % 3 == 0   ? send(p.out, much, MUCH, 0)
                    : i % 3 == 1 ? sendmsg(p.out, &m, 0)
                                 : write(p.out, much, MUCH);
        await_peer(s);
        say(s, n > 0 && n < (ssize_t)MUCH);
        say(s, pipe_signals);
        say(s, send(p.out, much, 1, 0));
        say(s, pipe_signals);
        say(s, send(p.out, much, 1, 0));
        say(s, pipe_signals);
        signal(SIGPIPE, SIG_DFL);
        close(p.out);
        if (i >= 3)
            close(p.in);
    }
    free(much);
}

static void sendto_waits(struct stage *s)
{
    struct sockaddr_in addr;
    int in = bound(SOCK_DGRAM, &addr), out = socket(AF_INET, SOCK_DGRAM, 0);
    char buf[8];
    say(s, sendto(out, "word", 4, 0, (struct sockaddr *)&addr, sizeof(addr)));
    say(s, recv(in, buf, sizeof(buf), 0));
    say(s, sendto(out, "word", 4, 0, NULL, 0));
    await_peer(s);
    close(in);
    close(out);
}

static void sendmsg_all(struct stage *s)
{
    struct pair p = full_pair();
    char *much = calloc(1, MUCH);
    struct iovec iov[2] = {{much, MUCH / 2}, {much, MUCH / 2}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    later(s, start_draining, &p.in);
    say(s, sendmsg(p.out, &msg, 0));
    await_peer(s);
    close(p.out);
    free(much);
}

static void sendmmsg_waits(struct stage *s)
{
    struct pair p = udp_pair();
    struct iovec iov = {(char *)"word", 4};
    struct mmsghdr messages[2] = {
        {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}},
        {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}}};
    say(s, sendmmsg(p.out, messages, 2, 0));
    say(s, messages[1].msg_len);
    await_peer(s);
    close(p.in);
    close(p.out);
}

/* ---- connections ------------------------------------------------------------------------ */

static void connect_to(void *arg)
{
    close(connected_to(arg));
}

static void accept_waits(struct stage *s)
{
    struct sockaddr_in addr, peer;
    socklen_t size = sizeof(peer);
    int server = listener(&addr);
    later(s, connect_to, &addr);
    int fd = accept(server, (struct sockaddr *)&peer, &size);
    say(s, fd >= 0);
    say(s, size);
    await_peer(s);
    close(fd);
    await_peer(s);
    say(s, fcntl(server, F_GETFL));
    later(s, connect_to, &addr);
    fd = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    say(s, fcntl(fd, F_GETFL) & O_NONBLOCK);
    say(s, fcntl(fd, F_GETFD));
    await_peer(s);
    close(fd);
    await_peer(s);
    set_nonblocking(server);
    say(s, accept(server, NULL, NULL));
    say(s, accept(fd, NULL, NULL));
    await_peer(s);
    close(server);
}

/* The kernel says what is wrong before it waits. */
static void accept_refused(struct stage *s)
{
    struct sockaddr_in addr;
    int server = listener(&addr), ends[2];
    struct pair p = tcp_pair(), u = udp_pair();
    say(s, accept4(server, NULL, NULL, 77));
    say(s, accept(u.in, NULL, NULL));
    say(s, accept(p.in, NULL, NULL)); /* nothing to read, and no listener */
    assert_int_equal(pipe(ends), 0);
    say(s, accept(ends[0], NULL, NULL));
    say(s, accept(-1, NULL, NULL));
    close_pair((struct pair){ends[0], ends[1]});
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    say(s, accept(ends[0], NULL, NULL));
    close_pair((struct pair){ends[0], ends[1]});
    close_pair(p);
    close_pair(u);
    close(server);
}

/* A listener that others may accept on as well. */
static void accept_shared(struct stage *s)
{
    struct sockaddr_in addr;
    int server = listener(&addr);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    later(s, connect_to, &addr);
    int fd = accept(server, NULL, NULL);
    say(s, fd >= 0);
    say(s, fcntl(server, F_GETFL));
    if (limits(server, SO_RCVTIMEO, 20000))
        say(s, accept(server, NULL, NULL));
    await_peer(s);
    close(fd);
    close(server);
}

static void accept_one(void *arg)
{
    close(accept(*(int *)arg, NULL, NULL));
}

static void connect_waits(struct stage *s)
{
    struct sockaddr_in addr;
    int server = listener(&addr), fd = socket(AF_INET, SOCK_STREAM, 0);
    say(s, connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
    say(s, fcntl(fd, F_GETFL));
    say(s, connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
    await_peer(s);
    close(fd);
    close(server);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    say(s, __connect(fd, (struct sockaddr *)&addr, sizeof(addr))); /* refused */
    await_peer(s);
    close(fd);
}

/* A full queue of a Unix socket is waited for as well. */
static atomic_long
    *flag_looks; /* by a child; negative once it saw O_NONBLOCK */

static void watch_flag(int fd)
{
    for (;;) {
        if (fcntl(fd, F_GETFL) & O_NONBLOCK)
            atomic_store(flag_looks, LONG_MIN);
        atomic_fetch_add(flag_looks, 1);
    }
}

/* A datagram socket that another process has as well: the flag is not touched,
 * not even for the call. */
static void connect_datagrams(struct stage *s)
{
    struct sockaddr_in addr;
    int in = bound(SOCK_DGRAM, &addr), out = socket(AF_INET, SOCK_DGRAM, 0);
    flag_looks = mmap(NULL, sizeof(*flag_looks), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(flag_looks != MAP_FAILED);
    pid_t child = fork();
    if (child == 0)
        watch_flag(out);
    long looks = 0;
    while (looks >= 0 && looks < 20000) {
        assert_int_equal(connect(out, (struct sockaddr *)&addr, sizeof(addr)),
                         0);
        looks = atomic_load(flag_looks);
    }
    kill(child, SIGKILL);
    say(s, waitpid(child, NULL, 0) == child);
    say(s, looks < 0);
    munmap(flag_looks, sizeof(*flag_looks));
    close(in);
    close(out);
}

static void connect_queued(struct stage *s)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int server = socket(AF_UNIX, SOCK_STREAM, 0), fds[2];
    say(s, bind(server, (struct sockaddr *)&addr, sizeof(addr.sun_family)));
    socklen_t size = sizeof(addr);
    say(s, getsockname(server, (struct sockaddr *)&addr, &size));
    say(s, listen(server, 0));
    for (int i = 0; i < 2; i++)
        fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
    say(s, connect(fds[0], (struct sockaddr *)&addr, size));
    later(s, accept_one, &server);
    say(s, connect(fds[1], (struct sockaddr *)&addr, size));
    await_peer(s);
    close(fds[0]);
    close(fds[1]);
    close(server);
}

static void connect_timed(struct stage *s)
{
    struct sockaddr_in addr;
    int server = bound(SOCK_STREAM, &addr), fds[3];
    fill_queue(server, &addr, fds);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (limits(fd, SO_SNDTIMEO, 50000)) {
        say(s, connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
        say(s, connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
        struct sigaction action = {.sa_handler = on_signal,
                                   .sa_flags = SA_RESTART},
                         old;
        struct target self = {pthread_self(), fd};
        sigaction(SIGUSR1, &action, &old);
        assert_true(limits(fd, SO_SNDTIMEO, 50000000));
        later(s, interrupt, &self);
        say(s, connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
        await_peer(s);
        sigaction(SIGUSR1, &old, NULL);
    }
    close(fd);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(server);
}

/* ---- files of all kinds --------------------------------------------------------------- */

static void read_waits(struct stage *s)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct pair p = pair_of(kind);
        char buf[8];
        later(s, write_word, &p.out);
        say(s, read(p.in, buf, sizeof(buf)));
        await_peer(s);
        say(s, read(p.in, buf, 0));
        await_peer(s);
        close(p.in);
        close(p.out);
    }
    int fds[2];
    char buf[8];
    say(s, pipe(fds));
    later(s, write_word, &fds[1]);
    say(s, __read(fds[0], buf, 2));
    say(s, __read_chk(fds[0], buf, 2, sizeof(buf)));
    await_peer(s);
    close(fds[1]);
    say(s, read(fds[0], buf, 1));
    await_peer(s);
    close(fds[0]);
    say(s, read(fds[0], buf, 1));
    say(s, read(fds[0], buf, 0));
    fds[0] = open("/", O_RDONLY | O_CLOEXEC);
    say(s, read(fds[0], buf, 0));
    say(s, read(fds[0], buf, 1));
    close(fds[0]);
}

static void readv_waits(struct stage *s)
{
    int fds[2];
    char a[2], b[4];
    struct iovec iov[2] = {{a, 2}, {b, 4}};
    struct iovec out[2] = {{(char *)"ab", 2}, {(char *)"cde", 3}};
    volatile int wrong = -1;
    say(s, pipe(fds));
    later(s, write_word, &fds[1]);
    say(s, readv(fds[0], iov, 2));
    say(s, readv(fds[0], iov, wrong));
    await_peer(s);
    say(s, writev(fds[1], out, 2));
    say(s, readv(fds[0], iov, 2));
    await_peer(s);
    close(fds[0]);
    close(fds[1]);
}

static void write_all(struct stage *s)
{
    int fds[2];
    char *much = calloc(1, MUCH);
    say(s, pipe(fds));
    later(s, start_draining, &fds[0]);
    say(s, write(fds[1], much, MUCH));
    say(s, __write(fds[1], much, 1));
    await_peer(s);
    close(fds[1]);
    say(s, write(-1, much, 1));
    free(much);
}

static void read_eventfd(void *arg)
{
    eventfd_t value;
    assert_int_equal(eventfd_read(*(int *)arg, &value), 0);
}

static void write_eventfd(void *arg)
{
    assert_int_equal(eventfd_write(*(int *)arg, 7), 0);
}

static void eventfd_waits(struct stage *s)
{
    int fd = eventfd(0, 0);
    eventfd_t value = 0;
    later(s, write_eventfd, &fd);
    say(s, eventfd_read(fd, &value));
    say(s, value);
    await_peer(s);
    say(s, eventfd_write(fd, UINT64_MAX - 1));
    later(s, read_eventfd, &fd);
    say(s, eventfd_write(fd, 1));
    await_peer(s);
    close(fd);
}

static int temporary(void)
{
    char path[] = "/tmp/grove-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    return fd;
}

static void file_offsets(struct stage *s)
{
    int fd = temporary();
    char buf[8] = "";
    struct iovec in = {buf, 4}, out = {(char *)"1234", 4};
    say(s, write(fd, "abcdefgh", 8));
    say(s, lseek(fd, 0, SEEK_CUR));
    say(s, pwrite(fd, "XY", 2, 2));
    say(s, __pwrite64(fd, "Z", 1, 4));
    say(s, lseek(fd, 2, SEEK_SET));
    say(s, read(fd, buf, 3));
    say(s, memcmp(buf, "XYZ", 3));
    say(s, lseek(fd, 0, SEEK_CUR));
    say(s, pread(fd, buf, 8, 4));
    say(s, __pread64(fd, buf, 2, 0));
    say(s, __pread_chk(fd, buf, 2, 0, sizeof(buf)));
    say(s, __pread64_chk(fd, buf, 2, 0, sizeof(buf)));
    say(s, pread(fd, buf, 1, -1));
    say(s, pwritev(fd, &out, 1, 8));
    say(s, preadv(fd, &in, 1, 8));
    say(s, memcmp(buf, "1234", 4));
    say(s, pwritev2(fd, &out, 1, 12, RWF_DSYNC));
    say(s, preadv2(fd, &in, 1, 12, 0));
    say(s, preadv2(fd, &in, 1, -1, 0));
    say(s, pwritev2(fd, &out, 1, -1, 0));
    say(s, lseek(fd, 0, SEEK_CUR));
    say(s, fsync(fd));
    say(s, fdatasync(fd));
    say(s, syncfs(fd));
    say(s, fcntl(fd, F_SETFL, O_APPEND));
    say(s, lseek(fd, 0, SEEK_SET));
    say(s, write(fd, "end", 3));
    say(s, lseek(fd, 0, SEEK_CUR));
    await_peer(s);
    close(fd);
    say(s, fsync(fd));
}

/* The names with 64 are what these become with _FILE_OFFSET_BITS=64; the plain
 * ones are asked for by assembler names. */
ssize_t pread_plain(int fd, void *buf, size_t len, off_t at) __asm__("pread");
ssize_t pwrite_plain(int fd, const void *buf, size_t len,
                     off_t at) __asm__("pwrite");
ssize_t preadv_plain(int fd, const struct iovec *iov, int n,
                     off_t at) __asm__("preadv");
ssize_t pwritev_plain(int fd, const struct iovec *iov, int n,
                      off_t at) __asm__("pwritev");
ssize_t preadv2_plain(int fd, const struct iovec *iov, int n, off_t at,
                      int flags) __asm__("preadv2");
ssize_t pwritev2_plain(int fd, const struct iovec *iov, int n, off_t at,
                       int flags) __asm__("pwritev2");
ssize_t sendfile_plain(int out, int in, off_t *at,
                       size_t len) __asm__("sendfile");

static void file_plain_names(struct stage *s)
{
    int fd = temporary();
    char buf[4];
    struct iovec iov = {buf, 4};
    say(s, pwrite_plain(fd, "abcd", 4, 0));
    say(s, pread_plain(fd, buf, 4, 0));
    say(s, pwritev_plain(fd, &iov, 1, 4));
    say(s, preadv_plain(fd, &iov, 1, 4));
    say(s, pwritev2_plain(fd, &iov, 1, 8, 0));
    say(s, preadv2_plain(fd, &iov, 1, 8, 0));
    say(s, memcmp(buf, "abcd", 4));
    await_peer(s);
    close(fd);
}

static void sendfile_waits(struct stage *s)
{
    int fd = temporary();
    struct pair p = full_pair();
    off_t at = 3;
    char buf[16];
    say(s, ftruncate(fd, MUCH));
    later(s, start_draining, &p.in);
    say(s, sendfile(p.out, fd, NULL, MUCH));
    say(s, lseek(fd, 0, SEEK_CUR));
    say(s, sendfile(p.out, fd, &at, 10));
    say(s, at);
    say(s, sendfile_plain(p.out, fd, &at, 10));
    say(s, sendfile(p.out, -1, &at, 10));
    await_peer(s);
    close(p.out);
    int fds[2];
    say(s, pipe(fds));
    say(s, sendfile(fds[1], fd, &at, 10));
    say(s, read(fds[0], buf, sizeof(buf)));
    await_peer(s);
    close(fds[0]);
    close(fds[1]);
    close(fd);
}

static void splice_waits(struct stage *s)
{
    int a[2], b[2], fd = temporary(), to = temporary();
    char buf[8];
    off_t at = 1, to_at = 0;
    say(s, pipe(a));
    say(s, pipe(b));
    later(s, write_word, &a[1]);
    say(s, splice(a[0], NULL, b[1], NULL, 8, 0));
    await_peer(s);
    later(s, write_word, &a[1]);
    say(s, tee(a[0], b[1], 8, 0));
    say(s, splice(b[0], NULL, a[1], NULL, 8, SPLICE_F_NONBLOCK));
    say(s, splice(b[0], NULL, a[1], NULL, 8, SPLICE_F_NONBLOCK));
    say(s, read(a[0], buf, sizeof(buf)));
    await_peer(s);
    struct pair p = tcp_pair();
    later(s, send_word, &p.out);
    say(s, splice(p.in, NULL, b[1], NULL, 8, 0));
    await_peer(s);
    close(p.in);
    close(p.out);
    say(s, write(fd, "abcdef", 6));
    say(s, copy_file_range(fd, &at, to, &to_at, 4, 0));
    say(s, at);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
    await_peer(s);
    close(fd);
    close(to);
}

static void syscall_waits(struct stage *s)
{
    struct pair p = tcp_pair();
    char buf[8];
    later(s, send_word, &p.out);
    say(s, syscall(SYS_recvfrom, p.in, buf, sizeof(buf), 0, NULL, NULL));
    await_peer(s);
    later(s, send_word, &p.out);
    say(s, syscall(SYS_read, p.in, buf, sizeof(buf)));
    await_peer(s);
    say(s, syscall(SYS_write, p.out, "ab", 2));
    struct iovec iov = {buf, sizeof(buf)};
    say(s, syscall(SYS_readv, p.in, &iov, 1));
    say(s, syscall(SYS_writev, p.out, &iov, 1));
    say(s, syscall(SYS_sendto, p.out, "ab", 2, 0, NULL, 0));
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    say(s, syscall(SYS_recvmsg, p.in, &msg, 0));
    say(s, syscall(SYS_sendmsg, p.out, &msg, 0));
    say(s, syscall(SYS_getpid) == getpid());
    say(s, syscall(SYS_close, p.in));
    say(s, syscall(SYS_dup3, p.out, p.in, 0) == p.in);
    say(s, syscall(SYS_close, p.in));
    say(s, syscall(SYS_close, p.out));
    say(s, syscall(SYS_close, p.out));
    struct timespec ns = {0, 1000};
    say(s, syscall(SYS_nanosleep, &ns, NULL));
    struct sockaddr_in addr;
    int server = listener(&addr);
    later(s, connect_to, &addr);
    int fd = (int)syscall(SYS_accept4, server, NULL, NULL, 0);
    say(s, fd >= 0);
    await_peer(s);
    close(fd);
    await_peer(s);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    say(s, syscall(SYS_connect, fd, &addr, sizeof(addr)));
    await_peer(s);
    close((int)syscall(SYS_accept, server, NULL, NULL));
    close(fd);
    close(server);
    fd = temporary();
    say(s, syscall(SYS_flock, fd, 2 /* LOCK_EX */));
    await_peer(s);
    close(fd);
}

/* Those that the kernel's form differs of, and of several messages and files.
 */
static void syscall_others_wait(struct stage *s)
{
    struct pair p = tcp_pair();
    struct timespec little = {0, 1000000}, minute = {60, 0}, wrong = {0, -1};
    struct pollfd poll = {.fd = p.in, .events = POLLIN};
    char buf[8];
    say(s, syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &little, NULL));
    say(s, syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &wrong, NULL));
    say(s, syscall(SYS_ppoll, &poll, 1, &little, NULL, 0));
    say(s, little.tv_nsec);
    say(s, syscall(SYS_ppoll, &poll, 1, &wrong, NULL, 0));
    later(s, send_word, &p.out);
    say(s, syscall(SYS_ppoll, &poll, 1, &minute, NULL, 0));
    say(s, minute.tv_sec < 60);
    await_peer(s);
    say(s, read(p.in, buf, sizeof(buf)));
    struct iovec iov = {buf, 2};
    struct mmsghdr messages[2] = {
        {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}},
        {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}}};
    later(s, send_word, &p.out);
    say(s, syscall(SYS_recvmmsg, p.in, messages, 2, 0, NULL));
    await_peer(s);
    say(s, syscall(SYS_sendmmsg, p.out, messages, 2, 0));
    close(p.in);
    close(p.out);
    int fd = temporary(), to[2];
    off_t at = 0;
    say(s, syscall(SYS_pwrite64, fd, "abcdef", 6, 0L));
    say(s, syscall(SYS_pread64, fd, buf, 3, 2L));
    say(s, buf[0] == 'c');
    say(s, syscall(SYS_fsync, fd));
    say(s, syscall(SYS_fdatasync, fd));
    say(s, pipe(to));
    say(s, syscall(SYS_splice, fd, &at, to[1], NULL, 4L, 0));
    say(s, syscall(SYS_sendfile, to[1], fd, &at, 4L));
    say(s, at);
    say(s,
        syscall(SYS_fcntl, fd, F_SETLKW, &(struct flock){.l_type = F_WRLCK}));
    close(fd);
    close(to[0]);
    close(to[1]);
}

/* ---- terminals ---------------------------------------------------------------------------- */

/* Not line by line, with VMIN and VTIME (tenths of a second). */
static void set_raw(int fd, cc_t least, cc_t tenths)
{
    struct termios t;
    assert_int_equal(tcgetattr(fd, &t), 0);
    cfmakeraw(&t);
    t.c_cc[VMIN] = least;
    t.c_cc[VTIME] = tenths;
    assert_int_equal(tcsetattr(fd, TCSANOW, &t), 0);
}

static void read_terminal(struct stage *s)
{
    int master, slave;
    char buf[8];
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    set_raw(slave, 0, 0);
    say(s, read(slave, buf, sizeof(buf)));
    set_raw(slave, 0, 1);
    say(s, read(slave, buf, sizeof(buf)));
    set_raw(slave, 0, 200);
    later(s, write_word, &master);
    say(s, read(slave, buf, sizeof(buf)));
    await_peer(s);
    set_raw(slave, 6, 0); /* is more than comes, and than there is room for */
    later(s, write_word, &master);
    say(s, read(slave, buf, 4));
    await_peer(s);
    later(s, write_word, &master);
    say(s, read(slave, buf, 1));
    say(s, write(master, "12", 2));
    say(s, read(slave, buf, 5));
    await_peer(s);
    set_raw(slave, 6, 1);
    later(s, write_word, &master);
    say(s, read(slave, buf, sizeof(buf)));
    await_peer(s);
    set_raw(slave, 1, 0);
    later(s, write_word, &master);
    say(s, read(slave, buf, sizeof(buf)));
    await_peer(s);
    set_nonblocking(slave);
    say(s, read(slave, buf, sizeof(buf)));
    set_raw(slave, 0, 1);
    say(s, read(slave, buf, sizeof(buf)));
    close(slave);
    close(master);
}

/* ---- all of them ------------------------------------------------------------------------ */

static void receiving(void **state)
{
    static const struct program programs[] = {
        PROGRAM("recv __recv_chk", recv_waits),
        PROGRAM("recv", recv_nonblocking),
        PROGRAM("recv", recv_timed),
        PROGRAM("recv", recv_all),
        PROGRAM("recv", recv_interrupted),
        PROGRAM("recv recvmsg read", recv_interrupted_halfway),
        PROGRAM("recv", recv_peeks),
        PROGRAM("recv recvfrom recvmsg read readv setsockopt", recv_marked),
        PROGRAM("recvfrom __recvfrom_chk", recvfrom_waits),
        PROGRAM("recvmsg", recvmsg_waits),
        PROGRAM("recvmmsg", recvmmsg_waits),
    };
    stage_perform(programs, UNIT_COUNT(programs));
}

static void sending(void **state)
{
    static const struct program programs[] = {
        PROGRAM("send __send", send_all),
        PROGRAM("send", send_timed),
        PROGRAM("send sendmsg write", send_interrupted),
        PROGRAM("send sendmsg write", send_reset),
        PROGRAM("sendto", sendto_waits),
        PROGRAM("sendmsg", sendmsg_all),
        PROGRAM("sendmmsg", sendmmsg_waits),
    };
    stage_perform(programs, UNIT_COUNT(programs));
}

static void connecting(void **state)
{
    static const struct program programs[] = {
        PROGRAM("accept accept4 listen", accept_waits),
        PROGRAM("accept accept4", accept_refused),
        PROGRAM("connect __connect", connect_waits),
        PROGRAM("connect", connect_queued),
        PROGRAM("connect", connect_timed),
    };
    stage_perform(programs, UNIT_COUNT(programs));
}

static void shared_listeners(void **state)
{
    static const struct program programs[] = {
        PROGRAM("accept", accept_shared),
        PROGRAM("connect", connect_datagrams),
    };
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    stage_perform(programs, UNIT_COUNT(programs));
}

static void files(void **state)
{
    static const struct program programs[] = {
        PROGRAM("read __read __read_chk close", read_waits),
        PROGRAM("read", read_terminal),
        PROGRAM("readv writev", readv_waits),
        PROGRAM("write __write", write_all),
        PROGRAM("eventfd_read eventfd_write", eventfd_waits),
        PROGRAM("pread64 pwrite64 __pread64 __pwrite64 __pread_chk "
                "__pread64_chk preadv64 pwritev64 preadv64v2 pwritev64v2 fsync "
                "fdatasync syncfs",
                file_offsets),
        PROGRAM("pread pwrite preadv pwritev preadv2 pwritev2",
                file_plain_names),
        PROGRAM("sendfile sendfile64", sendfile_waits),
        PROGRAM("splice tee copy_file_range", splice_waits),
        PROGRAM("syscall", syscall_waits),
        PROGRAM("syscall", syscall_others_wait),
    };
    if (unit_emulated())
        unit_skip(
            "qemu does not know preadv2 and pwritev2; on a machine of this "
            "kind it runs");
    stage_perform(programs, UNIT_COUNT(programs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receiving),  cmocka_unit_test(sending),
        cmocka_unit_test(connecting), cmocka_unit_test(shared_listeners),
        cmocka_unit_test(files),
    };
    if (UNIT_HAS_NO_SLOTS)
        return unit_skip_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
