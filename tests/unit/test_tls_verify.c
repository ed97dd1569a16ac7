/*
 * Certificates: what is refused, with which errno and which words, one a row;
 * names, client certificates, application protocols, versions, hosts.
 */
#include "tls_links.h"

#define DAY 86400L

/* ---- servers' certificates --------------------------------------------------- */

enum signer { BY_CA, BY_ITSELF, BY_STRANGER, BY_LEAF };

static const struct row {
    const char *what;
    struct cert_wish wish;
    enum signer signer;
    const char *host; /* that the client asks for */
    int error;        /* of the client */
    const char *says; /* a part of what it says */
} rows[] = {
    {"good", {.hosts = "DNS:a.test"}, BY_CA, "a.test", 0, ""},
    {"good, root's dot", {.hosts = "DNS:a.test"}, BY_CA, "a.test.", 0, ""},
    {"good, case", {.hosts = "DNS:a.test"}, BY_CA, "A.Test", 0, ""},
    {"good, address", {.hosts = "IP:127.0.0.1"}, BY_CA, "127.0.0.1", 0, ""},
    {"good, v6", {.hosts = "IP:::1"}, BY_CA, "::1", 0, ""},
    {"good, wildcard", {.hosts = "DNS:*.w.test"}, BY_CA, "b.w.test", 0, ""},
    {"expired",
     {.hosts = "DNS:a.test", .begins = -2 * DAY, .ends = -DAY},
     BY_CA,
     "a.test",
     EKEYEXPIRED,
     "has expired on "},
    {"not yet valid",
     {.hosts = "DNS:a.test", .begins = DAY, .ends = 2 * DAY},
     BY_CA,
     "a.test",
     EKEYEXPIRED,
     "is not valid before "},
    {"other host",
     {.hosts = "DNS:a.test,DNS:b.test,IP:127.0.0.2,email:x@y.test"},
     BY_CA,
     "c.test",
     EKEYREJECTED,
     "the certificate is for a.test, b.test, 127.0.0.2, not for c.test"},
    {"other address",
     {.hosts = "IP:127.0.0.2,IP:::1"},
     BY_CA,
     "127.0.0.1",
     EKEYREJECTED,
     "the certificate is for 127.0.0.2, ::1, not for 127.0.0.1"},
    {"no host",
     {.hosts = "email:x@y.test"},
     BY_CA,
     "a.test",
     EKEYREJECTED,
     "the certificate is for no host, not for a.test"},
    {"wildcard of one label",
     {.hosts = "DNS:*.w.test"},
     BY_CA,
     "a.b.w.test",
     EKEYREJECTED,
     "for *.w.test, not for a.b.w.test"},
    {"partial wildcard",
     {.hosts = "DNS:a*.b.test"},
     BY_CA,
     "ab.b.test",
     EKEYREJECTED,
     "for a*.b.test, not for ab.b.test"},
    {"self-signed",
     {.hosts = "DNS:a.test"},
     BY_ITSELF,
     "a.test",
     EKEYREJECTED,
     "self-signed certificate"},
    {"of nobody we know",
     {.hosts = "DNS:a.test"},
     BY_STRANGER,
     "a.test",
     EKEYREJECTED,
     "unable to get local issuer certificate"},
    {"signed by no authority",
     {.hosts = "DNS:a.test"},
     BY_LEAF,
     "a.test",
     EKEYREJECTED,
     "unable to get local issuer certificate"},
};

static struct cert stranger;

static void try_row(const struct row *row)
{
    const struct cert *signers[] = {&ca, NULL, &stranger, &good};
    struct cert_wish wish = row->wish;
    wish.name = "server";
    wish.signer = signers[row->signer];
    struct cert cert = cert_make(wish);
    grove_tls_context *c = client_context(&ca), *s = server_context(&cert);
    struct link l = link_over(tcp_pair(), c, s, row->host);
    struct outcome o = shake(&l);
    check(o.client == row->error, "%s: errno %d (%s), expected %d", row->what,
          o.client, grove_tls_error(l.client), row->error);
    check(strstr(grove_tls_error(l.client), row->says), "%s: says \"%s\"",
          row->what, grove_tls_error(l.client));
    if (row->error) {
        /* The server is told, at the latest when it reads; and stays so. */
        char buf[4];
        assert_int_equal(grove_tls_read(l.server, buf, 4), -1);
        assert_int_equal(errno, EPROTO);
        check(strstr(grove_tls_error(l.server),
                     "the peer refused the connection: "),
              "%s: the server says \"%s\"", row->what,
              grove_tls_error(l.server));
        assert_int_equal(grove_tls_write(l.client, "x", 1), -1);
        assert_int_equal(errno, row->error);
    } else {
        say(l.client, l.server, "hello");
    }
    link_close(&l);
    grove_tls_context_release(c);
    grove_tls_context_release(s);
    cert_free(&cert);
}

