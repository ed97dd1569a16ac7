/* Patched calls that wait for descriptors, for time and for signals. */
#include "patch_stage.h"

#include <sys/epoll.h>
#include <sys/select.h>
#include <threads.h>

int __poll(struct pollfd *fds, nfds_t n, int timeout);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                const sigset_t *mask, size_t size);
int __select(int n, fd_set *in, fd_set *out, fd_set *except,
             struct timeval *timeout);
int __nanosleep(const struct timespec *time, struct timespec *left);

static void write_word(void *arg)
{
    assert_int_equal(write(*(int *)arg, "word", 4), 4);
}

static void close_it(void *arg)
{
    close(*(int *)arg);
}

static _Atomic int signals;

static void on_signal(int signum)
{
    signals++;
}

static void handle(int signum, int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    assert_int_equal(sigaction(signum, &action, NULL), 0);
    signals = 0;
}

static void send_signal(void *arg)
{
    assert_int_equal(pthread_kill(*(pthread_t *)arg, SIGUSR1), 0);
}

/* SIGUSR1 is blocked but for `mask`, in which it is not. */
static void block_usr1(sigset_t *mask)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    handle(SIGUSR1, SA_RESTART);
    pthread_sigmask(SIG_BLOCK, &set, mask);
    sigdelset(mask, SIGUSR1);
}

static void unblock_usr1(struct stage *s)
{
    sigset_t set, pending;
    await_peer(s);
    sigpending(&pending);
    say(s, sigismember(&pending, SIGUSR1));
    say(s, signals);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    signal(SIGUSR1, SIG_DFL);
}

/* ---- poll ----------------------------------------------------------------------- */

static void poll_waits(struct stage *s)
{
    int fds[2];
    say(s, pipe(fds));
    struct pollfd p[3] = {{.fd = fds[0], .events = POLLIN},
                          {.fd = -1, .events = POLLIN},
                          {.fd = fds[1], .events = 0}};
    later(s, write_word, &fds[1]);
    say(s, poll(p, 3, -1));
    say(s, p[0].revents | p[1].revents << 8);
    await_peer(s);
    say(s, __poll(p, 1, -1));
    char buf[4];
    say(s, read(fds[0], buf, 4));
    say(s, poll(p, 3, 0));
    say(s, __poll_chk(p, 1, 20, sizeof(p)));
    say(s, poll(NULL, 0, 10));
    later(s, close_it, &fds[1]);
    say(s, poll(p, 2, 60000));
    say(s, p[0].revents);
    await_peer(s);
    close(fds[0]);
    say(s, poll(p, 1, -1));
    say(s, p[0].revents);
}

static void poll_interrupted(struct stage *s)
{
    pthread_t self = pthread_self();
    handle(SIGUSR1, SA_RESTART); /* which does not concern poll */
    later(s, send_signal, &self);
    say(s, poll(NULL, 0, -1));
    say(s, signals);
    await_peer(s);
    signal(SIGUSR1, SIG_DFL);
}

static void poll_many(struct stage *s)
{
    enum { N = 100 };
    struct pollfd p[N];
    int fds[N][2], ready = 0;
    for (int i = 0; i < N; i++) {
        assert_int_equal(pipe(fds[i]), 0);
        p[i] = (struct pollfd){.fd = fds[i][0], .events = POLLIN};
    }
    later(s, write_word, &fds[77][1]);
    say(s, poll(p, N, 60000));
    await_peer(s);
    for (int i = 0; i < N; i++) {
        ready += p[i].revents ? i : 0;
        await_peer(s);
        close(fds[i][0]);
        close(fds[i][1]);
    }
    say(s, ready);
}

static void ppoll_waits(struct stage *s)
{
    int fds[2];
    sigset_t mask;
    pthread_t self = pthread_self();
    struct timespec minute = {60, 0}, little = {0, 1000000}, wrong = {0, -1};
    say(s, pipe(fds));
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    block_usr1(&mask);
    say(s, ppoll(&p, 1, &little, &mask));
    later(s, send_signal, &self);
    say(s, ppoll(&p, 1, &minute, &mask));
    await_peer(s);
    later(s, write_word, &fds[1]);
    say(s, ppoll(&p, 1, NULL, &mask));
    say(s, p.revents);
    say(s, __ppoll_chk(&p, 1, NULL, NULL, sizeof(p)));
    say(s, ppoll(&p, 1, &wrong, NULL));
    unblock_usr1(s);
    await_peer(s);
    close(fds[0]);
    close(fds[1]);
}

/* ---- select ------------------------------------------------------------------------ */

