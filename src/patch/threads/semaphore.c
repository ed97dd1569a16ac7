/*
 * Semaphores: libc's own, which libc counts; a fiber only tries, and waits here
 * where it would have to. Posting is for signal handlers, too, so it takes no
 * lock: it marks the row of the semaphore's address in each hub where somebody
 * waits, and posts to the hub, which then looks at that row.
 *
 *     waiting fiber                          who posts, also in a handler
 *     stands in a row of its hub             libc's sem_post
 *     counts itself in                       a hub where anybody is counted?
 *     tries once more (libc's call)          marks the row there, posts
 *     parks
 *
 * One that is shared with other processes is tried again now and then.
 */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>

#include "hub/part.h"
#include "patch/call.h"
#include "patch/threads/lot.h"
#include "patch/threads/shared.h"
#include "patch/threads/thread.h"
#include "patch/threads/threads.h"

#define ROWS (1 << LOT_BITS)
#define HUBS \
    64 /* where somebody can wait at a time; others wait as libc does */

/* It stands on the stack of who waits. */
struct waiting {
    struct waiting *next, *prev;
    sem_t *semaphore;
    struct grove_fiber *fiber;
};

/* A hub's; but for what is atomic, its own. */
struct room {
    struct hub_part part;
    struct hub *hub;
    grove_post post;
    _Atomic unsigned waits;            /* fibers in the rows */
    _Atomic uint64_t marks[ROWS / 64]; /* rows that are to be looked at */
    struct waiting *first[ROWS], *last[ROWS];
};

static _Atomic(struct room *) rooms[HUBS]; /* NULL: free */
static _Atomic int rooms_end;              /* of those that were ever taken */
static _Atomic unsigned posters;           /* those that look at rooms */

static unsigned row_of(const sem_t *semaphore)
{
    return (unsigned)(lot_row(semaphore) - lot_rows);
}

/* ---- the hub's side ------------------------------------------------------------- */

static void add(struct room *room, struct waiting *w)
{
    unsigned row = row_of(w->semaphore);
    w->next = NULL;
    w->prev = room->last[row];
    if (w->prev)
        w->prev->next = w;
    else
        room->first[row] = w;
    room->last[row] = w;
}

static void remove_from(struct room *room, struct waiting *w)
{
    unsigned row = row_of(w->semaphore);
    if (w->prev)
        w->prev->next = w->next;
    else
        room->first[row] = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        room->last[row] = w->prev;
}

/* Wakes as many of each semaphore as it has units. Who has been woken still
 * stands in the row, and is counted. */
static void serve(const struct room *room, unsigned row)
{
    for (struct waiting *w = room->first[row]; w; w = w->next) {
        int units, before = 0;
        sem_getvalue(w->semaphore, &units);
        for (struct waiting *v = w->prev; v && before < units; v = v->prev)
            before += v->semaphore == w->semaphore;
        if (before < units)
            hub_wake(w->fiber, 0);
    }
}

static void on_post(grove_post *post)
{
    struct room *room = container_of(post, struct room, post);
    for (unsigned i = 0; i < ROWS / 64; i++) {
        uint64_t marks = atomic_exchange(&room->marks[i], 0);
        for (; marks; marks &= marks - 1)
            serve(room, 64 * i + (unsigned)__builtin_ctzll(marks));
    }
}

static void on_hub_end(struct hub_part *part)
{
    struct room *room = container_of(part, struct room, part);
    for (int i = 0; i < HUBS; i++) {
        struct room *mine = room;
        atomic_compare_exchange_strong(&rooms[i], &mine, NULL);
    }
    while (atomic_load(&posters))
        sched_yield();
    free(room);
}

/* Where the room can be found; false: there is no place left. */
static bool publish(struct room *room)
{
    for (int i = 0; i < HUBS; i++) {
        struct room *none = NULL;
        if (!atomic_compare_exchange_strong(&rooms[i], &none, room))
            continue;
        int end = atomic_load(&rooms_end);
        while (end <= i &&
               !atomic_compare_exchange_weak(&rooms_end, &end, i + 1)) {
        }
        return true;
    }
    return false;
}

static struct room *room_of(struct hub *hub)
{
    struct hub_part *part = hub_part_find(hub, on_hub_end);
    if (likely(part != NULL))
        return container_of(part, struct room, part);
    struct room *room = calloc(1, sizeof(*room));
    if (!room)
        return NULL;
    room->hub = hub;
    room->post.fn = on_post;
    room->part.end = on_hub_end;
    if (!publish(room)) {
        free(room);
        return NULL;
    }
    hub_part_add(hub, &room->part);
    return room;
}

