/* fork(): what the child has, what it has not, and that both go on. */
#include "unit.h"

#include <sys/socket.h>

#include "grove.h"
#include "hub/wait.h"

static void *sleep_long(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)grove_sleep(3600 * GROVE_SECOND);
}

static void *return_arg(void *arg)
{
    return arg;
}

static void *join_it(void *arg)
{
    return (void *)(intptr_t)grove_join(arg, NULL);
}

static void *sleep_shortly(void *arg)
{
    return grove_sleep(GROVE_MILLISECOND) == 0 ? arg : NULL;
}

struct fd_waiter {
    int fd;
    int result;
};

static void *wait_readable(void *arg)
{
    struct fd_waiter *w = arg;
    char c;
    w->result = hub_wait_fd(hub_self(), w->fd, LOOP_READ, GROVE_NEVER, "test");
    if (w->result == 0)
        w->result = read(w->fd, &c, 1) == 1 ? c : -EIO;
    return w;
}

/* Spawning, sleeping and descriptors work: in either process. */
static bool hub_works(void)
{
    grove_fiber *f, *r;
    void *value = NULL;
    int ends[2];
    if (grove_spawn(&f, sleep_shortly, &ends) != 0 || pipe(ends) != 0)
        return false;
    struct fd_waiter w = {.fd = ends[0]};
    bool good = grove_spawn(&r, wait_readable, &w) == 0;
    good = good && grove_join(f, &value) == 0 && value == &ends;
    good = good && write(ends[1], "!", 1) == 1;
    good = good && grove_join(r, NULL) == 0 && w.result == '!';
    grove_release(f);
    grove_release(r);
    close(ends[0]);
    close(ends[1]);
    loop_forget(&hub_self()->loop, ends[0]);
    return good;
}

static void all_is_well(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(hub_works());
}

/* The child's exit without the sanitizers' look at a process full of fibers
 * that were let go. */
static void leave(void)
{
    _exit(0);
}

static void the_child_of_main_has_no_other_fibers(void **state)
{
    (void)state;
    grove_fiber *sleeper, *joiner, *unborn, *ended;
    void *value;
    assert_int_equal(grove_spawn(&ended, return_arg, state), 0);
    assert_int_equal(grove_spawn(&sleeper, sleep_long, NULL), 0);
    assert_int_equal(grove_spawn(&joiner, join_it, sleeper), 0);
    grove_yield();
    assert_int_equal(grove_spawn(&unborn, return_arg, state), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(UNIT_HANG);
        CHILD_CHECK(grove_result(sleeper, NULL) == -ECANCELED);
        CHILD_CHECK(grove_join(sleeper, &value) == -ECANCELED && !value);
        CHILD_CHECK(grove_join(joiner, NULL) == -ECANCELED);
        CHILD_CHECK(grove_join(unborn, NULL) == -ECANCELED);
        CHILD_CHECK(grove_join(ended, &value) == 0 && value == state);
        CHILD_CHECK(grove_kill(sleeper) == -ESRCH);
        grove_release(sleeper);
        grove_release(joiner);
        for (int i = 0; i < 20; i++)
            CHILD_CHECK(hub_works());
        leave();
    }
    all_is_well(pid);
    assert_int_equal(grove_result(sleeper, NULL), -EAGAIN);
    assert_int_equal(grove_kill(sleeper), 0);
    assert_int_equal(grove_join(joiner, &value), 0);
    assert_int_equal(grove_join(unborn, &value), 0);
    assert_ptr_equal(value, state);
    grove_release(ended);
    grove_release(sleeper);
    grove_release(joiner);
    grove_release(unborn);
}

