/*
 * Resumption: sessions saved and resumed, and those that must not be.
 */
#include "tls_links.h"

struct saved {
    char bytes[GROVE_TLS_SESSION_MAX];
    size_t len;
};

static void save(struct link *l, struct saved *saved)
{
    say(l->server, l->client, "tickets come first");
    ssize_t n =
        grove_tls_session_save(l->client, saved->bytes, sizeof(saved->bytes));
    assert_true(n > 0);
    saved->len = (size_t)n;
    /* Its length can be asked for. */
    char small[4] = "abc";
    assert_int_equal(grove_tls_session_save(l->client, small, 3), n);
    assert_string_equal(small, "abc");
}

/* A whole handshake, whose session is saved. */
static struct saved *new_session(grove_tls_context *from, grove_tls_context *to,
                                 const char *host)
{
    static struct saved saved;
    struct link l = link_over(tcp_pair(), from, to, host);
    shake_well(&l);
    assert_false(grove_tls_resumed(l.client));
    save(&l, &saved);
    link_close(&l);
    return &saved;
}

static struct link resume(grove_tls_context *from, grove_tls_context *to,
                          const char *host, const struct saved *saved)
{
    struct link l = link_over(tcp_pair(), from, to, host);
    assert_int_equal(
        grove_tls_session_resume(l.client, saved->bytes, saved->len), 0);
    return l;
}

static void sessions_are_resumed(void **state)
{
    static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
    for (int i = 0; i < 2; i++) {
        SSL_CTX_set_max_proto_version(grove_tls_context_native(usual_client),
                                      versions[i]);
        struct saved *saved = new_session(usual_client, usual_server, "a.test");
        for (int round = 0; round < 2; round++) {
            struct link l = resume(usual_client, usual_server, "a.test", saved);
            shake_well(&l);
            assert_true(grove_tls_resumed(l.client));
            assert_true(grove_tls_resumed(l.server));
            save(&l, saved);
            link_close(&l);
        }
    }
    SSL_CTX_set_max_proto_version(grove_tls_context_native(usual_client), 0);
}

/* Another server does not know the ticket: a whole handshake, no error. */
static void a_server_may_decline(void **state)
{
    struct saved *saved = new_session(usual_client, usual_server, "a.test");
    grove_tls_context *other = server_context(&good);
    struct link l = resume(usual_client, other, "a.test", saved);
    shake_well(&l);
    assert_false(grove_tls_resumed(l.client));
    say(l.client, l.server, "hello");
    link_close(&l);
    grove_tls_context_release(other);
}

static void bad_sessions_are_refused(void **state)
{
    struct saved *saved = new_session(usual_client, usual_server, "a.test");
    struct link l = link_over(tcp_pair(), usual_client, usual_server, "b.test");
    assert_int_equal(
        grove_tls_session_resume(l.client, saved->bytes, saved->len), -EINVAL);
    assert_string_equal(grove_tls_error(l.client),
                        "the saved session is of a.test, not of b.test");
    link_close(&l);

    l = link_over(tcp_pair(), usual_client, usual_server, "a.test");
    assert_int_equal(grove_tls_session_resume(l.client, "a.test", 6), -EINVAL);
    assert_int_equal(grove_tls_session_resume(l.client, "", 0), -EINVAL);
    assert_int_equal(grove_tls_session_resume(l.client, "a.test\0nonsense", 15),
                     -EINVAL);
    assert_string_equal(grove_tls_error(l.client), "not a saved session");
    assert_int_equal(
        grove_tls_session_resume(l.server, saved->bytes, saved->len), -EINVAL);
    shake_well(&l);
    assert_int_equal(
        grove_tls_session_resume(l.client, saved->bytes, saved->len), -EINVAL);
    link_close(&l);
}

static void nothing_to_save(void **state)
{
    char buf[16];
    struct link l = link_over(tcp_pair(), usual_client, usual_server, "a.test");
    assert_int_equal(grove_tls_session_save(l.client, buf, 16), -ENOENT);
    assert_int_equal(grove_tls_session_save(l.server, buf, 16), -EINVAL);
    shake_well(&l);
    /* TLS 1.3's comes with the first read. */
    assert_int_equal(grove_tls_session_save(l.client, buf, 16), -ENOENT);
    link_close(&l);
}

/* What one client did not verify another that does must not resume. */
static void an_unverified_session_is_not_trusted(void **state)
{
    struct cert own =
        cert_make((struct cert_wish){.name = "own", .hosts = "DNS:a.test"});
    grove_tls_context *s = server_context(&own);
    grove_tls_context *careless = client_context(&ca);
    grove_tls_context_verify(careless, GROVE_TLS_VERIFY_NONE);
    struct saved *saved = new_session(careless, s, "a.test");
    struct link l = resume(usual_client, s, "a.test", saved);
    assert_int_equal(shake(&l).client, EKEYREJECTED);
    assert_non_null(strstr(grove_tls_error(l.client), "self-signed"));
    link_close(&l);
    grove_tls_context_release(careless);
    grove_tls_context_release(s);
    cert_free(&own);
}

/* A ticket of a host that asks for no certificate is no way into one that
 * does, and the client of the one is not that of the other. */
static void a_ticket_is_for_its_own_host(void **state)
{
    static const int versions[] = {TLS1_3_VERSION, TLS1_2_VERSION};
    struct cert both = cert_make((struct cert_wish){
        .name = "both", .hosts = "DNS:open.test,DNS:shut.test", .signer = &ca});
    for (int i = 0; i < 2; i++) {
        grove_tls_context *s = server_context(&both), *shut;
        shut = server_context(&both);
        grove_tls_context_trust_text(shut, ca.cert_text);
        grove_tls_context_verify(shut, GROVE_TLS_VERIFY_CHAIN);
        grove_tls_context_host(s, "shut.test", shut);
        SSL_CTX_set_max_proto_version(grove_tls_context_native(usual_client),
                                      versions[i]);
        struct saved *saved = new_session(usual_client, s, "open.test");
        struct link l = resume(usual_client, s, "open.test", saved);
        shake_well(&l);
        assert_true(grove_tls_resumed(l.client));
        link_close(&l);
        /* A client that lies about whose session it is. */
        memcpy(saved->bytes, "shut", 4);
        l = resume(usual_client, s, "shut.test", saved);
        bool refused = shake(&l).server != 0;
        /* With TLS 1.2 the session says which host it is. */
        assert_int_equal(refused, versions[i] == TLS1_3_VERSION);
        if (!refused)
            assert_string_equal(grove_tls_host(l.server), "open.test");
        link_close(&l);
        grove_tls_context_release(shut);
        grove_tls_context_release(s);
    }
    SSL_CTX_set_max_proto_version(grove_tls_context_native(usual_client), 0);
    cert_free(&both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_are_resumed),
        cmocka_unit_test(a_server_may_decline),
        cmocka_unit_test(bad_sessions_are_refused),
        cmocka_unit_test(nothing_to_save),
        cmocka_unit_test(an_unverified_session_is_not_trusted),
        cmocka_unit_test(a_ticket_is_for_its_own_host),
    };
    return cmocka_run_group_tests(tests, make_contexts, release_contexts);
}
