/*
 * Reading another process by process_vm_readv(2). The kernel copies page by
 * page, without a signal and without a stop; what it copies may change
 * meanwhile, so whoever reads structures checks what has come.
 *
 * For each page the kernel holds what the process needs to map and unmap
 * memory, and who reads again at once takes that before a thread there that
 * waits for it: its hub would be held up until the end. So a pause follows
 * every burst of reads, in which it gets it.
 *
 * Small reads are answered from pages that were read whole: what belongs to one
 * parked greenlet lies in a page or two.
 */
#include "look/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#define PAGE ((uint64_t)4096)
#define PAGES 512   /* kept at once, by their numbers' lowest bits */
#define BURST 64    /* reads between two pauses; no more than IOV_MAX */
#define PAUSE 20000 /* ns; with the kernel's slack a thread is awake */

struct memory_page {
    uint64_t number;
    unsigned generation; /* it counts only in this one */
    bool there;
    unsigned char bytes[PAGE];
};

int memory_open(struct memory *m, pid_t pid)
{
    *m = (struct memory){.pid = pid, .generation = 1};
    m->pages = calloc(PAGES, sizeof(m->pages[0]));
    return m->pages ? 0 : -ENOMEM;
}

void memory_close(struct memory *m)
{
    free(m->pages);
}

void memory_forget(struct memory *m)
{
    m->generation++;
}

/* The kernel says EFAULT of an address, and anything else of the process. */
static void note_error(struct memory *m)
{
    if (errno != EFAULT)
        m->error = errno;
}

/* n pieces were read. */
static void give_way(struct memory *m, size_t n)
{
    const struct timespec pause = {0, PAUSE};
    m->burst += n;
    if (m->burst < BURST)
        return;
    m->burst = 0;
    nanosleep(&pause, NULL);
}

bool memory_read_now(struct memory *m, uint64_t from, void *to, size_t size)
{
    struct iovec here = {to, size}, there = {(void *)(uintptr_t)from, size};
    if (m->error)
        return false;
    ssize_t n = process_vm_readv(m->pid, &here, 1, &there, 1, 0);
    give_way(m, 1);
    if (n < 0)
        note_error(m);
    return n == (ssize_t)size;
}

static struct memory_page *page_of(struct memory *m, uint64_t number)
{
    struct memory_page *page = &m->pages[number % PAGES];
    if (page->generation != m->generation || page->number != number) {
        page->generation = m->generation;
        page->number = number;
        page->there = memory_read_now(m, number * PAGE, page->bytes, PAGE);
    }
    return page;
}

bool memory_read(struct memory *m, uint64_t from, void *to, size_t size)
{
    unsigned char *at = to;
    if (from + size < from)
        return false;
    while (size > 0) {
        const struct memory_page *page = page_of(m, from / PAGE);
        size_t n = PAGE - from % PAGE < size ? PAGE - from % PAGE : size;
        if (!page->there)
            return false;
        memcpy(at, page->bytes + from % PAGE, n);
        at += n;
        from += n;
        size -= n;
    }
    return true;
}

uint64_t memory_word(struct memory *m, uint64_t from)
{
    uint64_t word;
    return memory_read(m, from, &word, sizeof(word)) ? word : 0;
}

bool memory_text(struct memory *m, uint64_t from, char *to, size_t room)
{
    size_t n = 0;
    while (n < room - 1 && memory_read(m, from + n, &to[n], 1) && to[n])
        n++;
    bool read = n > 0 || memory_read(m, from, &to[0], 1);
    to[n] = '\0';
    return read;
}

/* Up to BURST of them: how many are settled, the first that could not be read
 * included. */
static size_t gather_some(struct memory *m, struct memory_piece *pieces,
                          size_t n)
{
    struct iovec here[BURST], there[BURST];
    for (size_t i = 0; i < n; i++) {
        here[i] = (struct iovec){pieces[i].to, pieces[i].size};
        there[i] =
            (struct iovec){(void *)(uintptr_t)pieces[i].from, pieces[i].size};
    }
    ssize_t got = process_vm_readv(m->pid, here, n, there, n, 0);
    if (got < 0)
        note_error(m);
    give_way(m, n);
    size_t left = got < 0 ? 0 : (size_t)got, settled = 0;
    while (settled < n && left >= pieces[settled].size) {
        left -= pieces[settled].size;
        pieces[settled++].there = true;
    }
    if (settled < n)
        pieces[settled++].there = false;
    return settled;
}

void memory_gather(struct memory *m, struct memory_piece *pieces, size_t n)
{
    size_t done = 0;
    while (done < n && !m->error)
        done +=
            gather_some(m, pieces + done, n - done < BURST ? n - done : BURST);
    for (; done < n; done++)
        pieces[done].there = false;
}
