/* What a fiber's argument holds is given back, once, if the fiber never runs.
 */
#include "unit.h"

#include <pthread.h>

#include "hub/hub.h"

static _Atomic int dropped, ran;
static void *last; /* what was dropped last */

static void drop(void *arg)
{
    last = arg;
    dropped++;
}

static void *run(void *arg)
{
    ran++;
    return arg;
}

static const grove_attr attr = {.drop = drop};

static int reset(void **state)
{
    (void)state;
    dropped = ran = 0;
    last = NULL;
    return 0;
}

static int nothing_left(void **state)
{
    (void)state;
    return hub_fibers(hub_self()) == 0 ? 0 : -1;
}

static void one_that_runs_keeps_its_argument(void **state)
{
    grove_fiber *f;
    assert_int_equal(grove_spawn_with(&f, &attr, run, state), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(grove_kill(f), -ESRCH);
    grove_release(f);
    assert_int_equal(ran, 1);
    assert_int_equal(dropped, 0);
}

static void one_that_is_killed_before_its_turn_drops_it(void **state)
{
    const grove_attr late = {.drop = drop, .delay = GROVE_SECOND};
    for (int delayed = 0; delayed < 2; delayed++) {
        grove_fiber *f;
        reset(state);
        assert_int_equal(
            grove_spawn_with(&f, delayed ? &late : &attr, run, &ran), 0);
        assert_int_equal(grove_kill(f), 0);
        assert_int_equal(dropped, 1);
        assert_ptr_equal(last, &ran);
        assert_int_equal(grove_kill(f), -ESRCH);
        assert_int_equal(grove_join(f, NULL), -ECANCELED);
        grove_release(f);
        assert_int_equal(dropped, 1);
        assert_int_equal(ran, 0);
    }
}

static void a_spawn_that_fails_leaves_it_to_the_caller(void **state)
{
    const grove_attr bad = {.drop = drop, .delay = -1};
    (void)state;
    assert_int_equal(grove_spawn_with(NULL, &bad, run, &ran), -EINVAL);
    assert_int_equal(grove_spawn_with(NULL, &attr, NULL, &ran), -EINVAL);
    assert_int_equal(grove_hub_spawn_with(grove_hub_self(), &bad, run, &ran),
                     -EINVAL);
    assert_int_equal(dropped, 0);
}

/* A drop may do what does not wait: kill those that are about to be killed, the
 * fiber itself among them, and release it. */
struct victims {
    grove_group group;
    grove_fiber *first;
};

static void kill_all(void *arg)
{
    struct victims *v = arg;
    dropped++;
    if (v->first) {
        grove_fiber *first = v->first;
        v->first = NULL;
        assert_int_equal(grove_kill(first), 0);
        grove_release(first);
    }
    grove_group_cancel(&v->group);
}

static int member(void *arg)
{
    (void)arg;
    ran++;
    return 0;
}

static void a_group_drops_what_its_fibers_were_given(void **state)
{
    const grove_attr fiber = {.drop = kill_all};
    const grove_group_attr group = {.fiber = &fiber};
    struct victims v = {.first = NULL};
    (void)state;
    grove_group_begin(&v.group, &group);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            grove_group_spawn(&v.group, i ? NULL : &v.first, member, &v), 0);
    grove_group_cancel(&v.group);
    assert_int_equal(dropped, 5);
    assert_int_equal(grove_group_end(&v.group), 0);
    assert_int_equal(ran, 0);
}

static void *leave_some_new(void *arg)
{
    static const grove_attr late = {.drop = drop, .delay = GROVE_SECOND};
    grove_spawn_with(NULL, &attr, run, arg);
    grove_spawn_with(NULL, &late, run, arg);
    return NULL;
}

static void so_does_the_end_of_a_thread(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, leave_some_new, state), 0);
    pthread_join(thread, NULL);
    assert_int_equal(dropped, 2);
    assert_int_equal(ran, 0);
}

/* Holds the hub's thread until it is told to end, so that nothing arrives. */
struct busy {
    pthread_mutex_t end;
    grove_event ready;
    grove_hub *hub;
};

static void *be_busy(void *arg)
{
    struct busy *b = arg;
    b->hub = grove_hub_retain(grove_hub_self());
    grove_event_set(&b->ready);
    pthread_mutex_lock(&b->end);
    pthread_mutex_unlock(&b->end);
    return NULL;
}

static void so_does_one_on_its_way_to_a_hub_that_ends(void **state)
{
    struct busy b = {.end = PTHREAD_MUTEX_INITIALIZER,
                     .ready = GROVE_EVENT_INIT};
    const grove_attr named = {.name = "guest", .drop = drop};
    pthread_t thread;
    pthread_mutex_lock(&b.end);
    assert_int_equal(pthread_create(&thread, NULL, be_busy, &b), 0);
    assert_int_equal(grove_event_wait(&b.ready), 0);
    assert_int_equal(grove_hub_spawn_with(b.hub, &named, run, state), 0);
    pthread_mutex_unlock(&b.end);
    pthread_join(thread, NULL);
    assert_int_equal(dropped, 1);
    assert_int_equal(grove_hub_spawn_with(b.hub, &named, run, state), -ESRCH);
    assert_int_equal(dropped, 1);
    grove_hub_release(b.hub);
    /* And one that arrives runs, with its name. */
    assert_int_equal(grove_hub_spawn_with(grove_hub_self(), &named, run, state),
                     0);
    while (!ran)
        assert_int_equal(grove_sleep(MS), 0);
    assert_int_equal(ran, 1);
    assert_int_equal(dropped, 1);
}

static void the_child_of_a_fork_drops_nothing(void **state)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    grove_fiber *f;
    assert_int_equal(grove_spawn_with(&f, &attr, run, state), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(UNIT_HANG);
        _exit(grove_result(f, NULL) == -ECANCELED && dropped == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(dropped, 1);
    grove_release(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, nothing_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_runs_keeps_its_argument),
        TEST(one_that_is_killed_before_its_turn_drops_it),
        TEST(a_spawn_that_fails_leaves_it_to_the_caller),
        TEST(a_group_drops_what_its_fibers_were_given),
        TEST(so_does_the_end_of_a_thread),
        TEST(so_does_one_on_its_way_to_a_hub_that_ends),
        TEST(the_child_of_a_fork_drops_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
