/*
 * Stack overflow: who ran into its guard page is said before the process dies;
 * unless what runs there can be ended otherwise.
 */
#ifndef GROVE_FIBER_OVERFLOW_H
#define GROVE_FIBER_OVERFLOW_H

#include "fiber/fiber.h"

/* What the owner of the stacks knows. All are called in the signal handler, on
 * the thread of the fiber, which is the running one. */
struct overflow_hooks {
    /* f's stack is full, and its spare part open for it: whether what runs
     * there will end in good order now. */
    bool (*end)(struct fiber *f);
    /* What people call f, as snprintf writes it. */
    void (*name)(const struct fiber *f, char *text, size_t size);
    /* Where f is, if there is more to say of that than a debugger sees. */
    void (*trace)(const struct fiber *f, int fd);
};

/* Report overflows of pool's stacks on the calling thread, which gets an
 * alternate signal stack if it has none. The first call installs the SIGSEGV
 * handler of the process. 0 or -ENOMEM. */
int overflow_watch(const struct stack_pool *pool,
                   const struct overflow_hooks *hooks);

/* Whether faults come to us before anybody else. */
GROVE_HOST_API bool overflow_is_first(void);

/* Somebody is going to install or remove a SIGSEGV handler: ours makes way, so
 * that it can come first again after. False when ours was not the first: then
 * it stays where it is. A fault in between is not ours. */
GROVE_HOST_API bool overflow_step_aside(void);

/* And is the first again. */
GROVE_HOST_API void overflow_step_up(void);

/* Stop; before the pool is destroyed, on the same thread. */
void overflow_unwatch(void);

#endif
