/*
 * Every call that may fail for want of memory, mappings or descriptors, made
 * to fail at each of the places where it could: it must say so with a
 * documented error, leak nothing, and work when it is made again.
 */
#include <pthread.h>
#include <stdlib.h>

#include "faults.h"
#include "hub/timer.h"
#include "socket_pairs.h"
#include "turns.h"

#define MEMORY \
    (FAULT_malloc | FAULT_calloc | FAULT_realloc | FAULT_posix_memalign)
#define MAPPINGS (FAULT_mmap64 | FAULT_madvise | FAULT_mprotect)

/* What is made to fail. Each runs on a thread of its own, so that the hub's
 * tables are empty. */
struct scenario {
    const char *name;
    /* Makes what op needs, without failures. */
    void (*prepare)(void);
    /* 0 or a positive errno; to be made again after a failure. */
    int (*op)(void);
    void (*clean)(void);
};

struct trial {
    const struct scenario *scenario;
    unsigned mask;
    int nth, error;
    int first, second; /* what the two calls of op returned */
    bool hit;
};

static void *run_trial(void *arg)
{
    struct trial *t = arg;
    const struct scenario *s = t->scenario;
    if (s->prepare)
        s->prepare();
    fault_arm(t->mask, t->nth, t->error);
    t->first = s->op();
    t->hit = fault_disarm();
    t->second = s->op();
    if (s->clean)
        s->clean();
    return NULL;
}

/* Make the nth call of those in mask fail, for each nth there is. A failure
 * must be reported as `expected`, or be of no consequence. How many were
 * reported. */
static int each_failure(const struct scenario *s, unsigned mask, int error,
                        int expected)
{
    int reported = 0;
    int before = open_descriptors();
    for (int nth = 1;; nth++) {
        struct trial t = {s, mask, nth, error, 0, 0, false};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, run_trial, &t), 0);
        pthread_join(thread, NULL);
        check(t.first == 0 || t.first == expected,
              "%s, failure %d with errno %d: errno %d", s->name, nth, error,
              t.first);
        check(t.second == 0, "%s after failure %d with errno %d: errno %d",
              s->name, nth, error, t.second);
        check(open_descriptors() == before,
              "%s, failure %d with errno %d: leaks descriptors", s->name, nth,
              error);
        if (!t.hit) {
            assert_int_equal(t.first, 0);
            return reported;
        }
        reported += t.first != 0;
    }
}

/* ---- the runtime's calls ----------------------------------------------- */

static void *nothing(void *arg)
{
    return arg;
}

static int join(grove_fiber *f)
{
    int r = grove_join(f, NULL);
    grove_release(f);
    return -r;
}

static int make_hub(void)
{
    grove_hub *hub = grove_hub_self();
    return hub ? 0 : errno;
}

static int spawn(void)
{
    grove_fiber *f;
    int r = grove_spawn(&f, nothing, NULL);
    return r < 0 ? -r : join(f);
}

/* Of a size that has no stack pooled. */
static int spawn_large(void)
{
    grove_fiber *f;
    grove_attr attr = {.name = "large", .stack_size = 1 << 20};
    int r = grove_spawn_with(&f, &attr, nothing, NULL);
    return r < 0 ? -r : join(f);
}

/* More than one slab's worth at once. */
static int spawn_many(void)
{
    enum { MANY = 300 };
    static grove_fiber *fs[MANY];
    int n = 0, r = 0;
    while (n < MANY && r == 0) {
        r = grove_spawn(&fs[n], nothing, NULL);
        n += r == 0;
    }
    for (int i = 0; i < n; i++) {
        int joined = join(fs[i]);
        if (joined)
            return joined;
    }
    return -r;
}

static int join_all(void)
{
    grove_fiber *fs[3];
    int n = 0;
    ssize_t r = 0;
    while (n < 3 && r == 0) {
        r = grove_spawn(&fs[n], nothing, NULL);
        n += r == 0;
    }
    if (r == 0)
        r = grove_join_all(fs, 3, 0);
    for (int i = 0; i < n; i++)
        join(fs[i]);
    return r < 0 ? (int)-r : 0;
}

static grove_local low_key, high_key;

