/*
 * Say lines over TLS and print what comes back: twice, the second time with the
 * session of the first.
 *
 *     $ tls_echo_client CA.pem HOST PORT LINE...
 *     TLSv1.3, verified for localhost
 *     hello
 *     TLSv1.3, resumed
 *     hello
 *
 * It connects to 127.0.0.1; HOST is whom the certificate must be for. With
 * CERT and KEY in the environment, files, it shows a certificate of its own.
 */
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <grove.h>

#include "usage.h"

static char session[GROVE_TLS_SESSION_MAX];
static ssize_t session_size;

/* Reads until as much has come as was said. */
static bool echo(grove_tls *tls, const char *line)
{
    char buf[1024];
    size_t len = strlen(line);
    if (grove_tls_write(tls, line, len) < 0)
        return false;
    while (len > 0) {
        ssize_t n = grove_tls_read(tls, buf, sizeof(buf));
        if (n <= 0)
            return false;
        fwrite(buf, 1, (size_t)n, stdout);
        len -= (size_t)n;
    }
    putchar('\n');
    return true;
}

static bool talk(grove_tls *tls, char **lines)
{
    if (session_size > 0)
        grove_tls_session_resume(tls, session, (size_t)session_size);
    if (grove_tls_handshake_until(tls, grove_now() + 10 * GROVE_SECOND) < 0)
        return false;
    if (grove_tls_resumed(tls))
        printf("%s, resumed\n", grove_tls_version(tls));
    else
        printf("%s, verified for %s\n", grove_tls_version(tls),
               grove_tls_host(tls));
    for (; *lines; lines++) {
        if (!echo(tls, *lines))
            return false;
    }
    session_size = grove_tls_session_save(tls, session, sizeof(session));
    return grove_tls_shutdown(tls, SHUT_RDWR) == 0;
}

static bool visit(grove_tls_context *context, const char *host, int port,
                  char **lines)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    grove_tls *tls = NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = false;
    if (grove_connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        perror("tls_echo_client: connect");
    else if (grove_tls_new(&tls, context, fd, host) < 0)
        fprintf(stderr, "tls_echo_client: no connection for %s\n", host);
    else if (!(ok = talk(tls, lines)))
        fprintf(stderr, "tls_echo_client: %s\n", grove_tls_error(tls));
    grove_tls_free(tls);
    grove_close(fd);
    return ok;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 4, INT_MAX,
                "usage: tls_echo_client CA.pem HOST PORT LINE...\n\nSay lines "
                "to tls_echo_server and print what comes back.");
    grove_tls_context *context;
    const char *cert = getenv("CERT"), *key = getenv("KEY");
    int port = usage_number(argv[3], 1, 65535);
    if (grove_tls_context_new(&context, GROVE_TLS_CLIENT) < 0) {
        perror("tls_echo_client");
        return EXIT_FAILURE;
    }
    bool ok = grove_tls_context_trust(context, argv[1]) == 0 &&
              (!cert || !key ||
               grove_tls_context_cert_file(context, cert, key, NULL) == 0);
    if (!ok)
        fprintf(stderr, "tls_echo_client: %s\n",
                grove_tls_context_error(context));
    for (int i = 0; i < 2 && ok; i++)
        ok = visit(context, argv[2], port, argv + 4);
    grove_tls_context_release(context);
    return ok ? 0 : EXIT_FAILURE;
}
