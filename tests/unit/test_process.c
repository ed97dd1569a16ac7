/* Child processes; all of it twice, with pidfds and where there are none. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "hub/library_threads.h"
#include "os/offload.h"
#include "os/process.h"
#include "os/workers.h"
#include "unit.h"

#include <sched.h>

/* Argument lists are of char *, as exec's are; nothing writes to them. */
#ifdef __clang__
#pragma GCC diagnostic ignored \
    "-Wincompatible-pointer-types-discards-qualifiers"
#else
#pragma GCC diagnostic ignored "-Wdiscarded-qualifiers"
#endif

#define SH(script) ((char *[]){"sh", "-c", script, NULL})

/* Those of threads that wait for a child, which has ended, go with them. */
static int open_count(void)
{
    int n = 0;
    int64_t end = grove_now() + HANG;
    while (hub_library_threads() > workers_counts().threads &&
           grove_now() < end)
        grove_sleep(MS);
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* A reaper of its own closes what is a child's. */
static int open_count_down_to(int want)
{
    int64_t end = grove_now() + HANG;
    while (open_count() > want && grove_now() < end)
        grove_sleep(MS);
    return open_count();
}

/* What pidfd_open and pidfd_send_signal fail with; 0: they work. */
static _Atomic int no_pidfds, no_pidfd_signals;

int __real_pidfd_open(pid_t pid, unsigned flags);
int __real_pidfd_send_signal(int fd, int signum, siginfo_t *info, unsigned n);

static int start(grove_process **p, const grove_process_attr *attr,
                 char *const argv[])
{
    return grove_process_spawn(p, attr, argv);
}

static int end_of(grove_process *p)
{
    int status = -1;
    assert_int_equal(
        grove_process_wait_until(p, &status, grove_now() + 3 * HANG), 0);
    grove_process_release(p);
    return status;
}

/* No child is left, dead or alive. */
static void assert_no_child(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void statuses(void **state)
{
    grove_process *p;
    assert_int_equal(start(&p, NULL, SH("exit 7")), 0);
    assert_true(grove_process_pid(p) > 0);
    assert_int_equal(grove_process_fd(p, 0), -1);
    assert_int_equal(grove_process_fd(p, 7), -1);
    int status = end_of(p);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_int_equal(start(&p, NULL, SH("kill -TERM $$; sleep 60")), 0);
    status = end_of(p);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    assert_int_equal(start(&p, NULL, SH("exit 0")), 0);
    assert_int_equal(grove_process_wait(p, NULL), 0);
    assert_int_equal(grove_process_wait(p, &status), 0); /* again */
    assert_int_equal(status, 0);
    assert_int_equal(grove_process_kill(p, SIGKILL), -ESRCH);
    grove_process_release(p);
    assert_no_child();
}

/* valgrind 3.19 makes a fork of what posix_spawn asks for, whose child cannot
 * tell it of an error, and ends with 127. */
static void assert_not_started(const grove_process_attr *attr,
                               char *const argv[], int error)
{
    grove_process *p;
    int r = start(&p, attr, argv);
    if (r != 0 || !getenv("GROVE_UNDER_VALGRIND")) {
        assert_int_equal(r, error);
        assert_null(p);
        return;
    }
    int status = end_of(p);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

static void programs_that_cannot_be_started(void **state)
{
    grove_process *p;
    int before = open_count();
    grove_process_attr nowhere = {.cwd = "/no/such", .out = GROVE_IO_PIPE};
    grove_process_attr both = {.new_session = true, .new_group = true};
    grove_process_attr wrong = {.out = GROVE_IO_OUT};
    grove_process_attr closed = {.in = GROVE_IO_FD, .in_fd = 9999};
    assert_not_started(NULL, (char *[]){"/no/such", NULL}, -ENOENT);
    assert_not_started(NULL, (char *[]){"/etc/passwd", NULL}, -EACCES);
    assert_not_started(&nowhere, SH(":"), -ENOENT);
    assert_int_equal(start(&p, NULL, (char *[]){NULL}), -EINVAL);
    assert_int_equal(start(&p, &both, SH(":")), -EINVAL);
    assert_int_equal(start(&p, &wrong, SH(":")), -EINVAL);
    assert_int_equal(start(&p, &closed, SH(":")), -EBADF);
    assert_int_equal(grove_process_spawn_until(&p, NULL, SH(":"), grove_now()),
                     -ETIMEDOUT);
    assert_int_equal(open_count(), before);
    assert_no_child();
}

static void what_it_is_given(void **state)
{
    char *env[] = {"PATH=/usr/bin:/bin", "COLOUR=green", NULL};
    grove_process_attr attr = {.env = env,
                               .cwd = "/usr",
                               .in = GROVE_IO_NULL,
                               .out = GROVE_IO_PIPE,
                               .err = GROVE_IO_OUT,
                               .new_session = true};
    grove_process *p;
    grove_output out = {0};
    int status;
    char want[64];
    assert_int_equal(start(&p, &attr,
                           SH("echo $COLOUR; pwd; cat; echo oops >&2;"
                              "ps -o sid= -p $$ | tr -d ' '; echo $$")),
                     0);
    snprintf(want, sizeof(want), "green\n/usr\noops\n%d\n%d\n",
             (int)grove_process_pid(p), (int)grove_process_pid(p));
    assert_int_equal(grove_process_communicate(p, NULL, 0, &out, NULL, &status),
                     0);
    assert_int_equal(status, 0);
    assert_string_equal(out.data, want);
    assert_int_equal(out.size, strlen(want));
    free(out.data);
    grove_process_release(p);
}

/* The child's 1 is our 2 and the other way round. */
static void given_descriptors(void **state)
{
    int a[2], b[2];
    char buf[8];
    assert_int_equal(pipe2(a, O_CLOEXEC), 0);
    assert_int_equal(pipe2(b, O_CLOEXEC), 0);
    int out = dup(1), err = dup(2);
    fflush(NULL);
    dup2(a[1], 1);
    dup2(b[1], 2);
    grove_process_attr attr = {.out = GROVE_IO_FD,
                               .err = GROVE_IO_FD,
                               .out_fd = 2,
                               .err_fd = 1,
                               .new_group = true};
    grove_process *p;
    int r = start(&p, &attr, SH("echo out; echo err >&2"));
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    assert_int_equal(r, 0);
    assert_int_equal(end_of(p), 0);
    assert_int_equal(read(b[0], buf, 8), 4);
    assert_memory_equal(buf, "out\n", 4);
    assert_int_equal(read(a[0], buf, 8), 4);
    assert_memory_equal(buf, "err\n", 4);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void pipes_are_descriptors(void **state)
{
    grove_process_attr attr = {.in = GROVE_IO_PIPE, .out = GROVE_IO_PIPE};
    grove_process *p;
    char buf[8];
    assert_int_equal(start(&p, &attr, (char *[]){"cat", NULL}), 0);
    assert_int_equal(grove_write(grove_process_fd(p, 0), "ping", 4), 4);
    assert_int_equal(grove_read(grove_process_fd(p, 1), buf, 8), 4);
    assert_memory_equal(buf, "ping", 4);
    grove_process_close(p, 0);
    grove_process_close(p, 0);
    assert_int_equal(grove_process_fd(p, 0), -1);
    assert_int_equal(grove_read(grove_process_fd(p, 1), buf, 8), 0);
    assert_int_equal(end_of(p), 0);
}

/* More than the pipes hold, both ways, and on both outputs. */
static void much_is_said_at_once(void **state)
{
    enum { MUCH = 1 << 20 };
    grove_process_attr attr = {
        .in = GROVE_IO_PIPE, .out = GROVE_IO_PIPE, .err = GROVE_IO_PIPE};
    grove_process *p;
    grove_output out = {0}, err = {0};
    int status;
    char *input = malloc(MUCH);
    for (int i = 0; i < MUCH; i++)
        input[i] = (char)(i * 2654435761u >> 11);
    assert_int_equal(start(&p, &attr, SH("tee /dev/stderr")), 0);
    assert_int_equal(
        grove_process_communicate(p, input, MUCH, &out, &err, &status), 0);
    assert_int_equal(status, 0);
    assert_int_equal(out.size, MUCH);
    assert_int_equal(err.size, MUCH);
    assert_memory_equal(out.data, input, MUCH);
    assert_memory_equal(err.data, input, MUCH);
    grove_process_release(p);
    free(out.data);
    free(err.data);
    /* And to one that does not listen. */
    assert_int_equal(start(&p, &attr, SH("exec <&-; echo deaf")), 0);
    out = err = (grove_output){0};
    assert_int_equal(
        grove_process_communicate(p, input, MUCH, &out, NULL, &status), 0);
    assert_string_equal(out.data, "deaf\n");
    free(out.data);
    free(input);
    grove_process_release(p);
}

static void a_talk_goes_on_after_its_deadline(void **state)
{
    grove_process_attr attr = {.in = GROVE_IO_PIPE, .out = GROVE_IO_PIPE};
    int gate[2];
    assert_int_equal(pipe(gate), 0);
    attr.err = GROVE_IO_FD; /* read by the script: told when to go on */
    attr.err_fd = gate[0];
    grove_process *p;
    grove_output out = {0};
    int status;
    assert_int_equal(start(&p, &attr, SH("echo one; read x <&2; cat")), 0);
    int64_t end = grove_now() + HANG;
    do {
        assert_int_equal(grove_process_communicate_until(p, "two\n", 4, &out,
                                                         NULL, &status,
                                                         grove_now() + 5 * MS),
                         -ETIMEDOUT);
    } while (out.size < 4 && grove_now() < end);
    assert_string_equal(out.data, "one\n");
    assert_int_equal(write(gate[1], "\n", 1), 1);
    assert_int_equal(
        grove_process_communicate(p, "two\n", 4, &out, NULL, &status), 0);
    assert_string_equal(out.data, "one\ntwo\n");
    free(out.data);
    grove_process_release(p);
    close(gate[0]);
    close(gate[1]);
}

/* One of the pipes is closed by its number, which a stranger gets at once. */
static void *rob(void *arg)
{
    int *s = arg;
    grove_close(s[2]);
    return dup2(s[0], s[2]) == s[2] && write(s[1], "mine", 4) == 4 ? NULL : arg;
}

static void a_talk_leaves_strangers_alone(void **state)
{
    grove_process_attr attr = {.in = GROVE_IO_PIPE, .out = GROVE_IO_PIPE};
    grove_process *p;
    grove_output out = {0};
    grove_fiber *thief;
    int s[3], status;
    void *failure;
    char buf[8];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    assert_int_equal(start(&p, &attr, (char *[]){"cat", NULL}), 0);
    s[2] = grove_process_fd(p, 1);
    int in = dup(grove_process_fd(p, 0)); /* cat does not end by itself */
    assert_int_equal(grove_spawn(&thief, rob, s), 0);
    assert_int_equal(grove_process_communicate_until(
                         p, NULL, 0, &out, NULL, &status, grove_now() + HANG),
                     -EBADF);
    assert_int_equal(grove_join(thief, &failure), 0);
    grove_release(thief);
    assert_null(failure);
    assert_int_equal(out.size, 0);
    close(in);
    assert_int_equal(end_of(p), 0);
    assert_int_equal(recv(s[2], buf, 8, MSG_DONTWAIT), 4); /* nor closed */
    for (int i = 0; i < 3; i++)
        close(s[i]);
    free(out.data);
}

static void deadlines_and_kills(void **state)
{
    grove_process *p;
    int status;
    assert_int_equal(start(&p, NULL, (char *[]){"sleep", "60", NULL}), 0);
    assert_int_equal(grove_process_wait_until(p, &status, grove_now() + MS),
                     -ETIMEDOUT);
    assert_int_equal(grove_process_kill(p, 9999), -EINVAL);
    assert_int_equal(grove_process_kill(p, SIGKILL), 0);
    status = end_of(p);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* ---- many --------------------------------------------------------------------- */

static void *run_one(void *arg)
{
    grove_process_attr attr = {.in = GROVE_IO_PIPE, .out = GROVE_IO_PIPE};
    intptr_t number = (intptr_t)arg;
    char text[16], script[32];
    grove_process *p;
    grove_output out = {0};
    int status = -1;
    snprintf(text, sizeof(text), "%d\n", (int)number);
    snprintf(script, sizeof(script), "cat; exit %d", (int)number);
    bool good = start(&p, &attr, SH(script)) == 0;
    good = good && grove_process_communicate(p, text, strlen(text), &out, NULL,
                                             &status) == 0;
    good = good && WIFEXITED(status) && WEXITSTATUS(status) == number;
    good = good && !strcmp(out.data, text);
    free(out.data);
    grove_process_release(p);
    return (void *)(intptr_t)good;
}

static void a_hundred_at_once(void **state)
{
    enum { MANY = 100 };
    grove_fiber *fs[MANY];
    int before = open_count();
    for (intptr_t i = 0; i < MANY; i++)
        assert_int_equal(grove_spawn(&fs[i], run_one, (void *)i), 0);
    for (int i = 0; i < MANY; i++) {
        void *good = NULL;
        assert_int_equal(grove_join(fs[i], &good), 0);
        grove_release(fs[i]);
        check(good, "child %d", i);
    }
    assert_no_child();
    /* Workers and their hub have opened nothing that stays. */
    assert_uint_in_range(open_count(), before, before + 1);
}

static grove_process *shared;
static int ended;

static void *wait_for_shared(void *arg)
{
    int status = 0;
    int r = grove_process_wait_until(shared, &status, grove_now() + 3 * HANG);
    bool good = r == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 3;
    __atomic_fetch_add(&ended, good, __ATOMIC_RELAXED);
    return NULL;
}

static void hubs_wait_for_the_same_child(void **state)
{
    grove_process_attr attr = {.in = GROVE_IO_PIPE};
    pthread_t threads[3];
    grove_fiber *fs[3];
    ended = 0;
    assert_int_equal(start(&shared, &attr, SH("read x; exit 3")), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, wait_for_shared, NULL), 0);
        assert_int_equal(grove_spawn(&fs[i], wait_for_shared, NULL), 0);
    }
    grove_sleep(MS);
    grove_process_close(shared, 0);
    for (int i = 0; i < 3; i++) {
        grove_join(fs[i], NULL);
        grove_release(fs[i]);
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(ended, 6);
    grove_process_release(shared);
    assert_no_child();
}

static void no_zombie_of_a_child_that_was_dropped(void **state)
{
    grove_process_attr attr = {.in = GROVE_IO_PIPE};
    int before = open_count();
    for (int i = 0; i < 10; i++) {
        grove_process *p;
        /* Its input ends with the handle, and it with that. */
        assert_int_equal(start(&p, &attr, (char *[]){"cat", NULL}), 0);
        grove_process_release(p);
    }
    assert_int_equal(open_count_down_to(before), before);
    assert_no_child();
}

/* The program waits for the child itself. */
static void a_child_that_is_reaped_elsewhere(void **state)
{
    grove_process_attr attr = {.in = GROVE_IO_PIPE};
    grove_process *p;
    assert_int_equal(start(&p, &attr, (char *[]){"cat", NULL}), 0);
    pid_t pid = grove_process_pid(p);
    assert_int_equal(grove_process_kill(p, 0), 0);
    grove_process_close(p, 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(grove_process_kill(p, SIGTERM), -ESRCH);
    assert_int_equal(grove_process_wait_until(p, NULL, grove_now() + HANG),
                     -ECHILD);
    grove_process_release(p);
}

/* Whether a pidfd is all that a signal takes; valgrind 3.27 knows pidfd_open
 * alone. */
static bool signals_go_by_pidfd(void)
{
    int self = no_pidfds ? -1 : __real_pidfd_open(getpid(), 0);
    bool work = self >= 0 && __real_pidfd_send_signal(self, 0, NULL, 0) == 0;
    if (self >= 0)
        close(self);
    return work;
}

/* To the child of a fork the process is a stranger, and what it is told does
 * not look to its parent like the process's end. */
static void a_fork_has_no_part_in_it(void **state)
{
    grove_process_attr attr = {.in = GROVE_IO_PIPE};
    grove_process *p;
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    int signalled = signals_go_by_pidfd() ? 0 : -ESRCH;
    assert_int_equal(start(&p, &attr, (char *[]){"cat", NULL}), 0);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(UNIT_HANG);
        CHILD_CHECK(grove_process_kill(p, 0) == signalled);
        CHILD_CHECK(grove_process_wait_until(p, NULL, grove_now() + HANG) ==
                    -ECHILD);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    grove_process_close(p, 0);
    assert_int_equal(end_of(p), 0);
}

static int waits_in_vain(void)
{
    grove_process_attr attr = {.in = GROVE_IO_PIPE};
    grove_process *p;
    grove_event never = GROVE_EVENT_INIT;
    CHILD_CHECK(start(&p, &attr, (char *[]){"cat", NULL}) == 0);
    CHILD_CHECK(grove_event_wait(&never) == -EDEADLK);
    grove_process_release(p);
    return 0;
}

/* The thread that waits for a child wakes nobody else. */
static void a_deadlock_is_told_beside_a_child(void **state)
{
    struct unit_child child;
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    unit_in_child(&child, waits_in_vain);
    unit_assert_exit(&child);
}

/* pidfd_send_signal is a system call of its own, which filters may not know. */
static void signals_without_pidfds(void **state)
{
    grove_process *p;
    assert_int_equal(start(&p, NULL, (char *[]){"sleep", "60", NULL}), 0);
    no_pidfd_signals = EPERM;
    assert_int_equal(grove_process_kill(p, 9999), -EINVAL);
    assert_int_equal(grove_process_kill(p, SIGKILL), 0);
    int status = end_of(p);
    no_pidfd_signals = 0;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The next child has ended, and its number is free, before it has a pidfd. */
static _Atomic bool ends_first;

/* The system reaps it; when is all the same. */
static void a_program_that_ignores_sigchld(void **state)
{
    grove_process *p;
    signal(SIGCHLD, SIG_IGN);
    for (int first = 0; first < 2; first++) {
        ends_first = first;
        assert_int_equal(start(&p, NULL, SH("exit 7")), 0);
        assert_int_equal(grove_process_wait_until(p, NULL, grove_now() + HANG),
                         -ECHILD);
        assert_int_equal(grove_process_kill(p, SIGTERM), -ESRCH);
        grove_process_release(p);
    }
    ends_first = false;
    signal(SIGCHLD, SIG_DFL);
}

/* ---- failures ------------------------------------------------------------------- */

static int left, fault_errno;

static bool fails(void)
{
    if (left == 0 || --left > 0)
        return false;
    errno = fault_errno;
    return true;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

int __real_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags)
{
    return fails() ? -1 : __real_pipe2(ends, flags);
}

int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags)
{
    return fails() ? -1 : __real_eventfd(value, flags);
}

int __wrap_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_open(pid_t pid, unsigned flags)
{
    while (ends_first && kill(pid, 0) == 0)
        sched_yield();
    if (no_pidfds) {
        errno = no_pidfds;
        return -1;
    }
    return fails() ? -1 : __real_pidfd_open(pid, flags);
}

int __wrap_pidfd_send_signal(int fd, int signum, siginfo_t *info, unsigned n);
int __wrap_pidfd_send_signal(int fd, int signum, siginfo_t *info, unsigned n)
{
    errno = no_pidfd_signals;
    return errno ? -1 : __real_pidfd_send_signal(fd, signum, info, n);
}

int __real_fcntl64(int fd, int op, long arg);
int __wrap_fcntl64(int fd, int op, long arg);
int __wrap_fcntl64(int fd, int op, long arg)
{
    return op == F_DUPFD_CLOEXEC && fails() ? -1 : __real_fcntl64(fd, op, arg);
}

static void every_failure_is_told_and_leaves_nothing(void **state)
{
    static const int errors[] = {EMFILE, ENOMEM};
    for (int e = 0; e < 2; e++) {
        int told = 0;
        fault_errno = errors[e];
        for (int nth = 1;; nth++) {
            grove_process_attr attr = {
                .in = GROVE_IO_PIPE, .out = GROVE_IO_PIPE, .err = GROVE_IO_OUT};
            grove_process *p;
            int before = open_count();
            left = nth;
            int r = start(&p, &attr, (char *[]){"cat", NULL});
            bool hit = left == 0;
            left = 0;
            if (r == 0)
                grove_process_release(p);
            assert_true(r == 0 || r == -fault_errno || r == -ENOMEM);
            told += r < 0;
            assert_int_equal(open_count_down_to(before), before);
            if (!hit)
                break;
            assert_null(p);
        }
        /* A handle, two pipes, a dup, and a pidfd, or an eventfd and a
         * duplicate. */
        assert_int_equal(told, no_pidfds ? 6 : 5);
    }
    assert_no_child();
}

static int without_pidfds(void **state)
{
    no_pidfds = ENOSYS;
    return 0;
}

/* As seccomp filters answer that do not know it. */
static int filtered(void **state)
{
    no_pidfds = EPERM;
    return 0;
}

int main(void)
{
    grove_hub_self(); /* it keeps two descriptors */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses),
        cmocka_unit_test(programs_that_cannot_be_started),
        cmocka_unit_test(what_it_is_given),
        cmocka_unit_test(given_descriptors),
        cmocka_unit_test(pipes_are_descriptors),
        cmocka_unit_test(much_is_said_at_once),
        cmocka_unit_test(a_talk_goes_on_after_its_deadline),
        cmocka_unit_test(a_talk_leaves_strangers_alone),
        cmocka_unit_test(deadlines_and_kills),
        cmocka_unit_test(a_hundred_at_once),
        cmocka_unit_test(hubs_wait_for_the_same_child),
        cmocka_unit_test(no_zombie_of_a_child_that_was_dropped),
        cmocka_unit_test(a_child_that_is_reaped_elsewhere),
        cmocka_unit_test(a_fork_has_no_part_in_it),
        cmocka_unit_test(a_deadlock_is_told_beside_a_child),
        cmocka_unit_test(signals_without_pidfds),
        cmocka_unit_test(a_program_that_ignores_sigchld),
        cmocka_unit_test(every_failure_is_told_and_leaves_nothing),
    };
    int self = __real_pidfd_open(getpid(), 0);
    if (self < 0) /* valgrind 3.19 does not know it */
        return cmocka_run_group_tests(tests, without_pidfds, NULL);
    close(self);
    const struct CMUnitTest few[] = {
        cmocka_unit_test(statuses),
        cmocka_unit_test(deadlines_and_kills),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    failed += cmocka_run_group_tests(tests, without_pidfds, NULL);
    return failed + cmocka_run_group_tests(few, filtered, NULL);
}
