/*
 * System calls made without libc, where fibers, hubs, threads and processes
 * come and go: on which threads they are patched, and for how long.
 */
#include "raw_calls.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <time.h>

/* Linux's, of siginfo_t's si_code. */
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

static void patch(void)
{
    assert_true(grove_patch("", NULL, GROVE_PATCH_SYSCALLS) > 0);
}

static void unpatch(void)
{
    assert_true(grove_unpatch_all() > 0);
}

/* ---- fibers ------------------------------------------------------------------- */

/* One that reads a byte without libc. */
struct reader {
    int fds[2];
    long n;
    bool read;
    grove_fiber *fiber;
};

static void *read_raw(void *arg)
{
    struct reader *r = arg;
    char byte;
    r->n = raw(SYS_read, r->fds[0], &byte, 1);
    r->read = true;
    return NULL;
}

/* It has come to its read when this returns. */
static bool reader_begin(struct reader *r)
{
    r->read = false;
    if (pipe(r->fds) < 0 || grove_spawn(&r->fiber, read_raw, r) < 0)
        return false;
    grove_yield();
    return !r->read;
}

/* Whether it has parked, and comes back with a byte. */
static bool reader_end(struct reader *r)
{
    bool parked = !r->read && write(r->fds[1], "x", 1) == 1;
    int joined = grove_join_until(r->fiber, NULL, grove_now() + HANG);
    grove_release(r->fiber);
    close(r->fds[0]);
    close(r->fds[1]);
    return parked && joined == 0 && r->n == 1;
}

static bool parks_here(void)
{
    struct reader r;
    return reader_begin(&r) && reader_end(&r);
}

#define MANY 100

static void many_fibers(void **state)
{
    static struct reader readers[MANY];
    patch();
    for (int i = 0; i < MANY; i++)
        assert_true(reader_begin(&readers[i]));
    for (int i = MANY - 1; i >= 0; i--)
        assert_true(reader_end(&readers[i]));
    unpatch();
}

static void a_fiber_is_killed(void **state)
{
    struct reader r;
    patch();
    assert_true(reader_begin(&r));
    assert_int_equal(grove_kill(r.fiber), 0);
    assert_int_equal(grove_join(r.fiber, NULL), 0);
    assert_int_equal(r.n, -ECANCELED);
    grove_release(r.fiber);
    close(r.fds[0]);
    close(r.fds[1]);
    unpatch();
}

