/*
 * Name look-ups: what they return, compared with libc's where it knows the
 * same; what ends them; what is re-read; forks. The name server is the test's.
 */
#include "fiber_calls.h"
#include "socket_pairs.h"

#include <nss.h>
#include <sys/wait.h>

#include "dns_server.h"
#include "net/dns_ares.h"
#include "net/net.h"
#include "stopped_clock.h"
#include "turns.h"
#include "unit.h"

static struct dns_server server;

/* ---- calls --------------------------------------------------------------- */

static struct addrinfo hints_of(int family, int socktype, int flags)
{
    return (struct addrinfo){
        .ai_family = family, .ai_socktype = socktype, .ai_flags = flags};
}

/* A result as text, "10.0.0.4 " an address, freed. */
static void tell(struct addrinfo *list, char *text, size_t size)
{
    char host[NI_MAXHOST];
    text[0] = '\0';
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        assert_int_equal(getnameinfo(a->ai_addr, a->ai_addrlen, host,
                                     sizeof(host), NULL, 0, NI_NUMERICHOST),
                         0);
        strncat(text, host, size - strlen(text) - 1);
        strncat(text, " ", size - strlen(text) - 1);
    }
    grove_freeaddrinfo(list);
}

static int look_up(const char *name, int family, int flags, char *text)
{
    struct addrinfo hints = hints_of(family, SOCK_STREAM, flags), *list;
    int r =
        grove_getaddrinfo_until(name, NULL, &hints, &list, grove_now() + HANG);
    text[0] = '\0';
    if (r == 0)
        tell(list, text, 4096);
    return r;
}

static void expect(const char *name, int family, int flags, const char *wanted)
{
    char text[4096];
    int r = look_up(name, family, flags, text);
    check(r == 0 && strcmp(text, wanted) == 0, "%s: %s, '%s', expected '%s'",
          name, gai_strerror(r), text, wanted);
}

static void expect_gai(const char *name, int family, int flags, int error)
{
    char text[4096];
    int r = look_up(name, family, flags, text);
    check(r == error, "%s: %s '%s', expected %s", name, gai_strerror(r), text,
          gai_strerror(error));
}

/* ---- what is returned ---------------------------------------------------- */

static bool same(const struct addrinfo *a, const struct addrinfo *b)
{
    for (; a && b; a = a->ai_next, b = b->ai_next) {
        const char *x = a->ai_canonname, *y = b->ai_canonname;
        if (a->ai_flags != b->ai_flags || a->ai_family != b->ai_family ||
            a->ai_socktype != b->ai_socktype ||
            a->ai_protocol != b->ai_protocol ||
            a->ai_addrlen != b->ai_addrlen ||
            memcmp(a->ai_addr, b->ai_addr, a->ai_addrlen) != 0 || !x != !y ||
            (x && strcmp(x, y) != 0))
            return false;
    }
    return a == b;
}

/* Asked for IPv4, libc takes a ::1 of /etc/hosts for 127.0.0.1 and tells of it
 * as well as of the latter. */
static bool told_twice(const struct addrinfo *list)
{
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        for (const struct addrinfo *b = a->ai_next; b; b = b->ai_next) {
            if (a->ai_socktype == b->ai_socktype &&
                a->ai_addrlen == b->ai_addrlen &&
                memcmp(a->ai_addr, b->ai_addr, a->ai_addrlen) == 0)
                return true;
        }
    }
    return false;
}

/* A machine may be without /etc/hosts; a new root of Debian's is. */
static bool libc_knows_localhost(void)
{
    struct addrinfo hints = hints_of(AF_INET, SOCK_STREAM, 0), *list;
    if (getaddrinfo("localhost", NULL, &hints, &list) != 0)
        return false;
    freeaddrinfo(list);
    return true;
}

/* Names that stand in /etc/hosts as well as numbers: exactly what libc says, as
 * patched calls are to. */
