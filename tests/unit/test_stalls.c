/*
 * Stalls: a fiber that holds up the others is told of, and where it is. Each
 * test is a process of its own, as there is one watcher in each. What is to be
 * told is held up until it was told, so that no test hangs on how fast the
 * machine is.
 */
#include "unit.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#include "frames/frames.h"

#define LIMIT (20 * MS)

/* ---- what was told ------------------------------------------------------------- */

static atomic_int told;
static grove_stall last; /* before told is raised */
static char last_name[64];
static char frames[4096]; /* of it, a line each */
static int wakes = -1;    /* a byte is written here then; -1: nowhere */

static void on_stall(const grove_stall *stall, void *arg)
{
    struct frames taken = {.count = stall->count, .guessed = stall->guessed};
    (void)arg;
    last = *stall;
    snprintf(last_name, sizeof(last_name), "%s", stall->name);
    memcpy(taken.at, stall->frames, stall->count * sizeof(taken.at[0]));
    frames[0] = '\0';
    for (size_t i = 0; i < stall->count; i++) {
        char line[256];
        frames_describe(&taken, i, line, sizeof(line));
        size_t length = strlen(frames);
        snprintf(frames + length, sizeof(frames) - length, "%s\n", line);
    }
    atomic_fetch_add(&told, 1);
    if (wakes >= 0 && write(wakes, "x", 1) != 1)
        _exit(3);
}

static void set(int64_t limit, bool watch,
                void (*fn)(const grove_stall *, void *))
{
    grove_stalls settings = {
        .size = sizeof(settings), .limit = limit, .watch = watch, .fn = fn};
    CHILD_CHECK(grove_stalls_set(&settings) == 0);
}

/* How many threads the process has. */
static int tasks(void)
{
    DIR *all = opendir("/proc/self/task");
    const struct dirent *entry;
    int n = 0;
    while ((entry = readdir(all)))
        n += entry->d_name[0] != '.';
    closedir(all);
    return n;
}

static bool watcher_is_there(void)
{
    DIR *all = opendir("/proc/self/task");
    const struct dirent *entry;
    bool found = false;
    while ((entry = readdir(all)) && !found) {
        char path[300], name[16] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        found = fgets(name, sizeof(name), file) &&
                strncmp(name, "grove-stalls", 12) == 0;
        fclose(file);
    }
    closedir(all);
    return found;
}

/* ---- fibers --------------------------------------------------------------------- */

static grove_fiber *spawn(const char *name, void *(*fn)(void *), void *arg)
{
    grove_fiber *f;
    grove_attr attr = {.size = sizeof(attr), .name = name};
    CHILD_CHECK(grove_spawn_with(&f, &attr, fn, arg) == 0);
    return f;
}

static void run(const char *name, void *(*fn)(void *), void *arg)
{
    grove_fiber *f = spawn(name, fn, arg);
    CHILD_CHECK(grove_join(f, NULL) == 0);
    grove_release(f);
}

/* Until more than *arg stalls were told of. */
__attribute__((noinline)) static void *compute_until_told(void *arg)
{
    const int *before = arg;
    int64_t end = grove_now() + HANG;
    while (atomic_load(&told) <= *before)
        CHILD_CHECK(grove_now() < end);
    return NULL;
}

static int64_t worked(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * GROVE_SECOND + ts.tv_nsec;
}

/* Nanoseconds of processor time. */
static void *compute_for(void *arg)
{
    const int64_t *ns = arg;
    for (int64_t end = worked() + *ns; worked() < end;)
        ;
    return NULL;
}

/* poll is the call that any signal ends, whatever its handler says. */
__attribute__((noinline)) static void *wait_in_poll(void *arg)
{
    const int *fd = arg;
    struct pollfd p = {.fd = *fd, .events = POLLIN};
    int r = poll(&p, 1, (int)(HANG / MS));
    CHILD_CHECK(r == 1 && p.revents == POLLIN);
    char byte;
    CHILD_CHECK(read(*fd, &byte, 1) == 1);
    return NULL;
}

static void *tick(void *arg)
{
    for (;;)
        grove_sleep(MS);
    return arg;
}

/* ---- programs --------------------------------------------------------------------- */