static void a_scope_expires(void **state)
{
    struct reader r;
    grove_timeout t;
    char byte;
    patch();
    assert_true(reader_begin(&r)); /* somebody else is there */
    grove_timeout_begin(&t, grove_now() + MS);
    assert_int_equal(raw(SYS_read, r.fds[0], &byte, 1), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
    assert_true(reader_end(&r));
    unpatch();
}

/* What other fibers set of the thread meanwhile stays set. */
static void a_mask_is_set_meanwhile(void **state)
{
    struct reader r;
    sigset_t set, now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    patch();
    assert_true(reader_begin(&r));
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    assert_true(reader_end(&r));
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    assert_true(sigismember(&now, SIGUSR2));
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
    unpatch();
}

static void patched_while_parked(void **state)
{
    struct reader r;
    patch();
    assert_true(reader_begin(&r));
    unpatch();
    patch();
    assert_true(parks_here());
    unpatch();
    assert_true(reader_end(&r)); /* it began when they were */
}

/* A stack of the program's own, as coroutines have. */
#define SMALL 1024
#define CANARY 0x5a

struct small {
    unsigned char below[16384];
    unsigned char stack[SMALL];
};

/* Reads a byte there. */
static long read_on(struct small *s, int fd, char *byte)
{
    long result = SYS_read;
    unsigned char *top = s->stack + SMALL;
    memset(s, CANARY, sizeof(*s));
    __asm__ volatile("xchgq %%rsp, %[top]\n\t"
                     "syscall\n\t"
                     "movq %[top], %%rsp"
                     : "+a"(result), [top] "+r"(top)
                     : "D"((long)fd), "S"(byte), "d"(1L)
                     : "rcx", "r11", "memory");
    return result;
}

static bool is_whole(const struct small *s)
{
    for (size_t i = 0; i < sizeof(*s); i++)
        if (((const unsigned char *)s)[i] != CANARY)
            return false;
    return true;
}

static void *read_on_small_stack(void *arg)
{
    static struct small s;
    struct reader *r = arg;
    char byte;
    r->n = read_on(&s, r->fds[0], &byte);
    r->read = is_whole(&s);
    return NULL;
}

/* The calls are made, and nothing of the signal comes to lie there. */
static void stacks_of_the_programs_own(void **state)
{
    struct reader r = {.n = 0};
    patch();
    assert_int_equal(pipe(r.fds), 0);
    assert_int_equal(write(r.fds[1], "ab", 2), 2);
    assert_int_equal(grove_spawn(&r.fiber, read_on_small_stack, &r), 0);
    assert_int_equal(grove_join(r.fiber, NULL), 0);
    assert_true(r.read);
    assert_int_equal(r.n, 1);
    r.n = 0;
    read_on_small_stack(&r); /* on the thread's own */
    assert_true(r.read);
    assert_int_equal(r.n, 1);
    grove_release(r.fiber);
    close(r.fds[0]);
    close(r.fds[1]);
    unpatch();
}

static void *read_with_little_room(void *arg)
{
    char filled[GROVE_STACK_MIN - (7 << 10)];
    memset(filled, CANARY, sizeof(filled));
    __asm__ volatile("" : : "r"(filled) : "memory");
    read_raw(arg);
    __asm__ volatile("" : : "r"(filled) : "memory");
    return NULL;
}

/* Nor where there is no room for a park: it is made as it is. */
static void stacks_that_are_full(void **state)
{
    struct reader r = {.n = 0};
    const grove_attr attr = {.size = sizeof(attr),
                             .stack_size = GROVE_STACK_MIN};
    if (UNIT_ASAN)
        unit_skip(UNIT_SLOW_MEMORY);
    patch();
    assert_int_equal(pipe(r.fds), 0);
    assert_int_equal(write(r.fds[1], "ab", 2), 2);
    assert_int_equal(
        grove_spawn_with(&r.fiber, &attr, read_with_little_room, &r), 0);
    assert_int_equal(grove_join(r.fiber, NULL), 0);
    assert_int_equal(r.n, 1);
    grove_release(r.fiber);
    close(r.fds[0]);
    close(r.fds[1]);
    unpatch();
}

/* ---- threads ---------------------------------------------------------------------- */

/* SIGSYS is blocked: told of by it, the call would end the process. */
static void *call_with_all_blocked(void *arg)
{
    sigset_t all;
    sigfillset(&all);
    if (syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 8) < 0)
        return arg;
    return raw(SYS_getpid) == getpid() ? NULL : arg;
}

static void threads_without_a_hub(void **state)
{
    pthread_t thread;
    void *failure;
    patch();
    assert_true(parks_here());
    assert_int_equal(
        pthread_create(&thread, NULL, call_with_all_blocked, state), 0);
    assert_int_equal(pthread_join(thread, &failure), 0);
    assert_null(failure);
    unpatch();
}

/* Another thread with a hub, that goes on when it is told to. */
struct other {
    pthread_t thread;
    int go[2], come[2]; /* a byte each way */
    bool before, after; /* whether it parks: at first, when told to go on */
    bool untouched;     /* without a hub, at the end */
};

