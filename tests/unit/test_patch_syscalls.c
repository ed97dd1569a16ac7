/*
 * System calls made without libc: what they return is the same when they are
 * patched, and they park.
 */
#include "patch_stage.h"

#include "raw_calls.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <ucontext.h>

/* The kernel's mask of signals. */
#define MASK_BYTES 8

static void write_word(void *arg)
{
    assert_int_equal(write(*(int *)arg, "word", 4), 4);
}

static void close_it(void *arg)
{
    close(*(int *)arg);
}

static void send_signal(void *arg)
{
    assert_int_equal(pthread_kill(*(pthread_t *)arg, SIGUSR1), 0);
}

/* ---- reading, writing ---------------------------------------------------------- */

static void reads_wait(struct stage *s)
{
    int fds[2];
    char buf[8];
    say(s, pipe(fds));
    errno = 77;
    later(s, write_word, &fds[1]);
    long n = raw(SYS_read, fds[0], buf, sizeof(buf));
    s->said[s->sayings++] = n;
    s->said[s->sayings++] = errno; /* nobody has set it */
    await_peer(s);
    later(s, write_word, &fds[1]);
    struct iovec iov = {buf, 3};
    say(s, raw(SYS_readv, fds[0], &iov, 1));
    await_peer(s);
    say(s, raw(SYS_read, fds[0], buf, sizeof(buf)));
    say(s, raw(SYS_write, fds[1], "ab", 2));
    say(s, raw(SYS_fcntl, fds[0], F_SETFL, O_NONBLOCK));
    say(s, raw(SYS_read, fds[0], buf, sizeof(buf)));
    say(s, raw(SYS_read, fds[0], buf, sizeof(buf)) == -EAGAIN);
    say(s, raw(SYS_fcntl, fds[0], F_SETFL, 0));
    later(s, close_it, &fds[1]);
    say(s, raw(SYS_read, fds[0], buf, sizeof(buf)));
    await_peer(s);
    say(s, raw(SYS_close, fds[0]));
    say(s, raw(SYS_close, fds[0]) == -EBADF);
    say(s, raw(SYS_read, fds[0], buf, sizeof(buf)) == -EBADF);
    errno = 0;
}

static void sockets_wait(struct stage *s)
{
    struct pair p = tcp_pair();
    struct sockaddr_in addr, from;
    socklen_t size = sizeof(from);
    char buf[8];
    later(s, write_word, &p.out);
    say(s, raw(SYS_recvfrom, p.in, buf, sizeof(buf), 0, &from, &size));
    await_peer(s);
    say(s, raw(SYS_sendto, p.out, "abc", 3, MSG_NOSIGNAL, NULL, 0));
    say(s, raw(SYS_recvfrom, p.in, buf, 2, MSG_PEEK, NULL, NULL));
    say(s, buf[0] << 8 | buf[1]);
    struct iovec iov = {buf, sizeof(buf)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    say(s, raw(SYS_recvmsg, p.in, &msg, 0));
    say(s, raw(SYS_recvfrom, p.in, buf, 2, MSG_DONTWAIT, NULL, NULL));
    close(p.in);
    close(p.out);
    int server = listener(&addr), fd = socket(AF_INET, SOCK_STREAM, 0);
    say(s, raw(SYS_connect, fd, &addr, sizeof(addr)));
    size = sizeof(from);
    int taken = (int)raw(SYS_accept4, server, &from, &size, SOCK_CLOEXEC);
    say(s, taken >= 0);
    say(s, size);
    say(s, fcntl(taken, F_GETFD));
    close(taken);
    close(fd);
    close(server);
}

struct asker {
    struct sockaddr_in addr;
    int fd;
};

static void ask(void *arg)
{
    struct asker *a = arg;
    a->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(a->fd, (void *)&a->addr, sizeof(a->addr)), 0);
}

static void accept_waits(struct stage *s)
{
    struct asker a;
    int server = listener(&a.addr);
    later(s, ask, &a);
    int fd = (int)raw(SYS_accept4, server, NULL, NULL, 0);
    say(s, fd >= 0);
    await_peer(s);
    close(fd);
    close(a.fd);
    close(server);
}

