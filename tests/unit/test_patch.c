/* Which slots are patched, when, and that all of it can be undone. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "patch_modules.h"

/* The program's own, which is not libc's. */
int pause(void);
int pause(void)
{
    return 42;
}

static const char *const modules[] = {MODULE_LAZY, MODULE_NOW, MODULE_NOPLT};

struct wait {
    struct module *m;
    int fd;
    ssize_t n;
    int error;
};

static void *recv_in_module(void *arg)
{
    struct wait *w = arg;
    char buf[4];
    w->n = w->m->recv(w->fd, buf, sizeof(buf));
    w->error = errno;
    return NULL;
}

static void *read_by_table(void *arg)
{
    struct wait *w = arg;
    char buf[4];
    w->n = w->m->recv_by_table(w->fd, buf, sizeof(buf)) +
           w->m->recv_by_table(w->fd, buf, sizeof(buf));
    return NULL;
}

/* fn waits on a socket, and the thread goes on: it sends. */
static void assert_parks(void *(*fn)(void *), struct module *m)
{
    int fds[2];
    struct wait w = {.m = m};
    grove_fiber *f;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    w.fd = fds[0];
    assert_int_equal(grove_spawn(&f, fn, &w), 0);
    for (int i = 0; i < 2; i++) {
        grove_yield(); /* until it waits */
        assert_int_equal(send(fds[1], "ab", 2, 0), 2);
    }
    assert_int_equal(grove_join_until(f, NULL, grove_now() + HANG), 0);
    assert_int_equal(w.n, fn == read_by_table ? 4 : 2);
    grove_release(f);
    close(fds[0]);
    close(fds[1]);
}

static void every_kind_of_slot(void **state)
{
    for (size_t i = 0; i < UNIT_COUNT(modules); i++) {
        struct module m = module_open(modules[i]);
        int n = grove_patch("*patch_module*", NULL, 0);
        assert_true(n >= 3);
        assert_int_equal(slots_told("patch_module", "recv"), 1);
        assert_int_equal(slots_told("patch_module", "read"), READS);
        assert_parks(recv_in_module, &m);
        assert_parks(read_by_table, &m);
        assert_int_equal(grove_patch("*patch_module*", NULL, 0), 0);
        assert_int_equal(grove_unpatch_all(), n);
        assert_int_equal(slots_told("patch_module", "recv"), 0);
        assert_int_equal(grove_unpatch_all(), 0);
        char byte;
        assert_int_equal(m.recv(-1, &byte, 1), -1);
        assert_int_equal(m.recv_by_table(-1, &byte, 1), -1);
        dlclose(m.handle);
    }
}

/* Its symbols are looked for in itself and what it needs first: libc's. */
static void objects_bound_deeply(void **state)
{
    if (UNIT_ASAN || UNIT_TSAN)
        unit_skip(
            "the sanitizers refuse RTLD_DEEPBIND; a build without runs it");
    for (size_t i = 0; i < UNIT_COUNT(modules); i++) {
        struct module m = module_open_as(modules[i], RTLD_LAZY | RTLD_DEEPBIND);
        int n = grove_patch("*patch_module*", NULL, 0);
        assert_true(n >= 3);
        assert_int_equal(slots_told("patch_module", "recv"), 1);
        assert_int_equal(slots_told("patch_module", "read"), READS);
        assert_parks(recv_in_module, &m);
        assert_parks(read_by_table, &m);
        assert_int_equal(grove_unpatch_all(), n);
        dlclose(m.handle);

        assert_true(grove_patch_all(0) > 0);
        m = module_open_as(modules[i], RTLD_NOW | RTLD_DEEPBIND);
        assert_int_equal(slots_told("patch_module", "recv"), 1);
        assert_parks(recv_in_module, &m);
        dlclose(m.handle);
        assert_true(grove_unpatch_all() > 0);
    }
}

static void filters(void **state)
{
    struct module m = module_open(MODULE_NOW);
    assert_int_equal(grove_patch("*patch_module*", "re*", 0), READS + 1);
    assert_int_equal(slots_told("(program)", "send"), 0);
    assert_true(grove_patch("", "send", 0) > 0);
    assert_int_equal(slots_told("(program)", "send"), 1);
    assert_int_equal(slots_told("patch_module", "recv"), 1);
    assert_true(grove_unpatch_all() > 0);
    assert_int_equal(grove_patch("no such object", NULL, 0), 0);
    assert_int_equal(grove_unpatch_all(), 0);
    dlclose(m.handle);
}

