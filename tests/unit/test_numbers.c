/* grove_each_hub: the numbers of hubs, read by other threads. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "hub/hub.h"
#include "hub/numbers.h"

/* ---- what is told ------------------------------------------------------------ */

#define MOST 8

struct seen {
    grove_hub_info of[MOST];
    size_t count;
};

static void keep(const grove_hub_info *info, void *arg)
{
    struct seen *seen = arg;
    assert_true(seen->count < MOST);
    seen->of[seen->count++] = *info;
}

static struct seen look(void)
{
    struct seen seen = {.count = 0};
    int told = grove_each_hub(keep, &seen);
    assert_int_equal(told, seen.count);
    return seen;
}

static const grove_hub_info *of_hub(const struct seen *seen,
                                    const grove_hub *hub)
{
    for (size_t i = 0; i < seen->count; i++) {
        if (seen->of[i].hub == hub)
            return &seen->of[i];
    }
    return NULL;
}

static uint64_t samples(const grove_hub_info *info)
{
    uint64_t n = 0;
    for (size_t i = 0; i < GROVE_DELAYS; i++)
        n += info->delays[i];
    return n;
}

/* ---- one's own ------------------------------------------------------------------ */

static void *sleep_on(void *arg)
{
    assert_int_equal(grove_sleep_until(GROVE_NEVER - 1), -ECANCELED);
    return arg;
}

static void *identity(void *arg)
{
    return arg;
}

static void the_numbers_of_ones_own_are_of_now(void **state)
{
    (void)state;
    grove_fiber *f;
    grove_hub *self = grove_hub_self();
    struct seen before = look();
    const grove_hub_info *was = of_hub(&before, self);
    int64_t now = grove_now();
    assert_int_equal(grove_spawn(&f, sleep_on, NULL), 0);
    grove_yield();
    void *value;
    assert_int_equal(grove_offload(identity, &value, &value), 0);
    struct seen after = look();
    const grove_hub_info *is = of_hub(&after, self);
    assert_non_null(was);
    assert_non_null(is);
    assert_int_equal(is->size, sizeof(*is));
    assert_int_equal(is->thread, syscall(SYS_gettid));
    assert_true(is->taken >= now && is->taken <= grove_now());
    assert_false(is->asleep);
    assert_int_equal(is->live, was->live + 1);
    assert_int_equal(is->spawned, was->spawned + 1);
    assert_int_equal(is->ended, was->ended);
    assert_int_equal(is->timers, was->timers + 1);
    assert_int_equal(is->offloads, was->offloads + 1);
    assert_true(is->switches > was->switches);
    assert_true(is->polls >= was->polls);
    grove_stats stats = {0};
    grove_hub_stats(self, &stats);
    assert_int_equal(is->switches, stats.switches);
    assert_int_equal(is->polls, stats.polls);
    assert_int_equal(is->posts, stats.posts);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    after = look();
    assert_int_equal(of_hub(&after, self)->ended, was->ended + 1);
}

/* ---- waits ----------------------------------------------------------------------- */

static uint64_t waits(enum grove_wait_kind kind)
{
    struct seen seen = look();
    const grove_hub_info *is = of_hub(&seen, grove_hub_self());
    assert_non_null(is);
    return is->waits[kind];
}

static void *lock_and_unlock(void *arg)
{
    assert_int_equal(grove_mutex_lock(arg), 0);
    assert_int_equal(grove_mutex_unlock(arg), 0);
    return NULL;
}

