/*
 * Calls about signals, in the kernel's own form.
 */
#ifndef GROVE_PATCH_RAW_FORMS_H
#define GROVE_PATCH_RAW_FORMS_H

#include <stdint.h>

/* What rt_sigaction(2) takes. */
struct form_action {
    uintptr_t handler;
    unsigned long flags;
    uintptr_t restorer;
    uint64_t mask; /* bit n - 1: signal n */
};

/* rt_sigaction and rt_sigprocmask with these arguments, in the place of which
 * patched calls are made: handlers must be known, and SIGSYS not blocked. -1
 * with errno. */
long form_sigaction(const long *args);
long form_sigmask(const long *args);

#endif