/* ---- waiting for descriptors and time ---------------------------------------------- */

static void polls_wait(struct stage *s)
{
    int fds[2], epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7}, got[2];
    char buf[8];
    say(s, pipe(fds));
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    later(s, write_word, &fds[1]);
    say(s, raw(SYS_poll, &p, 1, -1));
    say(s, p.revents);
    await_peer(s);
    say(s, read(fds[0], buf, sizeof(buf)));
    struct timespec little = {0, 1000000}, minute = {60, 0};
    say(s, raw(SYS_ppoll, &p, 1, &little, NULL, 0));
    say(s, little.tv_sec + little.tv_nsec);
    later(s, write_word, &fds[1]);
    say(s, raw(SYS_ppoll, &p, 1, &minute, NULL, 0));
    say(s, minute.tv_sec < 60);
    await_peer(s);
    say(s, epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event));
    say(s, raw(SYS_epoll_wait, epoll, got, 2, -1));
    say(s, got[0].data.u64);
    say(s, read(fds[0], buf, sizeof(buf)));
    later(s, write_word, &fds[1]);
    say(s, raw(SYS_epoll_pwait, epoll, got, 2, -1, NULL, MASK_BYTES));
    await_peer(s);
    say(s, raw(SYS_epoll_wait, epoll, got, 0, -1));
    say(s, raw(SYS_poll, NULL, 0, 1));
    close(epoll);
    close(fds[0]);
    close(fds[1]);
}

static int64_t time_on(clockid_t clock)
{
    struct timespec now;
    assert_int_equal(clock_gettime(clock, &now), 0);
    return now.tv_sec * GROVE_SECOND + now.tv_nsec;
}

static void on_signal(int signum)
{
}

static void sleeps_wait(struct stage *s)
{
    pthread_t self = pthread_self();
    struct timespec time = {0, 2 * MS}, wrong = {0, -1}, minute = {60, 0}, left;
    int64_t before = time_on(CLOCK_MONOTONIC);
    say(s, raw(SYS_nanosleep, &time, NULL));
    say(s, raw(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &time, NULL));
    int64_t until = time_on(CLOCK_MONOTONIC) + 2 * MS;
    time = (struct timespec){until / GROVE_SECOND, until % GROVE_SECOND};
    say(s,
        raw(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL));
    say(s, time_on(CLOCK_MONOTONIC) - before >= 6 * MS);
    say(s, raw(SYS_nanosleep, &wrong, NULL));
    say(s, raw(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &wrong, NULL));
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    later(s, send_signal, &self);
    say(s, raw(SYS_nanosleep, &minute, &left));
    say(s, left.tv_sec >= 50);
    await_peer(s);
    signal(SIGUSR1, SIG_DFL);
}

static void *wake(void *arg)
{
    int *word = arg;
    while (syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) != 1)
        nanosleep(&(struct timespec){0, 200000}, NULL);
    return NULL;
}

/* They are made as they are: a native thread wakes. */
static void futexes(struct stage *s)
{
    static int word = 1;
    struct timespec little = {0, 1000000};
    pthread_t thread;
    say(s, raw(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0));
    say(s, raw(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, &little, NULL, 0));
    assert_int_equal(pthread_create(&thread, NULL, wake, &word), 0);
    say(s, raw(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0));
    pthread_join(thread, NULL);
}

/* ---- signals -------------------------------------------------------------------------- */

