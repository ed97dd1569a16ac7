/*
 * Calls that could have waited and need not give the others a turn now and
 * then, and the loop its look at timers: whatever is saturated. All is told by
 * counts of operations.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "grove.h"
#include "hub/hub.h"
#include "stopped_clock.h"
#include "turns.h"

enum { OPERATIONS = 20000, SLOW_OPERATIONS = 2000, PAST = 1 };

/* ---- what is saturated ------------------------------------------------------- */

static grove_channel *channel;
static grove_mutex mutex = GROVE_MUTEX_INIT;
static grove_semaphore semaphore = GROVE_SEMAPHORE_INIT(1);
static grove_rwlock rwlock = GROVE_RWLOCK_INIT;
static grove_barrier barrier = GROVE_BARRIER_INIT(1);
static grove_event set, never;
static grove_promise promise = GROVE_PROMISE_INIT;
static grove_once once = GROVE_ONCE_INIT;
static grove_wait_group wait_group = GROVE_WAIT_GROUP_INIT;
static grove_fiber *ended;
static grove_stream *stream;
static grove_stream *null; /* takes all, at once */
static grove_mutex recursive = GROVE_MUTEX_RECURSIVE_INIT;
static grove_semaphore no_units = GROVE_SEMAPHORE_INIT(0);
static grove_rwlock read_locked = GROVE_RWLOCK_INIT;
static grove_rwlock lost = GROVE_RWLOCK_INIT;
static grove_once never_done = GROVE_ONCE_INIT;
static grove_map map;
static char refused[8]; /* a port at which nobody listens */
static int at_its_end;  /* a pipe that nobody writes to */
static int file;

static void on_channel(void)
{
    int value = 1;
    assert_int_equal(grove_channel_send(channel, &value), 0);
    assert_int_equal(grove_channel_recv(channel, &value), 0);
}

static void on_select(void)
{
    int value = 1;
    grove_clause clauses[] = {
        {.kind = GROVE_CLAUSE_SEND, .channel = channel, .value = &value},
        {.kind = GROVE_CLAUSE_EVENT, .event = &never}};
    assert_int_equal(grove_select(clauses, 2), 0);
    clauses[0].kind = GROVE_CLAUSE_RECV;
    assert_int_equal(grove_select(clauses, 2), 0);
}

static void on_mutex(void)
{
    assert_int_equal(grove_mutex_lock(&mutex), 0);
    assert_int_equal(grove_mutex_unlock(&mutex), 0);
}

static void on_semaphore(void)
{
    assert_int_equal(grove_semaphore_acquire(&semaphore, 1), 0);
    assert_int_equal(grove_semaphore_release(&semaphore, 1), 0);
}

static void on_event(void)
{
    assert_int_equal(grove_event_wait(&set), 0);
}

static void on_rwlock(void)
{
    assert_int_equal(grove_rwlock_rdlock(&rwlock), 0);
    assert_int_equal(grove_rwlock_unlock(&rwlock), 0);
}

static void on_barrier(void)
{
    assert_int_equal(grove_barrier_wait(&barrier), 1);
}

static void on_file(void)
{
    char byte;
    assert_int_equal(grove_pread(file, &byte, 1, 0), 1);
}

static void on_promise(void)
{
    void *value;
    assert_int_equal(grove_promise_get(&promise, &value), 0);
}

static int run_once(void *arg)
{
    (void)arg;
    return 0;
}

static void on_once(void)
{
    assert_int_equal(grove_once_run(&once, run_once, NULL), 0);
}

static void on_wait_group(void)
{
    assert_int_equal(grove_wait_group_wait(&wait_group), 0);
}

static void on_join(void)
{
    assert_int_equal(grove_join(ended, NULL), 0);
}

static void on_join_all(void)
{
    assert_int_equal(grove_join_all(&ended, 1, 0), 1);
}

static void on_kill_all(void)
{
    assert_int_equal(grove_kill_all(&ended, 1), 0);
}

static void on_group(void)
{
    grove_group group;
    grove_group_begin(&group, NULL);
    assert_int_equal(grove_group_end(&group), 0);
}

static void on_stream(void)
{
    const char *at;
    assert_int_equal(grove_stream_peek(stream, 1, &at), 1);
}

static void on_past_deadlines(void)
{
    assert_int_equal(grove_event_wait_until(&never, PAST), -ETIMEDOUT);
}

static void on_past_deadlines_of_a_select(void)
{
    grove_clause clause = {.kind = GROVE_CLAUSE_EVENT, .event = &never};
    assert_int_equal(grove_select_until(&clause, 1, PAST), -ETIMEDOUT);
}

