/* The heap of timers: order, removal, expiry; against a sorted array. */
#include "unit.h"

#include "hub/timer.h"

struct numbered {
    struct timer timer;
    unsigned number;
};

static struct numbered *fired[4096];
static size_t fired_count;

static void note(struct timer *timer)
{
    assert_false(timer_pending(timer));
    fired[fired_count++] = container_of(timer, struct numbered, timer);
}

/* A heap with room for n timers. */
static struct timer_heap heap_for(size_t n)
{
    struct timer_heap heap = {0};
    for (size_t i = 0; i < n; i++)
        assert_int_equal(timer_claim(&heap), 0);
    return heap;
}

static void free_heap(struct timer_heap *heap)
{
    assert_int_equal(heap->count, 0);
    timer_heap_free(heap);
}

/* All that are due at now, a batch at a time. */
static size_t expire_all(struct timer_heap *heap, int64_t now)
{
    size_t n = 0, batch;
    do {
        batch = timer_expire(heap, now);
        assert_true(batch <= TIMER_BATCH);
        n += batch;
    } while (batch == TIMER_BATCH);
    return n;
}

static uint64_t random_state;

static unsigned rnd(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % below);
}

static void equal_deadlines_fire_in_the_order_added(void **state)
{
    (void)state;
    struct timer_heap heap = heap_for(100);
    struct numbered t[100] = {0};
    for (unsigned i = 0; i < UNIT_COUNT(t); i++) {
        t[i].number = i;
        t[i].timer.fn = note;
        timer_add(&heap, &t[i].timer, 7);
    }
    fired_count = 0;
    assert_int_equal(timer_expire(&heap, 6), 0);
    assert_int_equal(timer_expire(&heap, 7), UNIT_COUNT(t));
    for (unsigned i = 0; i < UNIT_COUNT(t); i++)
        assert_int_equal(fired[i]->number, i);
    free_heap(&heap);
}

/* The model: pending timers in an array, sorted by deadline and order. */
#define MODEL 512

struct model {
    struct numbered *due[MODEL];
    size_t count;
};

static void model_add(struct model *m, struct numbered *t)
{
    size_t at = m->count++;
    while (at > 0 && m->due[at - 1]->timer.deadline > t->timer.deadline) {
        m->due[at] = m->due[at - 1];
        at--;
    }
    m->due[at] = t;
}

static void model_remove(struct model *m, struct numbered *t)
{
    size_t at = 0;
    while (m->due[at] != t)
        at++;
    m->count--;
    memmove(&m->due[at], &m->due[at + 1], (m->count - at) * sizeof(m->due[0]));
}

/* How long from now: any time, or one of six timeouts as servers have them. */
static int64_t any_time(int64_t unit)
{
    return ((int64_t)rnd(400) - 20) * unit;
}

static int64_t one_of_six(int64_t unit)
{
    return (int64_t)(1 + rnd(6)) * 50 * unit;
}

static int64_t either(int64_t unit)
{
    return rnd(3) ? one_of_six(unit) : any_time(unit);
}

/* Time goes on by less than a unit between two operations. rests: what is not
 * wanted any more is let rest, as a rule. */
static void agrees_with_a_sorted_array(int64_t (*timeout)(int64_t unit),
                                       int64_t unit, bool rests)
{
    struct timer_heap heap = heap_for(MODEL);
    struct model m = {.count = 0};
    static struct numbered pool[MODEL];
    int64_t now = 0;
    for (size_t step = 0; step < unit_scale(100000, 10000); step++) {
        now += unit / 16;
        struct numbered *t = &pool[rnd(MODEL)];
        t->timer.fn = note;
        unsigned what = rnd(10);
        if (what == 0) {
            now += (int64_t)rnd(50) * unit;
            fired_count = 0;
            size_t due = 0;
            while (due < m.count && m.due[due]->timer.deadline <= now)
                due++;
            size_t done = expire_all(&heap, now);
            assert_true(done == due || (rests && done > due));
            assert_int_equal(fired_count, due);
            assert_memory_equal(fired, m.due, due * sizeof(fired[0]));
            m.count -= due;
            memmove(m.due, m.due + due, m.count * sizeof(m.due[0]));
        } else if (timer_pending(&t->timer) && rests && rnd(8)) {
            timer_rest(&heap, &t->timer);
            model_remove(&m, t);
            assert_false(timer_pending(&t->timer));
            timer_rest(&heap, &t->timer); /* again: nothing */
        } else if (timer_pending(&t->timer)) {
            timer_remove(&heap, &t->timer);
            model_remove(&m, t);
            assert_false(timer_pending(&t->timer));
            timer_remove(&heap, &t->timer); /* again: nothing */
        } else {
            timer_add(&heap, &t->timer, now + timeout(unit));
            model_add(&m, t);
        }
        assert_int_equal(heap.count, m.count);
        int64_t first = m.count ? m.due[0]->timer.deadline : GROVE_NEVER;
        if (m.count && rests)
            assert_true(timer_first(&heap) <= first);
        else
            assert_int_equal(timer_first(&heap), first);
    }
    for (size_t i = 0; i < MODEL; i++) {
        timer_remove(&heap, &pool[i].timer);
        assert_int_equal(pool[i].timer.slot, 0);
    }
    free_heap(&heap);
}

