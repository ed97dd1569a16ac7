/* Posts from other threads and from signal handlers. */
#include "unit.h"

#include <pthread.h>
#include <sys/time.h>

#include "grove.h"
#include "hub/mailbox.h"
#include "hub/wait.h"

#define THREADS 4
#define POSTS 500

static grove_hub *hub;

struct numbered_post {
    grove_post post;
    int thread;
    int number;
};

static struct numbered_post posts[THREADS][POSTS];
static int arrived[THREADS];
static int total;
static bool in_order;
static pthread_t posters[THREADS];

static void arrive(grove_post *post)
{
    struct numbered_post *p = container_of(post, struct numbered_post, post);
    in_order = in_order && arrived[p->thread] == p->number &&
               grove_self() == hub_self()->loop_fiber;
    arrived[p->thread]++;
    total++;
}

static void *post_all(void *arg)
{
    struct numbered_post *mine = arg;
    for (int i = 0; i < POSTS; i++) {
        if (grove_hub_post(hub, &mine[i].post) != 1)
            return NULL;
        if (i % 100 == 0) /* let the hub fall asleep */
            usleep(300);
    }
    return arg;
}

static void post_from_threads(void)
{
    hub = grove_hub_self();
    grove_hub_hold(hub);
    memset(arrived, 0, sizeof(arrived));
    total = 0;
    in_order = true;
    for (int i = 0; i < THREADS; i++) {
        for (int j = 0; j < POSTS; j++)
            posts[i][j] = (struct numbered_post){
                .post = {.fn = arrive}, .thread = i, .number = j};
        assert_int_equal(pthread_create(&posters[i], NULL, post_all, posts[i]),
                         0);
    }
}

static void assert_all_arrived(void)
{
    assert_true(in_order);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(arrived[i], POSTS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(posters[i], NULL), 0);
    grove_hub_unhold(hub);
}

static void posts_arrive_at_a_sleeping_hub(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        post_from_threads();
        while (total < THREADS * POSTS)
            assert_int_equal(grove_sleep(100 * GROVE_MICROSECOND), 0);
        assert_all_arrived();
    }
}

static void posts_arrive_at_a_busy_hub(void **state)
{
    (void)state;
    post_from_threads();
    while (total < THREADS * POSTS)
        grove_yield();
    assert_all_arrived();
}

/* ---- waking ------------------------------------------------------------------ */

static grove_fiber *to_wake;

static void wake(grove_post *post)
{
    (void)post;
    hub_wake(to_wake, 7);
}

static void *post_after_a_while(void *arg)
{
    usleep(2000);
    grove_hub_post(hub, arg);
    return NULL;
}

/* No timer, no descriptor: the post alone ends the sleep. */
static void a_post_wakes_a_hub_that_sleeps_for_good(void **state)
{
    (void)state;
    hub = grove_hub_self();
    grove_hub_hold(hub);
    to_wake = grove_self();
    for (int i = 0; i < 20; i++) {
        grove_post post = {.fn = wake};
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, post_after_a_while, &post),
                         0);
        assert_int_equal(
            hub_wait(hub_self(), GROVE_WAIT_OTHER, GROVE_NEVER, "test", -1), 7);
        assert_int_equal(pthread_join(t, NULL), 0);
    }
    grove_hub_unhold(hub);
}

/* Two hubs that post to each other: a lost wake would end it. */
struct player {
    grove_post post;
    grove_hub *hub;
    grove_fiber *fiber;
    struct player *other;
    int hits;
};

static void hit(grove_post *post)
{
    struct player *p = container_of(post, struct player, post);
    p->hits++;
    hub_wake(p->fiber, 0);
}

static bool play(struct player *me, int rounds, bool serves)
{
    for (int i = 1; i <= rounds; i++) {
        if (serves && grove_hub_post(me->other->hub, &me->other->post) != 1)
            return false;
        while (me->hits < i) {
            if (hub_wait(hub_self(), GROVE_WAIT_OTHER, GROVE_NEVER, "test",
                         -1) != 0)
                return false;
        }
        if (!serves && grove_hub_post(me->other->hub, &me->other->post) != 1)
            return false;
    }
    return true;
}

static pthread_barrier_t ready, over;

static void *second_player(void *arg)
{
    struct player *me = arg;
    me->hub = grove_hub_self();
    me->fiber = grove_self();
    grove_hub_hold(me->hub);
    pthread_barrier_wait(&ready);
    bool good = play(me, 3000, false);
    pthread_barrier_wait(&over); /* the other may post until here */
    return good ? arg : NULL;
}