static void tell(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

static void await(int fd)
{
    char byte;
    assert_int_equal(read(fd, &byte, 1), 1);
}

static void *be_other(void *arg)
{
    struct other *o = arg;
    o->before = parks_here();
    tell(o->come[1]);
    await(o->go[0]);
    grove_sleep(MS); /* its hub turns */
    o->after = parks_here();
    return NULL;
}

/* A raw read of a fiber that nobody else can let read: it would hang unpatched,
 * so that there is something to read by then. */
static void *be_other_unpatched(void *arg)
{
    struct other *o = arg;
    o->before = parks_here();
    tell(o->come[1]);
    await(o->go[0]);
    grove_sleep(MS);
    o->untouched = !call_with_all_blocked(arg);
    return NULL;
}

static void other_begin(struct other *o, void *(*fn)(void *))
{
    *o = (struct other){.before = false};
    assert_int_equal(pipe(o->go), 0);
    assert_int_equal(pipe(o->come), 0);
    assert_int_equal(pthread_create(&o->thread, NULL, fn, o), 0);
    await(o->come[0]);
}

static void other_end(struct other *o)
{
    tell(o->go[1]);
    assert_int_equal(pthread_join(o->thread, NULL), 0);
    for (int i = 0; i < 2; i++) {
        close(o->go[i]);
        close(o->come[i]);
    }
}

static void two_hubs(void **state)
{
    struct other o;
    patch();
    other_begin(&o, be_other);
    assert_true(parks_here());
    assert_true(o.before);
    other_end(&o);
    assert_true(o.after);
    unpatch();
}

/* One that has its hub already is reached when that turns. */
static void *have_a_hub(void *arg)
{
    struct other *o = arg;
    grove_sleep(1);
    tell(o->come[1]);
    await(o->go[0]);
    grove_sleep(MS);
    o->after = parks_here();
    return NULL;
}

static void a_hub_that_was_there(void **state)
{
    struct other o;
    other_begin(&o, have_a_hub);
    patch();
    other_end(&o);
    assert_true(o.after);
    unpatch();
}

static void a_hub_that_stays(void **state)
{
    struct other o;
    patch();
    other_begin(&o, be_other_unpatched);
    unpatch();
    other_end(&o);
    assert_true(o.before);
    assert_true(o.untouched);
}

static _Atomic bool done;

/* What is read is there: whether the calls are patched at the moment or not. */
static void *call_in_turns(void *arg)
{
    int fds[2];
    char buf[2];
    intptr_t calls = 0;
    if (pipe(fds) < 0)
        return NULL;
    while (!done) {
        if (raw(SYS_write, fds[1], "ab", 2) != 2 ||
            raw(SYS_read, fds[0], buf, 2) != 2 || memcmp(buf, "ab", 2) != 0)
            return NULL;
        calls++;
        grove_yield();
    }
    close(fds[0]);
    close(fds[1]);
    return (void *)calls;
}

static void *call_on_and_on(void *arg)
{
    grove_fiber *f[2];
    void *calls;
    for (int i = 0; i < 2; i++)
        if (grove_spawn(&f[i], call_in_turns, NULL) < 0)
            return NULL;
    for (int i = 0; i < 2; i++) {
        grove_join(f[i], &calls);
        grove_release(f[i]);
        if (!calls)
            return NULL;
    }
    return calls;
}

static void cycles_while_hubs_call(void **state)
{
    pthread_t threads[3];
    void *calls;
    done = false;
    for (size_t i = 0; i < UNIT_COUNT(threads); i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, call_on_and_on, NULL), 0);
    for (size_t i = 0; i < unit_scale(300, 50); i++) {
        patch();
        assert_true(parks_here());
        unpatch();
    }
    done = true;
    for (size_t i = 0; i < UNIT_COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &calls), 0);
        assert_non_null(calls);
    }
}

/* ---- processes -------------------------------------------------------------------- */

static struct reader forker;

static void *fork_and_park(void *arg)
{
    int *status = arg;
    pid_t pid = fork();
    if (pid == 0)
        _exit(parks_here() && parks_here() ? 7 : 8);
    waitpid(pid, status, 0);
    return NULL;
}

static void a_fiber_forks(void **state)
{
    int status = 0;
    grove_fiber *f;
    patch();
    assert_true(reader_begin(&forker));
    assert_int_equal(grove_spawn(&f, fork_and_park, &status), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_true(reader_end(&forker));
    unpatch();
}

/* ---- signals ---------------------------------------------------------------------- */

static void *end_process(void *arg)
{
    _exit(2); /* in the child; the parent kills it before its turn */
    return arg;
}

/* libc does not know that it is the child: the parent's fibers are not there.
 */
static void a_child_without_libc_is_alone(void **state)
{
    grove_fiber *f;
    int status;
    patch();
    assert_int_equal(grove_spawn(&f, end_process, NULL), 0);
    long pid = raw(SYS_fork);
    if (pid == 0) {
        usleep(1000);
        raw(SYS_exit_group, 7);
    }
    grove_kill(f);
    assert_int_equal(raw(SYS_wait4, pid, &status, 0, NULL), pid);
    assert_int_equal(status, 7 << 8);
    grove_release(f);
    unpatch();
}

static _Atomic int handled;
static bool others_ran; /* while the handler waited */
static bool others_may;

static void *run_at_once(void *arg)
{
    others_ran = others_may;
    return arg;
}

/* Its calls are made as they are: whatever it has interrupted waits. */
static void sleep_in_handler(int signum)
{
    struct timespec time = {0, 2 * MS};
    others_may = true;
    handled += raw(SYS_nanosleep, &time, NULL) == 0;
    others_may = false;
}

/* A signal comes while another fiber could run. */
static void handle_without_others(int flags)
{
    grove_fiber *f;
    struct sigaction action = {.sa_handler = sleep_in_handler,
                               .sa_flags = flags};
    handled = 0;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_int_equal(grove_spawn(&f, run_at_once, NULL), 0);
    raise(SIGUSR1);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_int_equal(handled, 1);
    assert_false(others_ran);
    signal(SIGUSR1, SIG_DFL);
}

static void handlers_do_not_park(void **state)
{
    patch();
    handle_without_others(0);
    unpatch();
}

/* Nor do they on a stack of their own, whoever has set them. */
static void alternate_stacks(void **state)
{
    static char stack[65536];
    stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)}, old;
    patch();
    grove_yield(); /* the hub is there, and has a stack for its own handler */
    assert_int_equal(sigaltstack(&own, &old), 0);
    handle_without_others(SA_ONSTACK);
    assert_int_equal(sigaltstack(&old, NULL), 0);
    unpatch();
}

