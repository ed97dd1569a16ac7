/*
 * Patched calls under way, and signals.
 *
 * The kernel ends a blocked call of the thread that it runs a signal's handler
 * on. Here the thread sleeps, or runs somebody else, while its fibers wait;
 * once a handler has run (handlers.c), one patched call that was begun before
 * is ended by EINTR: the thread's own stack's, if it is in one, for programs
 * see to it that signals come to their main thread; else the one that was begun
 * first. One whose fiber blocks the signal is not. A call that the kernel would
 * make anew stays, if the handler has SA_RESTART; where a part of it may be
 * done, which only the layers below know, it is ended all the same, and made
 * anew if there was none. Handlers that we were not told of are known only by
 * the end of a sleep, and not which it was: then all of them must have it.
 *
 * The list belongs to the thread. In a forked child it also has those of fibers
 * that have ended there, whose stacks are not used again; they are passed over.
 */
#include "patch/call.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/file.h"

__thread struct patch_thread patch_thread
    __attribute__((tls_model("initial-exec")));

/* ---- signals ------------------------------------------------------------------------ */

/* Whether it is parked where a wake ends it. */
static bool can_end(const struct patch_call *call)
{
    const struct grove_fiber *f = call->fiber;
    return f->state == FIBER_PARKED && f->waiting && !f->shared;
}

/* What it waits for, or has waited for just now, is a socket's, and for a
 * limited time. */
static bool is_limited(const struct patch_call *call, unsigned direction)
{
    const struct grove_fiber *f = call->fiber;
    int fd = f->reason.fd;
    const struct loop_fd *record = fd < 0 ? NULL : loop_fd(&f->hub->loop, fd);
    return record && record->timeouts[direction - 1] != 0;
}

/* Whether the kernel would make it anew for SA_RESTART. */
static bool restarts(const struct patch_call *call)
{
    switch (call->signals) {
    case PATCH_RECEIVES:
        return !is_limited(call, LOOP_READ);
    case PATCH_SENDS:
        return !is_limited(call, LOOP_WRITE);
    default:
        return call->signals == PATCH_RESTARTS;
    }
}

/* It waits for a descriptor, and may have come or gone in part. */
static bool may_have_a_part(const struct patch_call *call)
{
    return (call->signals == PATCH_RECEIVES || call->signals == PATCH_SENDS) &&
           call->fiber->reason.fd >= 0;
}

/* What a handler does to a call, if it is the one. */
enum ending { STAYS, ENDS_OR_ANEW, ENDS };

/* Whether it would have taken one of these signals. */
static bool lets(const struct grove_fiber *f, uint64_t signals)
{
    uint64_t mask = f->fiber.special & FIBER_OWN_TLS ? f->fiber.block->mask
                                                     : f->hub->own_tls.mask;
    return signals & ~mask;
}

static enum ending ending_of(const struct patch_call *call, bool restart,
                             unsigned number, uint64_t signals)
{
    bool began_later = (int)(number - call->begun) <= 0;
    if (began_later || !lets(call->fiber, signals))
        return STAYS;
    if (!restart || !restarts(call))
        return ENDS;
    return may_have_a_part(call) ? ENDS_OR_ANEW : STAYS;
}

/* Of the calls that were begun before the handler of that number. False: none
 * waits that it would end. */
static bool end_one(struct hub *hub, bool restart, unsigned number,
                    uint64_t signals)
{
    struct patch_call *chosen = NULL;
    enum ending best = ENDS_OR_ANEW;
    for (struct patch_call *c = patch_thread_self()->calls; c; c = c->next) {
        enum ending ending =
            can_end(c) ? ending_of(c, restart, number, signals) : STAYS;
        bool is_root = c->fiber == &hub->root;
        if (ending == STAYS || (ending < best && !is_root))
            continue;
        chosen = c;
        best = ending;
        if (is_root)
            break;
    }
    if (!chosen)
        return false;
    chosen->ended = best == ENDS;
    chosen->anew = best == ENDS_OR_ANEW;
    hub_wake(chosen->fiber, -EINTR);
    return true;
}

