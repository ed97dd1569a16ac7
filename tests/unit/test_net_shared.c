/*
 * Open files that several hubs and several processes use at once: no call of
 * one may hold up another's thread, because none depends on a flag that is set
 * for it and put back, but that of a socket which connects: there they take
 * turns.
 *
 * That a hub was held up is told by counting, not by time: clients connect one
 * after another, each only once the last was answered, and everybody who
 * accepts but the one who got it has looked in vain. A ticker on each hub
 * counts its turns; each answer waits until every ticker has had some more,
 * which one that is held up never has.
 */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "socket_calls.h"
#include "unit.h"

enum { HUBS = 4, PROCESSES = 4, ACCEPTORS = 8, CLIENTS = 400 };

/* Shared by all processes. */
static struct board {
    _Atomic bool over;
    _Atomic unsigned accepted[HUBS + PROCESSES];
    _Atomic unsigned long turns[HUBS + PROCESSES];
} * board;

static int server;

struct place {
    unsigned index; /* on the board */
};

static void *tick(void *arg)
{
    struct place *p = arg;
    while (!atomic_load(&board->over)) {
        atomic_fetch_add(&board->turns[p->index], 1);
        grove_sleep(MS / 4);
    }
    return NULL;
}

/* Several a hub, so that one is woken in vain on the hub itself, too. */
static void *accept_all(void *arg)
{
    struct place *p = arg;
    while (!atomic_load(&board->over)) {
        int fd = grove_accept4_until(server, NULL, NULL, 0, grove_now() + MS);
        if (fd < 0) {
            assert(errno == ETIMEDOUT);
            continue;
        }
        atomic_fetch_add(&board->accepted[p->index], 1);
        ssize_t n = grove_send(fd, "!", 1, 0);
        (void)n;
        grove_close(fd);
    }
    return NULL;
}

static int serve(unsigned index)
{
    struct place p = {index};
    grove_fiber *fibers[ACCEPTORS + 1];
    for (int i = 0; i <= ACCEPTORS; i++) {
        if (grove_spawn(&fibers[i], i < ACCEPTORS ? accept_all : tick, &p) < 0)
            return -ENOMEM;
    }
    for (int i = 0; i <= ACCEPTORS; i++) {
        grove_join(fibers[i], NULL);
        grove_release(fibers[i]);
    }
    return 0;
}

static int on_hub(const grove_crew *crew, void *arg)
{
    return serve(crew->index);
}

static void *hubs_thread(void *arg)
{
    *(int *)arg = grove_hubs(HUBS, on_hub, NULL);
    return NULL;
}

static pid_t start_process(unsigned index)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* none is left of a failed test */
        _exit(serve(index) == 0 ? 0 : 1);
    }
    return pid;
}

/* Every ticker has had two turns more. Whose has not, or -1. */
static int held_up(unsigned first, unsigned last)
{
    unsigned long before[HUBS + PROCESSES];
    for (unsigned i = first; i < last; i++)
        before[i] = atomic_load(&board->turns[i]);
    for (unsigned i = first; i < last; i++) {
        int64_t hang = grove_now() + HANG;
        while (atomic_load(&board->turns[i]) < before[i] + 2) {
            if (grove_now() > hang)
                return (int)i;
            usleep(250); /* other processes' turns: nothing wakes us */
        }
    }
    return -1;
}

/* From a plain thread, blocking. */
static void connect_once(const struct sockaddr_in *addr)
{
    char byte = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval limit = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(fd, (const struct sockaddr *)addr, sizeof(*addr)),
                     0);
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    close(fd);
}

static unsigned all_accepted(void)
{
    unsigned n = 0;
    for (int i = 0; i < HUBS + PROCESSES; i++)
        n += atomic_load(&board->accepted[i]);
    return n;
}

/* A listener that the processes inherit and the hubs find, as plain as the
 * system makes it, or the runtime's. */
static void share_listener(bool plain)
{
    struct sockaddr_in addr;
    pid_t pids[PROCESSES];
    pthread_t hubs;
    int hubs_result = -1, late = -1;
    board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(board != MAP_FAILED);
    if (plain) {
        server = listener(&addr);
    } else {
        socklen_t size = sizeof(addr);
        server = grove_listen("127.0.0.1:0", NULL);
        assert_int_equal(getsockname(server, (struct sockaddr *)&addr, &size),
                         0);
    }
    for (unsigned i = 0; i < PROCESSES; i++)
        assert_true((pids[i] = start_process(HUBS + i)) > 0);
    assert_int_equal(pthread_create(&hubs, NULL, hubs_thread, &hubs_result), 0);
    for (int i = 0; i < CLIENTS && late < 0; i++) {
        connect_once(&addr);
        if (i % 16 == 0)
            late = held_up(0, HUBS + PROCESSES);
    }
    atomic_store(&board->over, true);
    /* One that is held up in accept4 would stay there: let it have a call. */
    for (int i = 0; late >= 0 && i < 64; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fd, (struct sockaddr *)&addr, sizeof(addr));
    }
    assert_int_equal(pthread_join(hubs, NULL), 0);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    check(late < 0, "hub %d of %d was held up", late, HUBS + PROCESSES);
    assert_int_equal(hubs_result, 0);
    assert_int_equal(all_accepted(), CLIENTS);
    grove_close(server);
    munmap(board, sizeof(*board));
}

