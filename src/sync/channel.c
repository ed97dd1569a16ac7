/*
 * Channels. Everything but the values' way from fiber to fiber happens under
 * one lock, that of the senders' queue; any thread may call these.
 *
 *     senders        ring of `room` slots, `length` in use        receivers
 *     o - o - o  -->  [ ][first . . .][ ]                     -->
 *
 * Invariants, of waiters that nobody has claimed yet:
 *   1. A receiver waits only while the ring is empty, a sender only while it
 *      holds `capacity` values: so a sender finds a receiver or room, or waits,
 *      and what is received is always the oldest.
 *   2. Nobody waits in a closed channel.
 *   3. `room` is `capacity`, except that an unbounded channel's ring grows as
 *      it is needed, by a buffer that is allocated without the lock.
 */
#include "sync/channel.h"

#include <assert.h>
#include <stdlib.h>

/* Bytes of an unbounded channel's first buffer, if that is a value or more. */
#define FIRST_BUFFER 256

char channel_closed[1];

/* ---- life ------------------------------------------------------------------ */

static void init(grove_channel *c, size_t size, void *buffer, size_t capacity)
{
    *c = (grove_channel)GROVE_CHANNEL_INIT(size, buffer, capacity);
}

int grove_channel_init(grove_channel *c, size_t size, void *buffer,
                       size_t capacity)
{
    if (capacity == GROVE_UNBOUNDED || (!buffer && size && capacity))
        return -EINVAL;
    init(c, size, buffer, capacity);
    return 0;
}

int grove_channel_create(grove_channel **out, size_t size, size_t capacity)
{
    size_t bytes = 0;
    bool grows = capacity == GROVE_UNBOUNDED && size;
    if (!grows && __builtin_mul_overflow(size, capacity, &bytes))
        return -ENOMEM;
    grove_channel *c = malloc(sizeof(*c));
    if (!c)
        return -ENOMEM;
    char *buffer = bytes ? malloc(bytes) : NULL;
    if (bytes && !buffer) {
        free(c);
        return -ENOMEM;
    }
    init(c, size, buffer, capacity);
    if (grows)
        c->room = 0;
    c->references = 1;
    *out = c;
    return 0;
}

grove_channel *grove_channel_retain(grove_channel *c)
{
    assert(c->references && "only a channel from grove_channel_create");
    __atomic_fetch_add(&c->references, 1, __ATOMIC_RELAXED);
    return c;
}

