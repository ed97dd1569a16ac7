/*
 * c-ares's channels, and what a hub keeps of them: see dns_channel.h.
 *
 * A hub has one channel at a time, made on first use. One that is out of date
 * (resolv.conf has changed) is retired: it stays until its last question is
 * answered.
 *
 *     made --> present --out of date--> retired --last answer--> freed
 *                 |                        ^
 *                 +-- the hub ends, forks -+--------------------> freed
 *
 * A hub timer stands for c-ares's timeouts. It is never later than the first
 * timeout of a question asked now, so asking need not find out the earliest of
 * all, which takes c-ares time in proportion to their number.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>

#include "net/dns_channel.h"

/* ---- the timer ----------------------------------------------------------- */

static void arm(struct dns_channel *ch, int64_t deadline)
{
    struct timer_heap *timers = &ch->dns->hub->timers;
    assert(ch->pending > 0);
    if (timer_pending(&ch->timer)) {
        if (ch->timer.deadline <= deadline)
            return;
        timer_remove(timers, &ch->timer);
    }
    timer_add(timers, &ch->timer, deadline);
}

static void on_timer(struct timer *timer)
{
    struct dns_channel *ch = container_of(timer, struct dns_channel, timer);
    ares_process_fd(ch->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    struct timeval left;
    if (ch->pending && ares_timeout(ch->ares, NULL, &left)) {
        int64_t ns =
            left.tv_sec * GROVE_SECOND + left.tv_usec * GROVE_MICROSECOND;
        /* Its clock is one of milliseconds at times: not just too early. */
        arm(ch, hub_deadline(ns + GROVE_MILLISECOND));
    }
    dns_channel_settle(ch);
}

/* ---- channels ------------------------------------------------------------ */

static void channel_free(struct dns_channel *ch)
{
    struct dns_channel **at = &ch->dns->channels;
    assert(ch->pending == 0 || ch->dns->ending || !ch->dns->current);
    while (*at != ch)
        at = &(*at)->next; /* it is there: all channels are */
    *at = ch->next;
    ares_destroy(ch->ares);
    assert(ch->pending == 0 && !ch->sockets);
    timer_remove(&ch->dns->hub->timers, &ch->timer);
    timer_unclaim(&ch->dns->hub->timers);
    free(ch);
}

void dns_channel_settle(struct dns_channel *ch)
{
    assert(ch->dns->hub == hub_of_thread && !ch->dns->ending);
    if (ch->failed) {
        ch->failed = false;
        ares_cancel(ch->ares);
    }
    if (ch->pending) {
        arm(ch, hub_deadline(ch->timeout));
        return;
    }
    timer_remove(&ch->dns->hub->timers, &ch->timer);
    if (ch != ch->dns->channels || !ch->dns->current)
        channel_free(ch);
}

/* As resolv.conf says, or with the servers given. 0 or -ENOMEM. */
static int channel_init(struct dns_channel *ch, const struct dns_config *config)
{
    struct ares_options options = {
        .flags = (config->edns ? ARES_FLAG_EDNS : 0) |
                 (config->use_tcp ? ARES_FLAG_USEVC : 0),
        .timeout = config->timeout,
        .tries = config->tries,
        .lookups = (char *)config->lookups,
        .sock_state_cb = dns_on_socket_state,
        .sock_state_cb_data = ch,
        .resolvconf_path = (char *)dns_paths[DNS_RESOLV]};
    int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
#ifdef ARES_OPT_QUERY_CACHE
    /* Since 1.31 it keeps answers; libc does not, nor did it before. */
    options.qcache_max_ttl = 0;
    given |= ARES_OPT_QUERY_CACHE;
#endif
    int r = ares_init_options(&ch->ares, &options, given);
    if (r != ARES_SUCCESS)
        return -ENOMEM;
    r = dns_set_socket_functions(ch);
    if (r == ARES_SUCCESS && config->servers)
        r = ares_set_servers_ports_csv(ch->ares, config->servers);
    if (r != ARES_SUCCESS) {
        ares_destroy(ch->ares);
        return -ENOMEM;
    }
    return 0;
}

struct dns_channel *dns_channel_now(struct dns *dns)
{
    assert(!dns->ending && (!dns->current || dns->channels));
    if (dns->current)
        return dns->channels;
    struct dns_channel *ch = calloc(1, sizeof(*ch));
    if (!ch)
        return NULL;
    ch->dns = dns;
    ch->timer.fn = on_timer;
    ch->timeout = dns->config.timeout * GROVE_MILLISECOND;
    if (timer_claim(&dns->hub->timers) < 0)
        goto fail_timer;
    if (channel_init(ch, &dns->config) < 0)
        goto fail_channel;
    ch->next = dns->channels;
    dns->channels = ch;
    dns->current = true;
    return ch;

fail_channel:
    timer_unclaim(&dns->hub->timers);
fail_timer:
    free(ch);
    return NULL;
}

/* The first of them will not be asked again. */
static void retire(struct dns *dns)
{
    if (!dns->current)
        return;
    dns->current = false;
    if (dns->channels->pending == 0)
        channel_free(dns->channels);
}

/* ---- a hub's ------------------------------------------------------------- */

static void end(struct hub_part *part)
{
    struct dns *dns = container_of(part, struct dns, part);
    dns->ending = true;
    while (dns->channels)
        channel_free(dns->channels);
    free(dns);
}

/* The sockets are the parent's: those who wait here ask anew. */
static void forked(struct hub_part *part)
{
    struct dns *dns = container_of(part, struct dns, part);
    dns_drop_lost_waits(dns);
    dns->current = false;
    while (dns->channels)
        channel_free(dns->channels);
}

struct dns *dns_find(const struct hub *hub)
{
    struct hub_part *part = hub_part_find(hub, end);
    return part ? container_of(part, struct dns, part) : NULL;
}

static struct dns *dns_create(struct hub *hub)
{
    assert(!dns_find(hub));
    int r = dns_config_init();
    struct dns *dns = r < 0 ? NULL : calloc(1, sizeof(*dns));
    if (!dns) {
        errno = ENOMEM;
        return NULL;
    }
    dns->part.end = end;
    dns->part.forked = forked;
    dns->hub = hub;
    dns->last = &dns->first;
    hub_part_add(hub, &dns->part);
    return dns;
}

struct dns *dns_of(struct hub *hub)
{
    struct dns *dns = dns_find(hub);
    if (!dns)
        dns = dns_create(hub);
    if (dns && dns_config_refresh(&dns->config))
        retire(dns);
    return dns;
}

struct dns_config *dns_config_of(struct dns *dns)
{
    return &dns->config;
}