static void what_libc_knows_is_the_same(void **state)
{
    static const char *const nodes[] = {
        NULL,      "127.0.0.1", "::1",       "127.1", "0x7f.1",
        "1.2.3.4", "fe80::1",   "localhost", "",      "1.2.3.4.5"};
    static const char *const services[] = {NULL,    "80",   "http", "domain",
                                           "65536", "nope", ""};
    static const int flags[] = {0,
                                AI_PASSIVE,
                                AI_CANONNAME,
                                AI_NUMERICHOST,
                                AI_NUMERICSERV,
                                AI_ADDRCONFIG,
                                AI_V4MAPPED,
                                AI_PASSIVE | AI_NUMERICSERV,
                                0x40000000};
    static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX};
    static const int types[] = {0, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, 77};
    int compared = 0;
    bool localhost_known = libc_knows_localhost();
    bool hosts_there = access("/etc/hosts", R_OK) == 0;
    if (!localhost_known)
        print_message("/etc/hosts does not name localhost, of which libc is "
                      "not asked here\n");
    for (size_t i = 0;
         i < UNIT_COUNT(nodes) * UNIT_COUNT(services) * UNIT_COUNT(flags) *
                 UNIT_COUNT(families) * UNIT_COUNT(types);
         i++) {
        size_t k = i;
        const char *node = nodes[k % UNIT_COUNT(nodes)];
        k /= UNIT_COUNT(nodes);
        const char *service = services[k % UNIT_COUNT(services)];
        k /= UNIT_COUNT(services);
        struct addrinfo hints = {.ai_flags = flags[k % UNIT_COUNT(flags)]};
        k /= UNIT_COUNT(flags);
        hints.ai_family = families[k % UNIT_COUNT(families)];
        k /= UNIT_COUNT(families);
        hints.ai_socktype = types[k];
        /* What it has for IPv6 depends on /etc/hosts; c-ares knows it by the
         * RFC. "1.2.3.4.5" is a name that libc would ask the system for; of ""
         * it says otherwise where that file is missing. */
        if (node &&
            ((strcmp(node, "localhost") == 0 &&
              (hints.ai_family != AF_INET || !localhost_known)) ||
             (!*node && !hosts_there) || strcmp(node, "1.2.3.4.5") == 0))
            continue;
        struct addrinfo *ours = NULL, *theirs = NULL;
        int a = net_getaddrinfo(node, service, &hints, &ours, GROVE_NEVER);
        int b = getaddrinfo(node, service, &hints, &theirs);
        check(a == b && (a != 0 || same(ours, theirs) || told_twice(theirs)),
              "%s, %s, flags %#x, family %d, type %d: %s, libc: %s",
              node ? node : "NULL", service ? service : "NULL", hints.ai_flags,
              hints.ai_family, hints.ai_socktype, gai_strerror(a),
              gai_strerror(b));
        compared++;
        if (a == 0)
            grove_freeaddrinfo(ours);
        if (b == 0)
            freeaddrinfo(theirs);
    }
    assert_true(compared > 5000);
    if (hosts_there) /* c-ares 1.18 knows no localhost without the file */
        expect("localhost", AF_INET, 0, "127.0.0.1 ");
}

static void no_hints_are_libcs_default(void **state)
{
    struct addrinfo *ours, *theirs;
    assert_int_equal(grove_getaddrinfo("127.0.0.1", "80", NULL, &ours), 0);
    assert_int_equal(getaddrinfo("127.0.0.1", "80", NULL, &theirs), 0);
    assert_true(same(ours, theirs));
    /* Either frees what the other's call made. */
    freeaddrinfo(ours);
    grove_freeaddrinfo(theirs);
    grove_freeaddrinfo(NULL);
}

static void addresses_of_names(void **state)
{
    expect("a1.test", AF_INET, 0, "10.0.0.1 ");
    expect("a258.test", AF_INET6, 0, "fd00::102 ");
    expect("four.test", AF_UNSPEC, 0, "10.0.0.4 ");
    expect("six.test", AF_UNSPEC, 0, "fd00::6 ");
    expect("alias.test", AF_INET, 0, "10.0.0.4 ");
    expect("a1.test.", AF_INET, 0, "10.0.0.1 ");
}

static void mapped_addresses(void **state)
{
    expect("four.test", AF_INET6, AI_V4MAPPED, "::ffff:10.0.0.4 ");
    expect("six.test", AF_INET6, AI_V4MAPPED, "fd00::6 ");
    expect("four.test", AF_INET6, AI_V4MAPPED | AI_ALL, "::ffff:10.0.0.4 ");
    /* Which comes first, RFC 6724 says by the machine's own addresses. */
    char text[4096];
    assert_int_equal(look_up("a9.test", AF_INET6, AI_V4MAPPED | AI_ALL, text),
                     0);
    assert_non_null(strstr(text, "::ffff:10.0.0.9 "));
    assert_non_null(strstr(text, "fd00::9 "));
}

