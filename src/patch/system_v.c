/*
 * Signals as System V and BSD had them: made of the calls that came later.
 */
#include <signal.h>

#include "patch/call.h"
#include "patch/functions.h"

/* Of the signals whose bits are set, as an int held them all once. */
int patch_sigpause(int mask)
{
    sigset_t set;
    sigemptyset(&set);
    for (int signum = 1; signum < 32; signum++) {
        if ((unsigned)mask >> (signum - 1) & 1)
            sigaddset(&set, signum);
    }
    return patch_sigsuspend(&set);
}

/* With the thread's mask, but for one signal. */
int patch_xpg_sigpause(int signum)
{
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    return sigdelset(&set, signum) < 0 ? -1 : patch_sigsuspend(&set);
}

int patch_sigpause_either(int value, int is_signum)
{
    return is_signum ? patch_xpg_sigpause(value) : patch_sigpause(value);
}

void (*patch_sysv_signal(int signum, void (*function)(int)))(int)
{
    struct sigaction before, action = {.sa_handler = function,
                                       .sa_flags = SA_RESETHAND | SA_NODEFER};
    return patch_sigaction(signum, &action, &before) < 0 ? SIG_ERR
                                                         : before.sa_handler;
}
