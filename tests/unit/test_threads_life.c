/* Threads made of fibers: birth, end, joining, cancelling, signals. */
#include "threads_calls.h"

#include <sys/syscall.h>

/* ---- birth and end ------------------------------------------------------------ */

static void *return_arg(void *arg)
{
    return arg;
}

static __thread long mine;

static void *count_mine(void *arg)
{
    for (int i = 0; i < 5; i++) {
        mine++;
        CALL(sched_yield)();
    }
    return (void *)(mine + (long)(intptr_t)arg);
}

static int create_and_join(void)
{
    pthread_t ids[10];
    void *value;
    for (long i = 0; i < 10; i++)
        SAY("create %d",
            CALL(pthread_create)(&ids[i], NULL, count_mine, (void *)(i * 10)));
    for (long i = 0; i < 10; i++) {
        int r = CALL(pthread_join)(ids[i], &value);
        SAY("join %d %ld", r, (long)(intptr_t)value);
    }
    SAY("mine %ld", mine);
    return 0;
}

static sem_t go, done;

static void *wait_to_go(void *arg)
{
    while (CALL(sem_wait)(&go) < 0) {
    }
    return arg;
}

static void *wait_and_tell(void *arg)
{
    wait_to_go(arg);
    CALL(sem_post)(&done);
    return arg;
}

static void *join_self(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)CALL(pthread_join)(pthread_self(), NULL);
}

static int errors_of_join(void)
{
    pthread_t id;
    pthread_attr_t attr;
    void *value = NULL;
    int state;
    struct timespec past = {1, 0}, bad = {1, 1000000000};
    sem_init(&go, 0, 0);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sem_init(&done, 0, 0);
    SAY("%d", CALL(pthread_create)(&id, &attr, wait_and_tell, NULL));
    SAY("join detached %d", CALL(pthread_join)(id, NULL));
    SAY("detach detached %d", CALL(pthread_detach)(id));
    SAY("%d", CALL(sem_post)(&go));
    SAY("%d", CALL(sem_wait)(&done));
    SAY("%d", CALL(pthread_create)(&id, NULL, join_self, NULL));
    SAY("%d", CALL(pthread_join)(id, &value));
    SAY("join self %d", (int)(intptr_t)value);
    SAY("%d", CALL(pthread_create)(&id, NULL, wait_to_go, &go));
    SAY("try %d", CALL(pthread_tryjoin_np)(id, &value));
    SAY("timed %d", CALL(pthread_timedjoin_np)(id, &value, &past));
    struct timespec soon = in_time(CLOCK_MONOTONIC, 20000000);
    SAY("clock %d",
        CALL(pthread_clockjoin_np)(id, &value, CLOCK_MONOTONIC, &soon));
    SAY("bad clock %d", CALL(pthread_clockjoin_np)(
                            id, &value, CLOCK_PROCESS_CPUTIME_ID, &soon));
    (void)bad;
    SAY("%d", CALL(sem_post)(&go));
    int r = CALL(pthread_join)(id, &value);
    SAY("%d %d", r, value == &go);
    SAY("%d", CALL(pthread_create)(&id, NULL, return_arg, &go));
    SAY("%d", CALL(pthread_detach)(id));
    pthread_attr_getdetachstate(&attr, &state);
    SAY("state %d", state == PTHREAD_CREATE_DETACHED);
    return 0;
}

static void say_cleanup(void *arg)
{
    SAY("cleanup %s", (char *)arg);
}

static pthread_key_t key;

static void say_key(void *value)
{
    SAY("key %s", (char *)value);
}

static char inner[] = "inner", outer[] = "outer", popped[] = "popped",
            of_main[] = "main";

static void leave(void)
{
    pthread_cleanup_push(say_cleanup, inner);
    CALL(pthread_exit)(inner);
    pthread_cleanup_pop(0);
}

static void *exit_deep(void *arg)
{
    pthread_setspecific(key, "of the thread");
    pthread_cleanup_push(say_cleanup, outer);
    pthread_cleanup_push(say_cleanup, popped);
    pthread_cleanup_pop(1);
    leave();
    pthread_cleanup_pop(0);
    return arg;
}