/* Too long for UDP: asked again over TCP, where it comes in parts. */
static void long_answers_come_by_tcp(void **state)
{
    char text[4096];
    assert_int_equal(look_up("big.test", AF_INET, 0, text), 0);
    assert_non_null(strstr(text, "10.0.1.0 "));
    assert_non_null(strstr(text, "10.0.1.39 "));
    int n = 0;
    for (char *at = text; (at = strchr(at, ' ')); at++)
        n++;
    assert_int_equal(n, 40);
}

static void errors_of_names(void **state)
{
    expect_gai("nowhere.test", AF_UNSPEC, 0, EAI_NONAME);
    expect_gai("four.test", AF_INET6, 0, EAI_NODATA);
    expect_gai("broken.test", AF_INET, 0, EAI_AGAIN);
    expect_gai("a1.test", AF_UNIX, 0, EAI_FAMILY);
    expect_gai("a1.test", AF_INET, 0x40000000, EAI_BADFLAGS);
    expect_gai("a1.test", AF_INET, AI_NUMERICHOST, EAI_NONAME);
    char longest[300];
    memset(longest, 'b', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    expect_gai(longest, AF_INET, 0, EAI_NONAME);
    struct addrinfo *list;
    assert_int_equal(grove_getaddrinfo("a1.test", "no-service", NULL, &list),
                     EAI_SERVICE);
}

static void ports_that_are_none(void **state)
{
    static const char *const nodes[] = {NULL, "127.0.0.1", "a1.test"};
    static const char *const ports[] = {
        "65536", "65616", "99999", "-1", "+80", " 80", "99999999999999999999"};
    struct addrinfo hints = hints_of(AF_INET, SOCK_STREAM, 0), *list;
    for (size_t i = 0; i < UNIT_COUNT(nodes) * UNIT_COUNT(ports); i++) {
        const char *node = nodes[i % UNIT_COUNT(nodes)];
        const char *port = ports[i / UNIT_COUNT(nodes)];
        int r = grove_getaddrinfo(node, port, &hints, &list);
        check(r == EAI_SERVICE, "%s, %s: %d", node ? node : "NULL", port, r);
    }
    assert_int_equal(grove_getaddrinfo("a1.test", "065535", &hints, &list), 0);
    assert_int_equal(ntohs(((struct sockaddr_in *)list->ai_addr)->sin_port),
                     65535);
    grove_freeaddrinfo(list);
}

static void services_and_canonical_names(void **state)
{
    struct addrinfo hints = hints_of(AF_INET, 0, AI_CANONNAME), *list;
    const char *service = "domain";
    if (!getservbyname(service, "tcp")) {
        print_message("no service has a name here: its number is asked for "
                      "(apt-get install netbase)\n");
        service = "53";
    }
    assert_int_equal(grove_getaddrinfo("alias.test", service, &hints, &list),
                     0);
    assert_string_equal(list->ai_canonname, "four.test");
    int streams = 0, datagrams = 0;
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        const struct sockaddr_in *in = (void *)a->ai_addr;
        assert_int_equal(ntohs(in->sin_port), 53);
        assert_int_equal(a->ai_flags, AI_CANONNAME);
        assert_true(a == list || !a->ai_canonname);
        streams += a->ai_socktype == SOCK_STREAM;
        datagrams += a->ai_socktype == SOCK_DGRAM;
    }
    assert_int_equal(streams, 1);
    assert_int_equal(datagrams, 1);
    grove_freeaddrinfo(list);
}

static int name_of(const char *address, char *host, socklen_t size, int flags)
{
    struct addrinfo hints = hints_of(AF_UNSPEC, SOCK_STREAM, AI_NUMERICHOST);
    struct addrinfo *list;
    char service[NI_MAXSERV];
    assert_int_equal(getaddrinfo(address, "80", &hints, &list), 0);
    int r = grove_getnameinfo(list->ai_addr, list->ai_addrlen, host, size,
                              service, sizeof(service), flags);
    /* Without the package netbase no service has a name. */
    bool named = !(flags & NI_NUMERICSERV) && getservbyport(htons(80), "tcp");
    if (r == 0)
        assert_string_equal(service, named ? "http" : "80");
    freeaddrinfo(list);
    return r;
}

