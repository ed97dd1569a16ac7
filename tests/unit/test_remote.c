/* Hubs from outside: what happens to posts, spawns and calls while they live,
 * as they end, and afterwards. */
#include "unit.h"

#include <pthread.h>

#include "grove.h"
#include "hub/hub.h"
#include "turns.h"

/* A thread with a hub that serves until it is told to end. */
struct server {
    pthread_t thread;
    grove_hub *hub; /* retained */
    grove_event ready, end;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    s->hub = grove_hub_retain(grove_hub_self());
    grove_event_set(&s->ready);
    grove_event_wait(&s->end);
    return NULL;
}

static void start(struct server *s)
{
    grove_event_init(&s->ready);
    grove_event_init(&s->end);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    assert_int_equal(grove_event_wait(&s->ready), 0);
}

static void end(struct server *s)
{
    grove_event_set(&s->end);
    pthread_join(s->thread, NULL);
}

static void ignore(grove_post *post)
{
    (void)post;
}

static void *own_thread(void *arg)
{
    (void)arg;
    return (void *)pthread_self();
}

/* ---- life ------------------------------------------------------------------ */

static void a_hub_that_has_ended_says_so(void **state)
{
    (void)state;
    struct server s;
    start(&s);
    end(&s);
    grove_post post = {.fn = ignore};
    void *value = &s;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(grove_hub_post(s.hub, &post), -ESRCH);
        assert_int_equal(post.posted, 0);
        assert_int_equal(grove_hub_spawn(s.hub, own_thread, NULL), -ESRCH);
        assert_int_equal(grove_hub_call(s.hub, own_thread, NULL, &value),
                         -ESRCH);
        assert_null(value);
    }
    grove_hub_release(s.hub);
    grove_hub_release(NULL);
}

static void bad_arguments(void **state)
{
    (void)state;
    grove_hub *hub = grove_hub_self();
    assert_int_equal(grove_hub_spawn(hub, NULL, NULL), -EINVAL);
    assert_int_equal(grove_hub_call(hub, NULL, NULL, NULL), -EINVAL);
}

static _Atomic bool racing;

static void *post_while_alive(void *arg)
{
    grove_hub *hub = arg;
    grove_post post = {.fn = ignore};
    int r;
    racing = true;
    while ((r = grove_hub_post(hub, &post)) >= 0)
        ;
    /* The last one may have been taken and never been called. */
    return (void *)(intptr_t)(r == -ESRCH && !post.posted);
}

static void a_hub_ends_while_others_post(void **state)
{
    (void)state;
    for (size_t i = 0; i < unit_scale(100, 20); i++) {
        struct server s;
        pthread_t poster;
        void *good;
        start(&s);
        racing = false;
        pthread_create(&poster, NULL, post_while_alive, s.hub);
        while (!racing)
            sched_yield();
        end(&s);
        pthread_join(poster, &good);
        assert_non_null(good);
        grove_hub_release(s.hub);
    }
}

/* ---- spawn ------------------------------------------------------------------- */

static grove_channel *answers;

static void *send_number(void *arg)
{
    intptr_t number = (intptr_t)arg;
    grove_channel_send(answers, &number);
    return NULL;
}

static void *spawn_from_a_plain_thread(void *arg)
{
    for (intptr_t i = 0; i < 100; i++)
        grove_hub_spawn(arg, send_number, (void *)i);
    return (void *)(intptr_t)(hub_of_thread == NULL);
}

static void fibers_are_spawned_in_order(void **state)
{
    (void)state;
    struct server s;
    pthread_t t;
    void *plain;
    start(&s);
    assert_int_equal(grove_channel_create(&answers, sizeof(intptr_t), 0), 0);
    pthread_create(&t, NULL, spawn_from_a_plain_thread, s.hub);
    for (intptr_t i = 0; i < 100; i++) {
        intptr_t number;
        assert_int_equal(grove_channel_recv(answers, &number), 0);
        assert_int_equal(number, i);
    }
    pthread_join(t, &plain);
    assert_non_null(plain);
    end(&s);
    grove_channel_release(answers);
    grove_hub_release(s.hub);
}

/* ---- call ---------------------------------------------------------------------- */

static void *twice(void *arg)
{
    *(int *)arg *= 2; /* the caller's stack */
    grove_yield();
    return arg;
}

static void a_call_brings_the_value(void **state)
{
    (void)state;
    struct server s;
    void *value;
    start(&s);
    for (int i = 0; i < 100; i++) {
        int n = i;
        assert_int_equal(grove_hub_call(s.hub, twice, &n, &value), 0);
        assert_ptr_equal(value, &n);
        assert_int_equal(n, 2 * i);
    }
    assert_int_equal(grove_hub_call(s.hub, own_thread, NULL, &value), 0);
    assert_true((pthread_t)value == s.thread);
    assert_int_equal(grove_hub_call(s.hub, own_thread, NULL, NULL), 0);
    /* And on the own hub. */
    assert_int_equal(grove_hub_call(grove_hub_self(), own_thread, NULL, &value),
                     0);
    assert_true((pthread_t)value == pthread_self());
    end(&s);
    grove_hub_release(s.hub);
}

struct slow {
    grove_event begun;
    int waited; /* what the wait returned */
    bool ignores;
    int swallows; /* so many kills */
};

static void *wait_long(void *arg)
{
    struct slow *slow = arg;
    grove_event_set(&slow->begun);
    slow->waited = grove_sleep(100 * GROVE_SECOND);
    if (slow->ignores)
        grove_sleep(GROVE_MILLISECOND);
    for (int told = 0; told < slow->swallows;)
        told += grove_sleep(100 * GROVE_SECOND) == -ECANCELED;
    return arg;
}

