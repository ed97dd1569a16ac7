/*
 * Every primitive between several hubs, a thread each, and threads without a
 * hub; and threads that end while their fibers still wait. Meant for the thread
 * sanitizer above all: what is checked is that nothing is lost, and by it that
 * nothing is touched without its lock.
 */
#include "hub_threads.h"

#include <sched.h>

#include "grove.h"
#include "sync/waiter.h"

#define THREADS 3
#define FIBERS 3
#define ALL (THREADS * FIBERS)

static void *(*body)(void *); /* of the fibers */

static void *run_fibers(void *arg)
{
    return in_fibers(FIBERS, body, arg);
}

/* FIBERS fibers on each of THREADS threads run fn. */
static void run_everywhere(void *(*fn)(void *))
{
    pthread_t threads[THREADS];
    body = fn;
    start_threads(threads, THREADS, run_fibers);
    join_threads(threads, THREADS);
}

static size_t times(void)
{
    return unit_scale(200, 50);
}

/* ---- each primitive --------------------------------------------------------- */

/* A queue of numbers: as many semaphores' units as there are items and places,
 * and a mutex for the rest. Half of the fibers put, half take. */
enum { PLACES = 4 };
static grove_semaphore items, places;
static grove_mutex mutex;
static int put, taken, queue[PLACES], sum;
static _Atomic int roles;

static void *put_or_take(void *arg)
{
    bool putter = roles++ % 2;
    for (size_t i = 0; i < times(); i++) {
        int64_t soon = grove_now() + (int64_t)(i % 30) * GROVE_MICROSECOND;
        grove_semaphore *from = putter ? &places : &items;
        /* Often too impatient, which must take nothing. */
        if (grove_semaphore_acquire_until(from, 1, soon) != 0 &&
            grove_semaphore_acquire(from, 1) != 0)
            return FAILURE("acquire");
        if (grove_mutex_lock(&mutex) != 0)
            return FAILURE("lock");
        if (putter)
            queue[put++ % PLACES] = 1;
        else
            sum += queue[taken++ % PLACES];
        if (put - taken < 0 || put - taken > PLACES)
            return FAILURE("overrun");
        grove_mutex_unlock(&mutex);
        grove_semaphore_release(putter ? &items : &places, 1);
    }
    return NULL;
}

static void semaphores_count_for_all(void **state)
{
    grove_semaphore_init(&items, 0);
    grove_semaphore_init(&places, PLACES);
    roles = 0;
    put = taken = sum = 0;
    /* On two threads: as many that put as that take. */
    pthread_t thread;
    body = put_or_take;
    start_threads(&thread, 1, run_fibers);
    assert_null(run_fibers(NULL));
    join_threads(&thread, 1);
    assert_int_equal(sum, FIBERS * times());
    assert_int_equal(grove_semaphore_units(&places), PLACES);
    assert_int_equal(grove_semaphore_units(&items), 0);
}

static grove_rwlock rwlock;
static int written[2]; /* equal, for who holds it */
static _Atomic size_t writes;

static void *read_or_write(void *arg)
{
    bool writer = roles++ % 3 == 0;
    for (size_t i = 0; i < times(); i++) {
        int64_t soon = grove_now() + (int64_t)(i % 30) * GROVE_MICROSECOND;
        int r = writer ? grove_rwlock_wrlock_until(&rwlock, soon)
                       : grove_rwlock_rdlock_until(&rwlock, soon);
        if (r == -ETIMEDOUT)
            r = writer ? grove_rwlock_wrlock(&rwlock)
                       : grove_rwlock_rdlock(&rwlock);
        if (r != 0)
            return FAILURE("lock");
        if (written[0] != written[1])
            return FAILURE("a reader beside a writer");
        if (writer) {
            written[0]++;
            grove_yield();
            written[1]++;
            writes++;
        }
        if (grove_rwlock_unlock(&rwlock) != 0)
            return FAILURE("unlock");
    }
    return NULL;
}

static void rwlocks_exclude_all(void **state)
{
    grove_rwlock_init(&rwlock);
    roles = 0;
    writes = 0;
    written[0] = written[1] = 0;
    run_everywhere(read_or_write);
    assert_int_equal(written[0], (int)writes);
    assert_int_equal(rwlock.readers, 0);
    assert_int_equal(rwlock.hold.owner, 0);
}

/* A token goes round: each waits for its turn. */
static grove_condition turned;
static int turn, turns;