/* One that is taken away while a handler runs is there afterwards, whoever has
 * run meanwhile. */
static void alternate_stacks_that_are_taken_away(void **state)
{
    static char stack[65536];
    stack_t own = {.ss_sp = stack,
                   .ss_size = sizeof(stack),
                   .ss_flags = (int)(1u << 31)}, /* SS_AUTODISARM */
        old, now;
    patch();
    grove_yield();
    assert_int_equal(sigaltstack(&own, &old), 0);
    assert_true(parks_here());
    assert_int_equal(sigaltstack(&old, &now), 0);
    assert_ptr_equal(now.ss_sp, stack);
    assert_int_equal(now.ss_flags, own.ss_flags);
    unpatch();
}

/* sigaltstack with these arguments, on a stack of the program's own. */
static long set_on(struct small *s, const stack_t *stack, stack_t *old)
{
    long result = SYS_sigaltstack;
    unsigned char *top = s->stack + SMALL;
    __asm__ volatile("xchgq %%rsp, %[top]\n\t"
                     "syscall\n\t"
                     "movq %[top], %%rsp"
                     : "+a"(result), [top] "+r"(top)
                     : "D"(stack), "S"(old)
                     : "rcx", "r11", "memory");
    return result;
}

static void alternate_stacks_are_set_elsewhere(void **state)
{
    static struct small s;
    static char stack[2][65536];
    stack_t own = {.ss_sp = stack[0], .ss_size = sizeof(stack[0])}, old, now;
    patch();
    grove_yield();
    assert_int_equal(set_on(&s, &own, &old), 0);
    assert_int_equal(set_on(&s, NULL, &now), 0);
    assert_ptr_equal(now.ss_sp, stack[0]);
    own = (stack_t){.ss_sp = stack, /* behind the handler's, too */
                    .ss_size = sizeof(stack),
                    .ss_flags = (int)(1u << 31)};
    assert_int_equal(set_on(&s, &own, &now), 0);
    assert_int_equal(now.ss_flags, 0);
    own.ss_size = 1;
    assert_int_equal(set_on(&s, &own, NULL), -ENOMEM);
    assert_int_equal(set_on(&s, (stack_t *)8, NULL), -EFAULT);
    assert_true(parks_here());
    assert_int_equal(set_on(&s, &old, &now), 0);
    assert_int_equal(now.ss_size, sizeof(stack));
    assert_int_equal(now.ss_flags, (int)(1u << 31));
    unpatch();
}

/* How programs find out what they may read. */
static void addresses_that_are_none(void **state)
{
    static const uint64_t none;
    patch();
    grove_yield();
    for (int how = -1; how <= SIG_SETMASK; how++) {
        assert_int_equal(raw(SYS_rt_sigprocmask, how, 8, NULL, 8), -EFAULT);
        assert_int_equal(raw(SYS_rt_sigprocmask, SIG_BLOCK, &none, 8, 8),
                         -EFAULT);
    }
    assert_int_equal(raw(SYS_rt_sigprocmask, -1, &none, NULL, 8), -EINVAL);
    assert_int_equal(raw(SYS_rt_sigaction, SIGUSR1, 8, NULL, 8), -EFAULT);
    assert_int_equal(raw(SYS_rt_sigaction, SIGUSR1, NULL, 8, 8), -EFAULT);
    unpatch();
}

static volatile sig_atomic_t sent, forbidden;

static void on_sigsys(int signum, siginfo_t *info, void *context)
{
    if (info->si_code == SYS_SECCOMP)
        forbidden++;
    else
        sent++;
}

static void on_sigsys_simply(int signum)
{
    sent++;
}

