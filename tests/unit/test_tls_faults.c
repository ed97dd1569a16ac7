/*
 * TLS without memory: each allocation, of OpenSSL's and of ours, made to fail
 * where it is, on every path. The call says so or does without it; nothing is
 * leaked, and made again it works. And the kernel's errors.
 */
#include "faults.h"
#include "tls_links.h"

#include <openssl/crypto.h>

/* OpenSSL's allocations count among malloc's: it is told to call ours. */
static void *counted_malloc(size_t n, const char *file, int line)
{
    return malloc(n);
}

static void *counted_realloc(void *p, size_t n, const char *file, int line)
{
    return realloc(p, n);
}

static void counted_free(void *p, const char *file, int line)
{
    free(p);
}

#define MEMORY \
    (FAULT_malloc | FAULT_calloc | FAULT_realloc | FAULT_posix_memalign)

/* A thing that is done without failures or ends in one of a set of errors. 0 or
 * a positive errno. */
typedef int action(void);

/* OpenSSL makes thousands of allocations for a key: of those beyond the first
 * ones not each. */
#define EACH 60
#define EACH_SLOW 8

/* The nth allocation fails, for each nth. How many were reported. */
static int each_failure(const char *name, action *act)
{
    int reported = 0;
    assert_int_equal(act(), 0); /* what is made once is there */
    bool hit = true;
    int each = (int)unit_scale(EACH, EACH_SLOW);
    for (int nth = 1; hit; nth += nth < each ? 1 : nth / 6 + 1) {
        fault_arm(MEMORY, nth, ENOMEM);
        int r = act();
        hit = fault_disarm();
        check(r == 0 || (hit && (r == ENOMEM || r == EPROTO || r == EINVAL ||
                                 r == EKEYREJECTED || r == ECONNABORTED)),
              "%s, failure %d: errno %d", name, nth, r);
        reported += r != 0;
    }
    assert_int_equal(act(), 0);
    return reported;
}

/* ---- contexts ------------------------------------------------------------ */

static int make_server_context(void)
{
    grove_tls_context *s, *other = NULL;
    int r = grove_tls_context_new(&s, GROVE_TLS_SERVER);
    if (r < 0)
        return -r;
    r = grove_tls_context_cert_text(s, good.cert_text, good.key_text, NULL);
    if (r == 0)
        r = grove_tls_context_trust_text(s, ca.cert_text);
    if (r == 0)
        r = grove_tls_context_alpn(s, "h2,http/1.1");
    if (r == 0)
        r = grove_tls_context_new(&other, GROVE_TLS_SERVER);
    if (r == 0)
        r = grove_tls_context_host(s, "a.test", other);
    grove_tls_context_release(other);
    grove_tls_context_release(s);
    return -r;
}

static int make_client_context(void)
{
    grove_tls_context *c;
    int r = grove_tls_context_new(&c, GROVE_TLS_CLIENT);
    if (r < 0)
        return -r;
    r = grove_tls_context_trust_text(c, ca.cert_text);
    if (r == 0)
        r = grove_tls_context_alpn(c, "h2");
    if (r == 0)
        r = grove_tls_context_trust(c, "/etc");
    grove_tls_context_release(c);
    return -r;
}

static void contexts_report_no_memory(void **state)
{
    assert_true(each_failure("server context", make_server_context) > 10);
    assert_true(each_failure("client context", make_client_context) > 10);
}

/* ---- connections ------------------------------------------------------------ */

/* The first error of either end wins: the other's is what became of it. */
static int worse(int error, int other)
{
    return error ? error : other;
}

/* Make a connection, talk both ways, save the session, end it. */
static int connect_and_talk(void)
{
    struct pair p = pair_of(UNIX_STREAM);
    grove_tls *c = NULL, *s = NULL;
    int r = -grove_tls_new(&c, usual_client, p.out, "a.test");
    r = worse(r, -grove_tls_new(&s, usual_server, p.in, NULL));
    if (r == 0) {
        /* Not in fibers of their own, which might lack the memory: by turns,
         * without waiting, until there is no more to do. */
        for (int i = 0; i < 40 && r == 0; i++) {
            if (grove_tls_handshake_until(i % 2 ? s : c, 1) < 0 &&
                errno != ETIMEDOUT)
                r = errno;
        }
    }
    char buf[64];
    for (int i = 0; i < 2 && r == 0; i++) {
        grove_tls *from = i ? c : s, *to = i ? s : c;
        if (grove_tls_write_until(from, "hello", 5, 1) != 5 ||
            grove_tls_read_until(to, buf, sizeof(buf), 1) != 5)
            r = errno;
    }
    if (r == 0) {
        static char session[GROVE_TLS_SESSION_MAX];
        ssize_t n = grove_tls_session_save(c, session, sizeof(session));
        r = n < 0 ? (int)-n : 0;
        n = grove_tls_peer(c, buf, sizeof(buf));
        r = worse(r, n < 0 ? (int)-n : 0);
    }
    if (r == 0 && grove_tls_shutdown_until(c, SHUT_WR, 1) < 0)
        r = errno;
    grove_tls_free(c);
    grove_tls_free(s);
    pair_close(p);
    return r;
}

static void connections_report_no_memory(void **state)
{
    int before = open_descriptors();
    assert_true(each_failure("connection", connect_and_talk) > 20);
    assert_int_equal(open_descriptors(), before);
}

/* ---- the kernel ---------------------------------------------------------------- */

static void the_kernels_errors_are_passed_on(void **state)
{
    struct link l = link_over(tcp_pair(), usual_client, usual_server, "a.test");
    char buf[8];
    shake_well(&l);
    fault_arm(FAULT_sendto, 1, ENOBUFS);
    ssize_t n = grove_tls_write(l.client, "x", 1);
    assert_true(fault_disarm());
    for (int i = 0; i < 2; i++) {
        assert_int_equal(n, -1);
        assert_int_equal(errno, ENOBUFS);
        assert_string_equal(grove_tls_error(l.client), strerror(ENOBUFS));
        n = grove_tls_write(l.client, "x", 1);
    }
    /* The other direction works. */
    say(l.server, l.client, "still");
    fault_arm(FAULT_recvfrom, 1, ENOMEM);
    assert_int_equal(grove_tls_read(l.client, buf, 8), -1);
    assert_true(fault_disarm());
    assert_int_equal(errno, ENOMEM);
    link_close(&l);
}

static int setup(void **state)
{
    grove_yield();
    return make_contexts(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_report_no_memory),
        cmocka_unit_test(connections_report_no_memory),
        cmocka_unit_test(the_kernels_errors_are_passed_on),
    };
    if (!CRYPTO_set_mem_functions(counted_malloc, counted_realloc,
                                  counted_free))
        return 1;
    return cmocka_run_group_tests(tests, setup, release_contexts);
}