static int exit_unwinds(void)
{
    pthread_t id;
    void *value;
    pthread_key_create(&key, say_key);
    for (int i = 0; i < 3; i++) {
        SAY("%d", CALL(pthread_create)(&id, NULL, exit_deep, NULL));
        SAY("%d", CALL(pthread_join)(id, &value));
        SAY("value %s", (char *)value);
    }
    return 0;
}

static void *outlive_main(void *arg)
{
    for (int i = 0; i < 20; i++)
        CALL(sched_yield)();
    SAY("last");
    return arg;
}

static int main_exits_first(void)
{
    pthread_t id;
    pthread_key_create(&key, say_key);
    CALL(pthread_create)(&id, NULL, outlive_main, NULL);
    SAY("first");
    pthread_cleanup_push(say_cleanup, of_main);
    CALL(pthread_exit)(NULL);
    pthread_cleanup_pop(0);
    return 7;
}

static int many(void)
{
    static pthread_t ids[2000];
    const long n = (long)unit_scale(2000, 100); /* valgrind has room for 500 */
    long sum = 0;
    sem_init(&go, 0, 0);
    for (long i = 0; i < n; i++) {
        if (CALL(pthread_create)(&ids[i], NULL, wait_to_go, (void *)i) != 0)
            return 1;
    }
    if (is_ours() && !calls_hubs && count_tasks() != 1)
        SAY("%d tasks", count_tasks());
    for (long i = 0; i < n; i++)
        CALL(sem_post)(&go);
    for (long i = 0; i < n; i++) {
        void *value;
        CALL(pthread_join)(ids[i], &value);
        sum += (long)(intptr_t)value;
    }
    SAY("%ld", sum);
    return 0;
}

static void threads_are_created_and_joined(void **state)
{
    (void)state;
    compare_hubs(create_and_join);
    compare_hubs(errors_of_join);
    compare_hubs(exit_unwinds);
    compare_hubs(main_exits_first);
    compare_hubs(many);
}

/* ---- cancelling ------------------------------------------------------------------ */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static bool arrived;
static sem_t never;

static void unlock(void *m)
{
    SAY("unlock %d", CALL(pthread_mutex_unlock)(m));
}

static void *wait_in_cond(void *arg)
{
    CALL(pthread_mutex_lock)(&mutex);
    pthread_cleanup_push(unlock, &mutex);
    arrived = true;
    CALL(pthread_cond_broadcast)(&cond);
    while (arg || true)
        CALL(pthread_cond_wait)(&cond, &mutex);
    pthread_cleanup_pop(1);
    return arg;
}

static void *wait_in_sem(void *arg)
{
    CALL(sem_post)(&go);
    CALL(sem_wait)(&never);
    return arg;
}

static void *wait_in_join(void *arg)
{
    CALL(sem_post)(&go);
    CALL(pthread_join)(*(pthread_t *)arg, NULL);
    return arg;
}

static void *test_for_it(void *arg)
{
    CALL(sem_post)(&go);
    for (;;) {
        CALL(pthread_testcancel)();
        CALL(sched_yield)();
    }
    return arg;
}

static void *hold_it_back(void *arg)
{
    int before;
    int r = CALL(pthread_setcancelstate)(PTHREAD_CANCEL_DISABLE, &before);
    SAY("%d %d", r, before == PTHREAD_CANCEL_ENABLE);
    SAY("%d", CALL(pthread_setcancelstate)(77, NULL));
    SAY("%d", CALL(pthread_setcanceltype)(77, NULL));
    CALL(sem_post)(&go);
    while (CALL(sem_wait)(&never) < 0) {
    }
    CALL(pthread_testcancel)();
    SAY("still there");
    CALL(pthread_setcancelstate)(PTHREAD_CANCEL_ENABLE, NULL);
    CALL(pthread_testcancel)();
    SAY("gone");
    return arg;
}

