/*
 * What other threads and signal handlers send to a hub: posts, by the public
 * grove_hub_post, and messages, which are posts that are answered for. Sending
 * is for any thread, the rest for the hub's own.
 */
#ifndef GROVE_HUB_MAILBOX_H
#define GROVE_HUB_MAILBOX_H

#include "hub/hub.h"

/* ---- the mailbox: mailbox.c ---------------------------------------------------- */

/* Whether something is in the mailbox that the hub has not taken yet, or it is
 * closed; any thread. */
GROVE_HOST_API bool hub_has_mail(const struct hub *hub);

/* Whether the hub has ended: nothing can be posted to it; any thread. */
bool hub_is_closed(const struct hub *hub);

/* How many posts have arrived, for people. */
uint64_t hub_posts(const struct hub *hub);

/* Posts of this fn that have come and were not called yet are not called any
 * more: each is free, and take is called with it, which may run whatever it
 * likes. For a host whose thread ends. */
GROVE_HOST_API void hub_take_posts(struct hub *hub,
                                   void (*fn)(grove_post *post),
                                   void (*take)(grove_post *post));

/* ---- messages: message.c ------------------------------------------------------- */

/* Something that another thread wants done on a hub. It is told if the hub ends
 * before it has arrived, or has arrived and is not done yet: either way
 * somebody may be waiting for an answer. It may be sent again once it is done.
 */
struct hub_message {
    grove_post post;                  /* how it travels */
    struct hub_message *next, **back; /* among those that have arrived; back
                                         NULL: not */
    /* Both are called on the hub's thread; in lost it is done already. */
    void (*arrive)(struct hub *hub, struct hub_message *m);
    void (*lost)(struct hub_message *m);
    struct hub *hub; /* it is sent to */
    bool again; /* it has arrived and is to arrive again, some time later */
};

/* Make m one that can be sent. */
void hub_message_init(struct hub_message *m,
                      void (*arrive)(struct hub *hub, struct hub_message *m),
                      void (*lost)(struct hub_message *m));

/* Send m to a hub that the caller knows not to be freed, from any thread. 0, or
 * -ESRCH when it has ended; one that is on its way is not sent again. */
int hub_message_send(struct hub *hub, struct hub_message *m);

/* m, which has arrived, is finished with. */
void hub_message_done(struct hub_message *m);

/* There was no memory for m, which has arrived: it does so again in a few
 * milliseconds. */
void hub_message_again(struct hub_message *m);

#endif
