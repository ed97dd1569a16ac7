/*
 * What other threads and signal handlers may do to a hub: post a callback.
 *
 * The mailbox is a stack that posters push to without locks and the hub empties
 * at once, turning it round. A poster writes to the loop's eventfd only when
 * the hub is about to sleep. Both sides first write what they own (the mailbox;
 * hub->polling) and then read the other's, in sequentially consistent order, so
 * that at least one of them sees the other: no post is slept over.
 */
#include "hub/hub.h"

grove_hub *grove_hub_self(void)
{
    return (grove_hub *)hub_self();
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
