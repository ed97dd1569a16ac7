/* How a hub shares out its thread: order, hand-over, the bound of a pass. */
#include "unit.h"

#include <link.h>
#include <pthread.h>
#include <sys/socket.h>

#include "grove.h"
#include "hub/wait.h"
#include "turns.h"

static char trace[256];
static size_t traced;

static void reset(void)
{
    memset(trace, 0, sizeof(trace));
    traced = 0;
}

static void *trace_thrice(void *arg)
{
    for (int i = 0; i < 3; i++) {
        trace[traced++] = (char)(intptr_t)arg;
        grove_yield();
    }
    return NULL;
}

static void turns_are_taken_in_order(void **state)
{
    (void)state;
    grove_fiber *f[3];
    reset();
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            grove_spawn(&f[i], trace_thrice, (void *)(intptr_t)('a' + i)), 0);
    assert_int_equal(grove_join_all(f, 3, 0), 3);
    assert_string_equal(trace, "abcabcabc");
    for (int i = 0; i < 3; i++)
        grove_release(f[i]);
}

static void *park_and_trace(void *arg)
{
    hub_park(hub_self());
    trace[traced++] = (char)(intptr_t)arg;
    return NULL;
}

static void the_woken_run_in_the_order_of_waking(void **state)
{
    (void)state;
    grove_fiber *f[4];
    static const int order[] = {2, 0, 3, 1};
    reset();
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            grove_spawn(&f[i], park_and_trace, (void *)(intptr_t)('a' + i)), 0);
    grove_yield();
    for (int i = 0; i < 4; i++)
        hub_wake(f[order[i]], 0);
    hub_wake(f[2], 0); /* READY already: nothing */
    assert_int_equal(grove_join_all(f, 4, 0), 4);
    assert_string_equal(trace, "cadb");
    for (int i = 0; i < 4; i++)
        grove_release(f[i]);
}

/* ---- hand-over -------------------------------------------------------------- */

static uint64_t looks_at_the_clock; /* of the loop fiber: its passes */

static void *count_to(void *arg)
{
    for (intptr_t n = (intptr_t)arg; n > 0; n--)
        grove_yield();
    return NULL;
}

/* A pass ends after HUB_PASS switches: the loop fiber runs that rarely. */
static void one_parks_and_the_next_runs_without_the_hub_between(void **state)
{
    (void)state;
    grove_fiber *f[2];
    uint64_t before = hub_self()->switches;
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            grove_spawn(&f[i], count_to, (void *)(intptr_t)(50 * HUB_PASS)), 0);
    assert_int_equal(grove_join_all(f, 2, 0), 2);
    looks_at_the_clock = (hub_self()->switches - before) / HUB_PASS;
    assert_uint_in_range(looks_at_the_clock, 95, 105);
    for (int i = 0; i < 2; i++)
        grove_release(f[i]);
}

/* ---- the bound ---------------------------------------------------------------- */

static bool stop;
static uint64_t turns;

static void *spin(void *arg)
{
    while (!stop) {
        turns++;
        grove_yield();
    }
    return arg;
}

static grove_fiber *spinners[2];

static void start_spinning(void)
{
    stop = false;
    turns = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(grove_spawn(&spinners[i], spin, NULL), 0);
}

static void stop_spinning(void)
{
    stop = true;
    assert_int_equal(grove_join_all(spinners, 2, 0), 2);
    for (int i = 0; i < 2; i++)
        grove_release(spinners[i]);
}

struct waiter {
    int fd;
    int result;
    uint64_t turns;
};

static void *wait_readable(void *arg)
{
    struct waiter *w = arg;
    w->result = hub_wait_fd(hub_self(), w->fd, LOOP_READ, GROVE_NEVER, "test");
    w->turns = turns;
    return NULL;
}

static void a_spinning_pair_does_not_starve_a_descriptor(void **state)
{
    (void)state;
    int s[2];
    grove_fiber *f;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    struct waiter w = {.fd = s[0], .result = 1};
    assert_int_equal(grove_spawn(&f, wait_readable, &w), 0);
    grove_yield();
    start_spinning();
    for (int i = 0; i < 3; i++)
        grove_yield();
    assert_int_equal(write(s[1], "x", 1), 1);
    uint64_t written = turns;
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(w.result, 0);
    assert_true(w.turns - written <= HUB_PASS);
    stop_spinning();
    grove_release(f);
    assert_int_equal(grove_close(s[0]), 0);
    close(s[1]);
}

/* Late by a pass at most: by what the spinners do between two looks. */
static void a_spinning_pair_does_not_starve_a_timer(void **state)
{
    (void)state;
    start_spinning();
    for (int i = 0; i < 20; i++) {
        int64_t until = grove_now() + GROVE_MILLISECOND / 2;
        assert_int_equal(grove_sleep_until(until), 0);
        assert_true(grove_now() >= until);
    }
    stop_spinning();
    assert_true(turns > 20);
}

static void *nothing(void *arg)
{
    return arg;
}

static void *spawn_for_ever(void *arg)
{
    if (!stop)
        assert_int_equal(grove_spawn(NULL, spawn_for_ever, arg), 0);
    turns++;
    return NULL;
}

static void births_count_towards_the_bound(void **state)
{
    (void)state;
    stop = false;
    turns = 0;
    assert_int_equal(grove_spawn(NULL, spawn_for_ever, NULL), 0);
    assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
    stop = true;
    grove_yield();
    assert_true(turns > 1);
}

