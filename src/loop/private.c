/*
 * The runtime's own descriptors: of event loops, of rings. They stand at high
 * numbers, as those of shells do: a program may count on getting the lowest
 * number that is free, and on what it has closed not being there any more,
 * while a hub may begin at any time, on any thread. And the process knows which
 * they are, for a program that closes all that there are is to spare them
 * (patch/descriptors.c).
 *
 * A bit a number, changed and read by any thread. Who has one closes it, so a
 * bit that is set stands for a file that is open. In a forked child they are
 * the same until they are made anew.
 */
#include "loop/private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "loop/number.h"

/* Above what programs have few of; the system's limit is 1,024 usually. */
#define FIRST 256

#define BITS 64
#define WORDS (LOOP_CHUNK * LOOP_CHUNKS / BITS)

static _Atomic uint64_t words[WORDS];
static _Atomic unsigned end_word; /* of those that ever had a bit */

static uint64_t bit_of(int fd)
{
    return UINT64_C(1) << ((unsigned)fd % BITS);
}

static bool is_in_table(int fd)
{
    return fd >= 0 && (unsigned)fd / BITS < WORDS;
}

void loop_private_note(int fd)
{
    if (!is_in_table(fd))
        return;
    unsigned word = (unsigned)fd / BITS, end = atomic_load(&end_word);
    while (end <= word &&
           !atomic_compare_exchange_weak(&end_word, &end, word + 1)) {
    }
    atomic_fetch_or(&words[word], bit_of(fd));
}

void loop_private_forget(int fd)
{
    if (is_in_table(fd))
        atomic_fetch_and(&words[(unsigned)fd / BITS], ~bit_of(fd));
}

int loop_private_take(int fd)
{
    int error = errno;
    int other = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST);
    if (other >= 0) {
        close(fd);
        fd = other;
    }
    loop_private_note(fd);
    errno = error;
    return fd;
}

void loop_private_close(int fd)
{
    loop_private_forget(fd);
    close(fd);
}

bool loop_private_move(int *fd)
{
    assert(loop_is_private(*fd));
    int other = fcntl(*fd, F_DUPFD_CLOEXEC, *fd + 1);
    if (other < 0)
        return false;
    loop_private_note(other);
    loop_private_close(*fd);
    *fd = other;
    return true;
}

bool loop_is_private(int fd)
{
    return is_in_table(fd) &&
           (atomic_load(&words[(unsigned)fd / BITS]) & bit_of(fd));
}

unsigned loop_private_next(unsigned first, unsigned last)
{
    unsigned end = atomic_load(&end_word) * BITS;
    for (unsigned fd = first; fd <= last && fd < end; fd++) {
        if (loop_is_private((int)fd))
            return fd;
    }
    return last + 1;
}
