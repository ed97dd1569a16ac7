/*
 * Hand-overs against kills and deadlines, in every order.
 *
 * Two fibers wait in a primitive. Every sequence of the steps below is run and
 * compared with a model that says in a few lines who must get what:
 *
 *   give     from this thread: to the first that nothing else was told to
 *   remote   from another thread, whose wake is on its way until `mail`: to the
 *            first that has not been out of the queue
 *   mail     what other threads have sent arrives
 *   kill, expire   one of the two: a kill, its deadline
 *   run      whoever is ready has its turn
 *
 * The other thread is a second hub that this one plays, so that each sequence
 * is the same every time.
 */
#include <limits.h>

#include "unit.h"

#include "grove.h"
#include "sync/waiter.h"

enum step {
    GIVE,
    REMOTE,
    MAIL,
    KILL_A,
    KILL_B,
    EXPIRE_A,
    EXPIRE_B,
    RUN,
    STEPS
};

static const char *const step_names[] = {"give",     "remote", "mail",
                                         "kill A",   "kill B", "expire A",
                                         "expire B", "run"};

/* A waiter: what came of it, and what the model says must. */
struct party {
    grove_fiber *fiber;
    int index;
    int result;        /* of its wait; 1: not back yet */
    bool kill_to_come; /* after it */
    enum { WAITS, HIT, LEFT, GOT } state;
    int expected;
    bool expected_kill;
};

static struct party parties[2];
static struct hub *main_hub; /* the thread's own */
static struct hub other;     /* the thread that `remote` is */

struct primitive {
    const char *name;
    void (*reset)(void);
    int (*wait)(struct party *p, int64_t deadline);
    void (*give)(void);
    bool all; /* a gift is for all who wait */
    /* How many gifts nobody took, and how many of those it can keep. */
    size_t (*kept)(void);
    size_t most;
};

static int barrier_wait(struct party *p, int64_t deadline);

static const struct primitive *primitive;
static size_t kept; /* the model's */

static void *party_entry(void *arg)
{
    struct party *p = arg;
    p->result = primitive->wait(p, grove_now() + 3600 * GROVE_SECOND);
    p->kill_to_come = p->fiber->cancelled;
    return NULL;
}

/* ---- the model ----------------------------------------------------------- */

static void model_got(struct party *p)
{
    if (p->state == HIT && p->expected == -ECANCELED)
        p->expected_kill = true; /* it is told later */
    p->state = GOT;
    p->expected = 0;
}

/* At a barrier both are settled at once, or neither. */
static void model_settle(void)
{
    for (int i = 0; i < 2; i++) {
        if (parties[i].state == LEFT || parties[i].state == GOT)
            return;
    }
    model_got(&parties[0]);
    model_got(&parties[1]);
}

static void model_give(bool remote)
{
    if (primitive->wait == barrier_wait) {
        model_settle();
        return;
    }
    for (int i = 0; i < 2; i++) {
        struct party *p = &parties[i];
        if (p->state == WAITS || (p->state == HIT && remote)) {
            model_got(p);
            if (!primitive->all)
                return;
        } else if (p->state == HIT) {
            p->state = LEFT;
        }
    }
    if (kept < primitive->most)
        kept++;
}

static void model_hit(struct party *p, int error)
{
    if (p->state == WAITS) {
        p->state = HIT;
        p->expected = error;
    } else if (error == -ECANCELED && p->result == 1) {
        p->expected_kill = true;
    }
}

static void model_run(void)
{
    for (int i = 0; i < 2; i++) {
        if (parties[i].state == HIT)
            parties[i].state = LEFT;
    }
}

/* ---- what really happens ------------------------------------------------- */

static void give_remotely(void)
{
    struct hub *self = hub_of_thread;
    hub_of_thread = &other;
    primitive->give();
    hub_of_thread = self;
}

static void expire(grove_fiber *f)
{
    if (f->state == FIBER_ENDED || !timer_pending(&f->timer))
        return;
    timer_remove(&f->hub->timers, &f->timer);
    f->timer.fn(&f->timer);
}

static void take(enum step step)
{
    struct party *p = &parties[step == KILL_B || step == EXPIRE_B];
    switch (step) {
    case GIVE:
        model_give(false);
        primitive->give();
        break;
    case REMOTE:
        model_give(true);
        give_remotely();
        break;
    case MAIL:
        hub_self()->look(hub_self());
        __attribute__((fallthrough));
    case RUN:
    case STEPS:
        model_run();
        grove_yield();
        grove_yield();
        break;
    case KILL_A:
    case KILL_B:
        model_hit(p, -ECANCELED);
        grove_kill(p->fiber);
        break;
    case EXPIRE_A:
    case EXPIRE_B:
        model_hit(p, -ETIMEDOUT);
        expire(p->fiber);
        break;
    }
}

