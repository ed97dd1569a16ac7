/* Everything at once: fibers of several hubs that lock, wait, set, send,
 * receive, select, sleep, spawn, kill, shield and offload at random, for a
 * bounded number of steps. The seed is printed; GROVE_STRESS_SEED repeats a run
 * (the order of threads apart).
 *
 * What must hold: a lock has one holder, nothing that was handed over is lost,
 * every fiber ends, every thread ends. */
#include "unit.h"

#include <pthread.h>

#include "grove.h"
#include "hub/hub.h"

#define HUBS 3
#define LOCKS 4
#define EVENTS 4
#define CHANNELS 4 /* of capacity 0, 1, 2, ... */
#define ROOTS 8    /* fibers that each hub begins with */
#define DEPTH 3    /* generations of children */

static struct {
    grove_mutex mutex;
    int inside; /* fibers in the locked section: 1 at most */
    long sum;   /* changed in it only */
} locks[LOCKS];

static grove_event events[EVENTS];
static grove_channel *channels[CHANNELS];
static uint64_t sent[HUBS], received[HUBS]; /* the sums of all values */
static long added[HUBS]; /* to all sums, by the hubs' fibers */
static long begun[HUBS], ended[HUBS];
static _Atomic int hubs_left;
static grove_event all_done;

struct actor {
    uint64_t random;
    int hub;
    int depth;
    int steps;
    grove_fiber *children[4];
    struct actor *their[4]; /* the children's actors */
    int born;
};

/* xorshift64* (Vigna 2016). */
static uint64_t next_random(struct actor *a)
{
    a->random ^= a->random >> 12;
    a->random ^= a->random << 25;
    a->random ^= a->random >> 27;
    return a->random * UINT64_C(2685821657736338717);
}

static unsigned below(struct actor *a, unsigned n)
{
    return (unsigned)(next_random(a) >> 33) % n;
}

static int64_t soon(struct actor *a)
{
    return grove_now() + (int64_t)below(a, 300) * GROVE_MICROSECOND;
}

static void step_lock(struct actor *a)
{
    unsigned i = below(a, LOCKS);
    int r = below(a, 2) ? grove_mutex_lock(&locks[i].mutex)
                        : grove_mutex_lock_until(&locks[i].mutex, soon(a));
    if (r < 0) {
        CHILD_CHECK(r == -ECANCELED || r == -ETIMEDOUT);
        return;
    }
    CHILD_CHECK(locks[i].inside++ == 0);
    long sum = locks[i].sum;
    if (below(a, 2))
        grove_yield();
    else if (below(a, 4) == 0)
        grove_sleep_until(soon(a));
    locks[i].sum = sum + 1;
    added[a->hub]++;
    CHILD_CHECK(--locks[i].inside == 0);
    CHILD_CHECK(grove_mutex_unlock(&locks[i].mutex) == 0);
}

static void step_event(struct actor *a)
{
    grove_event *e = &events[below(a, EVENTS)];
    switch (below(a, 3)) {
    case 0:
        grove_event_set(e);
        break;
    case 1:
        grove_event_clear(e);
        break;
    case 2: {
        int r = grove_event_wait_until(e, soon(a));
        CHILD_CHECK(r == 0 || r == -ECANCELED || r == -ETIMEDOUT);
        break;
    }
    }
}

static void check_ended(int r)
{
    CHILD_CHECK(r == -ECANCELED || r == -ETIMEDOUT || r == -EAGAIN);
}

static void step_send(struct actor *a)
{
    grove_channel *c = channels[below(a, CHANNELS)];
    uint64_t value = below(a, 1000) + 1;
    int r = below(a, 2) ? grove_channel_send_until(c, &value, soon(a))
                        : grove_channel_trysend(c, &value);
    if (r == 0)
        sent[a->hub] += value;
    else
        check_ended(r);
}

static void step_receive(struct actor *a)
{
    grove_channel *c = channels[below(a, CHANNELS)];
    uint64_t value;
    int r = below(a, 2) ? grove_channel_recv_until(c, &value, soon(a))
                        : grove_channel_tryrecv(c, &value);
    if (r == 0)
        received[a->hub] += value;
    else
        check_ended(r);
}

/* To send to one, to receive from another, or an event: whichever comes first,
 * and nothing of the others. */
static void step_select(struct actor *a)
{
    unsigned first = below(a, CHANNELS);
    uint64_t out = below(a, 1000) + 1, in;
    grove_clause clauses[] = {
        {.kind = GROVE_CLAUSE_SEND, .channel = channels[first], .value = &out},
        {.kind = GROVE_CLAUSE_RECV,
         .channel = channels[(first + 1) % CHANNELS],
         .value = &in},
        {.kind = GROVE_CLAUSE_EVENT, .event = &events[below(a, EVENTS)]},
    };
    ssize_t r = grove_select_until(clauses, UNIT_COUNT(clauses), soon(a));
    if (r == 0)
        sent[a->hub] += out;
    else if (r == 1)
        received[a->hub] += in;
    else if (r != 2)
        check_ended((int)r);
}

static void *add_one(void *number)
{
    ++*(int *)number;
    return number;
}

static void step_offload(struct actor *a)
{
    if (below(a, 8))
        return;
    int number = 0;
    void *value;
    int r = grove_offload_until(add_one, &number, &value, soon(a));
    CHILD_CHECK(r == 0 ? number == 1 && value == &number : number == 0);
    if (r < 0)
        check_ended(r);
}

