/* Conditions, read-write locks and semaphores among the fibers of one thread:
 * who goes on, in which order, and who is let through by one that gives up. */
#include <fcntl.h>

#include "fiber_calls.h"

#include "hub/hub.h"
#include "stopped_clock.h"
#include "turns.h"

static grove_mutex mutex;
static grove_condition condition;
static grove_rwlock rwlock;
static grove_semaphore semaphore;

static int reset(void **state)
{
    grove_mutex_init(&mutex);
    grove_condition_init(&condition);
    grove_rwlock_init(&rwlock);
    grove_semaphore_init(&semaphore, 0);
    finished_calls = 0;
    return 0;
}

static ssize_t posix(int r)
{
    errno = -r;
    return r < 0 ? -1 : r;
}

/* Silences the report of a deadlock. */
static int quietly(int (*fn)(void))
{
    int quiet = open("/dev/null", O_WRONLY), err = dup(STDERR_FILENO);
    dup2(quiet, STDERR_FILENO);
    int r = fn();
    dup2(err, STDERR_FILENO);
    close(quiet);
    close(err);
    return r;
}

/* ---- condition ----------------------------------------------------------- */

/* more: how often it locks the mutex. The result is negative too when it is
 * not held as before. */
static ssize_t make_wait(struct call *c)
{
    int locks = c->more ? *(int *)c->more : 1;
    for (int i = 0; i < locks; i++)
        grove_mutex_lock(&mutex);
    int r = c->deadline == GROVE_NEVER
                ? grove_condition_wait(&condition, &mutex)
                : grove_condition_wait_until(&condition, &mutex, c->deadline);
    for (int i = 0; i < locks; i++) {
        if (grove_mutex_unlock(&mutex) != 0)
            return posix(-EIO);
    }
    return grove_mutex_unlock(&mutex) == -EPERM ? posix(r) : posix(-EIO);
}

static struct call condition_call(void)
{
    return (struct call){.make = make_wait, .name = "condition"};
}

static void a_signal_wakes_the_first_a_broadcast_all(void **state)
{
    struct call c[5];
    grove_condition zero = GROVE_CONDITION_INIT;
    grove_condition_signal(&zero); /* nobody: not kept */
    grove_condition_signal(&condition);
    for (int i = 0; i < 5; i++) {
        c[i] = condition_call();
        start_parked(&c[i]);
    }
    for (int i = 0; i < 2; i++) {
        grove_condition_signal(&condition);
        let_all_run();
        assert_int_equal(finished_calls, i + 1);
    }
    grove_condition_broadcast(&condition);
    for (int i = 0; i < 5; i++) {
        expect_result(&c[i], 0);
        assert_int_equal(c[i].order, i + 1);
    }
    assert_int_equal(mutex.hold.owner, 0);
}

static void the_mutex_must_be_held(void **state)
{
    assert_int_equal(grove_condition_wait(&condition, &mutex), -EPERM);
    assert_null(condition.waiters.first);
}

static void it_is_held_again_however_the_wait_ended(void **state)
{
    /* Killed, timed out, or woken, while another fiber has the mutex. */
    for (int how = 0; how < 4; how++) {
        struct call c = condition_call();
        clock_stop();
        if (how == 1)
            c.deadline = grove_now() + MS;
        call_start(&c);
        assert_int_equal(grove_mutex_lock(&mutex), 0);
        if (how == 0)
            grove_kill(c.fiber);
        if (how == 2 || how == 3)
            grove_condition_signal(&condition);
        clock_go_on(0);
        if (how == 1)
            grove_sleep_until(c.deadline + MS);
        else
            grove_yield();
        expect_parked(&c);
        if (how == 3) { /* woken, and killed while it waits for the mutex */
            grove_kill(c.fiber);
            grove_yield();
            expect_parked(&c);
        }
        grove_mutex_unlock(&mutex);
        if (how < 2)
            expect_error(&c, how == 0 ? ECANCELED : ETIMEDOUT);
        else
            expect_result(&c, 0);
        assert_int_equal(mutex.hold.owner, 0);
    }
}

static void a_recursive_mutex_is_given_up_wholly(void **state)
{
    int locks = 3;
    struct call c = condition_call();
    grove_mutex_init_recursive(&mutex);
    c.more = &locks;
    call_start(&c);
    assert_int_equal(grove_mutex_trylock(&mutex), 0);
    grove_condition_signal(&condition);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    expect_result(&c, 0);
    assert_int_equal(mutex.hold.owner, 0);
}

static void *lock_and_wait(void *event)
{
    grove_mutex_lock(&mutex);
    grove_event_wait(event);
    grove_mutex_unlock(&mutex);
    return event;
}

