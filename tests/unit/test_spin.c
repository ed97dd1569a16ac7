/*
 * A hub looks for posts before it sleeps, where that has a prospect, and no
 * longer than that. The clock stands still where a post is to come soon: it
 * does then, however busy the machine is.
 */
#include "stopped_clock.h"
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "grove.h"
#include "hub/mailbox.h"
#include "hub/spin.h"
#include "hub/wait.h"

static struct hub *self;
static cpu_set_t all; /* the processors of the process */

/* ---- the other hub ----------------------------------------------------------- */

static pthread_t other;
static grove_channel *questions, *answers;

static void *answer(void *arg)
{
    int value;
    grove_hub_self();
    assert_int_equal(grove_channel_send(answers, &(int){0}), 0);
    while (grove_channel_recv(questions, &value) == 0)
        grove_channel_send(answers, &value);
    return arg;
}

static int start(void **state)
{
    int value;
    (void)state;
    self = hub_self();
    sched_getaffinity(0, sizeof(all), &all);
    if (grove_channel_create(&questions, sizeof(int), 0) != 0 ||
        grove_channel_create(&answers, sizeof(int), 0) != 0 ||
        pthread_create(&other, NULL, answer, NULL) != 0)
        return -1;
    return grove_channel_recv(answers, &value);
}

static int stop(void **state)
{
    (void)state;
    grove_channel_close(questions);
    pthread_join(other, NULL);
    grove_channel_release(questions);
    grove_channel_release(answers);
    return 0;
}

/* Nothing is expected, and of what was counted nothing is told. */
static struct spin_counts before;

static void count_from_here(void)
{
    before = *hub_spin_counts(self);
}

static struct spin_counts counted(void)
{
    const struct spin_counts *now = hub_spin_counts(self);
    return (struct spin_counts){.soon = now->soon - before.soon,
                                .found = now->found - before.found,
                                .vain = now->vain - before.vain};
}

/* ---- posts that come when the hub is in a certain state ---------------------- */

enum when { ASLEEP, IDLE };

static enum when when;
static int arrived;

static void arrive(grove_post *post)
{
    (void)post;
    arrived++;
    hub_wake(&self->root, 0);
}

static bool is_time(void)
{
    return atomic_load(&self->polling) || (when == IDLE && hub_spinners() > 0);
}

static void *post_when_it_is_time(void *arg)
{
    while (!is_time())
        sched_yield();
    grove_hub_post((grove_hub *)self, arg);
    return NULL;
}

/* Parks until a post has come, sent when the hub was asleep, or was asleep or
 * spun. */
static void park_for_a_post(enum when state)
{
    static grove_post post = {.fn = arrive};
    pthread_t poster;
    int had = arrived;
    when = state;
    assert_int_equal(pthread_create(&poster, NULL, post_when_it_is_time, &post),
                     0);
    grove_hub_hold((grove_hub *)self);
    while (arrived == had)
        hub_park(self);
    grove_hub_unhold((grove_hub *)self);
    pthread_join(poster, NULL);
}

/* So many posts come as soon as the hub sleeps. */
static void posts_come_soon(int n)
{
    clock_stop();
    for (int i = 0; i < n; i++)
        park_for_a_post(ASLEEP);
    clock_go_on(0);
}

/* Sleeps that no post ends. */
static void be_idle(int n)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(grove_sleep(GROVE_MILLISECOND / 10), 0);
}

static void need_processors(void)
{
    if (CPU_COUNT(&all) < 2)
        unit_skip("hubs spin on two processors and more: run this there");
}

/* A trial is next, and its first spin: as many posts as that takes have come
 * soon, whatever has been in vain before. */
static void expect_posts(void)
{
    be_idle(2 * SPIN_TRIAL);
    count_from_here();
    posts_come_soon(SPIN_PATIENCE_MOST);
}

/* ---- what is expected -------------------------------------------------------- */

static void without_posts_nobody_spins(void **state)
{
    (void)state;
    count_from_here();
    be_idle(20);
    assert_int_equal(counted().soon, 0);
    assert_int_equal(counted().found, 0);
    assert_int_equal(counted().vain, 0);
}

/* The first trial comes with the first few posts; it ends with the first sleeps
 * that none ends, and the second takes twice as many posts. */
