/* Worker threads: calls of fibers that run beside them. */
#include <fcntl.h>
#include <pthread.h>

#include "fiber_calls.h"
#include "os/workers.h"
#include "stopped_clock.h"
#include "unit.h"

/* ---- a worker that is held up until told --------------------------------- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int inside, most, passed;
    int order[64];
};

#define GATE \
    { \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER \
    }

struct visit {
    struct gate *gate;
    int number;
};

static void *visit(void *arg)
{
    struct visit *v = arg;
    struct gate *g = v->gate;
    pthread_mutex_lock(&g->lock);
    if (++g->inside > g->most)
        g->most = g->inside;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->lock);
    g->inside--;
    g->order[g->passed++] = v->number;
    pthread_mutex_unlock(&g->lock);
    errno = EDOM;
    return v;
}

static int inside(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    int n = g->inside;
    pthread_mutex_unlock(&g->lock);
    return n;
}

static void open_gate(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

/* Let fibers run until n are inside, be the clock stopped or not: so they
 * cannot be awaited by a deadline, and workers wake no fiber. */
static void await_inside(struct gate *g, int n)
{
    for (int64_t us = 0; inside(g) < n; us += 250) {
        check(us < HANG / 1000, "%d of %d are inside", inside(g), n);
        grove_yield();
        usleep(250);
    }
}

/* A call in a fiber of its own. */
struct caller {
    grove_fiber *fiber;
    struct visit visit;
    int64_t deadline;
    int result, error;
    int next; /* what a wait afterwards returned */
    void *value;
};

static void *call_visit(void *arg)
{
    struct caller *c = arg;
    c->result = grove_offload_until(visit, &c->visit, &c->value, c->deadline);
    c->error = errno;
    c->next = grove_sleep(1);
    return NULL;
}

static void start(struct caller *c, struct gate *g, int number,
                  int64_t deadline)
{
    *c = (struct caller){.visit = {g, number}, .deadline = deadline};
    assert_int_equal(grove_spawn(&c->fiber, call_visit, c), 0);
}

static void finish(struct caller *c)
{
    assert_int_equal(grove_join_until(c->fiber, NULL, grove_now() + HANG), 0);
    grove_release(c->fiber);
}

static void assert_visited(struct caller *c)
{
    finish(c);
    assert_int_equal(c->result, 0);
    assert_int_equal(c->error, EDOM);
    assert_ptr_equal(c->value, &c->visit);
}

/* ---- calls --------------------------------------------------------------- */

static pthread_t main_thread;

static void *other_thread(void *arg)
{
    bool other = !pthread_equal(pthread_self(), main_thread);
    errno = other ? ERANGE : 0;
    return other ? arg : NULL;
}

static void what_it_returns_and_its_errno_come_back(void **state)
{
    int there;
    void *value = NULL;
    main_thread = pthread_self();
    for (int i = 0; i < 100; i++) {
        errno = 0;
        assert_int_equal(grove_offload(other_thread, &there, &value), 0);
        assert_int_equal(errno, ERANGE);
        assert_ptr_equal(value, &there);
    }
    assert_int_equal(grove_offload(other_thread, &there, NULL), 0);
    assert_int_equal(grove_offload(NULL, &there, &value), -EINVAL);
    assert_null(value);
}

static void calls_run_at_once_and_so_do_fibers(void **state)
{
    enum { CALLS = 20 };
    struct gate g = GATE;
    struct caller c[CALLS];
    for (int i = 0; i < CALLS; i++)
        start(&c[i], &g, i, GROVE_NEVER);
    await_inside(&g, CALLS); /* which lets fibers run */
    open_gate(&g);
    for (int i = 0; i < CALLS; i++)
        assert_visited(&c[i]);
    assert_int_equal(g.most, CALLS);
}