static void post_again(grove_post *post)
{
    turns++;
    if (!stop)
        grove_hub_post(grove_hub_self(), post);
}

static void callbacks_count_towards_the_bound(void **state)
{
    (void)state;
    grove_post post = {.fn = post_again};
    stop = false;
    turns = 0;
    grove_hub_post(grove_hub_self(), &post);
    assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
    stop = true;
    assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
    assert_true(turns > 0);
    assert_int_equal(post.posted, 0);
}

static void spawn_from_callback(grove_post *post)
{
    (void)post;
    assert_int_equal(grove_spawn(&spinners[0], nothing, &turns), 0);
}

static void a_callback_may_spawn(void **state)
{
    (void)state;
    grove_post post = {.fn = spawn_from_callback};
    void *value;
    spinners[0] = NULL;
    grove_hub_post(grove_hub_self(), &post);
    while (!spinners[0])
        assert_int_equal(grove_sleep(1000), 0);
    assert_int_equal(grove_join(spinners[0], &value), 0);
    assert_ptr_equal(value, &turns);
    grove_release(spinners[0]);
}

/* ---- sleeps -------------------------------------------------------------------- */

static _Atomic int looks; /* for a C++ runtime */

/* clang's ThreadSanitizer, linked into the program, looks as well, before it
 * can take calls of what it has instrumented. */
#if defined(__clang__)
#define BARE __attribute__((disable_sanitizer_instrumentation))
#else
#define BARE
#endif

int __real_dl_iterate_phdr(int (*fn)(struct dl_phdr_info *, size_t, void *),
                           void *arg);
int __wrap_dl_iterate_phdr(int (*fn)(struct dl_phdr_info *, size_t, void *),
                           void *arg);
BARE int __wrap_dl_iterate_phdr(int (*fn)(struct dl_phdr_info *, size_t,
                                          void *),
                                void *arg)
{
    looks++;
    return __real_dl_iterate_phdr(fn, arg);
}

static void *send_back(void *arg)
{
    const int *fds = arg;
    char byte;
    while (read(fds[1], &byte, 1) == 1 && write(fds[1], &byte, 1) == 1)
        ;
    return NULL;
}

/* Each receive waits, with a deadline, for a thread. */
static void short_sleeps_look_for_no_library(void **state)
{
    enum { ROUNDS = 2000 };
    if (GROVE_TURNS_PASSES)
        unit_skip(TURNS_ALWAYS);
    pthread_t thread;
    int fds[2];
    char byte = 0;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(pthread_create(&thread, NULL, send_back, fds), 0);
    int64_t began = grove_now();
    int before = looks;
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(grove_send(fds[0], &byte, 1, 0), 1);
        assert_int_equal(
            grove_recv_until(fds[0], &byte, 1, 0, grove_now() + HANG), 1);
    }
    int64_t most = (grove_now() - began) / (100 * GROVE_MICROSECOND) + 10;
    check(looks - before <= most, "%d looks in %d sleeps, not %d",
          looks - before, ROUNDS, (int)most);
    close(fds[0]);
    pthread_join(thread, NULL);
    close(fds[1]);
}

/* A hub that sleeps has few glances before that; one whose next event is there
 * has one each time, and each finds it. */
static void glances_are_for_who_finds_something(void **state)
{
    (void)state;
    enum { WAITS = 64 };
    int fds[2];
    struct hub *hub = hub_self();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    hub_opened(fds[0]);
    assert_int_equal(hub_wait_fd(hub, fds[0], LOOP_WRITE, GROVE_NEVER, NULL),
                     0);
    hub->glances_off = hub->glances_failed = 0;
    unsigned glances = 0;
    for (int i = 0; i < WAITS; i++) {
        unsigned off = hub->glances_off;
        assert_int_equal(hub_wait_fd(hub, fds[0], LOOP_READ,
                                     grove_now() + GROVE_MILLISECOND / 2, NULL),
                         -ETIMEDOUT);
        glances += hub->glances_off > off; /* in vain: more are left out */
    }
    assert_uint_in_range(glances, 1, 6); /* 1 + 3 + 7 + 15 + 31 are left out */
    for (int i = 0; i < WAITS; i++) {
        assert_int_equal(write(fds[1], "", 1), 1);
        assert_int_equal(hub_wait_fd(hub, fds[0], LOOP_READ, GROVE_NEVER, NULL),
                         0);
    }
    assert_int_equal(hub->glances_off, 0);
    assert_int_equal(hub->glances_failed, 0);
    hub_closing(fds[0]);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_are_taken_in_order),
        cmocka_unit_test(the_woken_run_in_the_order_of_waking),
        cmocka_unit_test(one_parks_and_the_next_runs_without_the_hub_between),
        cmocka_unit_test(a_spinning_pair_does_not_starve_a_descriptor),
        cmocka_unit_test(a_spinning_pair_does_not_starve_a_timer),
        cmocka_unit_test(births_count_towards_the_bound),
        cmocka_unit_test(callbacks_count_towards_the_bound),
        cmocka_unit_test(a_callback_may_spawn),
        cmocka_unit_test(short_sleeps_look_for_no_library),
        cmocka_unit_test(glances_are_for_who_finds_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
