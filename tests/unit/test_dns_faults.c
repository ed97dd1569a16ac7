/*
 * Look-ups and the making of sockets with injected failures: of each
 * allocation, c-ares's included, and of the system calls. Each must be told of,
 * or be of no consequence; nothing leaks, and the next call works.
 */
#include "faults.h"

#include "socket_pairs.h"

#include <nss.h>
#include <pthread.h>

#include "dns_server.h"
#include "net/dns_ares.h"
#include "unit.h"

#define MEMORY \
    (FAULT_malloc | FAULT_calloc | FAULT_realloc | FAULT_posix_memalign)

/* Of this test only. */
#define FAULT_socket (1 << 29)
#define FAULT_sendmsg (1 << 28)
#define FAULT_ares (1 << 27) /* c-ares's allocations */

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
    return fault_is_due(FAULT_socket) ? -1
                                      : __real_socket(domain, type, protocol);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    return fault_is_due(FAULT_sendmsg) ? -1 : __real_sendmsg(fd, msg, flags);
}

static void *ares_malloc(size_t n)
{
    return fault_is_due(FAULT_ares) ? NULL : __real_malloc(n);
}

static void *ares_realloc(void *p, size_t n)
{
    return fault_is_due(FAULT_ares) ? NULL : __real_realloc(p, n);
}

static struct dns_server server;

/* ---- trials -------------------------------------------------------------- */

/* What an operation returned: 0, an errno, or 1000 and an EAI_ code. */
#define GAI(code) ((code) == EAI_SYSTEM ? errno : 1000 + (code))

struct trial {
    int (*op)(void);
    unsigned mask;
    int nth, error;
    int first, second;
    bool hit;
};

static void *run_trial(void *arg)
{
    struct trial *t = arg;
    fault_arm(t->mask, t->nth, t->error);
    t->first = t->op();
    t->hit = fault_disarm();
    t->second = t->op();
    return NULL;
}

/* The name server closes its side of a TCP connection after we have. */
static bool descriptors_are_back_to(int before)
{
    int64_t end = grove_now() + HANG;
    while (open_descriptors() != before) {
        if (grove_now() > end)
            return false;
        usleep(1000);
    }
    return true;
}

static int descriptors_at_first;

/* Makes each call of those in mask fail, on a thread of its own each, so that
 * the hub, its channel and its tables are made anew. Only the errors in allowed
 * (ended by 0) may come of it. How many did. */
static int each_failure(const char *name, int (*op)(void), unsigned mask,
                        int error, const int *allowed)
{
    int told = 0;
    for (int nth = 1;; nth++) {
        struct trial t = {.op = op, .mask = mask, .nth = nth, .error = error};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, run_trial, &t), 0);
        pthread_join(thread, NULL);
        bool known = t.first == 0;
        for (const int *a = allowed; *a; a++)
            known |= t.first == *a;
        check(known, "%s, failure %d: %d", name, nth, t.first);
        check(t.second == 0, "%s after failure %d: %d", name, nth, t.second);
        check(descriptors_are_back_to(descriptors_at_first),
              "%s, failure %d: descriptors", name, nth);
        if (!t.hit) {
            assert_int_equal(t.first, 0);
            return told;
        }
        told += t.first != 0;
    }
}

/* ---- look-ups ------------------------------------------------------------ */

static int look_up(const char *name, int family, int flags)
{
    struct addrinfo hints = {.ai_family = family, .ai_flags = flags}, *list;
    int r = grove_getaddrinfo(name, "80", &hints, &list);
    if (r != 0)
        return GAI(r);
    grove_freeaddrinfo(list);
    return 0;
}

static int both_families(void)
{
    return look_up("a1.test", AF_UNSPEC, AI_CANONNAME);
}

static int mapped(void)
{
    return look_up("four.test", AF_INET6, AI_V4MAPPED);
}

static int by_tcp(void)
{
    return look_up("big.test", AF_INET, 0);
}

/* Where /etc/hosts does not name it, or is missing, that is what libc tells. */
static int by_libc(void)
{
    int r = look_up("localhost", AF_INET, AI_CANONIDN);
    return r == GAI(EAI_NONAME) || r == GAI(EAI_NODATA) ? 0 : r;
}

static int name_of(int flags)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(0x0a000001)};
    char host[NI_MAXHOST];
    int r = grove_getnameinfo((struct sockaddr *)&in, sizeof(in), host,
                              sizeof(host), NULL, 0, flags);
    return r == 0 ? 0 : GAI(r);
}

static int reverse(void)
{
    return name_of(NI_NAMEREQD);
}

static const int memory_errors[] = {ENOMEM, 1000 + EAI_MEMORY, 0};
/* c-ares takes some allocations that failed for an answer that did not come, or
 * for the end of the names to try. */
static const int ares_errors[] = {ENOMEM, 1000 + EAI_MEMORY, 1000 + EAI_AGAIN,
                                  1000 + EAI_NONAME, 0};
/* A question that cannot be sent is as good as not answered. */
static const int socket_errors[] = {EMFILE, 1000 + EAI_AGAIN, 0};

/* c-ares 1.34 uses what it has freed when it has no memory for an entry of
 * /etc/hosts or a connection (1.34.8, by valgrind): nothing is to be tested. */
static bool ares_bears_failures(void)
{
    int version;
    ares_version(&version);
    return version < 0x012200;
}