static void wait_for_a_mutex(void)
{
    grove_mutex mutex;
    grove_fiber *f;
    grove_mutex_init(&mutex);
    assert_int_equal(grove_mutex_lock(&mutex), 0);
    assert_int_equal(grove_spawn(&f, lock_and_unlock, &mutex), 0);
    grove_yield();
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

static void wait_for_a_pipe(void)
{
    struct pollfd in = {.fd = -1, .events = POLLIN};
    int ends[2];
    assert_int_equal(grove_pipe2(ends, 0), 0);
    in.fd = ends[0];
    assert_int_equal(grove_poll_until(&in, 1, grove_now() + 1), 0);
    grove_close(ends[0]);
    grove_close(ends[1]);
}

static void waits_are_counted_by_what_for(void **state)
{
    (void)state;
    uint64_t before[GROVE_WAIT_KINDS];
    for (int kind = 0; kind < GROVE_WAIT_KINDS; kind++)
        before[kind] = waits((enum grove_wait_kind)kind);
    assert_int_equal(grove_sleep(MS), 0);
    assert_int_equal(grove_sleep(MS), 0);
    wait_for_a_mutex();
    wait_for_a_pipe();
    assert_int_equal(grove_offload(identity, NULL, NULL), 0);
    assert_int_equal(waits(GROVE_WAIT_SLEEP), before[GROVE_WAIT_SLEEP] + 2);
    assert_int_equal(waits(GROVE_WAIT_SYNC), before[GROVE_WAIT_SYNC] + 1);
    assert_int_equal(waits(GROVE_WAIT_END), before[GROVE_WAIT_END] + 1);
    assert_int_equal(waits(GROVE_WAIT_DESCRIPTOR),
                     before[GROVE_WAIT_DESCRIPTOR] + 1);
    assert_int_equal(waits(GROVE_WAIT_WORKER), before[GROVE_WAIT_WORKER] + 1);
    assert_int_equal(waits(GROVE_WAIT_NAME), before[GROVE_WAIT_NAME]);
    assert_int_equal(waits(GROVE_WAIT_OTHER), before[GROVE_WAIT_OTHER]);
}

/* ---- the delay ------------------------------------------------------------------- */

static void compute(int64_t ns)
{
    for (int64_t end = grove_now() + ns; grove_now() < end;)
        ;
}

static void *compute_and_yield(void *arg)
{
    for (int i = 0; i < 20; i++) {
        compute(*(int64_t *)arg);
        grove_yield();
    }
    return NULL;
}

/* Two fibers take turns of 2 ms each: who becomes ready waits for both. */
static void a_long_turn_is_a_long_delay(void **state)
{
    (void)state;
    int64_t turn = 2 * MS;
    grove_fiber *f[2];
    struct seen before = look();
    const grove_hub_info *was = of_hub(&before, grove_hub_self());
    for (int i = 0; i < 2; i++)
        assert_int_equal(grove_spawn(&f[i], compute_and_yield, &turn), 0);
    assert_int_equal(grove_join_all(f, 2, 0), 2);
    struct seen after = look();
    const grove_hub_info *is = of_hub(&after, grove_hub_self());
    assert_true(is->delay_longest >= 2 * turn);
    assert_true(is->delay_sum >= was->delay_sum + (uint64_t)turn);
    uint64_t more = 0; /* in classes that begin with 2.1 ms or above */
    for (size_t i = 12; i < GROVE_DELAYS; i++)
        more += is->delays[i] - was->delays[i];
    assert_true(more >= 1 && samples(is) >= samples(was) + more);
    for (int i = 0; i < 2; i++)
        grove_release(f[i]);
}

static void *hold_up(void *arg)
{
    struct timespec length = {.tv_nsec = 60 * MS};
    for (int i = 0; i < 4; i++) {
        grove_sleep(2 * MS);
        nanosleep(&length, NULL);
    }
    grove_sleep(2 * MS);
    return arg;
}

/* One line a second is written at most; all of them are counted, but for the
 * first where the thread had no processor for long before. */
static void stalls_are_counted(void **state)
{
    (void)state;
    grove_stalls before = {.size = sizeof(before)};
    grove_stalls some = {.size = sizeof(some), .limit = 10 * MS};
    assert_int_equal(grove_stalls_get(&before), 0);
    assert_int_equal(grove_stalls_set(&some), 0);
    grove_yield();
    struct seen seen = look();
    uint64_t was = of_hub(&seen, grove_hub_self())->stalls;
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, hold_up, NULL), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_int_equal(grove_stalls_set(&before), 0);
    seen = look();
    assert_true(of_hub(&seen, grove_hub_self())->stalls >= was + 3);
}

/* ---- others' --------------------------------------------------------------------- */

#define HUBS 2
#define ROUNDS 20000

static atomic_bool done;
static atomic_uint looks;

