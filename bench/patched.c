/*
 * Patched calls of libc's that find something and need not wait, made in a
 * fiber beside which there is another.
 *
 *   patched_recv         recv of a datagram that is there (it stays)
 *   patched_recv_adds    what the first takes more than libc's, least times
 *   patched_poll         poll of a descriptor that is ready
 *   patched_thread_recv  the first, on a thread without a hub
 *
 * The peer is libc's own, called by the address that it had before.
 */
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "bench.h"
#include "grove.h"

#define TURNS 200

static int fd; /* with a datagram */
static ssize_t (*libc_recv)(int, void *, size_t, int);
static int (*libc_poll)(struct pollfd *, nfds_t, int);

#define TURN(call) \
    int64_t start = bench_now(); \
    for (int i = 0; i < TURNS; i++) \
        call; \
    return (double)(bench_now() - start) / TURNS

static double recv_turn(void)
{
    char buf[8];
    TURN(recv(fd, buf, sizeof(buf), MSG_PEEK));
}

static double libc_recv_turn(void)
{
    char buf[8];
    TURN(libc_recv(fd, buf, sizeof(buf), MSG_PEEK));
}

static double poll_turn(void)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    TURN(poll(&p, 1, -1));
}

static double libc_poll_turn(void)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    TURN(libc_poll(&p, 1, -1));
}

static void measure_what_is_added(void)
{
    enum { ROUNDS = 1001 };
    static double ours[ROUNDS], theirs[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        ours[i] = recv_turn();
        theirs[i] = libc_recv_turn();
    }
    double adds = bench_least(ours, ROUNDS) - bench_least(theirs, ROUNDS);
    bench_print("patched_recv_adds", adds > 0 ? adds : 0, "ns");
}

static void *in_fiber(void *arg)
{
    measure_what_is_added();
    bench_run("patched_recv", recv_turn, libc_recv_turn, "libc", 501);
    bench_run("patched_poll", poll_turn, libc_poll_turn, "libc", 501);
    return arg;
}

static void *on_thread(void *arg)
{
    bench_run("patched_thread_recv", recv_turn, libc_recv_turn, "libc", 501);
    return arg;
}

int main(void)
{
    int fds[2];
    grove_fiber *f;
    pthread_t thread;
    libc_recv =
        (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_DEFAULT, "recv");
    libc_poll =
        (int (*)(struct pollfd *, nfds_t, int))dlsym(RTLD_DEFAULT, "poll");
    bench_check(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), "socketpair");
    fd = fds[0];
    bench_check(send(fds[1], "datagram", 8, 0) != 8, "send");
    bench_check(grove_patch("", NULL, 0) <= 0, "grove_patch");
    bench_check(grove_spawn(&f, in_fiber, NULL), "grove_spawn");
    grove_join(f, NULL);
    bench_check(pthread_create(&thread, NULL, on_thread, NULL),
                "pthread_create");
    pthread_join(thread, NULL);
    return 0;
}