static void lookups_report_no_memory(void **state)
{
    static int (*const ops[])(void) = {both_families, mapped, by_tcp, reverse};
    for (size_t i = 0; i < UNIT_COUNT(ops); i++) {
        assert_true(
            each_failure("look-up", ops[i], MEMORY, ENOMEM, memory_errors) > 5);
        if (ares_bears_failures())
            assert_true(each_failure("c-ares", ops[i], FAULT_ares, ENOMEM,
                                     ares_errors) > 5);
    }
    assert_true(each_failure("libc's", by_libc, MEMORY, ENOMEM, memory_errors) >
                3);
}

static void sockets_that_cannot_be_waited_for(void **state)
{
    assert_true(each_failure("look-up", both_families, FAULT_epoll_ctl, ENOSPC,
                             memory_errors) > 1);
    assert_true(each_failure("TCP", by_tcp, FAULT_epoll_ctl, ENOMEM,
                             memory_errors) > 1);
}

static void sockets_that_fail(void **state)
{
    assert_true(each_failure("socket", both_families, FAULT_socket, EMFILE,
                             socket_errors) >= 0);
    each_failure("connect", both_families, FAULT_connect, ENETUNREACH,
                 socket_errors);
    /* The latter since c-ares 1.34. */
    each_failure("send", both_families, FAULT_sendmsg | FAULT_sendto,
                 ENETUNREACH, socket_errors);
    each_failure("receive", both_families, FAULT_recvfrom, ECONNREFUSED,
                 socket_errors);
    each_failure("receive by TCP", by_tcp, FAULT_recvfrom, ECONNRESET,
                 socket_errors);
}

/* ---- sockets ------------------------------------------------------------- */

static int listener_port;

static int listen_by_name(void)
{
    int fd = grove_listen("local.test:0", NULL);
    if (fd < 0)
        return errno;
    grove_close(fd);
    return 0;
}

static int dial_by_name(void)
{
    char port[16];
    snprintf(port, sizeof(port), "%d", listener_port);
    int fd = grove_dial("race.test", port);
    if (fd < 0)
        return errno;
    grove_close(fd);
    return 0;
}

static int splice_some(void)
{
    int in[2], out[2], r = EINVAL;
    if (grove_pipe2(in, 0) < 0)
        return errno;
    if (grove_pipe2(out, 0) < 0) {
        r = errno;
    } else {
        bool written = write(in[1], "x", 1) == 1;
        if (written && grove_splice(in[0], NULL, out[1], NULL, 1, 0) == 1)
            r = 0;
        else
            r = errno;
        grove_close(out[0]);
        grove_close(out[1]);
    }
    grove_close(in[0]);
    grove_close(in[1]);
    return r;
}

static void making_sockets_reports_failures(void **state)
{
    static const int no_memory[] = {ENOMEM, 0};
    /* Of several attempts, the first one's error. */
    static const int kernel[] = {EMFILE, EAGAIN, ECONNREFUSED, 0};
    struct sockaddr_in addr;
    int fd = listener(&addr);
    listener_port = ntohs(addr.sin_port);
    descriptors_at_first++;
    assert_true(
        each_failure("listen", listen_by_name, MEMORY, ENOMEM, no_memory) > 5);
    assert_true(each_failure("dial", dial_by_name, MEMORY, ENOMEM, no_memory) >
                5);
    assert_true(each_failure("listen", listen_by_name, FAULT_socket, EMFILE,
                             kernel) > 0);
    /* Another address is tried where one fails. */
    each_failure("dial", dial_by_name, FAULT_socket, EMFILE, kernel);
    each_failure("dial", dial_by_name, FAULT_connect, EMFILE, kernel);
    each_failure("dial", dial_by_name, FAULT_fcntl64, EMFILE, kernel);
    assert_true(each_failure("splice", splice_some, MEMORY, ENOMEM, no_memory) >
                0);
    each_failure("splice", splice_some, FAULT_fcntl64, EMFILE, kernel);
    close(fd);
    descriptors_at_first--;
}

static char resolv[] = "/tmp/grove-resolv-XXXXXX";

static int setup(void **state)
{
    static const char text[] = "options timeout:1 attempts:2\n";
    int fd = mkstemp(resolv);
    __nss_configure_lookup("hosts", "files"); /* libc asks no network */
    if (fd < 0 || write(fd, text, sizeof(text) - 1) < 0 || close(fd) < 0 ||
        ares_library_init_mem(ARES_LIB_INIT_ALL, ares_malloc, free,
                              ares_realloc) != ARES_SUCCESS ||
        !dns_server_start(&server))
        return -1;
    dns_paths[DNS_RESOLV] = resolv;
    /* A worker's thread lives on, with a descriptor of its own: not counted. */
    int r = grove_dns_set_servers(server.address) || by_libc();
    descriptors_at_first = open_descriptors();
    return r;
}

static int teardown(void **state)
{
    dns_server_stop(&server);
    return unlink(resolv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_report_no_memory),
        cmocka_unit_test(sockets_that_cannot_be_waited_for),
        cmocka_unit_test(sockets_that_fail),
        cmocka_unit_test(making_sockets_reports_failures),
    };
#if defined(__SANITIZE_THREAD__) /* its threads are slow to make */
    return 77;
#endif
    return cmocka_run_group_tests(tests, setup, teardown);
}
