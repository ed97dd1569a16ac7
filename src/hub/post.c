/*
 * What other threads and signal handlers may do to a hub: post a callback.
 *
 * The mailbox is a stack that posters push to without locks and the hub empties
 * at once, turning it round. A poster writes to the loop's eventfd only when
 * the hub is about to sleep. Both sides first write what they own (the mailbox;
 * hub->polling) and then read the other's, in sequentially consistent order, so
 * that at least one of them sees the other: no post is slept over.
 *
 * A hub's memory outlives its thread as long as there are references to it. At
 * its end the mailbox is closed: posts fail from then on. What it still held is
 * not called, but messages (struct hub_message) are told of it.
 */
#include <sched.h>
#include <stdlib.h>

#include "hub/hub.h"

grove_hub *grove_hub_self(void)
{
    return (grove_hub *)hub_self();
}

char hub_closed;

grove_hub *grove_hub_retain(grove_hub *handle)
{
    atomic_fetch_add(&((struct hub *)handle)->references, 1);
    return handle;
}

void hub_unref(struct hub *hub)
{
    if (atomic_fetch_sub(&hub->references, 1) == 1)
        free(hub);
}

void grove_hub_release(grove_hub *handle)
{
    if (handle)
        hub_unref((struct hub *)handle);
}

/* The hub does not end before hub->posters is 0 again: whoever is woken may end
 * its thread before we come to interrupt its loop. */
int grove_hub_post(grove_hub *handle, grove_post *post)
{
    struct hub *hub = (struct hub *)handle;
    if (__atomic_exchange_n(&post->posted, 1, __ATOMIC_SEQ_CST))
        return 0;
    atomic_fetch_add(&hub->posters, 1);
    grove_post *head = atomic_load(&hub->mailbox);
    do {
        if (unlikely(head == HUB_CLOSED || hub->dead)) {
            __atomic_store_n(&post->posted, 0, __ATOMIC_SEQ_CST);
            atomic_fetch_sub(&hub->posters, 1);
            return -ESRCH;
        }
        post->next = head;
    } while (!atomic_compare_exchange_weak(&hub->mailbox, &head, post));
    if (!head && atomic_load(&hub->polling))
        loop_interrupt(&hub->loop);
    atomic_fetch_sub(&hub->posters, 1);
    return 1;
}

/* Oldest first. */
static grove_post *turned(grove_post *post)
{
    grove_post *first = NULL;
    while (post) {
        grove_post *next = post->next;
        post->next = first;
        first = post;
        post = next;
    }
    return first;
}

static void call_posts(struct run *run)
{
    struct hub *hub = container_of(run, struct hub, mail_run);
    while (hub->mail) {
        grove_post *post = hub->mail;
        hub->mail = post->next;
        void (*fn)(grove_post *) = post->fn;
        __atomic_store_n(&post->posted, 0, __ATOMIC_SEQ_CST);
        hub->posts++;
        fn(post);
    }
}

bool hub_take_mail(struct hub *hub)
{
    if (!atomic_load(&hub->mailbox))
        return false;
    grove_post *first = turned(atomic_exchange(&hub->mailbox, NULL));
    grove_post **last = &hub->mail;
    while (*last)
        last = &(*last)->next;
    *last = first;
    if (!run_queued(&hub->mail_run)) {
        hub->mail_run.call = call_posts;
        hub_queue(hub, &hub->mail_run);
    }
    return true;
}

/* ---- messages --------------------------------------------------------------- */

void hub_message_init(struct hub_message *m,
                      void (*arrive)(struct hub *hub, struct hub_message *m),
                      void (*lost)(struct hub_message *m))
{
    *m = (struct hub_message){
        .post = {.fn = hub_message_arrive}, .arrive = arrive, .lost = lost};
}

int hub_message_send(struct hub *hub, struct hub_message *m)
{
    __atomic_store_n(&m->hub, hub, __ATOMIC_RELAXED);
    int r = grove_hub_post((grove_hub *)hub, &m->post);
    return r < 0 ? r : 0;
}

void hub_message_arrive(grove_post *post)
{
    struct hub_message *m = container_of(post, struct hub_message, post);
    struct hub *hub = m->hub;
    m->next = hub->messages;
    m->back = &hub->messages;
    if (m->next)
        m->next->back = &m->next;
    hub->messages = m;
    m->arrive(hub, m);
}

void hub_message_done(struct hub_message *m)
{
    *m->back = m->next;
    if (m->next)
        m->next->back = m->back;
    m->back = NULL;
}

void hub_message_lose(grove_post *post)
{
    struct hub_message *m = container_of(post, struct hub_message, post);
    m->lost(m);
}

static void lose_posts(grove_post *post)
{
    while (post) {
        grove_post *next = post->next;
        __atomic_store_n(&post->posted, 0, __ATOMIC_SEQ_CST);
        if (post->fn == hub_message_arrive)
            hub_message_lose(post);
        post = next;
    }
}

void hub_close_mailbox(struct hub *hub)
{
    grove_post *left = atomic_exchange(&hub->mailbox, HUB_CLOSED);
    while (atomic_load(&hub->posters)) /* they may be about to interrupt us */
        sched_yield();
    lose_posts(hub->mail);
    lose_posts(turned(left));
    while (hub->messages) {
        struct hub_message *m = hub->messages;
        hub_message_done(m);
        m->lost(m);
    }
}

/* ---- holds ------------------------------------------------------------------- */

void grove_hub_hold(grove_hub *handle)
{
    ((struct hub *)handle)->holds++;
}

void grove_hub_unhold(grove_hub *handle)
{
    struct hub *hub = (struct hub *)handle;
    if (hub->holds) /* a fork may have let go since */
        hub->holds--;
}