static void each_bad_certificate_is_refused(void **state)
{
    stranger = cert_make((struct cert_wish){.name = "Stranger", .is_ca = true});
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        try_row(&rows[i]);
    cert_free(&stranger);
}

/* A list too long is cut. */
static void a_long_list_of_hosts_is_cut(void **state)
{
    char hosts[2000] = "DNS:first.test";
    for (int i = 0; i < 60; i++)
        sprintf(hosts + strlen(hosts), ",DNS:host-number-%d.test", i);
    struct row row = {"many",   {.hosts = hosts}, BY_CA,
                      "a.test", EKEYREJECTED,     "..., not for a.test"};
    try_row(&row);
}

static void less_can_be_asked(void **state)
{
    struct cert own =
        cert_make((struct cert_wish){.name = "own", .hosts = "DNS:b.test"});
    grove_tls_context *s = server_context(&own);

    grove_tls_context *c = client_context(&ca);
    assert_int_equal(grove_tls_context_verify(c, GROVE_TLS_VERIFY_NONE), 0);
    struct link l = link_over(tcp_pair(), c, s, NULL);
    shake_well(&l);
    char name[64];
    assert_int_equal(grove_tls_peer(l.client, name, sizeof(name)), 6);
    assert_string_equal(name, "CN=own");
    assert_string_equal(grove_tls_host(l.server), "");
    link_close(&l);
    grove_tls_context_release(c);

    /* Trusted, but of another host. */
    c = client_context(&own);
    assert_int_equal(grove_tls_context_verify(c, GROVE_TLS_VERIFY_CHAIN), 0);
    l = link_over(tcp_pair(), c, s, "a.test");
    shake_well(&l);
    link_close(&l);
    l = link_over(tcp_pair(), c, s, NULL);
    shake_well(&l);
    link_close(&l);
    grove_tls_context_release(c);

    grove_tls_context_release(s);
    cert_free(&own);
}

/* By default the system's store counts, which does not have our authority;
 * with SSL_CERT_FILE it does. */
static void the_systems_store_is_the_default(void **state)
{
    char path[] = "/tmp/grove-ca-XXXXXX";
    int fd = mkstemp(path);
    size_t len = strlen(ca.cert_text);
    assert_int_equal(write(fd, ca.cert_text, len), (ssize_t)len);
    close(fd);
    grove_tls_context *s = server_context(&good);
    for (int round = 0; round < 3; round++) {
        /* Once more with something added, which takes the system's place, and
         * then the system's added to it. */
        if (round > 0)
            setenv("SSL_CERT_FILE", path, 1);
        grove_tls_context *c = client_context(round == 2 ? &good : NULL);
        if (round == 2)
            assert_int_equal(grove_tls_context_trust(c, NULL), 0);
        struct link l = link_over(tcp_pair(), c, s, "a.test");
        assert_int_equal(shake(&l).client, round == 0 ? EKEYREJECTED : 0);
        link_close(&l);
        grove_tls_context_release(c);
    }
    unsetenv("SSL_CERT_FILE");
    unlink(path);
    grove_tls_context_release(s);
}

/* ---- clients' certificates ------------------------------------------------------ */

/* With TLS 1.3 a client that shows none goes on before it hears of that, and
 * what it writes then finds the server's end closed. */
static void a_client_that_writes_on_hears_why_it_was_refused(void **state)
{
    (void)state;
    grove_tls_context *s = server_context(&good);
    grove_tls_context *c = client_context(&ca);
    assert_int_equal(grove_tls_context_trust_text(s, ca.cert_text), 0);
    assert_int_equal(grove_tls_context_verify(s, GROVE_TLS_VERIFY_CHAIN), 0);
    struct link l = link_over(tcp_pair(), c, s, "a.test");
    struct call server = tls_call(make_handshake, "server", l.server, NULL, 0);
    server.deadline = grove_now() + HANG;
    call_start(&server);
    assert_int_equal(grove_tls_handshake_until(l.client, grove_now() + HANG),
                     0);
    assert_int_equal(
        grove_tls_write_until(l.client, "a", 1, grove_now() + HANG), 1);
    call_finish(&server);
    assert_int_equal(server.error, EKEYREJECTED);
    grove_tls_free(l.server);
    grove_close(l.pair.in);
    int more = 0; /* the reset is the answer to the first */
    while (grove_tls_write_until(l.client, "b", 1, grove_now() + HANG) == 1)
        assert_true(++more < 10);
    check(errno == EPROTO && strstr(grove_tls_error(l.client), "refused"),
          "errno %d, %s", errno, grove_tls_error(l.client));
    char byte;
    assert_int_equal(grove_tls_read(l.client, &byte, 1), -1);
    assert_int_equal(errno, EPROTO);
    grove_tls_free(l.client);
    grove_close(l.pair.out);
    grove_tls_context_release(c);
    grove_tls_context_release(s);
}

