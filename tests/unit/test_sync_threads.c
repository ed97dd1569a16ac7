/*
 * Events and mutexes between threads: several hubs, a thread each, and threads
 * without one. What is handed over arrives, whatever else happens to the one
 * that waits at that moment. Meant for the thread sanitizer above all.
 */
#include "hub_threads.h"

#include <sched.h>

#include "grove.h"
#include "sync/waiter.h"

#define THREADS 3
#define FIBERS 4

static pthread_t threads[THREADS];

/* ---- mutual exclusion --------------------------------------------------- */

static grove_mutex mutex;
static int inside; /* the mutex's */
static size_t passes;
static _Atomic size_t timeouts;

static void *lock_often(void *arg)
{
    size_t n = unit_scale(300, 60);
    for (size_t i = 0; i < n; i++) {
        if (grove_mutex_lock(&mutex) != 0 || inside++ != 0)
            return FAILURE("lock");
        passes++;
        if (i % 4 == 0)
            grove_yield();
        inside--;
        if (grove_mutex_unlock(&mutex) != 0)
            return FAILURE("unlock");
        if (i % 8 == 0)
            grove_yield();
    }
    return NULL;
}

/* With deadlines that often pass just as the mutex is handed over. */
static void *lock_impatiently(void *arg)
{
    size_t n = unit_scale(300, 60);
    for (size_t i = 0; i < n; i++) {
        int64_t wait = (int64_t)(i % 40) * GROVE_MICROSECOND;
        int r = grove_mutex_lock_until(&mutex, grove_now() + wait);
        if (r == -ETIMEDOUT) {
            timeouts++;
            grove_yield();
            continue;
        }
        if (r != 0 || inside++ != 0)
            return FAILURE("lock");
        grove_yield();
        inside--;
        if (grove_mutex_unlock(&mutex) != 0)
            return FAILURE("unlock");
    }
    return NULL;
}

static void *thread_locks(void *arg)
{
    return in_fibers(FIBERS, lock_often, NULL);
}

static void *thread_locks_impatiently(void *arg)
{
    return in_fibers(FIBERS, lock_impatiently, NULL);
}

static void a_mutex_excludes_the_fibers_of_all_hubs(void **state)
{
    grove_mutex_init(&mutex);
    passes = 0;
    start_threads(threads, THREADS, thread_locks);
    join_threads(threads, THREADS);
    assert_int_equal(passes, THREADS * FIBERS * unit_scale(300, 60));
    assert_int_equal(mutex.hold.owner, 0);
}

static void it_is_never_lost_to_one_whose_deadline_passes(void **state)
{
    grove_mutex_init(&mutex);
    start_threads(threads, THREADS, thread_locks_impatiently);
    join_threads(threads, THREADS);
    assert_int_equal(mutex.hold.owner, 0);
    assert_null(mutex.waiters.first);
    assert_null(mutex.waiters.last);
}

/* Those who wait are killed over and over, as it is handed to them. */
static _Atomic bool over;

static void *lock_until_killed(void *arg)
{
    intptr_t killed = 0;
    while (!over) {
        int r = grove_mutex_lock(&mutex);
        if (r == -ECANCELED) {
            killed++;
            continue;
        }
        if (r != 0 || inside++ != 0)
            return (void *)-1;
        passes++;
        inside--;
        grove_mutex_unlock(&mutex);
        grove_yield();
    }
    return (void *)killed;
}

static void *thread_kills(void *arg)
{
    grove_fiber *f[FIBERS];
    for (int i = 0; i < FIBERS; i++)
        if (grove_spawn(&f[i], lock_until_killed, NULL) != 0)
            return FAILURE("spawn");
    grove_yield(); /* they run: one that never has would be ended */
    while (!over) {
        for (int i = 0; i < FIBERS; i++)
            grove_kill(f[i]);
        /* Threads that were busy all the time would get the mutex only when
         * their time slice comes. */
        grove_sleep(20 * GROVE_MICROSECOND);
    }
    void *failure = NULL;
    for (int i = 0; i < FIBERS; i++) {
        void *value;
        if (grove_join(f[i], &value) != 0 || value == (void *)-1)
            failure = FAILURE("exclusion");
        grove_release(f[i]);
    }
    return failure;
}

static void it_is_never_lost_to_one_that_is_killed(void **state)
{
    grove_mutex_init(&mutex);
    passes = 0;
    over = false;
    start_threads(threads, THREADS, thread_kills);
    size_t wanted = unit_scale(300, 100);
    for (size_t mine = 0; mine < wanted; mine++) {
        assert_int_equal(grove_mutex_lock(&mutex), 0);
        assert_int_equal(inside++, 0);
        inside--;
        assert_int_equal(grove_mutex_unlock(&mutex), 0);
    }
    over = true;
    join_threads(threads, THREADS);
    assert_int_equal(mutex.hold.owner, 0);
}