/* Ten that sleep, with timers, and ten that wait for a descriptor. */
static void many_timers_and_waiters(void **state)
{
    (void)state;
    enum { N = 10 };
    grove_fiber *f[2 * N];
    struct fd_waiter w[N];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(grove_spawn(&f[i], sleep_long, NULL), 0);
        w[i].fd = ends[0];
        assert_int_equal(grove_spawn(&f[N + i], wait_readable, &w[i]), 0);
    }
    grove_yield();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(UNIT_HANG);
        CHILD_CHECK(hub_self()->loop.waits == 0);
        CHILD_CHECK(hub_self()->timers.count == 0);
        CHILD_CHECK(hub_fibers(hub_self()) == 0);
        CHILD_CHECK(grove_join_all(f, 2 * N, 0) == 2 * N);
        for (int i = 0; i < 20; i++)
            CHILD_CHECK(hub_works());
        /* Nothing is left that could wake anybody. */
        CHILD_CHECK(grove_sleep_until(GROVE_NEVER) == -EDEADLK);
        leave();
    }
    all_is_well(pid);
    assert_int_equal(write(ends[1], "0123456789", N), N);
    for (int i = 0; i < N; i++)
        assert_int_equal(grove_kill(f[i]), 0);
    assert_int_equal(grove_join_all(f, 2 * N, 0), 2 * N);
    for (int i = 0; i < N; i++)
        assert_uint_in_range(w[i].result, '0', '9');
    for (int i = 0; i < 2 * N; i++)
        grove_release(f[i]);
    loop_forget(&hub_self()->loop, ends[0]);
    close(ends[0]);
    close(ends[1]);
}

static pid_t forked;

/* In the child it stays the only fiber, with the stack it forked on. */
static void *fork_here(void *arg)
{
    char text[16] = "kept";
    forked = fork();
    if (forked == 0) {
        alarm(UNIT_HANG);
        CHILD_CHECK(strcmp(text, "kept") == 0);
        CHILD_CHECK(hub_works());
    }
    return arg;
}

static void a_fiber_forks_and_main_is_there_in_both(void **state)
{
    (void)state;
    grove_fiber *sleeper, *f;
    void *value;
    assert_int_equal(grove_spawn(&sleeper, sleep_long, NULL), 0);
    assert_int_equal(grove_spawn(&f, fork_here, state), 0);
    int r = grove_join(f, &value); /* both processes return from here */
    if (forked == 0) {
        CHILD_CHECK(r == 0 && value == state);
        CHILD_CHECK(grove_join(sleeper, NULL) == -ECANCELED);
        CHILD_CHECK(hub_works());
        leave();
    }
    assert_int_equal(r, 0);
    assert_ptr_equal(value, state);
    all_is_well(forked);
    assert_int_equal(grove_kill(sleeper), 0);
    assert_int_equal(grove_join(sleeper, NULL), 0);
    grove_release(sleeper);
    grove_release(f);
}

static void main_sleeps_on_in_both(void **state)
{
    (void)state;
    int64_t until = grove_now() + 20 * GROVE_MILLISECOND;
    assert_int_equal(grove_spawn(NULL, fork_here, NULL), 0);
    int r = grove_sleep_until(until);
    if (forked == 0) {
        CHILD_CHECK(r == 0 && grove_now() >= until);
        leave();
    }
    assert_int_equal(r, 0);
    all_is_well(forked);
}

static void main_woken_before_the_fork_runs_in_both(void **state)
{
    (void)state;
    grove_fiber *f;
    void *value;
    assert_int_equal(grove_spawn(&f, return_arg, state), 0);
    assert_int_equal(grove_spawn(NULL, fork_here, NULL), 0);
    forked = -1;
    int r = grove_join(f, &value);
    if (forked == 0) {
        CHILD_CHECK(r == 0 && value == state);
        leave();
    }
    assert_true(forked > 0);
    assert_int_equal(r, 0);
    all_is_well(forked);
    grove_release(f);
}

static int socket_of_main[2];

static void *fork_then_write(void *arg)
{
    fork_here(arg);
    /* To the socket of main in this process alone. */
    if (forked == 0)
        CHILD_CHECK(write(socket_of_main[1], "c", 1) == 1);
    return arg;
}

static void main_waits_on_for_its_descriptor(void **state)
{
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, socket_of_main), 0);
    assert_int_equal(grove_spawn(NULL, fork_then_write, NULL), 0);
    struct fd_waiter w = {.fd = socket_of_main[0]};
    forked = -1;
    int r =
        hub_wait_fd(hub_self(), w.fd, LOOP_READ, grove_now() + HANG, "test");
    if (forked == 0) {
        CHILD_CHECK(r == 0);
        leave();
    }
    assert_int_equal(r, 0); /* the same socket: the parent sees it, too */
    all_is_well(forked);
    loop_forget(&hub_self()->loop, w.fd);
    close(socket_of_main[0]);
    close(socket_of_main[1]);
}