static int never_stall(void)
{
    int64_t none = 0;
    int before = tasks(); /* a sanitizer may have one of its own */
    grove_fiber *other = spawn("ticks", tick, NULL);
    for (int i = 0; i < 20; i++) {
        run("short", compute_for, &none);
        grove_sleep(MS);
    }
    grove_kill(other);
    CHILD_CHECK(tasks() == before);
    return 0;
}

static void without_a_stall_there_is_no_thread(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, never_stall);
    unit_assert_exit(&child);
}

static int stall_once(void)
{
    int64_t ns = 3 * LIMIT;
    set(LIMIT, false, NULL);
    run("slow", compute_for, &ns);
    grove_sleep(5 * LIMIT); /* not over before it begins: the hub turns */
    CHILD_CHECK(watcher_is_there());
    return 0;
}

static void the_first_is_told_when_it_is_over(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, stall_once);
    unit_assert_exit(&child);
    assert_non_null(strstr(child.text, "fiber 3 \"slow\" has held up thread "));
    assert_non_null(strstr(child.text, " ms; of the next it will be told"));
    assert_null(strstr(child.text, "  C"));
}

static int compute(void)
{
    int before = 0;
    set(LIMIT, false, on_stall);
    run("slow", compute_until_told, &before);
    CHILD_CHECK(strcmp(last_name, "slow") == 0);
    CHILD_CHECK(last.fiber == 3 && last.hub == grove_hub_self());
    CHILD_CHECK(last.length >= LIMIT && last.length < HANG);
    CHILD_CHECK(last.thread == (long)getpid() && !last.host);
    CHILD_CHECK(!last.waits && !last.guessed);
    fprintf(stderr, "frames:\n%s", frames);
    return 0;
}

/* TSan has signals wait until the thread calls into libc. */
static void one_that_computes_is_told_with_its_stack(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, compute);
    unit_assert_exit(&child);
    assert_non_null(strstr(child.text, "fiber 3 \"slow\" holds up thread "));
    if (UNIT_TSAN)
        return;
    assert_non_null(strstr(child.text, "it computes\n  C: "));
    assert_non_null(strstr(child.text, "  C: compute_until_told+0x"));
    assert_non_null(
        strstr(strstr(child.text, "frames:\n"), "compute_until_told+0x"));
}

static int block(void)
{
    int ends[2];
    CHILD_CHECK(pipe(ends) == 0);
    wakes = ends[1];
    set(LIMIT, false, on_stall);
    run("waits", wait_in_poll, &ends[0]);
    CHILD_CHECK(strcmp(last_name, "waits") == 0 && last.waits);
    CHILD_CHECK(last.guessed || unit_valgrind());
    return 0;
}

/* The poll that it is in is not ended by being looked at: wait_in_poll sees to
 * that. */
static void one_that_waits_is_told_and_not_disturbed(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, block);
    unit_assert_exit(&child);
    assert_non_null(strstr(child.text, "fiber 3 \"waits\" holds up thread "));
    assert_non_null(strstr(child.text, "it waits in system call "));
#if defined(__x86_64__)
    if (!unit_slow())
        assert_non_null(strstr(child.text, "  C? wait_in_poll+0x"));
#endif
}

/* ---- what is none ------------------------------------------------------------------ */

static int be_off(void)
{
    int64_t ns = 5 * LIMIT;
    set(0, true, on_stall);
    run("slow", compute_for, &ns);
    grove_sleep(MS);
    CHILD_CHECK(atomic_load(&told) == 0);
    return 0;
}

static void a_limit_of_0_is_none(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, be_off);
    unit_assert_exit(&child);
    assert_string_equal(child.text, "");
}

static int sleep_and_compute_alone(void)
{
    int64_t ns = 5 * LIMIT;
    set(LIMIT, true, on_stall);
    grove_sleep(5 * LIMIT);
    compute_for(&ns);
    grove_sleep(MS);
    CHILD_CHECK(atomic_load(&told) == 0);
    return 0;
}

static void neither_a_sleep_nor_a_thread_alone_is_one(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, sleep_and_compute_alone);
    unit_assert_exit(&child);
    assert_string_equal(child.text, "");
}

/* With a fiber that is held up it is one, of the thread's own stack. */
static int compute_beside_another(void)
{
    int before = 0;
    set(LIMIT, true, on_stall);
    grove_fiber *other = spawn("ticks", tick, NULL);
    grove_yield(); /* a sleep that is over before it begins is no turn */
    compute_until_told(&before);
    CHILD_CHECK(strcmp(last_name, "main") == 0 && last.fiber == 1);
    grove_kill(other);
    return 0;
}

