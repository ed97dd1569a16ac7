/* A hub a core: all run, all end, and the first error counts. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>

#include "grove.h"
#include "hub/hub.h"

static _Atomic int ran, killed, cleaned;
static _Atomic unsigned seen;

static int note_index(const grove_crew *crew, void *arg)
{
    ran++;
    seen |= 1u << crew->index;
    if (crew->count != (uintptr_t)arg ||
        crew->hubs[crew->index] != grove_hub_self())
        return -EPROTO;
    for (unsigned i = 0; i < crew->count; i++) {
        if (!crew->hubs[i])
            return -EPROTO;
    }
    return 5; /* no error */
}

static void each_hub_runs_the_function(void **state)
{
    (void)state;
    for (uintptr_t n = 1; n <= 8; n *= 2) {
        ran = 0;
        seen = 0;
        assert_int_equal(grove_hubs((unsigned)n, note_index, (void *)n), 0);
        assert_int_equal(ran, n);
        assert_int_equal(seen, (1u << n) - 1);
    }
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    ran = 0;
    assert_int_equal(
        grove_hubs(0, note_index, (void *)(intptr_t)CPU_COUNT(&set)), 0);
    assert_int_equal(ran, CPU_COUNT(&set));
    assert_int_equal(grove_hubs(1, NULL, NULL), -EINVAL);
}

/* ---- errors, deadlines, kills ---------------------------------------------- */

static void clean(void *arg)
{
    (void)arg;
    cleaned++;
}

static void *sleep_long(void *arg)
{
    grove_defer(clean, NULL);
    if (grove_sleep(100 * GROVE_SECOND) == -ECANCELED)
        killed++;
    return arg;
}

static grove_event all_sleep;

/* The last one fails when the others are asleep; each has a fiber besides. */
static int one_fails(const grove_crew *crew, void *arg)
{
    grove_spawn(NULL, sleep_long, NULL);
    grove_yield();
    if (++ran == (int)crew->count)
        grove_event_set(&all_sleep);
    if (crew->index + 1 < crew->count || !arg) {
        sleep_long(NULL);
        return -ENODEV; /* too late to be the first */
    }
    grove_event_wait(&all_sleep);
    return *(int *)arg;
}

static void reset(void)
{
    ran = killed = cleaned = 0;
    grove_event_init(&all_sleep);
}

static void the_first_error_ends_the_others(void **state)
{
    (void)state;
    int error = -EXDEV;
    reset();
    assert_int_equal(grove_hubs(3, one_fails, &error), -EXDEV);
    assert_int_equal(killed, 3 + 2);
    assert_int_equal(cleaned, 3 + 2);
}

/* Swallows two kills, and so does the fiber that it leaves behind. */
static void *swallow(void *arg)
{
    for (int told = 0; told < 3;)
        told += grove_sleep(100 * GROVE_SECOND) == -ECANCELED;
    killed++;
    return arg;
}

static int one_fails_among_the_stubborn(const grove_crew *crew, void *arg)
{
    (void)arg;
    grove_spawn(NULL, swallow, NULL);
    grove_yield();
    if (++ran == (int)crew->count)
        grove_event_set(&all_sleep);
    if (crew->index == 0) {
        grove_event_wait(&all_sleep);
        return -EXDEV;
    }
    swallow(NULL);
    return 0;
}

static void those_who_swallow_a_kill_are_killed_again(void **state)
{
    (void)state;
    reset();
    assert_int_equal(grove_hubs(3, one_fails_among_the_stubborn, NULL), -EXDEV);
    assert_int_equal(killed, 3 + 2);
}

static void a_deadline_ends_all(void **state)
{
    (void)state;
    reset();
    int64_t soon = grove_now() + 20 * GROVE_MILLISECOND;
    assert_int_equal(grove_hubs_until(3, one_fails, NULL, soon), -ETIMEDOUT);
    assert_int_equal(cleaned, killed);
}

static void *lead(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)grove_hubs(3, one_fails, NULL);
}

static void a_kill_of_the_caller_reaches_all(void **state)
{
    (void)state;
    grove_fiber *f;
    void *value;
    reset();
    assert_int_equal(grove_spawn(&f, lead, NULL), 0);
    assert_int_equal(grove_event_wait(&all_sleep), 0);
    grove_kill(f);
    assert_int_equal(grove_join(f, &value), 0);
    grove_release(f);
    assert_int_equal((intptr_t)value, -ECANCELED);
    assert_int_equal(killed, 6);
    assert_int_equal(cleaned, 6);
}

