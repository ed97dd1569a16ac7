/* Signals as events, and grove_main. */
#include <pthread.h>

#include "hub/hub.h"
#include "unit.h"

static sigset_t set_of(int a, int b)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, a);
    if (b)
        sigaddset(&set, b);
    return set;
}

static void they_come_and_are_taken(void **state)
{
    grove_signals s;
    sigset_t set = set_of(SIGUSR1, SIGHUP);
    assert_int_equal(grove_signals_open(&s, &set), 0);
    raise(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGHUP);
    /* They have come, so a deadline that has passed does not matter; they are
     * told once, the lowest number first. */
    assert_int_equal(grove_signals_wait(&s), SIGHUP);
    assert_int_equal(grove_signals_wait_until(&s, 0), SIGUSR1);
    assert_int_equal(grove_signals_wait_until(&s, grove_now() + MS),
                     -ETIMEDOUT);
    raise(SIGUSR1);
    assert_int_equal(grove_signals_wait(&s), SIGUSR1);
    grove_signals_close(&s);
    grove_signals_close(&s);
}

struct waiter {
    grove_fiber *fiber;
    grove_signals *signals;
    int signum;
};

static void *wait_for_signal(void *arg)
{
    struct waiter *w = arg;
    w->signum = grove_signals_wait(w->signals);
    return NULL;
}

static void start(struct waiter *w, grove_signals *s)
{
    *w = (struct waiter){.signals = s};
    assert_int_equal(grove_spawn(&w->fiber, wait_for_signal, w), 0);
}

static int finish(struct waiter *w)
{
    assert_int_equal(grove_join_until(w->fiber, NULL, grove_now() + HANG), 0);
    grove_release(w->fiber);
    return w->signum;
}

/* The hub sleeps, with nothing else to come, when the signal comes. */
static void fibers_wait_for_them(void **state)
{
    grove_signals a, b;
    struct waiter w[4];
    sigset_t one = set_of(SIGUSR1, 0), two = set_of(SIGUSR1, SIGUSR2);
    assert_int_equal(grove_signals_open(&a, &one), 0);
    assert_int_equal(grove_signals_open(&b, &two), 0);
    start(&w[0], &a);
    start(&w[1], &b);
    start(&w[2], &b);
    start(&w[3], &a);
    grove_yield();
    union sigval value = {0};
    sigqueue(getpid(), SIGUSR1, value);
    assert_int_equal(finish(&w[0]), SIGUSR1);
    assert_int_equal(finish(&w[1]), SIGUSR1);
    sigqueue(getpid(), SIGUSR2, value);
    assert_int_equal(finish(&w[2]), SIGUSR2);
    grove_kill(w[3].fiber);
    assert_int_equal(finish(&w[3]), -ECANCELED);
    grove_signals_close(&a);
    raise(SIGUSR1);
    assert_int_equal(grove_signals_wait(&b), SIGUSR1);
    grove_signals_close(&b);
}

static pthread_barrier_t ready, over;

static void *hub_that_waits(void *arg)
{
    grove_signals s;
    sigset_t set = set_of(SIGUSR1, 0);
    int r = grove_signals_open(&s, &set);
    pthread_barrier_wait(&ready);
    if (r == 0)
        r = grove_signals_wait(&s);
    pthread_barrier_wait(&over);
    if (arg) /* the first leaves it open, and its hub's end closes it */
        grove_signals_close(&s);
    return r == SIGUSR1 ? &ready : NULL;
}

static void every_hub_gets_it(void **state)
{
    pthread_t threads[3];
    grove_signals s;
    sigset_t set = set_of(SIGUSR1, 0);
    assert_int_equal(grove_signals_open(&s, &set), 0);
    for (int round = 0; round < 5; round++) {
        pthread_barrier_init(&ready, NULL, 4);
        pthread_barrier_init(&over, NULL, 4);
        for (intptr_t i = 0; i < 3; i++)
            pthread_create(&threads[i], NULL, hub_that_waits, (void *)i);
        pthread_barrier_wait(&ready);
        kill(getpid(), SIGUSR1);
        assert_int_equal(grove_signals_wait(&s), SIGUSR1);
        pthread_barrier_wait(&over);
        for (int i = 0; i < 3; i++) {
            void *good = NULL;
            pthread_join(threads[i], &good);
            assert_non_null(good);
        }
        kill(getpid(), SIGUSR1); /* to those that are there still */
        assert_int_equal(grove_signals_wait(&s), SIGUSR1);
    }
    grove_signals_close(&s);
}

static volatile sig_atomic_t handled;

static void on_signal(int signum)
{
    handled = signum;
}

