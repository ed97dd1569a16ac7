/*
 * Threads are dealt over hubs in turn as they are created, and stay where they
 * are. Where one hub is enough, as at first, it is the creator's own.
 *
 * The hubs are made when the first thread is created: that of its creator, and
 * those of ordinary threads that do nothing else; they are there until the
 * process ends. As many as could be made are used. In the child of a fork they
 * are not there, and made anew when it creates a thread.
 */
#include "patch/threads/deal.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "grove.h"
#include "hub/hub.h"
#include "hub/wait.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of these two */
static _Atomic unsigned wanted = 1;
static struct hub **hubs;      /* a reference each; NULL: not made */
static _Atomic unsigned count; /* of hubs; 0: not made */
static _Atomic unsigned next;
static _Atomic size_t stack_bytes; /* without attributes; 0: not set */

/* ---- what is asked for ------------------------------------------------------------ */

int grove_patch_cores(unsigned n)
{
    if (n == 0)
        return -EINVAL;
    pthread_mutex_lock(&lock);
    int r = hubs ? -EBUSY : 0;
    if (r == 0)
        wanted = n;
    pthread_mutex_unlock(&lock);
    return r;
}

int grove_patch_stack(size_t size)
{
    if (size != 0 && (size < 2 * GROVE_STACK_MIN || size > GROVE_STACK_MAX))
        return -EINVAL;
    stack_bytes = size;
    return 0;
}

size_t deal_stack_size(void)
{
    return stack_bytes;
}

/* ---- making hubs ------------------------------------------------------------------- */

struct starting {
    struct hub *hub; /* NULL: could not be made */
    sem_t made;
};

/* Its hub sleeps here for ever, and runs what it is sent. */
static void *serve(void *arg)
{
    struct starting *s = arg;
    struct hub *hub = hub_create();
    s->hub = hub;
    if (hub) {
        grove_hub_retain((grove_hub *)hub);
        hub->holds++;
    }
    sem_post(&s->made);
    while (hub)
        hub_park(hub);
    return NULL;
}

/* One more; NULL: it cannot be had. Signals are for those who asked for them,
 * so that the threads that serve take none before a thread of theirs does. */
static struct hub *start(void)
{
    struct starting s = {.hub = NULL};
    pthread_t id;
    sigset_t all, before;
    sem_init(&s.made, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&id, NULL, serve, &s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) {
        while (sem_wait(&s.made) < 0) {
        }
        pthread_detach(id);
    }
    sem_destroy(&s.made);
    return s.hub;
}

/* Under the lock: how many there are. */
static unsigned make(struct hub *own)
{
    unsigned n = 1;
    hubs = calloc(wanted, sizeof(struct hub *));
    if (!hubs)
        return 0;
    grove_hub_retain((grove_hub *)own);
    hubs[0] = own;
    while (n < wanted && (hubs[n] = start()))
        n++;
    return n;
}

static void hold(void)
{
    pthread_mutex_lock(&lock);
}

static void let_go(void)
{
    pthread_mutex_unlock(&lock);
}

/* Who held a reference was the parent. */
static void in_child(void)
{
    free(hubs);
    hubs = NULL;
    atomic_store(&count, 0);
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(hold, let_go, in_child);
}

/* ---- dealing ------------------------------------------------------------------------ */

struct hub *deal_hub(void)
{
    struct hub *own = hub_self();
    unsigned n = atomic_load(&count);
    if (!own || wanted == 1)
        return own;
    if (n == 0) {
        pthread_mutex_lock(&lock);
        if (!hubs)
            atomic_store(&count, make(own));
        n = atomic_load(&count);
        pthread_mutex_unlock(&lock);
    }
    if (n == 0)
        return own;
    return hubs[atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % n];
}