static void select_waits(struct stage *s)
{
    int fds[2];
    say(s, pipe(fds));
    fd_set in, out, except;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&except);
    FD_SET(fds[0], &in);
    FD_SET(fds[0], &except);
    int n = fds[0] + 1;
    later(s, write_word, &fds[1]);
    say(s, select(n, &in, &out, &except, NULL));
    say(s, FD_ISSET(fds[0], &in) | FD_ISSET(fds[0], &except) << 1);
    await_peer(s);
    char buf[4];
    say(s, read(fds[0], buf, 4));
    struct timeval tv = {0, 20000};
    FD_SET(fds[0], &in);
    say(s, select(n, &in, NULL, NULL, &tv));
    say(s, FD_ISSET(fds[0], &in));
    say(s, tv.tv_sec * 1000000 + tv.tv_usec);
    tv.tv_sec = 60;
    FD_SET(fds[0], &in);
    later(s, write_word, &fds[1]);
    say(s, __select(n, &in, NULL, NULL, &tv));
    say(s, tv.tv_sec > 0 && tv.tv_sec < 60);
    await_peer(s);
    struct timespec little = {0, 1000000};
    FD_ZERO(&in);
    say(s, pselect(0, NULL, NULL, NULL, &little, NULL));
    await_peer(s);
    close(fds[1]);
    FD_SET(fds[0], &except); /* a hang-up is nothing exceptional */
    say(s, pselect(n, NULL, NULL, &except, &little, NULL));
    await_peer(s);
    close(fds[0]);
    FD_SET(fds[0], &in);
    say(s, select(n, &in, NULL, NULL, NULL));
    say(s, select(-1, NULL, NULL, NULL, NULL));
    tv.tv_sec = -1;
    say(s, select(0, NULL, NULL, NULL, &tv));
}

static void pselect_interrupted(struct stage *s)
{
    sigset_t mask;
    pthread_t self = pthread_self();
    block_usr1(&mask);
    later(s, send_signal, &self);
    say(s, pselect(0, NULL, NULL, NULL, NULL, &mask));
    unblock_usr1(s);
}

/* ---- epoll --------------------------------------------------------------------------- */

static void epoll_waits(struct stage *s)
{
    int fds[2], epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7}, got[4];
    struct timespec little = {0, 1000000}, wrong = {0, -1};
    sigset_t mask;
    pthread_t self = pthread_self();
    char buf[4];
    say(s, pipe(fds));
    say(s, epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event));
    for (int i = 0; i < 3; i++) {
        later(s, write_word, &fds[1]);
        say(s, epoll_wait(epoll, got, 4, -1));
        say(s, got[0].data.u64);
        await_peer(s);
        say(s, epoll_wait(epoll, got, 4, -1)); /* level-triggered */
        say(s, read(fds[0], buf, 4));
        say(s, epoll_wait(epoll, got, 4, 0));
    }
    say(s, epoll_wait(epoll, got, 4, 20));
    say(s, epoll_wait(epoll, got, 0, 20));
    say(s, epoll_wait(fds[0], got, 1, 20));
    if (!unit_emulated()) {
        say(s, epoll_pwait2(epoll, got, 4, &little, NULL));
        say(s, epoll_pwait2(epoll, got, 4, &wrong, NULL));
    }
    event.events = EPOLLIN | EPOLLET | EPOLLONESHOT;
    say(s, epoll_ctl(epoll, EPOLL_CTL_MOD, fds[0], &event));
    later(s, write_word, &fds[1]);
    say(s, epoll_pwait(epoll, got, 4, -1, NULL));
    await_peer(s);
    say(s, epoll_pwait(epoll, got, 4, 10, NULL));
    block_usr1(&mask);
    later(s, send_signal, &self);
    say(s, epoll_pwait(epoll, got, 4, -1, &mask));
    unblock_usr1(s);
    await_peer(s);
    close(epoll);
    close(fds[0]);
    close(fds[1]);
}

/* ---- sleeping ---------------------------------------------------------------------------- */

/* Whether it has taken as long as it was to, at least. */
static long took(int64_t began, int64_t ns)
{
    return grove_now() - began >= ns;
}

static void sleep_waits(struct stage *s)
{
    int64_t began = grove_now();
    struct timespec ms10 = {0, 10000000}, wrong = {0, 1000000000}, left, at;
    say(s, nanosleep(&ms10, NULL));
    say(s, took(began, 10 * MS));
    say(s, __nanosleep(&ms10, NULL));
    say(s, took(began, 20 * MS));
    say(s, usleep(10000));
    say(s, took(began, 30 * MS));
    say(s, thrd_sleep(&ms10, NULL));
    say(s, thrd_sleep(&wrong, NULL) < -1);
    say(s, clock_nanosleep(CLOCK_MONOTONIC, 0, &ms10, NULL));
    say(s, took(began, 50 * MS));
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += 10000000;
    if (at.tv_nsec >= 1000000000)
        at = (struct timespec){at.tv_sec + 1, at.tv_nsec - 1000000000};
    say(s, clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL));
    say(s, took(began, 60 * MS));
    say(s, sleep(0));
    say(s, nanosleep(&wrong, NULL));
    say(s, clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, NULL));
    say(s, clock_nanosleep(12345, 0, &ms10, &left));
}

