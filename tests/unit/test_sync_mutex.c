/* Mutexes among the fibers of one thread: who has it, who is next, and what
 * ends the wait for it. */
#include <fcntl.h>

#include "fiber_calls.h"

#include "hub/hub.h"

static grove_mutex mutex;
static grove_event release_it;

/* Locks, waits to be told, unlocks. */
static ssize_t make_hold(struct call *c)
{
    int r = grove_mutex_lock_until(&mutex, c->deadline);
    if (r == 0) {
        *(int *)c->more = ++finished_calls; /* in which order they had it */
        r = grove_event_wait(&release_it);
        grove_mutex_unlock(&mutex);
    }
    errno = -r;
    return r < 0 ? -1 : 0;
}

static void hold(struct call *c, int *order)
{
    *c = (struct call){.make = make_hold, .name = "mutex", .more = order};
    *order = 0;
    call_start(c);
}

static int reset(void **state)
{
    grove_mutex_init(&mutex);
    grove_event_init(&release_it);
    finished_calls = 0;
    return 0;
}

static void one_fiber_has_it_at_a_time(void **state)
{
    static grove_mutex zero;
    grove_mutex initialised = GROVE_MUTEX_INIT;
    assert_true(zero.owner == initialised.owner &&
                zero.depth == initialised.depth &&
                zero.recursive == initialised.recursive);
    assert_false(grove_mutex_is_locked(&mutex));
    assert_int_equal(grove_mutex_lock(&mutex), 0);
    assert_true(grove_mutex_is_locked(&mutex));
    assert_int_equal(grove_mutex_lock(&mutex), -EDEADLK);
    assert_int_equal(grove_mutex_trylock(&mutex), -EDEADLK);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    assert_int_equal(grove_mutex_unlock(&mutex), -EPERM);
    assert_int_equal(grove_mutex_trylock(&mutex), 0);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    assert_int_equal(grove_mutex_lock_until(&mutex, 0), 0); /* no wait */
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
}

static void others_are_told_that_it_is_held(void **state)
{
    struct call c;
    int order;
    hold(&c, &order);
    assert_int_equal(grove_mutex_trylock(&mutex), -EBUSY);
    assert_int_equal(grove_mutex_unlock(&mutex), -EPERM);
    assert_int_equal(grove_mutex_lock_until(&mutex, 0), -ETIMEDOUT);
    assert_int_equal(grove_mutex_lock_until(&mutex, grove_now() + MS),
                     -ETIMEDOUT);
    grove_event_set(&release_it);
    expect_result(&c, 0);
    assert_int_equal(mutex.owner, 0);
}

static void a_recursive_one_counts(void **state)
{
    grove_mutex_init_recursive(&mutex);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            i ? grove_mutex_trylock(&mutex) : grove_mutex_lock(&mutex), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(grove_mutex_is_locked(&mutex));
        assert_int_equal(grove_mutex_unlock(&mutex), 0);
    }
    assert_false(grove_mutex_is_locked(&mutex));
    assert_int_equal(grove_mutex_unlock(&mutex), -EPERM);
    grove_mutex copy = GROVE_MUTEX_RECURSIVE_INIT;
    grove_mutex_init_recursive(&mutex);
    assert_true(copy.recursive && mutex.recursive);
}

static void it_is_handed_on_in_order(void **state)
{
    struct call c[4];
    int order[4];
    assert_int_equal(grove_mutex_lock(&mutex), 0);
    for (int i = 0; i < 4; i++) {
        hold(&c[i], &order[i]);
        expect_parked(&c[i]);
    }
    grove_event_set(&release_it);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    /* It is the first one's already: nobody overtakes. */
    assert_int_equal(grove_mutex_trylock(&mutex), -EBUSY);
    assert_int_equal(grove_mutex_lock(&mutex), 0); /* after all of them */
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(order[i], 2 * i + 1);
        expect_result(&c[i], 0);
    }
    assert_int_equal(mutex.owner, 0);
}

