/*
 * Questions under way: c-ares in the hub's loop.
 *
 * A hub has one channel at a time, made on first use. One that is out of date
 * (resolv.conf has changed) is retired: it stays until its last question is
 * answered. c-ares tells which of its sockets it wants to read or write, and
 * we wait for them as any fiber would; a hub timer stands for its timeouts.
 *
 *      ask ----> waits for one of DNS_MAX slots ----> under way ----> answered
 *                          |                              |
 *                          +-- deadline, kill --> error <-+ (then the lookup is
 *                                                  abandoned: its record stays
 *                                                  until c-ares is done with
 * it)
 *
 * Invariants:
 *   1. c-ares is entered by a fiber that asks, by the loop for a socket or the
 *      timer, and at the end; never from within its own callbacks, which only
 *      mark and wake.
 *   2. A lookup's record is the fiber's until it is done; abandoned, it is the
 *      callback's. A channel is freed only outside c-ares and without lookups.
 *   3. The timer is never later than the first timeout of a question asked now,
 *      so asking need not find out the earliest of all, which takes c-ares time
 *      in proportion to their number.
 *   4. After a fork the child's lookups are asked anew on a fresh channel.
 */
#include "net/dns_ares.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Lookups under way at once, of two queries each; the others wait. c-ares looks
 * for a free one of 65,536 query numbers by trying, for good if there is none.
 */
#define DNS_MAX 4096

/* What asking costs, in switches of a pass: so many answers are let come in
 * that the socket's buffer does not run over. */
#define DNS_SWITCHES 16

/* Bytes to ask for; the system grants what it allows. */
#define RECEIVE_BUFFER (1 << 20)

/* Answers taken from a socket in one go: others wait no longer than for a
 * millisecond. */
#define READS_A_TURN 64

/* A socket of c-ares's. */
struct dns_socket {
    struct dns_socket *next;
    struct dns_channel *channel;
    int fd;
    bool wanted[2];            /* to read, to write */
    struct loop_wait waits[2]; /* linked while wanted */
    struct run more;           /* queued: there was more than for one turn */
};

struct dns_channel {
    struct dns_channel *next; /* older */
    struct dns *dns;
    ares_channel ares;
    struct dns_socket *sockets;
    struct timer timer;
    int64_t timeout; /* nanoseconds, of a question's first try */
    size_t pending;  /* lookups */
    bool failed;     /* no memory to wait for a socket */
    int reads;       /* left in this turn */
};

struct dns {
    struct hub_part part;
    struct hub *hub;
    struct dns_config config;
    struct dns_channel *channels; /* the first is the present one, unless it is
                                     out of date; the others are retired */
    bool current;                 /* the first is up to date */
    bool ending;                  /* nobody waits any more */
    size_t under_way;
    struct slot_wait *first, **last; /* those who wait for one to end */
};

struct slot_wait {
    struct slot_wait *next;
    struct grove_fiber *fiber;
    bool granted;
};

struct dns_lookup {
    struct dns_channel *channel;
    struct grove_fiber *fiber; /* NULL: abandoned */
    bool done;
    struct dns_answer answer;
};

/* ---- sockets ------------------------------------------------------------- */

static void channel_settle(struct dns_channel *ch);

static struct dns_socket **find_socket(struct dns_channel *ch, int fd)
{
    struct dns_socket **at = &ch->sockets;
    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    return at;
}

/* Bring the waits into line with what is wanted. */
static void update_waits(struct dns_socket *s)
{
    struct loop *loop = &s->channel->dns->hub->loop;
    for (int i = 0; i < 2; i++) {
        if (!s->wanted[i])
            loop_wait_remove(loop, &s->waits[i]);
        else if (!s->waits[i].back)
            loop_wait_add(loop, loop_fd(loop, s->fd), &s->waits[i]);
    }
}

