/*
 * Waits for completions of io_uring, by a program's own instructions and by
 * liburing's, neither of which are libc's.
 */
#include "patch_stage.h"

#include <liburing.h>

#include "raw_calls.h"

static void write_word(void *arg)
{
    assert_int_equal(write(*(int *)arg, "word", 4), 4);
}

static void say_completion(struct stage *s, struct io_uring *ring)
{
    struct io_uring_cqe *cqe = NULL;
    say(s, io_uring_peek_cqe(ring, &cqe));
    say(s, cqe ? cqe->res : -1000);
    say(s, cqe ? cqe->user_data : 0);
    if (cqe)
        io_uring_cqe_seen(ring, cqe);
}

static void prepare(struct io_uring *ring, int fd, char *byte, unsigned number)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    io_uring_prep_read(sqe, fd, byte, 1, 0);
    sqe->user_data = number;
}

/* By the program's own instructions, and by liburing's. */
static void rings_wait(struct stage *s)
{
    struct io_uring ring;
    struct io_uring_cqe *cqe;
    struct __kernel_timespec little = {0, 1000000}, minute = {60, 0};
    int fds[2];
    char bytes[4];
    say(s, io_uring_queue_init(8, &ring, 0));
    say(s, pipe(fds));
    prepare(&ring, fds[0], &bytes[0], 1);
    later(s, write_word, &fds[1]);
    say(s, io_uring_submit_and_wait(&ring, 1));
    await_peer(s);
    say_completion(s, &ring);
    say(s, read(fds[0], bytes, 4));
    for (unsigned i = 0; i < 3; i++)
        prepare(&ring, fds[0], &bytes[i], 7);
    say(s, io_uring_submit(&ring));
    later(s, write_word, &fds[1]);
    say(s, raw(SYS_io_uring_enter, ring.ring_fd, 0, 3, IORING_ENTER_GETEVENTS,
               NULL, 0));
    await_peer(s);
    for (unsigned i = 0; i < 3; i++)
        say_completion(s, &ring);
    say(s, read(fds[0], bytes, 4));
    say(s, io_uring_wait_cqe_timeout(&ring, &cqe, &little));
    prepare(&ring, fds[0], &bytes[0], 9);
    say(s, io_uring_submit(&ring));
    later(s, write_word, &fds[1]);
    say(s, io_uring_wait_cqe_timeout(&ring, &cqe, &minute));
    await_peer(s);
    say_completion(s, &ring);
    say(s, raw(SYS_io_uring_enter, -1, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0));
    say(s,
        raw(SYS_io_uring_enter, fds[0], 0, 1, IORING_ENTER_GETEVENTS, NULL, 0));
    io_uring_queue_exit(&ring);
    close(fds[0]);
    close(fds[1]);
}

static void rings(void **state)
{
    static const struct program programs[] = {PROGRAM("", rings_wait)};
    struct io_uring ring;
    if (io_uring_queue_init(1, &ring, 0) < 0)
        unit_skip("there is no io_uring here; a kernel that lets programs "
                  "have it runs it");
    io_uring_queue_exit(&ring);
    stage_perform(programs, UNIT_COUNT(programs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rings)};
    if (UNIT_HAS_NO_SLOTS)
        return unit_skip_all();
    if (grove_patch_syscalls_refused())
        return raw_skip_all();
    stage_flags = GROVE_PATCH_SYSCALLS;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
