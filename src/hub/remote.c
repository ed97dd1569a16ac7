/*
 * Fibers on other hubs: spawning them, and waiting for what one returns.
 *
 * Nothing is shared but messages, so that no lock is needed. A call is a piece
 * of memory that both sides refer to:
 *
 *     caller's hub                            the other
 *        request ------------------------------> spawns the fiber
 *        kill (deadline or kill of the caller) -> kills it, until it has ended
 *        done <---------------------------------- reply, when it has ended
 *
 * The caller does not go on before the fiber has ended, so that what the
 * argument points to may be on its stack. A hub that ends answers the calls it
 * has not finished by -ESRCH.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "fiber/tls_block.h"
#include "hub/hub.h"
#include "hub/links.h"
#include "hub/mailbox.h"
#include "hub/wait.h"

/* ---- spawn -------------------------------------------------------------------- */

struct remote_spawn {
    struct hub_message message; /* done once the fiber is there */
    void *(*fn)(void *);        /* what is to be spawned */
    void *arg;
    grove_attr attr; /* checked */
    char name[FIBER_NAME_SIZE];
};

/* The hub has ended. In a forked child it has not: there what the argument
 * holds is the parent's business. */
static void spawn_lost(struct hub_message *m)
{
    struct remote_spawn *s = container_of(m, struct remote_spawn, message);
    if (s->attr.drop && hub_is_closed(m->hub))
        s->attr.drop(s->arg);
    free(s);
}

/* On the hub. The one who asked for it cannot be told any more that there is no
 * memory, so it stays asked for. */
static void spawn_arrives(struct hub *hub, struct hub_message *m)
{
    (void)hub;
    struct remote_spawn *s = container_of(m, struct remote_spawn, message);
    if (grove_spawn_with(NULL, &s->attr, s->fn, s->arg) < 0) {
        hub_message_again(m);
        return;
    }
    hub_message_done(m);
    free(s);
}

int grove_hub_spawn_with(grove_hub *hub, const grove_attr *attr,
                         void *(*fn)(void *), void *arg)
{
    if (!fn)
        return -EINVAL;
    struct remote_spawn *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    if (attr && hub_take_attr(&s->attr, attr) < 0) {
        free(s);
        return -EINVAL;
    }
    if (s->attr.own_tls && tls_block_refused()) {
        free(s);
        return -ENOTSUP;
    }
    if (s->attr.name) {
        snprintf(s->name, sizeof(s->name), "%s", s->attr.name);
        s->attr.name = s->name;
    }
    hub_message_init(&s->message, spawn_arrives, spawn_lost);
    s->fn = fn;
    s->arg = arg;
    int r = hub_message_send((struct hub *)hub, &s->message);
    if (r < 0)
        free(s);
    return r;
}

int grove_hub_spawn(grove_hub *hub, void *(*fn)(void *), void *arg)
{
    return grove_hub_spawn_with(hub, NULL, fn, arg);
}

/* ---- call ---------------------------------------------------------------------- */

struct call {
    struct hub_message request, kill, reply; /* see above */
    _Atomic unsigned references; /* the caller's, and of messages under way */
    void *(*fn)(void *);         /* what is called there */
    void *arg;
    struct grove_fiber *fiber;  /* on the other hub, its own; NULL: not there */
    grove_link link;            /* to its end */
    struct kill_again killer;   /* the other hub's: from the kill to its end */
    struct hub *caller;         /* a reference: replies go there */
    struct grove_fiber *waiter; /* of the caller's */
    void *value; /* these are the caller's once `done`, which is set there */
    int result;
    bool done;
};

static void call_unref(struct call *c)
{
    unsigned before = atomic_fetch_sub(&c->references, 1);
    assert(before > 0);
    if (before != 1)
        return;
    hub_unref(c->caller);
    free(c);
}

/* The caller's thread has ended, and with it who waits: both references go. */
static void forsake(struct call *c)
{
    call_unref(c);
    call_unref(c);
}

/* On the other hub: it is over. The request's reference goes with the reply. */
static void answer(struct call *c, int result)
{
    c->result = result;
    if (hub_message_send(c->caller, &c->reply) < 0)
        forsake(c);
}

static void fiber_ended(grove_fiber *f, void *arg)
{
    struct call *c = arg;
    assert(f == c->fiber && f->state == FIBER_ENDED);
    int r = grove_result(f, &c->value);
    hub_kill_again_close(f->hub, &c->killer);
    c->fiber = NULL;
    grove_release(f);
    hub_message_done(&c->request);
    answer(c, r);
}

