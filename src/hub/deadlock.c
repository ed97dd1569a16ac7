/*
 * Nothing is due, and nothing is to come: every fiber of the thread waits for
 * another. The host is asked first; otherwise the thread's own stack is woken
 * with -EDEADLK, after a list of who waits for what. Called by the loop.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "fiber/log.h"
#include "hub/dump.h"
#include "hub/hub.h"

void hub_deadlock(struct hub *hub)
{
    assert(hub->current == hub->loop_fiber && run_queue_empty(&hub->queue));
    if (hub->survivor && hub->survivor->state == FIBER_PARKED) {
        /* The one that a host would tell, in main, is stranded. */
        hub_wake(hub->survivor, -EDEADLK);
        return;
    }
    if (hub->host && hub->host->deadlock(hub))
        return;
    if (hub->root.state != FIBER_PARKED) {
        /* A fork in a fiber that has ended since: nobody is left in main. */
        log_tell(GROVE_LOG_FATAL,
                 "every fiber waits for another, and none is in main");
        abort();
    }
    log_tell(GROVE_LOG_ERROR,
             "deadlock: every fiber of this thread waits, and nothing is left "
             "that could wake one");
    hub_log_each(hub);
    hub_wake(&hub->root, -EDEADLK);
}