/* The kernel's struct sigaction. */
struct kernels_action {
    void (*handler)(int signum);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static int handler_fd;
static _Atomic long read_in_handler;

static void reads_in_handler(int signum)
{
    char byte;
    read_in_handler = raw(SYS_read, handler_fd, &byte, 1);
}

#define BIT(signum) (UINT64_C(1) << ((signum)-1))

/* SIGSYS must not be blocked, and two libc keeps to itself. */
#define LEFT_OUT (BIT(SIGSYS) | BIT(32) | BIT(33))
#define NEVER_BLOCKED (BIT(SIGKILL) | BIT(SIGSTOP))

/* Its handler blocks all signals; and so does the thread. */
static void handlers_read(struct stage *s)
{
    int fds[2];
    uint64_t all = UINT64_MAX, before;
    struct sigaction action = {.sa_handler = reads_in_handler}, now;
    say(s, pipe(fds));
    handler_fd = fds[0];
    say(s, write(fds[1], "abc", 3));
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    say(s, read_in_handler);
    struct kernels_action kernels;
    say(s, raw(SYS_rt_sigaction, SIGUSR1, NULL, &kernels, MASK_BYTES));
    say(s, kernels.handler == reads_in_handler);
    kernels.handler = on_signal;
    say(s, raw(SYS_rt_sigaction, SIGUSR1, &kernels, NULL, MASK_BYTES));
    sigaction(SIGUSR1, NULL, &now);
    say(s, now.sa_handler == on_signal);
    say(s, raw(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 3));
    say(s, raw(SYS_rt_sigaction, 0, NULL, &kernels, MASK_BYTES));
    signal(SIGUSR1, SIG_DFL);
    say(s, raw(SYS_rt_sigprocmask, SIG_BLOCK, &all, &before, MASK_BYTES));
    say(s, raw(SYS_getppid) == getppid());
    say(s, raw(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &all, MASK_BYTES));
    say(s, (all | LEFT_OUT) == (UINT64_MAX & ~NEVER_BLOCKED));
    say(s, raw(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, MASK_BYTES));
    say(s, raw(SYS_rt_sigprocmask, 42, &before, NULL, MASK_BYTES));
    close(fds[0]);
    close(fds[1]);
}

static void masks_are_set(struct stage *s)
{
    sigset_t all, before, now;
    sigfillset(&all);
    say(s, pthread_sigmask(SIG_BLOCK, &all, &before));
    say(s, raw(SYS_getpid) == getpid());
    say(s, pthread_sigmask(SIG_BLOCK, NULL, &now));
    say(s, sigismember(&now, SIGUSR1));
    say(s, sigprocmask(SIG_SETMASK, &all, NULL));
    say(s, raw(SYS_getpid) == getpid());
    say(s, sigprocmask(SIG_SETMASK, &before, &now));
    say(s, sigismember(&now, SIGUSR1));
}

static char alternate[65536];

static void alternate_stacks_are_set(struct stage *s)
{
    stack_t own = {.ss_sp = alternate, .ss_size = sizeof(alternate)}, old, now;
    say(s, raw(SYS_sigaltstack, &own, &old));
    say(s, raw(SYS_sigaltstack, NULL, &now));
    say(s, now.ss_sp == alternate);
    say(s, sigaltstack(&old, &now));
    say(s, now.ss_sp == alternate);
    own.ss_size = 1;
    say(s, raw(SYS_sigaltstack, &own, NULL));
}

/* ---- processes --------------------------------------------------------------------------- */

/* In the caller's own frame, which it must not leave in between. */
static inline __attribute__((always_inline)) long raw_vfork(void)
{
    long result = SYS_vfork;
    __asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
    return result;
}

static inline __attribute__((always_inline)) void raw_exit(long status)
{
    __asm__ volatile("syscall"
                     :
                     : "a"((long)SYS_exit_group), "D"(status)
                     : "rcx", "r11", "memory");
}

static void say_end(struct stage *s, long child)
{
    int status = 0;
    say(s, child > 0);
    say(s, raw(SYS_wait4, child, &status, 0, NULL) == child);
    say(s, status);
}

static void processes_fork(struct stage *s)
{
    long child = raw(SYS_fork);
    if (child == 0)
        raw_exit(3);
    say_end(s, child);
    child = raw(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0)
        raw_exit(4);
    say_end(s, child);
    child = raw_vfork();
    if (child == 0)
        raw_exit(5);
    say_end(s, child);
    say(s, raw(SYS_clone, -1L, NULL, NULL, NULL, NULL));
    say(s, raw(SYS_getpid) == getpid()); /* they are told of again */
    say(s, raw(SYS_execve, "/no/such/file", NULL, NULL));
}

/* A thread with a stack of its own and no storage: it adds to a word, and ends,
 * which the kernel tells by another. */
static long raw_thread(char *stack, size_t size, int *word, int *gone)
{
    /* CLONE_VM, _FS, _FILES, _SIGHAND, _THREAD, _SYSVSEM, _CHILD_CLEARTID */
    register long r10 __asm__("r10") = (long)gone;
    register long r8 __asm__("r8") = 0;
    register long r12 __asm__("r12") = (long)word;
    long result;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "lock addl $5, (%%r12)\n\t"
                     "movl %[exit], %%eax\n\t"
                     "xorl %%edi, %%edi\n\t"
                     "syscall\n"
                     "1:"
                     : "=a"(result)
                     : "a"((long)SYS_clone), "D"(0x250f00L), "S"(stack + size),
                       "d"(0L), "r"(r10), "r"(r8),
                       "r"(r12), [exit] "i"(SYS_exit)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

static void threads_are_made(struct stage *s)
{
    static char stack[16384];
    static int word, gone;
    word = 37;
    gone = 1;
    say(s, raw_thread(stack, sizeof(stack), &word, &gone) > 0);
    while (__atomic_load_n(&gone, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &gone, FUTEX_WAIT, 1, NULL, NULL, 0);
    say(s, word);
    say(s, raw(SYS_getpid) == getpid());
}

/* ---- what the caller has ------------------------------------------------------------------ */

/* The registers, and the 128 bytes below the stack pointer. */
static void registers_are_kept(struct stage *s)
{
    int fds[2];
    char byte;
    long n = SYS_read, near = 0, far = 0;
    double d = 0;
    say(s, pipe(fds));
    later(s, write_word, &fds[1]);
    __asm__ volatile(
        "leaq -512(%%rsp), %%rsp\n\t"
        "movq $0x1234, -8(%%rsp)\n\t"
        "movq $0x5678, -128(%%rsp)\n\t"
        "movq %[value], %%xmm9\n\t"
        "syscall\n\t"
        "movq -8(%%rsp), %[near]\n\t"
        "movq -128(%%rsp), %[far]\n\t"
        "movq %%xmm9, %[d]\n\t"
        "leaq 512(%%rsp), %%rsp"
        : "+a"(n), [near] "=&r"(near), [far] "=&r"(far), [d] "=&x"(d)
        : "D"((long)fds[0]), "S"(&byte), "d"(1L), [value] "x"(2.5)
        : "rcx", "r11", "xmm9", "memory");
    say(s, n);
    say(s, near);
    say(s, far);
    say(s, d == 2.5);
    await_peer(s);
    close(fds[0]);
    close(fds[1]);
}

/* The vDSO asks the kernel for it. */
static void clocks_are_read(struct stage *s)
{
    say(s, time_on(CLOCK_PROCESS_CPUTIME_ID) > 0);
    say(s, time_on(CLOCK_THREAD_CPUTIME_ID) > 0);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void calls_that_wait(void **state)
{
    static const struct program programs[] = {
        PROGRAM("", reads_wait),         PROGRAM("", sockets_wait),
        PROGRAM("", accept_waits),       PROGRAM("", polls_wait),
        PROGRAM("", sleeps_wait),        PROGRAM("", futexes),
        PROGRAM("", registers_are_kept),
    };
    stage_perform(programs, UNIT_COUNT(programs));
}

static void calls_about_the_thread(void **state)
{
    static const struct program programs[] = {
        PROGRAM("", handlers_read),
        PROGRAM("pthread_sigmask sigprocmask", masks_are_set),
        PROGRAM("", alternate_stacks_are_set),
        PROGRAM("", clocks_are_read),
    };
    stage_perform(programs, UNIT_COUNT(programs));
}

static void calls_that_make_processes(void **state)
{
    static const struct program programs[] = {
        PROGRAM("", processes_fork),
        PROGRAM("", threads_are_made),
    };
    stage_perform(programs, UNIT_COUNT(programs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_wait),
        cmocka_unit_test(calls_about_the_thread),
        cmocka_unit_test(calls_that_make_processes),
    };
    if (UNIT_HAS_NO_SLOTS)
        return unit_skip_all();
    if (grove_patch_syscalls_refused())
        return raw_skip_all();
    stage_flags = GROVE_PATCH_SYSCALLS;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
