/*
 * What select.c knows of channels: an attempt to send or receive, under the
 * channel's lock, and what is left to do once it is released.
 */
#ifndef GROVE_SYNC_CHANNEL_H
#define GROVE_SYNC_CHANNEL_H

#include <string.h>

#include "sync/waiter.h"

/* Of an attempt that has succeeded: a value goes straight from one fiber's
 * memory to another's, who is claimed and woken after that. Neither needs the
 * lock, because who is claimed does not go on before it is woken. */
struct handover {
    struct waiter *peer; /* to be woken; NULL: nobody */
    void *to;            /* NULL: nothing is left to be copied */
    const void *from;
};

/* An attempt to send found no buffer, but may have one: channel_grow. */
#define CHANNEL_SMALL (-ENOBUFS)

/* What a waiter's value becomes when the channel is closed under it. */
extern char channel_closed[];

static inline grove_waiters *channel_lock_of(grove_channel *c)
{
    return &c->senders;
}

/* For assertions, as waiters_locked. */
static inline bool channel_locked(const grove_channel *c)
{
    return waiters_locked(&c->senders);
}

static inline void channel_lock(grove_channel *c)
{
    waiters_lock(channel_lock_of(c));
}

static inline void channel_unlock(grove_channel *c)
{
    waiters_unlock(channel_lock_of(c));
}

/* Unlocked, after CHANNEL_SMALL: 0 or -ENOMEM. */
int channel_grow(grove_channel *c);

/* A value's usual size is a pointer's: that is two moves, not a call. */
static inline void channel_copy(void *to, const void *from, size_t size)
{
    if (likely(size == sizeof(void *)))
        memcpy(to, from, sizeof(void *));
    else if (size)
        memcpy(to, from, size);
}

/* The slot of the i-th value, oldest first. */
static inline char *channel_slot(const grove_channel *c, size_t i)
{
    assert(i < c->room && c->first < (c->room ? c->room : 1));
    if (!c->size)
        return NULL;
    size_t at = c->first + i;
    return c->buffer + (at < c->room ? at : at - c->room) * c->size;
}

static inline void channel_append(grove_channel *c, const void *value)
{
    assert(channel_locked(c) && !c->closed);
    assert(c->length < c->room && c->length < c->capacity);
    channel_copy(channel_slot(c, c->length), value, c->size);
    c->length++;
}

static inline void channel_remove_first(grove_channel *c, void *value)
{
    assert(channel_locked(c) && c->length > 0);
    if (value)
        channel_copy(value, channel_slot(c, 0), c->size);
    c->length--;
    if (c->size && ++c->first == c->room)
        c->first = 0;
}

/* Locked. 0, -EPIPE, -EAGAIN (would wait), CHANNEL_SMALL. */
static inline int channel_offer(grove_channel *c, const void *value,
                                struct handover *h)
{
    *h = (struct handover){0};
    assert(channel_locked(c) && c->length <= c->room);
    if (unlikely(c->closed))
        return -EPIPE;
    if (!waiters_empty(&c->receivers)) {
        h->peer = waiters_take(&c->receivers);
        if (likely(h->peer)) {
            h->to = h->peer->value;
            h->from = value;
            return 0;
        }
    }
    if (c->length == c->capacity)
        return -EAGAIN;
    if (unlikely(c->length == c->room))
        return CHANNEL_SMALL;
    channel_append(c, value);
    return 0;
}

/* Locked. 0, -EPIPE, -EAGAIN. */
static inline int channel_take(grove_channel *c, void *value,
                               struct handover *h)
{
    *h = (struct handover){0};
    assert(channel_locked(c) && c->length <= c->room);
    if (c->length) {
        channel_remove_first(c, value);
        /* Who has waited longest to send gets the room at once. */
        if (!waiters_empty(&c->senders) &&
            (h->peer = waiters_take(&c->senders)))
            channel_append(c, h->peer->value);
        return 0;
    }
    if (!waiters_empty(&c->senders)) {
        h->peer = waiters_take(&c->senders);
        if (likely(h->peer)) {
            h->to = value;
            h->from = h->peer->value;
            return 0;
        }
    }
    return c->closed ? -EPIPE : -EAGAIN;
}

/* Unlocked, after channel_offer or channel_take has returned 0. */
static inline void channel_hand_over(const grove_channel *c, struct handover *h)
{
    if (h->to)
        channel_copy(h->to, h->from, c->size);
    if (h->peer)
        waiter_wake(h->peer);
}

#endif
