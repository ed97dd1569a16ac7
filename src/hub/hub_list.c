/*
 * The ring of all hubs of the process: for a fork, after which only one is
 * left, and for those who look at all fibers from outside (tools/grove-gdb.py
 * walks it by the name hub_list). Any thread may call these.
 */
#include <pthread.h>

#include "hub/hub.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct hub *hub_list; /* any of them; NULL: there is none */

static void link_in(struct hub *hub)
{
    if (!hub_list)
        hub_list = hub->next_hub = hub->previous_hub = hub;
    hub->next_hub = hub_list;
    hub->previous_hub = hub_list->previous_hub;
    hub->previous_hub->next_hub = hub;
    hub->next_hub->previous_hub = hub;
}

void hub_list_add(struct hub *hub)
{
    pthread_mutex_lock(&lock);
    link_in(hub);
    pthread_mutex_unlock(&lock);
}

void hub_list_remove(struct hub *hub)
{
    pthread_mutex_lock(&lock);
    hub->previous_hub->next_hub = hub->next_hub;
    hub->next_hub->previous_hub = hub->previous_hub;
    if (hub_list == hub)
        hub_list = hub->next_hub == hub ? NULL : hub->next_hub;
    pthread_mutex_unlock(&lock);
}

void hub_list_lock(void)
{
    pthread_mutex_lock(&lock);
}

void hub_list_unlock(void)
{
    pthread_mutex_unlock(&lock);
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
