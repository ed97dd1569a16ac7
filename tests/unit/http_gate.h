/*
 * What the tests of a stop have served: requests that are answered at once, and
 * those by POST, which wait at a gate. For test_http_drain.c and the same by
 * TLS.
 */
#ifndef TESTS_UNIT_HTTP_GATE_H
#define TESTS_UNIT_HTTP_GATE_H

#include "fiber_calls.h"
#include "http_served.h"
#include "servers.h"

#define FOR_A "Host: a\r\n\r\n"
#define KEPT "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 2\r\n\r\nok"
#define LAST \
    "HTTP/1.1 200 OK\r\n" DATE \
    "Content-Length: 2\r\nConnection: close\r\n\r\nok"

static grove_event gate;
static _Atomic int waiting; /* handlers, at the gate */

HELPER void answer(grove_http *h)
{
    waiting++;
    if (grove_http_equal(grove_http_received(h)->method, "POST"))
        grove_event_wait(&gate);
    waiting--;
    grove_http_respond(h, 200, NULL, 0, "ok", 2);
}

HELPER ssize_t make_stop(struct call *c)
{
    return grove_server_stop_until(c->more, grove_now() + 3 * HANG);
}

#endif