static void clients_show_certificates(void **state)
{
    static const struct {
        int mode;
        int who;   /* 0: shows none, 1: good, 2: its own */
        int error; /* of the server */
        const char *says;
    } table[] = {
        {GROVE_TLS_VERIFY_NONE, 0, 0, ""},
        {GROVE_TLS_VERIFY_NONE, 1, 0, ""},
        {GROVE_TLS_VERIFY_OPTIONAL, 0, 0, ""},
        {GROVE_TLS_VERIFY_OPTIONAL, 1, 0, ""},
        {GROVE_TLS_VERIFY_OPTIONAL, 2, EKEYREJECTED, "self-signed"},
        {GROVE_TLS_VERIFY_CHAIN, 0, EKEYREJECTED,
         "the client has shown no certificate"},
        {GROVE_TLS_VERIFY_CHAIN, 1, 0, ""},
        {GROVE_TLS_VERIFY_CHAIN, 2, EKEYREJECTED, "self-signed"},
        {GROVE_TLS_VERIFY_FULL, 1, 0, ""},
    };
    struct cert alice =
        cert_make((struct cert_wish){.name = "alice", .signer = &ca});
    struct cert own = cert_make((struct cert_wish){.name = "alice"});
    const struct cert *shown[] = {NULL, &alice, &own};
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        const struct cert *cert = shown[table[i].who];
        grove_tls_context *s = server_context(&good);
        assert_int_equal(grove_tls_context_trust_text(s, ca.cert_text), 0);
        assert_int_equal(grove_tls_context_verify(s, table[i].mode), 0);
        grove_tls_context *c = client_context(&ca);
        if (cert)
            assert_int_equal(grove_tls_context_cert_text(c, cert->cert_text,
                                                         cert->key_text, NULL),
                             0);
        struct link l = link_over(tcp_pair(), c, s, "a.test");
        struct outcome o = shake(&l);
        check(o.server == table[i].error &&
                  strstr(grove_tls_error(l.server), table[i].says),
              "row %zu: errno %d, %s", i, o.server, grove_tls_error(l.server));
        if (table[i].error) {
            /* With TLS 1.3 the client hears of it when it reads. */
            char buf[4];
            assert_int_equal(grove_tls_read(l.client, buf, 4), -1);
            assert_int_equal(errno, EPROTO);
        } else {
            bool told = cert && table[i].mode != GROVE_TLS_VERIFY_NONE;
            char name[4];
            assert_int_equal(grove_tls_peer(l.server, name, sizeof(name)),
                             told ? 8 : 0);
            assert_string_equal(name, told ? "CN=" : "");
        }
        link_close(&l);
        grove_tls_context_release(c);
        grove_tls_context_release(s);
    }
    cert_free(&alice);
    cert_free(&own);
}

/* ---- what is agreed on ------------------------------------------------------------ */

static void application_protocols(void **state)
{
    static const struct {
        const char *client, *server, *agreed;
        int error;
    } table[] = {
        {"h2,http/1.1", "http/1.1,h2", "http/1.1", 0},
        {"h2", "h2,http/1.1", "h2", 0},
        {"h2", NULL, "", 0},
        {NULL, "h2", "", 0},
        {"spdy", "h2,http/1.1", "", EPROTO},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        grove_tls_context *c = client_context(&ca), *s = server_context(&good);
        if (table[i].client)
            assert_int_equal(grove_tls_context_alpn(c, table[i].client), 0);
        if (table[i].server)
            assert_int_equal(grove_tls_context_alpn(s, table[i].server), 0);
        struct link l = link_over(tcp_pair(), c, s, "a.test");
        struct outcome o = shake(&l);
        assert_int_equal(o.client, table[i].error);
        assert_int_equal(o.server, table[i].error);
        assert_string_equal(grove_tls_alpn(l.client), table[i].agreed);
        assert_string_equal(grove_tls_alpn(l.server), table[i].agreed);
        if (table[i].error)
            assert_string_equal(
                grove_tls_error(l.client),
                "the peer refused the connection: no application protocol");
        link_close(&l);
        grove_tls_context_release(c);
        grove_tls_context_release(s);
    }
}

