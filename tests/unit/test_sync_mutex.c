/* Mutexes among the fibers of one thread: who has it, who is next, and what
 * ends the wait for it. */
#include <fcntl.h>
#include <pthread.h>

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
    grove_yield(); /* its call may have given a turn first */
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
    assert_true(zero.hold.owner == initialised.hold.owner &&
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
    assert_int_equal(mutex.hold.owner, 0);
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
    assert_int_equal(mutex.hold.owner, 0);
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
        assert_int_equal(mutex.hold.owner, 0);
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
    assert_int_equal(mutex.hold.owner, 0);
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
    assert_int_equal(mutex.hold.owner, 0);
}

static void waiting_for_one_that_is_never_unlocked_is_a_deadlock(void **state)
{
    struct call c;
    int order;
    hold(&c, &order);
    int quiet = open("/dev/null", O_WRONLY), err = dup(STDERR_FILENO);
    dup2(quiet, STDERR_FILENO);
    int r = grove_mutex_lock(&mutex);
    dup2(err, STDERR_FILENO);
    close(quiet);
    close(err);
    assert_int_equal(r, -EDEADLK);
    assert_null(mutex.waiters.first);
    grove_event_set(&release_it);
    expect_result(&c, 0);
}

/* ---- a holder that ends ----------------------------------------------------- */

static void *lock_and_end(void *m)
{
    return (void *)(intptr_t)grove_mutex_lock(m);
}

static void *call_in_fiber(void *(*fn)(void *), void *arg)
{
    grove_fiber *f;
    void *value;
    assert_int_equal(grove_spawn(&f, fn, arg), 0);
    assert_int_equal(grove_join(f, &value), 0);
    grove_release(f);
    return value;
}

/* Where a fiber stands, and what it is told of a mutex that it does not hold.
 */
struct stranger {
    grove_mutex *mutex;
    grove_rwlock *rwlock;
    grove_fiber *self;
    int locked, unlocked;
};

static void *try_to_unlock(void *arg)
{
    struct stranger *s = arg;
    s->self = grove_self();
    s->unlocked = grove_mutex_unlock(s->mutex);
    s->locked = grove_mutex_trylock(s->mutex);
    return NULL;
}

/* The next fiber has the same stack, and is another one all the same. */
static void a_fiber_in_its_slot_does_not_hold_it(void **state)
{
    struct stranger before = {.mutex = &(grove_mutex)GROVE_MUTEX_INIT};
    struct stranger after = {.mutex = &mutex};
    (void)state;
    grove_mutex_init_recursive(&mutex);
    call_in_fiber(try_to_unlock, &before);
    assert_null(call_in_fiber(lock_and_end, &mutex));
    call_in_fiber(try_to_unlock, &after);
    assert_ptr_equal(before.self, after.self);
    assert_int_equal(after.unlocked, -EPERM);
    assert_int_equal(after.locked, -EOWNERDEAD);
}

static void *write_and_end(void *l)
{
    return (void *)(intptr_t)grove_rwlock_wrlock(l);
}

static void *try_to_unlock_rwlock(void *arg)
{
    struct stranger *s = arg;
    s->unlocked = grove_rwlock_unlock(s->rwlock);
    s->locked = grove_rwlock_trywrlock(s->rwlock);
    return NULL;
}

static void nor_does_it_a_rwlock(void **state)
{
    grove_rwlock rwlock = GROVE_RWLOCK_INIT;
    struct stranger s = {.rwlock = &rwlock};
    (void)state;
    assert_null(call_in_fiber(write_and_end, &rwlock));
    call_in_fiber(try_to_unlock_rwlock, &s);
    assert_int_equal(s.unlocked, -EPERM);
    assert_int_equal(s.locked, -EOWNERDEAD);
}

