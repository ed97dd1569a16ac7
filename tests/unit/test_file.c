/* Files, by either engine: the same calls, the same results. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "os/file.h"
#include "os/offload.h"
#include "turns.h"
#include "unit.h"

static char dir[] = "/var/tmp/grove-file-XXXXXX";

#define SIZE (1 << 20)

/* A file of SIZE bytes whose pages are not in memory. */
static char *pattern;

static int pattern_file(void)
{
    int fd = openat(AT_FDCWD, dir, O_TMPFILE | O_RDWR, 0600);
    if (fd < 0) { /* a file system without such files */
        char name[64];
        snprintf(name, sizeof(name), "%s/pattern", dir);
        fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        unlink(name);
    }
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, pattern, SIZE, 0), SIZE);
    assert_int_equal(fsync(fd), 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return fd;
}

static void forget_pages(int fd)
{
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void with_both(void (*test)(void))
{
    file_engine = FILE_POOL;
    test();
    file_engine = FILE_URING;
    test();
    if (file_engine != FILE_URING)
        print_message("io_uring is not to be had here\n");
    file_engine = FILE_UNKNOWN;
}

/* ---- contents ------------------------------------------------------------ */

static void read_everything(void)
{
    int fd = pattern_file();
    char *buf = calloc(1, SIZE);
    assert_int_equal(grove_pread(fd, buf, SIZE, 0), SIZE);
    assert_memory_equal(buf, pattern, SIZE);
    for (int i = 0; i < 16; i++) { /* some in memory, some not */
        size_t at = (size_t)i * 60000;
        if (i % 2)
            forget_pages(fd);
        memset(buf, 0, SIZE);
        assert_int_equal(grove_pread(fd, buf, 70000, (off_t)at), 70000);
        assert_memory_equal(buf, pattern + at, 70000);
    }
    forget_pages(fd);
    struct iovec iov[3] = {{buf, 5}, {buf + 5, 0}, {buf + 5, 100000}};
    assert_int_equal(grove_preadv(fd, iov, 3, SIZE - 50000), 50000);
    assert_memory_equal(buf, pattern + SIZE - 50000, 50000);
    assert_int_equal(grove_pread(fd, buf, 10, SIZE), 0);
    /* By position. */
    forget_pages(fd);
    lseek(fd, 0, SEEK_SET);
    size_t n = 0;
    for (ssize_t r; (r = grove_read(fd, buf + n, 77777)) > 0; n += (size_t)r) {
        if (n + 77777 > SIZE)
            break;
        assert_int_equal(r, 77777);
        if (SIZE - n < 3 * 77777) {
            n += (size_t)r;
            break;
        }
    }
    assert_int_equal(lseek(fd, 0, SEEK_CUR), n);
    assert_memory_equal(buf, pattern, n);
    free(buf);
    grove_close(fd);
}

static void reads(void **state)
{
    with_both(read_everything);
}

struct reader {
    grove_fiber *fiber;
    int fd;
    off_t at;
    char *buf; /* of SIZE bytes */
    bool good;
};

static void *read_a_part(void *arg)
{
    struct reader *r = arg;
    char buf[4096];
    r->good = grove_pread(r->fd, buf, sizeof(buf), r->at) == sizeof(buf) &&
              !memcmp(buf, pattern + r->at, sizeof(buf));
    return NULL;
}

static void read_at_once(void)
{
    enum { MANY = 200 };
    static struct reader r[MANY];
    int fd = pattern_file();
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    for (int i = 0; i < MANY; i++) {
        r[i] = (struct reader){.fd = fd, .at = (off_t)(i * 37 % 250) * 4096};
        assert_int_equal(grove_spawn(&r[i].fiber, read_a_part, &r[i]), 0);
    }
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(grove_join(r[i].fiber, NULL), 0);
        grove_release(r[i].fiber);
        assert_true(r[i].good);
    }
    grove_close(fd);
}

static void many_fibers_read_at_once(void **state)
{
    with_both(read_at_once);
}

static void *count_turns(void *arg)
{
    for (int *turns = arg; *turns >= 0; ++*turns)
        grove_yield();
    return NULL;
}