static void trials_end_and_become_rare(void **state)
{
    (void)state;
    need_processors();
    count_from_here();
    posts_come_soon(SPIN_PATIENCE_LEAST);
    assert_int_equal(counted().soon, SPIN_PATIENCE_LEAST);
    assert_int_equal(counted().vain, 0);
    be_idle(5 * SPIN_TRIAL);
    assert_int_equal(counted().vain, SPIN_TRIAL);
    posts_come_soon(2 * SPIN_PATIENCE_LEAST - 1);
    be_idle(5 * SPIN_TRIAL);
    assert_int_equal(counted().vain, SPIN_TRIAL);
    posts_come_soon(1);
    be_idle(5 * SPIN_TRIAL);
    assert_int_equal(counted().vain, 2 * SPIN_TRIAL);
    assert_int_equal(hub_spinners(), 0);
}

/* A spin that the poster sees has not slept: nothing is written to wake it. */
static void a_post_is_found(void **state)
{
    (void)state;
    need_processors();
    int64_t give_up = grove_now() + HANG;
    count_from_here();
    hub_spin_set_time(HANG);
    while (counted().found == 0 && grove_now() < give_up) {
        clock_stop();
        park_for_a_post(IDLE);
        clock_go_on(0);
    }
    hub_spin_set_time(SPIN_TIME);
    assert_true(counted().found > 0);
    assert_int_equal(hub_spinners(), 0);
}

/* Wherever a post arrives, before, between and after the looks of a spin, it is
 * not slept over. */
static void no_post_is_slept_over(void **state)
{
    (void)state;
    enum { TIMES = 3, QUESTIONS = 3000 };
    for (int time = 0; time < TIMES; time++) {
        hub_spin_set_time(time * GROVE_MICROSECOND);
        for (int i = 0; i < QUESTIONS; i++) {
            int value = -1;
            assert_int_equal(grove_channel_send(questions, &i), 0);
            assert_int_equal(
                grove_channel_recv_until(answers, &value, grove_now() + HANG),
                0);
            assert_int_equal(value, i);
        }
    }
    hub_spin_set_time(SPIN_TIME);
}

/* ---- where nobody spins ------------------------------------------------------ */

static void switched_off(void **state)
{
    (void)state;
    hub_spin_set_time(0);
    expect_posts();
    be_idle(5);
    hub_spin_set_time(SPIN_TIME);
    assert_int_equal(counted().soon, 0);
    assert_int_equal(counted().vain, 0);
}

static void on_one_processor(void **state)
{
    (void)state;
    cpu_set_t one;
    int first = 0;
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    expect_posts();
    be_idle(5);
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
    assert_int_equal(counted().soon, SPIN_PATIENCE_MOST);
    assert_int_equal(counted().found, 0);
    assert_int_equal(counted().vain, 0);
}

static void alone(void **state)
{
    stop(state);
    expect_posts();
    be_idle(5);
    assert_int_equal(counted().soon, 0);
    assert_int_equal(counted().vain, 0);
    assert_int_equal(start(state), 0);
}

/* ---- the environment --------------------------------------------------------- */

static const char *wish;

static int microseconds(void)
{
    setenv("GROVE_SPIN", wish, 1);
    hub_self();
    return (int)(hub_spin_set_time(0) / GROVE_MICROSECOND);
}

static void the_environment_sets_the_time(void **state)
{
    static const struct {
        const char *wish;
        int time;
        bool told;
    } every[] = {{"0", 0, false},    {"7", 7, false},  {"100", 100, false},
                 {"1001", 20, true}, {"-3", 20, true}, {"3x", 20, true},
                 {"", 20, true},     {" 5", 20, true}};
    (void)state;
    for (size_t i = 0; i < UNIT_COUNT(every); i++) {
        struct unit_child child;
        wish = every[i].wish;
        unit_in_child(&child, microseconds);
        assert_true(WIFEXITED(child.status));
        assert_int_equal(WEXITSTATUS(child.status), every[i].time);
        assert_int_equal(strstr(child.text, "GROVE_SPIN is") != NULL,
                         every[i].told);
    }
}

int main(void)
{
    const struct CMUnitTest without_hub[] = {
        cmocka_unit_test(the_environment_sets_the_time),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_posts_nobody_spins),
        cmocka_unit_test(trials_end_and_become_rare),
        cmocka_unit_test(on_one_processor),
        cmocka_unit_test(a_post_is_found),
        cmocka_unit_test(no_post_is_slept_over),
        cmocka_unit_test(switched_off),
        cmocka_unit_test(alone),
    };
    int failed = cmocka_run_group_tests(without_hub, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, start, stop);
}
