/*
 * Calls that find something and need not wait, made in a fiber beside which
 * there is another, while system calls without libc are patched.
 *
 *   raw_recv       by an instruction of the program's own, which is told of by
 *                  a signal
 *   raw_libc_adds  what libc's recv takes more than otherwise, least times
 *
 * The peer is the same when nothing is patched.
 */
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "bench.h"
#include "grove.h"

#define TURNS 200

static int fd; /* with a datagram */
static ssize_t (*libc_recv)(int, void *, size_t, int);

static long raw_recv(void *buf, size_t len)
{
    register long flags __asm__("r10") = MSG_PEEK;
    register long addr __asm__("r8") = 0;
    register long addrlen __asm__("r9") = 0;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"((long)SYS_recvfrom), "D"((long)fd), "S"(buf),
                       "d"(len), "r"(flags), "r"(addr), "r"(addrlen)
                     : "rcx", "r11", "memory");
    return result;
}

static double raw_turn(void)
{
    char buf[8];
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++)
        raw_recv(buf, sizeof(buf));
    return (double)(bench_now() - start) / TURNS;
}

static double libc_turn(void)
{
    char buf[8];
    int64_t start = bench_now();
    for (int i = 0; i < TURNS; i++)
        libc_recv(fd, buf, sizeof(buf), MSG_PEEK);
    return (double)(bench_now() - start) / TURNS;
}

static double unpatched(bench_turn *turn)
{
    bench_check(grove_unpatch_all() < 0, "grove_unpatch_all");
    double ns = turn();
    bench_check(grove_patch("", "recv", GROVE_PATCH_SYSCALLS) < 0,
                "grove_patch");
    return ns;
}

static double raw_unpatched_turn(void)
{
    return unpatched(raw_turn);
}

static void measure_what_is_added(void)
{
    enum { ROUNDS = 501 };
    static double with[ROUNDS], without[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        with[i] = libc_turn();
        without[i] = unpatched(libc_turn);
    }
    double adds = bench_least(with, ROUNDS) - bench_least(without, ROUNDS);
    bench_print("raw_libc_adds", adds > 0 ? adds : 0, "ns");
}

static void *in_fiber(void *arg)
{
    measure_what_is_added();
    bench_run("raw_recv", raw_turn, raw_unpatched_turn, "unpatched", 501);
    return arg;
}

int main(void)
{
    int fds[2];
    grove_fiber *f;
    if (grove_patch_syscalls_refused())
        return 0; /* there is nothing to be measured */
    libc_recv =
        (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_DEFAULT, "recv");
    bench_check(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), "socketpair");
    fd = fds[0];
    bench_check(send(fds[1], "datagram", 8, 0) != 8, "send");
    bench_check(grove_patch("", "recv", GROVE_PATCH_SYSCALLS) < 0,
                "grove_patch");
    bench_check(grove_spawn(&f, in_fiber, NULL), "grove_spawn");
    grove_join(f, NULL);
    return 0;
}
