/*
 * Name look-ups by c-ares: see dns.h.
 */
#ifndef GROVE_NET_DNS_ARES_H
#define GROVE_NET_DNS_ARES_H

#include <ares.h>
#include <sys/stat.h>

#include "net/dns.h"

/* ---- dns_config.c ------------------------------------------------------- */

/* What a file was when it was last looked at; all zero: it is not there. */
struct dns_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

enum { DNS_RESOLV, DNS_NSSWITCH, DNS_GAI, DNS_FILES };

/* The files; tests put their own in their place. */
extern const char *dns_paths[DNS_FILES];
/* Not NULL: tests' own /etc/hosts, as CARES_HOSTS in the environment. */
extern bool dns_hosts_from_environment;

/* Whom to ask and how, as the files say. */
struct dns_config {
    struct dns_stamp stamps[DNS_FILES]; /* as they were when it was made */
    const char *servers;  /* explicit ones; NULL: those of resolv.conf */
    bool libc;            /* more is asked for than c-ares can do */
    bool edns, use_tcp;   /* options of resolv.conf */
    char lookups[3];      /* c-ares's: f /etc/hosts, b servers, in this order */
    int timeout;          /* milliseconds, of the first try */
    int tries;            /* of each server */
    int64_t checked;      /* when the files were last looked at; 0: never */
    int64_t seen_checked; /* when the following were found out; 0: never */
    bool seen_ipv4, seen_ipv6; /* whether the host has such addresses, for
                                  AI_ADDRCONFIG */
};

/* Once a process: c-ares, the environment. 0 or -ENOMEM. */
int dns_config_init(void);

/* Bring config up to date, looking at the files once a second at most. Whether
 * a channel made before is out of date. */
bool dns_config_refresh(struct dns_config *config);

/* Fill in what AI_ADDRCONFIG is about. */
void dns_config_see_addresses(struct dns_config *config);

/* ---- dns_channel.c ------------------------------------------------------ */

/* All of a hub's: a part of it. */
struct dns;

/* The hub's, up to date; NULL with errno. */
struct dns *dns_of(struct hub *hub);
/* As it is; NULL: nobody has asked anything on this hub yet. */
struct dns *dns_find(const struct hub *hub);
struct dns_config *dns_config_of(struct dns *dns);

/* ---- dns_question.c ------------------------------------------------------ */

/* What is asked: for the addresses of node, or the name of addr. */
struct dns_question {
    const char *node; /* NULL: for addr's name */
    int family;       /* AF_UNSPEC for both; of addr, if it is given */
    bool canonical;   /* the canonical name is asked for as well */
    const void *addr; /* an in_addr or in6_addr; NULL: for node's addresses */
    int addrlen;      /* of addr */
    const char *what; /* for grove_dump */
};

/* What came of it. */
struct dns_answer {
    int status;                 /* c-ares's */
    struct ares_addrinfo *info; /* or NULL; dns_answer_free frees it */
    char *name;                 /* likewise */
};

/* Ask, and park until there is an answer: 0. Or -errno: as hub_wait, or
 * -ENOMEM. */
int dns_ask(struct hub *hub, const struct dns_question *question,
            int64_t deadline, struct dns_answer *answer);
void dns_answer_free(struct dns_answer *answer);

/* The EAI_ code of an answer without data. */
int dns_error(int status);

/* For tests: questions under way, given up ones included. */
size_t dns_under_way(struct hub *hub);

#endif
