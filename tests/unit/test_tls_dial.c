/*
 * Streams by TLS to a host by name; and writing all to TLS connections.
 */
#include "servers.h"
#include "tls_links.h"

struct place {
    grove_server *server;
    char port[8];
    int before; /* descriptors open */
};

static struct place start(void)
{
    grove_yield(); /* the hub's own descriptors are there */
    struct place p = {.before = open_descriptors()};
    grove_server_attr attr = {.address = "127.0.0.1:0", .tls = usual_server};
    assert_int_equal(grove_server_start(&p.server, &attr, echo_lines, NULL), 0);
    snprintf(p.port, sizeof(p.port), "%d", grove_server_port(p.server));
    return p;
}

static void leave(struct place *p)
{
    assert_int_equal(grove_server_stop_until(p->server, grove_now() + HANG), 0);
    grove_server_release(p->server);
    assert_int_equal(open_descriptors(), p->before);
}

static void a_stream_is_dialed(void **state)
{
    struct place p = start();
    grove_stream *stream;
    char *line;
    assert_int_equal(
        grove_dial_tls(&stream, usual_client, "127.0.0.1", p.port, NULL), 0);
    assert_string_equal(grove_tls_version(grove_stream_tls(stream)), "TLSv1.3");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(grove_stream_printf(stream, "line %d\n", i), 0);
        assert_int_equal(grove_stream_read_line(stream, &line, NULL, 0), 1);
        assert_int_equal(line[5], '0' + i);
    }
    assert_int_equal(grove_stream_shutdown(stream), 0);
    assert_int_equal(grove_stream_read_line(stream, &line, NULL, 0), 0);
    assert_int_equal(grove_stream_close(stream), 0);
    leave(&p);
}

static int dialed(grove_tls_context *context, const char *service,
                  const grove_stream_attr *attr)
{
    grove_stream *stream = NULL;
    int r = grove_dial_tls_until(&stream, context, "127.0.0.1", service, attr,
                                 grove_now() + HANG);
    assert_null(stream);
    return r;
}

static void what_fails_leaves_nothing(void **state)
{
    struct place p = start();
    grove_tls_context *stranger = client_context(NULL);
    const grove_stream_attr bad = {.read_size = 1};
    assert_int_equal(dialed(stranger, p.port, NULL), -EKEYREJECTED);
    check(strstr(grove_tls_error(NULL), "certificate"), "%s",
          grove_tls_error(NULL));
    assert_int_equal(dialed(usual_server, p.port, NULL), -EINVAL);
    assert_string_equal(grove_tls_error(NULL), ""); /* of this one, nothing */
    assert_int_equal(dialed(usual_client, p.port, &bad), -EINVAL);
    assert_int_equal(dialed(usual_client, "no-service", NULL), -EINVAL);
    grove_tls_context_release(stranger);
    leave(&p);
}

/* Who accepts and says nothing. */
static void it_has_a_deadline(void **state)
{
    struct sockaddr_in addr;
    int fd = listener(&addr), before = open_descriptors();
    grove_stream *stream;
    char port[8];
    snprintf(port, sizeof(port), "%d", ntohs(addr.sin_port));
    assert_int_equal(grove_dial_tls_until(&stream, usual_client, "127.0.0.1",
                                          port, NULL, grove_now() + 10 * MS),
                     -ETIMEDOUT);
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(grove_close(fd), 0);
}

/* ---- writing all ----------------------------------------------------------- */

static void a_part_is_no_success(void **state)
{
    enum { MUCH = 8 << 20 };
    struct link l = link_over(tcp_pair(), usual_client, usual_server, "a.test");
    char *text = calloc(1, MUCH), *in = malloc(MUCH);
    size_t done = 0, got = 0;
    shake_well(&l);
    for (size_t i = 0; i < MUCH; i++)
        text[i] = (char)(i * 7 + i / 251);
    assert_int_equal(grove_tls_write_all_until(l.client, text, MUCH, &done,
                                               grove_now() + 5 * MS),
                     -ETIMEDOUT);
    assert_true(done > 0 && done < MUCH);
    /* The rest, while the other end reads. */
    struct call c = tls_call(make_read, "read", l.server, in + got, MUCH - got);
    while (got < MUCH) {
        size_t more = 0;
        int r = 0;
        c.buf = in + got;
        c.len = MUCH - got;
        c.deadline = grove_now() + HANG;
        call_start(&c);
        if (done < MUCH)
            r = grove_tls_write_all_until(l.client, text + done, MUCH - done,
                                          &more, grove_now() + MS);
        check(r == 0 || r == -ETIMEDOUT, "write: %d", r);
        done += more;
        assert_int_equal(r == 0, done == MUCH);
        call_finish(&c);
        assert_true(c.result > 0);
        got += (size_t)c.result;
    }
    assert_memory_equal(in, text, MUCH);
    assert_int_equal(grove_tls_write_all(l.client, "x", 1, NULL), 0);
    free(text);
    free(in);
    link_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_dialed),
        cmocka_unit_test(what_fails_leaves_nothing),
        cmocka_unit_test(it_has_a_deadline),
        cmocka_unit_test(a_part_is_no_success),
    };
    return cmocka_run_group_tests(tests, make_contexts, release_contexts);
}