static void a_plain_listener_is_shared(void **state)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    share_listener(true);
}

static void our_own_listener_is_shared(void **state)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    share_listener(false);
}

/* What the owner of the open file has asked for is looked at in a process that
 * finds O_NONBLOCK set by another's runtime: calls wait all the same. */
static void another_process_can_tell_whose_flag_it_is(void **state)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    struct sockaddr_in addr;
    server = listener(&addr);
    errno = 0;
    assert_int_equal(grove_accept4_until(server, NULL, NULL, 0, 1), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_kept_nonblocking(server);
    pid_t pid = fork();
    if (pid == 0) {
        int twin = dup(server); /* of which nothing is known */
        int fd = grove_accept4_until(twin, NULL, NULL, 0, grove_now() + MS);
        _exit(fd < 0 && errno == ETIMEDOUT ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    grove_close(server);
    /* And one whose owner has set it is not waited for. */
    server = listener(&addr);
    set_nonblocking(server);
    assert_int_equal(grove_accept4(server, NULL, NULL, 0), -1);
    assert_int_equal(errno, EAGAIN);
    grove_close(server);
}

/* ---- one that connects ----------------------------------------------------- */

enum { CONNECTS = 5000 };

static struct sockaddr_un busy = {.sun_family = AF_UNIX};
static socklen_t busy_size;
static _Atomic unsigned tried, would_block;

/* Whether the flag that is there now is there still when others have gone on:
 * it may not be another's, who puts it back. */
int __real_connect(int fd, const struct sockaddr *addr, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t size)
{
    if (addr->sa_family != AF_UNIX)
        return __real_connect(fd, addr, size);
    for (int i = 0; i < 8; i++)
        sched_yield();
    atomic_fetch_add(&tried, 1);
    if (fcntl(fd, F_GETFL) & O_NONBLOCK)
        return __real_connect(fd, addr, size);
    atomic_fetch_add(&would_block, 1);
    errno = EAGAIN;
    return -1;
}

static int connect_often(const grove_crew *crew, void *arg)
{
    (void)crew;
    for (int i = 0; i < CONNECTS; i++)
        grove_connect_until(*(int *)arg, (struct sockaddr *)&busy, busy_size,
                            1); /* it has passed */
    return 0;
}

/* The queue of the listener is full: without the flag it would be waited in the
 * kernel. */
static void a_socket_is_connected_by_several_hubs(void **state)
{
    int clients[2], listening = socket(AF_UNIX, SOCK_STREAM, 0);
    busy_size = sizeof(sa_family_t); /* the system chooses a name */
    assert_int_equal(bind(listening, (struct sockaddr *)&busy, busy_size), 0);
    busy_size = sizeof(busy);
    assert_int_equal(
        getsockname(listening, (struct sockaddr *)&busy, &busy_size), 0);
    assert_int_equal(listen(listening, 0), 0);
    for (int i = 0; i < 2; i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        assert_int_equal(
            __real_connect(clients[i], (struct sockaddr *)&busy, busy_size),
            -i);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct timeval soon = {.tv_usec = 1000}; /* not for ever */
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
    assert_int_equal(grove_hubs(HUBS, connect_often, &fd), 0);
    assert_true(atomic_load(&tried) >= HUBS * CONNECTS);
    assert_int_equal(atomic_load(&would_block), 0);
    assert_blocking(fd);
    close(fd);
    close(clients[0]);
    close(clients[1]);
    close(listening);
}

/* A pipe's open file stays as it is: others that have it expect that. */
static void pipes_are_left_as_they_are(void **state)
{
    int a[2], b[2];
    struct pair p = pair_of(UNIX_STREAM);
    assert_int_equal(pipe(a), 0);
    assert_int_equal(pipe(b), 0);
    assert_int_equal(write(a[1], "abc", 3), 3);
    assert_int_equal(grove_splice(a[0], NULL, b[1], NULL, 3, 0), 3);
    assert_int_equal(grove_splice(b[0], NULL, p.out, NULL, 3, 0), 3);
    FILE *file = tmpfile();
    assert_true(fputs("defg", file) >= 0 && fflush(file) == 0);
    off_t offset = 0;
    assert_int_equal(grove_sendfile(b[1], fileno(file), &offset, 4), 4);
    assert_int_equal(offset, 4);
    fclose(file);
    fill(b[1]);
    errno = 0;
    assert_int_equal(
        grove_splice_until(a[0], NULL, b[1], NULL, 1, 0, grove_now() + MS), -1);
    assert_int_equal(errno, ETIMEDOUT);
    for (int i = 0; i < 2; i++) {
        assert_blocking(a[i]);
        assert_blocking(b[i]);
        close(a[i]);
        close(b[i]);
    }
    pair_close(p);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_listener_is_shared),
        cmocka_unit_test(our_own_listener_is_shared),
        cmocka_unit_test(another_process_can_tell_whose_flag_it_is),
        cmocka_unit_test(a_socket_is_connected_by_several_hubs),
        cmocka_unit_test(pipes_are_left_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