/* Each generation's fibers end in the next. */
static void grandchildren(void **state)
{
    (void)state;
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, sleep_long, NULL), 0);
    grove_yield();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(UNIT_HANG);
        for (int generation = 0; generation < 3; generation++) {
            CHILD_CHECK(grove_join(f, NULL) == -ECANCELED);
            CHILD_CHECK(grove_spawn(&f, sleep_long, NULL) == 0);
            grove_yield();
            pid_t next = fork();
            CHILD_CHECK(next >= 0);
            if (next > 0) {
                int status;
                CHILD_CHECK(waitpid(next, &status, 0) == next && status == 0);
                CHILD_CHECK(hub_works());
                leave();
            }
        }
        CHILD_CHECK(hub_works());
        leave();
    }
    all_is_well(pid);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

/* Registered anew in the child, forgotten in the child: the parent's epoll is
 * not touched. */
static void the_childs_epoll_is_its_own(void **state)
{
    (void)state;
    int s[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    struct fd_waiter w = {.fd = s[0]};
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, wait_readable, &w), 0);
    grove_yield();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(UNIT_HANG);
        loop_forget(&hub_self()->loop, s[0]);
        close(s[0]);
        close(s[1]);
        CHILD_CHECK(hub_works());
        leave();
    }
    all_is_well(pid);
    assert_int_equal(write(s[1], "p", 1), 1);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(w.result, 'p');
    grove_release(f);
    loop_forget(&hub_self()->loop, s[0]);
    close(s[0]);
    close(s[1]);
}

static char told;

static void tell(grove_fiber *f, void *arg)
{
    told = grove_result(f, NULL) == -ECANCELED ? *(char *)arg : '?';
}

struct linker {
    grove_fiber *to;
};

static void *link_and_sleep(void *arg)
{
    struct linker *l = arg;
    grove_link link;
    char letter = 'l';
    grove_link_end(l->to, &link, tell, &letter);
    grove_sleep(3600 * GROVE_SECOND);
    grove_unlink(&link);
    return NULL;
}

/* A link on the stack of a fiber that the fork ended, too: the stack must not
 * have become another's by the time the link is called. */
static void links_of_the_ended_are_called(void **state)
{
    (void)state;
    struct linker l;
    grove_fiber *f;
    assert_int_equal(grove_spawn(&l.to, sleep_long, NULL), 0);
    assert_int_equal(grove_spawn(&f, link_and_sleep, &l), 0);
    grove_yield();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(UNIT_HANG);
        grove_release(f);
        grove_release(l.to);
        for (int i = 0; i < 5; i++)
            CHILD_CHECK(grove_spawn(NULL, return_arg, NULL) == 0);
        grove_yield();
        grove_yield();
        CHILD_CHECK(told == 'l');
        leave();
    }
    all_is_well(pid);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(grove_kill(l.to), 0);
    assert_int_equal(grove_join(l.to, NULL), 0);
    grove_release(f);
    grove_release(l.to);
}

static void set_told(grove_post *post)
{
    (void)post;
    told = 'p';
}

static void posts_can_be_posted_again_in_the_child(void **state)
{
    (void)state;
    grove_post post = {.fn = set_told};
    grove_hub *hub = grove_hub_self();
    grove_hub_hold(hub);
    told = '\0';
    assert_int_equal(grove_hub_post(hub, &post), 1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(UNIT_HANG);
        CHILD_CHECK(grove_hub_post(hub, &post) == 1);
        grove_sleep(GROVE_MILLISECOND);
        CHILD_CHECK(told == 'p');
        grove_hub_unhold(hub); /* no thread will post: it is not held */
        CHILD_CHECK(grove_sleep_until(GROVE_NEVER) == -EDEADLK);
        leave();
    }
    grove_sleep(GROVE_MILLISECOND);
    assert_int_equal(told, 'p');
    grove_hub_unhold(hub);
    all_is_well(pid);
}

int main(void)
{
    if (UNIT_TSAN) /* it ignores some threads after a fork, fibers among them */
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_child_of_main_has_no_other_fibers),
        cmocka_unit_test(many_timers_and_waiters),
        cmocka_unit_test(a_fiber_forks_and_main_is_there_in_both),
        cmocka_unit_test(main_sleeps_on_in_both),
        cmocka_unit_test(main_woken_before_the_fork_runs_in_both),
        cmocka_unit_test(main_waits_on_for_its_descriptor),
        cmocka_unit_test(grandchildren),
        cmocka_unit_test(the_childs_epoll_is_its_own),
        cmocka_unit_test(links_of_the_ended_are_called),
        cmocka_unit_test(posts_can_be_posted_again_in_the_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