/* ---- waking ------------------------------------------------------------- */

#define ROUNDS 300

static grove_event ping[2];

static void *answer(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (grove_event_wait(&ping[1]) != 0)
            return FAILURE("wait");
        grove_event_clear(&ping[1]);
        grove_event_set(&ping[0]);
    }
    return NULL;
}

static void two_hubs_wake_each_other(void **state)
{
    grove_event_init(&ping[0]);
    grove_event_init(&ping[1]);
    start_threads(threads, 1, answer);
    for (int i = 0; i < ROUNDS; i++) {
        grove_event_set(&ping[1]);
        assert_int_equal(grove_event_wait(&ping[0]), 0);
        grove_event_clear(&ping[0]);
    }
    join_threads(threads, 1);
}

static grove_event ready = GROVE_EVENT_INIT;

static void *set_without_a_hub(void *arg)
{
    usleep(1000);
    grove_event_set(&ready);
    return hub_of_thread ? FAILURE("it became a hub") : NULL;
}

static void *wait_ready(void *arg)
{
    return grove_event_wait(&ready) != 0 ? FAILURE("wait") : NULL;
}

static void a_plain_thread_may_set_an_event(void **state)
{
    start_threads(threads, 1, set_without_a_hub);
    /* No deadlock is reported. */
    assert_null(in_fibers(FIBERS, wait_ready, NULL));
    join_threads(threads, 1);
}

/* ---- the waiter's memory ------------------------------------------------- */

static grove_event *_Atomic offered;

/* Sets each event it is given. Who waited frees it at once: nothing may be done
 * to it after it can be seen as set. */
static void *set_offered(void *arg)
{
    for (size_t i = 0; i < unit_scale(2000, 500); i++) {
        grove_event *e;
        while (!(e = atomic_exchange(&offered, NULL)))
            sched_yield();
        grove_event_set(e);
    }
    return NULL;
}

static void an_event_may_be_freed_once_seen_set(void **state)
{
    start_threads(threads, 1, set_offered);
    for (size_t i = 0; i < unit_scale(2000, 500); i++) {
        grove_event *e = malloc(sizeof(*e));
        assert_non_null(e);
        grove_event_init(e);
        offered = e;
        if (i % 3 == 0)
            assert_int_equal(grove_event_wait(e), 0);
        while (!grove_event_is_set(e)) {
            if (i % 3 == 1 && grove_event_wait_until(e, 0) == 0)
                break;
            sched_yield();
        }
        memset(e, 0xff, sizeof(*e)); /* the setter would trip over it */
        free(e);
    }
    join_threads(threads, 1);
}

/* All at the same lock, in every way there is: nobody is left asleep there. */
static void *use_ready(void *arg)
{
    for (size_t i = 0; i < unit_scale(30000, 2000); i++) {
        grove_event_set(&ready);
        if (grove_event_wait_until(&ready, 0) == -ECANCELED)
            return FAILURE("wait");
        grove_event_is_set(&ready);
        grove_event_clear(&ready);
    }
    return NULL;
}

static void nobody_is_left_asleep_at_the_lock(void **state)
{
    start_threads(threads, THREADS, use_ready);
    assert_null(use_ready(NULL));
    join_threads(threads, THREADS);
}

static grove_mutex *_Atomic lent;

static void *unlock_lent(void *arg)
{
    for (size_t i = 0; i < unit_scale(5000, 500); i++) {
        grove_mutex *m = malloc(sizeof(*m));
        grove_mutex_init(m);
        grove_mutex_lock(m);
        lent = m;
        while (!(__atomic_load_n(&m->hold.owner, __ATOMIC_RELAXED) & 1))
            sched_yield();
        grove_mutex_unlock(m); /* with the mark of one that may have left */
        while (lent)
            sched_yield();
    }
    return NULL;
}

static void a_mutex_may_be_freed_by_the_last_to_hold_it(void **state)
{
    start_threads(threads, 1, unlock_lent);
    for (size_t i = 0; i < unit_scale(5000, 500); i++) {
        grove_mutex *m;
        while (!(m = lent))
            sched_yield();
        if (grove_mutex_lock_until(m, 0) != 0) /* marks it and gives up */
            while (grove_mutex_trylock(m) != 0)
                ;
        grove_mutex_unlock(m);
        memset(m, 0xff, sizeof(*m));
        free(m);
        lent = NULL;
    }
    join_threads(threads, 1);
}

