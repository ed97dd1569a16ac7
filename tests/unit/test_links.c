/* Callbacks at a fiber's end: when, in which order, and how they are taken
 * back. */
#include "unit.h"

#include "grove.h"
#include "hub/hub.h"

/* Every link here notes a letter. */
#define LETTER(c) ((void *)(intptr_t)(c))

static char order[64];
static size_t calls;
static grove_fiber *called_with;
static grove_fiber *called_on;

static void reset(void)
{
    memset(order, 0, sizeof(order));
    calls = 0;
    called_with = NULL;
}

static void note(grove_fiber *f, void *arg)
{
    called_with = f;
    called_on = grove_self();
    order[calls++] = (char)(intptr_t)arg;
}

static void *nothing(void *arg)
{
    return arg;
}

static grove_fiber *one_that_ends(void)
{
    grove_fiber *f;
    assert_int_equal(grove_spawn(&f, nothing, NULL), 0);
    return f;
}

/* Links a and so on, which note their letters. */
static void link_letters(grove_fiber *f, grove_link *links, int n)
{
    for (int i = 0; i < n; i++)
        grove_link_end(f, &links[i], note, LETTER('a' + i));
}

static void yields(int n)
{
    while (n--)
        assert_int_equal(grove_sleep(0), 0);
}

static void links_are_called_in_order_on_the_hubs_stack(void **state)
{
    (void)state;
    grove_link links[3];
    reset();
    grove_fiber *f = one_that_ends();
    link_letters(f, links, 3);
    assert_int_equal(calls, 0);
    assert_int_equal(grove_join(f, NULL), 0);
    yields(1);
    assert_string_equal(order, "abc");
    assert_ptr_equal(called_with, f);
    assert_ptr_equal(called_on, hub_self()->loop_fiber);
    grove_release(f);
}

static void a_link_of_an_ended_fiber_is_called_at_the_next_pass(void **state)
{
    (void)state;
    grove_link a;
    reset();
    grove_fiber *f = one_that_ends();
    assert_int_equal(grove_join(f, NULL), 0);
    grove_link_end(f, &a, note, LETTER('a'));
    assert_int_equal(calls, 0);
    yields(1);
    assert_string_equal(order, "a");
    grove_release(f);
}

static void a_link_taken_back_is_not_called(void **state)
{
    (void)state;
    grove_link links[3];
    reset();
    grove_fiber *f = one_that_ends();
    link_letters(f, links, 3);
    grove_unlink(&links[1]);
    grove_unlink(&links[1]); /* again: nothing */
    assert_int_equal(grove_join(f, NULL), 0);
    yields(1);
    assert_string_equal(order, "ac");
    grove_unlink(&links[0]); /* called: nothing */
    grove_link_end(f, &links[1], note, LETTER('b'));
    grove_unlink(&links[1]); /* due, not called yet */
    yields(1);
    assert_string_equal(order, "ac");
    grove_release(f);
}

/* Handles left on f: a fiber that ended keeps its slot as long as there are
 * any, and no longer. */
static bool slot_is_pooled(const grove_fiber *f)
{
    return !f->fiber.stack.live;
}

static void links_keep_their_fiber_until_they_are_called(void **state)
{
    (void)state;
    grove_link links[2];
    reset();
    grove_fiber *f = one_that_ends();
    grove_set_name(f, "kept");
    link_letters(f, links, 1);
    grove_release(f);
    yields(2);
    assert_string_equal(order, "a");
    assert_true(slot_is_pooled(f));

    f = one_that_ends();
    assert_int_equal(grove_join(f, NULL), 0);
    link_letters(f, links, 2);
    grove_release(f);
    assert_false(slot_is_pooled(f));
    grove_unlink(&links[0]);
    assert_false(slot_is_pooled(f));
    yields(1);
    assert_string_equal(order, "ab");
    assert_true(slot_is_pooled(f));
}

static grove_link again;

static void link_again(grove_fiber *f, void *arg)
{
    note(f, arg);
    if (calls < 10)
        grove_link_end(f, &again, link_again, arg);
}

/* "At the hub's next pass": not in this one, else a link that makes itself
 * again would never let the hub go on. */
static void a_link_made_by_a_link_waits_for_the_next_pass(void **state)
{
    (void)state;
    reset();
    grove_fiber *f = one_that_ends();
    assert_int_equal(grove_join(f, NULL), 0);
    grove_link_end(f, &again, link_again, LETTER('x'));
    grove_release(f);
    for (size_t i = 1; i <= 10; i++) {
        yields(1);
        assert_int_equal(calls, i);
    }
    yields(1);
    assert_int_equal(calls, 10);
}

static grove_fiber *spawned_by_link;

static void spawn_one(grove_fiber *f, void *arg)
{
    (void)f;
    assert_int_equal(grove_spawn(&spawned_by_link, nothing, arg), 0);
}

static void a_link_may_spawn(void **state)
{
    (void)state;
    grove_fiber *f;
    grove_link link;
    void *value;
    spawned_by_link = NULL;
    assert_int_equal(grove_spawn(&f, nothing, NULL), 0);
    grove_link_end(f, &link, spawn_one, &link);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    yields(1);
    assert_non_null(spawned_by_link);
    assert_int_equal(grove_join(spawned_by_link, &value), 0);
    assert_ptr_equal(value, &link);
    grove_release(spawned_by_link);
}

static void a_killed_fiber_calls_its_links(void **state)
{
    (void)state;
    grove_link link;
    reset();
    grove_fiber *f = one_that_ends();
    grove_link_end(f, &link, note, LETTER('k'));
    assert_int_equal(grove_kill(f), 0);
    grove_release(f);
    assert_int_equal(calls, 0);
    yields(1);
    assert_string_equal(order, "k");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_called_in_order_on_the_hubs_stack),
        cmocka_unit_test(a_link_of_an_ended_fiber_is_called_at_the_next_pass),
        cmocka_unit_test(a_link_taken_back_is_not_called),
        cmocka_unit_test(links_keep_their_fiber_until_they_are_called),
        cmocka_unit_test(a_link_made_by_a_link_waits_for_the_next_pass),
        cmocka_unit_test(a_link_may_spawn),
        cmocka_unit_test(a_killed_fiber_calls_its_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