static void no_more_than_the_maximum_run(void **state)
{
    enum { CALLS = 12 };
    struct gate g = GATE;
    struct caller c[CALLS];
    assert_int_equal(grove_workers_set_max(3), 0);
    assert_int_equal(grove_workers_max(), 3);
    for (int i = 0; i < CALLS; i++)
        start(&c[i], &g, i, GROVE_NEVER);
    await_inside(&g, 3);
    assert_int_equal(workers_counts().queued, CALLS - 3);
    open_gate(&g);
    for (int i = 0; i < CALLS; i++)
        assert_visited(&c[i]);
    assert_int_equal(g.most, 3);
    assert_int_equal(grove_workers_set_max(64), 0);
    assert_int_equal(grove_workers_set_max(0), -EINVAL);
    assert_int_equal(grove_workers_set_max(GROVE_WORKERS_MAX + 1), -EINVAL);
    assert_int_equal(grove_workers_max(), 64);
}

static void a_higher_maximum_counts_at_once(void **state)
{
    struct gate g = GATE;
    struct caller c[4];
    assert_int_equal(grove_workers_set_max(1), 0);
    for (int i = 0; i < 4; i++)
        start(&c[i], &g, i, GROVE_NEVER);
    await_inside(&g, 1);
    assert_int_equal(grove_workers_set_max(4), 0);
    await_inside(&g, 4);
    open_gate(&g);
    for (int i = 0; i < 4; i++)
        assert_visited(&c[i]);
    assert_int_equal(grove_workers_set_max(64), 0);
}

static void queued_calls_run_in_order(void **state)
{
    enum { CALLS = 30 };
    struct gate g = GATE;
    struct caller c[CALLS];
    assert_int_equal(grove_workers_set_max(1), 0);
    for (int i = 0; i < CALLS; i++)
        start(&c[i], &g, i, GROVE_NEVER);
    await_inside(&g, 1);
    open_gate(&g);
    for (int i = 0; i < CALLS; i++)
        assert_visited(&c[i]);
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(g.order[i], i);
    assert_int_equal(grove_workers_set_max(64), 0);
}

static void idle_workers_end(void **state)
{
    struct gate g = GATE;
    struct caller c[5];
    workers_idle_time = MS;
    for (int i = 0; i < 5; i++)
        start(&c[i], &g, i, GROVE_NEVER);
    await_inside(&g, 5);
    open_gate(&g);
    for (int i = 0; i < 5; i++)
        assert_visited(&c[i]);
    int64_t end = grove_now() + HANG;
    /* Those that went idle when the time was longer are woken by the maximum.
     */
    while (workers_counts().threads > 1 && grove_now() < end) {
        grove_workers_set_max(1);
        grove_sleep(MS);
    }
    assert_true(workers_counts().threads <= 1);
    grove_workers_set_max(64);
    int there;
    for (int i = 0; i < 20; i++) { /* ends and beginnings meet */
        void *value;
        assert_int_equal(grove_offload(other_thread, &there, &value), 0);
        assert_ptr_equal(value, &there);
        grove_sleep(i % 3 * MS);
    }
    while (workers_counts().threads > 0 && grove_now() < end)
        grove_sleep(MS);
    assert_int_equal(workers_counts().threads, 0);
    workers_idle_time = 10 * GROVE_SECOND;
}

static void *blocked_signals(void *arg)
{
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    for (int s = 1; s < 32; s++) {
        if (s != SIGKILL && s != SIGSTOP && !sigismember(&set, s))
            return NULL;
    }
    return arg;
}

static void signals_are_blocked_in_workers(void **state)
{
    void *value;
    assert_int_equal(grove_offload(blocked_signals, &value, &value), 0);
    assert_ptr_equal(value, &value);
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    assert_false(sigismember(&set, SIGUSR1));
}

static void *offload_again(void *arg)
{
    void *value;
    int r = grove_offload(other_thread, arg, &value);
    return r == 0 ? value : NULL;
}