/* ---- the end of a thread ------------------------------------------------- */

static grove_event gate;
static _Atomic int parked;

static void *wait_at_gate(void *arg)
{
    parked++;
    grove_event_wait(&gate); /* its thread may end first */
    return NULL;
}

static void *lock_and_leave(void *arg)
{
    parked++;
    if (grove_mutex_lock(&mutex) == 0)
        grove_mutex_unlock(&mutex);
    return NULL;
}

/* Ends with fibers parked, or just being woken. */
static void *park_and_end(void *arg)
{
    for (int i = 0; i < FIBERS; i++)
        if (grove_spawn(NULL, i % 2 ? wait_at_gate : lock_and_leave, NULL) != 0)
            return FAILURE("spawn");
    grove_yield();
    return NULL;
}

static void a_thread_may_end_with_fibers_that_wait(void **state)
{
    for (size_t round = 0; round < unit_scale(300, 40); round++) {
        grove_event_init(&gate);
        grove_mutex_init(&mutex);
        assert_int_equal(grove_mutex_lock(&mutex), 0);
        parked = 0;
        start_threads(threads, THREADS, park_and_end);
        while (parked < THREADS * FIBERS)
            sched_yield();
        for (size_t spin = 0; spin < round % 50 * 20; spin++)
            __asm__ volatile("");
        grove_event_set(&gate);
        /* To one of a thread that ends it may be lost, as POSIX's would. */
        grove_mutex_unlock(&mutex);
        join_threads(threads, THREADS);
        assert_null(gate.waiters.first);
        assert_null(mutex.waiters.first);
        assert_int_equal(grove_event_wait(&gate), 0);
    }
}

static void nobody_is_woken_once_the_thread_has_ended(void **state)
{
    grove_event_init(&gate);
    grove_mutex_init(&mutex);
    assert_int_equal(grove_mutex_lock(&mutex), 0);
    start_threads(threads, THREADS, park_and_end);
    join_threads(threads, THREADS);
    assert_null(gate.waiters.first);
    assert_null(mutex.waiters.first);
    grove_event_set(&gate);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    assert_false(grove_mutex_is_locked(&mutex)); /* nobody to hand it to */
}

/* ---- fork ---------------------------------------------------------------- */

static void *wait_on_and_on(void *arg)
{
    return grove_event_wait(&gate) != 0 ? FAILURE("wait") : NULL;
}

static bool is_queued(grove_waiters *q)
{
    waiters_lock(q);
    bool queued = !waiters_empty(q);
    waiters_unlock(q);
    return queued;
}

/* The other thread's waiter is still queued in the child, where that thread is
 * not: it is passed over. */
static void the_child_of_a_fork_has_no_other_threads(void **state)
{
    grove_fiber *f;
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    grove_event_init(&gate);
    start_threads(threads, 1, wait_on_and_on);
    while (!is_queued(&gate.waiters))
        sched_yield();
    assert_int_equal(grove_spawn(&f, wait_on_and_on, NULL), 0);
    grove_yield();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(UNIT_HANG);
        grove_fiber *own;
        grove_event own_gate = GROVE_EVENT_INIT;
        CHILD_CHECK(grove_result(f, NULL) == -ECANCELED);
        CHILD_CHECK(grove_event_wait_until(&own_gate, grove_now() + 1) < 0);
        CHILD_CHECK(grove_spawn(&own, wait_on_and_on, NULL) == 0);
        grove_yield();
        grove_event_set(&gate);
        CHILD_CHECK(!gate.waiters.first);
        void *value;
        CHILD_CHECK(grove_join(own, &value) == 0 && !value);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    grove_event_set(&gate);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    join_threads(threads, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mutex_excludes_the_fibers_of_all_hubs),
        cmocka_unit_test(it_is_never_lost_to_one_whose_deadline_passes),
        cmocka_unit_test(it_is_never_lost_to_one_that_is_killed),
        cmocka_unit_test(two_hubs_wake_each_other),
        cmocka_unit_test(a_plain_thread_may_set_an_event),
        cmocka_unit_test(an_event_may_be_freed_once_seen_set),
        cmocka_unit_test(nobody_is_left_asleep_at_the_lock),
        cmocka_unit_test(a_mutex_may_be_freed_by_the_last_to_hold_it),
        cmocka_unit_test(a_thread_may_end_with_fibers_that_wait),
        cmocka_unit_test(nobody_is_woken_once_the_thread_has_ended),
        cmocka_unit_test(the_child_of_a_fork_has_no_other_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
