/* grove_hooks_set: what is told of the fibers of a program, in its order. */
#include "told_programs.h"

#include <pthread.h>
#include <stdatomic.h>

#include "hub/hub.h"
#include "hub/wait.h"
#include "turns.h"

/* ---- what is told, as lines ------------------------------------------------- */

struct trace {
    struct told told;        /* first */
    const grove_fiber *left; /* who the hub was gone to from */
};

static const char *name(const grove_fiber *f)
{
    return f ? grove_name(f) : "hub";
}

static void on_spawn(grove_fiber *f, grove_fiber *by, void *arg)
{
    tell(arg, "%s spawned by %s\n", name(f), name(by));
}

static void on_end(grove_fiber *f, void *arg)
{
    tell(arg, "%s ends\n", name(f));
}

/* When the hub looks around depends on how fast all this is: from whom it was
 * gone to, and whom it goes to, is as good as a switch. */
static void on_switch(grove_fiber *from, grove_fiber *to, void *arg)
{
    struct trace *t = arg;
    assert_ptr_not_equal(from, to);
    if (!to)
        t->left = from;
    else if (from || t->left != to)
        tell(arg, "%s -> %s\n", name(from ? from : t->left), name(to));
}

static void on_park(grove_fiber *f, const char *what, int fd, void *arg)
{
    tell(arg, "%s parks in %s %d\n", name(f), what ? what : "?", fd);
}

static void on_wake(grove_fiber *f, grove_fiber *by, int result, void *arg)
{
    tell(arg, "%s woken by %s with %d\n", name(f), name(by), result);
}

static struct trace trace;

static const grove_hooks hooks = {.size = sizeof(hooks),
                                  .arg = &trace,
                                  .spawn = on_spawn,
                                  .end = on_end,
                                  .switch_to = on_switch,
                                  .park = on_park,
                                  .wake = on_wake};

static void begin(void)
{
    trace = (struct trace){.left = NULL};
    turn_after(TURN_NEVER);
    assert_int_equal(grove_hooks_set(&hooks), 0);
}

static void end_with(const char *expected)
{
    assert_int_equal(grove_hooks_set(NULL), 0);
    assert_string_equal(trace.told.text, expected);
}

/* ---- the tests ---------------------------------------------------------------- */

static void a_small_program_in_order(void **state)
{
    (void)state;
    begin();
    run_small_program();
    end_with(SMALL_PROGRAM);
}

static void *read_byte(void *fd)
{
    char byte;
    assert_int_equal(grove_read(*(int *)fd, &byte, 1), 1);
    return NULL;
}

static void descriptors_and_timers_are_the_hubs(void **state)
{
    (void)state;
    int ends[2];
    char expected[512];
    assert_int_equal(pipe(ends), 0);
    begin();
    grove_fiber *a = spawn("a", read_byte, &ends[0]);
    grove_yield();
    assert_int_equal(grove_sleep(50 * MS), 0); /* not past before it begins */
    assert_int_equal(write(ends[1], "x", 1), 1);
    join(a);
    snprintf(expected, sizeof(expected),
             "a spawned by main\n"
             "main -> a\n"
             "a parks in read %d\n"
             "a -> main\n"
             "main parks in sleep -1\n"
             "main woken by hub with %d\n"
             "main parks in join -1\n"
             "a woken by hub with 0\n"
             "main -> a\n"
             "main woken by a with 0\n"
             "a ends\n"
             "a -> main\n",
             ends[0], -ETIMEDOUT);
    end_with(expected);
    assert_int_equal(grove_close(ends[0]), 0);
    close(ends[1]);
}

static void *never(void *arg)
{
    assert_int_equal(grove_sleep_until(GROVE_NEVER), -ECANCELED);
    return arg;
}

static void kills_before_and_after_the_first_turn(void **state)
{
    (void)state;
    char expected[512];
    begin();
    grove_fiber *a = spawn("a", never, NULL);
    assert_int_equal(grove_kill(a), 0);
    grove_release(a);
    grove_fiber *b = spawn("b", never, NULL);
    grove_yield();
    assert_int_equal(grove_kill(b), 0);
    join(b);
    snprintf(expected, sizeof(expected),
             "a spawned by main\n"
             "a ends\n"
             "b spawned by main\n"
             "main -> b\n"
             "b parks in sleep -1\n"
             "b -> main\n"
             "b woken by main with %d\n"
             "main parks in join -1\n"
             "main -> b\n"
             "main woken by b with 0\n"
             "b ends\n"
             "b -> main\n",
             -ECANCELED);
    end_with(expected);
}

