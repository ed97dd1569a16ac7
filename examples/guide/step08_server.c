/* A server: a fiber a connection, and an end in order. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <grove.h>

static void greet(grove_connection *c)
{
    char name[64];
    ssize_t n = grove_connection_read(c, name, sizeof(name) - 1);
    if (n <= 0)
        return;
    name[n] = '\0';
    char text[80];
    int length = snprintf(text, sizeof(text), "hello, %s", name);
    grove_connection_write(c, text, (size_t)length);
}

/* A client of our own; others come by any program. */
static int ask(int port, const char *name)
{
    char service[8], answer[80];
    snprintf(service, sizeof(service), "%d", port);
    int fd = grove_dial("127.0.0.1", service);
    if (fd < 0)
        return -1;
    ssize_t n = grove_write(fd, name, strlen(name));
    if (n > 0)
        n = grove_read(fd, answer, sizeof(answer));
    if (n > 0)
        printf("%.*s\n", (int)n, answer);
    return grove_close(fd);
}

int main(void)
{
    grove_server_attr attr = {.address = "127.0.0.1:0", .limit = 1000};
    grove_server *server;
    if (grove_server_start(&server, &attr, greet, NULL) < 0)
        return 1;
    int port = grove_server_port(server);
    int r = ask(port, "Ann") < 0 || ask(port, "Ben") < 0;
    /* Connections that are there have a second to end. */
    grove_server_stop_until(server, grove_now() + GROVE_SECOND);
    grove_server_release(server);
    return r;
}