static void names_of_addresses(void **state)
{
    char host[NI_MAXHOST];
    assert_int_equal(name_of("10.2.3.1", host, sizeof(host), 0), 0);
    assert_string_equal(host, "host.test");
    assert_int_equal(name_of("::ffff:10.2.3.1", host, sizeof(host), 0), 0);
    assert_string_equal(host, "host.test");
    assert_int_equal(name_of("10.2.3.1", host, sizeof(host), NI_NUMERICHOST),
                     0);
    assert_string_equal(host, "10.2.3.1");
    /* One without a name is its number. */
    assert_int_equal(name_of("10.2.3.2", host, sizeof(host), NI_NUMERICSERV),
                     0);
    assert_string_equal(host, "10.2.3.2");
    assert_int_equal(name_of("10.2.3.2", host, sizeof(host), NI_NAMEREQD),
                     EAI_NONAME);
    assert_int_equal(name_of("10.2.3.1", host, sizeof(host), NI_NAMEREQD), 0);
    assert_string_equal(host, "host.test");
    assert_int_equal(name_of("10.2.3.1", host, 5, 0), EAI_OVERFLOW);
    assert_int_equal(name_of("10.2.3.2", host, 5, 0), EAI_OVERFLOW);
    struct sockaddr_in in = loopback();
    assert_int_equal(
        grove_getnameinfo((void *)&in, 4, host, sizeof(host), NULL, 0, 0),
        EAI_FAMILY);
}

/* ---- what is counted ----------------------------------------------------- */

static void questions_are_counted(void **state)
{
    const struct hub_names *is = &hub_self()->names;
    struct hub_names was = *is;
    expect("a1.test", AF_INET, 0, "10.0.0.1 ");
    assert_int_equal(is->found, was.found + 1);
    assert_true(is->time > was.time);
    expect_gai("nowhere.test", AF_INET, 0, EAI_NONAME);
    assert_int_equal(is->failed, was.failed + 1);
    struct addrinfo *list;
    int r = grove_getaddrinfo_until("silent.test", NULL, NULL, &list,
                                    grove_now() + MS);
    assert_int_equal(r, EAI_SYSTEM);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(is->timed_out, was.timed_out + 1);
    assert_int_equal(is->asked, was.asked + 3);
    expect("10.0.0.1", AF_INET, 0, "10.0.0.1 "); /* no question */
    assert_int_equal(is->asked, was.asked + 3);
}

/* ---- what ends them ------------------------------------------------------ */

static ssize_t ask_silent(struct call *c)
{
    struct addrinfo *list;
    int r = grove_getaddrinfo_until(c->buf, NULL, NULL, &list, c->deadline);
    if (r == EAI_SYSTEM)
        return -1;
    if (r == 0)
        grove_freeaddrinfo(list);
    return r;
}

static void deadlines_and_kills(void **state)
{
    clock_stop();
    struct call a = {.make = ask_silent,
                     .name = "deadline",
                     .buf = (char *)"silent.test",
                     .deadline = grove_now() + 20 * MS};
    struct call b = {
        .make = ask_silent, .name = "kill", .buf = (char *)"silent.test"};
    call_start(&a);
    call_start(&b);
    expect_parked(&a);
    expect_parked(&b);
    clock_go_on(0);
    grove_kill(b.fiber);
    expect_error(&b, ECANCELED);
    expect_error(&a, ETIMEDOUT);

    grove_timeout t;
    char text[4096];
    grove_timeout_begin(&t, grove_now() + 5 * MS);
    assert_int_equal(look_up("silent.test", AF_INET, 0, text), EAI_SYSTEM);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(grove_timeout_end(&t), -ETIMEDOUT);
    /* Three were given up; what does not wait succeeds all the same. */
    assert_true(dns_under_way(hub_self()) >= 3);
    struct addrinfo *list;
    assert_int_equal(grove_getaddrinfo_until("127.0.0.1", NULL, NULL, &list, 0),
                     0);
    grove_freeaddrinfo(list);
    char host[NI_MAXHOST];
    struct sockaddr_in in = loopback();
    assert_int_equal(grove_getnameinfo_until((void *)&in, sizeof(in), host,
                                             sizeof(host), NULL, 0,
                                             NI_NUMERICHOST, 0),
                     0);
    assert_string_equal(host, "127.0.0.1");
    in.sin_addr.s_addr = htonl(0x0a020301);
    assert_int_equal(grove_getnameinfo_until((void *)&in, sizeof(in), host,
                                             sizeof(host), NULL, 0, 0, 0),
                     EAI_SYSTEM);
    assert_int_equal(errno, ETIMEDOUT);
    expect("a1.test", AF_INET, 0, "10.0.0.1 ");
}

