/* Nothing is left that could wake anybody: who is told, and what is printed. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>

#include "grove.h"
#include "hub/hub.h"

static void *forever(void *arg)
{
    return (void *)(intptr_t)(arg ? grove_join(arg, NULL)
                                  : grove_sleep_until(GROVE_NEVER));
}

static void *nap(void *arg)
{
    return grove_sleep(GROVE_MILLISECOND) == 0 ? arg : NULL;
}

static int deadlock_then_work(void)
{
    grove_attr first = {.name = "sleeper"}, second = {.name = "joiner"};
    grove_fiber *a, *b, *f;
    void *value;
    CHILD_CHECK(grove_spawn_with(&a, &first, forever, NULL) == 0);
    CHILD_CHECK(grove_spawn_with(&b, &second, forever, a) == 0);
    CHILD_CHECK(grove_join(b, &value) == -EDEADLK && !value);
    fprintf(stderr, "told once\n");
    /* The hub goes on, and so do they. */
    CHILD_CHECK(grove_spawn(&f, nap, &f) == 0);
    CHILD_CHECK(grove_join(f, &value) == 0 && value == &f);
    CHILD_CHECK(grove_result(a, NULL) == -EAGAIN);
    CHILD_CHECK(grove_kill(a) == 0);
    CHILD_CHECK(grove_join(b, &value) == 0 && value == NULL);
    CHILD_CHECK(grove_join(a, &value) == 0 && value == (void *)-ECANCELED);
    return 0;
}

static void main_is_told_and_the_fibers_are_listed(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, deadlock_then_work);
    unit_assert_exit(&child);
    const char *end = strstr(child.text, "told once");
    assert_non_null(end);
    const char *head = strstr(child.text, "grove: deadlock");
    const char *root = strstr(child.text, "fiber 1 \"main\" parked in join");
    const char *a = strstr(child.text, "\"sleeper\" parked in sleep for ");
    const char *b = strstr(child.text, "\"joiner\" parked in join for ");
    assert_true(head && root && a && b);
    assert_true(head < root && root < a && a < end && b < end);
    assert_null(strstr(end, "deadlock"));
}

static int every_wait_of_main(void)
{
    grove_fiber *f;
    grove_event e = GROVE_EVENT_INIT;
    CHILD_CHECK(grove_spawn(&f, forever, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        CHILD_CHECK(grove_sleep_until(GROVE_NEVER) == -EDEADLK);
        CHILD_CHECK(grove_join(f, NULL) == -EDEADLK);
        CHILD_CHECK(grove_join_all(&f, 1, 1) == -EDEADLK);
        CHILD_CHECK(grove_event_wait(&e) == -EDEADLK);
    }
    CHILD_CHECK(f->links.next == &f->links);
    return 0;
}

static void every_wait_of_main_ends_so(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, every_wait_of_main);
    unit_assert_exit(&child);
}

static struct hub *main_hub; /* of the child that tests it */

/* It sleeps, and so has found that somebody may wake it. */
static void until_main_sleeps(void)
{
    while (!atomic_load(&main_hub->polling))
        sched_yield();
}

static void *work_a_while(void *arg)
{
    until_main_sleeps();
    return arg;
}

static void *offload(void *event)
{
    void *value;
    CHILD_CHECK(grove_offload(work_a_while, event, &value) == 0);
    grove_event_set(value);
    return NULL;
}

/* The workers of offloaded calls are threads, but wake nobody else. */
static int a_deadlock_beside_workers(void)
{
    grove_event e = GROVE_EVENT_INIT;
    grove_mutex m = GROVE_MUTEX_INIT;
    grove_fiber *f;
    main_hub = (struct hub *)grove_hub_self();
    for (int i = 0; i < 3; i++) {
        grove_event_clear(&e);
        CHILD_CHECK(grove_spawn(&f, offload, &e) == 0);
        CHILD_CHECK(grove_event_wait(&e) == 0); /* while one is at work */
        CHILD_CHECK(grove_join(f, NULL) == 0);
        grove_release(f);
        grove_event_clear(&e);
        CHILD_CHECK(grove_event_wait(&e) == -EDEADLK);
    }
    CHILD_CHECK(grove_mutex_lock(&m) == 0);
    CHILD_CHECK(grove_mutex_unlock(&m) == 0);
    return 0;
}

static void workers_are_no_reason_to_wait(void **state)
{
    if (unit_emulated())
        unit_skip("an emulator has threads of its own, which might wake "
                  "somebody; on a machine of this kind it runs");
    (void)state;
    struct unit_child child;
    unit_in_child(&child, a_deadlock_beside_workers);
    unit_assert_exit(&child);
}

static void *set_late(void *event)
{
    until_main_sleeps();
    grove_event_set(event);
    return NULL;
}

/* A thread of the program's is, beside workers too. */
static int no_deadlock_beside_a_thread(void)
{
    grove_event e = GROVE_EVENT_INIT;
    pthread_t thread;
    main_hub = (struct hub *)grove_hub_self();
    CHILD_CHECK(grove_offload(work_a_while, NULL, NULL) == 0);
    CHILD_CHECK(pthread_create(&thread, NULL, set_late, &e) == 0);
    CHILD_CHECK(grove_event_wait(&e) == 0);
    pthread_join(thread, NULL);
    return 0;
}

static void a_thread_is(void **state)
{
    (void)state;
    struct unit_child child;
    unit_in_child(&child, no_deadlock_beside_a_thread);
    unit_assert_exit(&child);
}

static void *end_at_once(void *arg)
{
    return arg;
}

static int come_and_go(const grove_crew *crew, void *arg)
{
    (void)crew, (void)arg;
    return 0;
}

/* Threads that have ended wake nobody, whoever had made them. */
static int a_deadlock_after_threads(void)
{
    grove_event e = GROVE_EVENT_INIT;
    pthread_t thread;
    for (int i = 0; i < 100; i++) {
        CHILD_CHECK(pthread_create(&thread, NULL, end_at_once, NULL) == 0);
        CHILD_CHECK(pthread_join(thread, NULL) == 0);
        CHILD_CHECK(grove_event_wait(&e) == -EDEADLK);
    }
    CHILD_CHECK(grove_hubs(2, come_and_go, NULL) == 0);
    CHILD_CHECK(grove_event_wait(&e) == -EDEADLK);
    return 0;
}

static void threads_that_have_ended_are_not(void **state)
{
    if (unit_emulated())
        unit_skip("an emulator has threads of its own, which might wake "
                  "somebody; on a machine of this kind it runs");
    (void)state;
    struct unit_child child;
    unit_in_child(&child, a_deadlock_after_threads);
    unit_assert_exit(&child);
}

static void a_deadline_is_no_deadlock(void **state)
{
    (void)state;
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, forever, NULL), 0);
    grove_yield(); /* the deadlines may be over before it gets a turn */
    assert_int_equal(grove_join_until(f, NULL, grove_now() + GROVE_MILLISECOND),
                     -ETIMEDOUT);
    grove_timeout t;
    grove_timeout_begin(&t, grove_now() + GROVE_MILLISECOND);
    assert_int_equal(grove_join(f, NULL), -ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(main_is_told_and_the_fibers_are_listed),
        cmocka_unit_test(every_wait_of_main_ends_so),
        cmocka_unit_test(workers_are_no_reason_to_wait),
        cmocka_unit_test(a_thread_is),
        cmocka_unit_test(threads_that_have_ended_are_not),
        cmocka_unit_test(a_deadline_is_no_deadlock),
    };
    if (UNIT_TSAN) /* all of it in forked processes */
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
