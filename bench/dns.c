/*
 * Look-ups a fiber against look-ups a thread: 64 at once ask a name server of
 * this process, by grove_getaddrinfo in fibers, and by libc's in threads.
 *
 *     dns [ROUNDS]
 */
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>

#include "../tests/unit/dns_server.h"
#include "bench.h"
#include "grove.h"

enum { AT_ONCE = 64, EACH = 20 };

static struct dns_server server;

static void check_answer(int r, struct addrinfo *list)
{
    bench_check(r, "a look-up");
    freeaddrinfo(list);
}

static const struct addrinfo hints = {.ai_family = AF_INET,
                                      .ai_socktype = SOCK_STREAM};

static void *ask_in_fiber(void *arg)
{
    struct addrinfo *list = NULL;
    for (int i = 0; i < EACH; i++)
        check_answer(grove_getaddrinfo("a1.test.", "80", &hints, &list), list);
    return NULL;
}

/* libc's resolver has its settings a thread. */
static void *ask_in_thread(void *arg)
{
    struct addrinfo *list = NULL;
    res_init();
    _res.nscount = 1;
    _res.nsaddr_list[0] = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(strrchr(server.address, ':') + 1)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < EACH; i++)
        check_answer(getaddrinfo("a1.test.", "80", &hints, &list), list);
    return NULL;
}

static double fibers(void)
{
    grove_fiber *f[AT_ONCE];
    int64_t begin = bench_now();
    for (int i = 0; i < AT_ONCE; i++)
        bench_check(grove_spawn(&f[i], ask_in_fiber, NULL), "spawn");
    grove_join_all(f, AT_ONCE, 0);
    int64_t took = bench_now() - begin;
    for (int i = 0; i < AT_ONCE; i++)
        grove_release(f[i]);
    return (double)took / (AT_ONCE * EACH);
}

static double threads(void)
{
    pthread_t t[AT_ONCE];
    int64_t begin = bench_now();
    for (int i = 0; i < AT_ONCE; i++)
        bench_check(pthread_create(&t[i], NULL, ask_in_thread, NULL), "thread");
    for (int i = 0; i < AT_ONCE; i++)
        pthread_join(t[i], NULL);
    return (double)(bench_now() - begin) / (AT_ONCE * EACH);
}

int main(int argc, char **argv)
{
    size_t rounds = (size_t)bench_argument(argc, argv, 1, 21);
    bench_check(!dns_server_start(&server), "the name server");
    bench_check(grove_dns_set_servers(server.address), "set_servers");
    bench_run("dns", fibers, threads, "getaddrinfo in threads", rounds);
    dns_server_stop(&server);
    return 0;
}