static void random_operations_agree_with_a_sorted_array(void **state)
{
    (void)state;
    int64_t (*const timeouts[])(int64_t) = {any_time, one_of_six, either};
    const int64_t units[] = {1, 16 * GROVE_MICROSECOND, 7 * MS};
    for (size_t i = 0; i < UNIT_COUNT(timeouts); i++) {
        for (size_t j = 0; j < UNIT_COUNT(units); j++) {
            agrees_with_a_sorted_array(timeouts[i], units[j], false);
            agrees_with_a_sorted_array(timeouts[i], units[j], true);
        }
    }
}

/* Where nothing is pending nothing is due, whatever rests; and who is removed
 * from its rest is gone. */
static void one_at_rest_is_not_due(void **state)
{
    (void)state;
    struct timer_heap heap = heap_for(3);
    struct numbered t[3] = {
        {.timer.fn = note}, {.timer.fn = note}, {.timer.fn = note}};
    timer_add(&heap, &t[0].timer, 10);
    timer_rest(&heap, &t[0].timer);
    assert_int_equal(timer_first(&heap), GROVE_NEVER);
    timer_add(&heap, &t[0].timer, 30);
    timer_add(&heap, &t[1].timer, 20);
    timer_add(&heap, &t[2].timer, 30);
    fired_count = 0;
    timer_expire(&heap, 29);
    assert_int_equal(fired_count, 1);
    assert_ptr_equal(fired[0], &t[1]);
    assert_int_equal(timer_first(&heap), 30);
    timer_rest(&heap, &t[2].timer);
    timer_add(&heap, &t[1].timer, 30);
    timer_add(&heap, &t[2].timer, 30); /* behind those two now */
    fired_count = 0;
    timer_expire(&heap, 30);
    assert_int_equal(fired_count, 3);
    assert_ptr_equal(fired[0], &t[0]);
    assert_ptr_equal(fired[1], &t[1]);
    assert_ptr_equal(fired[2], &t[2]);
    timer_add(&heap, &t[0].timer, 40);
    timer_rest(&heap, &t[0].timer);
    timer_remove(&heap, &t[0].timer);
    timer_add(&heap, &t[1].timer, 50);
    timer_rest(&heap, &t[1].timer);
    timer_add(&heap, &t[1].timer, 45); /* earlier than its entry */
    assert_int_equal(timer_first(&heap), 45);
    timer_remove(&heap, &t[1].timer);
    free_heap(&heap);
}

static size_t count;
static int64_t last_deadline;

static void note_order(struct timer *timer)
{
    if (timer->deadline < last_deadline)
        fail_msg("%s", "out of order");
    last_deadline = timer->deadline;
    count++;
}

static void a_million_timers_live_and_expire_in_order(void **state)
{
    (void)state;
    size_t n = unit_scale(1000000, 20000);
    struct timer *t = calloc(n, sizeof(*t));
    assert_non_null(t);
    struct timer_heap heap = heap_for(n);
    for (size_t i = 0; i < n; i++) {
        t[i].fn = note_order;
        timer_add(&heap, &t[i], rnd(1u << 30));
    }
    assert_int_equal(heap.count, n);
    last_deadline = 0;
    count = 0;
    assert_int_equal(expire_all(&heap, INT64_MAX), n);
    assert_int_equal(count, n);
    free_heap(&heap);
    free(t);
}

static void any_order_of_removal_empties_the_heap(void **state)
{
    (void)state;
    enum { N = 1000 };
    static struct timer t[N];
    unsigned order[N];
    for (unsigned kind = 0; kind < 3; kind++) {
        struct timer_heap heap = heap_for(N);
        for (unsigned i = 0; i < N; i++) {
            order[i] = kind == 0 ? i : N - 1 - i;
            timer_add(&heap, &t[i], rnd(100));
        }
        for (unsigned i = N - 1; kind == 2 && i > 0; i--) {
            unsigned j = rnd(i + 1), swap = order[i];
            order[i] = order[j];
            order[j] = swap;
        }
        for (unsigned i = 0; i < N; i++) {
            timer_remove(&heap, &t[order[i]]);
            assert_int_equal(heap.count, N - 1 - i);
        }
        free_heap(&heap);
    }
}

static struct timer_heap again_heap;

static void add_again(struct timer *timer)
{
    count++;
    timer_add(&again_heap, timer, INT64_MIN / 2);
}

static void note_count(struct timer *timer)
{
    (void)timer;
    last_deadline = -1;
}

/* One that adds itself with a deadline long past comes once an expiry, and
 * keeps no other from its turn. */