/* A thread that ends with questions under way. */
static void *end_early(void *arg)
{
    struct call c = {.make = ask_silent, .buf = (char *)"silent.test"};
    grove_fiber *f;
    c.deadline = GROVE_NEVER;
    int r = grove_spawn(&f, call_entry, &c);
    grove_yield();
    return (void *)(intptr_t)(r == 0 && !c.finished);
}

static void a_thread_ends_with_questions_under_way(void **state)
{
    pthread_t thread;
    void *waited;
    int before = open_descriptors();
    assert_int_equal(pthread_create(&thread, NULL, end_early, NULL), 0);
    pthread_join(thread, &waited);
    assert_non_null(waited);
    assert_int_equal(open_descriptors(), before);
}

/* ---- forks --------------------------------------------------------------- */

static void ask_in_child(void)
{
    char text[4096];
    struct addrinfo hints = hints_of(AF_INET, SOCK_STREAM, 0), *list;
    int r = grove_getaddrinfo_until("a7.test", NULL, &hints, &list,
                                    grove_now() + HANG);
    CHILD_CHECK(r == 0);
    tell(list, text, sizeof(text));
    CHILD_CHECK(strcmp(text, "10.0.0.7 ") == 0);
}

static int child_asks(void)
{
    ask_in_child();
    CHILD_CHECK(dns_under_way(hub_self()) == 0);
    return 0;
}

/* The child has the descriptors' copies, and must not read the parent's
 * answers; what it asks goes by a channel of its own. */
static void a_child_asks_for_itself(void **state)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    struct call c = {
        .make = ask_silent, .name = "parent's", .buf = (char *)"a8.test"};
    struct unit_child child;
    no_look(); /* or the answer may be there before the child */
    start_parked(&c);
    unit_in_child(&child, child_asks);
    unit_assert_exit(&child);
    expect_result(&c, 0);
}

static pid_t forked_in_fiber;

static void *fork_in_fiber(void *arg)
{
    fflush(NULL);
    forked_in_fiber = fork();
    return NULL;
}

/* The thread's own stack was waiting when a fiber forked: in the child it goes
 * on waiting, so its question is asked anew. */
static int ask_while_forking(void)
{
    grove_fiber *f;
    CHILD_CHECK(grove_spawn(&f, fork_in_fiber, NULL) == 0);
    ask_in_child();
    if (forked_in_fiber == 0)
        _exit(0);
    int status;
    CHILD_CHECK(waitpid(forked_in_fiber, &status, 0) == forked_in_fiber);
    CHILD_CHECK(status == 0);
    return 0;
}

static void who_waits_through_a_fork_asks_anew(void **state)
{
    if (UNIT_TSAN)
        unit_skip(UNIT_TSAN_FORK);
    struct unit_child child;
    unit_in_child(&child, ask_while_forking);
    unit_assert_exit(&child);
}

/* ---- configuration ------------------------------------------------------- */

static char folder[] = "/tmp/grove-dns-XXXXXX";
static char files[DNS_FILES][64];

