/*
 * The end of a child process, as a descriptor. Also for hosts, which reap by
 * themselves.
 */
#ifndef GROVE_OS_CHILD_H
#define GROVE_OS_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "fiber/visibility.h"

struct child {
    pid_t pid;     /* not to be used once it is reaped: it may be another's */
    int end;       /* readable from its end on, and ours to close; -1: none */
    bool is_pidfd; /* what end is; else an eventfd, which a thread writes to */
};

/* Has *c tell of the end of pid, a child of this process: 0, or a negative
 * errno and no descriptor; -ESRCH: the system has reaped it already. */
GROVE_HOST_API int child_open(struct child *c, pid_t pid);

/* Takes the status of a child that has ended. 1: info has it; 0: it has not
 * ended; -ECHILD: somebody else took it. Once, and not by two threads at once:
 * after 1 or an error c's pid is not to be used. */
int child_reap(struct child *c, siginfo_t *info);

/* Before that: send it a signal. 0 or a negative errno; -ESRCH: it is gone. */
int child_signal(const struct child *c, int signum);

#endif