static void *await_turn(void *arg)
{
    int me = roles++;
    for (int round = 0; round < 20; round++) {
        if (grove_mutex_lock(&mutex) != 0)
            return FAILURE("lock");
        while (turn != me) {
            int r = grove_condition_wait(&turned, &mutex);
            if (r != 0)
                return FAILURE("wait");
        }
        turns++;
        turn = (turn + 1) % ALL;
        grove_condition_broadcast(&turned);
        grove_mutex_unlock(&mutex);
    }
    return NULL;
}

static void conditions_wake_all(void **state)
{
    grove_condition_init(&turned);
    grove_mutex_init(&mutex);
    roles = turn = turns = 0;
    run_everywhere(await_turn);
    assert_int_equal(turns, ALL * 20);
}

static grove_barrier barrier;
static _Atomic int arrived, last;

static void *meet(void *arg)
{
    for (int round = 1; round <= 20; round++) {
        arrived++;
        int r = grove_barrier_wait(&barrier);
        if (r < 0 || arrived < round * ALL)
            return FAILURE("too early");
        last += r;
        if (grove_barrier_wait(&barrier) < 0)
            return FAILURE("the second");
    }
    return NULL;
}

static void a_barrier_holds_all(void **state)
{
    grove_barrier_init(&barrier, ALL);
    arrived = last = 0;
    run_everywhere(meet);
    assert_int_equal(last, 20);
}

enum { ONCES = 50 };
static grove_once onces[ONCES];
static int done[ONCES], attempts[ONCES];

static int do_once(void *arg)
{
    int i = (int)(intptr_t)arg;
    grove_yield();
    if (attempts[i]++ < 2)
        return -EIO;
    done[i]++;
    return 0;
}

static void *do_all_once(void *arg)
{
    for (intptr_t i = 0; i < ONCES; i++) {
        int r;
        while ((r = grove_once_run(&onces[i], do_once, (void *)i)) == -EIO)
            ;
        if (r != 0 || done[i] != 1)
            return FAILURE("once");
    }
    return NULL;
}

static void once_is_once_for_all(void **state)
{
    for (int i = 0; i < ONCES; i++)
        grove_once_init(&onces[i]);
    run_everywhere(do_all_once);
}

/* ---- threads without a hub --------------------------------------------------- */

static grove_wait_group work;
static grove_promise *_Atomic promised;
static grove_semaphore units = GROVE_SEMAPHORE_INIT(0);

static void *work_without_a_hub(void *arg)
{
    for (size_t i = 0; i < times(); i++) {
        grove_promise *p;
        while (!(p = atomic_exchange(&promised, NULL)))
            sched_yield();
        if (i % 2)
            grove_promise_set(p, arg);
        else
            grove_promise_fail(p, -EIO);
        grove_semaphore_release(&units, 1);
        grove_wait_group_done(&work);
    }
    return hub_of_thread ? FAILURE("it became a hub") : NULL;
}

/* What is waited for is freed at once. */
static void plain_threads_may_set_and_release(void **state)
{
    pthread_t thread;
    void *value;
    assert_int_equal(grove_wait_group_add(&work, times()), 0);
    assert_int_equal(pthread_create(&thread, NULL, work_without_a_hub, state),
                     0);
    pthread_t same = thread;
    for (size_t i = 0; i < times(); i++) {
        grove_promise *p = malloc(sizeof(*p));
        assert_non_null(p);
        grove_promise_init(p);
        promised = p;
        while (i % 4 < 2 && grove_promise_result(p, NULL) == -EAGAIN)
            ;
        int r = grove_promise_get(p, &value);
        memset(p, 0xff, sizeof(*p));
        free(p);
        assert_int_equal(r, i % 2 ? 0 : -EIO);
        assert_ptr_equal(value, i % 2 ? state : NULL);
    }
    assert_int_equal(grove_wait_group_wait(&work), 0);
    assert_int_equal(grove_semaphore_acquire(&units, times()), 0);
    assert_int_equal(pthread_join(same, &value), 0);
    assert_null(value);
}

/* ---- the end of a thread ------------------------------------------------------ */

static _Atomic int parked;

/* Each waits in something else; its thread does not wait for it. */
static void *wait_for_ever(void *arg)
{
    int what = (int)(intptr_t)arg;
    parked++;
    switch (what) {
    case 0:
        grove_semaphore_acquire(&items, 5);
        break;
    case 1:
        grove_semaphore_acquire(&items, 1);
        break;
    case 2:
        grove_rwlock_wrlock(&rwlock);
        break;
    case 3:
        grove_rwlock_rdlock(&rwlock);
        break;
    case 4:
        grove_barrier_wait(&barrier);
        break;
    case 5:
        grove_wait_group_wait(&work);
        break;
    default:
        if (grove_mutex_lock(&mutex) == 0)
            grove_condition_wait(&turned, &mutex);
    }
    return NULL;
}