static void exceptions(void **state)
{
    struct module m = module_open(MODULE_NOW);
    assert_int_equal(grove_patch_except("*patch_module*", "recv"), 0);
    assert_int_equal(grove_patch("*patch_module*", "re*", 0), READS);
    assert_int_equal(slots_told("patch_module", "recv"), 0);
    assert_int_equal(slots_told("patch_module", "read"), READS);
    assert_int_equal(grove_unpatch_all(), READS);
    assert_int_equal(grove_patch("*patch_module*", "re*", 0), READS + 1);
    assert_int_equal(grove_unpatch_all(), READS + 1);
    dlclose(m.handle);
}

static void objects_loaded_later(void **state)
{
    assert_true(grove_patch_all(0) > 0);
    struct module m = module_open(MODULE_NOW); /* by a patched dlopen */
    assert_int_equal(slots_told("patch_module", "recv"), 1);
    assert_parks(recv_in_module, &m);
    dlclose(m.handle);
    assert_true(grove_unpatch_all() > 0);

    assert_true(grove_patch_all(GROVE_PATCH_LOADED) > 0);
    m = module_open(MODULE_NOW);
    assert_int_equal(slots_told("patch_module", "recv"), 0);
    dlclose(m.handle);
    assert_true(grove_unpatch_all() > 0);
}

static void copy(const char *from, const char *folder, const char *name,
                 char *path)
{
    char command[1024];
    sprintf(path, "%s/%s", folder, name);
    snprintf(command, sizeof(command), "cp '%s' '%s'", from, path);
    assert_int_equal(system(command), 0);
}

/* The loader looks for a file where the object that asks for it says: in its
 * own folder, which nobody else knows. */
static void objects_asked_for_by_name(void **state)
{
    char folder[] = "/tmp/grove-XXXXXX", asker[64], asked[64];
    if (UNIT_ASAN || UNIT_TSAN)
        unit_skip("the sanitizers open files themselves, in their callers' "
                  "place; a build without runs it");
    assert_non_null(mkdtemp(folder));
    copy(MODULE_NOPLT, folder, "asker.so", asker);
    copy(MODULE_NOW, folder, "asked.so", asked);
    struct module with_runpath = module_open(asker);
    struct module without = module_open(MODULE_LAZY);
    assert_true(grove_patch_all(0) > 0);
    assert_null(without.open_by_name("asked.so"));
    void *handle = with_runpath.open_by_name("asked.so");
    assert_non_null(handle);
    assert_non_null(dlsym(handle, "module_recv"));
    assert_int_equal(slots_told("asked.so", "recv"), 1);
    dlclose(handle);
    handle = without.open_by_name("libutil.so.1");
    assert_non_null(handle);
    dlclose(handle);
    assert_true(grove_unpatch_all() > 0);
    dlclose(with_runpath.handle);
    dlclose(without.handle);
    unlink(asker);
    unlink(asked);
    rmdir(folder);
}

static void objects_unloaded(void **state)
{
    struct module m = module_open(MODULE_NOW);
    int n = grove_patch("*patch_module*", NULL, 0);
    assert_int_equal(n, READS + 2);
    assert_int_equal(dlclose(m.handle), 0);
    assert_null(dlopen(MODULE_NOW, RTLD_LAZY | RTLD_NOLOAD));
    assert_int_equal(slots_told("patch_module", "recv"), 0);
    assert_int_equal(grove_unpatch_all(), 0);
    m = module_open(MODULE_NOW);
    assert_int_equal(grove_patch("*patch_module*", NULL, 0), n);
    dlclose(m.handle);
    m = module_open(MODULE_NOW); /* in its place, most likely */
    assert_true(grove_patch("*patch_module*", NULL, 0) >= 0);
    assert_int_equal(slots_told("patch_module", "recv"), 1);
    assert_parks(recv_in_module, &m);
    assert_int_equal(grove_unpatch_all(), n);
    dlclose(m.handle);
}