static void write_file(int file, const char *text)
{
    FILE *f = fopen(files[file], "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void config_of(const char *nsswitch, const char *resolv, const char *gai,
                      struct dns_config *config)
{
    write_file(DNS_NSSWITCH, nsswitch);
    write_file(DNS_RESOLV, resolv);
    write_file(DNS_GAI, gai);
    memset(config, 0, sizeof(*config));
    assert_true(dns_config_refresh(config));
    assert_false(dns_config_refresh(config));
}

static void what_the_files_ask_for(void **state)
{
    static const struct {
        const char *nsswitch, *gai, *lookups; /* NULL: libc's */
    } rows[] = {
        {"hosts: files dns\n", "", "fb"},
        {"passwd: files\nhosts:\tdns files # x\n", "# none\n", "bf"},
        {"hosts: files\n", "", "f"},
        {"hosts:dns\n", "reload yes\n", "b"},
        {"", "", "fb"},
        {"hosts: files mdns4_minimal [NOTFOUND=return] dns\n", "", NULL},
        {"hosts: files [NOTFOUND=return] dns\n", "", NULL},
        {"hosts: mymachines resolve files myhostname dns\n", "", NULL},
        {"hosts:\n", "", NULL},
        {"hosts: files dns\n", "precedence ::ffff:0:0/96 100\n", NULL},
    };
    assert_int_equal(grove_dns_set_servers(NULL), 0);
    for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
        struct dns_config c;
        config_of(rows[i].nsswitch, "", rows[i].gai, &c);
        check(c.libc == !rows[i].lookups, "%s: libc %d", rows[i].nsswitch,
              c.libc);
        if (rows[i].lookups)
            assert_string_equal(c.lookups, rows[i].lookups);
    }
    struct dns_config c;
    config_of("", "nameserver 127.0.0.1\noptions timeout:2 attempts:9 edns0\n",
              "", &c);
    assert_int_equal(c.timeout, 2000);
    assert_int_equal(c.tries, 5);
    assert_true(c.edns && !c.use_tcp);
    config_of("", "options use-vc timeout:x\n", "", &c);
    assert_int_equal(c.timeout, 1000);
    assert_int_equal(c.tries, 2);
    assert_true(!c.edns && c.use_tcp);
    assert_int_equal(grove_dns_set_servers(server.address), 0);
}

/* c-ares takes no port in resolv.conf: that the servers change is seen by the
 * search list. */
static void changes_are_seen(void **state)
{
    struct hub *hub = hub_self();
    write_file(DNS_NSSWITCH, "hosts: files dns\n");
    write_file(DNS_GAI, "");
    write_file(DNS_RESOLV, "search nowhere.test\n");
    dns_config_of(dns_of(hub))->checked = 1; /* long ago */
    expect_gai("host5", AF_INET, 0, EAI_NONAME);
    write_file(DNS_RESOLV, "search a5.test\noptions ndots:3\n");
    dns_config_of(dns_of(hub))->checked = 1;
    int before = atomic_load(&server.questions);
    expect("a5", AF_INET, 0, "10.0.0.5 ");
    assert_true(atomic_load(&server.questions) > before);
    struct addrinfo hints = hints_of(AF_INET, SOCK_STREAM, AI_CANONNAME), *list;
    assert_int_equal(grove_getaddrinfo("a6", NULL, &hints, &list), 0);
    assert_string_equal(list->ai_canonname, "a6.a5.test");
    grove_freeaddrinfo(list);
}

/* What was asked by the old channel is still answered. */
static void a_change_leaves_questions_under_way(void **state)
{
    struct call c = {
        .make = ask_silent, .name = "before", .buf = (char *)"a8.test"};
    start_parked(&c);
    assert_int_equal(grove_dns_set_servers(server.address), 0);
    expect("a1.test", AF_INET, 0, "10.0.0.1 ");
    expect_result(&c, 0);
}

static void hosts_are_read(void **state)
{
    char path[80];
    snprintf(path, sizeof(path), "%s/hosts", folder);
    FILE *f = fopen(path, "w");
    fputs("10.9.9.9 here.test four.test\n", f);
    fclose(f);
    setenv("CARES_HOSTS", path, 1);
    dns_hosts_from_environment = true;
    expect("here.test", AF_INET, 0, "10.9.9.9 ");
    expect("four.test", AF_INET, 0, "10.9.9.9 ");
    f = fopen(path, "w");
    fputs("10.9.9.8 here.test\n", f);
    fclose(f);
    expect("here.test", AF_INET, 0, "10.9.9.8 ");
    expect("four.test", AF_INET, 0, "10.0.0.4 ");
    dns_hosts_from_environment = false;
    unsetenv("CARES_HOSTS");
    unlink(path);
}

static void lists_of_servers(void **state)
{
    static const char *const bad[] = {
        "", "127.0.0.1:x", "name.test", "127.0.0.1:99999", "1.2.3", ",,"};
    for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
        int r = grove_dns_set_servers(bad[i]);
        check(r == -EINVAL, "'%s': %d", bad[i], r);
    }
    /* The setting is as before. */
    expect("a1.test", AF_INET, 0, "10.0.0.1 ");
}

/* ---- libc's -------------------------------------------------------------- */