/* A thread that has no hub of its own. */
static void *look_on(void *arg)
{
    struct seen last = {.count = 0};
    while (!atomic_load(&done)) {
        struct seen seen = look();
        assert_null(hub_of_thread);
        for (size_t i = 0; i < seen.count; i++) {
            const grove_hub_info *is = &seen.of[i];
            const grove_hub_info *was = of_hub(&last, is->hub);
            assert_int_equal(is->live, is->spawned - is->ended);
            if (!was || was->thread != is->thread)
                continue;
            assert_true(is->taken >= was->taken);
            assert_true(is->switches >= was->switches);
            assert_true(is->spawned >= was->spawned);
            assert_true(is->polls >= was->polls);
            assert_true(samples(is) >= samples(was));
        }
        last = seen;
        atomic_fetch_add(&looks, 1);
        usleep(100); /* not an event: hubs are to have something to do */
    }
    return arg;
}

static int spawn_many(const grove_crew *crew, void *arg)
{
    (void)arg;
    for (int i = 0; i < (int)unit_scale(ROUNDS, ROUNDS / 20); i++) {
        grove_fiber *f;
        assert_int_equal(grove_spawn(&f, identity, NULL), 0);
        assert_int_equal(grove_join(f, NULL), 0);
        grove_release(f);
        if (i % 100 == (int)crew->index)
            grove_sleep(GROVE_MICROSECOND);
    }
    unsigned before = atomic_load(&looks);
    while (atomic_load(&looks) < before + 2)
        grove_sleep(MS);
    return 0;
}

static void others_read_while_hubs_run(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, look_on, NULL), 0);
    assert_int_equal(grove_hubs(HUBS, spawn_many, NULL), 0);
    atomic_store(&done, true);
    pthread_join(thread, NULL);
    struct seen seen = look();
    assert_int_equal(seen.count, 1); /* those of the crew have gone */
}

/* ---- of a hub that sleeps --------------------------------------------------------- */

struct sleeper {
    grove_hub *_Atomic hub;
    grove_event wake;
};

static void *sleep_there(void *arg)
{
    struct sleeper *s = arg;
    assert_int_equal(grove_spawn(NULL, identity, NULL), 0);
    grove_yield();
    atomic_store(&s->hub, grove_hub_self());
    assert_int_equal(grove_event_wait(&s->wake), 0);
    return NULL;
}

static void before_a_sleep_the_numbers_are_written_down(void **state)
{
    (void)state;
    struct sleeper s = {.wake = GROVE_EVENT_INIT};
    pthread_t thread;
    struct seen seen;
    const grove_hub_info *is = NULL;
    assert_int_equal(pthread_create(&thread, NULL, sleep_there, &s), 0);
    do {
        grove_sleep(MS);
        seen = look();
        is = atomic_load(&s.hub) ? of_hub(&seen, atomic_load(&s.hub)) : NULL;
    } while (!is || !is->asleep || is->ended == 0);
    assert_int_equal(is->spawned, 1);
    assert_int_equal(is->live, 0);
    grove_event_set(&s.wake);
    pthread_join(thread, NULL);
}

/* ---- more than are written down at once -------------------------------------------- */

static atomic_uint running;

static void count(const grove_hub_info *info, void *n)
{
    assert_non_null(info->hub);
    ++*(unsigned *)n;
}

static int wait_for_all(const grove_crew *crew, void *arg)
{
    (void)arg;
    atomic_fetch_add(&running, 1);
    while (atomic_load(&running) < crew->count)
        grove_sleep(MS);
    if (crew->index == 0) {
        unsigned told = 0;
        assert_int_equal(grove_each_hub(count, &told), crew->count + 1);
        assert_int_equal(told, crew->count + 1);
        atomic_fetch_add(&running, 1);
    }
    while (atomic_load(&running) < crew->count + 1)
        grove_sleep(MS);
    return 0;
}

static void many_hubs(void **state)
{
    (void)state;
    assert_int_equal(grove_hubs(40, wait_for_all, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_of_ones_own_are_of_now),
        cmocka_unit_test(waits_are_counted_by_what_for),
        cmocka_unit_test(a_long_turn_is_a_long_delay),
        cmocka_unit_test(stalls_are_counted),
        cmocka_unit_test(others_read_while_hubs_run),
        cmocka_unit_test(before_a_sleep_the_numbers_are_written_down),
        cmocka_unit_test(many_hubs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