static int set_locals(void)
{
    static int value;
    int r = grove_local_set(low_key, &value);
    if (r == 0) {
        r = grove_local_set(high_key, &value);
        if (grove_local_get(low_key) != &value)
            return EINVAL; /* lost */
    }
    return -r;
}

static int sleep_a_little(void)
{
    return -grove_sleep(1);
}

static void hubs_are_made_or_not(void **state)
{
    const struct scenario s = {"hub", NULL, make_hub, NULL};
    assert_true(each_failure(&s, MEMORY, ENOMEM, ENOMEM) > 0);
    assert_true(each_failure(&s, MAPPINGS, ENOMEM, ENOMEM) > 0);
    unsigned kernel = FAULT_epoll_create1 | FAULT_eventfd;
    assert_int_equal(each_failure(&s, kernel, EMFILE, EMFILE), 2);
    assert_int_equal(each_failure(&s, kernel, ENFILE, ENFILE), 2);
    assert_int_equal(each_failure(&s, kernel, ENOMEM, ENOMEM), 2);
    assert_int_equal(each_failure(&s, FAULT_epoll_ctl, ENOMEM, ENOMEM), 1);
    assert_int_equal(each_failure(&s, FAULT_epoll_ctl, ENOSPC, ENOMEM), 1);
}

/* Waits for each primitive that could not be had at once: 0 when all of them
 * end at their deadline. */
static int wait_for_each(void)
{
    grove_semaphore semaphore = GROVE_SEMAPHORE_INIT(0);
    grove_rwlock rwlock = GROVE_RWLOCK_INIT;
    grove_barrier barrier = GROVE_BARRIER_INIT(2);
    grove_promise promise = GROVE_PROMISE_INIT;
    grove_wait_group work = GROVE_WAIT_GROUP_INIT;
    grove_event event = GROVE_EVENT_INIT;
    grove_wait_group_add(&work, 1);
    rwlock.readers = 1;
    int r[] = {grove_semaphore_acquire_until(&semaphore, 1, 0),
               grove_rwlock_wrlock_until(&rwlock, 0),
               grove_barrier_wait_until(&barrier, 0),
               grove_promise_get_until(&promise, NULL, 0),
               grove_wait_group_wait_until(&work, 0),
               grove_event_wait_until(&event, 0)};
    assert_null(semaphore.waiters.first);
    assert_null(rwlock.waiters.first);
    assert_int_equal(barrier.arrived, 0);
    for (size_t i = 0; i < sizeof(r) / sizeof(r[0]); i++) {
        if (r[i] != -ETIMEDOUT)
            return -r[i];
    }
    return 0;
}

static int lock_first(void)
{
    grove_mutex mutex = GROVE_MUTEX_INIT;
    int r = grove_mutex_lock(&mutex);
    return r < 0 ? -r : -grove_mutex_unlock(&mutex);
}

static int do_nothing(void *arg)
{
    return 0;
}

static int once_first(void)
{
    grove_once once = GROVE_ONCE_INIT;
    return -grove_once_run(&once, do_nothing, NULL);
}

static int group_first(void)
{
    grove_group group;
    grove_group_begin(&group, NULL);
    int r = grove_group_spawn(&group, NULL, do_nothing, NULL);
    int end = grove_group_end(&group);
    return r < 0 ? -r : -end;
}

static int defers; /* handlers called */

static void count_defer(void *arg)
{
    defers++;
}

static void *defer_twice(void *arg)
{
    int *r = arg;
    *r = grove_defer(count_defer, NULL);
    if (*r == 0)
        *r = grove_defer(count_defer, NULL);
    return NULL;
}

static int defer_first(void)
{
    int r = 0;
    grove_fiber *f;
    defers = 0;
    int spawned = grove_spawn(&f, defer_twice, &r);
    if (spawned < 0)
        return -spawned;
    join(f);
    assert_true(defers == 2 || r < 0);
    return -r;
}

static void a_first_call_reports_that_there_is_no_hub(void **state)
{
    const struct scenario all[] = {{"spawn", NULL, spawn, NULL},
                                   {"sleep", NULL, sleep_a_little, NULL},
                                   {"local", NULL, set_locals, NULL},
                                   {"mutex", NULL, lock_first, NULL},
                                   {"once", NULL, once_first, NULL},
                                   {"group", NULL, group_first, NULL}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_int_equal(each_failure(&all[i], FAULT_eventfd, EMFILE, EMFILE),
                         1);
    }
}