static void request_arrives(struct hub *hub, struct hub_message *m)
{
    struct call *c = container_of(m, struct call, request);
    int r = hub_kill_again_open(hub);
    if (r == 0 && (r = grove_spawn(&c->fiber, c->fn, c->arg)) < 0)
        hub_kill_again_close(hub, &c->killer);
    if (r < 0) {
        hub_message_done(m);
        answer(c, r);
        return;
    }
    c->link.fn = fiber_ended;
    c->link.arg = c;
    links_append(&c->fiber->links, &c->link);
}

static void request_lost(struct hub_message *m)
{
    struct call *c = container_of(m, struct call, request);
    if (c->fiber)
        hub_kill_again_close(m->hub, &c->killer);
    answer(c, -ESRCH);
}

static void kill_callee(struct kill_again *k)
{
    grove_kill(container_of(k, struct call, killer)->fiber);
}

static void kill_arrives(struct hub *hub, struct hub_message *m)
{
    struct call *c = container_of(m, struct call, kill);
    hub_message_done(m);
    if (c->fiber)
        hub_kill_again_start(hub, &c->killer, kill_callee);
    call_unref(c);
}

static void kill_lost(struct hub_message *m)
{
    call_unref(container_of(m, struct call, kill));
}

static void reply_is_there(struct call *c)
{
    assert(!c->done && c->caller == hub_of_thread);
    c->done = true;
    hub_wake(c->waiter, 0);
    call_unref(c);
}

static void reply_arrives(struct hub *hub, struct hub_message *m)
{
    (void)hub;
    hub_message_done(m);
    reply_is_there(container_of(m, struct call, reply));
}

/* In a forked child it has come through all the same. */
static void reply_lost(struct hub_message *m)
{
    struct call *c = container_of(m, struct call, reply);
    if (hub_is_closed(c->caller))
        forsake(c);
    else
        reply_is_there(c);
}

static struct call *new_call(struct hub *self, void *(*fn)(void *), void *arg)
{
    struct call *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    hub_message_init(&c->request, request_arrives, request_lost);
    hub_message_init(&c->kill, kill_arrives, kill_lost);
    hub_message_init(&c->reply, reply_arrives, reply_lost);
    atomic_store(&c->references, 2);
    c->fn = fn;
    c->arg = arg;
    grove_hub_retain((grove_hub *)self);
    c->caller = self;
    c->waiter = self->current;
    return c;
}

/* The caller's wait was ended by r: the fiber is killed, and its end waited
 * for, whatever comes. */
static void end_call(struct call *c, struct hub *hub)
{
    atomic_fetch_add(&c->references, 1);
    if (hub_message_send(hub, &c->kill) < 0) {
        call_unref(c);
        if (hub->dead) /* in a forked child: no reply will ever come */
            return;
    }
    c->caller->holds++;
    while (!c->done)
        hub_park(c->caller);
    if (c->caller->holds) /* a fork may have let go since */
        c->caller->holds--;
}

static int await_reply(struct call *c, struct hub *hub, int64_t deadline)
{
    struct hub *self = c->caller;
    bool elsewhere = hub != self;
    int r = 0;
    self->holds += elsewhere;
    while (!c->done && r >= 0)
        r = hub_wait(self, GROVE_WAIT_OTHER, deadline, "hub call", -1);
    if (elsewhere && self->holds) /* a fork may have let go since */
        self->holds--;
    if (r >= 0)
        return c->result;
    if (c->done) {
        hub_wait_undo(self->current, r);
        return c->result;
    }
    end_call(c, hub);
    return r;
}

int grove_hub_call_until(grove_hub *handle, void *(*fn)(void *), void *arg,
                         void **value, int64_t deadline)
{
    struct hub *hub = (struct hub *)handle;
    if (value)
        *value = NULL;
    if (!fn)
        return -EINVAL;
    struct hub *self = hub_self();
    if (!self)
        return -errno;
    struct call *c = new_call(self, fn, arg);
    if (!c)
        return -ENOMEM;
    int r = hub_message_send(hub, &c->request);
    if (r < 0)
        call_unref(c); /* the request's */
    else
        r = await_reply(c, hub, deadline);
    if (value && c->done)
        *value = c->value;
    call_unref(c);
    return r;
}

int grove_hub_call(grove_hub *hub, void *(*fn)(void *), void *arg, void **value)
{
    return grove_hub_call_until(hub, fn, arg, value, GROVE_NEVER);
}
