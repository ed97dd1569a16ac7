/*
 * Threads are dealt over hubs in turn as they are created, and stay where they
 * are. Without deal_over there is one hub: the creator's own.
 *
 * The hubs are of ordinary threads that do nothing else; they are there until
 * the process ends. In the child of a fork they are not: its threads are dealt
 * to the hub that is left.
 */
#include "patch/threads/deal.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "hub/hub.h"
#include "hub/wait.h"

static struct hub **hubs;      /* set once; a reference each */
static _Atomic unsigned count; /* of them; 0: none are dealt over */
static _Atomic unsigned next;
static size_t stack_bytes; /* for threads without attributes; 0: not set */

void deal_set_stack_size(size_t size)
{
    stack_bytes = size;
}

size_t deal_stack_size(void)
{
    return stack_bytes;
}

struct hub *deal_hub(void)
{
    unsigned n = atomic_load(&count);
    if (n == 0)
        return hub_self();
    return hubs[atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % n];
}

static void in_child(void)
{
    atomic_store(&count, 0);
}

struct starting {
    struct hub *hub; /* NULL: could not be made */
    int error;
    sem_t made;
};

/* Its hub sleeps here for ever, and runs what it is sent. */
static void *serve(void *arg)
{
    struct starting *s = arg;
    s->hub = hub_create();
    s->error = s->hub ? 0 : errno;
    struct hub *hub = s->hub;
    if (hub) {
        grove_hub_retain((grove_hub *)hub);
        hub->holds++;
    }
    sem_post(&s->made);
    while (hub)
        hub_park(hub);
    return NULL;
}

/* One more hub, or NULL with *error. Signals are for those who asked for them,
 * so that the threads that serve take none before a thread of theirs does. */
static struct hub *start(int *error)
{
    struct starting s = {.error = 0};
    pthread_t id;
    sigset_t all, before;
    sem_init(&s.made, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    *error = pthread_create(&id, NULL, serve, &s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (*error == 0) {
        while (sem_wait(&s.made) < 0) {
        }
        pthread_detach(id);
        *error = s.error;
    }
    sem_destroy(&s.made);
    return *error == 0 ? s.hub : NULL;
}

int deal_over(unsigned n)
{
    assert(!hubs && n > 0);
    int error = 0;
    struct hub *own = hub_self();
    if (!own)
        return -errno;
    hubs = calloc(n, sizeof(struct hub *));
    if (!hubs)
        return -ENOMEM;
    hubs[0] = own;
    for (unsigned i = 1; i < n; i++) {
        hubs[i] = start(&error);
        if (!hubs[i])
            return -error; /* those that were made sleep */
    }
    error = pthread_atfork(NULL, NULL, in_child);
    if (error != 0)
        return -error;
    atomic_store(&count, n);
    return 0;
}