static void spawn_reports_no_memory(void **state)
{
    const struct scenario all[] = {{"spawn", NULL, spawn, NULL},
                                   {"spawn_with", NULL, spawn_large, NULL},
                                   {"spawn many", NULL, spawn_many, NULL}};
    for (int i = 0; i < 3; i++) {
        assert_true(each_failure(&all[i], MEMORY, ENOMEM, ENOMEM) > 0);
        assert_true(each_failure(&all[i], MAPPINGS, ENOMEM, ENOMEM) > 0);
    }
}

static void waits_report_no_memory_and_leave_nothing_behind(void **state)
{
    const struct scenario all[] = {{"waits", NULL, wait_for_each, NULL},
                                   {"mutex", NULL, lock_first, NULL},
                                   {"defer", NULL, defer_first, NULL},
                                   {"group", NULL, group_first, NULL}};
    for (int i = 0; i < 4; i++)
        assert_true(each_failure(&all[i], MEMORY, ENOMEM, ENOMEM) > 0);
}

static void join_all_reports_no_memory(void **state)
{
    const struct scenario s = {"join_all", NULL, join_all, NULL};
    assert_true(each_failure(&s, MEMORY, ENOMEM, ENOMEM) > 0);
}

static void local_set_reports_no_memory_and_loses_nothing(void **state)
{
    const struct scenario s = {"local_set", NULL, set_locals, NULL};
    /* Compilers make malloc of a first realloc. The first of the three is the
     * new hub's, for its timers. */
    unsigned growth = FAULT_malloc | FAULT_realloc;
    assert_int_equal(each_failure(&s, growth, ENOMEM, ENOMEM), 3);
}

/* ---- descriptors ------------------------------------------------------- */

static struct pair pair;
static int server;
static struct sockaddr_in server_addr;

static void prepare_pair(void)
{
    pair = pair_of(TCP);
}

static void clean_pair(void)
{
    pair_close(pair);
}

static void *late_write(void *arg)
{
    int fd = *(int *)arg;
    ssize_t n = write(fd, "x", 1);
    (void)n;
    return NULL;
}

/* A byte that comes only while it is waited for. */
static int receive(void)
{
    grove_fiber *f;
    char c;
    int r = grove_spawn(&f, late_write, &pair.out);
    if (r < 0)
        return -r;
    turn_after(TURN_NEVER);
    r = grove_recv(pair.in, &c, 1, 0) == 1 ? 0 : errno;
    join(f);
    if (r)
        assert_int_equal(recv(pair.in, &c, 1, MSG_DONTWAIT), 1);
    return r;
}

static void *late_drain(void *arg)
{
    int fd = *(int *)arg;
    static char block[65536];
    while (recv(fd, block, sizeof(block), MSG_DONTWAIT) > 0)
        ;
    return NULL;
}

static int send_late(void)
{
    grove_fiber *f;
    int r = grove_spawn(&f, late_drain, &pair.in);
    if (r < 0)
        return -r;
    fill(pair.out);
    turn_after(TURN_NEVER);
    r = grove_send(pair.out, "x", 1, 0) == 1 ? 0 : errno;
    return join(f) ? EINVAL : r;
}

static int poll_many(void)
{
    enum { MANY = 20 };
    struct pollfd fds[MANY];
    for (int i = 0; i < MANY; i++)
        fds[i] = (struct pollfd){pair.in, POLLIN, 0};
    grove_fiber *f;
    char c;
    int r = grove_spawn(&f, late_write, &pair.out);
    if (r < 0)
        return -r;
    turn_after(TURN_NEVER);
    r = grove_poll(fds, MANY, -1) == MANY ? 0 : errno;
    join(f);
    assert_int_equal(recv(pair.in, &c, 1, MSG_DONTWAIT), 1);
    return r;
}

static void prepare_server(void)
{
    server = listener(&server_addr);
}

static void clean_server(void)
{
    grove_close(server);
}

static void *late_connect(void *arg)
{
    int fd = *(int *)arg;
    /* Not the wrapped one: it is the other side's. */
    __real_connect(fd, (struct sockaddr *)&server_addr, sizeof(server_addr));
    return NULL;
}