static void others_functions_stay(void **state)
{
    struct module m = module_open(MODULE_NOW);
    assert_true(grove_patch_all(0) > 0);
    assert_int_equal(slots_told("patch_module", "pause"), 0);
    assert_int_equal(m.pause(), 42);
    assert_int_equal(slots_told("libgrove.so", "recv"), 0);
    assert_true(grove_unpatch_all() > 0);
    dlclose(m.handle);
}

/* ---- threads ------------------------------------------------------------------ */

static void *tell_hub(void *arg)
{
    *(grove_hub **)arg = grove_hub_self();
    grove_yield();
    return arg;
}

static void threads_are_fibers_if_asked(void **state)
{
    struct module m = module_open(MODULE_LAZY);
    grove_hub *hub = NULL;
    pthread_t id;
    if (grove_own_tls_refused()) {
        assert_int_equal(grove_patch_all(GROVE_PATCH_THREADS), -ENOTSUP);
        dlclose(m.handle);
        unit_skip("no storage of its own; a plain build on x86-64 runs it");
    }
    assert_true(grove_patch("*patch_module*", NULL, 0) > 0);
    assert_int_equal(slots_told("patch_module", "pthread_create"), 0);
    int n = grove_patch("*patch_module*", NULL, GROVE_PATCH_THREADS);
    assert_int_equal(n, 3); /* create, join, and one of two signals */
    assert_int_equal(slots_told("patch_module", "pthread_create"), 1);
    assert_int_equal(slots_told("patch_module", "pthread_cond_signal"), 1);
    assert_int_equal(grove_patch("*patch_module*", NULL, 0), 0);
    assert_int_equal(m.create(&id, tell_hub, &hub), 0);
    assert_int_equal(grove_unpatch_all(), -EBUSY);
    assert_int_equal(m.join(id), 0);
    assert_ptr_equal(hub, grove_hub_self());
    assert_true(grove_unpatch_all() > 3);
    assert_int_equal(m.create(&id, tell_hub, &hub), 0);
    assert_int_equal(m.join(id), 0);
    assert_ptr_not_equal(hub, grove_hub_self());
    dlclose(m.handle);
}

static void *nothing(void *arg)
{
    return arg;
}

static void threads_are_dealt_as_asked(void **state)
{
    pthread_t id;
    struct module m = module_open(MODULE_NOW);
    assert_int_equal(grove_patch_cores(0), -EINVAL);
    assert_int_equal(grove_patch_stack(1), -EINVAL);
    assert_int_equal(grove_patch_stack(GROVE_STACK_MAX + 1), -EINVAL);
    assert_int_equal(grove_patch_stack(GROVE_STACK_MAX), 0);
    assert_int_equal(grove_patch_stack(0), 0);
    assert_int_equal(grove_patch_cores(2), 0);
    if (grove_patch("*patch_module*", NULL, GROVE_PATCH_THREADS) > 0) {
        assert_int_equal(m.create(&id, nothing, NULL), 0);
        assert_int_equal(m.join(id), 0);
        assert_int_equal(grove_patch_cores(1), -EBUSY);
        assert_true(grove_unpatch_all() > 0);
    }
    dlclose(m.handle);
}

static void wrong_arguments(void **state)
{
    assert_int_equal(grove_patch_all(1u << 31), -EINVAL);
    assert_int_equal(grove_patch(NULL, NULL, 8), -EINVAL);
    assert_int_equal(grove_patch_report(-1), -EBADF);
    if (grove_patch_syscalls_refused())
        assert_int_equal(grove_patch_all(GROVE_PATCH_SYSCALLS), -ENOTSUP);
}

static _Atomic bool done; /* those that go on and on are to end */

/* ---- what ends a wait ----------------------------------------------------------- */

static void kills_and_scopes(void **state)
{
    struct module m = module_open(MODULE_NOW);
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct wait w = {.m = &m, .fd = fds[0]};
    grove_fiber *f;
    assert_true(grove_patch("*patch_module*", NULL, 0) > 0);
    assert_int_equal(grove_spawn(&f, recv_in_module, &w), 0);
    grove_yield();
    grove_kill(f);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(w.n, -1);
    assert_int_equal(w.error, ECANCELED);
    grove_release(f);

    assert_int_equal(grove_spawn(&f, recv_in_module, &w), 0);
    grove_timeout scope;
    grove_timeout_begin(&scope, grove_now() + 10 * MS);
    recv_in_module(&w);
    assert_int_equal(w.n, -1);
    assert_int_equal(w.error, ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&scope), -ETIMEDOUT);
    assert_int_equal(send(fds[1], "ab", 2, 0), 2);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_true(grove_unpatch_all() > 0);
    close(fds[0]);
    close(fds[1]);
    dlclose(m.handle);
}