static void who_comes_after_it_puts_it_in_order(void **state)
{
    (void)state;
    assert_int_equal(grove_mutex_consistent(&mutex), -EINVAL);
    assert_null(call_in_fiber(lock_and_end, &mutex));
    assert_false(grove_mutex_is_locked(&mutex));
    assert_int_equal(grove_mutex_consistent(&mutex), -EINVAL);
    assert_int_equal(grove_mutex_lock_until(&mutex, 0), -EOWNERDEAD);
    assert_true(grove_mutex_is_locked(&mutex));
    assert_int_equal(grove_mutex_lock(&mutex), -EDEADLK);
    assert_int_equal(grove_mutex_consistent(&mutex), 0);
    assert_int_equal(grove_mutex_consistent(&mutex), -EINVAL);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    assert_int_equal(grove_mutex_lock(&mutex), 0);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    /* Again by the same way. */
    assert_null(call_in_fiber(lock_and_end, &mutex));
    assert_int_equal(grove_mutex_trylock(&mutex), -EOWNERDEAD);
    assert_int_equal(grove_mutex_consistent(&mutex), 0);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
}

static void left_in_disorder_it_is_of_no_use(void **state)
{
    struct call c;
    int order;
    (void)state;
    assert_null(call_in_fiber(lock_and_end, &mutex));
    assert_int_equal(grove_mutex_lock(&mutex), -EOWNERDEAD);
    hold(&c, &order); /* waits */
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    expect_error(&c, ENOTRECOVERABLE);
    assert_int_equal(grove_mutex_lock(&mutex), -ENOTRECOVERABLE);
    assert_int_equal(grove_mutex_trylock(&mutex), -ENOTRECOVERABLE);
    assert_int_equal(grove_mutex_unlock(&mutex), -EPERM);
    assert_false(grove_mutex_is_locked(&mutex));
    grove_mutex_init(&mutex);
    assert_int_equal(grove_mutex_lock(&mutex), 0);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
}

static void *lock_wait_and_end(void *event)
{
    grove_mutex_lock(&mutex);
    grove_event_wait(event);
    return NULL;
}

static void those_who_wait_are_told(void **state)
{
    grove_fiber *holder;
    struct call first, second;
    int order[2];
    (void)state;
    grove_event end = GROVE_EVENT_INIT;
    assert_int_equal(grove_spawn(&holder, lock_wait_and_end, &end), 0);
    while (!grove_mutex_is_locked(&mutex))
        grove_yield();
    hold(&first, &order[0]);
    hold(&second, &order[1]);
    grove_event_set(&end);
    assert_int_equal(grove_join(holder, NULL), 0);
    grove_release(holder);
    /* They take it for an error, hold it, and end so. */
    expect_error(&first, EOWNERDEAD);
    expect_error(&second, EOWNERDEAD);
    assert_int_equal(grove_mutex_lock(&mutex), -EOWNERDEAD);
    assert_int_equal(grove_mutex_consistent(&mutex), 0);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
}

/* Several at once, unlocked in any order, one in memory that is used otherwise
 * when it ends. */
struct several {
    grove_mutex m[4];
    grove_rwlock l[2];
};

static void *lock_several(void *arg)
{
    struct several *s = arg;
    grove_mutex *m = s->m;
    for (int i = 0; i < 4; i++) {
        if (grove_mutex_lock(&m[i]) < 0)
            return arg;
        if (i < 2 && grove_rwlock_wrlock(&s->l[i]) < 0)
            return arg;
    }
    grove_rwlock_unlock(&s->l[0]);
    grove_mutex_unlock(&m[1]);
    grove_mutex_unlock(&m[3]);
    return NULL;
}

static void *unlock_at_its_end(void *arg)
{
    if (grove_defer((void (*)(void *))(uintptr_t)grove_mutex_unlock, arg) < 0)
        return arg;
    return (void *)(intptr_t)grove_mutex_lock(arg);
}

