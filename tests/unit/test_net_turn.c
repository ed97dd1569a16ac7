/*
 * A fiber whose descriptors are always ready gives the others a turn all the
 * same, and the loop its look at timers and descriptors.
 */
#include "hub/pace.h"
#include "socket_pairs.h"
#include "stopped_clock.h"

enum { CALLS = 20000 };

static bool busy_done;

/* Never waits: what it writes it reads. */
static void *busy(void *arg)
{
    const struct pair *p = arg;
    char c = 'x';
    for (int i = 0; i < CALLS / 2; i++) {
        assert_int_equal(grove_write(p->out, &c, 1), 1);
        assert_int_equal(grove_read(p->in, &c, 1), 1);
    }
    busy_done = true;
    return NULL;
}

static void *count_turns(void *turns)
{
    while (!busy_done) {
        ++*(int *)turns;
        grove_yield();
    }
    return NULL;
}

static void others_get_turns(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        if (kind == UDP)
            continue;
        struct pair p = pair_of(kind);
        grove_fiber *fibers[2];
        int turns = 0;
        busy_done = false;
        assert_int_equal(grove_spawn(&fibers[0], busy, &p), 0);
        assert_int_equal(grove_spawn(&fibers[1], count_turns, &turns), 0);
        clock_stop(); /* turns come after so many calls, not after so long */
        assert_int_equal(grove_join_all(fibers, 2, 0), 2);
        clock_go_on(0);
        assert_true(turns >= CALLS / HUB_CALLS - 1);
        if (!GROVE_TURNS_CALLS)
            assert_true(turns < CALLS / 8); /* and not one a call */
        grove_release(fibers[0]);
        grove_release(fibers[1]);
        pair_close(p);
    }
}

static void *note_whether_done(void *done)
{
    *(int *)done = busy_done;
    return NULL;
}

static void timers_get_their_turn(void **state)
{
    (void)state;
    struct pair p = pair_of(PIPE);
    grove_fiber *timed, *working;
    int done = -1;
    busy_done = false;
    grove_attr attr = {.delay = 1};
    assert_int_equal(grove_spawn_with(&timed, &attr, note_whether_done, &done),
                     0);
    assert_int_equal(grove_spawn(&working, busy, &p), 0);
    grove_join(working, NULL);
    grove_join(timed, NULL);
    assert_int_equal(done, false); /* it ran long before the other was done */
    grove_release(timed);
    grove_release(working);
    pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_get_turns),
        cmocka_unit_test(timers_get_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