static void the_threads_own_stack_holds_others_up(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, compute_beside_another);
    unit_assert_exit(&child);
}

/* Another loop calls the hub when it likes. */
static int compute_beside_the_hub(void)
{
    int64_t ns = 5 * LIMIT;
    set(LIMIT, true, on_stall);
    grove_hub *hub = grove_hub_self();
    grove_fiber *other = spawn("ticks", tick, NULL);
    for (int i = 0; i < 3; i++) {
        CHILD_CHECK(grove_hub_timeout(hub) >= 0);
        CHILD_CHECK(grove_hub_run_due(hub) == 0);
        compute_for(&ns);
    }
    grove_kill(other);
    CHILD_CHECK(atomic_load(&told) == 0);
    return 0;
}

static void what_the_loop_around_it_does_is_none(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, compute_beside_the_hub);
    unit_assert_exit(&child);
    assert_null(strstr(child.text, "\"main\""));
    assert_null(strstr(child.text, " turns "));
}

#define RIVALS 8

/* Processes that want the only processor that is left to this one. */
static void make_rivals(pid_t rivals[RIVALS])
{
    cpu_set_t all, one;
    int cpu = 0;
    CHILD_CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHILD_CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
    for (int i = 0; i < RIVALS; i++) {
        rivals[i] = fork();
        CHILD_CHECK(rivals[i] >= 0);
        if (rivals[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                atomic_signal_fence(memory_order_seq_cst);
        }
    }
    CHILD_CHECK(nice(5) >= 0);
}

static void end_rivals(const pid_t rivals[RIVALS])
{
    for (int i = 0; i < RIVALS; i++)
        kill(rivals[i], SIGKILL);
    for (int i = 0; i < RIVALS; i++)
        waitpid(rivals[i], NULL, 0);
}

/* Turns that take long, for little is theirs of what passes. */
static int compute_beside_rivals(bool watch)
{
    pid_t rivals[RIVALS];
    int64_t ns = LIMIT / 4, end = grove_now() + HANG;
    make_rivals(rivals);
    set(LIMIT, watch, NULL);
    for (int slow = 0; slow < 5;) {
        int64_t began = grove_now();
        run("starved", compute_for, &ns);
        slow += grove_now() - began > 2 * LIMIT;
        CHILD_CHECK(grove_now() < end);
    }
    end_rivals(rivals);
    return 0;
}

static int compute_beside_rivals_unwatched(void)
{
    return compute_beside_rivals(false);
}

static int compute_beside_rivals_watched(void)
{
    return compute_beside_rivals(true);
}

static void time_without_a_processor_is_none(void **state)
{
    (void)state;
    struct unit_child child;
    if (access("/proc/thread-self/schedstat", R_OK) != 0)
        unit_skip("this kernel does not tell how long a thread had none");
    if (unit_valgrind())
        unit_skip("what valgrind itself takes for code that it has not seen is "
                  "a stall; every other build runs it");
    unit_in_child(&child, compute_beside_rivals_unwatched);
    unit_assert_exit(&child);
    assert_string_equal(child.text, "");
    unit_in_child(&child, compute_beside_rivals_watched);
    unit_assert_exit(&child);
    assert_string_equal(child.text, "");
}

static int wait_for_ever(void)
{
    static grove_event never;
    set(LIMIT, true, on_stall);
    CHILD_CHECK(grove_event_wait(&never) == -EDEADLK);
    return 0;
}

static void the_watcher_keeps_no_deadlock_from_being_told(void **state)
{
    (void)state;
    struct unit_child child;
    if (UNIT_TSAN)
        unit_skip("ThreadSanitizer has a thread of its own, which might wake "
                  "somebody; every other build runs it");
    unit_in_child(&child, wait_for_ever);
    unit_assert_exit(&child);
}

static void compute_in_the_hub(grove_post *post)
{
    int before = 0;
    (void)post;
    compute_until_told(&before);
}

static int compute_in_a_post(void)
{
    grove_post post = {.fn = compute_in_the_hub};
    set(LIMIT, true, on_stall);
    CHILD_CHECK(grove_hub_post(grove_hub_self(), &post) == 1);
    while (atomic_load(&told) == 0)
        grove_sleep(MS);
    CHILD_CHECK(strcmp(last_name, "hub") == 0 && last.fiber == 0);
    return 0;
}

static void so_does_a_callback_of_the_hub(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, compute_in_a_post);
    unit_assert_exit(&child);
    assert_non_null(strstr(child.text, "a callback of the hub holds up"));
}

