/*
 * What a fiber does that holds up its hub. If its thread computes, that is
 * interrupted for a moment, and the signal handler there looks; if it waits in
 * the kernel it is left alone, and what it stands on is read while it may go on
 * at any time. Either way what is read may turn out not to be there, so both
 * are guarded, and what has gone on meanwhile is not told.
 *
 * On the watcher's thread, but for `look`.
 */
#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fiber/guarded.h"
#include "fiber/overflow.h"
#include "hub/dump.h"
#include "hub/stall.h"
#include "loop/private.h"

__attribute__((no_sanitize("address", "thread"))) uint64_t
hub_stall_switches(const struct hub *hub)
{
    return STALL_PEEK(hub->switches) - (uint64_t)STALL_PEEK(hub->budget);
}

/* Guarded: it may end anywhere. */
__attribute__((no_sanitize("address", "thread"))) static void look(void *arg)
{
    struct stall_sight *sight = arg;
    const struct hub *hub = sight->hub;
    const struct grove_fiber *f = STALL_PEEK(hub->current);
    if (hub_stall_switches(hub) != sight->switches)
        return;
    sight->id = f == hub->loop_fiber ? 0 : f->fiber.id;
    sight->stack_top = f == &hub->root ? 0 : (uintptr_t)f;
    sight->seen = true;
    const struct grove_host *host = hub_host_of(f);
    if (host && !sight->may_ask)
        return;
    hub_fiber_name(f, sight->name, sizeof(sight->name) - 1);
    if (host && sight->host_fd >= 0)
        host->trace(f, sight->host_fd);
}

/* From here, while the thread does as it likes. What is the runtime's own stays
 * where it is; what is the host's may go, and is only looked at if a fault
 * would be ours. */
static void look_from_here(struct stall_sight *sight)
{
    sight->may_ask = overflow_is_first();
    annotate_peek();
    guarded_call(look, sight);
    annotate_peeked();
}

static void look_there(void *arg)
{
    struct stall_sight *sight = arg;
    sight->may_ask = sight->hub == hub_of_thread;
    if (sight->may_ask)
        look(arg);
}

static void scan(struct stall_sight *sight)
{
    struct frames_wait wait;
    if (!frames_waits_in(atomic_load(&hub_stall_of(sight->hub)->thread), &wait))
        return;
    sight->call = wait.number;
    if (!annotate_watched()) /* which does not let us read what is unset */
        frames_scan(&wait, sight->stack_top, &sight->frames);
}

/* What the host wrote, as a text. */
static void read_host(struct stall_sight *sight)
{
    ssize_t n = pread(sight->host_fd, sight->host, sizeof(sight->host) - 1, 0);
    sight->host[n > 0 ? n : 0] = '\0';
}

static void see(struct stall_sight *sight, long thread)
{
    sight->doing = frames_doing(thread);
    if (sight->doing == FRAMES_RUNS) {
        frames_interrupt(thread, &sight->frames, look_there, sight);
    } else if (sight->doing == FRAMES_WAITS) {
        look_from_here(sight);
        if (sight->seen)
            scan(sight);
    }
    if (!sight->seen) { /* no frames, but who it is */
        sight->frames.count = 0;
        look_from_here(sight);
    }
    sight->seen &= hub_stall_switches(sight->hub) == sight->switches ||
                   sight->doing == FRAMES_RUNS;
}

void hub_stall_see(struct stall_sight *sight, const struct hub *hub)
{
    const struct stall *s = hub_stall_of(hub);
    memset(sight, 0, sizeof(*sight));
    sight->hub = hub;
    sight->switches = s->switches;
    sight->host_fd =
        hub->host ? loop_private_take(memfd_create("grove-stall", MFD_CLOEXEC))
                  : -1;
    see(sight, atomic_load(&s->thread));
    if (sight->host_fd < 0)
        return;
    read_host(sight);
    loop_private_close(sight->host_fd);
}
