/*
 * Channels: queues of values between fibers. Part of grove.h.
 */
#ifndef GROVE_CHANNEL_H
#define GROVE_CHANNEL_H

#include <grove/base.h>
#include <grove/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Values of one size, first in, first out, from any fiber or thread to any
 * other. Its members are the library's own. */
typedef struct grove_channel {
    grove_waiters senders; /* its lock is the whole channel's */
    grove_waiters receivers;
    size_t size;         /* bytes of a value */
    size_t capacity;     /* values it holds at most */
    size_t room;         /* values that the buffer holds at most, by now */
    size_t first;        /* where in the buffer the oldest is */
    size_t length;       /* values in the buffer */
    char *buffer;        /* a ring */
    unsigned references; /* 0: in place */
    bool closed;
} grove_channel;

/* A capacity: sends never wait. */
#define GROVE_UNBOUNDED SIZE_MAX

/* In place, of values of `size` bytes, over a buffer for `capacity` of them. */
#define GROVE_CHANNEL_INIT(size, buffer, capacity) \
    { \
        GROVE_WAITERS_INIT, GROVE_WAITERS_INIT, size, capacity, capacity, 0, \
            0, (char *)(buffer), 0, false \
    }

/* Make a channel of values of size bytes (may be 0) that holds up to capacity
 * of them: 0 is none (a send waits for its receiver), GROVE_UNBOUNDED as many
 * as memory has. It has one reference. 0, or -ENOMEM. */
GROVE_API int grove_channel_create(grove_channel **out, size_t size,
                                   size_t capacity);
/* Take another reference; give one back. With the last one the channel and what
 * it still holds are gone. Only for one from grove_channel_create. */
GROVE_API grove_channel *grove_channel_retain(grove_channel *c);
GROVE_API void grove_channel_release(grove_channel *c);

/* Make one in place, over the caller's buffer of capacity values (NULL when
 * that is no bytes). 0, or -EINVAL: GROVE_UNBOUNDED, or no buffer. */
GROVE_API int grove_channel_init(grove_channel *c, size_t size, void *buffer,
                                 size_t capacity);

/* Send the value that value points to (NULL for size 0), after waiting for
 * room, or for a receiver. 0; -EPIPE when the channel is closed, or was while
 * it waited; -ENOMEM (unbounded), -EINVAL (no value); -ECANCELED, -ETIMEDOUT,
 * -EDEADLK. After an error nothing was sent. */
GROVE_API int grove_channel_send(grove_channel *c, const void *value);
GROVE_API int grove_channel_send_until(grove_channel *c, const void *value,
                                       int64_t deadline);
/* The same without waiting: -EAGAIN when it would have to. */
GROVE_API int grove_channel_trysend(grove_channel *c, const void *value);

/* Receive the oldest value into *value (NULL: drop it), after waiting for one.
 * 0; -EPIPE when the channel is closed and holds no more; -ECANCELED,
 * -ETIMEDOUT, -EDEADLK. After an error nothing was received. */
GROVE_API int grove_channel_recv(grove_channel *c, void *value);
GROVE_API int grove_channel_recv_until(grove_channel *c, void *value,
                                       int64_t deadline);
/* The same without waiting: -EAGAIN when it would have to. */
GROVE_API int grove_channel_tryrecv(grove_channel *c, void *value);

/* No more sends: whoever waits to send gets -EPIPE; receivers get what it still
 * holds first. Closing a closed one does nothing. */
GROVE_API void grove_channel_close(grove_channel *c);
GROVE_API bool grove_channel_is_closed(const grove_channel *c);

/* How many values it holds; those of waiting senders do not count. */
GROVE_API size_t grove_channel_length(const grove_channel *c);

#ifdef __cplusplus
}
#endif
#endif