/* ---- how often --------------------------------------------------------------------- */

static int stall_twice(void)
{
    int before = 0;
    int64_t ns = 5 * LIMIT, began = grove_now();
    set(LIMIT, false, on_stall);
    run("first", compute_until_told, &before);
    run("second", compute_for, &ns);
    int seen = atomic_load(&told);
    CHILD_CHECK(seen == 1 || grove_now() - began > 900 * MS);
    before = seen;
    run("third", compute_until_told, &before);
    CHILD_CHECK(grove_now() - began >= GROVE_SECOND);
    return 0;
}

static void one_a_second_is_told(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, stall_twice);
    unit_assert_exit(&child);
}

/* ---- forks ------------------------------------------------------------------------- */

static void await_tasks(int n)
{
    for (int64_t end = grove_now() + HANG; tasks() != n;) {
        CHILD_CHECK(grove_now() < end);
        grove_sleep(MS);
    }
}

static int fork_beside_the_watcher(void)
{
    int before = 0, status;
    set(LIMIT, false, on_stall);
    run("slow", compute_until_told, &before);
    CHILD_CHECK(tasks() == 2);
    pid_t pid = fork();
    if (pid == 0)
        _exit(tasks() == 1 ? 0 : 1);
    int after = tasks();
    CHILD_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHILD_CHECK(after == 1);
    await_tasks(2);
    return 0;
}

static void a_fork_ends_the_watcher_and_it_begins_again(void **state)
{
    (void)state;
    struct unit_child child;
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    unit_in_child(&child, fork_beside_the_watcher);
    unit_assert_exit(&child);
}

/* ---- other threads ------------------------------------------------------------------ */

/* A thread whose hub ends while the watcher may be at it. */
static void *stall_and_end(void *arg)
{
    int64_t ns = 2 * LIMIT;
    run("short-lived", compute_for, &ns);
    return arg;
}

static int end_threads(void)
{
    set(LIMIT, true, on_stall);
    for (int i = 0; i < 10; i++) {
        pthread_t thread[2];
        for (int t = 0; t < 2; t++)
            CHILD_CHECK(!pthread_create(&thread[t], NULL, stall_and_end, NULL));
        for (int t = 0; t < 2; t++)
            pthread_join(thread[t], NULL);
    }
    return 0;
}

static void hubs_end_while_they_are_looked_at(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, end_threads);
    unit_assert_exit(&child);
}

static void *stall_there(void *arg)
{
    grove_fiber *f;
    int before = 0;
    grove_attr attr = {.name = "elsewhere"};
    CHILD_CHECK(grove_spawn_with(&f, &attr, compute_until_told, &before) == 0);
    grove_join(f, NULL);
    grove_release(f);
    return arg;
}

static int stall_on_another(void)
{
    pthread_t thread;
    set(LIMIT, true, on_stall);
    CHILD_CHECK(!pthread_create(&thread, NULL, stall_there, NULL));
    pthread_join(thread, NULL);
    CHILD_CHECK(strcmp(last_name, "elsewhere") == 0);
    CHILD_CHECK(last.thread != (long)getpid());
    return 0;
}

static void any_thread_is_looked_at(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, stall_on_another);
    unit_assert_exit(&child);
}

/* ---- the signal ---------------------------------------------------------------------- */

static atomic_int urgent;

static void on_urgent(int signum)
{
    (void)signum;
    atomic_fetch_add(&urgent, 1);
}

/* Ours comes to be in front of the program's, which gets what is its. */
static int handle_before(void)
{
    int before = 0;
    signal(SIGURG, on_urgent);
    set(LIMIT, false, on_stall);
    run("slow", compute_until_told, &before);
    CHILD_CHECK(atomic_load(&urgent) == 0);
    raise(SIGURG);
    CHILD_CHECK(atomic_load(&urgent) == 1);
    return 0;
}