static _Atomic int served, cut;

static void *serve_a_while(void *arg)
{
    int r = grove_sleep(20 * GROVE_MILLISECOND);
    *(r == 0 ? &served : &cut) += 1;
    grove_event_set(arg);
    return NULL;
}

static void *idle(void *arg)
{
    if (grove_sleep(100 * GROVE_SECOND) == -ECANCELED)
        killed++;
    return arg;
}

/* Ends what it serves when it is killed; another fiber is left behind. */
static int serve_until_killed(const grove_crew *crew, void *arg)
{
    grove_event done = GROVE_EVENT_INIT;
    grove_shield shield;
    (void)arg;
    grove_spawn(NULL, serve_a_while, &done);
    grove_spawn(NULL, idle, NULL);
    grove_yield();
    if (++ran == (int)crew->count)
        grove_event_set(&all_sleep);
    int r = grove_sleep(100 * GROVE_SECOND);
    grove_shield_begin(&shield);
    grove_event_wait(&done);
    grove_shield_end(&shield);
    return r;
}

static void *lead_servers(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)grove_hubs(3, serve_until_killed, NULL);
}

static void a_kill_of_the_caller_lets_functions_end_in_order(void **state)
{
    (void)state;
    grove_fiber *f;
    void *value;
    reset();
    served = cut = 0;
    assert_int_equal(grove_spawn(&f, lead_servers, NULL), 0);
    assert_int_equal(grove_event_wait(&all_sleep), 0);
    grove_kill(f);
    assert_int_equal(grove_join(f, &value), 0);
    grove_release(f);
    assert_int_equal((intptr_t)value, -ECANCELED);
    assert_int_equal(served, 3);
    assert_int_equal(cut, 0);
    assert_int_equal(killed, 3); /* those that nobody waits for */
}

static int ignore_a_kill(const grove_crew *crew, void *arg)
{
    if (++ran == (int)crew->count)
        grove_event_set(&all_sleep);
    swallow(arg);
    return 0;
}

static void *lead_the_stubborn(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)grove_hubs(2, ignore_a_kill, NULL);
}

static void a_second_kill_of_the_caller_kills_until_all_have_ended(void **state)
{
    (void)state;
    grove_fiber *f;
    reset();
    assert_int_equal(grove_spawn(&f, lead_the_stubborn, NULL), 0);
    assert_int_equal(grove_event_wait(&all_sleep), 0);
    grove_kill(f);
    assert_int_equal(grove_join_until(f, NULL, grove_now() + 20 * MS),
                     -ETIMEDOUT);
    grove_kill(f);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_int_equal(killed, 2);
}

static int stop_all(const grove_crew *crew, void *arg)
{
    int r = 0;
    grove_spawn(NULL, sleep_long, NULL);
    if (++ran == (int)crew->count)
        grove_event_set(&all_sleep);
    if (crew->index == 0) {
        grove_event_wait(&all_sleep);
        grove_hubs_stop(crew);
        r = grove_sleep(100 * GROVE_SECOND); /* it reaches us as well */
    } else {
        r = grove_sleep(100 * GROVE_SECOND);
    }
    return r;
}

static void a_stop_is_no_error(void **state)
{
    (void)state;
    reset();
    assert_int_equal(grove_hubs(4, stop_all, NULL), 0);
    assert_int_equal(ran, 4);
}

/* ---- spawning, calling, channels -------------------------------------------- */

static void *late(void *arg)
{
    grove_sleep(2 * GROVE_MILLISECOND);
    ran++;
    return arg;
}