static void no_wake_is_lost_between_two_hubs(void **state)
{
    (void)state;
    struct player a = {.post = {.fn = hit}}, b = {.post = {.fn = hit}};
    a.hub = grove_hub_self();
    a.fiber = grove_self();
    a.other = &b;
    b.other = &a;
    grove_hub_hold(a.hub);
    pthread_barrier_init(&ready, NULL, 2);
    pthread_barrier_init(&over, NULL, 2);
    pthread_t t;
    void *value;
    assert_int_equal(pthread_create(&t, NULL, second_player, &b), 0);
    pthread_barrier_wait(&ready);
    assert_true(play(&a, 3000, true));
    pthread_barrier_wait(&over);
    assert_int_equal(pthread_join(t, &value), 0);
    assert_ptr_equal(value, &b);
    grove_hub_unhold(a.hub);
}

/* ---- twice --------------------------------------------------------------------- */

static void count(grove_post *post)
{
    assert_int_equal(post->posted, 0);
    total++;
}

static void one_that_waits_is_not_posted_again(void **state)
{
    (void)state;
    grove_post post = {.fn = count};
    hub = grove_hub_self();
    total = 0;
    assert_int_equal(grove_hub_post(hub, &post), 1);
    assert_int_equal(grove_hub_post(hub, &post), 0);
    assert_int_equal(grove_hub_post(hub, &post), 0);
    assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
    assert_int_equal(total, 1);
    assert_int_equal(grove_hub_post(hub, &post), 1);
    assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
    assert_int_equal(total, 2);
}

static void thrice(grove_post *post)
{
    if (++total < 3)
        assert_int_equal(grove_hub_post(hub, post), 1);
}

static void one_may_post_itself(void **state)
{
    (void)state;
    grove_post post = {.fn = thrice};
    total = 0;
    assert_int_equal(grove_hub_post(hub, &post), 1);
    while (total < 3)
        assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
    assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
    assert_int_equal(total, 3);
}

/* ---- signals -------------------------------------------------------------------- */

static grove_post from_signal = {.fn = count};
static volatile sig_atomic_t signals;

static void on_alarm(int signum)
{
    (void)signum;
    int e = errno;
    grove_hub_post(hub, &from_signal);
    signals++;
    if (errno != e)
        abort();
}

static void a_signal_handler_posts(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    hub = grove_hub_self();
    grove_hub_hold(hub);
    sigaction(SIGALRM, &action, NULL);
    total = 0;
    setitimer(ITIMER_REAL, &often, NULL);
    while (total < 50) /* yielding, then asleep */
        grove_yield();
    while (total < 100)
        assert_int_equal(grove_sleep(3 * GROVE_MILLISECOND), 0);
    setitimer(ITIMER_REAL, &never, NULL);
    assert_true(signals >= 100);
    assert_int_equal(grove_sleep(GROVE_MILLISECOND), 0);
    signal(SIGALRM, SIG_DFL);
    grove_hub_unhold(hub);
}

static void holds_are_counted(void **state)
{
    (void)state;
    hub = grove_hub_self();
    grove_hub_hold(hub);
    grove_hub_hold(hub);
    assert_int_equal(hub_self()->holds, 2);
    grove_hub_unhold(hub);
    grove_hub_unhold(hub);
    assert_int_equal(hub_self()->holds, 0);
}

static grove_post taken_posts[3];
static int taken, called;

static void count_taken(grove_post *post)
{
    assert_int_equal(post->posted, 0);
    if (++taken == 1) /* one comes meanwhile */
        grove_hub_post(grove_hub_self(), &taken_posts[2]);
}

static void count_called(grove_post *post)
{
    (void)post;
    called++;
}

static void count_never(grove_post *post)
{
    (void)post;
    fail();
}

static void posts_can_be_taken_back(void **state)
{
    (void)state;
    grove_post stays = {.fn = count_called};
    taken = called = 0;
    for (int i = 0; i < 3; i++)
        taken_posts[i] = (grove_post){.fn = count_never};
    assert_int_equal(grove_hub_post(grove_hub_self(), &taken_posts[0]), 1);
    assert_int_equal(grove_hub_post(grove_hub_self(), &stays), 1);
    assert_int_equal(grove_hub_post(grove_hub_self(), &taken_posts[1]), 1);
    hub_take_posts(hub_self(), count_never, count_taken);
    assert_int_equal(taken, 2);
    hub_take_posts(hub_self(), count_never, count_taken);
    assert_int_equal(taken, 3);
    hub_take_posts(hub_self(), count_never, count_taken);
    grove_sleep(0);
    grove_sleep(0);
    assert_int_equal(taken, 3);
    assert_int_equal(called, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_arrive_at_a_sleeping_hub),
        cmocka_unit_test(posts_arrive_at_a_busy_hub),
        cmocka_unit_test(a_post_wakes_a_hub_that_sleeps_for_good),
        cmocka_unit_test(no_wake_is_lost_between_two_hubs),
        cmocka_unit_test(one_that_waits_is_not_posted_again),
        cmocka_unit_test(one_may_post_itself),
        cmocka_unit_test(a_signal_handler_posts),
        cmocka_unit_test(holds_are_counted),
        cmocka_unit_test(posts_can_be_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
