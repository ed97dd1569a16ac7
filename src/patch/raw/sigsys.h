/*
 * SIGSYS, of which the kernel has a handler of ours while raw calls are
 * patched.
 */
#ifndef GROVE_PATCH_RAW_SIGSYS_H
#define GROVE_PATCH_RAW_SIGSYS_H

#include <signal.h>

/* It has this one from now on, which nothing is blocked for; the program's
 * again. 0 or a negative errno. */
int sigsys_take(void (*handler)(int signum, siginfo_t *info, void *context));
void sigsys_give_back(void);

/* As sigaction(2), of what the kernel would have without us. Any signal. */
int sigsys_action(int signum, const struct sigaction *action,
                  struct sigaction *old);

/* In the handler: the signal is none of ours. */
void sigsys_pass_on(int signum, siginfo_t *info, void *context);

#endif