/* The second finds it locked, by itself. */
static void on_recursive_mutex(void)
{
    for (int i = 0; i < 2; i++)
        assert_int_equal(grove_mutex_lock(&recursive), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(grove_mutex_unlock(&recursive), 0);
}

/* Those who are about to wait owe the turn to their wait, and do not wait. */
static void on_semaphore_without_units(void)
{
    assert_int_equal(grove_semaphore_acquire_until(&no_units, 1, PAST),
                     -ETIMEDOUT);
}

static void on_rwlock_of_a_reader(void)
{
    assert_int_equal(grove_rwlock_wrlock_until(&read_locked, PAST), -ETIMEDOUT);
}

/* What is had at once is an error: its writer has ended. */
static void on_rwlock_of_no_use(void)
{
    assert_int_equal(grove_rwlock_rdlock(&lost), -ENOTRECOVERABLE);
}

static int fail_once(void *arg)
{
    (void)arg;
    return -EIO;
}

static void on_once_that_fails(void)
{
    assert_int_equal(grove_once_run(&never_done, fail_once, NULL), -EIO);
}

static int fail_of(void *item, void *arg)
{
    (void)item;
    return fail_once(arg);
}

static void on_map_at_its_end(void)
{
    assert_int_equal(grove_map_next(&map, NULL, NULL), 0);
}

static void on_stream_write(void)
{
    assert_int_equal(grove_stream_write(null, "x", 1), 0);
}

static void on_stream_printf(void)
{
    assert_int_equal(grove_stream_printf(null, "%d", 1), 0);
}

static void on_stream_flush(void)
{
    assert_int_equal(grove_stream_flush(null), 0);
}

static void on_stream_end(void)
{
    char byte;
    assert_int_equal(grove_stream_read(null, &byte, 1), 0);
    assert_int_equal(grove_stream_read(null, &byte, 0), 0);
}

static void on_read_of_nothing(void)
{
    assert_int_equal(grove_read(file, NULL, 0), 0);
}

static void on_splice_at_the_end(void)
{
    assert_int_equal(grove_splice(at_its_end, NULL, file, NULL, 1, 0), 0);
}

static void on_sendfile(void)
{
    off_t offset = 0;
    assert_int_equal(grove_sendfile(grove_stream_fd(null), file, &offset, 1),
                     1);
}

static void on_numeric_host(void)
{
    struct addrinfo *found;
    assert_int_equal(grove_getaddrinfo("127.0.0.1", "80", NULL, &found), 0);
    grove_freeaddrinfo(found);
}

static void on_numeric_name(void)
{
    const struct sockaddr_in in = {.sin_family = AF_INET};
    char host[64];
    assert_int_equal(grove_getnameinfo((const struct sockaddr *)&in, sizeof(in),
                                       host, sizeof(host), NULL, 0,
                                       NI_NUMERICHOST),
                     0);
}

static void on_listen(void)
{
    int fd = grove_listen("127.0.0.1:0", NULL);
    assert_true(fd >= 0);
    grove_close(fd);
}

static void on_dial_refused(void)
{
    assert_int_equal(grove_dial("127.0.0.1", refused), -1);
    assert_int_equal(errno, ECONNREFUSED);
}

static void on_dial_unix_refused(void)
{
    assert_int_equal(grove_dial_unix("/nonexistent"), -1);
    assert_int_equal(errno, ENOENT);
}

static void (*const primitives[])(void) = {
    on_channel,
    on_select,
    on_mutex,
    on_semaphore,
    on_event,
    on_rwlock,
    on_barrier,
    on_file,
    on_promise,
    on_once,
    on_wait_group,
    on_join,
    on_join_all,
    on_kill_all,
    on_group,
    on_stream,
    on_past_deadlines,
    on_past_deadlines_of_a_select,
    on_recursive_mutex,
    on_semaphore_without_units,
    on_rwlock_of_a_reader,
    on_rwlock_of_no_use,
    on_once_that_fails,
    on_map_at_its_end,
    on_stream_write,
    on_stream_printf,
    on_stream_flush,
    on_stream_end,
    on_read_of_nothing,
    on_splice_at_the_end,
    on_sendfile,
    on_numeric_host,
    on_numeric_name,
    /* of which SLOW_OPERATIONS are enough: */
    on_listen,
    on_dial_refused,
    on_dial_unix_refused,
};

enum { PRIMITIVES = sizeof(primitives) / sizeof(*primitives), SLOW = 3 };

static int operations_of(void (*const *primitive)(void))
{
    return primitive - primitives < PRIMITIVES - SLOW ? OPERATIONS
                                                      : SLOW_OPERATIONS;
}

static void *end_at_once(void *arg)
{
    return arg;
}

/* With a byte to be read. */
static grove_stream *new_stream(void)
{
    grove_stream *s;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    close(ends[1]);
    assert_int_equal(grove_stream_new(&s, ends[0], NULL), 0);
    return s;
}

/* A port that a socket has which does not listen. */
static int refusing_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(in);
    int tcp = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(tcp, (struct sockaddr *)&in, size), 0);
    assert_int_equal(getsockname(tcp, (struct sockaddr *)&in, &size), 0);
    snprintf(refused, sizeof(refused), "%d", ntohs(in.sin_port));
    return tcp;
}