static int wait_in_vain(void)
{
    int r = grove_mutex_lock(&mutex);
    return r < 0 ? r : grove_condition_wait(&condition, &mutex);
}

static void a_mutex_that_nobody_unlocks_is_told_apart(void **state)
{
    grove_fiber *f;
    grove_event let_go = GROVE_EVENT_INIT;
    assert_int_equal(quietly(wait_in_vain), -EDEADLK);
    assert_int_equal(grove_mutex_unlock(&mutex), 0); /* held again */
    assert_int_equal(grove_spawn(&f, lock_and_wait, &let_go), 0);
    assert_int_equal(quietly(wait_in_vain), -ENOTRECOVERABLE);
    assert_int_equal(grove_mutex_unlock(&mutex), -EPERM);
    grove_event_set(&let_go);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

/* ---- read-write lock ------------------------------------------------------ */

static grove_event let_go = GROVE_EVENT_INIT;

/* flags: 'r' or 'w'. Holds it until let_go. */
static ssize_t make_hold(struct call *c)
{
    int r = c->flags == 'r' ? grove_rwlock_rdlock_until(&rwlock, c->deadline)
                            : grove_rwlock_wrlock_until(&rwlock, c->deadline);
    if (r < 0)
        return posix(r);
    c->buf[strlen(c->buf)] = (char)c->flags;
    grove_event_wait(&let_go);
    return posix(grove_rwlock_unlock(&rwlock));
}

/* Ends with it. */
static ssize_t make_end(struct call *c)
{
    int r = grove_rwlock_wrlock(&rwlock);
    if (r == 0)
        grove_event_wait(&let_go);
    return posix(r);
}

static void start_all(struct call *c, const char *kinds, char *trace)
{
    memset(trace, 0, 16);
    grove_event_clear(&let_go);
    for (int i = 0; kinds[i]; i++) {
        c[i] = (struct call){.make = make_hold,
                             .name = "rwlock",
                             .flags = kinds[i],
                             .buf = trace};
        call_start(&c[i]);
    }
}

static void finish_all(struct call *c, int n)
{
    grove_event_set(&let_go);
    for (int i = 0; i < n; i++)
        expect_result(&c[i], 0);
    assert_int_equal(rwlock.hold.owner, 0);
    assert_int_equal(rwlock.readers, 0);
    assert_null(rwlock.waiters.first);
}

static void readers_share_writers_do_not(void **state)
{
    struct call c[8];
    char trace[16];
    start_all(c, "rrwrrww", trace);
    /* Those behind the writer wait, though readers have it: no starvation. */
    assert_string_equal(trace, "rr");
    assert_int_equal(grove_rwlock_tryrdlock(&rwlock), -EBUSY);
    assert_int_equal(grove_rwlock_trywrlock(&rwlock), -EBUSY);
    finish_all(c, 7);
    assert_string_equal(trace, "rrwrrww");
}

static void a_writer_excludes_all(void **state)
{
    grove_rwlock l = GROVE_RWLOCK_INIT;
    assert_int_equal(grove_rwlock_unlock(&l), -EPERM);
    assert_int_equal(grove_rwlock_trywrlock(&l), 0);
    assert_int_equal(grove_rwlock_wrlock(&l), -EDEADLK);
    assert_int_equal(grove_rwlock_rdlock(&l), -EDEADLK);
    assert_int_equal(grove_rwlock_tryrdlock(&l), -EDEADLK);
    assert_int_equal(grove_rwlock_unlock(&l), 0);
    assert_int_equal(grove_rwlock_tryrdlock(&l), 0);
    assert_int_equal(grove_rwlock_rdlock(&l), 0);
    assert_int_equal(grove_rwlock_trywrlock(&l), -EBUSY);
    assert_int_equal(grove_rwlock_wrlock_until(&l, 0), -ETIMEDOUT);
    assert_int_equal(grove_rwlock_unlock(&l), 0);
    assert_int_equal(grove_rwlock_unlock(&l), 0);
    assert_int_equal(grove_rwlock_unlock(&l), -EPERM);

    struct call c[1];
    char trace[16];
    start_all(c, "w", trace);
    assert_int_equal(grove_rwlock_unlock(&rwlock), -EPERM);
    finish_all(c, 1);
}

/* The writer that readers stand behind gives up: they are let through. */
static void a_writer_that_gives_up_lets_readers_through(void **state)
{
    struct call c[4];
    char trace[16];
    start_all(c, "rwrr", trace);
    assert_string_equal(trace, "r");
    grove_kill(c[1].fiber);
    expect_error(&c[1], ECANCELED);
    grove_yield();
    assert_string_equal(trace, "rrr");
    c[1] = c[3];
    finish_all(c, 3);
}

static void *write_and_end(void *l)
{
    return (void *)(intptr_t)grove_rwlock_wrlock(l);
}

static void *read_and_end(void *l)
{
    return (void *)(intptr_t)grove_rwlock_rdlock(l);
}

static void in_fiber(void *(*fn)(void *), void *arg)
{
    grove_fiber *f;
    void *value;
    assert_int_equal(grove_spawn(&f, fn, arg), 0);
    assert_int_equal(grove_join(f, &value), 0);
    assert_null(value);
    grove_release(f);
}

/* Whatever the next wanted, it has the lock alone. */
static void who_comes_after_a_writer_puts_it_in_order(void **state)
{
    int (*const locks[])(grove_rwlock *) = {
        grove_rwlock_rdlock, grove_rwlock_wrlock, grove_rwlock_tryrdlock,
        grove_rwlock_trywrlock};
    assert_int_equal(grove_rwlock_consistent(&rwlock), -EINVAL);
    for (int i = 0; i < 4; i++) {
        in_fiber(write_and_end, &rwlock);
        assert_int_equal(grove_rwlock_unlock(&rwlock), -EPERM);
        assert_int_equal(grove_rwlock_consistent(&rwlock), -EINVAL);
        assert_int_equal(locks[i](&rwlock), -EOWNERDEAD);
        assert_int_equal(grove_rwlock_tryrdlock(&rwlock), -EDEADLK);
        assert_int_equal(grove_rwlock_consistent(&rwlock), 0);
        assert_int_equal(grove_rwlock_consistent(&rwlock), -EINVAL);
        assert_int_equal(grove_rwlock_unlock(&rwlock), 0);
        assert_int_equal(grove_rwlock_rdlock(&rwlock), 0);
        assert_int_equal(grove_rwlock_consistent(&rwlock), -EINVAL);
        assert_int_equal(grove_rwlock_unlock(&rwlock), 0);
    }
}

/* Those who wait, each in turn, end with it as well; the one who unlocks it as
 * it is leaves it of no use, to those who wait, too. */
static void those_who_wait_for_a_writer_that_ends_are_told(void **state)
{
    struct call c[5];
    char trace[16];
    start_all(c, "wrw", trace);
    grove_kill(c[0].fiber); /* it unlocks: nothing is wrong */
    expect_result(&c[0], 0);
    grove_event_set(&let_go);
    expect_result(&c[1], 0);
    expect_result(&c[2], 0);

    in_fiber(write_and_end, &rwlock);
    assert_int_equal(grove_rwlock_rdlock(&rwlock), -EOWNERDEAD);
    start_all(c, "rwr", trace);
    assert_int_equal(grove_rwlock_unlock(&rwlock), 0);
    for (int i = 0; i < 3; i++)
        expect_error(&c[i], ENOTRECOVERABLE);
    assert_int_equal(grove_rwlock_rdlock(&rwlock), -ENOTRECOVERABLE);
    assert_int_equal(grove_rwlock_trywrlock(&rwlock), -ENOTRECOVERABLE);
    assert_int_equal(grove_rwlock_unlock(&rwlock), -EPERM);
    assert_int_equal(grove_rwlock_consistent(&rwlock), -EINVAL);
    grove_rwlock_init(&rwlock);
    assert_int_equal(grove_rwlock_wrlock(&rwlock), 0);
    start_all(c, "rr", trace);
    struct call last = {.make = make_end, .name = "rwlock"};
    assert_int_equal(grove_rwlock_unlock(&rwlock), 0);
    finish_all(c, 2);

    /* They take it for an error, and end with it. */
    call_start(&last);
    start_all(c, "rw", trace);
    grove_event_set(&let_go);
    expect_result(&last, 0);
    expect_error(&c[0], EOWNERDEAD);
    expect_error(&c[1], EOWNERDEAD);
    assert_string_equal(trace, "");
    assert_int_equal(grove_rwlock_rdlock(&rwlock), -EOWNERDEAD);
    assert_int_equal(grove_rwlock_consistent(&rwlock), 0);
    assert_int_equal(grove_rwlock_unlock(&rwlock), 0);
}

/* A reader has changed nothing; it is not known which it was, either. */
static void a_reader_that_ends_is_still_counted(void **state)
{
    in_fiber(read_and_end, &rwlock);
    assert_int_equal(grove_rwlock_tryrdlock(&rwlock), 0);
    assert_int_equal(grove_rwlock_unlock(&rwlock), 0);
    assert_int_equal(grove_rwlock_trywrlock(&rwlock), -EBUSY);
    assert_int_equal(grove_rwlock_unlock(&rwlock), 0); /* in its place */
    assert_int_equal(grove_rwlock_trywrlock(&rwlock), 0);
    assert_int_equal(grove_rwlock_unlock(&rwlock), 0);
}

/* ---- semaphore ------------------------------------------------------------ */

/* len: how many units. */
static ssize_t make_acquire(struct call *c)
{
    return posix(
        grove_semaphore_acquire_until(&semaphore, c->len, c->deadline));
}

static void acquire(struct call *c, size_t n)
{
    *c = (struct call){.make = make_acquire, .name = "semaphore", .len = n};
    call_start(c);
}

static void units_are_counted(void **state)
{
    grove_semaphore s = GROVE_SEMAPHORE_INIT(3);
    assert_int_equal(grove_semaphore_units(&s), 3);
    assert_int_equal(grove_semaphore_acquire(&s, 2), 0);
    assert_int_equal(grove_semaphore_tryacquire(&s, 2), -EAGAIN);
    assert_int_equal(grove_semaphore_tryacquire(&s, 1), 0);
    assert_int_equal(grove_semaphore_acquire(&s, 0), 0);
    assert_int_equal(grove_semaphore_acquire_until(&s, 1, 0), -ETIMEDOUT);
    assert_int_equal(grove_semaphore_release(&s, SIZE_MAX), 0);
    assert_int_equal(grove_semaphore_release(&s, 1), -EOVERFLOW);
    assert_int_equal(grove_semaphore_units(&s), SIZE_MAX);
    assert_int_equal(grove_semaphore_acquire(&s, SIZE_MAX), 0);
    assert_int_equal(grove_semaphore_units(&s), 0);
}

static void nobody_overtakes_one_who_needs_many(void **state)
{
    struct call c[3];
    acquire(&c[0], 3);
    acquire(&c[1], 1);
    acquire(&c[2], 1);
    grove_semaphore_release(&semaphore, 2);
    grove_yield();
    expect_parked(&c[0]);
    expect_parked(&c[1]);
    assert_int_equal(grove_semaphore_tryacquire(&semaphore, 1), -EAGAIN);
    grove_semaphore_release(&semaphore, 2);
    expect_result(&c[0], 0);
    expect_result(&c[1], 0);
    expect_parked(&c[2]);
    grove_semaphore_release(&semaphore, 1);
    expect_result(&c[2], 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(c[i].order, i + 1);
    assert_int_equal(grove_semaphore_units(&semaphore), 0);
}

static void one_that_gives_up_lets_others_through(void **state)
{
    for (int how = 0; how < 2; how++) {
        struct call c[3];
        reset(state);
        clock_stop();
        c[0] = (struct call){.make = make_acquire,
                             .name = "semaphore",
                             .len = 5,
                             .deadline = how ? grove_now() + MS : 0};
        call_start(&c[0]);
        acquire(&c[1], 1);
        acquire(&c[2], 2);
        grove_semaphore_release(&semaphore, 4);
        grove_yield();
        expect_parked(&c[1]);
        if (how == 0)
            grove_kill(c[0].fiber);
        clock_go_on(MS);
        expect_error(&c[0], how ? ETIMEDOUT : ECANCELED);
        expect_result(&c[1], 0);
        expect_result(&c[2], 0);
        assert_true(c[0].order < c[1].order && c[1].order < c[2].order);
        assert_int_equal(grove_semaphore_units(&semaphore), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_signal_wakes_the_first_a_broadcast_all, reset),
        cmocka_unit_test_setup(the_mutex_must_be_held, reset),
        cmocka_unit_test_setup(it_is_held_again_however_the_wait_ended, reset),
        cmocka_unit_test_setup(a_recursive_mutex_is_given_up_wholly, reset),
        cmocka_unit_test_setup(a_mutex_that_nobody_unlocks_is_told_apart,
                               reset),
        cmocka_unit_test_setup(readers_share_writers_do_not, reset),
        cmocka_unit_test_setup(a_writer_excludes_all, reset),
        cmocka_unit_test_setup(a_writer_that_gives_up_lets_readers_through,
                               reset),
        cmocka_unit_test_setup(who_comes_after_a_writer_puts_it_in_order,
                               reset),
        cmocka_unit_test_setup(those_who_wait_for_a_writer_that_ends_are_told,
                               reset),
        cmocka_unit_test_setup(a_reader_that_ends_is_still_counted, reset),
        cmocka_unit_test_setup(units_are_counted, reset),
        cmocka_unit_test_setup(nobody_overtakes_one_who_needs_many, reset),
        cmocka_unit_test_setup(one_that_gives_up_lets_others_through, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
