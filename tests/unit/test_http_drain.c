/* A server of HTTP stops: who is idle ends, who has asked is answered. */
#include "http_gate.h"

#define ASKED "GET / HTTP/1.1\r\n" FOR_A

static _Atomic int results[2]; /* connections that ended properly, others */

/* An idle connection would outlast what every wait here has. */
static void serve(grove_connection *c)
{
    static const grove_http_attr attr = {.idle_timeout = 10 * HANG};
    results[grove_http_serve(c, &attr, answer, NULL) < 0]++;
}

/* A client of the server's. */
static struct served client_of(const grove_server *server)
{
    return (struct served){.fd = connect_to(server)};
}

static grove_server *start(unsigned hubs)
{
    grove_server_attr attr = {.address = "127.0.0.1:0", .hubs = hubs};
    grove_server *server;
    results[0] = results[1] = waiting = 0;
    grove_event_init(&gate);
    assert_int_equal(grove_server_start(&server, &attr, serve, NULL), 0);
    return server;
}

enum { FRESH, IDLE, BUSY, TWICE, ASKS, CLIENTS };

/* One has connected and says nothing; one has been answered; one is being so;
 * one likewise, and has asked again; one has asked and was not read yet. */
static void requests_are_answered_and_nothing_is_waited_for(void **state)
{
    grove_server *server = start(1);
    struct served s[CLIENTS];
    struct call c = {.make = make_stop, .name = "stop", .more = server};
    for (int i = 0; i < CLIENTS; i++) {
        s[i] = client_of(server);
        if (i == FRESH)
            continue;
        ask_for(&s[i], ASKED);
        hear(&s[i], KEPT);
    }
    ask_for(&s[BUSY], "POST / HTTP/1.1\r\n" FOR_A);
    ask_for(&s[TWICE], "POST / HTTP/1.1\r\n" FOR_A ASKED);
    while (waiting < 2)
        grove_yield();
    /* By the system's call: nobody runs meanwhile. */
    assert_int_equal(send(s[ASKS].fd, ASKED, strlen(ASKED), 0), strlen(ASKED));
    start_parked(&c);
    hear_end(&s[FRESH]);
    hear_end(&s[IDLE]);
    hear(&s[ASKS], LAST);
    hear_end(&s[ASKS]);
    expect_parked(&c);
    grove_event_set(&gate);
    hear(&s[BUSY], LAST);
    hear_end(&s[BUSY]);
    hear(&s[TWICE], KEPT LAST);
    hear_end(&s[TWICE]);
    expect_result(&c, 0); /* none was killed */
    assert_int_equal(results[0], CLIENTS);
    assert_int_equal(results[1], 0);
    for (int i = 0; i < CLIENTS; i++)
        grove_close(s[i].fd);
    grove_server_release(server);
}

/* At a deadline that has passed. */
static void a_handler_may_be_killed(void **state)
{
    grove_server *server = start(1);
    struct served s = client_of(server);
    ask_for(&s, "POST / HTTP/1.1\r\n" FOR_A);
    while (waiting < 1)
        grove_yield();
    assert_int_equal(grove_server_stop_until(server, 0), 1);
    assert_int_equal(results[0] + results[1], 1);
    grove_close(s.fd);
    grove_server_release(server);
}

static void on_several_hubs(void **state)
{
    grove_server *server = start(2);
    struct served s[6];
    for (int i = 0; i < 6; i++) {
        s[i] = client_of(server);
        ask_for(&s[i], ASKED);
        hear(&s[i], KEPT);
    }
    assert_int_equal(grove_server_stop_until(server, grove_now() + 3 * HANG),
                     0);
    for (int i = 0; i < 6; i++) {
        hear_end(&s[i]);
        grove_close(s[i].fd);
    }
    grove_server_release(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_answered_and_nothing_is_waited_for),
        cmocka_unit_test(a_handler_may_be_killed),
        cmocka_unit_test(on_several_hubs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
