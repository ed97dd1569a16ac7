/*
 * The mailbox: what other threads and signal handlers may do to a hub is to
 * post a callback.
 *
 *     posters                                      the hub's thread
 *     post --> newest -> ... -> oldest  --look-->  due: oldest ... newest
 *              (a stack, pushed to without locks)  (called in the next pass)
 *
 * The stack is emptied at once and turned round. A poster writes to the loop's
 * eventfd only when the hub is about to sleep. Both sides first write what they
 * own (the stack; hub->polling) and then read the other's, in sequentially
 * consistent order, so that at least one of them sees the other: no post is
 * slept over.
 *
 * A hub's memory outlives its thread as long as there are references to it. At
 * its end the mailbox is closed: posts fail from then on. What it still held is
 * not called, but the fixtures whose posts they are get to know.
 */
#include "hub/mailbox.h"

#include <assert.h>
#include <sched.h>

#include "hub/layout.h"
#include "hub/part.h"

struct mailbox {
    _Atomic(grove_post *) posts; /* newest first; CLOSED: the hub has ended */
    grove_post *due;             /* taken from it, oldest first */
    struct run run;              /* queued while any is due */
    uint64_t called;             /* for people */
};

static size_t offset;
static char closed;
#define CLOSED ((grove_post *)&closed)

const struct hub_layout_mailbox hub_layout_mailbox = {
    .offset = &offset,
    .called = offsetof(struct mailbox, called),
};

static struct mailbox *mailbox_of(const struct hub *hub)
{
    return hub_keeps(hub, offset);
}

bool hub_has_mail(const struct hub *hub)
{
    return atomic_load(&mailbox_of(hub)->posts) != NULL;
}

bool hub_is_closed(const struct hub *hub)
{
    return atomic_load(&mailbox_of(hub)->posts) == CLOSED;
}

uint64_t hub_posts(const struct hub *hub)
{
    return mailbox_of(hub)->called;
}

/* ---- posting ------------------------------------------------------------------ */

/* It is the owner's again. */
static void let_go(grove_post *post)
{
    assert(__atomic_load_n(&post->posted, __ATOMIC_RELAXED) == 1);
    __atomic_store_n(&post->posted, 0, __ATOMIC_SEQ_CST);
}

/* The hub does not end before hub->posters is 0 again: whoever is woken may end
 * its thread before we come to interrupt its loop. */
int grove_hub_post(grove_hub *handle, grove_post *post)
{
    struct hub *hub = (struct hub *)handle;
    struct mailbox *box = mailbox_of(hub);
    if (__atomic_exchange_n(&post->posted, 1, __ATOMIC_SEQ_CST))
        return 0;
    atomic_fetch_add(&hub->posters, 1);
    grove_post *head = atomic_load(&box->posts);
    do {
        if (unlikely(head == CLOSED || hub->dead)) {
            let_go(post);
            atomic_fetch_sub(&hub->posters, 1);
            return -ESRCH;
        }
        post->next = head;
    } while (!atomic_compare_exchange_weak(&box->posts, &head, post));
    if (!head && atomic_load(&hub->polling))
        loop_interrupt(&hub->loop);
    atomic_fetch_sub(&hub->posters, 1);
    return 1;
}

/* ---- the hub's side ------------------------------------------------------------ */

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
    struct mailbox *box = container_of(run, struct mailbox, run);
    while (box->due) {
        grove_post *post = box->due;
        box->due = post->next;
        void (*fn)(grove_post *) = post->fn;
        let_go(post);
        box->called++;
        fn(post);
    }
}

static bool look(struct hub *hub)
{
    struct mailbox *box = mailbox_of(hub);
    assert(hub == hub_of_thread);
    if (!atomic_load(&box->posts))
        return false;
    grove_post *first = turned(atomic_exchange(&box->posts, NULL));
    grove_post **last = &box->due;
    while (*last)
        last = &(*last)->next;
    *last = first;
    if (!run_queued(&box->run))
        hub_queue(hub, &box->run);
    return true;
}

void hub_take_posts(struct hub *hub, void (*fn)(grove_post *post),
                    void (*take)(grove_post *post))
{
    struct mailbox *box = mailbox_of(hub);
    look(hub);
    grove_post **at = &box->due;
    while (*at) {
        grove_post *post = *at;
        if (post->fn != fn) {
            at = &post->next;
            continue;
        }
        *at = post->next;
        let_go(post);
        take(post);
        at = &box->due; /* that may have run code */
    }
}

/* ---- its beginning and end ------------------------------------------------------ */

static int begin(struct hub *hub)
{
    assert(!hub->look);
    hub->look = look;
    mailbox_of(hub)->run.call = call_posts;
    return 0;
}

/* It is not called; whose it is gets to know, and may free it. */
static void give_up(const struct hub *hub, grove_post *post, bool forked)
{
    void (*fn)(grove_post *) = post->fn;
    let_go(post);
    for (size_t i = 0; hub->fixtures[i]; i++) {
        if (hub->fixtures[i]->unheard && hub->fixtures[i]->post == fn)
            hub->fixtures[i]->unheard(post, forked);
    }
}

static void give_up_all(const struct hub *hub, grove_post *post, bool forked)
{
    while (post) {
        grove_post *next = post->next;
        give_up(hub, post, forked);
        post = next;
    }
}

static void end(struct hub *hub)
{
    struct mailbox *box = mailbox_of(hub);
    grove_post *left = atomic_exchange(&box->posts, CLOSED);
    assert(left != CLOSED);
    while (atomic_load(&hub->posters)) /* they may be about to interrupt us */
        sched_yield();
    give_up_all(hub, box->due, false);
    give_up_all(hub, turned(left), false);
}

/* Posts come from other threads, which the child does not have. */
static void forked(struct hub *hub)
{
    struct mailbox *box = mailbox_of(hub);
    atomic_store(&hub->posters, 0);
    /* Both are taken first: who is told of one may post. */
    grove_post *due = box->due, *newer = atomic_exchange(&box->posts, NULL);
    box->due = NULL;
    give_up_all(hub, due, true);
    give_up_all(hub, newer, true);
}

const struct hub_fixture hub_mailbox_fixture = {
    .size = sizeof(struct mailbox),
    .offset = &offset,
    .begin = begin,
    .end = end,
    .forked = forked,
};
