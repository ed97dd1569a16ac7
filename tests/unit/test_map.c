/* Mapping over an array: how many calls at once, in which order the results
 * come, and what ends it early. */
#include "unit.h"

#include <assert.h>

#include "faults.h"
#include "hub/hub.h"
#include "stopped_clock.h"

#define MEMORY \
    (FAULT_malloc | FAULT_calloc | FAULT_realloc | FAULT_posix_memalign | \
     FAULT_mmap64 | FAULT_madvise | FAULT_mprotect)

#define N 10

struct item {
    int wait;   /* milliseconds; -1: until killed */
    int result; /* what its call returns */
    int calls;
    int told; /* what the wait returned */
};

static struct item items[N];
static int running, most, calls;
static int last_call; /* the clock, stopped, goes on with it; 0: with none */

static int call(void *item, void *arg)
{
    struct item *i = item;
    calls++;
    i->calls++;
    running++;
    most = running > most ? running : most;
    int64_t until =
        i->wait < 0 ? GROVE_NEVER : grove_now() + i->wait * GROVE_MILLISECOND;
    if (calls == last_call)
        clock_go_on(0);
    i->told = grove_sleep_until(until);
    running--;
    return i->told < 0 ? i->told : i->result + *(int *)arg;
}

static int zero;

static int reset(void **state)
{
    memset(items, 0, sizeof(items));
    running = most = calls = last_call = zero = 0;
    return 0;
}

static int nothing_left(void **state)
{
    struct hub *hub = hub_self();
    return hub_fibers(hub) == 0 && hub->timers.count == 0 && running == 0 ? 0
                                                                          : -1;
}

static int run(size_t limit, int *results)
{
    return grove_map_run(items, N, sizeof(items[0]), limit, call, &zero,
                         results);
}

static void results_are_in_order(void **state)
{
    int results[N], hundred = 100;
    for (int i = 0; i < N; i++)
        items[i] = (struct item){.wait = N - i, .result = i - 3};
    assert_int_equal(
        grove_map_run(items, N, sizeof(items[0]), 3, call, &hundred, results),
        0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(results[i], 100 + i - 3);
        assert_int_equal(items[i].calls, 1);
    }
    assert_int_equal(most, 3);
}

/* No wait is over before the call of that number has begun its own. */
static void run_at_once(int call_number)
{
    clock_stop();
    last_call = call_number;
}

static void without_a_limit_all_run_at_once(void **state)
{
    for (int i = 0; i < N; i++)
        items[i].wait = 1;
    run_at_once(N);
    assert_int_equal(run(0, NULL), 0);
    assert_int_equal(most, N);
    most = 0;
    run_at_once(2 * N);
    assert_int_equal(run(100, NULL), 0);
    assert_int_equal(most, N);
    most = 0;
    assert_int_equal(run(1, NULL), 0);
    assert_int_equal(most, 1);
    assert_int_equal(calls, 3 * N);
}

