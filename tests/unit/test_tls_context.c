/*
 * Contexts: certificates and keys of files and texts, whom to trust, and what
 * is refused, with the words that say why.
 */
#include "tls_links.h"

#include <sys/stat.h>

static char directory[] = "/tmp/grove-tls-XXXXXX";
static char cert_path[64], key_path[64], ca_path[64], secret_path[64];

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    make_certs(state);
    assert_non_null(mkdtemp(directory));
    sprintf(cert_path, "%s/cert.pem", directory);
    sprintf(key_path, "%s/key.pem", directory);
    sprintf(secret_path, "%s/secret.pem", directory);
    write_file(cert_path, good.cert_text);
    write_file(key_path, good.key_text);
    /* Named as openssl-rehash names it, so that the directory is a store. */
    sprintf(ca_path, "%s/%08lx.0", directory, X509_subject_name_hash(ca.x509));
    write_file(ca_path, ca.cert_text);
    FILE *file = fopen(secret_path, "w");
    PEM_write_PrivateKey(file, good.key, EVP_aes_128_cbc(), NULL, 0, NULL,
                         (void *)"sesame");
    fclose(file);
    return 0;
}

static int teardown(void **state)
{
    unlink(cert_path);
    unlink(key_path);
    unlink(ca_path);
    unlink(secret_path);
    rmdir(directory);
    return free_certs(state);
}

static void files_and_directories(void **state)
{
    const char *const trusted[] = {ca_path, directory};
    for (int i = 0; i < 2; i++) {
        grove_tls_context *c = client_context(NULL), *s = server_context(NULL);
        assert_int_equal(
            grove_tls_context_cert_file(s, cert_path, key_path, NULL), 0);
        assert_int_equal(grove_tls_context_trust(c, trusted[i]), 0);
        assert_string_equal(grove_tls_context_error(s), "");
        struct link l = link_over(tcp_pair(), c, s, "a.test");
        shake_well(&l);
        link_close(&l);
        grove_tls_context_release(c);
        grove_tls_context_release(s);
    }
}

/* A client that knows the authority only, and a server that shows the
 * certificate in between. */
static void chains(void **state)
{
    struct cert between = cert_make(
        (struct cert_wish){.name = "Between", .is_ca = true, .signer = &ca});
    struct cert leaf = cert_make((struct cert_wish){
        .name = "leaf", .hosts = "DNS:a.test", .signer = &between});
    for (int whole = 0; whole < 2; whole++) {
        char chain[8192];
        snprintf(chain, sizeof(chain), "%s%s", leaf.cert_text,
                 whole ? between.cert_text : "");
        grove_tls_context *c = client_context(&ca), *s = server_context(NULL);
        assert_int_equal(
            grove_tls_context_cert_text(s, chain, leaf.key_text, NULL), 0);
        struct link l = link_over(tcp_pair(), c, s, "a.test");
        assert_int_equal(shake(&l).client, whole ? 0 : EKEYREJECTED);
        link_close(&l);
        grove_tls_context_release(c);
        grove_tls_context_release(s);
    }
    cert_free(&between);
    cert_free(&leaf);
}

static void expect_refusal(grove_tls_context *context, int r, int error,
                           const char *says)
{
    check(r == -error, "%d, expected %d (%s)", r, -error, says);
    check(strstr(grove_tls_context_error(context), says),
          "says \"%s\", expected \"%s\"", grove_tls_context_error(context),
          says);
}

static void bad_certificates_and_keys(void **state)
{
    grove_tls_context *s = server_context(NULL);
    expect_refusal(s, grove_tls_context_cert_file(s, "/none", key_path, NULL),
                   ENOENT, "/none: No such file");
    expect_refusal(s, grove_tls_context_cert_file(s, cert_path, "/none", NULL),
                   ENOENT, "/none: No such file");
    expect_refusal(s, grove_tls_context_cert_file(s, directory, key_path, NULL),
                   EINVAL, directory);
    expect_refusal(s, grove_tls_context_cert_file(s, key_path, key_path, NULL),
                   EINVAL, "key.pem: no start line");
    expect_refusal(s,
                   grove_tls_context_cert_file(s, cert_path, cert_path, NULL),
                   EINVAL, "cert.pem: ");
    expect_refusal(
        s, grove_tls_context_cert_text(s, good.cert_text, ca.key_text, NULL),
        EINVAL, "the key's text: key values mismatch");
    expect_refusal(s, grove_tls_context_cert_text(s, "", "", NULL), EINVAL,
                   "the certificate's text: ");
    expect_refusal(s,
                   grove_tls_context_cert_file(s, cert_path, secret_path, NULL),
                   EINVAL, "secret.pem: ");
    expect_refusal(
        s, grove_tls_context_cert_file(s, cert_path, secret_path, "wrong"),
        EINVAL, "secret.pem: ");
    char cut[4096];
    snprintf(cut, sizeof(cut), "%s%.200s", good.cert_text, good.cert_text);
    expect_refusal(s, grove_tls_context_cert_text(s, cut, good.key_text, NULL),
                   EINVAL, "the certificate's text: ");

    /* None of it has left anything. */
    struct pair p = tcp_pair();
    grove_tls *tls;
    assert_int_equal(grove_tls_new(&tls, s, p.in, NULL), -EINVAL);
    assert_int_equal(
        grove_tls_context_cert_file(s, cert_path, secret_path, "sesame"), 0);
    assert_int_equal(grove_tls_new(&tls, s, p.in, NULL), 0);
    grove_tls_free(tls);
    pair_close(p);
    grove_tls_context_release(s);
}

