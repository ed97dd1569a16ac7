/*
 * Telling where each fiber of a hub is: to a function, as lines to a
 * descriptor, and, with GROVE_DUMP=1 in the environment, as a message of each
 * hub at its next pass after a SIGUSR2.
 */
#include "hub/dump.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fiber/log.h"
#include "hub/clock.h"
#include "hub/list.h"
#include "hub/part.h"

/* A host's names may be longer than a fiber's own. */
#define FIBER_NAME_MOST 128

static const char *state_name(const struct grove_fiber *f)
{
    static const char *const names[] = {"new",    "ready", "running",
                                        "parked", "ended", "stranded"};
    return names[f->state];
}

/* What is called for each, and with what. */
struct visitor {
    void (*fn)(const grove_fiber_info *info, void *arg);
    void *arg;
};

static void tell(struct grove_fiber *f, void *arg)
{
    const struct visitor *v = arg;
    char name[FIBER_NAME_MOST];
    hub_fiber_name(f, name, sizeof(name));
    bool waits = f->state == FIBER_PARKED && f->waiting;
    grove_fiber_info info = {
        .fiber = f,
        .id = f->fiber.id,
        .name = name,
        .state = state_name(f),
        .what = waits ? f->reason.what : NULL,
        .fd = waits ? f->reason.fd : -1,
        .since = waits ? f->reason.since : 0,
    };
    v->fn(&info, v->arg);
}

void hub_tell_each(struct hub *hub,
                   void (*fn)(const grove_fiber_info *info, void *arg),
                   void *arg)
{
    struct visitor v = {fn, arg};
    assert(hub == hub_of_thread);
    tell(&hub->root, &v);
    hub_each(hub, tell, &v);
}

struct dump {
    void (*tell)(const char *line, int fd);
    int fd;      /* that is told; -1: none is */
    int64_t now; /* waits are told up to here */
};

/* The line is cut where a name of the host's is too long for it. */
static void dump_fiber(const grove_fiber_info *info, void *arg)
{
    const struct dump *d = arg;
    char where[128] = "", on[40] = "", line[384];
    if (info->what) {
        if (info->fd >= 0)
            snprintf(on, sizeof(on), " on descriptor %d", info->fd);
        snprintf(where, sizeof(where), " in %.40s%s for %.3f s", info->what, on,
                 (double)(d->now - info->since) / 1e9);
    }
    snprintf(line, sizeof(line), "fiber %" PRIu64 " \"%s\" %s%s", info->id,
             info->name, info->state, where);
    d->tell(line, d->fd);
}

static void tell_descriptor(const char *line, int fd)
{
    dprintf(fd, "%s\n", line);
}

static void tell_log(const char *line, int fd)
{
    (void)fd;
    log_tell(GROVE_LOG_DETAIL, "%s", line);
}

void hub_dump(struct hub *hub, int fd)
{
    struct dump d = {tell_descriptor, fd, hub_clock()};
    hub_tell_each(hub, dump_fiber, &d);
}

void hub_log_each(struct hub *hub)
{
    struct dump d = {tell_log, -1, hub_clock()};
    hub_tell_each(hub, dump_fiber, &d);
}

/* ---- on a signal --------------------------------------------------------------- */

static size_t offset; /* of a grove_post: the request for a dump */

static void dump_own(grove_post *post)
{
    (void)post;
    log_tell(GROVE_LOG_INFO, "fibers of thread %ld", (long)syscall(SYS_gettid));
    hub_log_each(hub_of_thread);
}

static int begin(struct hub *hub)
{
    grove_post *post = hub_keeps(hub, offset);
    post->fn = dump_own;
    return 0;
}

static void request(struct hub *hub, void *arg)
{
    (void)arg;
    grove_hub_post((grove_hub *)hub, hub_keeps(hub, offset));
}

static void on_signal(int signum)
{
    (void)signum;
    int saved = errno;
    hub_list_ask(request);
    errno = saved;
}

static void watch_signal(void)
{
    const char *wish = getenv("GROVE_DUMP");
    if (!wish || strcmp(wish, "0") == 0)
        return;
    if (strcmp(wish, "1") != 0) {
        log_tell(GROVE_LOG_WARNING,
                 "GROVE_DUMP is \"%s\"; expected 1, or 0; nothing is dumped",
                 wish);
        return;
    }
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = SA_RESTART | SA_ONSTACK};
    sigaction(SIGUSR2, &action, NULL);
}

const struct hub_fixture hub_dump_fixture = {
    .size = sizeof(grove_post),
    .offset = &offset,
    .once = watch_signal,
    .begin = begin,
};