static int counts_sigsys(void)
{
    struct sigaction action = {.sa_sigaction = on_sigsys,
                               .sa_flags = SA_SIGINFO},
                     now;
    CHILD_CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    CHILD_CHECK(grove_patch("", NULL, GROVE_PATCH_SYSCALLS) > 0);
    CHILD_CHECK(sigaction(SIGSYS, NULL, &now) == 0);
    CHILD_CHECK(now.sa_sigaction == on_sigsys);
    CHILD_CHECK(parks_here());
    CHILD_CHECK(raise(SIGSYS) == 0 && sent == 1);
    CHILD_CHECK(parks_here());
    CHILD_CHECK(signal(SIGSYS, on_sigsys_simply) ==
                (void (*)(int))(void *)on_sigsys);
    CHILD_CHECK(raise(SIGSYS) == 0 && sent == 2);
    CHILD_CHECK(signal(SIGSYS, SIG_IGN) == on_sigsys_simply);
    CHILD_CHECK(raise(SIGSYS) == 0 && sent == 2);
    CHILD_CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    CHILD_CHECK(parks_here() && sent == 2);
    CHILD_CHECK(grove_unpatch_all() > 0);
    CHILD_CHECK(sigaction(SIGSYS, NULL, &now) == 0);
    CHILD_CHECK(now.sa_sigaction == on_sigsys);
    CHILD_CHECK(raise(SIGSYS) == 0 && sent == 3);
    return 0;
}

static int dies_of_sigsys(void)
{
    signal(SIGSYS, SIG_DFL); /* cmocka has a handler */
    CHILD_CHECK(grove_patch("", NULL, GROVE_PATCH_SYSCALLS) > 0);
    CHILD_CHECK(parks_here());
    raise(SIGSYS);
    return 0;
}

