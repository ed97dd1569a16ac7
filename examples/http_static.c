/*
 * An HTTP/1.1 server of the files below a directory: GET and HEAD, keep-alive,
 * large files by sendfile.
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

static int root; /* the directory's descriptor */

/* "%20" and the like, up to a query, into path. False: nonsense, a 0 byte, or
 * too long. */
static bool decode(char *path, size_t size, grove_http_text target)
{
    size_t n = 0;
    for (size_t i = 0; i < target.size && target.at[i] != '?'; i++) {
        unsigned byte = (unsigned char)target.at[i];
        char digits[3] = "";
        if (byte == '%') {
            if (target.size - i < 3)
                return false;
            memcpy(digits, target.at + i + 1, 2);
            i += 2;
            if (strspn(digits, "0123456789abcdefABCDEF") != 2 ||
                sscanf(digits, "%x", &byte) != 1 || byte == 0)
                return false;
        }
        if (n + 1 == size)
            return false;
        path[n++] = (char)byte;
    }
    path[n] = 0;
    return path[0] == '/';
}

/* The file's descriptor, or -1; a directory's is index.html. */
static int open_below(const char *path)
{
    struct open_how how = {.flags = O_NONBLOCK, .resolve = RESOLVE_BENEATH};
    char name[1100];
    snprintf(name, sizeof(name), ".%s%s", path,
             path[strlen(path) - 1] == '/' ? "index.html" : "");
    return (int)syscall(SYS_openat2, root, name, &how, sizeof(how));
}

static void answer(grove_http *h)
{
    const grove_http_head *request = grove_http_received(h);
    char path[1024];
    struct stat st = {0};
    if (!grove_http_equal(request->method, "GET") &&
        !grove_http_equal(request->method, "HEAD")) {
        grove_http_field allow = grove_http_field_of("Allow", "GET, HEAD");
        grove_http_respond(h, 405, &allow, 1, NULL, 0);
        return;
    }
    if (!decode(path, sizeof(path), request->target)) {
        grove_http_respond(h, 400, NULL, 0, NULL, 0);
        return;
    }
    int fd = open_below(path);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        grove_http_respond(h, 404, NULL, 0, NULL, 0);
    else if (grove_http_respond_begin(h, 200, NULL, 0, st.st_size) == 0 &&
             grove_http_send_file(h, fd, 0, st.st_size) == 0)
        grove_http_end(h);
    if (fd >= 0)
        close(fd);
}

static void serve(grove_connection *c)
{
    grove_http_serve(c, NULL, answer, NULL);
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 1, 2,
                "usage: http_static DIRECTORY [ADDRESS:PORT]\n\nServe the "
                "files below a directory over HTTP.");
    grove_server_attr attr = {.address = argc > 2 ? argv[2] : "127.0.0.1:0"};
    grove_server *server;
    root = open(argv[1], O_PATH | O_DIRECTORY);
    if (root < 0) {
        fprintf(stderr, "http_static: %s: %s\n", argv[1], strerror(errno));
        usage_refuse();
    }
    int r = grove_server_start(&server, &attr, serve, NULL);
    if (r < 0) {
        fprintf(stderr, "http_static: %s: %s\n", attr.address, strerror(-r));
        if (r == -EINVAL)
            usage_refuse();
        return EXIT_FAILURE;
    }
    printf("listening on 127.0.0.1:%d\n", grove_server_port(server));
    fflush(stdout);
    return grove_server_wait(server) < 0;
}
