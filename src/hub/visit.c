/*
 * The visitor of all threads that have hubs: of each hub a post, whose function
 * calls it there.
 *
 * No hub is left out: one that is in the ring when all are posted to is told by
 * that, and one that is added to it later finds the visitor there.
 */
#include "hub/visit.h"

#include "hub/list.h"
#include "hub/part.h"

static const struct hub_visitor *_Atomic visitor; /* NULL: there is none */

static size_t offset; /* of a grove_post */

void hub_visit_begin(void)
{
    const struct hub_visitor *v = atomic_load(&visitor);
    if (unlikely(v != NULL))
        v->come();
}

static void on_post(grove_post *post)
{
    (void)post;
    hub_visit_begin();
}

static int begin(struct hub *hub)
{
    grove_post *post = hub_keeps(hub, offset);
    post->fn = on_post;
    return 0;
}

static void end(struct hub *hub)
{
    (void)hub;
    const struct hub_visitor *v = atomic_load(&visitor);
    if (v)
        v->leave();
}

static void ask(struct hub *hub, void *arg)
{
    (void)arg;
    if (hub != hub_of_thread)
        grove_hub_post((grove_hub *)hub, hub_keeps(hub, offset));
}

void hub_visit(const struct hub_visitor *v)
{
    atomic_store(&visitor, v);
    if (hub_of_thread)
        v->come();
    hub_list_each(ask, NULL);
}

const struct hub_fixture hub_visit_fixture = {
    .size = sizeof(grove_post),
    .offset = &offset,
    .begin = begin,
    .end = end,
};