/* Patches, and has a fiber wait for the first of two new sockets. */
static grove_fiber *wait_in_module(struct wait *w, int fds[2])
{
    grove_fiber *f;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    w->fd = fds[0];
    assert_true(grove_patch_all(0) > 0);
    assert_int_equal(grove_spawn(&f, recv_in_module, w), 0);
    grove_yield();
    return f;
}

static void *close_in_fiber(void *arg)
{
    close(*(int *)arg);
    return NULL;
}

static void closed_under_a_wait(void **state)
{
    struct module m = module_open(MODULE_NOW);
    int fds[2];
    struct wait w = {.m = &m};
    grove_fiber *f = wait_in_module(&w, fds);
    close_in_fiber(&fds[0]);
    assert_int_equal(grove_join_until(f, NULL, grove_now() + HANG), 0);
    assert_int_equal(w.n, -1);
    assert_int_equal(w.error, EBADF);
    grove_release(f);
    assert_true(grove_unpatch_all() > 0);
    close(fds[1]);
    dlclose(m.handle);
}

/* Its memory is the parent's: nobody there may learn of what it closes. */
static void closed_by_a_vforks_child(void **state)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    struct module m = module_open(MODULE_NOW);
    int fds[2], status;
    struct wait w = {.m = &m};
    grove_fiber *f = wait_in_module(&w, fds);
    pid_t pid = vfork();
    if (pid == 0) {
        close(fds[0]);
        dup2(fds[1], fds[0]);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(send(fds[1], "ab", 2, 0), 2);
    assert_int_equal(grove_join_until(f, NULL, grove_now() + HANG), 0);
    assert_int_equal(w.n, 2);
    grove_release(f);
    assert_true(grove_unpatch_all() > 0);
    close(fds[0]);
    close(fds[1]);
    dlclose(m.handle);
}

/* ---- signals ---------------------------------------------------------------------- */

static int self_pipe[2];
static _Atomic int written;

static void write_to_self(int signum)
{
    int error = errno;
    written += write(self_pipe[1], "x", 1) == 1;
    errno = error;
}

static void *yield_on_and_on(void *arg)
{
    while (!done)
        grove_yield();
    return arg;
}

/* The old way to be told of a signal, while the hub is busy at something else
 * all the time. */
static void handlers_write_to_a_pipe(void **state)
{
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    grove_fiber *busy;
    assert_int_equal(pipe(self_pipe), 0);
    signal(SIGALRM, write_to_self); /* before it is patched */
    assert_true(grove_patch_all(0) > 0);
    done = false;
    assert_int_equal(grove_spawn(&busy, yield_on_and_on, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    int got = 0, wanted = (int)unit_scale(500, 50);
    while (got < wanted) {
        char buf[64];
        ssize_t n = read(self_pipe[0], buf, sizeof(buf));
        assert_true(n > 0 || errno == EINTR);
        got += n > 0 ? (int)n : 0;
    }
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    done = true;
    assert_int_equal(grove_join(busy, NULL), 0);
    grove_release(busy);
    assert_true(written >= got);
    assert_true(grove_unpatch_all() > 0);
    assert_true(signal(SIGALRM, SIG_IGN) == write_to_self); /* may be late */
    close(self_pipe[0]);
    close(self_pipe[1]);
}

/* A handler that runs on another fiber's turn ends a wait as well. */
static void *raise_and_stay(void *arg)
{
    raise(SIGUSR1);
    return yield_on_and_on(arg);
}

static void *sleep_on_and_on(void *arg)
{
    while (!done)
        grove_sleep(10 * MS);
    return arg;
}

static void ignore_it(int signum)
{
}

static void signals_while_others_run(void **state)
{
    grove_fiber *other;
    struct timespec minute = {60, 0};
    signal(SIGUSR1, ignore_it);
    assert_true(grove_patch_all(0) > 0);
    done = false;
    assert_int_equal(grove_spawn(&other, raise_and_stay, NULL), 0);
    assert_int_equal(nanosleep(&minute, NULL), -1);
    assert_int_equal(errno, EINTR);
    done = true;
    assert_int_equal(grove_join(other, NULL), 0);
    grove_release(other);
    assert_true(grove_unpatch_all() > 0);
    signal(SIGUSR1, SIG_DFL);
}

static bool is_in_state(pid_t pid, char state)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    bool there = file && fgets(text, sizeof(text), file);
    if (file)
        fclose(file);
    return there && strrchr(text, ')')[2] == state;
}

/* Stops the process when it sleeps, and has it go on, until it says so. */
static void stop_and_go(pid_t pid, const atomic_bool *enough)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        while (!is_in_state(pid, 'S') && !atomic_load(enough))
            sched_yield();
        if (atomic_load(enough))
            _exit(0);
        kill(pid, SIGSTOP);
        while (!is_in_state(pid, 'T'))
            sched_yield();
        kill(pid, SIGCONT);
    }
}

