/*
 * Questions, from a fiber that asks to its answer: see dns_channel.h.
 *
 * A question takes a slot and makes a lookup, which is c-ares's while it is
 * under way. Its slot is given back, or on to who has waited longest, when
 * c-ares is done with it, whether or not anybody still waits for the answer.
 *
 * Invariants:
 *   1. Somebody waits for a slot only while all are taken; one that was granted
 *      has a slot and is out of the queue.
 *   2. A lookup's fiber is NULL from the moment it gives up.
 *
 * All run on the hub's thread; dns_ask parks.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns_channel.h"

/* Lookups under way at once, of two queries each; the others wait. c-ares looks
 * for a free one of 65,536 query numbers by trying, for good if there is none.
 */
#define DNS_MAX 4096

/* What asking costs, in switches of a pass: so many answers are let come in
 * that the socket's buffer does not run over. */
#define DNS_SWITCHES 16

/* A fiber that waits for a slot; on its stack. */
struct slot_wait {
    struct slot_wait *next;    /* came after it */
    struct grove_fiber *fiber; /* to be woken */
    bool granted;              /* it has one, and is out of the queue */
};

/* A question under way, on the heap: c-ares may be slower than its fiber. */
struct dns_lookup {
    struct dns_channel *channel; /* that it was asked on, present or retired */
    struct grove_fiber *fiber;   /* NULL: abandoned */
    bool done;                   /* c-ares will not touch it any more */
    struct dns_answer answer;    /* once it is done */
};

/* ---- slots --------------------------------------------------------------- */

static int wait_for_slot(struct dns *dns, int64_t deadline, const char *what)
{
    struct slot_wait w = {.fiber = dns->hub->current};
    assert(dns->under_way == DNS_MAX && !*dns->last);
    *dns->last = &w;
    dns->last = &w.next;
    int r = hub_wait(dns->hub, GROVE_WAIT_NAME, deadline, what, -1);
    if (w.granted) {
        if (r < 0) /* it is told at the next wait */
            hub_wait_undo(w.fiber, r);
        return 0;
    }
    struct slot_wait **at = &dns->first;
    while (*at != &w)
        at = &(*at)->next;
    *at = w.next;
    if (dns->last == &w.next)
        dns->last = at;
    return r < 0 ? r : -EINTR;
}

static void give_slot(struct dns *dns)
{
    struct slot_wait *w = dns->first;
    assert(dns->under_way > 0 && dns->under_way <= DNS_MAX);
    if (!w) {
        dns->under_way--;
        return;
    }
    dns->first = w->next;
    if (!dns->first)
        dns->last = &dns->first;
    assert(!w->granted && dns->under_way == DNS_MAX);
    w->granted = true;
    hub_wake(w->fiber, 0);
}

static int take_slot(struct dns *dns, int64_t deadline, const char *what)
{
    assert(!dns->first || dns->under_way == DNS_MAX);
    if (dns->under_way >= DNS_MAX)
        return wait_for_slot(dns, deadline, what);
    dns->under_way++;
    return 0;
}