static void begin(void)
{
    kept = 0;
    /* A call that need not wait gives a turn now and then, which would be
     * another schedule. */
    hub_self()->calls = other.calls = INT_MAX;
    primitive->reset();
    for (int i = 0; i < 2; i++) {
        parties[i] = (struct party){.index = i, .result = 1};
        assert_int_equal(
            grove_spawn(&parties[i].fiber, party_entry, &parties[i]), 0);
    }
    grove_yield();
}

static void end(void)
{
    /* Whoever still waits is killed, and all goes to its end. */
    for (int i = 0; i < 2; i++) {
        if (parties[i].state == WAITS)
            take(i ? KILL_B : KILL_A);
    }
    for (int i = 0; i < 4; i++)
        take(MAIL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            grove_join_until(parties[i].fiber, NULL, grove_now() + HANG), 0);
}

static void describe(const enum step *steps, int n)
{
    fprintf(stderr, "%s:", primitive->name);
    for (int i = 0; i < n; i++)
        fprintf(stderr, " %s,", step_names[steps[i]]);
    for (int i = 0; i < 2; i++)
        fprintf(stderr, " %c: %d (expected %d), kill to come %d (%d);", 'A' + i,
                parties[i].result, parties[i].expected, parties[i].kill_to_come,
                parties[i].expected_kill);
    fprintf(stderr, " kept %zu (%zu)\n", primitive->kept(), kept);
}

static bool as_expected(void)
{
    bool good = primitive->kept() == kept;
    for (int i = 0; i < 2; i++) {
        const struct party *p = &parties[i];
        good = good && p->result == p->expected &&
               p->kill_to_come == p->expected_kill;
    }
    return good;
}

static void run_schedule(const enum step *steps, int n)
{
    begin();
    for (int i = 0; i < n; i++)
        take(steps[i]);
    end();
    if (!as_expected()) {
        describe(steps, n);
        fail();
    }
    for (int i = 0; i < 2; i++)
        grove_release(parties[i].fiber);
    struct hub *hub = hub_self();
    assert_int_equal(hub->shared_waits, 0);
    assert_int_equal(hub->posters, 0);
    assert_int_equal(hub->timers.count, 0);
}

static void run_all(const struct primitive *p)
{
    enum { MOST = 5 };
    int length = (int)unit_scale(MOST, UNIT_TSAN ? 3 : 4);
    enum step steps[MOST];
    size_t schedules = 1;
    primitive = p;
    for (int i = 0; i < length; i++)
        schedules *= STEPS;
    for (size_t number = 0; number < schedules; number++) {
        size_t rest = number;
        for (int i = 0; i < length; i++) {
            steps[i] = (enum step)(rest % STEPS);
            rest /= STEPS;
        }
        run_schedule(steps, length);
    }
}

/* ---- the primitives ------------------------------------------------------ */

static size_t none(void)
{
    return 0; /* gifts are not kept */
}

static grove_semaphore semaphore;

static void semaphore_reset(void)
{
    grove_semaphore_init(&semaphore, 0);
}

static int semaphore_wait(struct party *p, int64_t deadline)
{
    return grove_semaphore_acquire_until(&semaphore, 1, deadline);
}

static void semaphore_give(void)
{
    grove_semaphore_release(&semaphore, 1);
}

static size_t semaphore_kept(void)
{
    return grove_semaphore_units(&semaphore);
}

static void of_a_semaphore(void **state)
{
    static const struct primitive p = {"semaphore",
                                       semaphore_reset,
                                       semaphore_wait,
                                       semaphore_give,
                                       false,
                                       semaphore_kept,
                                       99};
    run_all(&p);
}

static grove_condition condition;
static grove_mutex mutex;

static void condition_reset(void)
{
    assert_int_equal(mutex.hold.owner, 0);
    grove_condition_init(&condition);
}

static int condition_wait(struct party *p, int64_t deadline)
{
    if (grove_mutex_lock(&mutex) != 0)
        return -EIO;
    int r = grove_condition_wait_until(&condition, &mutex, deadline);
    return grove_mutex_unlock(&mutex) == 0 ? r : -EIO;
}

static void condition_give(void)
{
    grove_condition_signal(&condition);
}

static void of_a_condition(void **state)
{
    static const struct primitive p = {"condition",
                                       condition_reset,
                                       condition_wait,
                                       condition_give,
                                       false,
                                       none,
                                       0};
    run_all(&p);
}

static void condition_give_all(void)
{
    grove_condition_broadcast(&condition);
}

static void of_a_broadcast(void **state)
{
    static const struct primitive p = {"broadcast",
                                       condition_reset,
                                       condition_wait,
                                       condition_give_all,
                                       true,
                                       none,
                                       0};
    run_all(&p);
}

static grove_event event;

static void event_reset(void)
{
    grove_event_init(&event);
}

static int event_wait(struct party *p, int64_t deadline)
{
    return grove_event_wait_until(&event, deadline);
}

static void event_give(void)
{
    grove_event_set(&event);
}