/* It ends the hub's sleep, but no call: no handler has run. */
static void a_stop_is_no_signal(void **state)
{
    grove_fiber *other;
    struct timespec some = {0, 300 * MS};
    if (unit_valgrind())
        unit_skip(UNIT_VALGRIND_CALLS);
    atomic_bool *enough = mmap(NULL, sizeof(*enough), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t self = getpid(), peer = fork();
    assert_true(enough != MAP_FAILED && peer >= 0);
    if (peer == 0)
        stop_and_go(self, enough);
    assert_true(grove_patch_all(0) > 0);
    done = false;
    assert_int_equal(grove_spawn(&other, sleep_on_and_on, NULL), 0);
    int r = nanosleep(&some, NULL);
    done = true;
    atomic_store(enough, true);
    assert_int_equal(waitpid(peer, NULL, 0), peer);
    munmap(enough, sizeof(*enough));
    assert_int_equal(r, 0);
    assert_int_equal(grove_join(other, NULL), 0);
    grove_release(other);
    assert_true(grove_unpatch_all() > 0);
}

/* ---- the runtime's own descriptors ----------------------------------------------- */

static void *close_all(void *arg)
{
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
    usleep(1000);
    CHILD_CHECK(close_range(3, ~0U, 0) == 0);
    usleep(1000);
    for (int fd = 3; fd < 64; fd++)
        CHILD_CHECK(dup2(2, fd) == fd);
    for (int fd = 250; fd < 300; fd++)
        CHILD_CHECK(dup2(2, fd) == fd || errno == EBUSY);
    usleep(1000);
    int fds[2];
    CHILD_CHECK(pipe(fds) == 0);
    return arg;
}

/* Another thread's hub, which waits until all is closed and again afterwards.
 */
static void *wait_beside(void *arg)
{
    sem_t *closed = arg;
    grove_sleep(GROVE_MILLISECOND);
    sem_post(&closed[1]);
    while (sem_wait(&closed[0]) < 0) {
    }
    grove_sleep(GROVE_MILLISECOND);
    return arg;
}

static int run_closing(void)
{
    grove_fiber *f;
    void *value;
    sem_t closed[2];
    pthread_t beside;
    sem_init(&closed[0], 0, 0);
    sem_init(&closed[1], 0, 0);
    CHILD_CHECK(pthread_create(&beside, NULL, wait_beside, closed) == 0);
    sem_wait(&closed[1]);
    CHILD_CHECK(grove_patch_all(0) > 0);
    CHILD_CHECK(grove_spawn(&f, close_all, f) == 0);
    CHILD_CHECK(grove_join_until(f, &value, grove_now() + HANG) == 0);
    sem_post(&closed[0]);
    CHILD_CHECK(pthread_join(beside, NULL) == 0);
    return 0;
}

/* A hub takes none of the numbers that a program counts on. */
static int run_opening(void)
{
    sem_t closed[2];
    pthread_t beside;
    int first = dup(2);
    sem_init(&closed[0], 0, 0);
    sem_init(&closed[1], 0, 0);
    CHILD_CHECK(pthread_create(&beside, NULL, wait_beside, closed) == 0);
    sem_wait(&closed[1]);
    CHILD_CHECK(first >= 0 && dup(2) == first + 1);
    sem_post(&closed[0]);
    CHILD_CHECK(pthread_join(beside, NULL) == 0);
    return 0;
}

static void lowest_numbers_are_the_programs(void **state)
{
    if (unit_valgrind())
        unit_skip(UNIT_VALGRIND_CALLS);
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    struct unit_child child;
    unit_in_child(&child, run_opening);
    unit_assert_exit(&child);
}

static void all_descriptors_closed(void **state)
{
    if (unit_valgrind())
        unit_skip(UNIT_VALGRIND_CALLS);
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    struct unit_child child;
    unit_in_child(&child, run_closing);
    unit_assert_exit(&child);
}

/* ---- forks ------------------------------------------------------------------------- */

static void *fork_and_wait(void *arg)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        usleep(1000);
        _exit(7);
    }
    CHILD_CHECK(waitpid(pid, &status, 0) == pid);
    CHILD_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    return NULL;
}