static void nothing_to_map_is_done_at_once(void **state)
{
    grove_map m;
    assert_int_equal(grove_map_run(NULL, 0, 8, 3, call, NULL, NULL), 0);
    assert_int_equal(grove_map_begin(&m, NULL, 0, 8, 3, call, NULL), 0);
    assert_int_equal(grove_map_next(&m, NULL, NULL), 0);
    assert_int_equal(grove_map_end(&m), 0);
    assert_int_equal(grove_map_run(items, N, 8, 3, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(grove_map_begin(&m, items, N, 8, 3, NULL, NULL), -EINVAL);
}

static void the_first_error_ends_it(void **state)
{
    for (int i = 0; i < N; i++)
        items[i].wait = i < 2 ? -1 : 0;
    items[4].result = -EIO;
    assert_int_equal(run(3, NULL), -EIO);
    assert_int_equal(items[0].told, -ECANCELED);
    assert_int_equal(items[1].told, -ECANCELED);
    assert_int_equal(calls, 5);

    /* -ECANCELED is as good an error as others here. */
    reset(state);
    items[1].result = -ECANCELED;
    assert_int_equal(run(1, NULL), -ECANCELED);
    assert_int_equal(calls, 2);
}

static void errors_are_results_where_these_are_asked_for(void **state)
{
    int results[N];
    items[4].result = -EIO;
    assert_int_equal(run(3, results), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(results[i], i == 4 ? -EIO : 0);
}

static void a_deadline_ends_it(void **state)
{
    int results[N];
    items[3].wait = items[4].wait = -1;
    last_call = 5;
    clock_stop();
    int r = grove_map_run_until(items, N, sizeof(items[0]), 2, call, &zero,
                                results, grove_now() + 5 * GROVE_MILLISECOND);
    assert_int_equal(r, -ETIMEDOUT);
    for (int i = 0; i < N; i++)
        assert_int_equal(results[i], i < 3 ? 0 : -ECANCELED);
    assert_int_equal(calls, 5);
}

static void *run_in_fiber(void *arg)
{
    return (void *)(intptr_t)run(2, NULL);
}

static void a_kill_of_the_caller_ends_it(void **state)
{
    grove_fiber *f;
    void *value;
    for (int i = 0; i < N; i++)
        items[i].wait = -1;
    assert_int_equal(grove_spawn(&f, run_in_fiber, NULL), 0);
    grove_yield();
    grove_yield();
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, &value), 0);
    assert_int_equal((intptr_t)value, -ECANCELED);
    assert_int_equal(calls, 2);
    grove_release(f);
}

/* ---- as they come ------------------------------------------------------------ */

static int begin(grove_map *m, size_t limit)
{
    return grove_map_begin(m, items, N, sizeof(items[0]), limit, call, &zero);
}

static void results_come_as_they_finish(void **state)
{
    grove_map m;
    size_t index;
    int result;
    for (int i = 0; i < N; i++)
        items[i] = (struct item){.wait = 10 * (N - i), .result = 2 * i};
    last_call = N;
    clock_stop(); /* all begin at the same time */
    assert_int_equal(begin(&m, 0), 0);
    assert_int_equal(grove_map_next_until(&m, NULL, NULL, 0), -ETIMEDOUT);
    for (size_t i = N; i-- > 0;) {
        assert_int_equal(grove_map_next(&m, &index, &result), 1);
        assert_int_equal(index, i);
        assert_int_equal(result, 2 * i);
    }
    assert_int_equal(grove_map_next(&m, &index, &result), 0);
    assert_int_equal(grove_map_next(&m, NULL, NULL), 0);
    assert_int_equal(grove_map_end(&m), 0);
}

static void results_that_nobody_fetches_hold_up_calls(void **state)
{
    grove_map m;
    bool seen[N] = {false};
    size_t index;
    assert_int_equal(begin(&m, 3), 0);
    for (int i = 0; i < 10; i++)
        grove_yield();
    assert_int_equal(calls, 3);
    for (int i = 0; i < N; i++) {
        assert_int_equal(grove_map_next(&m, &index, NULL), 1);
        assert_false(seen[index]);
        seen[index] = true;
        for (int j = 0; j < 10; j++)
            grove_yield();
        assert_int_equal(calls, i + 4 < N ? i + 4 : N);
    }
    assert_int_equal(grove_map_end(&m), 0);
}

static void its_end_stops_the_rest(void **state)
{
    grove_map m;
    items[3].wait = items[5].wait = -1;
    assert_int_equal(begin(&m, 4), 0);
    assert_int_equal(grove_map_next(&m, NULL, NULL), 1);
    assert_int_equal(grove_map_next(&m, NULL, NULL), 1);
    assert_int_equal(grove_map_end(&m), 0);
    assert_int_equal(items[3].told, -ECANCELED);
    assert_uint_in_range(calls, 4, 6);
    assert_int_equal(grove_map_next(&m, NULL, NULL), 0);
    /* Before any has begun. */
    reset(state);
    assert_int_equal(begin(&m, 4), 0);
    assert_int_equal(grove_map_end(&m), 0);
    assert_int_equal(calls, 0);
}

/* Swallows as many kills as `wait` says. */
static int stubborn(void *item, void *arg)
{
    struct item *i = item;
    (void)arg;
    calls++;
    for (int told = 0; told <= i->wait;)
        told += grove_sleep(HANG) == -ECANCELED;
    i->told = -ECANCELED;
    return 0;
}

static int end_result;

static void *end_a_map(void *arg)
{
    grove_map m;
    (void)arg;
    assert(grove_map_begin(&m, items, N, sizeof(items[0]), 2, stubborn, NULL) ==
           0);
    grove_yield();
    end_result = grove_map_end(&m);
    assert(items[0].told == -ECANCELED && items[1].told == -ECANCELED);
    return NULL;
}

static void a_caller_killed_in_its_end_waits_for_the_calls(void **state)
{
    grove_fiber *f;
    items[0].wait = items[1].wait = 3;
    assert_int_equal(grove_spawn(&f, end_a_map, NULL), 0);
    for (int i = 0; i < 3; i++)
        grove_yield();
    assert_int_equal(calls, 2);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(end_result, -ECANCELED);
    assert_int_equal(calls, 2);
    grove_release(f);
}

/* ---- failures ------------------------------------------------------------------ */

static void without_memory_nothing_is_called(void **state)
{
    size_t size = grove_stack_size_default();
    assert_int_equal(grove_stack_size_set_default(8 << 20), 0);
    int failed = 0;
    for (int nth = 1;; nth++) {
        reset(state);
        fault_arm_for_good(MEMORY, nth, ENOMEM);
        int r = run(0, NULL);
        bool hit = fault_disarm();
        assert_true(r == 0 || r == -ENOMEM);
        assert_int_equal(calls, r == 0 ? N : 0);
        assert_int_equal(hub_fibers(hub_self()), 0);
        failed += r != 0;
        if (!hit)
            break;
    }
    assert_true(failed > 0);
    assert_int_equal(grove_stack_size_set_default(size), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, nothing_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(results_are_in_order),
        TEST(without_a_limit_all_run_at_once),
        TEST(nothing_to_map_is_done_at_once),
        TEST(the_first_error_ends_it),
        TEST(errors_are_results_where_these_are_asked_for),
        TEST(a_deadline_ends_it),
        TEST(a_kill_of_the_caller_ends_it),
        TEST(results_come_as_they_finish),
        TEST(results_that_nobody_fetches_hold_up_calls),
        TEST(its_end_stops_the_rest),
        TEST(a_caller_killed_in_its_end_waits_for_the_calls),
        TEST(without_memory_nothing_is_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
