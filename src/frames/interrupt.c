/*
 * The stack of a thread that runs, from a signal handler on it. The signal is
 * SIGURG, as in Go's runtime: it is ignored where nobody waits for it, libc
 * does not use it, and programs may get it at any time anyway. It carries the
 * address of the request, so that one that somebody else has sent goes to the
 * handler that was there before ours. If the program has changed the handler
 * since, nobody is asked.
 *
 *     NONE --ask--> ASKED --the thread answers--> TAKEN --> DONE --> NONE
 *                     +---- no answer in time ----------------------> NONE
 *
 * A signal that arrives late finds no request, and does nothing.
 */
#include <assert.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "fiber/guarded.h"
#include "frames/frames.h"

/* Frames of the handler itself, above those of the thread. */
#define OWN_FRAMES 8

/* Looks for the answer, and between them nanoseconds: 50 ms in all. */
#define LOOKS 500
#define LOOK_TIME 100000

enum { NONE, ASKED, TAKEN, DONE };

static struct {
    _Atomic int state;
    _Atomic long tid;     /* who is asked */
    struct frames *taken; /* to be filled in */
    void (*look)(void *arg);
    void *arg;
    void *pc; /* where it was interrupted */
} request;

static struct sigaction previous; /* whose signals ours passes on */
static bool installed;

/* ---- on the thread that is asked ---------------------------------------------- */

static void *pc_of(const void *context)
{
    const ucontext_t *uc = context;
#if defined(__x86_64__)
    return (void *)(uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (void *)(uintptr_t)uc->uc_mcontext.pc;
#else
    (void)uc;
    return NULL;
#endif
}

/* From the interrupted function on, which follows those of the handler. */
static void take(void *arg)
{
    void *all[FRAMES_MOST + OWN_FRAMES];
    struct frames *taken = arg;
    int n = backtrace(all, FRAMES_MOST + OWN_FRAMES);
    int first = 0;
    while (first < n && all[first] != request.pc)
        first++;
    for (; first < n && taken->count < FRAMES_MOST; first++)
        taken->at[taken->count++] = all[first];
}

static void answer(const void *context)
{
    struct frames *taken = request.taken;
    request.pc = pc_of(context);
    if (!guarded_call(take, taken) || taken->count == 0) {
        taken->at[0] = request.pc;
        taken->count = request.pc != NULL;
    }
    guarded_call(request.look, request.arg);
    atomic_store(&request.state, DONE);
}

static void pass_on(int signum, siginfo_t *info, void *context)
{
    if (previous.sa_flags & SA_SIGINFO)
        previous.sa_sigaction(signum, info, context);
    else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN)
        previous.sa_handler(signum);
}

static void on_signal(int signum, siginfo_t *info, void *context)
{
    int saved = errno, asked = ASKED;
    if (info->si_code != SI_QUEUE || info->si_value.sival_ptr != &request)
        pass_on(signum, info, context);
    else if (atomic_load(&request.tid) == syscall(SYS_gettid) &&
             atomic_compare_exchange_strong(&request.state, &asked, TAKEN))
        answer(context);
    errno = saved;
}

/* ---- who asks ------------------------------------------------------------------ */

/* Whether the handler of SIGURG is ours. */
static bool install(void)
{
    struct sigaction now;
    struct sigaction ours = {.sa_sigaction = on_signal,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    if (sigaction(SIGURG, NULL, &now) < 0)
        return false;
    if (installed)
        return (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_signal;
    void *here[2];
    backtrace(here, 2); /* loads what it needs, which a handler must not */
    previous = now;
    installed = sigaction(SIGURG, &ours, NULL) == 0;
    return installed;
}

static bool send(long tid)
{
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    info.si_signo = SIGURG;
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = &request;
    return syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, SIGURG, &info) == 0;
}

/* Whether it has answered. */
static bool await(void)
{
    const struct timespec pause = {.tv_nsec = LOOK_TIME};
    int asked = ASKED;
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load(&request.state) == DONE)
            return true;
        nanosleep(&pause, NULL);
    }
    if (atomic_compare_exchange_strong(&request.state, &asked, NONE))
        return false;
    while (atomic_load(&request.state) != DONE) /* it is in the handler */
        nanosleep(&pause, NULL);
    return true;
}

bool frames_interrupt(long tid, struct frames *frames, void (*look)(void *arg),
                      void *arg)
{
    assert(atomic_load(&request.state) == NONE);
    frames->count = 0;
    frames->guessed = false;
    if (!install())
        return false;
    atomic_store(&request.tid, tid);
    request.taken = frames;
    request.look = look;
    request.arg = arg;
    atomic_store(&request.state, ASKED);
    bool answered = send(tid) && await();
    atomic_store(&request.state, NONE);
    return answered;
}
