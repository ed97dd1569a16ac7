/*
 * Handlers of signals.
 *
 * One runs in the middle of whatever its thread was at, the runtime's own
 * structures half-changed maybe: calls that it makes must not park, and are
 * libc's own. And it ends a call of those that its thread waits in, as the
 * kernel has it, whether the thread slept or ran somebody else. For both, the
 * kernel is given a function of ours, which runs the program's handler:
 *
 *     signal --> on_signal --> frame linked, handler called, frame unlinked
 *                    |
 *                    +--> a post: the loop looks whom to end (call.c)
 *
 * A program that asks what its handler is gets its own. One that leaves its
 * handler by siglongjmp leaves the frame linked; it is found out by its stack's
 * having been left.
 */
#include "patch/handlers.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#include "fiber/overflow.h"
#include "patch/call.h"
#include "patch/functions.h"
#include "patch/raw/raw.h"
#include "patch/raw/sigsys.h"

/* The program's, of each signal whose handler for the kernel is ours. */
typedef void handler(int signum, siginfo_t *info, void *context);
static struct {
    handler *_Atomic handler;
    _Atomic int flags; /* as the program has set them */
} programs[NSIG];

/* ---- which one runs ------------------------------------------------------------ */

static unsigned long cookie_of(const struct handler_frame *f)
{
    return (unsigned long)(uintptr_t)f ^ 0x5ca1ab1e0ddba11ul;
}

static const void *runner(void)
{
    const struct hub *hub = hub_of_thread;
    return hub ? (const void *)hub->current : NULL;
}

struct handler_frame handlers_vforked;

/* One that was left has its frame above the caller's, or overwritten. */
static bool is_under_way(const struct handler_frame *f)
{
    return f->fiber == runner() &&
           (const void *)f > __builtin_frame_address(0) &&
           f->cookie == cookie_of(f);
}

bool handlers_running_slow(struct handlers *h)
{
    if (h->innermost == &handlers_vforked)
        return true;
    /* Who left it has left those that it interrupted, too. */
    if (h->innermost && !is_under_way(h->innermost))
        h->innermost = NULL;
    return h->innermost != NULL;
}

/* ---- running one ------------------------------------------------------------------ */

static void on_signal(int signum, siginfo_t *info, void *context)
{
    handler *program = programs[signum].handler;
    int flags = programs[signum].flags;
    if (!(flags & SA_RESETHAND) && signals_hand_on(info))
        return;
    struct handlers *h = &patch_thread_self()->handlers;
    struct handler_frame frame = {
        .cookie = cookie_of(&frame), .outer = h->innermost, .fiber = runner()};
    h->innermost = &frame;
    h->run++;
    if (!(flags & SA_RESTART))
        h->restart = false;
    patch_calls_signalled(signum, flags & SA_RESTART);
    if (raw_thread_self()->on)
        raw_unmask(); /* the handler's own calls may be raw */
    program(signum, info, context);
    *(volatile unsigned long *)&frame.cookie = 0;
    h->innermost = frame.outer;
}

/* ---- installing them ---------------------------------------------------------------- */

static bool is_function(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) ||
           (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN &&
            action->sa_handler != SIG_HOLD);
}

static bool is_ours(const struct sigaction *action)
{
    return action->sa_sigaction == on_signal;
}

/* What the kernel has, as the program has set it. */
static void tell_programs(int signum, struct sigaction *action)
{
    if (!is_ours(action))
        return;
    action->sa_sigaction = programs[signum].handler;
    if (!(programs[signum].flags & SA_SIGINFO))
        action->sa_flags &= ~SA_SIGINFO;
}

/* As sigaction, with ours in the place of action's handler. */
static int install(int signum, const struct sigaction *action,
                   struct sigaction *old)
{
    struct sigaction mine = *action;
    handler *handler_before = programs[signum].handler;
    int flags_before = programs[signum].flags;
    mine.sa_sigaction = on_signal;
    mine.sa_flags |= SA_SIGINFO;
    if (sigsys_action(signum, NULL, old) < 0)
        return -1;
    tell_programs(signum, old);
    programs[signum].handler = action->sa_sigaction;
    programs[signum].flags = action->sa_flags;
    int r = sigsys_action(signum, &mine, NULL);
    if (r < 0) {
        programs[signum].handler = handler_before;
        programs[signum].flags = flags_before;
    }
    return r;
}

int patch_sigaction(int signum, const struct sigaction *action,
                    struct sigaction *old)
{
    struct sigaction before;
    bool known = signum > 0 && signum < NSIG;
    int r = known && action && is_function(action) && !is_ours(action)
                ? install(signum, action, &before)
                : sigsys_action(signum, action, &before);
    if (r < 0)
        return r;
    tell_programs(signum, &before);
    if (old)
        *old = before;
    return 0;
}

/* As signal(2) does; the kernel may have another action (raw/sigsys.c). */
static void (*signal_of_calls(void (*function)(int)))(int)
{
    struct sigaction action = {.sa_handler = function, .sa_flags = SA_RESTART};
    struct sigaction before;
    return patch_sigaction(SIGSYS, &action, &before) < 0 ? SIG_ERR
                                                         : before.sa_handler;
}

/* With whichever flags libc gives it: siginterrupt changes them. */
void (*patch_signal(int signum, void (*function)(int)))(int)
{
    struct sigaction before, now;
    if (signum == SIGSYS)
        return signal_of_calls(function);
    if (signum <= 0 || signum >= NSIG || sigaction(signum, NULL, &before) < 0 ||
        signal(signum, function) == SIG_ERR)
        return signal(signum, function);
    tell_programs(signum, &before);
    if (sigaction(signum, NULL, &now) == 0 && is_function(&now))
        install(signum, &now, &now);
    return before.sa_handler;
}

/* ---- all of them ---------------------------------------------------------------------- */

static void each_handler(bool ours,
                         void (*fn)(int signum, struct sigaction *action,
                                    void *arg),
                         void *arg)
{
    int error = errno;
    for (int signum = 1; signum < NSIG; signum++) {
        struct sigaction action;
        if (sigsys_action(signum, NULL, &action) == 0 && is_function(&action) &&
            is_ours(&action) == ours)
            fn(signum, &action, arg);
    }
    errno = error;
}

static void take_over(int signum, struct sigaction *action, void *arg)
{
    (void)arg;
    struct sigaction old;
    install(signum, action, &old);
}

static void give_back(int signum, struct sigaction *action, void *arg)
{
    (void)arg;
    tell_programs(signum, action);
    sigsys_action(signum, action, NULL);
}

void handlers_take_over(void)
{
    each_handler(false, take_over, NULL);
}

void handlers_give_back(void)
{
    each_handler(true, give_back, NULL);
}

/* What there is of those that we are not told of. */
struct unknown {
    bool any;
    bool all_restart;
};

/* The runtime's own, for faults, ends no sleep. */
static void count(int signum, struct sigaction *action, void *arg)
{
    struct unknown *unknown = arg;
    if (signum == SIGSEGV && overflow_is_first())
        return;
    unknown->any = true;
    unknown->all_restart &= (action->sa_flags & SA_RESTART) != 0;
}

bool handlers_unknown(bool *restart)
{
    struct unknown unknown = {.all_restart = true};
    each_handler(false, count, &unknown);
    *restart = unknown.all_restart;
    return unknown.any;
}