/* The program's comes in front of ours: it is left alone, and gets none. */
static int handle_after(void)
{
    int before = 0;
    set(LIMIT, false, on_stall);
    run("slow", compute_until_told, &before);
    signal(SIGURG, on_urgent);
    before = atomic_load(&told);
    run("slow", compute_until_told, &before);
    CHILD_CHECK(last.count == 0 && strcmp(last_name, "slow") == 0);
    CHILD_CHECK(atomic_load(&urgent) == 0);
    return 0;
}

static void the_programs_handler_of_the_signal_is_respected(void **state)
{
    (void)state;
    struct unit_child child;
    if (UNIT_TSAN)
        unit_skip("ThreadSanitizer has signals wait until the thread calls "
                  "into libc; every other build runs it");
    unit_in_child(&child, handle_before);
    unit_assert_exit(&child);
    unit_in_child(&child, handle_after);
    unit_assert_exit(&child);
}

/* ---- settings ------------------------------------------------------------------------ */

static void what_is_set_is_told(void **state)
{
    (void)state;
    grove_stalls settings = {.size = sizeof(settings), .limit = 30 * MS},
                 now = {0};
    assert_int_equal(grove_stalls_set(&settings), 0);
    now.size = sizeof(now);
    assert_int_equal(grove_stalls_get(&now), 0);
    assert_int_equal(now.limit, 30 * MS);
    assert_false(now.watch);
    assert_null(now.fn);
    settings.limit = -1;
    assert_int_equal(grove_stalls_set(&settings), -EINVAL);
    settings.limit = MS - 1;
    assert_int_equal(grove_stalls_set(&settings), -EINVAL);
    settings.limit = MS;
    settings.size = 4;
    assert_int_equal(grove_stalls_set(&settings), -EINVAL);
    assert_int_equal(grove_stalls_set(NULL), -EINVAL);
    grove_stalls_get(&now);
    assert_int_equal(now.limit, 30 * MS);
}

/* Of the environment: what is asked for, the limit in milliseconds, watch. */
static const struct {
    const char *text;
    int64_t limit;
    bool watch;
    bool bad;
} wishes[] = {
    {"30", 30, false, false},      {"30,watch", 30, true, false},
    {"30,late", 30, false, false}, {"late", 100, false, false},
    {"0", 0, false, false},        {"30,", 30, false, false},
    {"30ms", -1, false, true},     {"watched", -1, false, true},
    {"99999999", -1, false, true}, {"-1", -1, false, true},
};
static size_t wish;

static int read_wish(void)
{
    setenv("GROVE_STALLS", wishes[wish].text, 1);
    grove_stalls now = {.size = sizeof(now)};
    CHILD_CHECK(grove_stalls_get(&now) == 0);
    CHILD_CHECK(wishes[wish].limit < 0 || now.limit == wishes[wish].limit * MS);
    CHILD_CHECK(now.watch == wishes[wish].watch);
    return 0;
}

static void the_environment_is_read(void **state)
{
    (void)state;
    for (wish = 0; wish < UNIT_COUNT(wishes); wish++) {
        struct unit_child child;
        unit_in_child(&child, read_wish);
        unit_assert_exit(&child);
        assert_true(wishes[wish].bad ==
                    !!strstr(child.text, "GROVE_STALLS is \""));
    }
}

int main(void)
{
    unsetenv("GROVE_STALLS");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_stall_there_is_no_thread),
        cmocka_unit_test(the_environment_is_read),
        cmocka_unit_test(the_first_is_told_when_it_is_over),
        cmocka_unit_test(one_that_computes_is_told_with_its_stack),
        cmocka_unit_test(one_that_waits_is_told_and_not_disturbed),
        cmocka_unit_test(a_limit_of_0_is_none),
        cmocka_unit_test(neither_a_sleep_nor_a_thread_alone_is_one),
        cmocka_unit_test(the_threads_own_stack_holds_others_up),
        cmocka_unit_test(so_does_a_callback_of_the_hub),
        cmocka_unit_test(what_the_loop_around_it_does_is_none),
        cmocka_unit_test(time_without_a_processor_is_none),
        cmocka_unit_test(the_watcher_keeps_no_deadlock_from_being_told),
        cmocka_unit_test(one_a_second_is_told),
        cmocka_unit_test(a_fork_ends_the_watcher_and_it_begins_again),
        cmocka_unit_test(hubs_end_while_they_are_looked_at),
        cmocka_unit_test(any_thread_is_looked_at),
        cmocka_unit_test(the_programs_handler_of_the_signal_is_respected),
        cmocka_unit_test(what_is_set_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