static void *act(void *arg);

static void step_spawn(struct actor *a)
{
    if (a->born == (int)UNIT_COUNT(a->children) || a->depth == DEPTH)
        return;
    struct actor *child = malloc(sizeof(*child));
    CHILD_CHECK(child);
    *child = (struct actor){.random = next_random(a) | 1,
                            .hub = a->hub,
                            .depth = a->depth + 1,
                            .steps = a->steps / 2};
    begun[a->hub]++;
    a->their[a->born] = child;
    CHILD_CHECK(grove_spawn(&a->children[a->born++], act, child) == 0);
    if (below(a, 2))
        grove_yield(); /* else it may be killed before it runs */
}

static void step_kill(struct actor *a)
{
    if (a->born) {
        int r = grove_kill(a->children[below(a, (unsigned)a->born)]);
        CHILD_CHECK(r == 0 || r == -ESRCH);
    }
}

static void step_scope(struct actor *a)
{
    grove_timeout t;
    grove_shield s;
    bool shielded = below(a, 2);
    if (shielded)
        grove_shield_begin(&s);
    grove_timeout_begin(&t, soon(a));
    int first = grove_sleep_until(soon(a));
    step_event(a);
    int r = grove_timeout_end(&t);
    CHILD_CHECK(first != -ETIMEDOUT || r == -ETIMEDOUT);
    CHILD_CHECK(!shielded || first != -ECANCELED);
    if (shielded)
        grove_shield_end(&s);
}

static void count_end(void *arg)
{
    ended[*(int *)arg]++;
}

static void end_children(struct actor *a)
{
    grove_shield s;
    grove_shield_begin(&s);
    for (int i = 0; i < a->born; i++) {
        int r;
        while ((r = grove_join_until(a->children[i], NULL, soon(a))) ==
               -ETIMEDOUT)
            grove_kill(a->children[i]);
        CHILD_CHECK(r == 0 || r == -ECANCELED);
        if (r == -ECANCELED) /* it never ran */
            ended[a->hub]++;
        free(a->their[i]);
        grove_release(a->children[i]);
    }
    grove_shield_end(&s);
}

static void *act(void *arg)
{
    static void (*const steps[])(struct actor *) = {
        step_lock,    step_event, step_send, step_receive, step_select,
        step_offload, step_spawn, step_kill, step_scope,
    };
    struct actor *a = arg;
    CHILD_CHECK(grove_defer(count_end, &a->hub) == 0);
    for (int i = 0; i < a->steps; i++)
        steps[below(a, UNIT_COUNT(steps))](a);
    end_children(a);
    return a;
}

static void *run_hub(void *arg)
{
    struct actor root = *(struct actor *)arg;
    grove_fiber *fibers[ROOTS];
    struct actor actors[ROOTS];
    for (int i = 0; i < ROOTS; i++) {
        actors[i] = root;
        actors[i].random = next_random(&root) | 1;
        begun[root.hub]++;
        CHILD_CHECK(grove_spawn(&fibers[i], act, &actors[i]) == 0);
    }
    CHILD_CHECK(grove_join_all(fibers, ROOTS, 0) == ROOTS);
    for (int i = 0; i < ROOTS; i++)
        grove_release(fibers[i]);
    if (--hubs_left == 0)
        grove_event_set(&all_done);
    return NULL;
}

static uint64_t choose_seed(void)
{
    const char *wish = getenv("GROVE_STRESS_SEED");
    uint64_t seed = wish ? strtoull(wish, NULL, 0) : (uint64_t)grove_now();
    print_message("GROVE_STRESS_SEED=%llu\n", (unsigned long long)seed);
    return seed | 1;
}

static void everything_at_once(void **state)
{
    pthread_t threads[HUBS];
    struct actor roots[HUBS];
    struct actor dice = {.random = choose_seed()};
    int steps = (int)unit_scale(300, 60);
    hubs_left = HUBS;
    for (size_t i = 0; i < CHANNELS; i++)
        assert_int_equal(
            grove_channel_create(&channels[i], sizeof(uint64_t), i), 0);
    for (int i = 0; i < HUBS; i++)
        roots[i] = (struct actor){
            .random = next_random(&dice) | 1, .hub = i, .steps = steps};
    for (int i = 1; i < HUBS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_hub, &roots[i]),
                         0);
    run_hub(&roots[0]);
    assert_int_equal(grove_event_wait(&all_done), 0);
    for (int i = 1; i < HUBS; i++)
        pthread_join(threads[i], NULL);

    uint64_t values = 0, value;
    for (int i = 0; i < CHANNELS; i++) {
        while (grove_channel_tryrecv(channels[i], &value) == 0)
            values += value;
        grove_channel_release(channels[i]);
    }
    for (int i = 0; i < HUBS; i++)
        values += received[i] - sent[i];
    assert_int_equal(values, 0);

    long sum = 0, sums = 0;
    for (int i = 0; i < LOCKS; i++) {
        assert_false(grove_mutex_is_locked(&locks[i].mutex));
        sums += locks[i].sum;
    }
    for (int i = 0; i < HUBS; i++) {
        assert_int_equal(begun[i], ended[i]);
        sum += added[i];
    }
    assert_int_equal(sum, sums);
    assert_true(sum > 0);
    assert_int_equal(hub_fibers(hub_self()), 0);
    assert_int_equal(hub_self()->shared_waits, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