static bool is_open(struct dns_channel *ch, int fd)
{
    return *find_socket(ch, fd) != NULL;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

/* Edges are told once. From a datagram socket c-ares takes all that we let it
 * have; from a stream only a part at a time. */
static void process_read(struct dns_channel *ch, int fd)
{
    struct loop_fd *record = loop_fd(&ch->dns->hub->loop, fd);
    ch->reads = READS_A_TURN;
    do {
        ares_process_fd(ch->ares, fd, ARES_SOCKET_BAD);
    } while (is_open(ch, fd) && record->stream && ch->reads > 0 &&
             readable(fd));
    struct dns_socket *s = *find_socket(ch, fd);
    if (s && ch->reads == 0 && !run_queued(&s->more))
        hub_queue(ch->dns->hub, &s->more);
}

static void read_more(struct run *run)
{
    struct dns_socket *s = container_of(run, struct dns_socket, more);
    struct dns_channel *ch = s->channel;
    process_read(ch, s->fd);
    channel_settle(ch);
}

static void on_socket(struct loop_wait *wait, int result)
{
    bool read = wait->direction == LOOP_READ;
    struct dns_socket *s =
        container_of(wait, struct dns_socket, waits[read ? 0 : 1]);
    struct dns_channel *ch = s->channel;
    int fd = s->fd;
    if (read)
        process_read(ch, fd);
    else
        ares_process_fd(ch->ares, ARES_SOCKET_BAD, fd);
    /* s may be gone, and even another be in its place. */
    s = *find_socket(ch, fd);
    if (s && result == 0)
        update_waits(s);
    channel_settle(ch);
}

static struct dns_socket *open_socket(struct dns_channel *ch, int fd)
{
    struct loop *loop = &ch->dns->hub->loop;
    struct dns_socket *s = calloc(1, sizeof(*s));
    loop_own(loop, fd);
    struct loop_fd *record = loop_fd(loop, fd);
    if (!s || !record || loop_register(loop, record) < 0) {
        free(s);
        loop_forget(loop, fd);
        ch->failed = true;
        return NULL;
    }
    s->channel = ch;
    s->fd = fd;
    s->more.call = read_more;
    for (int i = 0; i < 2; i++) {
        s->waits[i].direction = i == 0 ? LOOP_READ : LOOP_WRITE;
        s->waits[i].fn = on_socket;
    }
    s->next = ch->sockets;
    ch->sockets = s;
    return s;
}

/* c-ares: what it wants of a socket now; neither when it is about to close it.
 */
static void on_socket_state(void *data, ares_socket_t fd, int read, int write)
{
    struct dns_channel *ch = data;
    struct dns_socket **at = find_socket(ch, fd);
    struct dns_socket *s = *at;
    if (!s && (read || write))
        s = open_socket(ch, fd);
    if (!s)
        return;
    s->wanted[0] = read;
    s->wanted[1] = write;
    update_waits(s);
    if (read || write)
        return;
    *at = s->next;
    if (run_queued(&s->more))
        run_queue_remove(&s->more);
    loop_forget(&ch->dns->hub->loop, fd);
    free(s);
}

/* What c-ares does with its sockets. It configures none that are made so. */

static ares_socket_t make_socket(int family, int type, int protocol, void *data)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    int size = RECEIVE_BUFFER, on = 1;
    if (fd >= 0 && type == SOCK_DGRAM)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    else if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static int close_socket(ares_socket_t fd, void *data)
{
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *addr,
                          ares_socklen_t size, void *data)
{
    return connect(fd, addr, size);
}

static ares_ssize_t receive(ares_socket_t fd, void *buf, size_t n, int flags,
                            struct sockaddr *addr, ares_socklen_t *size,
                            void *data)
{
    struct dns_channel *ch = data;
    if (ch->reads == 0) {
        errno = EAGAIN;
        return -1;
    }
    ch->reads--;
    return recvfrom(fd, buf, n, flags, addr, size);
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts,
                               int count, void *data)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)parts,
                         .msg_iovlen = (size_t)count};
    return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
    make_socket, close_socket, connect_socket, receive, send_parts};

/* ---- the timer ----------------------------------------------------------- */

static void arm(struct dns_channel *ch, int64_t deadline)
{
    struct timer_heap *timers = &ch->dns->hub->timers;
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
    channel_settle(ch);
}

/* ---- channels ------------------------------------------------------------ */

static void channel_free(struct dns_channel *ch)
{
    struct dns_channel **at = &ch->dns->channels;
    while (*at != ch)
        at = &(*at)->next;
    *at = ch->next;
    ares_destroy(ch->ares);
    timer_remove(&ch->dns->hub->timers, &ch->timer);
    free(ch);
}

