/*
 * Nothing is due, and nothing is to come: every fiber of the thread waits for
 * another. The host is asked first; otherwise the thread's own stack is woken
 * with -EDEADLK, after a list of who waits for what. Called by the loop.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/dump.h"
#include "hub/hub.h"

static void say(const char *message)
{
    ssize_t n = write(STDERR_FILENO, message, strlen(message));
    (void)n;
}

void hub_deadlock(struct hub *hub)
{
    assert(hub->current == hub->loop_fiber && run_queue_empty(&hub->queue));
    if (hub->host && hub->host->deadlock(hub))
        return;
    if (hub->root.state != FIBER_PARKED) {
        /* A fork in a fiber that has ended since: nobody is left in main. */
        say("grove: every fiber waits for another, and none is in main\n");
        abort();
    }
    say("grove: deadlock: every fiber of this thread waits, and nothing is "
        "left that could wake one\n");
    hub_dump(hub, STDERR_FILENO);
    hub_wake(&hub->root, -EDEADLK);
}