static void cancel_and_join(pthread_t id, const char *where)
{
    void *value = NULL;
    int r = CALL(pthread_cancel)(id);
    int joined = CALL(pthread_join)(id, &value);
    SAY("%s: %d %d %d", where, r, joined, value == PTHREAD_CANCELED);
}

static int cancels(void)
{
    pthread_t id, other;
    sem_init(&go, 0, 0);
    sem_init(&never, 0, 0);
    CALL(pthread_create)(&id, NULL, wait_in_cond, NULL);
    CALL(pthread_mutex_lock)(&mutex);
    while (!arrived)
        CALL(pthread_cond_wait)(&cond, &mutex);
    CALL(pthread_mutex_unlock)(&mutex);
    cancel_and_join(id, "cond");
    SAY("free %d", CALL(pthread_mutex_trylock)(&mutex));
    CALL(pthread_create)(&id, NULL, wait_in_sem, NULL);
    CALL(sem_wait)(&go);
    cancel_and_join(id, "sem");
    CALL(pthread_create)(&id, NULL, test_for_it, NULL);
    CALL(sem_wait)(&go);
    cancel_and_join(id, "test");
    CALL(pthread_create)(&other, NULL, wait_in_sem, NULL);
    CALL(sem_wait)(&go);
    CALL(pthread_create)(&id, NULL, wait_in_join, &other);
    CALL(sem_wait)(&go);
    cancel_and_join(id, "join");
    cancel_and_join(other, "joined");
    CALL(pthread_create)(&id, NULL, hold_it_back, NULL);
    CALL(sem_wait)(&go);
    SAY("%d", CALL(pthread_cancel)(id));
    CALL(sem_post)(&never);
    cancel_and_join(id, "held back");
    return 0;
}

static void threads_are_cancelled(void **state)
{
    (void)state;
    compare_hubs(cancels);
}

/* ---- signals ----------------------------------------------------------------------- */

static pthread_t expected;
static volatile sig_atomic_t caught, caught_there;

static void on_signal(int n)
{
    (void)n;
    caught++;
    caught_there += pthread_equal(pthread_self(), expected) != 0;
}

static void *wait_for_a_signal(void *arg)
{
    expected = pthread_self();
    CALL(sem_post)(&go);
    while (!caught) {
        if (CALL(sem_wait)(&never) == 0 || errno != EINTR)
            SAY("it was not interrupted");
    }
    return arg;
}

static void *take_signals(void *arg)
{
    sigset_t set;
    siginfo_t info;
    int n = 0;
    struct timespec soon = {0, 10000000};
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    CALL(sem_post)(&go);
    int r = CALL(sigwait)(&set, &n);
    SAY("wait %d %d", r, n == SIGUSR2);
    CALL(sem_post)(&go);
    SAY("info %d", CALL(sigwaitinfo)(&set, &info) == SIGTERM);
    int timed;
    do /* the kernel may interrupt it for what another thread has taken */
        timed = CALL(sigtimedwait)(&set, &info, &soon);
    while (timed < 0 && errno == EINTR);
    SAY("timed %d %d", timed, errno == EAGAIN);
    return arg;
}

static void *have_masks(void *arg)
{
    sigset_t set, now;
    CALL(pthread_sigmask)(SIG_BLOCK, NULL, &now);
    SAY("inherited %d %d", sigismember(&now, SIGTERM),
        sigismember(&now, SIGUSR1));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    SAY("%d", CALL(pthread_sigmask)(SIG_BLOCK, &set, NULL));
    for (int i = 0; i < 10; i++)
        CALL(sched_yield)();
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    SAY("own %d", sigismember(&now, SIGUSR1));
    int before = caught;
    CALL(raise)(SIGUSR1);
    CALL(sched_yield)();
    SAY("%d", CALL(sigpending)(&now));
    SAY("pending %d, caught %d", sigismember(&now, SIGUSR1), caught - before);
    SAY("%d", CALL(sigprocmask)(SIG_UNBLOCK, &set, NULL));
    CALL(sigpending)(&now);
    SAY("pending %d, caught %d", sigismember(&now, SIGUSR1), caught - before);
    return arg;
}

