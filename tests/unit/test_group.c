/* Groups: limit, errors, joining, killing, and that the end of the scope leaves
 * no fiber behind, whatever happens meanwhile. */
#include "unit.h"

#include <assert.h>

#include "faults.h"
#include "hub/hub.h"
#include "turns.h"

#define MEMORY \
    (FAULT_malloc | FAULT_calloc | FAULT_realloc | FAULT_posix_memalign | \
     FAULT_mmap64 | FAULT_madvise | FAULT_mprotect)

static grove_group group;
static grove_event gate;
static int began, ended, running, most;

static int reset(void **state)
{
    grove_event_init(&gate);
    began = ended = running = most = 0;
    return 0;
}

/* Every test leaves no fiber and no timer behind. */
static int nothing_left(void **state)
{
    struct hub *hub = hub_self();
    return hub_fibers(hub) == 0 && hub->timers.count == 0 &&
                   !hub->root.cancelled
               ? 0
               : -1;
}

static void begin(size_t limit, bool kill_on_error)
{
    grove_group_attr attr = {.limit = limit, .kill_on_error = kill_on_error};
    grove_group_begin(&group, &attr);
}

/* Waits for the gate; arg is what it returns then. */
static int at_gate(void *arg)
{
    began++;
    running++;
    most = running > most ? running : most;
    int r = grove_event_wait(&gate);
    running--;
    ended++;
    return r < 0 ? r : (int)(intptr_t)arg;
}

static int spawn(int value)
{
    return grove_group_spawn(&group, NULL, at_gate, (void *)(intptr_t)value);
}