/* Later than the kernel's timers are coarse: what is left is less than all. */
static void send_signal_late(void *arg)
{
    static const struct timespec ms = {0, 1000000};
    nanosleep(&ms, NULL);
    send_signal(arg);
}

static void sleep_interrupted(struct stage *s)
{
    pthread_t self = pthread_self();
    struct timespec minute = {60, 0}, left = {0, 0};
    handle(SIGUSR1, SA_RESTART);
    later(s, send_signal_late, &self);
    say(s, nanosleep(&minute, &left));
    say(s, left.tv_sec > 0 && left.tv_sec < 60);
    await_peer(s);
    later(s, send_signal_late, &self);
    say(s, sleep(3600)); /* 3599 and a part */
    await_peer(s);
    later(s, send_signal_late, &self);
    say(s, clock_nanosleep(CLOCK_MONOTONIC, 0, &minute, &left));
    say(s, signals);
    await_peer(s);
    signal(SIGUSR1, SIG_DFL);
}

/* ---- signals -------------------------------------------------------------------------------- */

static void pause_waits(struct stage *s)
{
    pthread_t self = pthread_self();
    sigset_t mask;
    handle(SIGUSR1, SA_RESTART);
    later(s, send_signal, &self);
    say(s, pause());
    await_peer(s);
    block_usr1(&mask);
    later(s, send_signal, &self);
    say(s, sigsuspend(&mask));
    unblock_usr1(s);
}

int __sigsuspend(const sigset_t *mask);
int sigpause_mask(int mask) __asm__("sigpause");
int __xpg_sigpause(int signum);
int __sigpause(int value, int is_signum);

static void sigpause_waits(struct stage *s)
{
    pthread_t self = pthread_self();
    sigset_t mask;
    handle(SIGUSR1, SA_RESTART);
    block_usr1(&mask);
    for (int i = 0; i < 5; i++) {
        later(s, send_signal, &self);
        say(s, i == 0   ? __sigsuspend(&mask)
               : i == 1 ? sigpause_mask(1 << (SIGUSR2 - 1))
               : i == 2 ? __xpg_sigpause(SIGUSR1)
               : i == 3 ? __sigpause(0, 0)
                        : __sigpause(SIGUSR1, 1));
        await_peer(s);
    }
    say(s, __xpg_sigpause(1000));
    unblock_usr1(s);
}

static void sigwait_waits(struct stage *s)
{
    pthread_t self = pthread_self();
    sigset_t set, mask;
    siginfo_t info;
    int signum = 0;
    struct timespec little = {0, 1000000}, minute = {60, 0}, wrong = {0, -1};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    block_usr1(&mask);
    say(s, sigtimedwait(&set, &info, &little));
    say(s, sigtimedwait(&set, &info, &wrong));
    later(s, send_signal, &self);
    say(s, sigtimedwait(&set, &info, &minute));
    say(s, info.si_signo);
    await_peer(s);
    later(s, send_signal, &self);
    say(s, sigwaitinfo(&set, NULL));
    await_peer(s);
    later(s, send_signal, &self);
    say(s, sigwait(&set, &signum));
    say(s, signum);
    unblock_usr1(s);
}

/* ---- handlers ---------------------------------------------------------------- */

int __sigaction(int signum, const struct sigaction *action,
                struct sigaction *old);

static void on_info(int signum, siginfo_t *info, void *context)
{
    signals += info->si_signo == signum && context;
}

static void handlers(struct stage *s)
{
    struct sigaction old, action = {.sa_sigaction = on_info,
                                    .sa_flags = SA_SIGINFO | SA_RESETHAND};
    say(s, signal(SIGUSR1, on_signal) == SIG_DFL);
    say(s, sigaction(SIGUSR1, &action, &old));
    say(s, old.sa_handler == on_signal);
    say(s, old.sa_flags & (SA_SIGINFO | SA_RESTART));
    signals = 0;
    say(s, raise(SIGUSR1));
    say(s, signals);
    say(s, sigaction(SIGUSR1, NULL, &old)); /* it has been reset */
    say(s, old.sa_handler == SIG_DFL);
    action.sa_flags = SA_SIGINFO;
    say(s, __sigaction(SIGUSR1, &action, NULL));
    say(s, signal(SIGUSR1, SIG_IGN) == (void (*)(int))(void *)on_info);
    say(s, raise(SIGUSR1));
    say(s, signals);
    say(s, signal(SIGUSR1, SIG_DFL) == SIG_IGN);
    say(s, sigaction(SIGKILL, &action, NULL));
    say(s, signal(1000, SIG_DFL) == SIG_ERR);
    say(s, errno == EINVAL);
}

