/*
 * Whose a FILE is. libc locks a FILE for each call, for the thread that makes
 * it. That is no good where a fiber parks in the middle of one: to libc the
 * thread's other fibers are its owner as well, or, if they have storage of
 * their own, wait for the lock in the kernel and hold up the hub. So whoever
 * calls stdio by a patched slot holds the FILE first, as a fiber, and parks
 * where another has it; libc's own lock is then free, unless a thread without a
 * hub has it, for which who wants it tries again after pauses.
 *
 *     rows, by address (threads/lot.h):   hold --> hold --> ...   one a FILE
 *                                           ^
 *                    the same fiber's inner holds count in it
 *
 * Only who holds a FILE may park while libc reads or writes it (tables.c).
 */
#include "patch/stdio/hold.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "patch/threads/lot.h"

/* Of each row of the lot, under its lock. */
static struct file_hold *rows[1 << LOT_BITS];

static struct file_hold **row_of(const grove_waiters *q)
{
    return &rows[q - lot_rows];
}

static struct file_hold *find(const grove_waiters *q, const FILE *file)
{
    struct file_hold *h = *row_of(q);
    while (h && h->file != file)
        h = h->next;
    return h;
}

/* ---- holding ----------------------------------------------------------------- */

/* The first of the file: it is what counts. */
static void begin(struct file_hold *h, grove_waiters *q)
{
    struct file_hold **row = row_of(q);
    h->counts = h;
    h->depth = 1;
    h->next = *row;
    *row = h;
}

/* False: another has it, and w stands in the queue. */
static bool take_or_enter(struct file_hold *h, FILE *file, struct lot_wait *w)
{
    h->file = file;
    h->owner = h->hub->current->identity;
    h->own_memory = h->libcs = false;
    grove_waiters *q = lot_lock(file);
    struct file_hold *known = find(q, file);
    bool taken = !known || known->owner == h->owner;
    if (!known) {
        begin(h, q);
    } else if (taken) {
        h->counts = known;
        known->depth++;
    } else if (w) {
        lot_enter(w, h->hub, q, file);
    }
    lot_unlock(q);
    return taken;
}

bool file_hold_try(struct file_hold *h, FILE *file)
{
    return take_or_enter(h, file, NULL);
}

/* These waits are no patched calls of their own: as in libc nothing ends them,
 * and they are no cancellation points, for a call that could not lock has no
 * error to tell of. */
bool file_hold_or_wait(struct file_hold *h, FILE *file)
{
    int error = errno;
    struct lot_wait w;
    if (take_or_enter(h, file, &w))
        return true;
    patch_host_begin(h->hub);
    lot_await(&w, GROVE_NEVER, "a FILE", false);
    patch_host_end(h->hub);
    errno = error;
    return false;
}

static void await_libcs(struct hub *hub, FILE *file)
{
    int error = errno;
    int64_t pause = 0;
    grove_shield shield;
    patch_host_begin(hub);
    grove_shield_begin(&shield);
    while (ftrylockfile(file) != 0)
        patch_back_off(hub, &pause, GROVE_NEVER, "a FILE");
    grove_shield_end(&shield);
    patch_host_end(hub);
    errno = error;
}

void file_lock_libcs(struct hub *hub, FILE *file)
{
    if (unlikely(ftrylockfile(file) != 0))
        await_libcs(hub, file);
}

void file_hold_both(struct file_hold *h, FILE *file)
{
    while (!file_hold_or_wait(h, file)) {
    }
    file_lock_libcs(h->hub, file);
    h->libcs = true;
}

/* ---- letting go ---------------------------------------------------------------- */

static void remove_from_row(struct file_hold *h, const grove_waiters *q)
{
    struct file_hold **at = row_of(q);
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
}

void file_let_go_once(struct file_hold *counts)
{
    struct waiter *next = NULL;
    bool own_memory = false;
    grove_waiters *q = lot_lock(counts->file);
    assert(counts->depth > 0 && counts->counts == counts);
    if (--counts->depth == 0) {
        own_memory = counts->own_memory;
        remove_from_row(counts, q);
        next = lot_take(q, counts->file, 1);
    }
    lot_unlock(q);
    waiters_wake(next);
    if (own_memory)
        free(counts);
}

void file_let_go_slow(struct file_hold *h)
{
    if (h->libcs)
        funlockfile(h->file);
    file_let_go_once(h->counts);
}

struct file_hold *file_held(const FILE *file)
{
    struct hub *hub = hub_of_thread;
    if (!hub)
        return NULL;
    grove_waiters *q = lot_lock(file);
    struct file_hold *h = find(q, file);
    lot_unlock(q);
    return h && h->owner == hub->current->identity ? h : NULL;
}

/* ---- forks ------------------------------------------------------------------------ */

/* In a child there is the fiber that forked, and nobody else; libc makes its
 * locks free as well. */
static void forget_others(void)
{
    uint64_t own = hub_of_thread ? hub_of_thread->current->identity : 0;
    for (size_t i = 0; i < 1 << LOT_BITS; i++) {
        struct file_hold *kept = NULL, *next;
        for (struct file_hold *h = rows[i]; h; h = next) {
            next = h->next;
            if (h->owner != own)
                continue;
            h->next = kept;
            kept = h;
        }
        rows[i] = kept;
    }
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_others);
}
