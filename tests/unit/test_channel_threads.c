/* Channels and select between hubs and plain threads: every value arrives once
 * and in its sender's order, whoever is killed, late or gone meanwhile. */
#include "unit.h"

#include <pthread.h>

#include "grove.h"
#include "hub/hub.h"

#define THREADS 3 /* on either side */

struct item {
    int sender;
    int number;
    uint64_t check; /* tells a value that was copied in parts */
};

static uint64_t check_of(int sender, int number)
{
    return ((uint64_t)sender << 32 | (unsigned)number) *
           UINT64_C(0x9e3779b97f4a7c15);
}

static struct {
    grove_channel *items, *others;
    int each;       /* items a sender */
    bool polls;     /* senders are threads without a hub: they try */
    bool selects;   /* all use grove_select */
    bool impatient; /* sends and receives have deadlines and kills */
    char *seen;     /* by sender and number */
    _Atomic int received, doubled, broken, disordered;
} run;

static int send_item(const struct item *item)
{
    int r;
    if (run.polls) {
        while ((r = grove_channel_trysend(run.items, item)) == -EAGAIN)
            sched_yield();
        return r;
    }
    if (!run.selects) {
        do
            r = run.impatient ? grove_channel_send_until(run.items, item,
                                                         grove_now() + 20000)
                              : grove_channel_send(run.items, item);
        while (r == -ETIMEDOUT || r == -ECANCELED);
        return r;
    }
    grove_clause clauses[] = {{.kind = GROVE_CLAUSE_SEND,
                               .channel = run.items,
                               .value = (void *)item},
                              {.kind = GROVE_CLAUSE_SEND,
                               .channel = run.others,
                               .value = (void *)item}};
    ssize_t k;
    do
        k = grove_select_until(
            clauses, 2, run.impatient ? grove_now() + 20000 : GROVE_NEVER);
    while (k == -ETIMEDOUT || k == -ECANCELED);
    return k < 0 ? (int)k : clauses[k].result;
}

static int recv_item(struct item *item)
{
    int r;
    if (!run.selects) {
        do
            r = run.impatient ? grove_channel_recv_until(run.items, item,
                                                         grove_now() + 20000)
                              : grove_channel_recv(run.items, item);
        while (r == -ETIMEDOUT || r == -ECANCELED);
        return r;
    }
    grove_clause clauses[] = {
        {.kind = GROVE_CLAUSE_RECV, .channel = run.others, .value = item},
        {.kind = GROVE_CLAUSE_RECV, .channel = run.items, .value = item}};
    for (;;) {
        ssize_t k = grove_select_until(
            clauses, 2, run.impatient ? grove_now() + 20000 : GROVE_NEVER);
        if (k == -ETIMEDOUT || k == -ECANCELED)
            continue;
        if (k < 0)
            return (int)k;
        if (clauses[k].result == 0)
            return 0;
        clauses[k].kind = GROVE_CLAUSE_NONE; /* closed: the other one still? */
        if (clauses[!k].kind == GROVE_CLAUSE_NONE)
            return clauses[k].result;
    }
}

static void note(const struct item *item, int last[])
{
    if (item->check != check_of(item->sender, item->number))
        run.broken++;
    if (__atomic_exchange_n(&run.seen[item->sender * run.each + item->number],
                            1, __ATOMIC_RELAXED))
        run.doubled++;
    if (item->number <= last[item->sender])
        run.disordered++;
    last[item->sender] = item->number;
    run.received++;
}

static void *send_all(void *arg)
{
    int sender = (int)(intptr_t)arg;
    for (int i = 0; i < run.each; i++) {
        struct item item = {sender, i, check_of(sender, i)};
        if (send_item(&item) != 0)
            run.broken++;
    }
    return NULL;
}

static void *recv_all(void *arg)
{
    struct item item;
    int last[2 * THREADS];
    memset(last, -1, sizeof(last));
    while (recv_item(&item) == 0)
        note(&item, last);
    return arg;
}

