/*
 * Messages: posts that are answered for. A hub keeps those that have arrived
 * and are not done, so that at its end whoever sent one is told.
 *
 *     init --> sent --> arrived --> done --> (sent again ...)
 *               |          |
 *               +----------+--> lost: the hub has ended, or is the other side
 *                               of a fork
 */
#include <assert.h>

#include "hub/mailbox.h"
#include "hub/part.h"

struct messages {
    struct hub_message *first; /* arrived and not done, newest first */
};

static size_t offset;

static void arrive(grove_post *post)
{
    struct hub_message *m = container_of(post, struct hub_message, post);
    struct messages *all = hub_keeps(m->hub, offset);
    assert(m->hub == hub_of_thread && !m->back);
    m->next = all->first;
    m->back = &all->first;
    if (m->next)
        m->next->back = &m->next;
    all->first = m;
    m->arrive(m->hub, m);
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
    .end = end,
    .post = arrive,
    .unheard = unheard,
};