static void reading_from_memory_gives_turns(void **state)
{
    int fd = memfd_create("file", 0), turns = 0;
    char c = 'x';
    grove_fiber *f;
    assert_int_equal(write(fd, &c, 1), 1);
    assert_int_equal(grove_spawn(&f, count_turns, &turns), 0);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(grove_pread(fd, &c, 1, 0), 1);
    assert_uint_in_range(turns, 5, 2000);
    turns = INT32_MIN;
    grove_join(f, NULL);
    grove_release(f);
    grove_close(fd);
}

static void writes(void **state)
{
    int fd = pattern_file();
    char buf[32];
    struct iovec iov[2] = {{(char[]){"abc"}, 3}, {(char[]){"def"}, 3}};
    assert_int_equal(grove_pwrite(fd, "0123456789", 10, 5), 10);
    assert_int_equal(grove_pwritev(fd, iov, 2, 7), 6);
    assert_int_equal(pread(fd, buf, 10, 5), 10);
    assert_memory_equal(buf, "01abcdef89", 10);
    assert_int_equal(grove_fdatasync(fd), 0);
    assert_int_equal(grove_fsync(fd), 0);
    assert_int_equal(grove_ftruncate(fd, 12), 0);
    struct stat st;
    assert_int_equal(grove_fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 12);
    assert_int_equal(grove_fallocate(fd, 0, 0, 8192), 0);
    assert_int_equal(grove_fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 8192);
    assert_int_equal(lseek(fd, 3, SEEK_SET), 3);
    assert_int_equal(grove_write(fd, "xyz", 3), 3);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 6);
    assert_int_equal(pread(fd, buf, 3, 3), 3);
    assert_memory_equal(buf, "xyz", 3);
    grove_close(fd);
}