/* A sandbox in which that call has this outcome. */
static bool forbid(unsigned number, unsigned outcome)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, outcome),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {UNIT_COUNT(filter), filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* The kernel calls such a handler once. */
static int handles_sigsys_once(void)
{
    struct sigaction action = {.sa_sigaction = on_sigsys,
                               .sa_flags = SA_SIGINFO | SA_RESETHAND};
    CHILD_CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    CHILD_CHECK(grove_patch("", NULL, GROVE_PATCH_SYSCALLS) > 0);
    CHILD_CHECK(raise(SIGSYS) == 0 && sent == 1);
    CHILD_CHECK(parks_here());
    raise(SIGSYS);
    return 0;
}

static int is_sandboxed(void)
{
    struct sigaction action = {.sa_sigaction = on_sigsys,
                               .sa_flags = SA_SIGINFO};
    CHILD_CHECK(grove_patch("", NULL, GROVE_PATCH_SYSCALLS) > 0);
    CHILD_CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    CHILD_CHECK(forbid(SYS_getppid, SECCOMP_RET_TRAP));
    CHILD_CHECK(parks_here());
    getppid();
    CHILD_CHECK(forbidden == 1);
    raw(SYS_getppid); /* told of twice: to be made, and when it is */
    CHILD_CHECK(forbidden == 2);
    CHILD_CHECK(parks_here() && sent == 0);
    return 0;
}

/* As on a kernel that does not know how. */
static int has_an_old_kernel(void)
{
    CHILD_CHECK(forbid(SYS_prctl, SECCOMP_RET_ERRNO | EINVAL));
    CHILD_CHECK(grove_patch_syscalls_refused());
    CHILD_CHECK(grove_patch("", NULL, GROVE_PATCH_SYSCALLS) == -ENOTSUP);
    CHILD_CHECK(grove_unpatch_all() == 0); /* nothing was patched */
    return 0;
}

static void refused_by_the_kernel(void **state)
{
    struct unit_child child;
    unit_in_child(&child, has_an_old_kernel);
    unit_assert_exit(&child);
}

static void the_programs_own_sigsys(void **state)
{
    struct unit_child child;
    unit_in_child(&child, counts_sigsys);
    unit_assert_exit(&child);
    unit_in_child(&child, dies_of_sigsys);
    assert_true(unit_died_of(&child, SIGSYS));
    unit_in_child(&child, handles_sigsys_once);
    assert_true(unit_died_of(&child, SIGSYS));
    unit_in_child(&child, is_sandboxed);
    unit_assert_exit(&child);
}

/* ---- threads that are fibers ---------------------------------------------------------- */

static void *read_in_thread(void *arg)
{
    struct reader *r = arg;
    char byte;
    r->n = raw(SYS_read, r->fds[0], &byte, 1);
    r->read = true;
    pthread_testcancel();
    return NULL;
}

/* A raw call is none of the places where a cancel acts. */
static int threads_read(void)
{
    static struct reader readers[3];
    pthread_t threads[3];
    void *value;
    CHILD_CHECK(
        grove_patch("", NULL, GROVE_PATCH_SYSCALLS | GROVE_PATCH_THREADS) > 0);
    for (int i = 0; i < 3; i++) {
        CHILD_CHECK(pipe(readers[i].fds) == 0);
        CHILD_CHECK(pthread_create(&threads[i], NULL, read_in_thread,
                                   &readers[i]) == 0);
    }
    sched_yield();
    CHILD_CHECK(pthread_cancel(threads[1]) == 0);
    sched_yield();
    CHILD_CHECK(!readers[1].read);
    for (int i = 2; i >= 0; i--) {
        CHILD_CHECK(write(readers[i].fds[1], "x", 1) == 1);
        CHILD_CHECK(pthread_join(threads[i], &value) == 0);
        CHILD_CHECK(readers[i].read && readers[i].n == 1);
        CHILD_CHECK(value == (i == 1 ? PTHREAD_CANCELED : NULL));
    }
    return 0;
}

/* An ordinary thread, which has blocked all signals, creates one of those. */
struct blocker {
    struct reader reader;
    int go[2];
    pthread_t created;
};

static void *block_and_create(void *arg)
{
    struct blocker *b = arg;
    char byte;
    sigset_t all;
    sigfillset(&all);
    if (pthread_sigmask(SIG_BLOCK, &all, NULL) != 0 ||
        read(b->go[0], &byte, 1) != 1)
        return arg;
    return pthread_create(&b->created, NULL, read_in_thread, &b->reader) == 0
               ? NULL
               : arg;
}

static int threads_of_a_blocker_read(void)
{
    static struct blocker b;
    pthread_t thread;
    void *failure;
    CHILD_CHECK(pipe(b.go) == 0 && pipe(b.reader.fds) == 0);
    CHILD_CHECK(pthread_create(&thread, NULL, block_and_create, &b) == 0);
    CHILD_CHECK(grove_patch_cores(2) == 0);
    CHILD_CHECK(threads_read() == 0);
    CHILD_CHECK(write(b.go[1], "x", 1) == 1);
    CHILD_CHECK(pthread_join(thread, &failure) == 0 && !failure);
    CHILD_CHECK(write(b.reader.fds[1], "x", 1) == 1);
    CHILD_CHECK(pthread_join(b.created, NULL) == 0);
    CHILD_CHECK(b.reader.read && b.reader.n == 1);
    return 0;
}

static void threads_that_are_fibers(void **state)
{
    struct unit_child child;
    if (grove_own_tls_refused())
        unit_skip("no storage of its own; a plain build on x86-64 runs it");
    unit_in_child(&child, threads_read);
    unit_assert_exit(&child);
    unit_in_child(&child, threads_of_a_blocker_read);
    unit_assert_exit(&child);
}

/* ---- all of them ---------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hub_that_was_there),
        cmocka_unit_test(many_fibers),
        cmocka_unit_test(a_fiber_is_killed),
        cmocka_unit_test(a_scope_expires),
        cmocka_unit_test(a_mask_is_set_meanwhile),
        cmocka_unit_test(patched_while_parked),
        cmocka_unit_test(stacks_of_the_programs_own),
        cmocka_unit_test(stacks_that_are_full),
        cmocka_unit_test(threads_without_a_hub),
        cmocka_unit_test(two_hubs),
        cmocka_unit_test(a_hub_that_stays),
        cmocka_unit_test(cycles_while_hubs_call),
        cmocka_unit_test(a_fiber_forks),
        cmocka_unit_test(a_child_without_libc_is_alone),
        cmocka_unit_test(handlers_do_not_park),
        cmocka_unit_test(alternate_stacks),
        cmocka_unit_test(alternate_stacks_that_are_taken_away),
        cmocka_unit_test(alternate_stacks_are_set_elsewhere),
        cmocka_unit_test(addresses_that_are_none),
        cmocka_unit_test(refused_by_the_kernel),
        cmocka_unit_test(the_programs_own_sigsys),
        cmocka_unit_test(threads_that_are_fibers),
    };
    if (UNIT_HAS_NO_SLOTS)
        return unit_skip_all();
    if (grove_patch_syscalls_refused())
        return raw_skip_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
