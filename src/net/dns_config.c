/*
 * Whom to ask for names: what resolv.conf, nsswitch.conf and gai.conf say, or
 * the servers that the program or its environment has named.
 *
 * c-ares reads resolv.conf by itself, but knows neither glibc's names of its
 * options nor what an nsswitch.conf may ask for. Here we only find out whether
 * c-ares can do it: sources other than files and dns, actions between them, and
 * rules of gai.conf are libc's. /etc/hosts c-ares reads at each look-up.
 *
 * A config belongs to a hub. Explicit servers are the process's: a list that
 * only grows, whose head is the present setting, so that no lock is held when
 * the process forks.
 */
#include "net/dns_ares.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fiber/log.h"

/* Files are looked at again after so long. */
#define CHECK_EVERY GROVE_SECOND

/* libc's, unless resolv.conf says otherwise. */
#define TIMEOUT_SECONDS 5
#define TIMEOUT_SECONDS_MAX 30
#define TRIES 2
#define TRIES_MAX 5

const char *dns_paths[DNS_FILES] = {[DNS_RESOLV] = "/etc/resolv.conf",
                                    [DNS_NSSWITCH] = "/etc/nsswitch.conf",
                                    [DNS_GAI] = "/etc/gai.conf"};
bool dns_hosts_from_environment;

/* ---- explicit servers --------------------------------------------------- */

struct servers {
    struct servers *older;
    bool system;  /* the system's again */
    char list[1]; /* as c-ares takes it */
};

static struct servers *_Atomic explicit_servers;

/* Whether the n bytes are an address of a family. */
static bool is_address(int family, const char *text, size_t n)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (n >= sizeof(copy))
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return inet_pton(family, copy, &address) == 1;
}

static bool is_port(const char *text, size_t n)
{
    unsigned value = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9' || value > 6553)
            return false;
        value = 10 * value + (unsigned)(text[i] - '0');
    }
    return value > 0 && value <= 65535;
}

/* 1.2.3.4, 1.2.3.4:53, fd00::1, [fd00::1] or [fd00::1]:53 */
static bool is_server(const char *text, size_t n)
{
    const char *end = text + n;
    const char *colon = memchr(text, ':', n);
    if (text[0] == '[') {
        const char *close = memchr(text, ']', n);
        if (!close ||
            !is_address(AF_INET6, text + 1, (size_t)(close - text) - 1))
            return false;
        colon = close + 1;
        return colon == end ||
               (*colon == ':' && is_port(colon + 1, (size_t)(end - colon) - 1));
    }
    if (!colon || memchr(colon + 1, ':', (size_t)(end - colon) - 1))
        return is_address(colon ? AF_INET6 : AF_INET, text, n);
    return is_address(AF_INET, text, (size_t)(colon - text)) &&
           is_port(colon + 1, (size_t)(end - colon) - 1);
}

static bool are_servers(const char *list)
{
    for (;;) {
        size_t n = strcspn(list, ",");
        if (!is_server(list, n))
            return false;
        if (list[n] == '\0')
            return true;
        list += n + 1;
    }
}

static int set_servers(const char *list)
{
    if (list && !are_servers(list))
        return -EINVAL;
    size_t size = list ? strlen(list) : 0;
    struct servers *s = malloc(sizeof(*s) + size);
    if (!s)
        return -ENOMEM;
    s->system = !list;
    memcpy(s->list, list ? list : "", size + 1);
    s->older = atomic_load(&explicit_servers);
    while (!atomic_compare_exchange_weak(&explicit_servers, &s->older, s))
        ;
    return 0;
}

static const char *present_servers(void)
{
    const struct servers *s = atomic_load(&explicit_servers);
    return s && !s->system ? s->list : NULL;
}

int grove_dns_set_servers(const char *servers)
{
    int r = dns_config_init();
    return r < 0 ? r : set_servers(servers);
}

/* ---- once a process ----------------------------------------------------- */

static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool initialised;

static int init(void)
{
    if (atomic_load(&initialised))
        return 0;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return -ENOMEM;
    const char *list = secure_getenv("GROVE_DNS_SERVERS");
    int r = list && list[0] ? set_servers(list) : 0;
    if (r == -ENOMEM) {
        ares_library_cleanup();
        return r;
    }
    if (r == -EINVAL)
        log_tell(GROVE_LOG_WARNING,
                 "GROVE_DNS_SERVERS is '%s': expected addresses with optional "
                 "ports, as 127.0.0.1:53,[::1]:53",
                 list);
    atomic_store(&initialised, true);
    return 0;
}

int dns_config_init(void)
{
    if (atomic_load(&initialised))
        return 0;
    pthread_mutex_lock(&init_lock);
    int r = init();
    pthread_mutex_unlock(&init_lock);
    return r;
}

/* ---- reading the files -------------------------------------------------- */

/* Calls line for each line of the file, without comments, until it returns
 * false. A file that cannot be read is empty. */
static void each_line(const char *path, bool (*line)(char *text, void *arg),
                      void *arg)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    bool more = true;
    while (file && more && getline(&text, &size, file) >= 0) {
        text[strcspn(text, "#\n")] = '\0';
        more = line(text, arg);
    }
    free(text);
    if (file)
        fclose(file);
}