static int accept_late(void)
{
    int client = socket(AF_INET, SOCK_STREAM, 0);
    grove_fiber *f;
    int r = grove_spawn(&f, late_connect, &client);
    if (r == 0) {
        turn_after(TURN_NEVER);
        int fd = grove_accept4(server, NULL, NULL, 0);
        r = fd < 0 ? -errno : 0;
        join(f);
        if (fd < 0)
            fd = __real_accept4(server, NULL, NULL, 0);
        grove_close(fd);
    }
    close(client);
    if (r == 0)
        assert_kept_nonblocking(server);
    return -r;
}

/* To a listener that does not accept: waits, until its deadline. */
static int fillers[3];

static void prepare_full_server(void)
{
    server = bound(SOCK_STREAM, &server_addr);
    listen(server, 0);
    for (int i = 0; i < 3; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&server_addr,
                sizeof(server_addr));
    }
}

static void clean_full_server(void)
{
    for (int i = 0; i < 3; i++)
        grove_close(fillers[i]);
    grove_close(server);
}

static int connect_late(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int r = grove_connect_until(fd, (struct sockaddr *)&server_addr,
                                sizeof(server_addr), grove_now() + MS / 10);
    r = r == 0 || errno == ETIMEDOUT ? 0 : errno;
    assert_blocking(fd);
    grove_close(fd);
    return r;
}

static const struct scenario receiving = {"recv", prepare_pair, receive,
                                          clean_pair};
static const struct scenario sending = {"send", prepare_pair, send_late,
                                        clean_pair};
static const struct scenario polling = {"poll", prepare_pair, poll_many,
                                        clean_pair};
static const struct scenario accepting = {"accept", prepare_server, accept_late,
                                          clean_server};
static const struct scenario connecting = {"connect", prepare_full_server,
                                           connect_late, clean_full_server};

static const struct scenario *const waits[] = {&receiving, &sending, &polling,
                                               &accepting, &connecting};

static void waits_report_no_memory(void **state)
{
    for (int i = 0; i < 5; i++) {
        assert_true(each_failure(waits[i], MEMORY, ENOMEM, ENOMEM) > 0);
        /* The hub's own registration, then the descriptor's. */
        assert_true(each_failure(waits[i], FAULT_epoll_ctl, ENOMEM, ENOMEM) >
                    1);
        assert_true(each_failure(waits[i], FAULT_epoll_ctl, ENOSPC, ENOMEM) >
                    1);
    }
}

static void the_kernels_errors_are_passed_on(void **state)
{
    static const int errors[] = {ENOMEM, ENOBUFS, EMFILE, ENFILE};
    for (int i = 0; i < 4; i++) {
        int e = errors[i];
        assert_true(each_failure(&accepting, FAULT_accept4, e, e) > 0);
        assert_true(each_failure(&connecting, FAULT_connect, e, e) >= 0);
        assert_true(each_failure(&receiving, FAULT_recvfrom, e, e) > 0);
        assert_true(each_failure(&sending, FAULT_sendto, e, e) > 0);
    }
}

/* Looking at O_NONBLOCK, noting that it is ours, setting it. */
static int fcntl_then_accept(void)
{
    int client = socket(AF_INET, SOCK_STREAM, 0);
    __real_connect(client, (struct sockaddr *)&server_addr,
                   sizeof(server_addr));
    int fd = grove_accept4(server, NULL, NULL, 0);
    int r = fd < 0 ? errno : 0;
    if (fd < 0)
        fd = __real_accept4(server, NULL, NULL, 0);
    grove_close(fd);
    close(client);
    return r;
}

static void flags_that_cannot_be_set(void **state)
{
    for (int nth = 1; nth <= 3; nth++) {
        prepare_server();
        fault_arm(FAULT_fcntl64, nth, EPERM);
        assert_int_equal(fcntl_then_accept(), EPERM);
        assert_true(fault_disarm());
        assert_blocking(server);
        assert_int_equal(fcntl_then_accept(), 0);
        assert_kept_nonblocking(server);
        clean_server();
    }
}