static void a_timer_that_adds_itself_holds_up_nobody(void **state)
{
    (void)state;
    struct timer again = {.fn = add_again};
    struct timer other = {.fn = note_count};
    again_heap = heap_for(2);
    timer_add(&again_heap, &again, 1);
    timer_add(&again_heap, &other, 5);
    count = 0;
    last_deadline = 0;
    assert_int_equal(timer_expire(&again_heap, 10), 2);
    assert_int_equal(count, 1);
    assert_int_equal(last_deadline, -1);
    timer_add(&again_heap, &other, 5);
    assert_int_equal(timer_expire(&again_heap, 10), 2);
    assert_int_equal(count, 2);
    timer_remove(&again_heap, &again);
    free_heap(&again_heap);
}

static struct timer *victim;

static void remove_victim(struct timer *timer)
{
    (void)timer;
    timer_remove(&again_heap, victim);
}

static void a_timer_may_remove_one_that_is_due(void **state)
{
    (void)state;
    again_heap = heap_for(2);
    struct timer first = {.fn = remove_victim};
    struct timer second = {.fn = note_count};
    victim = &second;
    last_deadline = 0;
    timer_add(&again_heap, &first, 1);
    timer_add(&again_heap, &second, 2);
    assert_int_equal(timer_expire(&again_heap, 10), 1);
    assert_int_equal(last_deadline, 0);
    free_heap(&again_heap);
}

static unsigned others;

static void note_other(struct timer *timer)
{
    (void)timer;
    others++;
}

/* More than a batch of those do not keep others waiting either: each comes
 * again only behind all that were due before. */
static void many_that_add_themselves_hold_up_nobody(void **state)
{
    (void)state;
    enum { N = 3 * TIMER_BATCH };
    static struct timer again[N];
    struct timer other = {.fn = note_other};
    again_heap = heap_for(N + 1);
    for (unsigned i = 0; i < N; i++) {
        again[i] = (struct timer){.fn = add_again};
        timer_add(&again_heap, &again[i], 1);
    }
    timer_add(&again_heap, &other, 5);
    count = 0;
    others = 0;
    for (int64_t now = 10; others == 0; now++) {
        assert_int_equal(timer_expire(&again_heap, now), TIMER_BATCH);
        assert_true(count <= N + TIMER_BATCH);
    }
    for (unsigned i = 0; i < N; i++)
        timer_remove(&again_heap, &again[i]);
    free_heap(&again_heap);
}

/* Memory is asked for where room is claimed, and nowhere else. */
static void claims_are_room_and_are_given_up(void **state)
{
    (void)state;
    struct timer_heap heap = heap_for(3);
    size_t room = heap.room;
    assert_true(room >= 3);
    for (int i = 0; i < 3; i++)
        timer_unclaim(&heap);
    for (size_t i = 0; i < room; i++)
        assert_int_equal(timer_claim(&heap), 0);
    assert_int_equal(heap.room, room);
    assert_int_equal(timer_claim(&heap), 0);
    assert_true(heap.room > room);
    free_heap(&heap);
}

static void other(struct timer *timer)
{
    (void)timer;
}

/* In the heap and in the runs. */
static void all_of_a_function_are_found(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static struct numbered t[COUNT];
    struct timer_heap heap = heap_for(COUNT);
    assert_null(timer_find(&heap, note));
    for (unsigned i = 0; i < COUNT; i++) {
        t[i].timer = (struct timer){.fn = i % 3 ? other : note};
        timer_add(&heap, &t[i].timer, i % 2 ? i : rnd(1u << 30));
    }
    struct timer *timer;
    unsigned found = 0;
    for (; (timer = timer_find(&heap, note)); found++) {
        assert_true(timer_pending(timer) && timer->fn == note);
        timer_remove(&heap, timer);
    }
    assert_int_equal(found, COUNT / 3);
    assert_int_equal(heap.count, COUNT - COUNT / 3);
    timer_remove_all(&heap);
    free_heap(&heap);
}

int main(void)
{
    const char *seed = getenv("GROVE_SEED");
    random_state = seed ? strtoull(seed, NULL, 10) : (uint64_t)grove_now();
    printf("GROVE_SEED=%llu\n", (unsigned long long)random_state);
    random_state |= 1; /* never 0, which xorshift would stay at */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_deadlines_fire_in_the_order_added),
        cmocka_unit_test(random_operations_agree_with_a_sorted_array),
        cmocka_unit_test(one_at_rest_is_not_due),
        cmocka_unit_test(a_million_timers_live_and_expire_in_order),
        cmocka_unit_test(any_order_of_removal_empties_the_heap),
        cmocka_unit_test(a_timer_that_adds_itself_holds_up_nobody),
        cmocka_unit_test(a_timer_may_remove_one_that_is_due),
        cmocka_unit_test(many_that_add_themselves_hold_up_nobody),
        cmocka_unit_test(claims_are_room_and_are_given_up),
        cmocka_unit_test(all_of_a_function_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