void grove_channel_release(grove_channel *c)
{
    if (!c)
        return;
    assert(c->references && "only a channel from grove_channel_create");
    if (__atomic_sub_fetch(&c->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    assert(waiters_empty(&c->senders) && waiters_empty(&c->receivers));
    free(c->buffer);
    free(c);
}

/* ---- growing ---------------------------------------------------------------- */

/* The ring moves to a buffer of `room` slots; the old one. Locked. */
static char *move_ring(grove_channel *c, char *buffer, size_t room)
{
    char *old = c->buffer;
    assert(channel_locked(c) && room > c->room && c->length <= c->room);
    assert(c->capacity == GROVE_UNBOUNDED && c->size);
    size_t until_end = c->room - c->first;
    size_t head = c->length < until_end ? c->length : until_end;
    if (head)
        memcpy(buffer, old + c->first * c->size, head * c->size);
    if (c->length > head)
        memcpy(buffer + head * c->size, old, (c->length - head) * c->size);
    c->buffer = buffer;
    c->room = room;
    c->first = 0;
    return old;
}

int channel_grow(grove_channel *c)
{
    channel_lock(c);
    size_t seen = c->room;
    channel_unlock(c);
    size_t few = FIRST_BUFFER / c->size;
    size_t room = few ? few : 1, bytes;
    if (seen && __builtin_mul_overflow(seen, (size_t)2, &room))
        return -ENOMEM;
    if (__builtin_mul_overflow(room, c->size, &bytes))
        return -ENOMEM;
    char *buffer = malloc(bytes);
    if (!buffer)
        return -ENOMEM;
    channel_lock(c);
    if (c->room == seen) /* nobody else was faster */
        buffer = move_ring(c, buffer, room);
    channel_unlock(c);
    free(buffer);
    return 0;
}

/* ---- waiting -------------------------------------------------------------------- */

/* A send or recv that waits, on its fiber's stack. */
struct channel_wait {
    struct waiter waiter; /* in queue; its value: what is sent, or where to */
    struct shared_wait wait; /* of this fiber */
    grove_channel *channel;  /* whose lock is both queues' */
    grove_waiters *queue;    /* the channel's senders or receivers */
};

static void leave(struct channel_wait *w)
{
    channel_lock(w->channel);
    if (w->waiter.queued)
        waiters_remove(w->queue, &w->waiter);
    channel_unlock(w->channel);
}

static void abandon(struct shared_wait *wait)
{
    leave(container_of(wait, struct channel_wait, wait));
}

/* Waits in queue, with the channel locked, which it unlocks: until a value was
 * exchanged with *value. Called last, so that it returns to the user: after a
 * switch every return is mispredicted that two fibers make to different
 * places. */
static __attribute__((noinline)) int
wait_unlocking(struct hub *hub, grove_channel *c, grove_waiters *queue,
               void *value, int64_t deadline, const char *what)
{
    struct channel_wait w;
    assert(channel_locked(c) && !c->closed);
    assert(queue == &c->senders ? c->length == c->capacity : !c->length);
    shared_wait_init(&w.wait, hub, abandon);
    w.waiter.wait = &w.wait;
    w.waiter.value = value;
    w.channel = c;
    w.queue = queue;
    waiters_push(queue, &w.waiter);
    channel_unlock(c);
    int r = hub_wait_shared(hub, GROVE_WAIT_SYNC, &w.wait, deadline, what);
    if (unlikely(r < 0))
        leave(&w);
    else if (unlikely(w.waiter.value == channel_closed))
        r = -EPIPE;
    return r;
}

/* Sends; waits only if hub, the thread's, is given. */
static inline int send_value(grove_channel *c, const void *value,
                             struct hub *hub, int64_t deadline)
{
    if (unlikely(!value && c->size))
        return -EINVAL;
    for (;;) {
        struct handover h;
        channel_lock(c);
        int r = channel_offer(c, value, &h);
        if (r == -EAGAIN && hub)
            return wait_unlocking(hub, c, &c->senders, (void *)value, deadline,
                                  "channel send");
        channel_unlock(c);
        if (likely(r == 0))
            channel_hand_over(c, &h);
        if (likely(r != CHANNEL_SMALL))
            return r;
        r = channel_grow(c);
        if (r < 0)
            return r;
    }
}

static inline int recv_value(grove_channel *c, void *value, struct hub *hub,
                             int64_t deadline)
{
    struct handover h;
    channel_lock(c);
    int r = channel_take(c, value, &h);
    if (r == -EAGAIN && hub)
        return wait_unlocking(hub, c, &c->receivers, value, deadline,
                              "channel recv");
    channel_unlock(c);
    if (likely(r == 0))
        channel_hand_over(c, &h);
    return r;
}

/* A thread becomes a hub only when it has to wait. */
static __attribute__((noinline)) int
send_without_hub(grove_channel *c, const void *value, int64_t deadline)
{
    int r = send_value(c, value, NULL, 0);
    if (r != -EAGAIN)
        return r;
    struct hub *hub = hub_create();
    return hub ? send_value(c, value, hub, deadline) : -errno;
}

static __attribute__((noinline)) int
recv_without_hub(grove_channel *c, void *value, int64_t deadline)
{
    int r = recv_value(c, value, NULL, 0);
    if (r != -EAGAIN)
        return r;
    struct hub *hub = hub_create();
    return hub ? recv_value(c, value, hub, deadline) : -errno;
}

/* The turn comes after the exchange, so that nobody overtakes; a kill meanwhile
 * does not undo it. Who has to wait gives it by that. Apart, so that the usual
 * way saves no registers for it. */
static __attribute__((noinline)) int send_and_turn(grove_channel *c,
                                                   const void *value,
                                                   struct hub *hub,
                                                   int64_t deadline)
{
    int r = send_value(c, value, NULL, 0);
    hub_turn_slow(hub, r != -EAGAIN);
    return r == -EAGAIN ? send_value(c, value, hub, deadline) : r;
}

static __attribute__((noinline)) int
recv_and_turn(grove_channel *c, void *value, struct hub *hub, int64_t deadline)
{
    int r = recv_value(c, value, NULL, 0);
    hub_turn_slow(hub, r != -EAGAIN);
    return r == -EAGAIN ? recv_value(c, value, hub, deadline) : r;
}

int grove_channel_send_until(grove_channel *c, const void *value,
                             int64_t deadline)
{
    struct hub *hub = hub_of_thread;
    if (likely(hub) && unlikely(hub_turn_due(hub)))
        return send_and_turn(c, value, hub, deadline);
    return likely(hub) ? send_value(c, value, hub, deadline)
                       : send_without_hub(c, value, deadline);
}

int grove_channel_recv_until(grove_channel *c, void *value, int64_t deadline)
{
    struct hub *hub = hub_of_thread;
    if (likely(hub) && unlikely(hub_turn_due(hub)))
        return recv_and_turn(c, value, hub, deadline);
    return likely(hub) ? recv_value(c, value, hub, deadline)
                       : recv_without_hub(c, value, deadline);
}

int grove_channel_send(grove_channel *c, const void *value)
{
    return grove_channel_send_until(c, value, GROVE_NEVER);
}

int grove_channel_recv(grove_channel *c, void *value)
{
    return grove_channel_recv_until(c, value, GROVE_NEVER);
}

int grove_channel_trysend(grove_channel *c, const void *value)
{
    return send_value(c, value, NULL, 0);
}

int grove_channel_tryrecv(grove_channel *c, void *value)
{
    return recv_value(c, value, NULL, 0);
}

/* ---- closing -------------------------------------------------------------------- */

static struct waiter *take_closed(grove_waiters *q)
{
    struct waiter *first = waiters_take_all(q);
    for (struct waiter *w = first; w; w = w->next)
        w->value = channel_closed;
    return first;
}

void grove_channel_close(grove_channel *c)
{
    channel_lock(c);
    c->closed = true;
    struct waiter *senders = take_closed(&c->senders);
    struct waiter *receivers = take_closed(&c->receivers);
    assert(waiters_empty(&c->senders) && waiters_empty(&c->receivers));
    channel_unlock(c);
    waiters_wake(senders);
    waiters_wake(receivers);
}

bool grove_channel_is_closed(const grove_channel *c)
{
    channel_lock((grove_channel *)c);
    bool closed = c->closed;
    channel_unlock((grove_channel *)c);
    return closed;
}

size_t grove_channel_length(const grove_channel *c)
{
    channel_lock((grove_channel *)c);
    size_t length = c->length;
    channel_unlock((grove_channel *)c);
    return length;
}
