/*
 * An HTTP/1.1 server of the files below a directory: GET and HEAD, keep-alive.
 *
 *     $ http_static DIRECTORY [ADDRESS:PORT]
 *     listening on 127.0.0.1:4567
 *
 * What is asked for is opened below the directory by openat2, which refuses
 * every way out of it: "..", and links that lead elsewhere.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <grove.h>

#include "usage.h"

#define HEAD_MAX 8192 /* bytes of a request's head */
#define PATIENCE (30 * GROVE_SECOND)

struct request {
    char method[8], path[1024];
    bool keep_alive;
};

/* "%20" and the like, in place, up to a query. False: nonsense, or a 0 byte. */
static bool decode(char *path)
{
    char *out = path;
    for (const char *in = path; *in && *in != '?'; in++) {
        unsigned byte = (unsigned char)*in;
        int n = 0;
        sscanf(in, "%%%2x%n", &byte, &n);
        if (*in == '%' && (n != 3 || byte == 0))
            return false;
        in += n ? n - 1 : 0;
        *out++ = (char)byte;
    }
    *out = 0;
    return path[0] == '/';
}

/* The head of a request, which ends in an empty line. */
static bool parse(const char *head, struct request *r)
{
    int end = 0, minor;
    sscanf(head, "%7[A-Z] %1023[^ \r\n] HTTP/1.%1d\r\n%n", r->method, r->path,
           &minor, &end);
    r->keep_alive = end && minor >= 1;
    for (const char *line = head; (line = strchr(line, '\n'));) {
        /* A body, which nobody reads, would be taken for the next request. */
        if (strncasecmp(++line, "connection: close", 17) == 0 ||
            strncasecmp(line, "content-length:", 15) == 0 ||
            strncasecmp(line, "transfer-encoding:", 18) == 0)
            r->keep_alive = false;
    }
    return end && decode(r->path);
}

static bool send_all(grove_connection *c, const void *data, size_t len)
{
    int64_t deadline = grove_now() + PATIENCE;
    return grove_connection_write_all_until(c, data, len, NULL, deadline) == 0;
}

/* Whether the connection goes on. */
static bool reply(grove_connection *c, const struct request *r,
                  const char *status, long long length)
{
    const char *then = r->keep_alive ? "keep-alive" : "close";
    char head[256];
    int n = snprintf(head, sizeof(head),
                     "HTTP/1.1 %s\r\nContent-Length: %lld\r\n"
                     "Connection: %s\r\n\r\n",
                     status, length, then);
    return send_all(c, head, (size_t)n) && r->keep_alive;
}

/* The file's descriptor, or -1; a directory's is index.html. */
static int open_below(int root, const char *path)
{
    struct open_how how = {.flags = O_NONBLOCK, .resolve = RESOLVE_BENEATH};
    char name[1100];
    snprintf(name, sizeof(name), ".%s%s", path,
             path[strlen(path) - 1] == '/' ? "index.html" : "");
    return (int)syscall(SYS_openat2, root, name, &how, sizeof(how));
}

static bool answer(grove_connection *c, const struct request *r)
{
    bool head = strcmp(r->method, "HEAD") == 0;
    if (!head && strcmp(r->method, "GET") != 0)
        return reply(c, r, "405 Method Not Allowed", 0);
    struct stat st = {0};
    int fd = open_below((int)(intptr_t)c->arg, r->path);
    bool found = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    bool go_on = found ? reply(c, r, "200 OK", st.st_size)
                       : reply(c, r, "404 Not Found", 0);
    char buf[16384];
    off_t left = found && !head ? st.st_size : 0;
    for (ssize_t n; left > 0; left -= n) {
        n = grove_read(fd, buf, left < 16384 ? (size_t)left : sizeof(buf));
        if (n <= 0 || !send_all(c, buf, (size_t)n))
            break;
    }
    close(fd);
    return go_on && left == 0;
}

static void serve(grove_connection *c)
{
    char buf[HEAD_MAX + 1];
    size_t have = 0;
    for (bool go_on = true; go_on;) {
        struct request r = {.keep_alive = false};
        buf[have] = 0;
        char *end = strstr(buf, "\r\n\r\n");
        if (!end) {
            int64_t deadline = grove_now() + PATIENCE;
            ssize_t n = grove_connection_read_until(c, buf + have,
                                                    HEAD_MAX - have, deadline);
            if (n <= 0) /* its end, an error, or too long a head */
                return;
            have += (size_t)n;
            continue;
        }
        end[2] = 0; /* its last line is whole */
        go_on =
            parse(buf, &r) ? answer(c, &r) : reply(c, &r, "400 Bad Request", 0);
        have -= (size_t)(end + 4 - buf);
        memmove(buf, end + 4, have);
    }
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 1, 2,
                "usage: http_static DIRECTORY [ADDRESS:PORT]\n\nServe the "
                "files below a directory over HTTP.");
    grove_server_attr attr = {.address = argc > 2 ? argv[2] : "127.0.0.1:0"};
    grove_server *server;
    intptr_t root = open(argv[1], O_PATH | O_DIRECTORY);
    if (root < 0) {
        fprintf(stderr, "http_static: %s: %s\n", argv[1], strerror(errno));
        usage_refuse();
    }
    int r = grove_server_start(&server, &attr, serve, (void *)root);
    if (r < 0) {
        fprintf(stderr, "http_static: %s: %s\n", attr.address, strerror(-r));
        usage_refuse();
    }
    printf("listening on 127.0.0.1:%d\n", grove_server_port(server));
    fflush(stdout);
    return grove_server_wait(server) < 0;
}
