/*
 * The program's own SIGSYS. Sandboxes have the kernel send it for calls that
 * they forbid (seccomp(2)), and programs that are tested in them handle it.
 * While raw calls are patched, what the program sets is kept here, told when
 * it asks, and done with each SIGSYS that is not about a raw call. But it is
 * not blocked while its handler runs, which may make raw calls itself.
 */
#include "patch/raw/sigsys.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

static _Atomic bool taken;
static struct sigaction programs; /* while it is */

int sigsys_take(void (*handler)(int signum, siginfo_t *info, void *context))
{
    /* On the alternate stack: whose the interrupted one is, is not known. */
    struct sigaction mine = {.sa_sigaction = handler,
                             .sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART |
                                         SA_ONSTACK};
    sigemptyset(&mine.sa_mask);
    if (atomic_load(&taken))
        return 0;
    if (sigaction(SIGSYS, NULL, &programs) < 0)
        return -errno;
    atomic_store(&taken, true);
    return sigaction(SIGSYS, &mine, NULL) == 0 ? 0 : -errno;
}

void sigsys_give_back(void)
{
    if (!atomic_exchange(&taken, false))
        return;
    int error = errno;
    sigaction(SIGSYS, &programs, NULL);
    errno = error;
}

int sigsys_action(int signum, const struct sigaction *action,
                  struct sigaction *old)
{
    if (signum != SIGSYS || !atomic_load(&taken))
        return sigaction(signum, action, old);
    struct sigaction before = programs;
    if (action)
        programs = *action;
    if (old)
        *old = before;
    return 0;
}

/* Whether it is the kernel's, about what the thread does, which nobody can
 * ignore. */
static bool is_forced(const siginfo_t *info)
{
    return info->si_code > 0;
}

/* As if there had never been a handler. */
static void die(int signum)
{
    signal(signum, SIG_DFL);
    raise(signum);
}

void sigsys_pass_on(int signum, siginfo_t *info, void *context)
{
    struct sigaction action = programs;
    /* Whatever its flags are, as the kernel has it. */
    bool has_default =
        action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN;
    if (has_default) {
        if (action.sa_handler == SIG_DFL || is_forced(info))
            die(signum);
        return;
    }
    if (action.sa_flags & SA_RESETHAND)
        programs.sa_handler = SIG_DFL;
    sigdelset(&action.sa_mask, signum);
    pthread_sigmask(SIG_BLOCK, &action.sa_mask, NULL);
    if (action.sa_flags & SA_SIGINFO)
        action.sa_sigaction(signum, info, context);
    else
        action.sa_handler(signum);
}