/* Some are told, and none after that; and the budget of a pass, which is one
 * switch meanwhile, adds up. */
static uint64_t counted;

static void count_switch(grove_fiber *from, grove_fiber *to, void *arg)
{
    (void)arg;
    assert_ptr_not_equal(from, to);
    counted += to != NULL;
}

static void *yield_often(void *arg)
{
    for (int i = 0; i < 3 * HUB_PASS; i++)
        grove_yield();
    return arg;
}

static uint64_t switches(void)
{
    grove_stats stats = {0};
    grove_hub_stats(grove_hub_self(), &stats);
    return stats.switches;
}

static uint64_t run_two(void)
{
    uint64_t before = switches();
    grove_fiber *a = spawn("a", yield_often, NULL);
    grove_fiber *b = spawn("b", yield_often, NULL);
    join(a);
    join(b);
    return switches() - before;
}

static void every_switch_is_told(void **state)
{
    (void)state;
    const grove_hooks only = {.size = sizeof(only), .switch_to = count_switch};
    uint64_t unwatched = run_two();
    assert_true(unwatched >= 6 * HUB_PASS);
    assert_int_equal(counted, 0);
    assert_int_equal(grove_hooks_set(&only), 0);
    uint64_t watched = run_two();
    assert_int_equal(grove_hooks_set(NULL), 0);
    uint64_t told = counted;
    /* A yield of one that is alone is counted, and no switch. */
    assert_uint_in_range(watched, unwatched - 2, unwatched + 2);
    assert_uint_in_range(told, watched - 4, watched);
    run_two();
    assert_int_equal(counted, told);
}

static void other_sizes(void **state)
{
    (void)state;
    struct {
        grove_hooks known;
        void *more;
    } later = {.known = {.size = sizeof(later)}};
    assert_int_equal(grove_hooks_set(&later.known), 0);
    later.more = &later;
    assert_int_equal(grove_hooks_set(&later.known), -EINVAL);
    const grove_hooks small = {.size = 8};
    assert_int_equal(grove_hooks_set(&small), -EINVAL);
    const grove_hooks unsaid = {.end = on_end, .arg = &trace};
    trace = (struct trace){.left = NULL};
    assert_int_equal(grove_hooks_set(&unsaid), 0);
    join(spawn("a", set_event, &(grove_event)GROVE_EVENT_INIT));
    end_with("a ends\n");
}

/* ---- another thread's hub ------------------------------------------------------- */

static _Atomic unsigned told_elsewhere;

static void count_wake(grove_fiber *f, grove_fiber *by, int result, void *arg)
{
    (void)f;
    (void)by;
    (void)result;
    if (pthread_equal(pthread_self(), *(pthread_t *)arg))
        atomic_fetch_add(&told_elsewhere, 1);
}

struct sleeper {
    grove_hub *_Atomic hub;
    grove_event wake;
};

static void *sleep_there(void *arg)
{
    struct sleeper *s = arg;
    atomic_store(&s->hub, grove_hub_self());
    assert_int_equal(grove_event_wait(&s->wake), 0);
    return NULL;
}

static void a_hub_that_sleeps_tells_of_its_first_wake(void **state)
{
    (void)state;
    struct sleeper s = {.wake = GROVE_EVENT_INIT};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, sleep_there, &s), 0);
    while (!atomic_load(&s.hub) ||
           !atomic_load(&((struct hub *)atomic_load(&s.hub))->polling))
        grove_sleep(MS);
    const grove_hooks only = {
        .size = sizeof(only), .arg = &thread, .wake = count_wake};
    assert_int_equal(grove_hooks_set(&only), 0);
    grove_event_set(&s.wake);
    pthread_join(thread, NULL);
    assert_int_equal(grove_hooks_set(NULL), 0);
    assert_int_equal(atomic_load(&told_elsewhere), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_program_in_order),
        cmocka_unit_test(descriptors_and_timers_are_the_hubs),
        cmocka_unit_test(kills_before_and_after_the_first_turn),
        cmocka_unit_test(every_switch_is_told),
        cmocka_unit_test(other_sizes),
        cmocka_unit_test(a_hub_that_sleeps_tells_of_its_first_wake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