/* In a child the thread's own stack goes on as well, once the fiber waits: it
 * leaves the child to that. */
static void join_or_leave(grove_fiber *f, pid_t parent)
{
    int r = grove_join(f, NULL);
    while (getpid() != parent)
        grove_sleep(GROVE_SECOND);
    CHILD_CHECK(r == 0);
}

static int run_forking(void)
{
    grove_fiber *fibers[200];
    pid_t self = getpid();
    CHILD_CHECK(grove_patch_all(0) > 0);
    for (size_t i = 0; i < UNIT_COUNT(fibers); i++)
        CHILD_CHECK(grove_spawn(&fibers[i], fork_and_wait, NULL) == 0);
    for (size_t i = 0; i < UNIT_COUNT(fibers); i++)
        join_or_leave(fibers[i], self);
    return 0;
}

static void many_children(void **state)
{
    if (unit_valgrind())
        unit_skip(UNIT_VALGRIND_CALLS);
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    struct unit_child child;
    unit_in_child(&child, run_forking);
    unit_assert_exit(&child);
}

/* ---- while others call --------------------------------------------------------------- */

static void *call_on_and_on(void *arg)
{
    struct module *m = arg;
    int fds[2];
    size_t calls = 0;
    char buf[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    while (!done) {
        if (send(fds[1], "ab", 2, 0) != 2 || m->recv(fds[0], buf, 2) != 2 ||
            memcmp(buf, "ab", 2) != 0)
            return NULL;
        calls++;
    }
    close(fds[0]);
    close(fds[1]);
    return (void *)calls;
}

static void cycles_while_threads_call(void **state)
{
    struct module m = module_open(MODULE_LAZY);
    pthread_t threads[4];
    done = false;
    for (size_t i = 0; i < UNIT_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_on_and_on, &m),
                         0);
    for (size_t i = 0; i < unit_scale(1000, 50); i++) {
        assert_true(grove_patch_all(0) > 0);
        assert_int_equal(slots_told("patch_module", "recv"), 1);
        assert_true(grove_unpatch_all() > 0);
        assert_int_equal(slots_told("patch_module", "recv"), 0);
    }
    done = true;
    for (size_t i = 0; i < UNIT_COUNT(threads); i++) {
        void *calls;
        pthread_join(threads[i], &calls);
        assert_non_null(calls);
    }
    dlclose(m.handle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_slot),
        cmocka_unit_test(objects_bound_deeply),
        cmocka_unit_test(filters),
        cmocka_unit_test(exceptions),
        cmocka_unit_test(objects_loaded_later),
        cmocka_unit_test(objects_asked_for_by_name),
        cmocka_unit_test(objects_unloaded),
        cmocka_unit_test(others_functions_stay),
        cmocka_unit_test(threads_are_fibers_if_asked),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(kills_and_scopes),
        cmocka_unit_test(closed_under_a_wait),
        cmocka_unit_test(closed_by_a_vforks_child),
        cmocka_unit_test(handlers_write_to_a_pipe),
        cmocka_unit_test(signals_while_others_run),
        cmocka_unit_test(a_stop_is_no_signal),
        cmocka_unit_test(all_descriptors_closed),
        cmocka_unit_test(lowest_numbers_are_the_programs),
        cmocka_unit_test(many_children),
        cmocka_unit_test(cycles_while_threads_call),
        cmocka_unit_test(threads_are_dealt_as_asked), /* from here on */
    };
    if (UNIT_HAS_NO_SLOTS)
        return unit_skip_all();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