/* Every subset of four is killed: the rest get it, in order. */
static void those_who_give_up_leave_the_others(void **state)
{
    for (unsigned subset = 0; subset < 16; subset++) {
        struct call c[4];
        int order[4], last = 0;
        reset(state);
        grove_event_set(&release_it);
        assert_int_equal(grove_mutex_lock(&mutex), 0);
        for (unsigned i = 0; i < 4; i++)
            hold(&c[i], &order[i]);
        for (unsigned i = 0; i < 4; i++) {
            if (subset & 1u << i)
                grove_kill(c[i].fiber);
        }
        assert_int_equal(grove_mutex_unlock(&mutex), 0);
        for (unsigned i = 0; i < 4; i++) {
            if (subset & 1u << i) {
                expect_error(&c[i], ECANCELED);
                assert_int_equal(order[i], 0);
            } else {
                expect_result(&c[i], 0);
                assert_true(order[i] > last);
                last = order[i];
            }
        }
        assert_int_equal(mutex.owner, 0);
        assert_null(mutex.waiters.first);
        assert_null(mutex.waiters.last);
    }
}

/* Handed over, and killed before its turn: it has the mutex, and is told at
 * its next wait. */
static void a_kill_after_the_hand_over_is_told_later(void **state)
{
    struct call c;
    int order;
    assert_int_equal(grove_mutex_lock(&mutex), 0);
    hold(&c, &order);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    assert_int_equal(grove_kill(c.fiber), 0);
    expect_error(&c, ECANCELED); /* from the event */
    assert_int_equal(order, 1);
    assert_int_equal(mutex.owner, 0);
}

/* Handed over, and then a host goes to the fiber directly: it has the mutex all
 * the same. */
static ssize_t make_lock_and_return(struct call *c)
{
    ssize_t r = grove_mutex_lock(&mutex);
    hub_wake(&hub_self()->root, 0);
    if (r == 0)
        grove_mutex_unlock(&mutex);
    return r;
}

static void a_transfer_after_the_hand_over_changes_nothing(void **state)
{
    struct call c = {.make = make_lock_and_return, .name = "mutex"};
    struct hub *hub = hub_self();
    assert_int_equal(grove_mutex_lock(&mutex), 0);
    start_parked(&c);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    hub_transfer(hub, hub->current, c.fiber);
    expect_result(&c, 0);
    assert_int_equal(mutex.owner, 0);
}

static ssize_t make_relock(struct call *c)
{
    int r = grove_mutex_lock(&mutex);
    errno = -r;
    return r < 0 ? -1 : 0; /* keeps it */
}

static void waiting_for_one_that_is_never_unlocked_is_a_deadlock(void **state)
{
    struct call c = {.make = make_relock, .name = "mutex"};
    call_start(&c);
    expect_result(&c, 0);
    int quiet = open("/dev/null", O_WRONLY), err = dup(STDERR_FILENO);
    dup2(quiet, STDERR_FILENO);
    int r = grove_mutex_lock(&mutex);
    dup2(err, STDERR_FILENO);
    close(quiet);
    close(err);
    assert_int_equal(r, -EDEADLK);
    assert_null(mutex.waiters.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_fiber_has_it_at_a_time, reset),
        cmocka_unit_test_setup(others_are_told_that_it_is_held, reset),
        cmocka_unit_test_setup(a_recursive_one_counts, reset),
        cmocka_unit_test_setup(it_is_handed_on_in_order, reset),
        cmocka_unit_test_setup(those_who_give_up_leave_the_others, reset),
        cmocka_unit_test_setup(a_kill_after_the_hand_over_is_told_later, reset),
        cmocka_unit_test_setup(a_transfer_after_the_hand_over_changes_nothing,
                               reset),
        cmocka_unit_test_setup(
            waiting_for_one_that_is_never_unlocked_is_a_deadlock, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
