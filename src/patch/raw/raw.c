/*
 * Raw calls, on and off: for the process, and on its threads.
 *
 * The kernel is asked by each thread for itself: when it gets a hub, or when
 * its hub turns and finds out that it is to be otherwise (hub/visit.h). Threads
 * without a hub are never asked to. SIGSYS is ours as long as there is a thread
 * that the kernel may send it to.
 */
#include "patch/raw/raw.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>

#include "fiber/annotate.h"
#include "hub/visit.h"
#include "patch/raw/move.h"
#include "patch/raw/places.h"
#include "patch/raw/sigsys.h"
#include "patch/raw/trap.h"

__thread struct raw_thread raw_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the following */
static _Atomic bool wanted;
static unsigned threads;  /* that are on */
static struct place libc; /* set before the first is */

/* ---- a thread ----------------------------------------------------------------- */

static int dispatch(struct raw_thread *t, bool on)
{
    return on ? prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON,
                      libc.start, libc.end - libc.start, &t->selector)
              : prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0,
                      0);
}

/* What is kept of the thread's mask must not bring it back. */
static void unmask_thread(void)
{
    struct hub *hub = hub_of_thread;
    sigset_t now;
    uint64_t mask;
    raw_unmask();
    if (!hub)
        return;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    memcpy(&mask, &now, sizeof(mask)); /* the kernel's part of it */
    tls_block_mask(&hub->own_tls, mask);
}

static void begin_here(struct raw_thread *t)
{
    t->selector = SYSCALL_DISPATCH_FILTER_BLOCK;
    move_note_stack();
    unmask_thread();
    if (dispatch(t, true) < 0)
        return; /* it cannot be reached, as if it had no hub */
    t->on = true;
    threads++;
}

static void end_here(struct raw_thread *t)
{
    dispatch(t, false);
    t->on = false;
    assert(threads > 0);
    threads--;
    if (threads == 0 && !wanted)
        sigsys_give_back();
}

static void set_here(bool on)
{
    struct raw_thread *t = raw_thread_self();
    int error = errno;
    pthread_mutex_lock(&lock);
    if (on && !t->on)
        begin_here(t);
    else if (!on && t->on)
        end_here(t);
    pthread_mutex_unlock(&lock);
    errno = error;
}

static void come(void)
{
    set_here(wanted);
}

static void leave(void)
{
    set_here(false);
}

static const struct hub_visitor visitor = {come, leave};

/* ---- the process ---------------------------------------------------------------- */

/* The kernel that knows the call looks at the address. */
static bool kernel_can(void)
{
    static volatile uint8_t *const nowhere = (volatile uint8_t *)UINTPTR_MAX;
    int error = errno;
    bool can = prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0,
                     nowhere) < 0 &&
               errno == EFAULT;
    errno = error;
    return can;
}

/* valgrind makes the program's calls, and others of its own, by its own
 * instructions; ThreadSanitizer calls from within its own work, where a handler
 * that it watches must not run. */
static const char *refused_by_tools(void)
{
#if defined(__SANITIZE_THREAD__)
    return "Grove is built with ThreadSanitizer, which makes raw calls itself";
#else
    return annotate_watched() ? "valgrind makes all calls itself" : NULL;
#endif
}

const char *raw_refused(void)
{
    struct place found;
    if (refused_by_tools())
        return refused_by_tools();
    if (!places_libc(&found))
        return "libc's code is not where it is looked for";
    if (!kernel_can())
        return "the kernel does not tell of system calls "
               "(PR_SET_SYSCALL_USER_DISPATCH, Linux 5.11)";
    return NULL;
}

int raw_begin(void)
{
    pthread_mutex_lock(&lock);
    places_libc(&libc);
    places_look();
    int r = trap_begin(&libc);
    if (r == 0)
        wanted = true;
    pthread_mutex_unlock(&lock);
    if (r == 0)
        hub_visit(&visitor);
    return r;
}

void raw_end(void)
{
    if (!wanted)
        return;
    wanted = false;
    hub_visit(&visitor);
    pthread_mutex_lock(&lock);
    if (threads == 0)
        sigsys_give_back();
    pthread_mutex_unlock(&lock);
}

bool raw_is_on(void)
{
    return wanted;
}

/* ---- masks -------------------------------------------------------------------------- */

const sigset_t *raw_mask(const sigset_t *set, sigset_t *room)
{
    if (!set || !raw_thread_self()->on)
        return set;
    *room = *set;
    sigdelset(room, SIGSYS);
    return room;
}

void raw_unmask(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- forks --------------------------------------------------------------------------- */

void raw_hold(void)
{
    pthread_mutex_lock(&lock);
}

void raw_let_go(void)
{
    pthread_mutex_unlock(&lock);
}

/* The child has this thread alone, and the kernel tells it of nothing. */
void raw_forked(void)
{
    struct raw_thread *t = raw_thread_self();
    bool on = t->on;
    t->on = false;
    threads = 0;
    raw_let_go();
    set_here(on && wanted);
}
