/* A hub in another event loop, here poll(2); numbers; all fibers. */
#include "socket_pairs.h"
#include "unit.h"

#include <pthread.h>

#include "hub/hub.h"
#include "stopped_clock.h"
#include "turns.h"

/* ---- another loop ------------------------------------------------------------ */

static int rounds; /* of the other loop */

/* A round of a loop that sleeps in poll(2); what it was told it may sleep. */
static int64_t go_round(void)
{
    grove_hub *hub = grove_hub_self();
    struct pollfd p = {.fd = grove_hub_fd(hub), .events = POLLIN};
    int64_t ns = grove_hub_timeout(hub);
    int limit = ns < 0 ? 10000 : (int)((ns + 999999) / 1000000);
    assert_true(poll(&p, 1, limit) >= 0);
    assert_int_equal(grove_hub_run_due(hub), 0);
    rounds++;
    return ns;
}

static bool ended(grove_fiber *f)
{
    return grove_result(f, NULL) != -EAGAIN;
}

static void run_until_ended(grove_fiber *f)
{
    int64_t hang = grove_now() + HANG;
    while (!ended(f)) {
        go_round();
        assert_true(grove_now() < hang);
    }
    grove_release(f);
}

static void *sleep_twice(void *arg)
{
    int *slept = arg;
    for (int i = 0; i < 2; i++) {
        if (grove_sleep(5 * MS) == 0)
            ++*slept;
    }
    return NULL;
}

static void timers_are_told_of(void **state)
{
    grove_fiber *f;
    int slept = 0;
    clock_stop();
    assert_int_equal(grove_spawn(&f, sleep_twice, &slept), 0);
    assert_int_equal(go_round(), 0); /* there is one that is ready */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(slept, i);
        assert_int_equal(grove_hub_timeout(grove_hub_self()), 5 * MS);
        clock_skip(5 * MS);
        assert_int_equal(go_round(), 0);
    }
    assert_int_equal(slept, 2);
    assert_true(ended(f));
    assert_int_equal(grove_hub_timeout(grove_hub_self()), -1);
    clock_go_on(0);
    grove_release(f);
}

static void timers_are_waited_for(void **state)
{
    grove_fiber *f;
    int slept = 0;
    int64_t begin = grove_now();
    assert_int_equal(grove_spawn(&f, sleep_twice, &slept), 0);
    rounds = 0;
    run_until_ended(f);
    assert_int_equal(slept, 2);
    assert_true(grove_now() - begin >= 10 * MS);
    assert_uint_in_range(rounds, 1, 20); /* it slept in between */
}

static void *read_all(void *arg)
{
    char c;
    int n = 0;
    while (grove_read(*(int *)arg, &c, 1) == 1)
        n++;
    return (void *)(intptr_t)n;
}

static void descriptors_are_waited_for(void **state)
{
    struct pair p = pair_of(TCP);
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, read_all, &p.in), 0);
    go_round();
    go_round();
    assert_int_equal(grove_hub_timeout(grove_hub_self()), -1);
    rounds = 0;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(write(p.out, "x", 1), 1);
        go_round(); /* does not sleep: the descriptor is readable */
    }
    shutdown(p.out, SHUT_WR);
    grove_retain(f);
    run_until_ended(f);
    void *n;
    assert_int_equal(grove_result(f, &n), 0);
    assert_int_equal((intptr_t)n, 5);
    assert_uint_in_range(rounds, 5, 20);
    grove_release(f);
    pair_close(p);
    /* What is left of edges is taken, so that the other loop can sleep. */
    struct pollfd fd = {.fd = grove_hub_fd(grove_hub_self()), .events = POLLIN};
    grove_hub_run_due(grove_hub_self());
    assert_int_equal(poll(&fd, 1, 0), 0);
}

static grove_event posted;

static void set_posted(grove_post *post)
{
    grove_event_set(&posted);
}

static void *post_later(void *arg)
{
    static grove_post post = {.fn = set_posted};
    usleep(3000);
    grove_hub_post(arg, &post);
    return NULL;
}

static void *wait_posted(void *arg)
{
    return (void *)(intptr_t)grove_event_wait(&posted);
}

/* Another thread's post ends the other loop's sleep. */
static void posts_interrupt_the_other_loop(void **state)
{
    for (int i = 0; i < 10; i++) {
        pthread_t t;
        grove_fiber *f;
        grove_event_init(&posted);
        assert_int_equal(grove_spawn(&f, wait_posted, NULL), 0);
        assert_int_equal(pthread_create(&t, NULL, post_later, grove_hub_self()),
                         0);
        rounds = 0;
        run_until_ended(f);
        assert_uint_in_range(rounds, 1, 20);
        pthread_join(t, NULL);
    }
}

/* A callback of the other loop that waits: the fibers go on meanwhile. */
static void a_wait_within_the_other_loop(void **state)
{
    grove_fiber *f;
    int slept = 0;
    assert_int_equal(grove_spawn(&f, sleep_twice, &slept), 0);
    go_round();
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(slept, 2);
    assert_true(ended(f));
    grove_release(f);
}

static void try_within(grove_post *post)
{
    *(int *)(post + 1) = grove_hub_run_due(grove_hub_self());
}