static void a_worker_calls_in_the_place(void **state)
{
    int there;
    void *value;
    assert_int_equal(grove_workers_set_max(1), 0);
    assert_int_equal(grove_offload(offload_again, &there, &value), 0);
    assert_ptr_equal(value, &there);
    assert_int_equal(grove_workers_set_max(64), 0);
}

/* ---- ends before its time -------------------------------------------------- */

static void what_was_not_begun_is_taken_back(void **state)
{
    struct gate g = GATE;
    struct caller first, killed, late, last;
    assert_int_equal(grove_workers_set_max(1), 0);
    start(&first, &g, 1, GROVE_NEVER);
    await_inside(&g, 1);
    start(&killed, &g, 2, GROVE_NEVER);
    clock_stop();
    start(&late, &g, 3, grove_now() + 2 * MS);
    start(&last, &g, 4, GROVE_NEVER);
    grove_yield();
    assert_int_equal(workers_counts().queued, 3);
    clock_go_on(2 * MS);
    grove_kill(killed.fiber);
    finish(&killed);
    assert_int_equal(killed.result, -ECANCELED);
    assert_int_equal(killed.next, 0);
    finish(&late);
    assert_int_equal(late.result, -ETIMEDOUT);
    assert_int_equal(workers_counts().queued, 1);
    open_gate(&g);
    assert_visited(&first);
    assert_visited(&last);
    assert_int_equal(g.passed, 2);
    assert_int_equal(g.order[1], 4);
    assert_int_equal(grove_workers_set_max(64), 0);
}

static void what_was_begun_is_waited_for(void **state)
{
    struct gate g = GATE;
    struct caller killed, late;
    clock_stop();
    start(&killed, &g, 1, GROVE_NEVER);
    start(&late, &g, 2, grove_now() + 2 * MS);
    await_inside(&g, 2);
    clock_go_on(0);
    grove_kill(killed.fiber);
    grove_sleep_until(late.deadline + MS);
    grove_kill(killed.fiber);
    grove_yield();
    assert_int_equal(grove_result(killed.fiber, NULL), -EAGAIN);
    assert_int_equal(grove_result(late.fiber, NULL), -EAGAIN);
    open_gate(&g);
    assert_visited(&killed);
    assert_int_equal(killed.next, -ECANCELED);
    assert_visited(&late);
    assert_int_equal(late.next, 0);
}

static void *in_a_scope(void *arg)
{
    struct caller *c = arg;
    grove_timeout t;
    grove_timeout_begin(&t, c->deadline);
    c->result = grove_offload(visit, &c->visit, &c->value);
    c->error = errno;
    c->next = grove_sleep(GROVE_SECOND);
    int end = grove_timeout_end(&t);
    return (void *)(intptr_t)(end == -ETIMEDOUT);
}

static void a_scope_that_passed_is_told_at_the_next_wait(void **state)
{
    struct gate g = GATE;
    clock_stop();
    struct caller c = {.visit = {&g, 1}, .deadline = grove_now() + 2 * MS};
    void *expired;
    assert_int_equal(grove_spawn(&c.fiber, in_a_scope, &c), 0);
    await_inside(&g, 1);
    clock_go_on(0);
    grove_sleep_until(c.deadline + MS);
    open_gate(&g);
    assert_int_equal(grove_join(c.fiber, &expired), 0);
    grove_release(c.fiber);
    assert_int_equal(c.result, 0);
    assert_int_equal(c.next, -ETIMEDOUT);
    assert_non_null(expired);
}

static void *killed_first(void *arg)
{
    struct caller *c = arg;
    grove_kill(grove_self());
    return call_visit(c);
}