#define BLANKS " \t\r"

static int number_of(const char *text, int most)
{
    long n = strtol(text, NULL, 10);
    return n < 1 ? 1 : n > most ? most : (int)n;
}

static void read_options(char *text, struct dns_config *config)
{
    char *rest;
    for (char *word = strtok_r(text, BLANKS, &rest); word;
         word = strtok_r(NULL, BLANKS, &rest)) {
        if (strncmp(word, "timeout:", 8) == 0)
            config->timeout = 1000 * number_of(word + 8, TIMEOUT_SECONDS_MAX);
        else if (strncmp(word, "attempts:", 9) == 0)
            config->tries = number_of(word + 9, TRIES_MAX);
        else if (strcmp(word, "edns0") == 0)
            config->edns = true;
        else if (strcmp(word, "use-vc") == 0)
            config->use_tcp = true;
    }
}

static bool resolv_line(char *text, void *arg)
{
    size_t n = strcspn(text, BLANKS);
    if (n == 7 && strncmp(text, "options", n) == 0)
        read_options(text + n, arg);
    return true;
}

static void read_resolv(struct dns_config *config)
{
    config->timeout = TIMEOUT_SECONDS * 1000;
    config->tries = TRIES;
    config->edns = config->use_tcp = false;
    each_line(dns_paths[DNS_RESOLV], resolv_line, config);
    const char *more = getenv("RES_OPTIONS");
    char text[256];
    if (more && strlen(more) < sizeof(text))
        read_options(strcpy(text, more), config);
}

/* The sources of "hosts:" that c-ares has, in their order; else libc's. */
static bool nsswitch_line(char *text, void *arg)
{
    struct dns_config *config = arg;
    text += strspn(text, BLANKS);
    if (strncmp(text, "hosts:", 6) != 0)
        return true;
    size_t n = 0;
    char *rest;
    for (char *word = strtok_r(text + 6, BLANKS, &rest); word;
         word = strtok_r(NULL, BLANKS, &rest)) {
        bool files = strcmp(word, "files") == 0;
        bool dns = strcmp(word, "dns") == 0;
        if ((!files && !dns) || n == sizeof(config->lookups) - 1) {
            config->libc = true;
            return false;
        }
        config->lookups[n++] = files ? 'f' : 'b';
    }
    config->lookups[n] = '\0';
    config->libc = n == 0;
    return false;
}

static bool gai_line(char *text, void *arg)
{
    struct dns_config *config = arg;
    text += strspn(text, BLANKS);
    /* "reload" only says how often to look. */
    if (text[0] != '\0' && strncmp(text, "reload", 6) != 0)
        config->libc = true;
    return !config->libc;
}

/* With explicit servers what the system would do is of no account. */
static void read_sources(struct dns_config *config)
{
    strcpy(config->lookups, "fb");
    config->libc = false;
    if (config->servers)
        return;
    each_line(dns_paths[DNS_NSSWITCH], nsswitch_line, config);
    each_line(dns_paths[DNS_GAI], gai_line, config);
}

/* ---- whether they have changed ------------------------------------------ */

static bool update_stamp(struct dns_stamp *stamp, const char *path)
{
    struct stat st;
    struct dns_stamp now;
    memset(&now, 0, sizeof(now));
    if (stat(path, &st) == 0) {
        now.device = st.st_dev;
        now.inode = st.st_ino;
        now.size = st.st_size;
        now.changed = st.st_mtim;
    }
    bool changed = memcmp(stamp, &now, sizeof(now)) != 0;
    *stamp = now;
    return changed;
}

bool dns_config_refresh(struct dns_config *config)
{
    int64_t now = hub_clock_coarse();
    const char *servers = present_servers();
    bool first = config->checked == 0;
    bool changed = first || servers != config->servers;
    if (first || now - config->checked >= CHECK_EVERY) {
        for (int i = 0; i < DNS_FILES; i++)
            changed |= update_stamp(&config->stamps[i], dns_paths[i]);
        config->checked = now;
    }
    if (!changed)
        return false;
    config->servers = servers;
    read_resolv(config);
    read_sources(config);
    return true;
}

/* ---- AI_ADDRCONFIG ------------------------------------------------------ */

/* As libc does it: loopback's own addresses do not count. */
static void see(struct dns_config *config, const struct sockaddr *addr)
{
    if (!addr)
        return;
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)addr;
        config->seen_ipv4 |= in->sin_addr.s_addr != htonl(INADDR_LOOPBACK);
    } else if (addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)addr;
        config->seen_ipv6 |= !IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    }
}

void dns_config_see_addresses(struct dns_config *config)
{
    int64_t now = hub_clock_coarse();
    if (config->seen_checked && now - config->seen_checked < CHECK_EVERY)
        return;
    struct ifaddrs *all;
    config->seen_checked = now;
    if (getifaddrs(&all) < 0) { /* nothing is known: narrow nothing down */
        config->seen_ipv4 = config->seen_ipv6 = true;
        return;
    }
    config->seen_ipv4 = config->seen_ipv6 = false;
    for (struct ifaddrs *a = all; a; a = a->ifa_next)
        see(config, a->ifa_addr);
    freeifaddrs(all);
}