static void not_from_the_hubs_own_stack(void **state)
{
    struct {
        grove_post post;
        int result;
    } p = {.post.fn = try_within};
    grove_hub_post(grove_hub_self(), &p.post);
    grove_hub_run_due(grove_hub_self());
    assert_int_equal(p.result, -EBUSY);
}

/* ---- numbers -------------------------------------------------------------------- */

static void *wait_set(void *e)
{
    grove_event_wait(e);
    return NULL;
}

static void *yield_much(void *arg)
{
    for (int i = 0; i < 1000; i++)
        grove_yield();
    return NULL;
}

static void stats_tell_what_happened(void **state)
{
    grove_hub *hub = grove_hub_self();
    grove_stats before = {0}, now = {0};
    grove_event e = GROVE_EVENT_INIT;
    grove_fiber *fs[4];
    struct pair p = pair_of(TCP);
    grove_hub_stats(hub, &before);
    assert_int_equal(before.live, before.spawned - before.ended);
    for (int i = 0; i < 3; i++)
        assert_int_equal(grove_spawn(&fs[i], wait_set, &e), 0);
    assert_int_equal(grove_spawn(&fs[3], read_all, &p.in), 0);
    grove_hub_stats(hub, &now);
    assert_int_equal(now.spawned, before.spawned + 4);
    assert_int_equal(now.live, before.live + 4);
    assert_int_equal(now.parked, before.parked);
    let_all_run();
    grove_hub_stats(hub, &now);
    assert_int_equal(now.parked, before.parked + 4);
    assert_int_equal(now.descriptors, before.descriptors + 1);
    assert_int_equal(now.ended, before.ended);

    grove_post post = {.fn = set_posted};
    grove_hub_post(hub, &post);
    grove_sleep(MS);
    grove_event_set(&e);
    shutdown(p.out, SHUT_WR);
    grove_join_all(fs, 4, 0);
    for (int i = 0; i < 4; i++)
        grove_release(fs[i]);
    grove_hub_stats(hub, &now);
    assert_int_equal(now.ended, before.ended + 4);
    assert_int_equal(now.live, before.live);
    assert_int_equal(now.parked, before.parked);
    assert_int_equal(now.posts, before.posts + 1);
    assert_int_equal(now.timers, 0);
    assert_int_equal(now.descriptors, 0);
    assert_true(now.polls > before.polls);
    assert_true(now.switches > before.switches);
    assert_true(now.stacks >= 4);

    before = now;
    assert_int_equal(grove_spawn(&fs[0], yield_much, NULL), 0);
    for (int i = 0; i < 1000; i++)
        grove_yield();
    grove_hub_stats(hub, &now);
    /* A thousand there and back; the hub's looks around come on top. */
    assert_uint_in_range(now.switches - before.switches, 2000, 2100);
    grove_join(fs[0], NULL);
    grove_release(fs[0]);
    pair_close(p);
}

/* ---- all fibers -------------------------------------------------------------------- */

struct found {
    int fibers, roots, sleepers, readers, fresh;
    int fd;
    int64_t before, after;
};

static void look(const grove_fiber_info *info, void *arg)
{
    struct found *f = arg;
    f->fibers++;
    f->roots += strcmp(info->name, "main") == 0 && info->id == 1 &&
                strcmp(info->state, "running") == 0 && !info->what &&
                info->fd == -1 && info->since == 0 &&
                info->fiber == grove_self();
    if (strcmp(info->name, "sleeper") == 0)
        f->sleepers += strcmp(info->state, "parked") == 0 &&
                       strcmp(info->what, "sleep") == 0 && info->fd == -1 &&
                       info->since >= f->before && info->since <= f->after;
    if (strcmp(info->name, "reader") == 0)
        f->readers += strcmp(info->what, "read") == 0 && info->fd == f->fd;
    if (strcmp(info->name, "fresh") == 0)
        f->fresh += strcmp(info->state, "new") == 0 && !info->what;
}

static void each_fiber_is_told_of(void **state)
{
    struct pair p = pair_of(TCP);
    grove_fiber *fs[3];
    int slept = 0;
    grove_attr sleeper = {.name = "sleeper"}, reader = {.name = "reader"},
               fresh = {.name = "fresh"};
    struct found found = {.fd = p.in};
    found.before = grove_now() - 100 * MS; /* a clock that is a little behind */
    grove_spawn_with(&fs[0], &sleeper, sleep_twice, &slept);
    grove_spawn_with(&fs[1], &reader, read_all, &p.in);
    let_all_run();
    grove_spawn_with(&fs[2], &fresh, yield_much, NULL);
    found.after = grove_now();
    grove_each_fiber(look, &found);
    assert_int_equal(found.fibers, 4);
    assert_int_equal(found.roots, 1);
    assert_int_equal(found.sleepers, 1);
    assert_int_equal(found.readers, 1);
    assert_int_equal(found.fresh, 1);
    shutdown(p.out, SHUT_WR);
    grove_join_all(fs, 3, 0);
    for (int i = 0; i < 3; i++)
        grove_release(fs[i]);
    pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_are_told_of),
        cmocka_unit_test(timers_are_waited_for),
        cmocka_unit_test(descriptors_are_waited_for),
        cmocka_unit_test(posts_interrupt_the_other_loop),
        cmocka_unit_test(a_wait_within_the_other_loop),
        cmocka_unit_test(not_from_the_hubs_own_stack),
        cmocka_unit_test(stats_tell_what_happened),
        cmocka_unit_test(each_fiber_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
