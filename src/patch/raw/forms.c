/*
 * Calls about signals, in the kernel's own form, made by libc's: a handler that
 * nobody knows of would make calls that park, in the middle of what it has
 * interrupted.
 */
#include "patch/raw/forms.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hub/hub.h"
#include "patch/functions.h"
#include "patch/raw/raw.h"
#include "patch/threads/threads.h"

static sigset_t libcs_mask(uint64_t mask)
{
    sigset_t set;
    sigemptyset(&set);
    memcpy(&set, &mask, sizeof(mask));
    return set;
}

static uint64_t kernels_mask(const sigset_t *set)
{
    uint64_t mask;
    memcpy(&mask, set, sizeof(mask));
    return mask;
}

/* Whether the kernel can read a mask there. As how it is to be set no number
 * says, it goes no further; others find out so what they may read, too. */
static bool is_readable(const void *mask)
{
    return syscall(SYS_rt_sigprocmask, ~0, mask, NULL, RAW_MASK_BYTES) < 0 &&
           errno != EFAULT;
}

static long fault(void)
{
    errno = EFAULT;
    return -1;
}

/* ---- actions ---------------------------------------------------------------- */

/* libc brings its own restorer. */
static struct sigaction libcs_action(const struct form_action *a)
{
    return (struct sigaction){.sa_handler = (void (*)(int))a->handler,
                              .sa_flags = (int)a->flags,
                              .sa_mask = libcs_mask(a->mask)};
}

static struct form_action kernels_action(const struct sigaction *a)
{
    return (struct form_action){.handler = (uintptr_t)a->sa_handler,
                                .flags = (unsigned)a->sa_flags,
                                .restorer = (uintptr_t)a->sa_restorer,
                                .mask = kernels_mask(&a->sa_mask)};
}

/* Those that libc keeps for itself it lets nobody else set. */
static bool is_libcs(long signum)
{
    return signum >= __SIGRTMIN && signum < SIGRTMIN;
}

long form_sigaction(const long *args)
{
    const struct form_action *action = (const void *)args[1];
    struct form_action *old = (void *)args[2];
    struct sigaction now, before;
    if (args[3] != RAW_MASK_BYTES || is_libcs(args[0]))
        return syscall(SYS_rt_sigaction, args[0], args[1], args[2], args[3]);
    if (action) {
        if (!is_readable(action) || !is_readable(&action->mask))
            return fault();
        now = libcs_action(action);
    }
    if (old &&
        syscall(SYS_rt_sigaction, args[0], NULL, old, RAW_MASK_BYTES) < 0)
        return -1; /* it cannot be written */
    int r = patch_sigaction((int)args[0], action ? &now : NULL, &before);
    if (r == 0 && old)
        *old = kernels_action(&before);
    return r;
}

/* ---- masks ------------------------------------------------------------------- */

long form_sigmask(const long *args)
{
    const uint64_t *mask = (const void *)args[1];
    uint64_t *old = (void *)args[2];
    sigset_t set, before;
    if (args[3] != RAW_MASK_BYTES)
        return syscall(SYS_rt_sigprocmask, args[0], args[1], args[2], args[3]);
    if (mask) {
        if (!is_readable(mask))
            return fault();
        set = libcs_mask(*mask);
    }
    if (old && syscall(SYS_rt_sigprocmask, 0, NULL, old, RAW_MASK_BYTES) < 0)
        return -1; /* it cannot be written */
    int r = (hub_threads_are_fibers ? patched_pthread_sigmask
                                    : patch_pthread_sigmask)(
        (int)args[0], mask ? &set : NULL, &before);
    if (r != 0) {
        errno = r;
        return -1;
    }
    if (old)
        *old = kernels_mask(&before);
    return 0;
}