static void all_are_joined(void **state)
{
    grove_group_begin(&group, NULL);
    assert_int_equal(grove_group_join(&group), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(spawn(i), 0);
    assert_int_equal(grove_group_count(&group), 5);
    assert_int_equal(grove_group_join_until(&group, grove_now() + MS),
                     -ETIMEDOUT);
    assert_int_equal(grove_group_count(&group), 5);
    grove_event_set(&gate);
    assert_int_equal(grove_group_join(&group), 0);
    assert_int_equal(grove_group_count(&group), 0);
    assert_int_equal(spawn(0), 0); /* it is still a group */
    assert_int_equal(grove_group_end(&group), 0);
    assert_int_equal(ended, 6);
    assert_int_equal(spawn(0), -ESHUTDOWN);
    assert_int_equal(grove_group_spawn(&group, NULL, NULL, NULL), -ESHUTDOWN);
}

static void a_handle_is_as_of_any_fiber(void **state)
{
    grove_fiber *f;
    void *value;
    grove_attr fiber = {.name = "member", .stack_size = 65536};
    grove_group_attr attr = {.fiber = &fiber};
    grove_group_begin(&group, &attr);
    assert_int_equal(grove_group_spawn(&group, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(grove_group_spawn(&group, &f, at_gate, (void *)42), 0);
    assert_string_equal(grove_name(f), "member");
    grove_event_set(&gate);
    assert_int_equal(grove_join(f, &value), 0);
    assert_int_equal((intptr_t)value, 42);
    assert_int_equal(grove_group_end(&group), 0);
    grove_release(f);
    fiber.stack_size = 1;
    grove_group_begin(&group, &attr);
    assert_int_equal(grove_group_spawn(&group, &f, at_gate, NULL), -EINVAL);
    assert_int_equal(grove_group_count(&group), 0);
    assert_int_equal(grove_group_end(&group), 0);
}

/* ---- limit ----------------------------------------------------------------- */

static void *spawn_one(void *arg)
{
    return (void *)(intptr_t)spawn(0);
}

static void a_full_group_makes_spawns_wait_in_order(void **state)
{
    grove_fiber *spawners[4];
    begin(2, false);
    assert_int_equal(spawn(0), 0);
    assert_int_equal(spawn(0), 0);
    assert_int_equal(grove_group_tryspawn(&group, NULL, at_gate, NULL),
                     -EAGAIN);
    assert_int_equal(
        grove_group_spawn_until(&group, NULL, at_gate, NULL, grove_now() + MS),
        -ETIMEDOUT);
    for (int i = 0; i < 4; i++)
        assert_int_equal(grove_spawn(&spawners[i], spawn_one, NULL), 0);
    grove_yield();
    grove_kill(spawners[1]);
    grove_event_set(&gate);
    for (int i = 0; i < 4; i++) {
        void *value;
        assert_int_equal(grove_join(spawners[i], &value), 0);
        assert_int_equal((intptr_t)value, i == 1 ? -ECANCELED : 0);
        grove_release(spawners[i]);
    }
    assert_int_equal(grove_group_end(&group), 0);
    assert_int_equal(ended, 5);
    assert_int_equal(most, 2);
    assert_int_equal(group.taken, 0);
}

static void *spawn_many(void *arg)
{
    for (int i = 0; i < 20; i++)
        if (spawn(0) != 0)
            return arg;
    return NULL;
}

/* Joining waits for those that a place was promised to, too. */
static void a_pool_never_has_more_than_its_limit(void **state)
{
    grove_fiber *spawners[3];
    begin(3, false);
    grove_event_set(&gate);
    for (int i = 0; i < 3; i++)
        assert_int_equal(grove_spawn(&spawners[i], spawn_many, state), 0);
    assert_int_equal(grove_join_all(spawners, 3, 0), 3);
    assert_int_equal(grove_group_end(&group), 0);
    assert_int_equal(ended, 60);
    assert_uint_in_range(most, 1, 3);
    for (int i = 0; i < 3; i++)
        grove_release(spawners[i]);
}

/* ---- errors ---------------------------------------------------------------- */

static void the_first_error_is_kept(void **state)
{
    begin(0, false);
    assert_int_equal(spawn(7), 0);
    assert_int_equal(spawn(-EIO), 0);
    assert_int_equal(spawn(-EPIPE), 0);
    assert_int_equal(spawn(-ECANCELED), 0);
    while (began < 4)
        grove_yield();
    grove_event_set(&gate); /* they are woken in the order in which they came */
    assert_int_equal(grove_group_join(&group), -EIO);
    assert_int_equal(grove_group_error(&group), -EIO);
    assert_int_equal(spawn(0), 0); /* it goes on */
    assert_int_equal(grove_group_end(&group), -EIO);
}

static int fail_at_once(void *arg)
{
    return -EIO;
}

static int never_runs(void *arg)
{
    began += 1000;
    return 0;
}

static void an_error_may_kill_the_others(void **state)
{
    grove_fiber *waiting;
    void *value;
    begin(5, true);
    turn_after(TURN_NEVER); /* no spawn does */
    assert_int_equal(spawn(0), 0);
    assert_int_equal(spawn(0), 0);
    assert_int_equal(grove_group_spawn(&group, NULL, fail_at_once, NULL), 0);
    assert_int_equal(grove_group_spawn(&group, NULL, never_runs, NULL), 0);
    assert_int_equal(spawn(0), 0);
    assert_int_equal(grove_spawn(&waiting, spawn_one, NULL), 0);
    assert_int_equal(grove_group_join(&group), -EIO);
    assert_int_equal(began, 2); /* those before the one that failed */
    assert_int_equal(ended, 2);
    assert_int_equal(grove_join(waiting, &value), 0);
    assert_int_equal((intptr_t)value, -ESHUTDOWN);
    assert_int_equal(spawn(0), -ESHUTDOWN);
    assert_int_equal(grove_group_end(&group), -EIO);
    grove_release(waiting);
}

static void those_who_wait_for_a_place_are_told(void **state)
{
    grove_fiber *waiting;
    void *value;
    begin(1, true);
    assert_int_equal(spawn(-EIO), 0);
    assert_int_equal(grove_spawn(&waiting, spawn_one, NULL), 0);
    grove_yield();
    grove_event_set(&gate);
    assert_int_equal(grove_join(waiting, &value), 0);
    assert_int_equal((intptr_t)value, -ESHUTDOWN);
    assert_int_equal(grove_group_end(&group), -EIO);
    assert_int_equal(group.taken, 0);
    grove_release(waiting);
}

/* ---- killing ---------------------------------------------------------------- */

/* Ignores as many kills as arg says. */
static int stubborn(void *arg)
{
    for (intptr_t told = 0; told <= (intptr_t)arg;)
        told += grove_sleep(3600 * GROVE_SECOND) == -ECANCELED;
    ended++;
    return -ECANCELED;
}

static void a_kill_is_repeated_until_all_have_ended(void **state)
{
    begin(0, false);
    for (intptr_t i = 0; i < 4; i++)
        assert_int_equal(
            grove_group_spawn(&group, NULL, stubborn, (void *)(i % 3)), 0);
    grove_yield();
    assert_int_equal(grove_group_kill_until(&group, 0), -ETIMEDOUT);
    assert_int_equal(grove_group_kill(&group), 0);
    assert_int_equal(ended, 4);
    assert_int_equal(spawn(0), -ESHUTDOWN);
    assert_int_equal(grove_group_end(&group), 0);
}

static int cancel_own(void *arg)
{
    assert(grove_group_end(&group) == -EDEADLK);
    assert(grove_group_kill(&group) == -EDEADLK);
    assert(grove_group_join(&group) == -EDEADLK);
    grove_group_cancel(&group);
    ended++;
    return grove_sleep(3600 * GROVE_SECOND); /* told as the others */
}

static void a_member_may_cancel_the_group_but_not_end_it(void **state)
{
    begin(0, false);
    assert_int_equal(spawn(0), 0);
    assert_int_equal(grove_group_spawn(&group, NULL, cancel_own, NULL), 0);
    assert_int_equal(spawn(0), 0); /* never runs */
    assert_int_equal(grove_group_end(&group), 0);
    assert_int_equal(began, 1);
    assert_int_equal(ended, 2);
}

/* What the owner does in its scope, and what the end of it returned. */
static int end_result, after;

static void *own(void *arg)
{
    grove_group g;
    grove_group_begin(&g, NULL);
    for (intptr_t i = 0; i < 3; i++)
        grove_group_spawn(&g, NULL, stubborn, (void *)i);
    end_result = grove_group_end(&g);
    assert(ended == 3 && g.taken == 0);
    after = grove_sleep(0);
    return NULL;
}

static void a_killed_owner_leaves_nobody(void **state)
{
    for (int kills = 1; kills <= 2; kills++) {
        grove_fiber *f;
        reset(state);
        assert_int_equal(grove_spawn(&f, own, NULL), 0);
        grove_yield();
        grove_yield();
        for (int i = 0; i < kills; i++) {
            grove_kill(f);
            grove_yield();
            grove_yield();
        }
        assert_int_equal(grove_join(f, NULL), 0);
        assert_int_equal(end_result, -ECANCELED);
        /* A second kill came while it waited for them. */
        assert_int_equal(after, kills == 2 ? -ECANCELED : 0);
        grove_release(f);
    }
}

/* Killing the group was ended early: its end, or a join, kills on. */
static void a_killed_group_is_killed_until_its_end(void **state)
{
    for (int joined = 0; joined < 2; joined++) {
        begin(0, false);
        for (intptr_t i = 0; i < 3; i++)
            assert_int_equal(
                grove_group_spawn(&group, NULL, stubborn, (void *)(i + 1)), 0);
        grove_yield();
        assert_int_equal(grove_group_kill_until(&group, 0), -ETIMEDOUT);
        assert_int_equal(grove_group_count(&group), 3);
        if (joined)
            assert_int_equal(grove_group_join(&group), 0);
        assert_int_equal(grove_group_end(&group), 0);
        assert_int_equal(ended, 3);
        ended = 0;
    }
}

/* Those who wait for the group's end already when it is killed kill on. */
static void a_kill_reaches_those_who_join(void **state)
{
    begin(0, true);
    assert_int_equal(grove_group_spawn(&group, NULL, stubborn, (void *)2), 0);
    assert_int_equal(spawn(-EXDEV), 0);
    grove_event_set(&gate);
    assert_int_equal(grove_group_end(&group), -EXDEV);
    assert_int_equal(ended, 2);
}

static void deadlines_and_scopes_end_a_group(void **state)
{
    grove_timeout t;
    begin(0, false);
    assert_int_equal(spawn(0), 0);
    grove_yield(); /* who has not begun by the deadline never runs */
    assert_int_equal(grove_group_end_until(&group, grove_now() + MS),
                     -ETIMEDOUT);
    assert_int_equal(ended, 1);

    begin(0, false);
    assert_int_equal(grove_group_spawn(&group, NULL, stubborn, (void *)1), 0);
    grove_yield();
    grove_timeout_begin(&t, grove_now() + MS);
    assert_int_equal(grove_group_end(&group), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
    assert_int_equal(ended, 2);

    /* A scope whose deadline is beyond the first round of kills. */
    begin(0, false);
    assert_int_equal(grove_group_spawn(&group, NULL, stubborn, (void *)999), 0);
    grove_yield();
    grove_timeout_begin(&t, grove_now() + 15 * MS);
    assert_int_equal(grove_group_kill(&group), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
    for (int i = 0; i < 1000 && group.count; i++) {
        grove_group_cancel(&group);
        grove_yield();
    }
    assert_int_equal(grove_group_end(&group), 0);
}

static void a_deadlock_ends_a_group(void **state)
{
    begin(0, false);
    assert_int_equal(spawn(0), 0);
    int quiet = open("/dev/null", O_WRONLY), err = dup(STDERR_FILENO);
    dup2(quiet, STDERR_FILENO);
    int r = grove_group_end(&group);
    dup2(err, STDERR_FILENO);
    close(quiet);
    close(err);
    assert_int_equal(r, -EDEADLK);
    assert_int_equal(ended, 1);
}

/* A place is given to a spawner and it is killed, or times out, before its
 * turn; and the other way round: in either order no place is lost. */
static void no_place_is_lost(void **state)
{
    for (int order = 0; order < 2; order++) {
        grove_fiber *spawner;
        void *value;
        reset(state);
        begin(1, false);
        assert_int_equal(spawn(0), 0);
        assert_int_equal(grove_spawn(&spawner, spawn_one, NULL), 0);
        grove_yield();
        if (order == 0)
            grove_kill(spawner);
        grove_event_set(&gate);
        /* The member runs after the spawner if that was killed first. */
        while (ended == 0)
            grove_yield();
        if (order == 1)
            grove_kill(spawner);
        assert_int_equal(grove_join(spawner, &value), 0);
        assert_int_equal((intptr_t)value, order == 0 ? -ECANCELED : 0);
        assert_int_equal(grove_group_join(&group), 0);
        assert_int_equal(group.taken, 0);
        assert_int_equal(grove_group_tryspawn(&group, NULL, at_gate, NULL), 0);
        assert_int_equal(grove_group_end(&group), 0);
        grove_release(spawner);
    }
}

/* ---- kill_all ---------------------------------------------------------------- */

static void *stubborn_fiber(void *arg)
{
    stubborn(arg);
    return NULL;
}

static void kill_all_kills_again(void **state)
{
    grove_fiber *f[5];
    assert_int_equal(grove_kill_all(NULL, 0), 0);
    for (intptr_t i = 0; i < 4; i++)
        assert_int_equal(grove_spawn(&f[i], stubborn_fiber, (void *)i), 0);
    f[4] = grove_self(); /* left out */
    grove_yield();
    assert_int_equal(grove_kill_all_until(f, 5, 0), -ETIMEDOUT);
    assert_int_equal(grove_kill_all(f, 5), 0);
    assert_int_equal(ended, 4);
    assert_int_equal(grove_kill_all(f, 4), 0); /* they have ended */
    for (int i = 0; i < 4; i++)
        grove_release(f[i]);
}

static void kill_all_of_those_that_never_ran(void **state)
{
    grove_fiber *f[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(grove_spawn(&f[i], stubborn_fiber, NULL), 0);
    assert_int_equal(grove_kill_all(f, 3), 0);
    assert_int_equal(ended, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(grove_result(f[i], NULL), -ECANCELED);
        grove_release(f[i]);
    }
}

struct killer {
    grove_fiber *victim;
    int result;
};

static void *kill_it(void *arg)
{
    struct killer *k = arg;
    k->result = grove_kill_all(&k->victim, 1);
    return NULL;
}

static void who_kills_may_be_killed(void **state)
{
    struct killer k;
    grove_fiber *f;
    assert_int_equal(grove_spawn(&k.victim, stubborn_fiber, (void *)1), 0);
    grove_yield();
    assert_int_equal(grove_spawn(&f, kill_it, &k), 0);
    grove_yield();
    grove_kill(f);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(k.result, -ECANCELED);
    assert_int_equal(grove_kill_all(&k.victim, 1), 0);
    grove_release(f);
    grove_release(k.victim);
}

/* ---- failures, fork ------------------------------------------------------------ */

static void a_spawn_that_fails_takes_no_place(void **state)
{
    begin(1, false);
    grove_event_set(&gate);
    const grove_attr large = {.stack_size = 8 << 20}; /* none is pooled */
    group.attr.fiber = &large;
    int failed = 0;
    for (int nth = 1;; nth++) {
        fault_arm_for_good(MEMORY, nth, ENOMEM);
        int r = grove_group_tryspawn(&group, NULL, at_gate, NULL);
        bool hit = fault_disarm();
        if (r == 0) {
            assert_int_equal(grove_group_join(&group), 0);
        } else {
            assert_int_equal(r, -ENOMEM);
            failed++;
        }
        assert_int_equal(group.taken, 0);
        if (!hit)
            break;
    }
    assert_true(failed > 0);
    assert_int_equal(grove_group_end(&group), 0);
}

static void a_child_of_fork_has_no_members(void **state)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    begin(2, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(spawn(0), 0);
    grove_yield();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(UNIT_HANG);
        grove_event_set(&gate);
        bool good = grove_group_count(&group) == 0 && spawn(0) == 0 &&
                    spawn(0) == 0 && grove_group_end(&group) == 0 && ended == 2;
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    grove_event_set(&gate);
    assert_int_equal(grove_group_end(&group), 0);
    assert_int_equal(ended, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, nothing_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_are_joined),
        TEST(a_handle_is_as_of_any_fiber),
        TEST(a_full_group_makes_spawns_wait_in_order),
        TEST(a_pool_never_has_more_than_its_limit),
        TEST(the_first_error_is_kept),
        TEST(an_error_may_kill_the_others),
        TEST(those_who_wait_for_a_place_are_told),
        TEST(a_kill_is_repeated_until_all_have_ended),
        TEST(a_member_may_cancel_the_group_but_not_end_it),
        TEST(a_killed_owner_leaves_nobody),
        TEST(a_killed_group_is_killed_until_its_end),
        TEST(a_kill_reaches_those_who_join),
        TEST(deadlines_and_scopes_end_a_group),
        TEST(a_deadlock_ends_a_group),
        TEST(no_place_is_lost),
        TEST(kill_all_kills_again),
        TEST(kill_all_of_those_that_never_ran),
        TEST(who_kills_may_be_killed),
        TEST(a_spawn_that_fails_takes_no_place),
        TEST(a_child_of_fork_has_no_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