void dns_drop_lost_waits(struct dns *dns)
{
    struct slot_wait **at = &dns->first;
    while (*at) {
        if ((*at)->fiber->state == FIBER_ENDED)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    dns->last = at;
}

/* ---- lookups ------------------------------------------------------------- */

void dns_answer_free(struct dns_answer *answer)
{
    if (answer->info)
        ares_freeaddrinfo(answer->info);
    free(answer->name);
}

static void lookup_free(struct dns_lookup *l)
{
    dns_answer_free(&l->answer);
    free(l);
}

static void lookup_done(struct dns_lookup *l, int status)
{
    struct dns *dns = l->channel->dns;
    struct grove_fiber *f = l->fiber;
    assert(!l->done && l->channel->pending > 0);
    l->done = true;
    l->answer.status = status;
    l->channel->pending--;
    give_slot(dns);
    if (!f || f->state == FIBER_ENDED || dns->ending)
        lookup_free(l);
    else
        hub_wake(f, 0);
}

static void on_addresses(void *arg, int status, int timeouts,
                         struct ares_addrinfo *info)
{
    struct dns_lookup *l = arg;
    l->answer.info = info;
    lookup_done(l, status);
}

static void on_name(void *arg, int status, int timeouts, struct hostent *host)
{
    struct dns_lookup *l = arg;
    if (status == ARES_SUCCESS) {
        l->answer.name = strdup(host->h_name);
        if (!l->answer.name)
            status = ARES_ENOMEM;
    }
    lookup_done(l, status);
}

static void start(struct dns_lookup *l, const struct dns_question *q)
{
    ares_channel ares = l->channel->ares;
    assert(!q->node == !!q->addr);
    if (!q->node) {
        ares_gethostbyaddr(ares, q->addr, q->addrlen, q->family, on_name, l);
        return;
    }
    struct ares_addrinfo_hints hints = {
        .ai_family = q->family,
        .ai_socktype = SOCK_STREAM, /* the caller's are put in later */
        .ai_flags = (q->canonical ? ARES_AI_CANONNAME : 0) |
                    (dns_hosts_from_environment ? ARES_AI_ENVHOSTS : 0)};
    ares_getaddrinfo(ares, q->node, NULL, &hints, on_addresses, l);
}

/* One lookup, with a slot taken: it is given back by lookup_done. */
static int ask_once(struct dns *dns, const struct dns_question *q,
                    int64_t deadline, struct dns_answer *answer)
{
    struct hub *hub = dns->hub;
    assert(dns->under_way > 0 && hub->current != hub->loop_fiber);
    struct dns_channel *ch = dns_channel_now(dns);
    struct dns_lookup *l = ch ? calloc(1, sizeof(*l)) : NULL;
    if (!l) {
        give_slot(dns);
        return -ENOMEM;
    }
    l->channel = ch;
    l->fiber = hub->current;
    ch->pending++;
    start(l, q);
    dns_channel_settle(ch);
    /* It is a piece of work: the loop is to look around sooner. */
    hub_pass_charge(hub, DNS_SWITCHES);
    int r = 0;
    while (!l->done && r == 0)
        r = hub_wait(hub, GROVE_WAIT_NAME, deadline, q->what, -1);
    if (r == 0) {
        hub_pass_charge(hub, DNS_SWITCHES / 2); /* for what is made of it */
        *answer = l->answer;
        free(l);
        return 0;
    }
    l->fiber = NULL;
    if (l->done)
        lookup_free(l);
    return r < 0 ? r : -EINTR;
}

static int ask(struct hub *hub, const struct dns_question *question,
               int64_t deadline, struct dns_answer *answer)
{
    for (;;) {
        struct dns *dns = dns_of(hub);
        if (!dns)
            return -errno;
        int r = take_slot(dns, deadline, question->what);
        if (r == 0)
            r = ask_once(dns, question, deadline, answer);
        if (r < 0 || answer->status != ARES_EDESTRUCTION)
            return r;
    }
}

int dns_ask(struct hub *hub, const struct dns_question *question,
            int64_t deadline, struct dns_answer *answer)
{
    int64_t began = dns_asked(hub);
    int r = ask(hub, question, deadline, answer);
    bool late = r == 0 && answer->status == ARES_ETIMEOUT;
    dns_told(hub, began, late ? -ETIMEDOUT : r < 0 ? r : answer->status);
    return r;
}

size_t dns_under_way(struct hub *hub)
{
    const struct dns *dns = dns_find(hub);
    return dns ? dns->under_way : 0;
}

/* ---- errors -------------------------------------------------------------- */

int dns_error(int status)
{
    switch (status) {
    case ARES_ENODATA:
        return EAI_NODATA;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
    case ARES_ENONAME:
        return EAI_NONAME;
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
    case ARES_ECONNREFUSED:
    case ARES_ETIMEOUT:
        return EAI_AGAIN;
    case ARES_ENOMEM:
    case ARES_ECANCELLED: /* by us, for want of memory */
        return EAI_MEMORY;
    default: /* answers that make no sense */
        return EAI_FAIL;
    }
}