void (*bsd_signal(int signum, void (*function)(int)))(int);
void (*__sysv_signal(int signum, void (*function)(int)))(int);

static void handlers_of_old(struct stage *s)
{
    struct sigaction old;
    void (*(*const set[])(int, void (*)(int)))(int) = {
        bsd_signal, ssignal, sysv_signal, __sysv_signal};
    signals = 0;
    for (int i = 0; i < 4; i++) {
        say(s, set[i](SIGUSR1, on_signal) == SIG_DFL);
        say(s, sigaction(SIGUSR1, NULL, &old));
        if (!UNIT_TSAN) /* whose signal() keeps no flags */
            say(s, old.sa_flags & (SA_RESTART | SA_RESETHAND | SA_NODEFER));
        say(s, raise(SIGUSR1));
        say(s, signals);
        sigaction(SIGUSR1, NULL, &old);
        say(s, old.sa_handler == on_signal);
        say(s, set[i](SIGUSR1, SIG_DFL) == on_signal);
        say(s, set[i](1000, SIG_DFL) == SIG_ERR);
    }
}

static int handler_pipe[2];

static void wait_in_handler(int signum)
{
    char byte;
    struct pollfd p = {.fd = handler_pipe[0], .events = POLLIN};
    struct timespec ms = {0, 1000000};
    signals += poll(&p, 1, 0) == 1 && read(handler_pipe[0], &byte, 1) == 1;
    nanosleep(&ms, NULL);
    signals += write(handler_pipe[1], "x", 1) == 1;
}

/* What a handler calls is done in it, and no fiber runs meanwhile. */
static void handlers_wait(struct stage *s)
{
    say(s, pipe(handler_pipe));
    say(s, write(handler_pipe[1], "x", 1));
    signal(SIGUSR1, wait_in_handler);
    signals = 0;
    for (int i = 0; i < 3; i++)
        say(s, raise(SIGUSR1));
    say(s, signals);
    signal(SIGUSR1, SIG_DFL);
    await_peer(s);
    close(handler_pipe[0]);
    close(handler_pipe[1]);
}

static sigjmp_buf left;

static void leave(int signum)
{
    siglongjmp(left, 1);
}

/* Afterwards calls park again. */
static void handlers_left(struct stage *s)
{
    int fds[2];
    char byte;
    say(s, pipe(fds));
    signal(SIGUSR1, leave);
    if (sigsetjmp(left, 1) == 0)
        raise(SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    later(s, write_word, &fds[1]);
    say(s, read(fds[0], &byte, 1));
    await_peer(s);
    close(fds[0]);
    close(fds[1]);
}

/* ---- all of them ------------------------------------------------------------------------------ */

static void descriptors(void **state)
{
    static const struct program programs[] = {
        PROGRAM("poll __poll __poll_chk", poll_waits),
        PROGRAM("poll", poll_interrupted),
        PROGRAM("poll", poll_many),
        PROGRAM("ppoll __ppoll_chk", ppoll_waits),
        PROGRAM("select __select pselect", select_waits),
        PROGRAM("pselect", pselect_interrupted),
        PROGRAM("epoll_wait epoll_pwait epoll_pwait2", epoll_waits),
    };
    if (unit_valgrind())
        unit_skip(UNIT_VALGRIND_CALLS);
    stage_perform(programs, UNIT_COUNT(programs));
}

static void times(void **state)
{
    static const struct program programs[] = {
        PROGRAM("nanosleep __nanosleep usleep clock_nanosleep sleep "
                "thrd_sleep",
                sleep_waits),
        PROGRAM("nanosleep sleep clock_nanosleep", sleep_interrupted),
    };
    stage_perform(programs, UNIT_COUNT(programs));
}

static void signals_(void **state)
{
    static const struct program programs[] = {
        PROGRAM("pause sigsuspend", pause_waits),
        PROGRAM("__sigsuspend sigpause __xpg_sigpause __sigpause",
                sigpause_waits),
        PROGRAM("sigwait sigwaitinfo sigtimedwait", sigwait_waits),
        PROGRAM("sigaction __sigaction signal", handlers),
        PROGRAM("bsd_signal ssignal sysv_signal __sysv_signal",
                handlers_of_old),
        PROGRAM("signal", handlers_wait),
        PROGRAM("signal", handlers_left),
    };
    if (UNIT_UCONTEXT)
        unit_skip(UNIT_UCONTEXT_MASKS);
    if (unit_valgrind())
        unit_skip(UNIT_VALGRIND_CALLS);
    stage_perform(programs, UNIT_COUNT(programs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors),
        cmocka_unit_test(times),
        cmocka_unit_test(signals_),
    };
    if (UNIT_HAS_NO_SLOTS)
        return unit_skip_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