static int spawn_everywhere(const grove_crew *crew, void *arg)
{
    for (unsigned i = 0; crew->index == 0 && i < crew->count; i++) {
        for (int k = 0; k < 100; k++) {
            int r = grove_hub_spawn(crew->hubs[i], late, arg);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

/* Though the functions have returned. */
static void fibers_that_are_left_are_waited_for(void **state)
{
    (void)state;
    reset();
    assert_int_equal(grove_hubs(3, spawn_everywhere, NULL), 0);
    assert_int_equal(ran, 300);
}

static void *index_of(void *arg)
{
    const grove_crew *crew = arg;
    for (unsigned i = 0; i < crew->count; i++) {
        if (crew->hubs[i] == grove_hub_self())
            return (void *)(uintptr_t)(i + 1);
    }
    return NULL;
}

static int call_everywhere(const grove_crew *crew, void *arg)
{
    (void)arg;
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < crew->count; i++) {
            void *value;
            int r =
                grove_hub_call(crew->hubs[i], index_of, (void *)crew, &value);
            if (r < 0)
                return r;
            if ((uintptr_t)value != i + 1)
                return -EPROTO;
        }
    }
    return 0;
}

static void all_call_all(void **state)
{
    (void)state;
    assert_int_equal(grove_hubs(4, call_everywhere, NULL), 0);
}

static grove_channel *stages[4];

/* Each takes from the channel before it, adds one, and passes it on. */
static int stage(const grove_crew *crew, void *arg)
{
    long n;
    grove_channel *in = stages[crew->index], *out = stages[crew->index + 1];
    (void)arg;
    while (grove_channel_recv(in, &n) == 0) {
        n++;
        int r = grove_channel_send(out, &n);
        if (r < 0)
            return r;
    }
    grove_channel_close(out);
    return 0;
}

static void *feed(void *arg)
{
    for (long n = 0; n < (long)arg; n++)
        grove_channel_send(stages[0], &n);
    grove_channel_close(stages[0]);
    return NULL;
}

static void *drain(void *arg)
{
    long n, expected = 3;
    while (grove_channel_recv(stages[3], &n) == 0) {
        if (n != expected++)
            return NULL;
    }
    return (void *)(intptr_t)(expected - 3 == (long)arg);
}

static void a_pipeline_across_hubs(void **state)
{
    (void)state;
    long count = (long)unit_scale(2000, 200);
    grove_fiber *feeder, *drainer;
    void *good;
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            grove_channel_create(&stages[i], sizeof(long), (size_t)i % 3), 0);
    assert_int_equal(grove_spawn(&feeder, feed, (void *)count), 0);
    assert_int_equal(grove_spawn(&drainer, drain, (void *)count), 0);
    assert_int_equal(grove_hubs(3, stage, NULL), 0);
    assert_int_equal(grove_join(feeder, NULL), 0);
    assert_int_equal(grove_join(drainer, &good), 0);
    assert_non_null(good);
    grove_release(feeder);
    grove_release(drainer);
    for (int i = 0; i < 4; i++)
        grove_channel_release(stages[i]);
}

/* ---- a caller that goes -------------------------------------------------------- */

static _Atomic int alive;

static int until_stopped(const grove_crew *crew, void *arg)
{
    (void)crew;
    alive++;
    grove_event_wait(arg);
    alive--;
    return 0;
}

static grove_event go_on;

static void *lead_and_be_left(void *arg)
{
    return (void *)(intptr_t)grove_hubs(2, until_stopped, arg);
}

static void *thread_with_a_leader(void *arg)
{
    grove_fiber *f;
    grove_spawn(&f, lead_and_be_left, arg);
    while (alive < 2)
        grove_sleep(GROVE_MILLISECOND);
    return NULL;
}

/* Its memory is lost then, which is documented; the threads end all the same.
 */
static void the_callers_thread_may_end(void **state)
{
    (void)state;
    if (unit_slow())
        unit_skip("what the test leaves behind on purpose would be told as a "
                  "leak; a build without a sanitizer or valgrind runs it");
    pthread_t t;
    alive = 0;
    grove_event_init(&go_on);
    pthread_create(&t, NULL, thread_with_a_leader, &go_on);
    pthread_join(t, NULL);
    assert_int_equal(alive, 2);
    grove_event_set(&go_on);
    while (alive)
        assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_hub_runs_the_function),
        cmocka_unit_test(the_first_error_ends_the_others),
        cmocka_unit_test(those_who_swallow_a_kill_are_killed_again),
        cmocka_unit_test(a_deadline_ends_all),
        cmocka_unit_test(a_kill_of_the_caller_reaches_all),
        cmocka_unit_test(a_kill_of_the_caller_lets_functions_end_in_order),
        cmocka_unit_test(
            a_second_kill_of_the_caller_kills_until_all_have_ended),
        cmocka_unit_test(a_stop_is_no_error),
        cmocka_unit_test(fibers_that_are_left_are_waited_for),
        cmocka_unit_test(all_call_all),
        cmocka_unit_test(a_pipeline_across_hubs),
        cmocka_unit_test(the_callers_thread_may_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