static void a_wait_that_is_over_begins_nothing(void **state)
{
    struct gate g = GATE;
    void *value = &g;
    struct visit v = {&g, 1};
    g.open = true;
    assert_int_equal(grove_offload_until(visit, &v, &value, grove_now()),
                     -ETIMEDOUT);
    assert_null(value);
    struct caller c = {.visit = v, .deadline = GROVE_NEVER};
    assert_int_equal(grove_spawn(&c.fiber, killed_first, &c), 0);
    finish(&c);
    assert_int_equal(c.result, -ECANCELED);
    assert_int_equal(g.passed, 0);
}

/* ---- jobs that may be abandoned --------------------------------------------- */

struct heap_job {
    struct offload_job job;
    struct visit visit;
    _Atomic bool *ran;
    _Atomic int *dropped;
};

static void run_heap_job(struct offload_job *job)
{
    struct heap_job *h = container_of(job, struct heap_job, job);
    visit(&h->visit);
    *h->ran = true;
}

static void drop_heap_job(struct offload_job *job)
{
    struct heap_job *h = container_of(job, struct heap_job, job);
    _Atomic int *dropped = h->dropped;
    free(h);
    ++*dropped;
}

static int wait_for_heap_job(struct gate *g, _Atomic bool *ran,
                             _Atomic int *dropped, int64_t deadline)
{
    struct heap_job *h = calloc(1, sizeof(*h));
    *h = (struct heap_job){.job = {.run = run_heap_job, .drop = drop_heap_job},
                           .visit = {g, 1},
                           .ran = ran,
                           .dropped = dropped};
    int r = offload_wait(hub_self(), &h->job, deadline, "test");
    if (r == 0)
        free(h);
    return r;
}

static void jobs_on_the_heap_can_be_abandoned(void **state)
{
    struct gate g = GATE;
    _Atomic bool ran = false;
    _Atomic int dropped = 0;
    /* Whether it was begun by then or not; begun it is below. */
    int r = wait_for_heap_job(&g, &ran, &dropped, grove_now() + 20 * MS);
    assert_int_equal(r, -ETIMEDOUT);
    bool begun = inside(&g) == 1;
    assert_int_equal(dropped, !begun);
    open_gate(&g);
    while (dropped == 0)
        grove_sleep(MS);
    assert_int_equal(ran, begun);

    ran = false;
    assert_int_equal(wait_for_heap_job(&g, &ran, &dropped, GROVE_NEVER), 0);
    assert_true(ran);
    assert_int_equal(dropped, 1);
    ran = false;
    assert_int_equal(wait_for_heap_job(&g, &ran, &dropped, 1), -ETIMEDOUT);
    assert_int_equal(dropped, 2);
    assert_false(ran);
}

/* ---- hubs and threads -------------------------------------------------------- */

static void *count_up(void *arg)
{
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    return arg;
}

static int total;

static void *call_often(void *arg)
{
    intptr_t good = 1;
    for (int i = 0; i < 50; i++) {
        void *value = NULL;
        good = good && grove_offload(count_up, &total, &value) == 0 &&
               value == &total;
    }
    return (void *)good;
}

static void *hub_of_callers(void *arg)
{
    grove_fiber *fs[10];
    intptr_t good = 1;
    for (int i = 0; i < 10; i++)
        good = good && grove_spawn(&fs[i], call_often, NULL) == 0;
    for (int i = 0; good && i < 10; i++) {
        void *value = NULL;
        good = grove_join(fs[i], &value) == 0 && value;
        grove_release(fs[i]);
    }
    return (void *)good;
}

static void hubs_share_the_workers(void **state)
{
    pthread_t threads[3];
    total = 0;
    assert_int_equal(grove_workers_set_max(4), 0);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            assert_int_equal(
                pthread_create(&threads[i], NULL, hub_of_callers, NULL), 0);
        for (int i = 0; i < 3; i++) {
            void *good = NULL;
            pthread_join(threads[i], &good);
            assert_non_null(good);
        }
    }
    assert_int_equal(total, 5 * 3 * 500);
    assert_true(workers_counts().threads <= 4);
    assert_int_equal(grove_workers_set_max(64), 0);
}