/* The call's fiber, unless it never began. */
static void ends_at_its_deadline(struct server *s, struct slow *slow)
{
    void *value;
    int64_t soon = grove_now() + 5 * GROVE_MILLISECOND;
    assert_int_equal(
        grove_hub_call_until(s->hub, wait_long, slow, &value, soon),
        -ETIMEDOUT);
    assert_true(value == NULL || slow->waited == -ECANCELED);
}

static void a_deadline_ends_the_other_fiber(void **state)
{
    (void)state;
    struct server s;
    start(&s);
    for (int ignores = 0; ignores < 2; ignores++) {
        struct slow slow = {.begun = GROVE_EVENT_INIT, .ignores = ignores};
        ends_at_its_deadline(&s, &slow);
    }
    end(&s);
    grove_hub_release(s.hub);
}

struct caller {
    grove_hub *hub;
    struct slow slow;
    void *value;
    int result;
};

static void *call_slow(void *arg)
{
    struct caller *c = arg;
    c->result = grove_hub_call(c->hub, wait_long, &c->slow, &c->value);
    return NULL;
}

static void a_kill_ends_the_other_fiber(void **state)
{
    (void)state;
    struct server s;
    start(&s);
    struct caller c = {.hub = s.hub, .slow.begun = GROVE_EVENT_INIT};
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, call_slow, &c), 0);
    assert_int_equal(grove_event_wait(&c.slow.begun), 0);
    grove_kill(f);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_int_equal(c.result, -ECANCELED);
    assert_ptr_equal(c.value, &c.slow);
    assert_int_equal(c.slow.waited, -ECANCELED);
    end(&s);
    grove_hub_release(s.hub);
}

static void one_that_swallows_kills_is_killed_until_it_ends(void **state)
{
    (void)state;
    struct server s;
    start(&s);
    struct slow slow = {.begun = GROVE_EVENT_INIT, .swallows = 2};
    ends_at_its_deadline(&s, &slow);
    end(&s);
    grove_hub_release(s.hub);
}

static void a_kill_before_the_call_keeps_it_from_running(void **state)
{
    (void)state;
    grove_hub *hub = grove_hub_self();
    struct caller c = {.hub = hub, .slow.begun = GROVE_EVENT_INIT};
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, call_slow, &c), 0);
    no_look();
    grove_yield(); /* the request is under way */
    grove_kill(f);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_int_equal(c.result, -ECANCELED);
    assert_null(c.value);
    assert_false(grove_event_is_set(&c.slow.begun));
}

/* A hub that ends with a call unfinished, or one that has not arrived. */
static void a_hub_ends_during_a_call(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct server s;
        start(&s);
        struct caller c = {.hub = s.hub, .slow.begun = GROVE_EVENT_INIT};
        grove_fiber *f;
        assert_int_equal(grove_spawn(&f, call_slow, &c), 0);
        grove_yield();
        if (i % 2)
            assert_int_equal(grove_event_wait(&c.slow.begun), 0);
        end(&s);
        assert_int_equal(grove_join(f, NULL), 0);
        grove_release(f);
        assert_int_equal(c.result, -ESRCH);
        assert_null(c.value);
        grove_hub_release(s.hub);
    }
}

/* The caller's thread ends while its fiber waits for a call. */
static void *leave_a_caller(void *arg)
{
    struct caller *c = arg;
    grove_fiber *f;
    grove_spawn(&f, call_slow, c);
    grove_event_wait(&c->slow.begun);
    return NULL;
}

static void a_caller_ends_during_a_call(void **state)
{
    (void)state;
    struct server s;
    start(&s);
    static struct caller c;
    c = (struct caller){.hub = s.hub, .slow.begun = GROVE_EVENT_INIT};
    pthread_t t;
    pthread_create(&t, NULL, leave_a_caller, &c);
    pthread_join(t, NULL);
    end(&s); /* the answer finds nobody */
    grove_hub_release(s.hub);
}

/* ---- fork -------------------------------------------------------------------- */

static grove_hub *dead_hub;

static void *fork_here(void *arg)
{
    (void)arg;
    pid_t pid = fork();
    if (pid == 0) {
        grove_post post = {.fn = ignore};
        alarm(UNIT_HANG);
        _exit(grove_hub_post(dead_hub, &post) == -ESRCH &&
                      grove_hub_call(dead_hub, own_thread, NULL, NULL) ==
                          -ESRCH &&
                      grove_hub_call(grove_hub_self(), own_thread, NULL,
                                     NULL) == 0
                  ? 0
                  : 1);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return (void *)(intptr_t)status;
}

static void in_a_child_only_the_own_hub_lives(void **state)
{
    (void)state;
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    struct server s;
    void *status;
    start(&s);
    dead_hub = s.hub;
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, fork_here, NULL), 0);
    assert_int_equal(grove_join(f, &status), 0);
    grove_release(f);
    assert_int_equal((intptr_t)status, 0);
    end(&s);
    grove_hub_release(s.hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hub_that_has_ended_says_so),
        cmocka_unit_test(bad_arguments),
        cmocka_unit_test(a_hub_ends_while_others_post),
        cmocka_unit_test(fibers_are_spawned_in_order),
        cmocka_unit_test(a_call_brings_the_value),
        cmocka_unit_test(a_deadline_ends_the_other_fiber),
        cmocka_unit_test(a_kill_ends_the_other_fiber),
        cmocka_unit_test(one_that_swallows_kills_is_killed_until_it_ends),
        cmocka_unit_test(a_kill_before_the_call_keeps_it_from_running),
        cmocka_unit_test(a_hub_ends_during_a_call),
        cmocka_unit_test(a_caller_ends_during_a_call),
        cmocka_unit_test(in_a_child_only_the_own_hub_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