static void what_is_left_to_libc(void **state)
{
    struct hub *hub = hub_self();
    struct dns_config *config = dns_config_of(dns_of(hub));
    config->libc = true;
    struct addrinfo hints = hints_of(AF_INET, SOCK_STREAM, 0), *list;
    int r = getaddrinfo("localhost", NULL, &hints, &list);
    if (r == 0) {
        expect("localhost", AF_INET, 0,
               told_twice(list) ? "127.0.0.1 127.0.0.1 " : "127.0.0.1 ");
        freeaddrinfo(list);
    } else {
        expect_gai("localhost", AF_INET, 0, r);
    }
    char ours[NI_MAXHOST], theirs[NI_MAXHOST];
    struct sockaddr_in in = loopback();
    assert_int_equal(grove_getnameinfo((void *)&in, sizeof(in), ours,
                                       sizeof(ours), NULL, 0, 0),
                     0);
    assert_int_equal(getnameinfo((void *)&in, sizeof(in), theirs,
                                 sizeof(theirs), NULL, 0, 0),
                     0);
    assert_string_equal(ours, theirs);
    config->libc = false;
    assert_int_equal(grove_getnameinfo((void *)&in, sizeof(in), ours,
                                       sizeof(ours), NULL, 0, NI_NOFQDN),
                     0);
    assert_int_equal(getnameinfo((void *)&in, sizeof(in), theirs,
                                 sizeof(theirs), NULL, 0, NI_NOFQDN),
                     0);
    assert_string_equal(ours, theirs);
}

/* ---- many ---------------------------------------------------------------- */

enum { MANY = 10000 };

static struct {
    int answered, timed_out, wrong;
    int given_up; /* as often as the configuration says, before the deadline */
    int64_t latest; /* behind its deadline */
    bool stop;
    int64_t gap;      /* the longest between two turns of a sleeper, without the
                         time for which the thread waited for a core */
    int64_t work;     /* the most that this thread did in between */
    int64_t all_work; /* what it did in all */
} many;

/* What the thread has worked: other processes and the server's thread do not
 * count. */
static int64_t worked(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * GROVE_SECOND + ts.tv_nsec;
}

/* How long the thread was ready to run and had no core; 0 where the kernel does
 * not tell. */
static int64_t had_no_core(void)
{
    long long ns = 0;
    FILE *f = fopen("/proc/thread-self/schedstat", "re");
    if (f) {
        if (fscanf(f, "%*d %lld", &ns) != 1)
            ns = 0;
        fclose(f);
    }
    return ns;
}

static void *ask_one(void *arg)
{
    char name[32], wanted[32], text[4096];
    unsigned i = (unsigned)(uintptr_t)arg;
    struct addrinfo hints = hints_of(AF_INET, SOCK_STREAM, 0), *list;
    int64_t deadline = grove_now() + unit_scale(2500, 25000) * MS;
    snprintf(name, sizeof(name), "a%u.test", i);
    snprintf(wanted, sizeof(wanted), "10.0.%u.%u ", i >> 8, i & 255);
    int r = grove_getaddrinfo_until(name, NULL, &hints, &list, deadline);
    if (r == 0) {
        tell(list, text, sizeof(text));
        many.answered++;
        many.wrong += strcmp(text, wanted) != 0;
    } else if (r == EAI_SYSTEM && errno == ETIMEDOUT) {
        int64_t late = grove_now() - deadline;
        many.timed_out++;
        many.latest = late > many.latest ? late : many.latest;
    } else if (r == EAI_AGAIN) {
        many.given_up++;
    } else {
        many.wrong++;
    }
    return NULL;
}

static void *measure_gaps(void *arg)
{
    int64_t before = grove_now(), work_before = worked();
    int64_t no_core_before = had_no_core();
    while (!many.stop) {
        grove_sleep(MS);
        int64_t now = grove_now();
        int64_t no_core = had_no_core();
        int64_t gap = now - before - MS - (no_core - no_core_before);
        no_core_before = no_core;
        many.gap = gap > many.gap ? gap : many.gap;
        before = now;
        int64_t work = worked() - work_before;
        many.work = work > many.work ? work : many.work;
        work_before += work;
    }
    return NULL;
}

