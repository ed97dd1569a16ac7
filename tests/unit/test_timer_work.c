/*
 * The work of the heap of timers, counted: how many entries an operation moves
 * with a million pending. The heap is compiled in here, with a counter in it.
 */
#include "unit.h"

static size_t moved;
#define TIMER_MOVED() (moved++)
#include "../../src/hub/timer.c"

static uint64_t random_state = 1;

/* No two are equal, of those of different i. */
static int64_t rnd(size_t i)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(random_state >> 24 << 20 | i);
}

/* Levels of a heap of n: the most that an entry can rise or sink, and with it
 * the most entries that an operation moves, itself included. What is added may
 * move one from a run to the heap besides. */
static size_t levels(size_t n)
{
    size_t depth = 1;
    for (size_t all = 1, width = 1; all < n; all += width, depth++)
        width *= ARITY;
    return depth;
}

/* The dearest of operations, in entries moved. */
struct worst {
    size_t add, remove, expire;
};

static void measure(size_t *worst, size_t before)
{
    if (moved - before > *worst)
        *worst = moved - before;
}

static void nothing(struct timer *timer)
{
    (void)timer;
}

static void add(struct timer_heap *heap, struct timer *t, int64_t deadline,
                struct worst *w)
{
    size_t before = moved;
    timer_add(heap, t, deadline);
    measure(&w->add, before);
}

static void remove_one(struct timer_heap *heap, struct timer *t,
                       struct worst *w)
{
    size_t before = moved;
    timer_remove(heap, t);
    measure(&w->remove, before);
}

/* The first alone: its deadline has come, and no other has it. */
static void expire_one(struct timer_heap *heap, struct worst *w)
{
    size_t before = moved;
    heap->now = 0; /* time goes round and round here */
    assert_int_equal(timer_expire(heap, timer_first(heap)), 1);
    measure(&w->expire, before);
}

/* In order; the other way round; in no order; of ten timeouts by turns. */
enum pattern { RISING, FALLING, RANDOM, KINDS, PATTERNS };

static int64_t deadline(enum pattern pattern, size_t i, size_t n)
{
    return pattern == RISING    ? (int64_t)i
           : pattern == FALLING ? (int64_t)(n - i)
           : pattern == KINDS   ? (int64_t)(i + i % 10 * 1000000000)
                                : rnd(i);
}

static struct worst work_of(struct timer *t, size_t n, enum pattern pattern)
{
    struct worst w = {0};
    struct timer_heap heap = {0};
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(timer_claim(&heap), 0);
        t[i] = (struct timer){.fn = nothing};
        add(&heap, &t[i], deadline(pattern, i, n), &w);
    }
    for (size_t i = 0; i < n / 4; i++) /* the first are the dearest to remove */
        remove_one(&heap, &t[pattern == FALLING ? n - 1 - i : i], &w);
    while (heap.count)
        expire_one(&heap, &w);
    timer_heap_free(&heap);
    return w;
}

static void no_operation_on_a_million_moves_more_than_the_levels(void **state)
{
    (void)state;
    size_t n = unit_scale(1000000, 20000);
    struct timer *t = calloc(n, sizeof(*t));
    assert_non_null(t);
    for (enum pattern pattern = 0; pattern < PATTERNS; pattern++) {
        struct worst w = work_of(t, n, pattern);
        size_t most = levels(n);
        check(w.add <= 2 * most && w.remove <= most && w.expire <= most,
              "of %zu moved by adding %zu, removing %zu, expiring %zu, "
              "where there are %zu levels",
              n, w.add, w.remove, w.expire, most);
    }
    free(t);
}

/* Servers arm and cancel the same timeouts again and again: whatever else is
 * pending, that moves nothing but the one. */
static void timeouts_of_a_few_kinds_move_nothing(void **state)
{
    (void)state;
    enum { N = 10000, OTHERS = 1000 };
    static struct timer t[N], others[OTHERS];
    struct timer_heap heap = {0};
    int64_t now = 0;
    for (size_t i = 0; i < N + OTHERS; i++)
        assert_int_equal(timer_claim(&heap), 0);
    for (size_t i = 0; i < OTHERS; i++)
        timer_add(&heap, &others[i], rnd(i));
    for (size_t round = 0; round < 10; round++) {
        size_t before = moved;
        for (size_t i = 0; i < N; i++) {
            timer_remove(&heap, &t[i]);
            now += 1000;
            timer_add(&heap, &t[i], now + (int64_t)(i % 3) * 5000000000);
        }
        if (round > 1) /* in the first ones the runs are found */
            assert_int_equal(moved - before, N);
    }
    assert_true(heap.heaped < OTHERS + 100);
    timer_heap_free(&heap);
}

/* Who waits again and again, a little later each time, moves nothing at all
 * until its entry is due. */
static void what_rests_in_between_moves_nothing(void **state)
{
    (void)state;
    enum { N = 1000, ROUNDS = 100 };
    static struct timer t[N];
    struct timer_heap heap = {0};
    int64_t now = 0;
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(timer_claim(&heap), 0);
        t[i].fn = nothing;
        timer_add(&heap, &t[i], 1000000 + (int64_t)i);
    }
    size_t before = moved;
    for (; now < ROUNDS; now++) {
        for (size_t i = 0; i < N; i++) {
            timer_rest(&heap, &t[i]);
            timer_add(&heap, &t[i], now + 1000000 + (int64_t)i);
        }
        assert_int_equal(timer_expire(&heap, now), 0);
    }
    assert_int_equal(moved, before);
    while (timer_expire(&heap, 1000000 + N) > 0)
        ;
    assert_true(moved - before <= N);
    timer_heap_free(&heap);
}

/* An expiry looks at its own timer, and writes to no other. */
static void an_expiry_touches_no_other_timer(void **state)
{
    (void)state;
    enum { N = 1000 };
    static struct timer t[N], before[N];
    struct timer_heap heap = {0};
    struct worst w = {0};
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(timer_claim(&heap), 0);
        t[i].fn = nothing;
        timer_add(&heap, &t[i], rnd(i));
    }
    while (heap.count) {
        size_t changed = 0;
        memcpy(before, t, sizeof(t));
        expire_one(&heap, &w);
        for (size_t i = 0; i < N; i++)
            changed += memcmp(&t[i], &before[i], sizeof(t[i])) != 0;
        assert_int_equal(changed, 1);
    }
    timer_heap_free(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_operation_on_a_million_moves_more_than_the_levels),
        cmocka_unit_test(timeouts_of_a_few_kinds_move_nothing),
        cmocka_unit_test(what_rests_in_between_moves_nothing),
        cmocka_unit_test(an_expiry_touches_no_other_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