/* Of real time: each comes, with its value; to one that has ended none does. */
static void *take_values(void *arg)
{
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    CALL(sem_post)(&go);
    CALL(sem_wait)(&done);
    for (int i = 0; i < 3; i++) {
        int n = CALL(sigwaitinfo)(&set, &info);
        SAY("value %d %d %d", n == SIGRTMIN, info.si_value.sival_int,
            info.si_code);
    }
    return arg;
}

static int values_are_sent(void)
{
    pthread_t id;
    sigset_t set;
    const union sigval one = {.sival_int = 1}, two = {.sival_int = 2};
    sem_init(&go, 0, 0);
    sem_init(&done, 0, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    CALL(pthread_sigmask)(SIG_BLOCK, &set, NULL);
    CALL(pthread_create)(&id, NULL, take_values, NULL);
    CALL(sem_wait)(&go);
    SAY("bad %d", CALL(pthread_sigqueue)(id, 65, one));
    SAY("queue %d", CALL(pthread_sigqueue)(id, SIGRTMIN, one));
    SAY("queue %d", CALL(pthread_sigqueue)(id, SIGRTMIN, two));
    SAY("kill %d", CALL(pthread_kill)(id, SIGRTMIN));
    CALL(sem_post)(&done);
    CALL(pthread_join)(id, NULL);
    CALL(pthread_create)(&id, NULL, return_arg, NULL);
    struct timespec ended = in_time(CLOCK_REALTIME, 30000000);
    CALL(sem_timedwait)(&go, &ended);
    SAY("ended %d", CALL(pthread_kill)(id, SIGTERM));
    CALL(pthread_join)(id, NULL);
    return 0;
}

static int signals_are_sent(void)
{
    pthread_t id;
    sigset_t set, now;
    struct sigaction action = {.sa_handler = on_signal};
    sem_init(&go, 0, 0);
    sem_init(&never, 0, 0);
    sigaction(SIGUSR1, &action, NULL);
    CALL(pthread_create)(&id, NULL, wait_for_a_signal, NULL);
    CALL(sem_wait)(&go);
    SAY("nothing %d", CALL(pthread_kill)(id, 0));
    SAY("bad %d", CALL(pthread_kill)(id, 1000));
    SAY("kill %d", CALL(pthread_kill)(id, SIGUSR1));
    CALL(pthread_join)(id, NULL);
    SAY("caught %d, there %d", (int)caught, (int)caught_there);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    CALL(pthread_sigmask)(SIG_BLOCK, &set, NULL);
    CALL(pthread_create)(&id, NULL, take_signals, NULL);
    CALL(sem_wait)(&go);
    SAY("%d", CALL(pthread_kill)(id, SIGUSR2));
    CALL(sem_wait)(&go);
    kill(getpid(), SIGTERM);
    CALL(pthread_join)(id, NULL);
    CALL(pthread_create)(&id, NULL, have_masks, NULL);
    for (int i = 0; i < 5; i++)
        CALL(sched_yield)();
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    SAY("not main's %d", sigismember(&now, SIGUSR1));
    CALL(pthread_join)(id, NULL);
    return 0;
}

static void threads_get_signals(void **state)
{
    if (UNIT_UCONTEXT)
        unit_skip(UNIT_UCONTEXT_MASKS);
    (void)state;
    compare_hubs(signals_are_sent);
    compare_hubs(values_are_sent);
}

/* ---- attributes -------------------------------------------------------------------- */

static void *tell_of_itself(void *arg)
{
    char name[16] = "", small[4];
    pthread_attr_t attr;
    void *low;
    size_t size, guard;
    int detached, policy;
    struct sched_param param;
    cpu_set_t set;
    clockid_t clock;
    pthread_t self = pthread_self();
    SAY("%d", CALL(pthread_setname_np)(self, "worker"));
    SAY("%d", CALL(pthread_setname_np)(self, "0123456789abcdef"));
    int r = CALL(pthread_getname_np)(self, name, sizeof(name));
    SAY("%d %s", r, name);
    SAY("%d", CALL(pthread_getname_np)(self, small, sizeof(small)));
    SAY("%d", CALL(pthread_getattr_np)(self, &attr));
    pthread_attr_getstack(&attr, &low, &size);
    pthread_attr_getguardsize(&attr, &guard);
    pthread_attr_getdetachstate(&attr, &detached);
    SAY("inside %d, large %d, guard %zu, joinable %d",
        (char *)low < (char *)&attr &&
            (char *)&attr<(char *)low + size, size> 200000,
        guard, detached == PTHREAD_CREATE_JOINABLE);
    pthread_attr_destroy(&attr);
    r = CALL(pthread_getschedparam)(self, &policy, &param);
    SAY("%d %d", r, policy == SCHED_OTHER && param.sched_priority == 0);
    SAY("%d", CALL(pthread_setschedparam)(self, SCHED_OTHER, &param));
    SAY("%d", CALL(pthread_setschedprio)(self, 0));
    r = CALL(pthread_getaffinity_np)(self, sizeof(set), &set);
    SAY("%d %d", r, CPU_COUNT(&set) > 0);
    SAY("%d", CALL(pthread_setaffinity_np)(self, sizeof(set), &set));
    CPU_ZERO(&set);
    SAY("%d", CALL(pthread_setaffinity_np)(self, sizeof(set), &set));
    SAY("%d", CALL(pthread_getcpuclockid)(self, &clock));
    struct timespec used;
    SAY("%d", clock_gettime(clock, &used));
    return arg;
}

static int attributes(void)
{
    pthread_t id;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 1 << 20);
    pthread_attr_setguardsize(&attr, 8192);
    SAY("%d", CALL(pthread_create)(&id, &attr, tell_of_itself, NULL));
    CALL(pthread_join)(id, NULL);
    return 0;
}

