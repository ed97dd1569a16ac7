/*
 * Making sockets: descriptors of the runtime's, their time-outs, listening by
 * address, dialing by name.
 */
#include "socket_calls.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include "dns_server.h"
#include "hub/hub.h"
#include "stopped_clock.h"
#include "unit.h"

static struct dns_server server;

/* ---- descriptors --------------------------------------------------------- */

static bool owned(int fd)
{
    return loop_owned(fd);
}

static void descriptors_are_owned(void **state)
{
    int fds[2];
    int fd = grove_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && owned(fd));
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    grove_close(fd);
    assert_int_equal(grove_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_true(owned(fds[0]) && owned(fds[1]));
    grove_close(fds[0]);
    grove_close(fds[1]);
    assert_int_equal(grove_pipe2(fds, O_CLOEXEC), 0);
    assert_true(owned(fds[0]) && owned(fds[1]));
    grove_close(fds[0]);
    grove_close(fds[1]);
    assert_int_equal(grove_socket(AF_INET, 77, 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(grove_socketpair(AF_INET, SOCK_STREAM, 0, fds), -1);
    assert_int_equal(grove_pipe2(fds, 0x40000000), -1);
    assert_int_equal(errno, EINVAL);
}

/* ---- time-outs ----------------------------------------------------------- */

static struct timeval after(int ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

/* The call waits, and ends with an error after ns, or by itself if that is 0.
 */
static void expect_call(struct call c, int64_t ns, int error)
{
    clock_stop();
    c.deadline = ns ? grove_now() + ns : 0;
    start_parked(&c);
    clock_go_on(0);
    expect_error(&c, error);
}

static void timeouts_of_sockets_count(void **state)
{
    struct timeval tv = after(15);
    struct pair p = pair_of(TCP);
    char buf[16] = "";
    struct call receive = recv_call(p.in, buf, sizeof(buf));
    /* Set behind our back, but before the first wait. */
    setsockopt(p.in, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    expect_call(receive, 0, EAGAIN);
    expect_call(io_call(make_read, "read", p.in, buf, sizeof(buf)), 0, EAGAIN);
    /* The earlier one counts, and tells which it was. */
    expect_call(receive, 5 * MS, ETIMEDOUT);
    expect_call(receive, HANG, EAGAIN);
    grove_timeout t;
    char c;
    grove_timeout_begin(&t, grove_now() + 5 * MS);
    assert_int_equal(grove_recv(p.in, &c, 1, 0), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);

    /* Changed later: by our call. */
    tv = after(0);
    assert_int_equal(
        grove_setsockopt(p.in, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
    call_start(&receive);
    grove_sleep(30 * MS);
    expect_parked(&receive);
    assert_int_equal(write(p.out, "x", 1), 1);
    expect_result(&receive, 1);

    tv = after(10);
    assert_int_equal(
        grove_setsockopt(p.in, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
    fill(p.in);
    expect_call(send_call(p.in, buf, 1), 0, EAGAIN);
    pair_close(p);
    assert_int_equal(
        grove_setsockopt(-1, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), -1);
    assert_int_equal(errno, EBADF);
}

static void timeouts_of_accept_and_connect(void **state)
{
    struct timeval tv = after(10);
    struct sockaddr_in addr;
    int fd = bound(SOCK_STREAM, &addr);
    listen(fd, 0);
    assert_int_equal(
        grove_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
    expect_call(accept_call(fd), 0, EAGAIN);

    /* Its queue gets full: who comes then waits. */
    int clients[4], r = 0;
    for (int i = 0; i < 4; i++) {
        clients[i] = grove_socket(AF_INET, SOCK_STREAM, 0);
        grove_setsockopt(clients[i], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
        r = grove_connect(clients[i], (struct sockaddr *)&addr, sizeof(addr));
    }
    assert_int_equal(r, -1);
    assert_int_equal(errno, EINPROGRESS);
    for (int i = 0; i < 4; i++)
        grove_close(clients[i]);
    grove_close(fd);
}

/* ---- listening ----------------------------------------------------------- */

static void address_text(int fd, char *text, size_t size)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    assert_true(grove_address_text((struct sockaddr *)&a, n, text, size) > 0);
}

static int port_of(const char *text)
{
    return atoi(strrchr(text, ':') + 1);
}

static ssize_t dial_port(struct call *c)
{
    char port[16];
    snprintf(port, sizeof(port), "%d", c->flags);
    int fd = grove_dial_until(c->buf, port, c->deadline);
    if (fd >= 0)
        grove_close(fd);
    return fd < 0 ? -1 : 0;
}

static void connect_to(const char *host, int port)
{
    struct call c = {.make = dial_port,
                     .name = host,
                     .buf = (char *)host,
                     .flags = port,
                     .deadline = grove_now() + HANG};
    call_start(&c);
    expect_result(&c, 0);
}

static void listening_by_address(void **state)
{
    char text[128];
    int fd = grove_listen("127.0.0.1:0", NULL);
    assert_true(fd >= 0 && owned(fd));
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_kept_nonblocking(fd);
    address_text(fd, text, sizeof(text));
    assert_true(strncmp(text, "127.0.0.1:", 10) == 0 && port_of(text) > 0);
    connect_to("127.0.0.1", port_of(text));
    /* The text is one to listen on: there, it is taken. */
    assert_int_equal(grove_listen(text, NULL), -1);
    assert_int_equal(errno, EADDRINUSE);
    grove_close(fd);
    fd = grove_listen(text, NULL);
    assert_true(fd >= 0);
    grove_close(fd);

    grove_listen_options share = {.reuse_port = true, .backlog = 5};
    int a = grove_listen("127.0.0.1:0", &share);
    address_text(a, text, sizeof(text));
    int b = grove_listen(text, &share);
    assert_true(a >= 0 && b >= 0);
    grove_close(a);
    grove_close(b);
}

/* One socket for both families, where there are both. */
/* A socket of IPv6 may be had, and yet no address, not even the loopback's. */
static bool has_ipv6(void)
{
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6,
                                    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (void *)&loopback, sizeof(loopback)) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

static void listening_on_all_addresses(void **state)
{
    char text[128];
    int fd = grove_listen(":0", NULL);
    assert_true(fd >= 0);
    address_text(fd, text, sizeof(text));
    connect_to("127.0.0.1", port_of(text));
    if (text[0] == '[' && !has_ipv6())
        print_message("IPv6 is turned off: only IPv4 is tried (sysctl "
                      "net.ipv6.conf.lo.disable_ipv6=0)\n");
    if (text[0] == '[' && has_ipv6()) {
        connect_to("::1", port_of(text));
        grove_listen_options only = {.ipv6_only = true};
        int six = grove_listen("*:0", &only);
        assert_true(six >= 0);
        address_text(six, text, sizeof(text));
        struct call c = {.make = dial_port,
                         .name = "IPv4",
                         .buf = (char *)"127.0.0.1",
                         .flags = port_of(text)};
        call_start(&c);
        expect_error(&c, ECONNREFUSED);
        grove_close(six);
    }
    grove_close(fd);
}

static void bad_addresses(void **state)
{
    static const struct {
        const char *text;
        int error;
    } rows[] = {{"", EINVAL},
                {"127.0.0.1", EINVAL},
                {"127.0.0.1:", EINVAL},
                {"::1:80", EINVAL},
                {"[::1]", EINVAL},
                {"[]:80", EINVAL},
                {"[127.0.0.1]:80", EINVAL},
                {"127.0.0.1:nonsense", EINVAL},
                {"nowhere.test:80", ENXIO},
                {"unix:", EINVAL},
                {"broken.test:80", EAGAIN},
                {"10.255.255.254:0", EADDRNOTAVAIL}};
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        int fd = grove_listen(rows[i].text, NULL);
        check(fd == -1 && errno == rows[i].error, "'%s': %d, errno %d",
              rows[i].text, fd, errno);
    }
    char longest[300] = "unix:/";
    memset(longest + 6, 'x', sizeof(longest) - 7);
    assert_int_equal(grove_listen(longest, NULL), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(grove_dial_unix(longest), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

static void names_are_listened_on(void **state)
{
    char text[128];
    int fd = grove_listen_until("local.test:0", NULL, grove_now() + HANG);
    assert_true(fd >= 0);
    address_text(fd, text, sizeof(text));
    connect_to("local.test", port_of(text));
    grove_close(fd);
    assert_int_equal(
        grove_listen_until("silent.test:0", NULL, grove_now() + 10 * MS), -1);
    assert_int_equal(errno, ETIMEDOUT);
}

static void unix_sockets(void **state)
{
    char folder[] = "/tmp/grove-unix-XXXXXX", path[64], address[80], text[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    snprintf(address, sizeof(address), "unix:%s", path);
    grove_listen_options options = {.mode = 0600};
    int fd = grove_listen(address, &options);
    assert_true(fd >= 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    address_text(fd, text, sizeof(text));
    assert_string_equal(text, address);
    int client = grove_dial_unix_until(path, grove_now() + HANG);
    assert_true(client >= 0 && owned(client));
    grove_close(client);
    /* One that is listened on is not taken over, what is left of one is. */
    assert_int_equal(grove_listen(address, NULL), -1);
    assert_int_equal(errno, EADDRINUSE);
    grove_close(fd);
    assert_int_equal(grove_dial_unix(path), -1);
    assert_int_equal(errno, ECONNREFUSED);
    fd = grove_listen(address, NULL);
    assert_true(fd >= 0);
    grove_close(fd);
    assert_int_equal(unlink(path), 0);
    /* A file that is no socket stays. */
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(grove_listen(address, NULL), -1);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);

    snprintf(address, sizeof(address), "unix:@grove-test-%d", (int)getpid());
    fd = grove_listen(address, NULL);
    assert_true(fd >= 0);
    address_text(fd, text, sizeof(text));
    assert_string_equal(text, address);
    client = grove_dial_unix(address + strlen("unix:"));
    assert_true(client >= 0);
    grove_close(client);
    grove_close(fd);
}

static void udp_sockets(void **state)
{
    char text[128], port[16], buf[16];
    int fd = grove_bind_udp("127.0.0.1:0", NULL);
    assert_true(fd >= 0);
    address_text(fd, text, sizeof(text));
    snprintf(port, sizeof(port), "%d", port_of(text));
    int client = grove_dial_udp("local.test", port);
    assert_true(client >= 0 && owned(client));
    assert_blocking(client);
    assert_int_equal(grove_send(client, "ping", 4, 0), 4);
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    assert_int_equal(grove_recvfrom_until(fd, buf, sizeof(buf), 0,
                                          (void *)&from, &size,
                                          grove_now() + HANG),
                     4);
    assert_int_equal(grove_sendto(fd, "pong!", 5, 0, (void *)&from, size), 5);
    assert_int_equal(
        grove_recv_until(client, buf, sizeof(buf), 0, grove_now() + HANG), 5);
    grove_close(client);
    grove_close(fd);
    assert_int_equal(
        grove_dial_udp_until("silent.test", port, grove_now() + 10 * MS), -1);
    assert_int_equal(errno, ETIMEDOUT);
    client =
        grove_dial_udp_until("127.0.0.1", port, 0); /* nothing to wait for */
    assert_true(client >= 0);
    grove_close(client);
    assert_int_equal(grove_bind_udp("nonsense", NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(
        grove_bind_udp_until("silent.test:1", NULL, grove_now() + 5 * MS), -1);
    assert_int_equal(errno, ETIMEDOUT);
}

static void texts_of_addresses(void **state)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_port = htons(80),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    char text[32];
    assert_int_equal(
        grove_address_text((void *)&in6, sizeof(in6), text, sizeof(text)), 8);
    assert_string_equal(text, "[::1]:80");
    assert_int_equal(grove_address_text((void *)&in6, sizeof(in6), text, 4), 8);
    assert_string_equal(text, "[::");
    assert_int_equal(grove_address_text((void *)&in6, 4, text, 32), -1);
    assert_int_equal(errno, EAFNOSUPPORT);
}

/* ---- dialing ------------------------------------------------------------- */

static int dial(const char *host, int port, int64_t ns)
{
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    int fd = grove_dial_until(host, service, grove_now() + ns);
    if (fd >= 0) {
        assert_blocking(fd);
        assert_true(owned(fd));
        grove_close(fd);
        return 0;
    }
    return errno;
}

static void dialing_by_name(void **state)
{
    struct sockaddr_in addr;
    int before = open_descriptors();
    int fd = listener(&addr);
    int port = ntohs(addr.sin_port);
    assert_int_equal(dial("local.test", port, HANG), 0);
    assert_int_equal(dial("nowhere.test", port, HANG), ENXIO);
    assert_int_equal(dial("broken.test", port, HANG), EAGAIN);
    assert_int_equal(dial("silent.test", port, 10 * MS), ETIMEDOUT);
    assert_int_equal(grove_dial("local.test", "no-service"), -1);
    assert_int_equal(errno, EINVAL);
    /* Whose last 16 bits are the listener's. */
    assert_int_equal(dial("local.test", port + 65536, HANG), EINVAL);
    assert_int_equal(dial("127.0.0.1", port + 65536, HANG), EINVAL);
    assert_int_equal(grove_dial_udp("127.0.0.1", "65536"), -1);
    assert_int_equal(errno, EINVAL);
    close(fd);
    assert_int_equal(dial("local.test", port, HANG), ECONNREFUSED);
    assert_int_equal(open_descriptors(), before);
}

/* 127.0.0.2 refuses, 127.0.0.1 answers: the second comes at once. One that does
 * not answer (its queue is full) is overtaken after 250 ms. */
static void the_first_to_connect_wins(void **state)
{
    struct sockaddr_in addr;
    int fd = listener(&addr);
    int port = ntohs(addr.sin_port);
    int before = open_descriptors();
    clock_stop(); /* it waits for no time, which does not pass */
    assert_int_equal(dial("race.test", port, HANG), 0);
    clock_go_on(0);

    /* A listener on 127.0.0.2 with a full queue. */
    addr.sin_addr.s_addr = htonl(0x7f000002);
    int full = socket(AF_INET, SOCK_STREAM, 0), fillers[3];
    assert_int_equal(bind(full, (struct sockaddr *)&addr, sizeof(addr)), 0);
    fill_queue(full, &addr, fillers);
    int64_t begun = grove_now();
    assert_int_equal(dial("race.test", port, HANG), 0);
    int64_t took = grove_now() - begun;
    check(took >= 240 * MS, "overtaken after %.1f ms", took / 1e6);
    /* Nobody answers. */
    close(fd);
    struct call c = {.make = dial_port,
                     .name = "kill",
                     .buf = (char *)"127.0.0.2",
                     .flags = port};
    expect_end_by_kill(&c);
    assert_int_equal(dial("127.0.0.2", port, 20 * MS), ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        close(fillers[i]);
    close(full);
    assert_int_equal(open_descriptors(), before - 1);
}

/* ---- sendfile, splice ---------------------------------------------------- */

enum { BIG = 3 << 20 };

/* To the end; how much it was, or -2 where it is not patterned_file's. */
static ssize_t receive_pattern(struct call *c)
{
    static char buf[65536];
    ssize_t n, total = 0;
    while ((n = grove_recv(c->fd, buf, sizeof(buf), 0)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (buf[i] != (char)((total + i) % 251))
                return -2;
        }
        total += n;
    }
    return n < 0 ? n : total;
}

static int patterned_file(size_t n)
{
    FILE *f = tmpfile();
    for (size_t i = 0; i < n; i++)
        putc((int)(i % 251), f);
    assert_int_equal(fflush(f), 0);
    int fd = dup(fileno(f));
    fclose(f);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void files_are_sent_whole(void **state)
{
    struct pair p = pair_of(TCP);
    int file = patterned_file(BIG);
    struct call c = {.make = receive_pattern, .name = "receive", .fd = p.in};
    call_start(&c);
    off_t offset = 0;
    assert_int_equal(grove_sendfile(p.out, file, &offset, BIG + 100), BIG);
    assert_int_equal(offset, BIG);
    assert_kept_nonblocking(p.out);
    shutdown(p.out, SHUT_WR);
    expect_result(&c, BIG);
    /* A receiver that does not take it. */
    struct pair q = pair_of(UNIX_STREAM);
    offset = 0;
    ssize_t n =
        grove_sendfile_until(q.out, file, &offset, BIG, grove_now() + 10 * MS);
    assert_true(n > 0 && n < BIG && n == offset);
    assert_int_equal(
        grove_sendfile_until(q.out, file, &offset, 1, grove_now() + 5 * MS),
        -1);
    assert_int_equal(errno, ETIMEDOUT);
    set_nonblocking(q.out);
    struct pair r = pair_of(UNIX_STREAM);
    set_nonblocking(r.out);
    offset = 0;
    n = grove_sendfile(r.out, file, &offset, BIG);
    assert_true(n > 0 && n < BIG);
    assert_int_equal(grove_sendfile(r.out, file, &offset, BIG), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(grove_sendfile(-1, file, NULL, 1), -1);
    assert_int_equal(errno, EBADF);
    pair_close(p);
    pair_close(q);
    pair_close(r);
    close(file);
}

static ssize_t relay(struct call *c)
{
    int pipe_fds[2];
    int *fds = c->more;
    ssize_t n, total = 0;
    assert_int_equal(grove_pipe2(pipe_fds, 0), 0);
    while ((n = grove_splice(fds[0], NULL, pipe_fds[1], NULL, 65536, 0)) > 0) {
        total += n;
        while (n > 0) {
            ssize_t m =
                grove_splice(pipe_fds[0], NULL, fds[1], NULL, (size_t)n, 0);
            if (m <= 0)
                return -1;
            n -= m;
        }
    }
    grove_close(pipe_fds[0]);
    grove_close(pipe_fds[1]);
    shutdown(fds[1], SHUT_WR);
    return total;
}

/* Through a pipe, from one connection to another. */
static void connections_are_spliced(void **state)
{
    struct pair a = pair_of(TCP), b = pair_of(TCP);
    int fds[] = {a.in, b.out};
    struct call reader = {
        .make = receive_pattern, .name = "receive", .fd = b.in};
    struct call relayer = {.make = relay, .name = "relay", .more = fds};
    start_parked(&relayer);
    call_start(&reader);
    int file = patterned_file(BIG);
    assert_int_equal(grove_sendfile(a.out, file, NULL, BIG), BIG);
    shutdown(a.out, SHUT_WR);
    expect_result(&relayer, BIG);
    expect_result(&reader, BIG);
    assert_kept_nonblocking(a.in);
    assert_kept_nonblocking(b.out);

    int p[2];
    assert_int_equal(grove_pipe2(p, 0), 0);
    assert_int_equal(grove_splice(p[0], NULL, b.in, NULL, 1, 2), -1);
    assert_int_equal(errno, EAGAIN); /* 2 is SPLICE_F_NONBLOCK */
    assert_int_equal(
        grove_splice_until(p[0], NULL, b.in, NULL, 1, 0, grove_now() + 5 * MS),
        -1);
    assert_int_equal(errno, ETIMEDOUT);
    grove_close(p[0]);
    grove_close(p[1]);
    close(file);
    pair_close(a);
    pair_close(b);
}

static int setup(void **state)
{
    if (!dns_server_start(&server))
        return -1;
    return grove_dns_set_servers(server.address);
}

static int teardown(void **state)
{
    dns_server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_are_owned),
        cmocka_unit_test(timeouts_of_sockets_count),
        cmocka_unit_test(timeouts_of_accept_and_connect),
        cmocka_unit_test(listening_by_address),
        cmocka_unit_test(listening_on_all_addresses),
        cmocka_unit_test(bad_addresses),
        cmocka_unit_test(names_are_listened_on),
        cmocka_unit_test(unix_sockets),
        cmocka_unit_test(udp_sockets),
        cmocka_unit_test(texts_of_addresses),
        cmocka_unit_test(dialing_by_name),
        cmocka_unit_test(the_first_to_connect_wins),
        cmocka_unit_test(files_are_sent_whole),
        cmocka_unit_test(connections_are_spliced),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