/* Have n fibers make calls, and one measure how long it is held up. */
static int64_t run_many(void *(*fn)(void *), int n)
{
    static grove_fiber *f[MANY];
    grove_fiber *measuring;
    memset(&many, 0, sizeof(many));
    int64_t work_before = worked();
    assert_int_equal(grove_spawn(&measuring, measure_gaps, NULL), 0);
    grove_yield();
    for (int i = 0; i < n; i++) {
        assert_int_equal(grove_spawn(&f[i], fn, (void *)(uintptr_t)i), 0);
        if (i % 100 == 99)
            grove_yield(); /* making fibers is not what is measured */
    }
    assert_int_equal(grove_join_all(f, (size_t)n, 0), n);
    many.stop = true;
    grove_join(measuring, NULL);
    many.all_work = worked() - work_before;
    grove_release(measuring);
    for (int i = 0; i < n; i++)
        grove_release(f[i]);
    return many.gap;
}

static void *sleep_one(void *arg)
{
    grove_sleep(500 * MS);
    return NULL;
}

/* One question of 20 is not answered. Those are asked again after a second;
 * those that are dropped again, after two more: their deadline comes first.
 * From 1.32 on c-ares asks again sooner of a server that is quick: then the
 * third try may have been in vain before the deadline. */
static void ten_thousand_at_once(void **state)
{
    int n = (int)unit_scale(MANY, 500);
    write_file(DNS_RESOLV, "options timeout:1 attempts:3\n");
    dns_config_of(dns_of(hub_self()))->checked = 1;
    atomic_store(&server.drop, 20);
    int64_t control = run_many(sleep_one, n);
    run_many(ask_one, n);
    print_message(
        "%d look-ups: %d answered, %d timed out (at most %.1f ms late); the "
        "hub was held up by %.1f ms of work, of %.1f ms, for %.1f ms (with "
        "sleeps only: %.1f ms)\n",
        n, many.answered, many.timed_out, many.latest / 1e6, many.work / 1e6,
        many.all_work / 1e6, many.gap / 1e6, control / 1e6);
    atomic_store(&server.drop, 0);
    assert_int_equal(many.wrong, 0);
    assert_int_equal(many.answered + many.timed_out + many.given_up, n);
    assert_true(many.answered > n / 2);
    if (!unit_slow()) {
        /* No large part of the work is done in one go, whatever the machine
         * makes of it. Waiting is no work: but where one waits for an answer,
         * for the second after which it is asked for again. */
        assert_true(many.work <= many.all_work / 4);
        assert_true(many.gap <= 500 * MS);
    }
    /* Those given up come to their end. */
    while (dns_under_way(hub_self()))
        grove_sleep(20 * MS);
}

static int setup(void **state)
{
    static const char *const names[DNS_FILES] = {"resolv", "nsswitch", "gai"};
    /* What libc is asked for it does not ask the network for. */
    __nss_configure_lookup("hosts", "files");
    if (!mkdtemp(folder) || !dns_server_start(&server))
        return -1;
    for (int i = 0; i < DNS_FILES; i++) {
        snprintf(files[i], sizeof(files[i]), "%s/%s", folder, names[i]);
        dns_paths[i] = files[i];
        write_file(i, i == DNS_RESOLV ? "options timeout:1 attempts:2\n" : "");
    }
    return grove_dns_set_servers(server.address);
}

static int teardown(void **state)
{
    for (int i = 0; i < DNS_FILES; i++)
        unlink(files[i]);
    dns_server_stop(&server);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_libc_knows_is_the_same),
        cmocka_unit_test(no_hints_are_libcs_default),
        cmocka_unit_test(addresses_of_names),
        cmocka_unit_test(mapped_addresses),
        cmocka_unit_test(long_answers_come_by_tcp),
        cmocka_unit_test(errors_of_names),
        cmocka_unit_test(ports_that_are_none),
        cmocka_unit_test(services_and_canonical_names),
        cmocka_unit_test(names_of_addresses),
        cmocka_unit_test(questions_are_counted),
        cmocka_unit_test(deadlines_and_kills),
        cmocka_unit_test(a_thread_ends_with_questions_under_way),
        cmocka_unit_test(a_child_asks_for_itself),
        cmocka_unit_test(who_waits_through_a_fork_asks_anew),
        cmocka_unit_test(what_the_files_ask_for),
        cmocka_unit_test(hosts_are_read),
        cmocka_unit_test(a_change_leaves_questions_under_way),
        cmocka_unit_test(lists_of_servers),
        cmocka_unit_test(what_is_left_to_libc),
        cmocka_unit_test(changes_are_seen),
        cmocka_unit_test(ten_thousand_at_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
