/* The run queue: first in, first out, and anything can be taken out again. */
#include "unit.h"

#include "hub/run_queue.h"

static void first_in_is_first_out(void **state)
{
    (void)state;
    struct run_queue q;
    struct run r[10] = {0};
    run_queue_init(&q);
    assert_true(run_queue_empty(&q));
    for (size_t i = 0; i < UNIT_COUNT(r); i++) {
        assert_false(run_queued(&r[i]));
        run_queue_push(&q, &r[i]);
        assert_true(run_queued(&r[i]));
    }
    for (size_t i = 0; i < UNIT_COUNT(r); i++) {
        assert_ptr_equal(q.ends.next, &r[i]);
        run_queue_remove(q.ends.next);
        assert_false(run_queued(&r[i]));
    }
    assert_true(run_queue_empty(&q));
}

static void the_head_can_be_jumped(void **state)
{
    (void)state;
    struct run_queue q;
    struct run a = {0}, b = {0}, c = {0};
    run_queue_init(&q);
    run_queue_push_first(&q, &b);
    run_queue_push(&q, &c);
    run_queue_push_first(&q, &a);
    assert_ptr_equal(q.ends.next, &a);
    assert_ptr_equal(a.next, &b);
    assert_ptr_equal(b.next, &c);
    assert_ptr_equal(q.ends.prev, &c);
}

static void the_middle_can_be_taken_out(void **state)
{
    (void)state;
    struct run_queue q;
    struct run a = {0}, b = {0}, c = {0};
    run_queue_init(&q);
    run_queue_push(&q, &a);
    run_queue_push(&q, &b);
    run_queue_push(&q, &c);
    run_queue_remove(&b);
    assert_ptr_equal(a.next, &c);
    assert_ptr_equal(c.prev, &a);
    run_queue_remove(&c);
    run_queue_remove(&a);
    assert_true(run_queue_empty(&q));
}

/* hub_next looks at call and birth alone to tell a fiber from the rest. */
static void the_end_does_not_look_like_a_fiber(void **state)
{
    (void)state;
    struct run_queue q;
    run_queue_init(&q);
    assert_ptr_equal(q.ends.next, &q.ends);
    assert_true(q.ends.next->call != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_is_first_out),
        cmocka_unit_test(the_head_can_be_jumped),
        cmocka_unit_test(the_middle_can_be_taken_out),
        cmocka_unit_test(the_end_does_not_look_like_a_fiber),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