/* Two fibers on a thread's hub, the first of which is killed now and then. */
static void *two_fibers(void *(*fn)(void *), void *a, void *b)
{
    grove_fiber *fs[2];
    grove_spawn(&fs[0], fn, a);
    grove_spawn(&fs[1], fn, b);
    grove_yield(); /* one that has not run would never run */
    while (run.impatient && grove_result(fs[0], NULL) == -EAGAIN) {
        grove_kill(fs[0]);
        grove_sleep(100 * GROVE_MICROSECOND);
    }
    grove_join_all(fs, 2, 0);
    grove_release(fs[0]);
    grove_release(fs[1]);
    return NULL;
}

static void *sending_thread(void *arg)
{
    intptr_t i = (intptr_t)arg;
    if (run.polls) {
        send_all((void *)(2 * i));
        return send_all((void *)(2 * i + 1));
    }
    return two_fibers(send_all, (void *)(2 * i), (void *)(2 * i + 1));
}

static void *receiving_thread(void *arg)
{
    return two_fibers(recv_all, arg, arg);
}

/* Senders and receivers of all threads on the channel(s); all must arrive. */
static void exchange(size_t capacity, int each)
{
    pthread_t senders[THREADS], receivers[THREADS];
    run.each = each;
    run.received = run.doubled = run.broken = run.disordered = 0;
    run.seen = calloc(2 * THREADS, (size_t)each);
    assert_int_equal(
        grove_channel_create(&run.items, sizeof(struct item), capacity), 0);
    assert_int_equal(
        grove_channel_create(&run.others, sizeof(struct item), capacity), 0);
    for (intptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(
            pthread_create(&receivers[i], NULL, receiving_thread, NULL), 0);
        assert_int_equal(
            pthread_create(&senders[i], NULL, sending_thread, (void *)i), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(senders[i], NULL);
    grove_channel_close(run.items);
    grove_channel_close(run.others);
    for (int i = 0; i < THREADS; i++)
        pthread_join(receivers[i], NULL);
    assert_int_equal(run.broken, 0);
    assert_int_equal(run.doubled, 0);
    assert_int_equal(run.received, 2 * THREADS * each);
    if (!run.selects) /* of two channels one may be slower */
        assert_int_equal(run.disordered, 0);
    grove_channel_release(run.items);
    grove_channel_release(run.others);
    free(run.seen);
}

static void each_capacity(int each)
{
    static const size_t capacities[] = {0, 1, 16, GROVE_UNBOUNDED};
    for (size_t i = 0; i < UNIT_COUNT(capacities); i++)
        exchange(capacities[i], each);
}

static void between_hubs(void **state)
{
    (void)state;
    run.polls = run.selects = run.impatient = false;
    each_capacity((int)unit_scale(3000, 300));
}

static void from_threads_without_a_hub(void **state)
{
    (void)state;
    run.polls = true;
    run.selects = run.impatient = false;
    each_capacity((int)unit_scale(500, 100));
}

static void kills_and_deadlines_lose_nothing(void **state)
{
    (void)state;
    run.polls = run.selects = false;
    run.impatient = true;
    each_capacity((int)unit_scale(1000, 100));
}

static void selects_between_hubs(void **state)
{
    (void)state;
    run.polls = run.impatient = false;
    run.selects = true;
    each_capacity((int)unit_scale(1500, 150));
}

static void selects_with_kills_and_deadlines(void **state)
{
    (void)state;
    run.polls = false;
    run.selects = run.impatient = true;
    each_capacity((int)unit_scale(500, 50));
}

/* Every hub sends and receives in one select, on the same channels in opposite
 * orders: whoever locks them must not wait for another who does. */
struct swapper {
    grove_channel *channels[2];
    uint64_t sent, received;
    int rounds, side;
    _Atomic int *left;
};

static void *swap(void *arg)
{
    struct swapper *s = arg;
    for (int i = 0; i < s->rounds; i++) {
        uint64_t out = (uint64_t)i, in = 0;
        grove_clause clauses[] = {
            {.kind = GROVE_CLAUSE_SEND,
             .channel = s->channels[s->side],
             .value = &out},
            {.kind = GROVE_CLAUSE_RECV,
             .channel = s->channels[!s->side],
             .value = &in},
        };
        ssize_t k = grove_select(clauses, 2);
        if (k < 0 || clauses[k].result != 0)
            break; /* closed: nobody is left on the other side */
        if (k == 0)
            s->sent += out;
        else
            s->received += in;
    }
    if (--*s->left == 0) {
        grove_channel_close(s->channels[0]);
        grove_channel_close(s->channels[1]);
    }
    return NULL;
}

static void opposite_selects_do_not_lock_each_other_out(void **state)
{
    (void)state;
    grove_channel *a, *b;
    struct swapper s[2 * THREADS];
    pthread_t threads[2 * THREADS];
    _Atomic int left = 1; /* the first side to be done closes */
    uint64_t sent = 0, received = 0;
    assert_int_equal(grove_channel_create(&a, 8, 0), 0);
    assert_int_equal(grove_channel_create(&b, 8, 0), 0);
    for (int i = 0; i < 2 * THREADS; i++) {
        s[i] = (struct swapper){.channels = {a, b},
                                .rounds = (int)unit_scale(3000, 300),
                                .side = i % 2,
                                .left = &left};
        assert_int_equal(pthread_create(&threads[i], NULL, swap, &s[i]), 0);
    }
    for (int i = 0; i < 2 * THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2 * THREADS; i++) {
        sent += s[i].sent;
        received += s[i].received;
    }
    assert_true(sent > 0);
    assert_int_equal(sent, received);
    grove_channel_release(a);
    grove_channel_release(b);
}

/* ---- a hub that ends ------------------------------------------------------------ */

static grove_channel *quiet;
static _Atomic bool parked;

static void *wait_for_good(void *arg)
{
    uint64_t value;
    grove_clause clauses[] = {
        {.kind = GROVE_CLAUSE_RECV, .channel = quiet, .value = &value},
        {.kind = GROVE_CLAUSE_RECV, .channel = quiet, .value = &value}};
    if (arg)
        grove_select(clauses, 2);
    else
        grove_channel_recv(quiet, &value);
    return NULL;
}

static void *end_with_waiters(void *arg)
{
    grove_fiber *fs[4];
    for (intptr_t i = 0; i < 4; i++)
        grove_spawn(&fs[i], wait_for_good, (void *)(i % 2));
    grove_yield();
    parked = true;
    return arg;
}

/* Its fibers are out of the queue when it is gone, though somebody sends at
 * that moment; what a send has not handed over by then is still there. */
static void a_thread_may_end_while_its_fibers_wait(void **state)
{
    (void)state;
    for (int round = 0; round < (int)unit_scale(100, 20); round++) {
        pthread_t t;
        uint64_t value = 1;
        parked = false;
        assert_int_equal(grove_channel_create(&quiet, sizeof(value), 0), 0);
        assert_int_equal(pthread_create(&t, NULL, end_with_waiters, NULL), 0);
        while (!parked)
            sched_yield();
        for (int i = 0; i < 4; i++)
            grove_channel_trysend(quiet, &value);
        pthread_join(t, NULL);
        assert_null(quiet->receivers.first);
        assert_int_equal(grove_channel_trysend(quiet, &value), -EAGAIN);
        grove_channel_release(quiet);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(between_hubs),
        cmocka_unit_test(from_threads_without_a_hub),
        cmocka_unit_test(kills_and_deadlines_lose_nothing),
        cmocka_unit_test(selects_between_hubs),
        cmocka_unit_test(selects_with_kills_and_deadlines),
        cmocka_unit_test(opposite_selects_do_not_lock_each_other_out),
        cmocka_unit_test(a_thread_may_end_while_its_fibers_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