static void versions(void **state)
{
    grove_tls_context *c = client_context(&ca), *s = server_context(&good);
    SSL_CTX *native = grove_tls_context_native(c);
    SSL_CTX_set_max_proto_version(native, TLS1_2_VERSION);
    struct link l = link_over(tcp_pair(), c, s, "a.test");
    shake_well(&l);
    assert_string_equal(grove_tls_version(l.client), "TLSv1.2");
    say(l.client, l.server, "hello");
    assert_int_equal(grove_tls_shutdown(l.client, SHUT_WR), 0);
    assert_int_equal(grove_tls_shutdown(l.server, SHUT_RDWR), 0);
    link_close(&l);

    assert_int_equal(grove_tls_context_min_version(s, GROVE_TLS_1_3), 0);
    l = link_over(tcp_pair(), c, s, "a.test");
    struct outcome o = shake(&l);
    assert_int_equal(o.client, EPROTO);
    assert_int_equal(o.server, EPROTO);
    assert_string_equal(grove_tls_error(l.client),
                        "the peer refused the connection: protocol version");
    link_close(&l);
    grove_tls_context_release(c);
    grove_tls_context_release(s);
}

/* ---- hosts -------------------------------------------------------------------------- */

struct chosen {
    grove_tls_context *by_function;
    char asked[64];
};

static grove_tls_context *choose(const char *host, void *arg)
{
    struct chosen *chosen = arg;
    snprintf(chosen->asked, sizeof(chosen->asked), "%s", host);
    return strcmp(host, "f.test") == 0 ? chosen->by_function : NULL;
}

static void servers_of_several_hosts(void **state)
{
    static const struct {
        const char *host, *peer;
        int error;
    } table[] = {
        {"a.test", "CN=a", 0},
        {"B.test", "CN=b", 0},
        {"x.wild.test", "CN=wild", 0},
        {"one.wild.test", "CN=b", 0}, /* an exact name wins */
        {"f.test", "CN=f", 0},
        {"unknown.test", "", EPROTO},
        {"a.b.wild.test", "", EPROTO},
        {"127.0.0.1", "CN=a", 0}, /* addresses are not named */
    };
    struct cert b = cert_make((struct cert_wish){
        .name = "b", .hosts = "DNS:b.test,DNS:one.wild.test", .signer = &ca});
    struct cert wild = cert_make((struct cert_wish){
        .name = "wild", .hosts = "DNS:*.wild.test", .signer = &ca});
    struct cert f = cert_make(
        (struct cert_wish){.name = "f", .hosts = "DNS:f.test", .signer = &ca});
    grove_tls_context *s = server_context(&good), *of_b = server_context(&b),
                      *of_wild = server_context(&wild),
                      *of_f = server_context(&f);
    struct chosen chosen = {.by_function = of_f};
    assert_int_equal(grove_tls_context_host(s, "b.test", of_b), 0);
    assert_int_equal(grove_tls_context_host(s, "one.wild.test", of_b), 0);
    assert_int_equal(grove_tls_context_host(s, "*.wild.test", of_wild), 0);
    grove_tls_context_release(of_b);
    grove_tls_context_release(of_wild);
    /* Without the function, others are the server's own. */
    grove_tls_context *c = client_context(&ca);
    struct link l = link_over(tcp_pair(), c, s, "a.test");
    shake_well(&l);
    link_close(&l);
    grove_tls_context *own = server_context(&good);
    assert_int_equal(grove_tls_context_host(s, "a.test", own), 0);
    grove_tls_context_release(own);
    assert_int_equal(grove_tls_context_host_function(s, choose, &chosen), 0);

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        char name[64];
        l = link_over(tcp_pair(), c, s, table[i].host);
        struct outcome o = shake(&l);
        check(o.client == table[i].error, "%s: errno %d, %s", table[i].host,
              o.client, grove_tls_error(l.client));
        if (!table[i].error) {
            grove_tls_peer(l.client, name, sizeof(name));
            assert_string_equal(name, table[i].peer);
        } else {
            assert_string_equal(chosen.asked, table[i].host);
            assert_string_equal(
                grove_tls_error(l.client),
                "the peer refused the connection: unrecognized name");
        }
        link_close(&l);
    }
    grove_tls_context_release(of_f);
    grove_tls_context_release(c);
    grove_tls_context_release(s);
    cert_free(&b);
    cert_free(&wild);
    cert_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bad_certificate_is_refused),
        cmocka_unit_test(a_long_list_of_hosts_is_cut),
        cmocka_unit_test(less_can_be_asked),
        cmocka_unit_test(the_systems_store_is_the_default),
        cmocka_unit_test(a_client_that_writes_on_hears_why_it_was_refused),
        cmocka_unit_test(clients_show_certificates),
        cmocka_unit_test(application_protocols),
        cmocka_unit_test(versions),
        cmocka_unit_test(servers_of_several_hosts),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}