static void end_for_noted(grove_post *post)
{
    struct patch_thread *t =
        container_of(post, struct patch_thread, noted.post);
    t->noted.any = false;
    t->noted.unspent = !end_one(hub_of_thread, t->noted.restart, t->noted.last,
                                t->noted.signals);
}

/* Whether a handler has run for which nobody was ended, as the fiber, whose
 * call waits by trying again and again, was just about to try. */
static bool was_signalled(const struct hub *hub)
{
    struct patch_thread *t = patch_thread_self();
    struct patch_call *c = t->calls;
    if (likely(!t->noted.unspent))
        return false;
    while (c && c->fiber != hub->current)
        c = c->next;
    if (!c ||
        ending_of(c, t->noted.restart, t->noted.last, t->noted.signals) != ENDS)
        return false;
    t->noted.unspent = false;
    return c->ended = true;
}

void patch_calls_signalled(int signum, bool restarts)
{
    struct patch_thread *t = patch_thread_self();
    if (!hub_of_thread || t->raises || !*patch_process)
        return;
    t->noted.restart = restarts && (t->noted.restart || !t->noted.any);
    t->noted.signals = (t->noted.any ? t->noted.signals : 0) | sent_bit(signum);
    t->noted.any = true;
    t->noted.last = t->handlers.run;
    t->noted.post.fn = end_for_noted;
    grove_hub_post((grove_hub *)hub_of_thread, &t->noted.post);
}

/* A sleep ends early for other reasons as well: a process that is stopped and
 * goes on, a completion of an io_uring of the thread's. */
static void interrupt(struct hub *hub)
{
    const struct patch_thread *t = patch_thread_self();
    bool restart;
    if (!t->noted.any && /* or the post sees to it */
        handlers_unknown(&restart))
        end_one(hub, restart, t->handlers.run + 1, UINT64_MAX);
}

/* ---- a call that has failed ------------------------------------------------------------ */

bool patch_call_again(const struct patch_call *call)
{
    int error = errno;
    bool anew = error == EINTR && call->anew;
    if (!thread_self || (error != EINTR && error != ECANCELED))
        return anew;
    struct patch_thread *t = patch_thread_self();
    t->handlers.restart = true;
    bool any = thread_act();
    errno = error;
    return (any || anew) && error == EINTR && restarts(call) &&
           t->handlers.restart;
}

/* ---- processes ------------------------------------------------------------------------ */

/* Where the kernel wipes no page in a child, all are taken for libc's. */
static char everywhere = 1;
static char *page = &everywhere;
const volatile char *patch_process = &everywhere;

static void make_page(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *made = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        return;
    if (madvise(made, size, MADV_WIPEONFORK) < 0) {
        munmap(made, size);
        return;
    }
    *made = 1;
    patch_process = page = made;
}

void patch_calls_forked(void)
{
    *page = 1;
}

int patch_calls_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    hub_interrupted = interrupt;
    pthread_once(&once, make_page);
    return 0;
}

/* ---- what several calls do ------------------------------------------------------------- */

void patch_turn_slow(struct hub *hub)
{
    struct patch_call call;
    patch_call_begin(&call, hub, PATCH_RESTARTS);
    hub_turn_slow(hub, true);
    patch_call_end(&call, true);
}

#define PAUSE_MIN (GROVE_MILLISECOND / 4)
#define PAUSE_MAX (16 * GROVE_MILLISECOND)

int patch_back_off(struct hub *hub, int64_t *pause, int64_t deadline,
                   const char *what)
{
    if (was_signalled(hub))
        return -EINTR;
    *pause = *pause == 0          ? PAUSE_MIN
             : *pause < PAUSE_MAX ? 2 * *pause
                                  : PAUSE_MAX;
    int64_t until = hub_deadline(*pause);
    bool last = deadline <= until, scoped;
    hub_effective_deadline(hub->current, last ? deadline : until, &scoped);
    int r = hub_wait(hub, GROVE_WAIT_SLEEP, last ? deadline : until, what, -1);
    return r == -ETIMEDOUT && !last && !scoped ? 0 : r;
}

long patch_on_worker(struct hub *hub, const char *what, long number, long a,
                     long b, long c, long d, long e, long f)
{
    const long args[6] = {a, b, c, d, e, f};
    return file_syscall(hub, GROVE_NEVER, what, number, args);
}