static void *park_and_end(void *arg)
{
    for (intptr_t what = 0; what < 7; what++)
        if (grove_spawn(NULL, wait_for_ever, (void *)what) != 0)
            return FAILURE("spawn");
    grove_yield();
    return NULL;
}

static void threads_that_end_leave_nothing_behind(void **state)
{
    for (size_t round = 0; round < unit_scale(200, 30); round++) {
        pthread_t threads[THREADS];
        grove_semaphore_init(&items, 0);
        grove_rwlock_init(&rwlock);
        grove_barrier_init(&barrier, 100);
        grove_wait_group_init(&work);
        grove_condition_init(&turned);
        grove_mutex_init(&mutex);
        grove_wait_group_add(&work, 1);
        assert_int_equal(grove_rwlock_wrlock(&rwlock), 0);
        parked = 0;
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(
                pthread_create(&threads[i], NULL, park_and_end, NULL), 0);
        bool busy = round % 4 != 0; /* give, just as they end */
        while (busy && parked < THREADS * 7)
            sched_yield();
        if (busy) {
            grove_semaphore_release(&items, 3);
            grove_wait_group_done(&work);
            grove_condition_broadcast(&turned);
            grove_rwlock_unlock(&rwlock);
        }
        for (int i = 0; i < THREADS; i++) {
            void *value;
            assert_int_equal(pthread_join(threads[i], &value), 0);
            assert_null(value);
        }
        assert_null(items.waiters.first);
        assert_null(rwlock.waiters.first);
        assert_null(barrier.waiters.first);
        assert_null(work.waiters.first);
        assert_null(turned.waiters.first);
        assert_int_equal(barrier.arrived, 0);
        if (!busy) { /* nobody was handed anything */
            grove_semaphore_release(&items, 3);
            assert_int_equal(grove_semaphore_units(&items), 3);
            assert_int_equal(grove_rwlock_unlock(&rwlock), 0);
            assert_int_equal(grove_rwlock_trywrlock(&rwlock), 0);
        }
    }
}

/* Of two on an ending thread the first stands in the way of the second: with
 * it gone the units are for somebody who lives. */
static void *block_and_end(void *arg)
{
    if (grove_spawn(NULL, wait_for_ever, (void *)0) != 0 ||
        grove_spawn(NULL, wait_for_ever, (void *)1) != 0)
        return FAILURE("spawn");
    grove_yield();
    while (!*(_Atomic bool *)arg)
        sched_yield();
    return NULL;
}

static void *acquire_one(void *arg)
{
    return (void *)(intptr_t)grove_semaphore_acquire(&items, 1);
}

static void what_an_ending_thread_held_up_goes_on(void **state)
{
    pthread_t thread;
    _Atomic bool go = false;
    grove_fiber *f;
    void *value;
    grove_semaphore_init(&items, 0);
    parked = 0;
    assert_int_equal(pthread_create(&thread, NULL, block_and_end, (void *)&go),
                     0);
    while (parked < 2)
        sched_yield();
    bool queued = false;
    while (!queued) {
        waiters_lock(&items.waiters);
        queued = items.waiters.first != items.waiters.last;
        waiters_unlock(&items.waiters);
    }
    assert_int_equal(grove_semaphore_release(&items, 1), 0);
    assert_int_equal(grove_spawn(&f, acquire_one, NULL), 0);
    grove_yield();
    go = true;
    assert_int_equal(grove_join(f, &value), 0);
    assert_null(value);
    grove_release(f);
    assert_int_equal(pthread_join(thread, &value), 0);
    assert_null(value);
    assert_int_equal(grove_semaphore_units(&items), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(semaphores_count_for_all),
        cmocka_unit_test(rwlocks_exclude_all),
        cmocka_unit_test(conditions_wake_all),
        cmocka_unit_test(a_barrier_holds_all),
        cmocka_unit_test(once_is_once_for_all),
        cmocka_unit_test(plain_threads_may_set_and_release),
        cmocka_unit_test(threads_that_end_leave_nothing_behind),
        cmocka_unit_test(what_an_ending_thread_held_up_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