/* ---- posting ---------------------------------------------------------------------- */

static void mark(const sem_t *semaphore)
{
    unsigned row = row_of(semaphore);
    atomic_fetch_add(&posters, 1);
    for (int i = 0, end = atomic_load(&rooms_end); i < end; i++) {
        struct room *room = atomic_load(&rooms[i]);
        if (!room || atomic_load(&room->waits) == 0)
            continue;
        atomic_fetch_or(&room->marks[row / 64], UINT64_C(1) << (row % 64));
        grove_hub_post((grove_hub *)room->hub, &room->post);
    }
    atomic_fetch_sub(&posters, 1);
}

int patched_sem_post(sem_t *semaphore)
{
    int r = sem_post(semaphore);
    if (likely(r == 0) &&
        atomic_load_explicit(&rooms_end, memory_order_acquire))
        mark(semaphore);
    return r;
}

/* ---- waiting ------------------------------------------------------------------------ */

/* As libc lays it out: the value, and the bit that somebody waits in libc, then
 * whether it is shared with other processes. */
static bool is_shared(const sem_t *semaphore)
{
    const int *words = (const int *)(const void *)semaphore;
    return words[2] != 0;
}

/* Until it has been taken: 0; -1 with errno ETIMEDOUT, EINTR. */
static int take(struct hub *hub, struct room *room, sem_t *semaphore,
                int64_t deadline, const struct patch_call *call)
{
    struct shared_pace pace = {.shared = is_shared(semaphore)};
    struct waiting w = {.semaphore = semaphore, .fiber = hub->current};
    int r, error = 0;
    add(room, &w);
    atomic_fetch_add(&room->waits, 1);
    while ((r = sem_trywait(semaphore)) < 0 && errno == EAGAIN && !error) {
        int64_t until = shared_until(&pace, deadline);
        int waited = thread_may_wait() ? hub_wait(hub, GROVE_WAIT_SYNC, until,
                                                  "semaphore", -1)
                                       : -EINTR;
        thread_has_waited();
        if (waited == -ETIMEDOUT && until == deadline)
            error = ETIMEDOUT;
        else if (waited < 0 && (call->ended || thread_is_interrupted()))
            error = EINTR;
    }
    atomic_fetch_sub(&room->waits, 1);
    remove_from(room, &w);
    if (r < 0 && error)
        errno = error;
    return r;
}

/* It is a cancellation point, and a signal's handler makes it return. */
static int wait_until(struct hub *hub, struct room *room, sem_t *semaphore,
                      int64_t deadline)
{
    struct patch_call call;
    grove_shield shield;
    patch_call_begin(&call, hub, PATCH_RESTARTS);
    grove_shield_begin(&shield);
    hub->holds++;
    int r = take(hub, room, semaphore, deadline, &call);
    if (hub->holds) /* a fork may have let go since */
        hub->holds--;
    grove_shield_end(&shield);
    patch_call_end(&call, r == 0);
    int error = errno;
    if (r < 0)
        thread_act();
    errno = error;
    return r;
}

/* The caller's room, if it may park; NULL: libc has to wait. */
static struct room *room_for(struct hub *hub)
{
    return hub ? room_of(hub) : NULL;
}

int patched_sem_wait(sem_t *semaphore)
{
    struct hub *hub = lot_hub();
    thread_act();
    hub_turn_if_any();
    int error = errno;
    if (likely(sem_trywait(semaphore) == 0))
        return 0;
    errno = error;
    struct room *room = room_for(hub);
    return room ? wait_until(hub, room, semaphore, GROVE_NEVER)
                : sem_wait(semaphore);
}

int patched_sem_trywait(sem_t *semaphore)
{
    hub_turn_if_any();
    return sem_trywait(semaphore);
}

int patched_sem_clockwait(sem_t *semaphore, clockid_t clock,
                          const struct timespec *abs)
{
    struct hub *hub = lot_hub();
    struct room *room = room_for(hub);
    int64_t deadline;
    if (!room)
        return sem_clockwait(semaphore, clock, abs);
    thread_act();
    hub_turn_if_any();
    int error = errno, r = EINVAL;
    if (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC)
        r = lot_deadline(clock, abs, &deadline);
    if (r != 0) {
        errno = r;
        return -1;
    }
    if (sem_trywait(semaphore) == 0)
        return 0;
    errno = error;
    return wait_until(hub, room, semaphore, deadline);
}

int patched_sem_timedwait(sem_t *semaphore, const struct timespec *abs)
{
    return patched_sem_clockwait(semaphore, CLOCK_REALTIME, abs);
}
