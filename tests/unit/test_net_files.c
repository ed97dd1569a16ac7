/*
 * read and write on what is no socket: regular files, terminals, FIFOs,
 * counters.
 */
#include <assert.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include "socket_calls.h"

/* A file in memory stands for all that have a size and a position. */
static void regular_files_keep_their_position(void **state)
{
    int fd = memfd_create("file", 0);
    char buf[16];
    struct iovec iov[2] = {{(char[]){"45"}, 2}, {(char[]){"678"}, 3}};
    assert_int_equal(grove_write(fd, "0123", 4), 4);
    assert_int_equal(grove_writev(fd, iov, 2), 5);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 9);
    assert_int_equal(grove_read(fd, buf, 4), 0);
    lseek(fd, 2, SEEK_SET);
    assert_int_equal(grove_read(fd, buf, 4), 4);
    assert_memory_equal(buf, "2345", 4);
    assert_int_equal(grove_read(fd, buf, 16), 3);
    assert_memory_equal(buf, "678", 3);
    assert_int_equal(grove_read(fd, buf, 16), 0);
    grove_close(fd);
}

static void files_that_are_appended_to(void **state)
{
    char name[] = "/tmp/grove-test-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    int append = open(name, O_WRONLY | O_APPEND);
    assert_int_equal(grove_write(fd, "abc", 3), 3);
    assert_int_equal(grove_write(append, "def", 3), 3);
    char buf[8];
    assert_int_equal(grove_read(fd, buf, 8), 3);
    assert_memory_equal(buf, "def", 3);
    unlink(name);
    grove_close(fd);
    grove_close(append);
}

/* As poll says of them; no wait even when the loop is asked. */
static void regular_files_are_always_ready(void **state)
{
    int fd = memfd_create("file", 0);
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    assert_int_equal(grove_poll(&p, 1, -1), 1);
    assert_int_equal(p.revents, POLLIN | POLLOUT);
    char c;
    assert_int_equal(grove_read_until(fd, &c, 1, 0), 0);
    grove_close(fd);
}

static void directories_cannot_be_read(void **state)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    char c = 0;
    assert_int_equal(grove_read(fd, &c, 1), -1);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(grove_write(fd, &c, 1), -1);
    assert_int_equal(errno, EBADF);
    grove_close(fd);
}

static void devices_and_proc(void **state)
{
    char buf[8] = "x";
    int null = open("/dev/null", O_RDWR);
    assert_int_equal(grove_write(null, buf, 8), 8);
    assert_int_equal(grove_read(null, buf, 8), 0);
    grove_close(null);
    int zero = open("/dev/zero", O_RDWR);
    assert_int_equal(grove_read(zero, buf, 8), 8);
    assert_int_equal(buf[0], 0);
    grove_close(zero);
    int proc = open("/proc/self/comm", O_RDONLY);
    assert_true(grove_read(proc, buf, 8) > 0);
    grove_close(proc);
    int urandom = open("/dev/urandom", O_RDONLY);
    assert_int_equal(grove_read(urandom, buf, 8), 8);
    grove_close(urandom);
}

static void eventfds_count(void **state)
{
    int fd = eventfd(0, 0);
    uint64_t value = 0, most = UINT64_MAX - 1;
    struct call reader = io_call(make_read, "read", fd, &value, 8);
    struct call writer = io_call(make_write, "write", fd, &most, 8);
    start_parked(&reader);
    uint64_t three = 3;
    assert_int_equal(grove_write(fd, &three, 8), 8);
    expect_result(&reader, 8);
    assert_int_equal(value, 3);
    assert_blocking(fd); /* plain threads may wait at it */
    /* Full: a writer waits, too. */
    assert_int_equal(grove_write(fd, &most, 8), 8);
    start_parked(&writer);
    call_start(&reader);
    expect_result(&reader, 8);
    expect_result(&writer, 8);
    assert_int_equal(grove_write(fd, &three, 4), -1);
    assert_int_equal(errno, EINVAL);
    assert_kept_nonblocking(fd);
    grove_close(fd);
}

static void timerfds_are_waited_for(void **state)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec in_2ms = {.it_value.tv_nsec = 2000000};
    uint64_t ticks = 0;
    struct call c = io_call(make_read, "read", fd, &ticks, 8);
    start_parked(&c); /* it is not set yet */
    timerfd_settime(fd, 0, &in_2ms, NULL);
    expect_result(&c, 8);
    assert_int_equal(ticks, 1);
    grove_close(fd);
}