/* No memory for what is left of a long array: the part is the result. */
static void a_part_is_sent_when_there_is_no_memory(void **state)
{
    enum { PARTS = 64, PART = 256 << 10 };
    struct pair p = pair_of(UNIX_STREAM);
    struct iovec iov[PARTS];
    char *data = calloc(1, PART);
    for (int i = 0; i < PARTS; i++)
        iov[i] = (struct iovec){data, PART};
    fault_arm(FAULT_malloc, 1, ENOMEM);
    ssize_t n = grove_writev(p.out, iov, PARTS);
    assert_true(fault_disarm());
    assert_true(n > 0 && n < (ssize_t)PARTS * PART);
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = PARTS};
    late_drain(&p.in);
    fault_arm(FAULT_malloc, 1, ENOMEM);
    n = grove_sendmsg(p.out, &msg, 0);
    assert_true(fault_disarm());
    assert_true(n > 0 && n < (ssize_t)PARTS * PART);
    free(data);
    pair_close(p);
}

/* A channel that is made, grows and is freed; a select of many clauses. */
static int use_channels(void)
{
    enum { VALUES = 100, CLAUSES = GROVE_SELECT_SMALL + 1 };
    grove_channel *bounded, *unbounded;
    grove_clause clauses[CLAUSES] = {{.kind = GROVE_CLAUSE_NONE}};
    struct pair p = pair_of(PIPE);
    int r = grove_channel_create(&bounded, sizeof(int), 8);
    if (r < 0)
        goto fail_bounded;
    r = grove_channel_create(&unbounded, sizeof(int), GROVE_UNBOUNDED);
    if (r < 0)
        goto fail_unbounded;
    int sent = 0, got = -1, out = 0;
    while (sent < VALUES && (r = grove_channel_send(unbounded, &sent)) == 0)
        sent++;
    clauses[0] = (grove_clause){
        .kind = GROVE_CLAUSE_SEND, .channel = unbounded, .value = &sent};
    if (r == 0 && (r = (int)grove_select(clauses, CLAUSES)) == 0)
        sent++;
    /* What was sent is there, whatever failed. */
    while (grove_channel_tryrecv(unbounded, &got) == 0 && got == out)
        out++;
    if (out != sent)
        r = -EIO;
    clauses[0] = (grove_clause){.kind = GROVE_CLAUSE_READABLE, .fd = p.in};
    ssize_t waited = grove_select_until(clauses, 1, grove_now() + MS);
    if (waited != -ETIMEDOUT && r == 0)
        r = waited < 0 ? (int)waited : -EIO;
    grove_channel_release(unbounded);
fail_unbounded:
    grove_channel_release(bounded);
fail_bounded:
    grove_close(p.in);
    grove_close(p.out);
    return r < 0 ? -r : r;
}

static void channels_report_no_memory(void **state)
{
    static const struct scenario s = {"channels", NULL, use_channels, NULL};
    assert_true(each_failure(&s, MEMORY, ENOMEM, ENOMEM) >= 6);
    assert_true(each_failure(&s, FAULT_epoll_ctl, ENOMEM, ENOMEM) >= 1);
}

static void *set_event(void *event)
{
    grove_event_set(event);
    return event;
}

/* A call and a spawn by messages; a fiber for which there is no memory at first
 * runs later. */
static int use_other_hubs(void)
{
    grove_hub *hub = grove_hub_self();
    grove_event e = GROVE_EVENT_INIT;
    void *value = NULL;
    if (!hub)
        return errno;
    int r = grove_hub_call(hub, set_event, &e, &value);
    if (r < 0)
        return value ? EIO : -r;
    grove_event_clear(&e);
    r = grove_hub_spawn(hub, set_event, &e);
    if (r == 0)
        r = grove_event_wait_until(&e, grove_now() + HANG);
    return -r;
}

static void calls_of_hubs_report_no_memory(void **state)
{
    static const struct scenario s = {"hub call", NULL, use_other_hubs, NULL};
    assert_true(each_failure(&s, MEMORY | MAPPINGS, ENOMEM, ENOMEM) >= 4);
}

static int serve_none(const grove_crew *crew, void *arg)
{
    return arg || crew->count != 2 ? -EIO : 0;
}

static int use_two_hubs(void)
{
    return -grove_hubs(2, serve_none, NULL);
}

static void hubs_report_that_they_cannot_be_made(void **state)
{
    static const struct scenario s = {"hubs", NULL, use_two_hubs, NULL};
    assert_true(each_failure(&s, MEMORY | MAPPINGS, ENOMEM, ENOMEM) >= 6);
    assert_true(each_failure(&s, FAULT_epoll_create1 | FAULT_eventfd, EMFILE,
                             EMFILE) >= 6);
}