static struct caller left[3];
static struct gate left_gate = GATE;
static _Atomic bool left_queued; /* one is inside, two wait for their turn */

static void *leave_callers(void *arg)
{
    for (int i = 0; i < 3; i++) {
        left[i] =
            (struct caller){.visit = {&left_gate, i}, .deadline = GROVE_NEVER};
        if (grove_spawn(NULL, call_visit, &left[i]) < 0)
            return NULL;
    }
    while (inside(&left_gate) < 1 || workers_counts().queued < 2)
        grove_sleep(MS);
    atomic_store(&left_queued, true);
    return arg;
}

/* One runs, two are queued: the thread's end waits for the first. */
static void a_thread_ends_while_its_fibers_wait(void **state)
{
    pthread_t thread;
    void *good = NULL;
    assert_int_equal(grove_workers_set_max(1), 0);
    while (workers_counts().threads > 1)
        grove_sleep(MS);
    assert_int_equal(pthread_create(&thread, NULL, leave_callers, &total), 0);
    while (!atomic_load(&left_queued))
        grove_sleep(MS);
    int64_t end = grove_now() + HANG;
    while (workers_counts().queued > 0 && grove_now() < end)
        grove_sleep(MS);
    open_gate(&left_gate);
    pthread_join(thread, &good);
    assert_non_null(good);
    assert_int_equal(workers_counts().queued, 0);
    assert_int_equal(left_gate.passed, 1);
    assert_int_equal(grove_workers_set_max(64), 0);
}

/* ---- fork ---------------------------------------------------------------------- */

static void skip_under_tsan(void)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
}

static int works(void)
{
    void *value = NULL;
    int there;
    main_thread = pthread_self();
    CHILD_CHECK(grove_offload(other_thread, &there, &value) == 0);
    CHILD_CHECK(value == &there);
    return 0;
}

static void a_child_has_workers_of_its_own(void **state)
{
    struct unit_child child;
    skip_under_tsan();
    works();
    unit_in_child(&child, works);
    unit_assert_exit(&child);
    works();
}

static pid_t forked;
static struct gate fork_gate = GATE;

static void *fork_meanwhile(void *arg)
{
    while (inside(&fork_gate) < 1)
        grove_sleep(MS);
    forked = fork();
    if (forked == 0)
        alarm(UNIT_HANG);
    if (forked > 0)
        open_gate(&fork_gate);
    return NULL;
}

/* By a fiber with storage of its own, or with the thread's. */
static void lose_a_call(bool own_tls)
{
    struct gate gate = GATE;
    struct visit v = {&fork_gate, 1};
    grove_attr attr = {.size = sizeof(attr), .own_tls = own_tls};
    void *value;
    fork_gate = gate;
    assert_int_equal(grove_spawn_with(NULL, &attr, fork_meanwhile, NULL), 0);
    int r = grove_offload(visit, &v, &value);
    if (forked == 0) {
        CHILD_CHECK(r == -ECANCELED);
        CHILD_CHECK(value == NULL);
        _exit(works());
    }
    assert_int_equal(r, 0);
    int status;
    assert_int_equal(waitpid(forked, &status, 0), forked);
    assert_int_equal(status, 0);
}

static void a_call_under_way_is_lost_in_the_child(void **state)
{
    skip_under_tsan();
    lose_a_call(false);
    if (!grove_own_tls_refused())
        lose_a_call(true);
}