static void errors_are_the_systems(void **state)
{
    char c = 'x';
    int fd = pattern_file();
    assert_int_equal(grove_pread(fd, &c, 1, -1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(grove_pwrite(fd, &c, 1, -5), -1);
    assert_int_equal(errno, EINVAL);
    grove_close(fd);
    assert_int_equal(grove_pread(fd, &c, 1, 0), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(grove_pwrite(fd, &c, 1, 0), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(grove_fsync(fd), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(grove_open("/var/tmp/no/such/file", O_RDONLY, 0), -1);
    assert_int_equal(errno, ENOENT);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(grove_pread(pipes[0], &c, 1, 0), -1);
    assert_int_equal(errno, ESPIPE);
    close(pipes[0]);
    close(pipes[1]);
}

/* ---- ends before its time ------------------------------------------------- */

static void *read_cold(void *arg)
{
    struct reader *r = arg;
    char *buf = r->buf;
    ssize_t n = grove_pread(r->fd, buf, SIZE, 0);
    int error = errno;
    /* Whatever came first: data that is right, or the kill. */
    r->good = n > 0 ? !memcmp(buf, pattern, (size_t)n)
                    : n == -1 && error == ECANCELED;
    if (n > 0 && grove_sleep(GROVE_SECOND) != -ECANCELED)
        r->good = false;
    return NULL;
}

static void kill_readers(void)
{
    int fd = pattern_file();
    for (int i = 0; i < 40; i++) {
        /* Nobody may write to it once it is freed. */
        struct reader r = {.fd = fd, .buf = malloc(SIZE)};
        forget_pages(fd);
        assert_int_equal(grove_spawn(&r.fiber, read_cold, &r), 0);
        for (int j = 0; j < 1 + i % 4; j++)
            grove_yield();
        grove_kill(r.fiber);
        assert_int_equal(grove_join(r.fiber, NULL), 0);
        grove_release(r.fiber);
        free(r.buf);
        assert_true(r.good);
        char c;
        forget_pages(fd);
        ssize_t n = grove_pread_until(fd, &c, 1, 0, grove_now());
        assert_true(n == 1 || (n == -1 && errno == ETIMEDOUT));
    }
    grove_close(fd);
}

static void a_kill_leaves_nothing_behind(void **state)
{
    with_both(kill_readers);
}

/* Nobody writes to the FIFO: opening waits for good. */
static void opening_can_be_given_up(void **state)
{
    char name[64];
    snprintf(name, sizeof(name), "%s/fifo", dir);
    assert_int_equal(mkfifo(name, 0600), 0);
    int fd;
    do {
        assert_int_equal(
            grove_open_until(name, O_RDONLY, 0, grove_now() + 5 * MS), -1);
        assert_int_equal(errno, ETIMEDOUT);
        /* ENXIO: it was given up before a worker came to it. */
        fd = open(name, O_WRONLY | O_NONBLOCK);
    } while (fd < 0 && errno == ENXIO);
    assert_true(fd >= 0);
    /* The worker's own opening ends, and it closes what it opened. */
    int64_t end = grove_now() + HANG;
    struct pollfd p = {.fd = fd};
    while (poll(&p, 1, 0) == 0 && grove_now() < end)
        grove_sleep(MS);
    assert_true(p.revents & POLLERR); /* no reader is left */
    close(fd);
    unlink(name);
}

#define LATE(call) \
    do { \
        assert_int_equal(call, -1); \
        assert_int_equal(errno, ETIMEDOUT); \
    } while (0)

/* The deadline has passed before it is begun. */
static void a_call_that_is_late_is_not_made(void **state)
{
    char path[64], buf[8];
    struct stat st;
    struct dirent **list = NULL;
    struct iovec iov = {(char[]){"x"}, 1};
    int fd = pattern_file(), here = AT_FDCWD;
    snprintf(path, sizeof(path), "%s/late", dir);
    LATE(grove_openat_until(here, path, O_CREAT | O_WRONLY, 0600, 1));
    LATE(grove_fsync_until(fd, 1));
    LATE(grove_fdatasync_until(fd, 1));
    LATE(grove_ftruncate_until(fd, 0, 1));
    LATE(grove_fallocate_until(fd, 0, 0, 2 * SIZE, 1));
    LATE(grove_fstat_until(fd, &st, 1));
    LATE(grove_lstat_until(dir, &st, 1));
    LATE(grove_mkdir_until(path, 0700, 1));
    LATE(grove_symlink_until("x", path, 1));
    LATE(grove_linkat_until(here, "/etc/passwd", here, path, 0, 1));
    LATE(grove_rename_until(dir, path, 1));
    LATE(grove_rmdir_until(dir, 1));
    LATE(grove_unlinkat_until(here, dir, AT_REMOVEDIR, 1));
    LATE(grove_readlink_until("/proc/self/exe", buf, sizeof(buf), 1));
    LATE(grove_scandir_until(dir, &list, NULL, NULL, 1));
    assert_int_equal(lstat(path, &st), -1);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, SIZE);
    /* Where nothing need be waited for a deadline does not matter. */
    int memory = memfd_create("file", 0);
    assert_int_equal(grove_pwrite_until(memory, "x", 1, 0, 1), 1);
    assert_int_equal(grove_pwritev_until(memory, &iov, 1, 1, 1), 1);
    iov.iov_base = buf;
    assert_int_equal(grove_preadv_until(memory, &iov, 1, 1, 1), 1);
    assert_int_equal(buf[0], 'x');
    grove_close(memory);
    grove_close(fd);
}

/* ---- directories ------------------------------------------------------------ */

static int no_dots(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void directories(void **state)
{
    char a[64], b[64], buf[64];
    struct stat st;
    struct dirent **list;
    snprintf(a, sizeof(a), "%s/a", dir);
    snprintf(b, sizeof(b), "%s/b", dir);
    assert_int_equal(grove_mkdir(a, 0700), 0);
    assert_int_equal(grove_mkdir(a, 0700), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(grove_stat(a, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(grove_rename(a, b), 0);
    assert_int_equal(grove_stat(a, &st), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(grove_rmdir(b), 0);

    int fd = grove_open(a, O_WRONLY | O_CREAT | O_EXCL, 0640);
    assert_true(fd >= 0);
    assert_int_equal(grove_write(fd, "hi", 2), 2);
    grove_close(fd);
    assert_int_equal(grove_linkat(AT_FDCWD, a, AT_FDCWD, b, 0), 0);
    assert_int_equal(grove_stat(b, &st), 0);
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(st.st_size, 2);
    assert_int_equal(grove_scandir(dir, &list, no_dots, alphasort), 2);
    assert_string_equal(list[0]->d_name, "a");
    assert_string_equal(list[1]->d_name, "b");
    free(list[0]);
    free(list[1]);
    free(list);
    assert_int_equal(grove_unlinkat(AT_FDCWD, b, 0), 0);
    assert_int_equal(grove_symlink("a", b), 0);
    assert_int_equal(grove_lstat(b, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(grove_readlink(b, buf, sizeof(buf)), 1);
    assert_int_equal(buf[0], 'a');
    int at = grove_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
    fd = grove_openat(at, "b", O_RDONLY, 0);
    assert_int_equal(grove_read(fd, buf, 8), 2);
    grove_close(fd);
    grove_close(at);
    assert_int_equal(grove_scandir(a, &list, NULL, NULL), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(grove_unlinkat(AT_FDCWD, a, 0), 0);
    assert_int_equal(grove_unlinkat(AT_FDCWD, b, 0), 0);
    assert_int_equal(grove_stat_until(dir, &st, grove_now()), -1);
    assert_int_equal(errno, ETIMEDOUT);
}

/* ---- threads, forks, failures -------------------------------------------------- */

static int shared_fd;

static char left_behind[3][SIZE];

static void *read_on_a_hub(void *arg)
{
    struct reader r[3];
    for (int i = 0; i < 3; i++) {
        r[i] = (struct reader){.fd = shared_fd, .buf = left_behind[i]};
        if (grove_spawn(NULL, read_cold, &r[i]) < 0)
            return NULL;
        grove_yield(); /* it is parked, or done */
    }
    char c;
    forget_pages(shared_fd);
    return grove_pread(shared_fd, &c, 1, 4096) == 1 ? arg : NULL;
}

/* The last readers may still wait when their thread ends. */
static void threads_end(void)
{
    shared_fd = pattern_file();
    for (int i = 0; i < 10; i++) {
        pthread_t t;
        void *value = NULL;
        assert_int_equal(pthread_create(&t, NULL, read_on_a_hub, dir), 0);
        pthread_join(t, &value);
        assert_ptr_equal(value, dir);
    }
    grove_close(shared_fd);
}

static void threads_end_while_fibers_read(void **state)
{
    with_both(threads_end);
}

static int read_in_child(void)
{
    char buf[4096];
    forget_pages(shared_fd);
    CHILD_CHECK(grove_pread(shared_fd, buf, 4096, 0) == 4096);
    CHILD_CHECK(memcmp(buf, pattern, 4096) == 0);
    return 0;
}

static void read_after_fork(void)
{
    struct unit_child child;
    shared_fd = pattern_file();
    read_in_child();
    unit_in_child(&child, read_in_child);
    unit_assert_exit(&child);
    read_in_child();
    grove_close(shared_fd);
}

static void a_child_reads_by_itself(void **state)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    with_both(read_after_fork);
}

/* ---- a number that another file has taken ---------------------------------- */

struct late {
    int fd;
    char buf[16];
    ssize_t (*make)(struct late *l);
    ssize_t result;
    int error;
    bool made;
};

static ssize_t late_pread(struct late *l)
{
    return grove_pread(l->fd, l->buf, sizeof(l->buf), 4096);
}

static ssize_t late_ftruncate(struct late *l)
{
    return grove_ftruncate(l->fd, 7);
}

static ssize_t late_pwrite(struct late *l)
{
    return grove_pwrite(l->fd, "theirs", 6, 0);
}

static void *make_late(void *arg)
{
    struct late *l = arg;
    l->result = l->make(l);
    l->error = errno;
    l->made = true;
    return NULL;
}

static void *hold_worker(void *arg)
{
    char c;
    ssize_t n = read(*(int *)arg, &c, 1);
    return n == 1 ? NULL : arg;
}

static void *keep_worker_busy(void *arg)
{
    grove_offload(hold_worker, arg, NULL);
    return NULL;
}

/* The call is queued, for the one worker, who is busy, or for the ring; before
 * it begins its descriptor is closed and the number another file's. */
static void be_late(ssize_t (*make)(struct late *))
{
    struct late l = {.fd = pattern_file(), .make = make};
    int stranger = pattern_file(), gate[2];
    unsigned max = grove_workers_max();
    grove_fiber *busy, *f;
    struct stat st;
    char first[6];
    assert_int_equal(pipe(gate), 0);
    assert_int_equal(grove_workers_set_max(1), 0);
    assert_int_equal(grove_spawn(&busy, keep_worker_busy, &gate[0]), 0);
    grove_yield();
    forget_pages(l.fd);
    assert_int_equal(grove_spawn(&f, make_late, &l), 0);
    grove_yield();        /* the ring's turn to submit comes after ours */
    bool waits = !l.made; /* or it was done in memory */
    assert_int_equal(grove_close(l.fd), 0);
    assert_int_equal(dup2(stranger, l.fd), l.fd);
    assert_int_equal(write(gate[1], "!", 1), 1);
    grove_join(f, NULL);
    grove_join(busy, NULL);
    grove_release(f);
    grove_release(busy);
    if (waits) {
        assert_int_equal(l.result, -1);
        assert_int_equal(l.error, EBADF);
    }
    assert_true(waits || make != late_ftruncate);
    assert_int_equal(fstat(stranger, &st), 0);
    assert_int_equal(st.st_size, SIZE);
    assert_int_equal(pread(stranger, first, 6, 0), 6);
    assert_memory_equal(first, pattern, 6);
    assert_int_equal(grove_workers_set_max(max), 0);
    close(stranger);
    close(l.fd);
    close(gate[0]);
    close(gate[1]);
}

static void be_late_with_all(void)
{
    be_late(late_pread);
    be_late(late_pwrite);
    be_late(late_ftruncate);
}

static void what_is_queued_leaves_strangers_alone(void **state)
{
    with_both(be_late_with_all);
}

static void *take_number(void *arg)
{
    int *numbers = arg;
    assert_int_equal(grove_close(numbers[0]), 0);
    assert_int_equal(dup2(numbers[1], numbers[0]), numbers[0]);
    return NULL;
}

/* The call lets the others run before it begins. */
static void a_number_taken_in_the_calls_turn(void **state)
{
    static ssize_t (*const calls[])(struct late *) = {late_pread, late_pwrite};
    for (size_t i = 0; i < UNIT_COUNT(calls); i++) {
        struct late l = {.fd = pattern_file()};
        int numbers[2] = {l.fd, pattern_file()};
        grove_fiber *thief;
        char first[6];
        assert_int_equal(grove_spawn(&thief, take_number, numbers), 0);
        turn_after(0);
        assert_int_equal(calls[i](&l), -1);
        assert_int_equal(errno, EBADF);
        assert_int_equal(pread(numbers[1], first, 6, 0), 6);
        assert_memory_equal(first, pattern, 6);
        assert_int_equal(grove_join(thief, NULL), 0);
        grove_release(thief);
        close(numbers[0]);
        close(numbers[1]);
    }
}

static int fail_eventfd;
int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags)
{
    if (fail_eventfd && fail_eventfd--) {
        errno = EMFILE;
        return -1;
    }
    return __real_eventfd(value, flags);
}

static void *read_without_ring(void *arg)
{
    char c;
    grove_hub_self();
    fail_eventfd = 1;
    ssize_t n = grove_pread(shared_fd, &c, 1, 4096);
    bool failed = !fail_eventfd;
    fail_eventfd = 0;
    return n == 1 && (!failed || file_engine == FILE_POOL) ? arg : NULL;
}

static void without_a_ring_a_worker_reads(void **state)
{
    pthread_t t;
    void *value = NULL;
    shared_fd = pattern_file();
    file_engine = FILE_URING;
    assert_int_equal(pthread_create(&t, NULL, read_without_ring, dir), 0);
    pthread_join(t, &value);
    assert_ptr_equal(value, dir);
    grove_close(shared_fd);
    file_engine = FILE_UNKNOWN;
}

static int setup(void **state)
{
    pattern = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        pattern[i] = (char)(i * 2654435761u >> 13);
    return !mkdtemp(dir) || !grove_hub_self();
}

static int teardown(void **state)
{
    free(pattern);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(many_fibers_read_at_once),
        cmocka_unit_test(reading_from_memory_gives_turns),
        cmocka_unit_test(writes),
        cmocka_unit_test(errors_are_the_systems),
        cmocka_unit_test(a_kill_leaves_nothing_behind),
        cmocka_unit_test(opening_can_be_given_up),
        cmocka_unit_test(a_call_that_is_late_is_not_made),
        cmocka_unit_test(directories),
        cmocka_unit_test(threads_end_while_fibers_read),
        cmocka_unit_test(a_child_reads_by_itself),
        cmocka_unit_test(what_is_queued_leaves_strangers_alone),
        cmocka_unit_test(a_number_taken_in_the_calls_turn),
        cmocka_unit_test(without_a_ring_a_worker_reads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