static void of_an_event(void **state)
{
    static const struct primitive p = {
        "event", event_reset, event_wait, event_give, true, none, 0};
    run_all(&p);
}

static grove_promise promise;

static void promise_reset(void)
{
    grove_promise_init(&promise);
}

static int promise_wait(struct party *p, int64_t deadline)
{
    return grove_promise_get_until(&promise, NULL, deadline);
}

static void promise_give(void)
{
    grove_promise_set(&promise, &promise);
}

static void of_a_promise(void **state)
{
    static const struct primitive p = {
        "promise", promise_reset, promise_wait, promise_give, true, none, 0};
    run_all(&p);
}

static grove_wait_group group;

static void group_reset(void)
{
    grove_wait_group_init(&group);
    grove_wait_group_add(&group, 1);
}

static int group_wait(struct party *p, int64_t deadline)
{
    return grove_wait_group_wait_until(&group, deadline);
}

static void group_give(void)
{
    grove_wait_group_done(&group);
}

static void of_a_wait_group(void **state)
{
    static const struct primitive p = {
        "wait group", group_reset, group_wait, group_give, true, none, 0};
    run_all(&p);
}

/* Locks are given by who holds them, whose part we play: at first this thread's
 * own stack, then whoever got it. They are kept when nobody holds them. */
static void play(uint64_t holder, int (*unlock)(void))
{
    struct hub *hub = hub_of_thread;
    struct grove_fiber *self = hub->current;
    holder &= ~(uint64_t)(FIBER_IDENTITIES - 1); /* without flags */
    if (!holder)
        return;
    hub->current = &main_hub->root;
    for (int i = 0; i < 2; i++) {
        if (parties[i].fiber->identity == holder)
            hub->current = parties[i].fiber;
    }
    assert_int_equal(hub->current->identity, holder);
    assert_int_equal(unlock(), 0);
    hub->current = self;
}

static void mutex_reset(void)
{
    grove_mutex_init(&mutex);
    assert_int_equal(grove_mutex_lock(&mutex), 0);
}

static int mutex_wait(struct party *p, int64_t deadline)
{
    int r = grove_mutex_lock_until(&mutex, deadline);
    p->fiber->held = NULL; /* its part goes on after its end: see play */
    return r;
}

static int unlock_mutex(void)
{
    return grove_mutex_unlock(&mutex);
}

static void mutex_give(void)
{
    play(mutex.hold.owner, unlock_mutex);
}

static size_t mutex_kept(void)
{
    return mutex.hold.owner == 0;
}

static void of_a_mutex(void **state)
{
    static const struct primitive p = {
        "mutex", mutex_reset, mutex_wait, mutex_give, false, mutex_kept, 1};
    run_all(&p);
    grove_mutex_init(&mutex);
}

static grove_rwlock rwlock;

static void rwlock_reset(void)
{
    grove_rwlock_init(&rwlock);
    assert_int_equal(grove_rwlock_wrlock(&rwlock), 0);
}

static int rwlock_wait(struct party *p, int64_t deadline)
{
    int r = grove_rwlock_wrlock_until(&rwlock, deadline);
    p->fiber->held = NULL; /* as with a mutex */
    return r;
}

static int unlock_rwlock(void)
{
    return grove_rwlock_unlock(&rwlock);
}

static void rwlock_give(void)
{
    play(rwlock.hold.owner, unlock_rwlock);
}

static size_t rwlock_kept(void)
{
    return rwlock.hold.owner == 0;
}

static void of_a_rwlock(void **state)
{
    static const struct primitive p = {
        "rwlock", rwlock_reset, rwlock_wait, rwlock_give, false, rwlock_kept,
        1};
    run_all(&p);
}

/* The third to come is the one that gives. */
static grove_barrier barrier;

static void barrier_reset(void)
{
    grove_barrier_init(&barrier, 3);
}

static int barrier_wait(struct party *p, int64_t deadline)
{
    return grove_barrier_wait_until(&barrier, deadline);
}

static void barrier_give(void)
{
    if (barrier.arrived == 2)
        assert_int_equal(grove_barrier_wait(&barrier), 1);
}

static void of_a_barrier(void **state)
{
    static const struct primitive p = {
        "barrier", barrier_reset, barrier_wait, barrier_give, true, none, 0};
    run_all(&p);
    assert_int_equal(barrier.arrived, 0);
}

static int make_other(void **state)
{
    other.current = &other.root;
    other.root.hub = &other;
    main_hub = hub_self();
    return main_hub ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_an_event),     cmocka_unit_test(of_a_promise),
        cmocka_unit_test(of_a_wait_group), cmocka_unit_test(of_a_semaphore),
        cmocka_unit_test(of_a_condition),  cmocka_unit_test(of_a_broadcast),
        cmocka_unit_test(of_a_mutex),      cmocka_unit_test(of_a_rwlock),
        cmocka_unit_test(of_a_barrier),
    };
    return cmocka_run_group_tests(tests, make_other, NULL);
}
