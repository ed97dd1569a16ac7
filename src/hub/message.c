/*
 * Messages: posts that are answered for. A hub keeps those that have arrived
 * and are not done, so that at its end whoever sent one is told.
 *
 *     init --> sent --> arrived --> done --> (sent again ...)
 *               |          |
 *               +----------+--> lost: the hub has ended, or is the other side
 *                               of a fork
 *
 * One that there was no memory for arrives again. All of those of a hub share a
 * timer, whose room is claimed when the hub is made: for one of their own there
 * might be no memory either.
 */
#include <assert.h>

#include "hub/clock.h"
#include "hub/mailbox.h"
#include "hub/part.h"

/* How long a hub without memory for what a message wants waits before it tries
 * again. */
#define RETRY (10 * GROVE_MILLISECOND)

struct messages {
    struct hub_message *first; /* arrived and not done, newest first */
    struct timer retry;        /* pending: some are to arrive again */
    struct hub *hub;           /* whose they are */
};

static size_t offset;

/* Another thread may send m there once more meanwhile. */
static struct hub *hub_sent_to(struct hub_message *m)
{
    return __atomic_load_n(&m->hub, __ATOMIC_RELAXED);
}

static void arrive(grove_post *post)
{
    struct hub_message *m = container_of(post, struct hub_message, post);
    struct hub *hub = hub_sent_to(m);
    struct messages *all = hub_keeps(hub, offset);
    assert(hub == hub_of_thread && !m->back);
    m->next = all->first;
    m->back = &all->first;
    if (m->next)
        m->next->back = &m->next;
    all->first = m;
    m->arrive(hub, m);
}

void hub_message_init(struct hub_message *m,
                      void (*arrives)(struct hub *hub, struct hub_message *m),
                      void (*lost)(struct hub_message *m))
{
    *m = (struct hub_message){
        .post = {.fn = arrive}, .arrive = arrives, .lost = lost};
}

int hub_message_send(struct hub *hub, struct hub_message *m)
{
    assert(m->post.fn == arrive);
    __atomic_store_n(&m->hub, hub, __ATOMIC_RELAXED);
    int r = grove_hub_post((grove_hub *)hub, &m->post);
    return r < 0 ? r : 0;
}

void hub_message_done(struct hub_message *m)
{
    assert(m->back && *m->back == m);
    *m->back = m->next;
    if (m->next)
        m->next->back = m->back;
    m->back = NULL;
}

void hub_message_again(struct hub_message *m)
{
    struct messages *all = hub_keeps(hub_of_thread, offset);
    assert(m->back && hub_sent_to(m) == hub_of_thread);
    m->again = true;
    if (!timer_pending(&all->retry))
        timer_add(&hub_of_thread->timers, &all->retry, hub_deadline(RETRY));
}

static struct hub_message *first_again(const struct messages *all)
{
    struct hub_message *m = all->first;
    while (m && !m->again)
        m = m->next;
    return m;
}

/* Those that are still without memory leave the rest for the next time. */
static void on_retry(struct timer *timer)
{
    struct messages *all = container_of(timer, struct messages, retry);
    struct hub_message *m;
    while (!timer_pending(timer) && (m = first_again(all))) {
        m->again = false;
        m->arrive(all->hub, m);
    }
}

static int begin(struct hub *hub)
{
    struct messages *all = hub_keeps(hub, offset);
    all->hub = hub;
    all->retry.fn = on_retry;
    return timer_claim(&hub->timers);
}

static void unheard(grove_post *post, bool forked)
{
    (void)forked;
    struct hub_message *m = container_of(post, struct hub_message, post);
    m->lost(m);
}

static void end(struct hub *hub)
{
    struct messages *all = hub_keeps(hub, offset);
    while (all->first) {
        struct hub_message *m = all->first;
        hub_message_done(m);
        m->lost(m);
    }
}

const struct hub_fixture hub_message_fixture = {
    .size = sizeof(struct messages),
    .offset = &offset,
    .begin = begin,
    .end = end,
    .post = arrive,
    .unheard = unheard,
};
