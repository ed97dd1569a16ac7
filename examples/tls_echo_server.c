/*
 * An echo server over TLS.
 *
 *     $ tls_echo_server CERT.pem KEY.pem [PORT]
 *     listening on 127.0.0.1:4567
 *
 * With CLIENT_CA=ca.pem in the environment, clients must show a certificate
 * that this authority has signed. Interrupted, it lets those that are connected
 * finish for a second. See tls_echo_client.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grove.h>

#include "usage.h"

static void serve(grove_connection *c)
{
    char name[128], buf[4096];
    ssize_t n;
    grove_tls_peer(c->tls, name, sizeof(name));
    fprintf(stderr, "%s %s%s%s\n", grove_tls_version(c->tls),
            grove_tls_cipher(c->tls), *name ? " " : "", name);
    while ((n = grove_tls_read(c->tls, buf, sizeof(buf))) > 0) {
        if (grove_tls_write(c->tls, buf, (size_t)n) < 0)
            break;
    }
    if (n < 0)
        fprintf(stderr, "tls_echo_server: %s\n", grove_tls_error(c->tls));
}

static grove_tls_context *make_context(const char *cert, const char *key)
{
    grove_tls_context *context;
    const char *ca = getenv("CLIENT_CA");
    if (grove_tls_context_new(&context, GROVE_TLS_SERVER) < 0)
        return NULL;
    if (grove_tls_context_cert_file(context, cert, key, NULL) == 0 &&
        (!ca ||
         (grove_tls_context_trust(context, ca) == 0 &&
          grove_tls_context_verify(context, GROVE_TLS_VERIFY_CHAIN) == 0)))
        return context;
    fprintf(stderr, "tls_echo_server: %s\n", grove_tls_context_error(context));
    grove_tls_context_release(context);
    return NULL;
}

/* The handler posts this to the hub, whose fibers may then do what they want.
 */
static grove_event interrupted = GROVE_EVENT_INIT;
static grove_hub *hub;

static void on_post(grove_post *post)
{
    grove_event_set(&interrupted);
}

static grove_post post = {.fn = on_post};

static void on_signal(int signal)
{
    grove_hub_post(hub, &post);
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 2, 3,
                "usage: tls_echo_server CERT.pem KEY.pem [PORT]\n\nSend back "
                "over TLS what clients send.");
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%d", usage_port(argv[3]));
    grove_tls_context *context = make_context(argv[1], argv[2]);
    if (!context)
        return EXIT_FAILURE;
    grove_server_attr attr = {.address = address, .tls = context};
    grove_server *server;
    int r = grove_server_start(&server, &attr, serve, NULL);
    if (r < 0) {
        fprintf(stderr, "tls_echo_server: %s: %s\n", address, strerror(-r));
        return EXIT_FAILURE;
    }
    hub = grove_hub_self();
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    printf("listening on 127.0.0.1:%d\n", grove_server_port(server));
    fflush(stdout);
    grove_event_wait(&interrupted);
    grove_server_stop_until(server, grove_now() + GROVE_SECOND);
    grove_server_release(server);
    grove_tls_context_release(context);
    return 0;
}