static void threads_are_asked_about(void **state)
{
    (void)state;
    compare_hubs(attributes);
}

/* ---- forks -------------------------------------------------------------------------- */

static void say_before(void)
{
    SAY("before");
}

static void say_in_child(void)
{
    SAY("in the child");
}

static void *fork_there(void *arg)
{
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t id;
        void *value;
        mine = 0;
        SAY("%d", CALL(pthread_create)(&id, NULL, count_mine, (void *)1));
        int r = CALL(pthread_join)(id, &value);
        SAY("%d %ld", r, (long)(intptr_t)value);
        _exit(3);
    }
    int status;
    waitpid(pid, &status, 0);
    SAY("child %d", WEXITSTATUS(status));
    return arg;
}

static int forks(void)
{
    pthread_t id;
    pthread_atfork(say_before, NULL, say_in_child);
    CALL(pthread_create)(&id, NULL, fork_there, NULL);
    SAY("%d", CALL(pthread_join)(id, NULL));
    return 0;
}

#define FORKS 200
#define FORKS_SLOW 10 /* where each child's end is searched for leaks */

static void *fork_for_all(void *arg)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(7);
    if (waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7)
        __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* Each at the same time as the others. */
static int many_forks(void)
{
    static pthread_t ids[FORKS];
    int count = unit_valgrind() ? FORKS_SLOW : FORKS, ended = 0;
    for (int i = 0; i < count; i++)
        SAY("%d", CALL(pthread_create)(&ids[i], NULL, fork_for_all, &ended));
    for (int i = 0; i < count; i++)
        CALL(pthread_join)(ids[i], NULL);
    SAY("%d children", ended);
    return 0;
}

static void threads_fork(void **state)
{
    (void)state;
    compare(forks);
    compare_hubs(many_forks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_created_and_joined),
        cmocka_unit_test(threads_are_cancelled),
        cmocka_unit_test(threads_get_signals),
        cmocka_unit_test(threads_are_asked_about),
        cmocka_unit_test(threads_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