static void *fork_on_worker(void *arg)
{
    pid_t pid = fork();
    if (pid == 0) {
        void *value = NULL;
        int there;
        int r = grove_offload(other_thread, &there, &value);
        _exit(r == 0 && value == &there ? 7 : 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return (void *)(intptr_t)(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void a_worker_may_fork(void **state)
{
    void *value;
    skip_under_tsan();
    assert_int_equal(grove_offload(fork_on_worker, NULL, &value), 0);
    assert_int_equal((intptr_t)value, 7);
}

/* ---- failures -------------------------------------------------------------------- */

static int threads_to_fail;

int __real_pthread_create(pthread_t *t, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg)
{
    if (threads_to_fail > 0 && threads_to_fail--)
        return EAGAIN;
    return __real_pthread_create(t, attr, fn, arg);
}

static void no_thread_to_be_had(void **state)
{
    struct gate g = GATE;
    struct caller first, second;
    void *value;
    int there;
    workers_idle_time = MS;
    grove_workers_set_max(1);
    while (workers_counts().threads > 1)
        grove_sleep(MS);
    grove_offload(other_thread, &there, &value); /* idles for MS from here */
    while (workers_counts().threads > 0)
        grove_sleep(MS);
    grove_workers_set_max(64);
    threads_to_fail = 1;
    assert_int_equal(grove_offload(other_thread, &there, &value), -EAGAIN);
    assert_int_equal(threads_to_fail, 0);
    assert_int_equal(workers_counts().threads, 0);
    assert_int_equal(workers_counts().queued, 0);
    /* One worker does the work of two. */
    start(&first, &g, 1, GROVE_NEVER);
    await_inside(&g, 1);
    threads_to_fail = 1;
    start(&second, &g, 2, GROVE_NEVER);
    grove_yield();
    assert_int_equal(threads_to_fail, 0);
    assert_int_equal(workers_counts().queued, 1);
    open_gate(&g);
    assert_visited(&first);
    assert_visited(&second);
    workers_idle_time = 10 * GROVE_SECOND;
}

static const char *wish;

static int print_max(void)
{
    setenv("GROVE_WORKERS", wish, 1);
    return (int)grove_workers_max();
}

static void the_environment_sets_the_maximum(void **state)
{
    static const struct {
        const char *wish;
        int max;
        bool told;
    } all[] = {{"1", 1, false},    {"17", 17, false}, {"0", 64, true},
               {"1025", 64, true}, {"-3", 64, true},  {"3x", 64, true},
               {"", 64, true},     {" 5", 64, true}};
    for (size_t i = 0; i < UNIT_COUNT(all); i++) {
        struct unit_child child;
        wish = all[i].wish;
        unit_in_child(&child, print_max);
        assert_true(WIFEXITED(child.status));
        assert_int_equal(WEXITSTATUS(child.status), all[i].max);
        assert_int_equal(strstr(child.text, "GROVE_WORKERS is") != NULL,
                         all[i].told);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_sets_the_maximum), /* first */
        cmocka_unit_test(what_it_returns_and_its_errno_come_back),
        cmocka_unit_test(calls_run_at_once_and_so_do_fibers),
        cmocka_unit_test(no_more_than_the_maximum_run),
        cmocka_unit_test(a_higher_maximum_counts_at_once),
        cmocka_unit_test(queued_calls_run_in_order),
        cmocka_unit_test(idle_workers_end),
        cmocka_unit_test(signals_are_blocked_in_workers),
        cmocka_unit_test(a_worker_calls_in_the_place),
        cmocka_unit_test(what_was_not_begun_is_taken_back),
        cmocka_unit_test(what_was_begun_is_waited_for),
        cmocka_unit_test(a_scope_that_passed_is_told_at_the_next_wait),
        cmocka_unit_test(a_wait_that_is_over_begins_nothing),
        cmocka_unit_test(jobs_on_the_heap_can_be_abandoned),
        cmocka_unit_test(hubs_share_the_workers),
        cmocka_unit_test(a_thread_ends_while_its_fibers_wait),
        cmocka_unit_test(a_child_has_workers_of_its_own),
        cmocka_unit_test(a_call_under_way_is_lost_in_the_child),
        cmocka_unit_test(a_worker_may_fork),
        cmocka_unit_test(no_thread_to_be_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