/* After c-ares was entered; ch may be gone then. */
static void channel_settle(struct dns_channel *ch)
{
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
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = ch,
        .resolvconf_path = (char *)dns_paths[DNS_RESOLV]};
    int r = ares_init_options(&ch->ares, &options,
                              ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS |
                                  ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                  ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF);
    if (r != ARES_SUCCESS)
        return -ENOMEM;
    ares_set_socket_functions(ch->ares, &socket_functions, ch);
    if (config->servers)
        r = ares_set_servers_ports_csv(ch->ares, config->servers);
    if (r != ARES_SUCCESS) {
        ares_destroy(ch->ares);
        return -ENOMEM;
    }
    return 0;
}

/* The present one, made if there is none; NULL without memory. */
static struct dns_channel *channel_now(struct dns *dns)
{
    if (dns->current)
        return dns->channels;
    struct dns_channel *ch = calloc(1, sizeof(*ch));
    if (!ch)
        return NULL;
    ch->dns = dns;
    ch->timer.fn = on_timer;
    ch->timeout = dns->config.timeout * GROVE_MILLISECOND;
    if (channel_init(ch, &dns->config) < 0) {
        free(ch);
        return NULL;
    }
    ch->next = dns->channels;
    dns->channels = ch;
    dns->current = true;
    return ch;
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
    dns->hub->dns = NULL;
    free(dns);
}

/* Who waits for a slot and is in the parent only. */
static void drop_lost_waits(struct dns *dns)
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

/* The sockets are the parent's: those who wait here ask anew. */
static void forked(struct hub_part *part)
{
    struct dns *dns = container_of(part, struct dns, part);
    drop_lost_waits(dns);
    dns->current = false;
    while (dns->channels)
        channel_free(dns->channels);
}

static struct dns *dns_create(struct hub *hub)
{
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
    hub->dns = dns;
    hub_part_add(hub, &dns->part);
    return dns;
}

struct dns *dns_of(struct hub *hub)
{
    struct dns *dns = hub->dns ? hub->dns : dns_create(hub);
    if (dns && dns_config_refresh(&dns->config))
        retire(dns);
    return dns;
}

struct dns_config *dns_config_of(struct dns *dns)
{
    return &dns->config;
}

size_t dns_under_way(struct hub *hub)
{
    return hub->dns ? hub->dns->under_way : 0;
}

/* ---- slots --------------------------------------------------------------- */

static int wait_for_slot(struct dns *dns, int64_t deadline, const char *what)
{
    struct slot_wait w = {.fiber = dns->hub->current};
    *dns->last = &w;
    dns->last = &w.next;
    int r = hub_wait(dns->hub, deadline, what, -1);
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
    if (!w) {
        dns->under_way--;
        return;
    }
    dns->first = w->next;
    if (!dns->first)
        dns->last = &dns->first;
    w->granted = true;
    hub_wake(w->fiber, 0);
}

static int take_slot(struct dns *dns, int64_t deadline, const char *what)
{
    if (dns->under_way >= DNS_MAX)
        return wait_for_slot(dns, deadline, what);
    dns->under_way++;
    return 0;
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

/* It is a piece of work: the loop is to look around sooner. */
static void charge_pass(struct hub *hub, int switches)
{
    if (hub->budget > switches)
        hub->budget -= switches;
    else if (hub->budget > 1)
        hub->budget = 1;
}

/* One lookup, with a slot taken: it is given back by lookup_done. */
static int ask_once(struct dns *dns, const struct dns_question *q,
                    int64_t deadline, struct dns_answer *answer)
{
    struct hub *hub = dns->hub;
    struct dns_channel *ch = channel_now(dns);
    struct dns_lookup *l = ch ? calloc(1, sizeof(*l)) : NULL;
    if (!l) {
        give_slot(dns);
        return -ENOMEM;
    }
    l->channel = ch;
    l->fiber = hub->current;
    ch->pending++;
    start(l, q);
    channel_settle(ch);
    charge_pass(hub, DNS_SWITCHES);
    int r = 0;
    while (!l->done && r == 0)
        r = hub_wait(hub, deadline, q->what, -1);
    if (r == 0) {
        charge_pass(hub, DNS_SWITCHES / 2); /* for what is made of it */
        *answer = l->answer;
        free(l);
        return 0;
    }
    l->fiber = NULL;
    if (l->done)
        lookup_free(l);
    return r < 0 ? r : -EINTR;
}

int dns_ask(struct hub *hub, const struct dns_question *question,
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
