/*
 * The host: whoever embeds the runtime and must know of switches and waits, as
 * the CPython extension does. It registers a table of functions in hub->host;
 * that is the only way from here up to it.
 */
#ifndef GROVE_HUB_HOST_H
#define GROVE_HUB_HOST_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct grove_fiber;
struct hub;

/* Every member must be set. All calls are made on the hub's thread. */
struct grove_host {
    /* A fiber whose host is not NULL is about to be left; has been resumed. */
    void (*suspend)(struct grove_fiber *f);
    void (*resume)(struct grove_fiber *f);
    /* The hub's own fiber, whose host is not NULL, runs for the first time. */
    void (*begin)(struct grove_fiber *f);
    /* A poll that may sleep is near: signals that came are to be dealt with,
     * and those to come kept for the poll. Returns the signal mask to poll
     * with, or NULL for the thread's. */
    const sigset_t *(*poll_prepare)(struct hub *hub);
    /* Just before it and after it; nothing of the host's happens in between. */
    void (*poll_begin)(struct hub *hub);
    void (*poll_end)(struct hub *hub, bool interrupted);
    /* Nothing can wake anybody. True when the host dealt with it. */
    bool (*deadlock)(struct hub *hub);
    /* Code that is not the host's calls what may park f, which runs and has a
     * host (the patch layer): whether it may; asked before anything is tried,
     * so it must cost nothing. Without, the call is libc's own. */
    bool (*foreign_may_park)(const struct grove_fiber *f);
    /* Such a call begins; has come to its end. If f was suspended in between,
     * f->wake_result was -EINTR where the host has ended the wait. errno is
     * kept by both. */
    void (*foreign_begin)(struct grove_fiber *f);
    void (*foreign_end)(struct grove_fiber *f);
    /* In a forked child, after the hub was renewed. */
    void (*forked)(struct hub *hub);
    /* These may be called in a signal handler. f runs, has a host, and its
     * stack is full: whether what runs there will end in good order now that
     * its spare part is open. */
    bool (*overflow)(struct grove_fiber *f);
    /* What people call f, which has a host, as snprintf writes it. */
    void (*name)(const struct grove_fiber *f, char *text, size_t size);
    /* f runs and has a host: write on fd where it is. */
    void (*trace)(const struct grove_fiber *f, int fd);
};

#endif