static void terminals(void **state)
{
    int master, slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    char buf[16];
    struct call c = io_call(make_read, "read", slave, buf, sizeof(buf));
    start_parked(&c);
    assert_int_equal(grove_write(master, "line\n", 5), 5);
    expect_result(&c, 5);
    assert_memory_equal(buf, "line\n", 5);
    /* The echo, then what is written. */
    assert_int_equal(grove_read(master, buf, sizeof(buf)), 6);
    assert_memory_equal(buf, "line\r\n", 6);
    c.fd = master;
    start_parked(&c);
    assert_int_equal(grove_write(slave, "out", 3), 3);
    expect_result(&c, 3);
    assert_blocking(slave);
    assert_kept_nonblocking(master);
    /* A hang-up ends a wait. */
    start_parked(&c);
    grove_close(slave);
    expect_error(&c, EIO);
    grove_close(master);
}

/* More than a terminal holds: the writer parks, not the thread. */
static void terminals_take_much(void **state)
{
    enum { SIZE = 200000 };
    int master, slave;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    char *data = malloc(SIZE), buf[4096];
    memset(data, 'x', SIZE);
    struct call c = io_call(make_write, "write", slave, data, SIZE);
    start_parked(&c);
    size_t got = 0;
    while (got < SIZE) {
        ssize_t n =
            grove_read_until(master, buf, sizeof(buf), grove_now() + HANG);
        assert_true(n > 0);
        got += (size_t)n;
    }
    expect_result(&c, SIZE);
    assert_blocking(slave);
    free(data);
    grove_close(slave);
    grove_close(master);
}

static void fifos(void **state)
{
    enum { SIZE = 500000 };
    char dir[] = "/tmp/grove-test-XXXXXX", name[64];
    assert_non_null(mkdtemp(dir));
    snprintf(name, sizeof(name), "%s/fifo", dir);
    assert_int_equal(mkfifo(name, 0600), 0);
    int in = open(name, O_RDWR), out = open(name, O_WRONLY);
    char *data = calloc(1, SIZE), buf[4096];
    struct call reader = io_call(make_read, "read", in, buf, 3);
    start_parked(&reader);
    assert_int_equal(grove_write(out, "abc", 3), 3);
    expect_result(&reader, 3);
    struct call writer = io_call(make_write, "write", out, data, SIZE);
    start_parked(&writer);
    for (size_t got = 0; got < SIZE;) {
        ssize_t n = grove_read_until(in, buf, sizeof(buf), grove_now() + HANG);
        assert_true(n > 0);
        got += (size_t)n;
    }
    expect_result(&writer, SIZE);
    assert_blocking(out);
    free(data);
    grove_close(in);
    grove_close(out);
    unlink(name);
    rmdir(dir);
}

/* The number of a file that was read becomes a socket's or a pipe's, and back,
 * without the runtime being told. */
static void reused_numbers_are_found_out(void **state)
{
    char buf[4];
    for (int round = 0; round < 3; round++) {
        int file = memfd_create("file", 0);
        assert_int_equal(grove_write(file, "ab", 2), 2);
        close(file);
        struct pair p = pair_of(UNIX_STREAM);
        assert_int_equal(p.in, file);
        assert_int_equal(grove_write(p.in, "c", 1), 1);
        assert_int_equal(grove_write(p.out, "d", 1), 1);
        assert_int_equal(grove_read(p.in, buf, 4), 1);
        close(p.in);
        close(p.out);
        p = pair_of(PIPE);
        assert_int_equal(p.in, file);
        struct call c = io_call(make_read, "read", p.in, buf, 4);
        start_parked(&c);
        assert_int_equal(grove_write(p.out, "e", 1), 1);
        expect_result(&c, 1);
        pair_close(p);
    }
}

int main(void)
{
    assert(grove_hub_self()); /* it keeps two descriptors */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regular_files_keep_their_position),
        cmocka_unit_test(files_that_are_appended_to),
        cmocka_unit_test(regular_files_are_always_ready),
        cmocka_unit_test(directories_cannot_be_read),
        cmocka_unit_test(devices_and_proc),
        cmocka_unit_test(eventfds_count),
        cmocka_unit_test(timerfds_are_waited_for),
        cmocka_unit_test(terminals),
        cmocka_unit_test(terminals_take_much),
        cmocka_unit_test(fifos),
        cmocka_unit_test(reused_numbers_are_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
