/*
 * The ring of all hubs of the process: for a fork, after which only one is
 * left, and for those who want to know of all fibers: a signal (GROVE_DUMP),
 * and debuggers (tools/grove-gdb.py walks it by the name hub_list). Any thread
 * may call these.
 *
 * The lock is held for a few instructions, when a thread's hub comes or goes. A
 * signal handler cannot wait for it: what it finds held it asks to be done when
 * it is let go.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hub/hub.h"

static atomic_flag lock = ATOMIC_FLAG_INIT;
static _Atomic bool dump_wanted; /* while the lock was held */
static struct hub *hub_list;     /* any of them; NULL: there is none */

static bool try_lock(void)
{
    return !atomic_flag_test_and_set_explicit(&lock, memory_order_acquire);
}

void hub_list_lock(void)
{
    while (!try_lock())
        sched_yield();
}

static void post_dumps(void)
{
    struct hub *hub = hub_list;
    if (!hub)
        return;
    do {
        grove_hub_post((grove_hub *)hub, &hub->dump_post);
        hub = hub->next_hub;
    } while (hub != hub_list);
}

void hub_list_unlock(void)
{
    if (atomic_exchange(&dump_wanted, false))
        post_dumps();
    atomic_flag_clear_explicit(&lock, memory_order_release);
}

static void dump_hub(grove_post *post);

static void link_in(struct hub *hub)
{
    hub->dump_post.fn = dump_hub;
    if (!hub_list)
        hub_list = hub->next_hub = hub->previous_hub = hub;
    hub->next_hub = hub_list;
    hub->previous_hub = hub_list->previous_hub;
    hub->previous_hub->next_hub = hub;
    hub->next_hub->previous_hub = hub;
}

void hub_list_add(struct hub *hub)
{
    hub_list_lock();
    link_in(hub);
    hub_list_unlock();
}

void hub_list_remove(struct hub *hub)
{
    hub_list_lock();
    hub->previous_hub->next_hub = hub->next_hub;
    hub->next_hub->previous_hub = hub->previous_hub;
    if (hub_list == hub)
        hub_list = hub->next_hub == hub ? NULL : hub->next_hub;
    hub_list_unlock();
}

/* The other hubs' threads are not there in the child. */
void hub_list_forked(struct hub *survivor)
{
    if (hub_list) {
        struct hub *hub = hub_list;
        do {
            hub->dead = hub != survivor;
            hub = hub->next_hub;
        } while (hub != hub_list);
    }
    hub_list = NULL;
    if (survivor)
        link_in(survivor);
}

/* ---- a list of all fibers on request --------------------------------------- */

static void dump_hub(grove_post *post)
{
    (void)post;
    dprintf(STDERR_FILENO, "grove: fibers of thread %ld\n",
            (long)syscall(SYS_gettid));
    grove_dump(STDERR_FILENO);
}

static void on_signal(int signum)
{
    (void)signum;
    int saved = errno;
    if (try_lock()) {
        post_dumps();
        hub_list_unlock();
    } else {
        atomic_store(&dump_wanted, true);
    }
    errno = saved;
}

void hub_list_watch_signal(void)
{
    const char *wish = getenv("GROVE_DUMP");
    if (!wish || strcmp(wish, "1") != 0)
        return;
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = SA_RESTART | SA_ONSTACK};
    sigaction(SIGUSR2, &action, NULL);
}