static int bound;

static void *write_and_end(void *l)
{
    return (void *)(intptr_t)grove_rwlock_wrlock(l);
}

static void make_what_is_at_its_end(void)
{
    grove_fiber *f;
    int ends[2];
    assert_int_equal(grove_spawn(&f, write_and_end, &lost), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
    assert_int_equal(grove_rwlock_wrlock(&lost), -EOWNERDEAD);
    assert_int_equal(grove_rwlock_unlock(&lost), 0);
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    at_its_end = ends[0];
    assert_int_equal(grove_stream_new(&null, open("/dev/null", O_RDWR), NULL),
                     0);
    assert_int_equal(grove_rwlock_rdlock(&read_locked), 0);
    assert_int_equal(grove_map_begin(&map, NULL, 0, 1, 1, fail_of, NULL), 0);
    bound = refusing_port();
}

static int make_primitives(void **state)
{
    (void)state;
    char path[] = "/tmp/grove-turn-XXXXXX";
    file = mkstemp(path);
    unlink(path);
    grove_event_set(&set);
    grove_promise_set(&promise, NULL);
    stream = new_stream();
    make_what_is_at_its_end();
    if (grove_spawn(&ended, end_at_once, NULL) != 0 ||
        grove_join(ended, NULL) != 0)
        return -1;
    return file < 0 || write(file, "x", 1) != 1 ||
           grove_channel_create(&channel, sizeof(int), 4) != 0;
}

static int end_primitives(void **state)
{
    (void)state;
    grove_channel_release(channel);
    grove_release(ended);
    grove_stream_close(stream);
    grove_stream_close(null);
    grove_map_end(&map);
    assert_int_equal(grove_rwlock_unlock(&read_locked), 0);
    return close(at_its_end) || close(bound) || close(file);
}

/* ---- turns ------------------------------------------------------------------- */

static bool busy_done;
static int turns;    /* that others had */
static int64_t due;  /* when the timer is */
static int late;     /* operations after that, before it had its turn */
static bool has_run; /* the timer's fiber */

static void *saturate(void *arg)
{
    void (*const *operate)(void) = arg;
    for (int i = operations_of(operate); i > 0; i--)
        (*operate)();
    busy_done = true;
    return NULL;
}

static void *count_turns(void *arg)
{
    while (!busy_done) {
        turns++;
        grove_yield();
    }
    return arg;
}

static void run_both(void *(*a)(void *), void *(*b)(void *), void *arg)
{
    grove_fiber *f[2];
    assert_int_equal(grove_spawn(&f[0], a, arg), 0);
    assert_int_equal(grove_spawn(&f[1], b, arg), 0);
    assert_int_equal(grove_join_all(f, 2, 0), 2);
    for (int i = 0; i < 2; i++)
        grove_release(f[i]);
}

static void others_get_turns(void **state)
{
    (void)state;
    for (int i = 0; i < PRIMITIVES; i++) {
        busy_done = false;
        turns = 0;
        run_both(saturate, count_turns, (void *)&primitives[i]);
        assert_true(turns >= operations_of(&primitives[i]) / HUB_CALLS - 1);
    }
}

static void *saturate_until_timer(void *arg)
{
    void (*operate)(void) = *(void (**)(void))arg;
    while (!has_run) {
        late += grove_now() > due;
        operate();
    }
    return NULL;
}

static void *wait_for_timer(void *arg)
{
    due = grove_now() + GROVE_MILLISECOND;
    late = 0;
    assert_int_equal(grove_sleep_until(due), 0);
    has_run = true;
    return arg;
}

/* The loop is given its look by one turn, the timer's fiber by the next. */
static void timers_are_late_by_two_countdowns(void **state)
{
    (void)state;
    for (int i = 0; i < PRIMITIVES; i++) {
        for (int round = 0; round < 3; round++) {
            has_run = false;
            due = GROVE_NEVER;
            run_both(wait_for_timer, saturate_until_timer,
                     (void *)&primitives[i]);
            assert_true(late <= 2 * HUB_CALLS + 1);
        }
    }
}

/* ---- none -------------------------------------------------------------------- */

static void *try_only(void *arg)
{
    int value = 1;
    for (int i = 0; i < OPERATIONS; i++) {
        assert_int_equal(grove_channel_trysend(channel, &value), 0);
        assert_int_equal(grove_channel_tryrecv(channel, &value), 0);
        assert_int_equal(grove_mutex_trylock(&mutex), 0);
        assert_int_equal(grove_mutex_unlock(&mutex), 0);
        assert_int_equal(grove_semaphore_tryacquire(&semaphore, 1), 0);
        assert_int_equal(grove_semaphore_release(&semaphore, 1), 0);
        grove_event_set(&set);
    }
    assert_int_equal(turns, 0);
    busy_done = true;
    return arg;
}

static void tries_give_none(void **state)
{
    (void)state;
    busy_done = false;
    turns = 0;
    run_both(try_only, count_turns, NULL);
}

/* ---- kills ------------------------------------------------------------------- */

static int received;

static void *receive(void *arg)
{
    grove_channel *numbers = arg;
    int value, r;
    while ((r = grove_channel_recv(numbers, &value)) == 0)
        assert_int_equal(value, received++);
    assert_int_equal(r, -ECANCELED);
    return NULL;
}

/* Killed in its turn: what there is it gets, and is told where it waits. */
static void a_kill_in_a_turn_loses_nothing(void **state)
{
    (void)state;
    enum { NUMBERS = 10 * HUB_CALLS };
    grove_channel *numbers;
    grove_fiber *f;
    assert_int_equal(
        grove_channel_create(&numbers, sizeof(int), GROVE_UNBOUNDED), 0);
    for (int i = 0; i < NUMBERS; i++)
        assert_int_equal(grove_channel_trysend(numbers, &i), 0);
    assert_int_equal(grove_spawn(&f, receive, numbers), 0);
    received = 0;
    clock_stop(); /* its turn is over after so many calls, not after so long */
    grove_yield();
    clock_go_on(0);
    assert_true(received < NUMBERS); /* none: in its first call's */
    assert_int_equal(grove_kill(f), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    assert_int_equal(received, NUMBERS);
    grove_release(f);
    grove_channel_release(numbers);
}

/* ---- closing ----------------------------------------------------------------- */

static void *peek_until_closed(void *arg)
{
    const char *at;
    ssize_t r;
    while ((r = grove_stream_peek(arg, 1, &at)) == 1)
        received++;
    assert_int_equal(r, -EBADF);
    return NULL;
}

/* The call in whose turn the stream was closed is told. */
static void a_stream_may_be_closed_in_a_turn(void **state)
{
    (void)state;
    grove_stream *s = new_stream();
    grove_fiber *f;
    received = 0;
    assert_int_equal(grove_spawn(&f, peek_until_closed, s), 0);
    turn_after(8);
    grove_yield();
    assert_true(received > 0);
    assert_int_equal(grove_stream_close(s), 0);
    assert_int_equal(grove_join(f, NULL), 0);
    grove_release(f);
}

/* ---- a pass ------------------------------------------------------------------ */

/* 100 us of work between two yields. */
static void *work_slowly(void *arg)
{
    while (!has_run) {
        int64_t start = grove_now();
        while (grove_now() < start + 100 * GROVE_MICROSECOND)
            ;
        late += grove_now() > due;
        grove_yield();
    }
    return arg;
}

static void a_pass_of_slow_fibers_is_short(void **state)
{
    (void)state;
    grove_fiber *f[3];
    has_run = false;
    due = GROVE_NEVER;
    hub_pace_reset(hub_self()); /* what the tests before did was quick */
    hub_pass_begin(hub_self(), 0);
    assert_int_equal(grove_spawn(&f[0], wait_for_timer, NULL), 0);
    assert_int_equal(grove_spawn(&f[1], work_slowly, NULL), 0);
    assert_int_equal(grove_spawn(&f[2], work_slowly, NULL), 0);
    assert_int_equal(grove_join_all(f, 3, 0), 3);
    assert_true(late <= HUB_PASS / 4); /* not HUB_PASS, as by counts alone */
    for (int i = 0; i < 3; i++)
        grove_release(f[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_get_turns),
        cmocka_unit_test(timers_are_late_by_two_countdowns),
        cmocka_unit_test(tries_give_none),
        cmocka_unit_test(a_kill_in_a_turn_loses_nothing),
        cmocka_unit_test(a_stream_may_be_closed_in_a_turn),
        cmocka_unit_test(a_pass_of_slow_fibers_is_short),
    };
    return cmocka_run_group_tests(tests, make_primitives, end_primitives);
}