/* ---- timers -------------------------------------------------------------- */

/* Growing asks for one chunk, whatever is there; a claim that fails leaves all
 * as it was, and may be tried again. */
static void claims_of_timers_report_no_memory(void **state)
{
    struct timer_heap heap = {0};
    int failures = 0;
    for (size_t chunk = 0; chunk < 20; chunk++) {
        while (heap.claims < heap.room)
            assert_int_equal(timer_claim(&heap), 0);
        struct timer_heap before = heap;
        for (int nth = 1, r = -ENOMEM; r < 0; nth++) {
            fault_arm(MEMORY, nth, ENOMEM);
            r = timer_claim(&heap);
            bool failed = fault_disarm();
            assert_int_equal(r, failed ? -ENOMEM : 0);
            assert_int_equal(heap.claims, before.claims + !failed);
            failures += failed;
        }
        assert_true(heap.room > before.room && heap.room < before.room + 5000);
    }
    assert_int_equal(failures, 20 + 3); /* and the directory, three times */
    timer_heap_free(&heap);
}

/* What is claimed is added and removed without asking for any. */
static void timers_that_are_claimed_want_no_memory(void **state)
{
    enum { N = 10000 };
    static struct timer t[N];
    struct timer_heap heap = {0};
    for (size_t i = 0; i < N; i++)
        assert_int_equal(timer_claim(&heap), 0);
    fault_arm_for_good(MEMORY | MAPPINGS, 1, ENOMEM);
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = round; i < N; i += 1 + round)
            timer_add(&heap, &t[i], (int64_t)(i * 7919 % N));
        for (size_t i = 0; i < N; i++)
            timer_remove(&heap, &t[i]);
    }
    assert_false(fault_disarm());
    timer_heap_free(&heap);
}

/* A fiber's timer is claimed when it is spawned: its waits cannot fail. */
static void *sleep_without_memory(void *unused)
{
    grove_sleep(MS);
    return unused;
}

static void sleeping_fibers_want_no_memory(void **state)
{
    enum { N = 5000 }; /* more than a chunk of timers */
    static grove_fiber *fibers[N];
    for (size_t i = 0; i < N; i++)
        assert_int_equal(grove_spawn(&fibers[i], sleep_without_memory, NULL),
                         0);
    fault_arm_for_good(MEMORY | MAPPINGS, 1, ENOMEM);
    for (size_t i = 0; i < N; i++)
        grove_join(fibers[i], NULL);
    assert_false(fault_disarm());
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(grove_result(fibers[i], NULL), 0);
        grove_release(fibers[i]);
    }
}

static int setup(void **state)
{
    grove_local rest;
    int r = grove_local_create(&low_key, NULL);
    for (int i = 0; i < 20 && r == 0; i++)
        r = grove_local_create(&rest, NULL);
    return r || grove_local_create(&high_key, NULL) || !grove_hub_self();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hubs_are_made_or_not),
        cmocka_unit_test(a_first_call_reports_that_there_is_no_hub),
        cmocka_unit_test(spawn_reports_no_memory),
        cmocka_unit_test(waits_report_no_memory_and_leave_nothing_behind),
        cmocka_unit_test(join_all_reports_no_memory),
        cmocka_unit_test(local_set_reports_no_memory_and_loses_nothing),
        cmocka_unit_test(waits_report_no_memory),
        cmocka_unit_test(the_kernels_errors_are_passed_on),
        cmocka_unit_test(flags_that_cannot_be_set),
        cmocka_unit_test(channels_report_no_memory),
        cmocka_unit_test(calls_of_hubs_report_no_memory),
        cmocka_unit_test(hubs_report_that_they_cannot_be_made),
        cmocka_unit_test(a_part_is_sent_when_there_is_no_memory),
        cmocka_unit_test(claims_of_timers_report_no_memory),
        cmocka_unit_test(timers_that_are_claimed_want_no_memory),
        cmocka_unit_test(sleeping_fibers_want_no_memory),
    };
#if defined(__SANITIZE_THREAD__) /* takes minutes: its fibers are slow to make \
                                  */
    return 77;
#endif
    return cmocka_run_group_tests(tests, setup, NULL);
}