static void what_was_before_comes_back(void **state)
{
    grove_signals a, b;
    sigset_t set = set_of(SIGUSR1, 0);
    signal(SIGUSR1, on_signal);
    assert_int_equal(grove_signals_open(&a, &set), 0);
    assert_int_equal(grove_signals_open(&b, &set), 0);
    raise(SIGUSR1);
    grove_signals_close(&a);
    raise(SIGUSR1);
    assert_int_equal(handled, 0);
    grove_signals_close(&b);
    raise(SIGUSR1);
    assert_int_equal(handled, SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
}

static void what_cannot_be_asked_for(void **state)
{
    grove_signals s;
    sigset_t set;
    sigemptyset(&set);
    assert_int_equal(grove_signals_open(&s, &set), -EINVAL);
    set = set_of(SIGUSR1, SIGKILL);
    assert_int_equal(grove_signals_open(&s, &set), -EINVAL);
    struct sigaction action;
    sigaction(SIGUSR1, NULL, &action);
    assert_ptr_equal(action.sa_handler, SIG_DFL);
}

/* ---- fork ---------------------------------------------------------------------- */

static int signal_in_child(void)
{
    grove_signals s;
    sigset_t set = set_of(SIGUSR2, 0);
    CHILD_CHECK(grove_signals_open(&s, &set) == 0);
    raise(SIGUSR2);
    CHILD_CHECK(grove_signals_wait(&s) == SIGUSR2);
    grove_signals_close(&s);
    return 0;
}

static void a_child_waits_for_its_own(void **state)
{
    struct unit_child child;
    grove_signals s;
    sigset_t set = set_of(SIGUSR1, 0);
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    assert_int_equal(grove_signals_open(&s, &set), 0);
    unit_in_child(&child, signal_in_child);
    unit_assert_exit(&child);
    raise(SIGUSR1);
    assert_int_equal(grove_signals_wait(&s), SIGUSR1);
    grove_signals_close(&s);
}

/* ---- grove_main ------------------------------------------------------------------ */

static int body(int argc, char **argv)
{
    if (argc == 3)
        return grove_sleep(1) == 0 && !strcmp(argv[1], "x") ? 7 : 8;
    raise(argc == 1 ? SIGINT : SIGTERM);
    if (grove_sleep(HANG) != -ECANCELED)
        return 1;
    if (grove_sleep(1) != 0) /* it is told once */
        return 2;
    if (argc == 2) {
        raise(SIGTERM);
        grove_sleep(HANG);
    }
    return 0;
}

static int run_main(int argc)
{
    const char *argv[] = {"program", "x", "y", NULL};
    return grove_main(body, argc, (char **)argv);
}

static int returns(void)
{
    return run_main(3);
}

static int is_interrupted(void)
{
    return run_main(1);
}

static int is_ended_by_the_second(void)
{
    return run_main(2);
}

static int ignores(int argc, char **argv)
{
    raise(SIGINT);
    return grove_sleep(MS) == 0 ? 5 : 6;
}

static int ignoring(void)
{
    signal(SIGINT, SIG_IGN);
    return grove_main(ignores, 0, NULL);
}

static void main_ends(void **state)
{
    struct unit_child child;
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    unit_in_child(&child, returns);
    assert_int_equal(WEXITSTATUS(child.status), 7);
    unit_in_child(&child, is_interrupted);
    assert_true(WIFEXITED(child.status));
    assert_int_equal(WEXITSTATUS(child.status), 128 + SIGINT);
    unit_in_child(&child, is_ended_by_the_second);
    assert_true(unit_died_of(&child, SIGTERM));
    unit_in_child(&child, ignoring);
    assert_int_equal(WEXITSTATUS(child.status), 5);
}

/* ---- failures ---------------------------------------------------------------------- */

static int left;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    return left && !--left ? NULL : __real_calloc(n, size);
}

static void no_memory(void **state)
{
    grove_signals s;
    sigset_t set = set_of(SIGUSR1, 0);
    left = 1;
    assert_int_equal(grove_signals_open(&s, &set), -ENOMEM);
    assert_int_equal(left, 0);
    assert_int_equal(grove_signals_open(&s, &set), 0);
    grove_signals_close(&s);
}

int main(void)
{
    grove_hub_self();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_come_and_are_taken),
        cmocka_unit_test(fibers_wait_for_them),
        cmocka_unit_test(every_hub_gets_it),
        cmocka_unit_test(what_was_before_comes_back),
        cmocka_unit_test(what_cannot_be_asked_for),
        cmocka_unit_test(a_child_waits_for_its_own),
        cmocka_unit_test(main_ends),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