static void each_that_it_holds_is_told_of(void **state)
{
    struct several s = {.m = {{.depth = 0}}};
    grove_mutex *m = s.m;
    (void)state;
    assert_null(call_in_fiber(lock_several, &s));
    assert_int_equal(grove_rwlock_trywrlock(&s.l[0]), 0);
    assert_int_equal(grove_rwlock_trywrlock(&s.l[1]), -EOWNERDEAD);
    for (int i = 0; i < 2; i++)
        assert_int_equal(grove_rwlock_unlock(&s.l[i]), 0);
    for (int i = 0; i < 4; i++) {
        int r = grove_mutex_lock(&m[i]);
        assert_int_equal(r, i % 2 ? 0 : -EOWNERDEAD);
        assert_int_equal(grove_mutex_consistent(&m[i]), i % 2 ? -EINVAL : 0);
        assert_int_equal(grove_mutex_unlock(&m[i]), 0);
    }
    /* What it does at its end counts. */
    assert_null(call_in_fiber(unlock_at_its_end, &mutex));
    assert_int_equal(grove_mutex_lock(&mutex), 0);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
}

static void *wait_in_condition(void *condition)
{
    if (grove_mutex_lock(&mutex) < 0)
        return condition;
    int r = grove_condition_wait(condition, &mutex);
    grove_mutex_consistent(&mutex);
    grove_mutex_unlock(&mutex);
    return (void *)(intptr_t)r;
}

static void *signal_and_end(void *condition)
{
    grove_mutex_lock(&mutex);
    grove_condition_signal(condition);
    return NULL;
}

static void a_condition_tells_it_too(void **state)
{
    grove_condition condition = GROVE_CONDITION_INIT;
    grove_fiber *f;
    void *value;
    (void)state;
    assert_int_equal(grove_spawn(&f, wait_in_condition, &condition), 0);
    while (!condition.waiters.first)
        grove_yield();
    call_in_fiber(signal_and_end, &condition);
    assert_int_equal(grove_join(f, &value), 0);
    assert_int_equal((intptr_t)value, -EOWNERDEAD);
    grove_release(f);
    assert_false(grove_mutex_is_locked(&mutex));
}

static grove_rwlock written; /* by a thread */

static void *lock_and_leave_fiber(void *arg)
{
    grove_mutex *m = arg;
    grove_fiber *f;
    grove_mutex_lock(&m[0]); /* the thread's own stack */
    grove_rwlock_wrlock(&written);
    grove_spawn(&f, lock_and_end, &m[1]);
    grove_join(f, NULL);
    grove_release(f);
    grove_spawn(NULL, lock_wait_and_end, &release_it); /* `mutex` */
    while (!grove_mutex_is_locked(&mutex))
        grove_yield();
    return NULL;
}

static void a_thread_that_ends_with_it_tells_others(void **state)
{
    grove_mutex m[2] = {GROVE_MUTEX_INIT, GROVE_MUTEX_INIT};
    struct call c;
    pthread_t thread;
    int order;
    (void)state;
    if (unit_slow())
        unit_skip("a fiber that is left at its thread's end would be told as "
                  "a leak; a build without a sanitizer or valgrind runs it");
    assert_int_equal(pthread_create(&thread, NULL, lock_and_leave_fiber, m), 0);
    while (!grove_mutex_is_locked(&mutex) && mutex.hold.owner != 2)
        assert_int_equal(grove_sleep(MS), 0);
    hold(&c, &order);
    pthread_join(thread, NULL);
    expect_error(&c, EOWNERDEAD);
    assert_int_equal(grove_rwlock_rdlock(&written), -EOWNERDEAD);
    assert_int_equal(grove_rwlock_unlock(&written), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(grove_mutex_lock(&m[i]), -EOWNERDEAD);
        assert_int_equal(grove_mutex_consistent(&m[i]), 0);
        assert_int_equal(grove_mutex_unlock(&m[i]), 0);
    }
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
        cmocka_unit_test_setup(a_fiber_in_its_slot_does_not_hold_it, reset),
        cmocka_unit_test_setup(nor_does_it_a_rwlock, reset),
        cmocka_unit_test_setup(who_comes_after_it_puts_it_in_order, reset),
        cmocka_unit_test_setup(left_in_disorder_it_is_of_no_use, reset),
        cmocka_unit_test_setup(those_who_wait_are_told, reset),
        cmocka_unit_test_setup(each_that_it_holds_is_told_of, reset),
        cmocka_unit_test_setup(a_condition_tells_it_too, reset),
        cmocka_unit_test_setup(a_thread_that_ends_with_it_tells_others, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