static void bad_trust(void **state)
{
    grove_tls_context *c = client_context(NULL);
    expect_refusal(c, grove_tls_context_trust(c, "/none"), ENOENT,
                   "/none: No such file");
    expect_refusal(c, grove_tls_context_trust(c, key_path), EINVAL,
                   "key.pem: no start line");
    expect_refusal(c, grove_tls_context_trust_text(c, "nothing"), EINVAL,
                   "the certificates' text: no start line");
    assert_int_equal(grove_tls_context_trust_text(c, ca.cert_text), 0);
    assert_int_equal(grove_tls_context_trust_text(c, ca.cert_text), 0);
    grove_tls_context_release(c);
}

static void bad_settings(void **state)
{
    grove_tls_context *none;
    assert_int_equal(grove_tls_context_new(&none, 2), -EINVAL);
    grove_tls_context *c = client_context(&ca), *s = server_context(&good);
    expect_refusal(c, grove_tls_context_verify(c, 4), EINVAL, "4 is no mode");
    expect_refusal(c, grove_tls_context_verify(c, -1), EINVAL, "-1 is no mode");
    expect_refusal(c, grove_tls_context_verify(c, GROVE_TLS_VERIFY_OPTIONAL),
                   EINVAL, "for servers");
    expect_refusal(c, grove_tls_context_min_version(c, 0x0301), EINVAL,
                   "0x0301 is neither");
    char longest[256 + 2];
    memset(longest, 'a', 256);
    strcpy(longest + 256, "");
    static const char *const protocols[] = {"", ",", "h2,", "h2,,x"};
    for (int i = 0; i < 4; i++)
        expect_refusal(c, grove_tls_context_alpn(c, protocols[i]), EINVAL,
                       "expected names of 1 to 255 bytes");
    expect_refusal(c, grove_tls_context_alpn(c, longest), EINVAL, "aaa");
    longest[255] = 0;
    assert_int_equal(grove_tls_context_alpn(c, longest), 0);
    expect_refusal(c, grove_tls_context_host(c, "a", s), EINVAL, "for servers");
    expect_refusal(s, grove_tls_context_host(s, "a", c), EINVAL, "for servers");
    expect_refusal(s, grove_tls_context_host(s, "a", s), EINVAL, "expected");
    expect_refusal(c, grove_tls_context_host_function(c, NULL, NULL), EINVAL,
                   "for servers");
    char host[300] = "";
    memset(host, 'a', 254);
    grove_tls_context *other = server_context(&good);
    expect_refusal(s, grove_tls_context_host(s, "", other), EINVAL, "\"\"");
    expect_refusal(s, grove_tls_context_host(s, host, other), EINVAL, "aaa");
    grove_tls_context_release(other);

    struct pair p = tcp_pair();
    grove_tls *tls;
    assert_int_equal(grove_tls_new(&tls, c, p.out, NULL), -EINVAL);
    assert_int_equal(grove_tls_new(&tls, c, p.out, ""), -EINVAL);
    assert_int_equal(grove_tls_new(&tls, c, p.out, host), -EINVAL);
    assert_int_equal(grove_tls_new(&tls, c, -1, "a.test"), -EBADF);
    assert_int_equal(grove_tls_new(&tls, c, 900, "a.test"), -EBADF);
    assert_int_equal(grove_tls_new(&tls, s, p.out, "a.test"), -EINVAL);
    pair_close(p);
    grove_tls_context_release(c);
    grove_tls_context_release(s);
}

static void references(void **state)
{
    grove_tls_context *s = server_context(&good);
    struct pair p = tcp_pair();
    grove_tls *tls;
    assert_ptr_equal(grove_tls_context_retain(s), s);
    assert_int_equal(grove_tls_new(&tls, s, p.in, NULL), 0);
    grove_tls_context_release(s);
    grove_tls_context_release(s);
    assert_int_equal(grove_tls_handshake_until(tls, grove_now()), -1);
    grove_tls_free(tls);
    grove_tls_free(NULL);
    grove_tls_context_release(NULL);
    pair_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_directories),
        cmocka_unit_test(chains),
        cmocka_unit_test(bad_certificates_and_keys),
        cmocka_unit_test(bad_trust),
        cmocka_unit_test(bad_settings),
        cmocka_unit_test(references),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
