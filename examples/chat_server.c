/*
 * A chat server: what one says all the others hear. Try it with several
 * telnets.
 *
 *     $ chat_server [PORT]
 *     listening on 127.0.0.1:4567
 *
 * Two fibers for each who is there: one reads lines and puts them into the
 * channels of all the others, the second writes to its client what comes
 * through its own. Who reads so slowly that his channel is full misses lines,
 * is told how many, and holds up nobody.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grove.h>

#include "usage.h"

#define LINE_MAX 512
#define LINES 64 /* that a channel holds */

struct line {
    char text[LINE_MAX + 32];
};

struct person {
    struct person *next;
    grove_connection *connection;
    grove_channel *lines; /* for him to hear */
    unsigned missed;
    char name[24];
};

static struct person *people;

static void tell(struct person *p, const struct line *line)
{
    struct line apology;
    snprintf(apology.text, sizeof(apology.text), "* you have missed %u lines\n",
             p->missed);
    if (p->missed && grove_channel_trysend(p->lines, &apology) == 0)
        p->missed = 0;
    if (p->missed || grove_channel_trysend(p->lines, line) == -EAGAIN)
        p->missed++;
}

static void say(const struct person *speaker, const char *text)
{
    struct line line;
    snprintf(line.text, sizeof(line.text), "%s %.*s\n", speaker->name, LINE_MAX,
             text);
    for (struct person *p = people; p; p = p->next) {
        if (p != speaker)
            tell(p, &line);
    }
}

static bool send_text(struct person *p, const char *text)
{
    return grove_connection_write(p->connection, text, strlen(text)) > 0;
}

static void *write_lines(void *arg)
{
    struct person *p = arg;
    struct line line;
    while (grove_channel_recv(p->lines, &line) == 0 && send_text(p, line.text))
        ;
    return NULL;
}

/* A line without its end; false: no more, or one that is too long. */
static bool read_line(struct person *p, char *buf, size_t *have, char *line)
{
    char *end;
    while (!(end = memchr(buf, '\n', *have))) {
        ssize_t n =
            grove_connection_read(p->connection, buf + *have, LINE_MAX - *have);
        if (n <= 0)
            return false;
        *have += (size_t)n;
    }
    size_t len = (size_t)(end - buf);
    memcpy(line, buf, len);
    line[len - (len > 0 && line[len - 1] == '\r')] = 0;
    *have -= len + 1;
    memmove(buf, end + 1, *have);
    return true;
}

/* From his name to his leaving. */
static void chat(struct person *p, char *buf, size_t *have)
{
    char line[LINE_MAX];
    grove_fiber *writer;
    if (!send_text(p, "your name?\n") || !read_line(p, buf, have, line) ||
        grove_spawn(&writer, write_lines, p) < 0)
        return;
    snprintf(p->name, sizeof(p->name), "%.20s:", *line ? line : "somebody");
    p->next = people;
    people = p;
    say(p, "(is here)");
    while (read_line(p, buf, have, line))
        say(p, line);
    say(p, "(has left)");
    struct person **at = &people;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    grove_kill(writer);
    grove_join(writer, NULL);
    grove_release(writer);
}

static void serve(grove_connection *c)
{
    struct person p = {.connection = c};
    char buf[LINE_MAX];
    size_t have = 0;
    if (grove_channel_create(&p.lines, sizeof(struct line), LINES) < 0)
        return;
    chat(&p, buf, &have);
    grove_channel_release(p.lines);
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 1,
                "usage: chat_server [PORT]\n\nWhat one client says all the "
                "others hear.");
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%d", usage_port(argv[1]));
    grove_server_attr attr = {.address = address};
    grove_server *server;
    int r = grove_server_start(&server, &attr, serve, NULL);
    if (r == 0) {
        printf("listening on 127.0.0.1:%d\n", grove_server_port(server));
        fflush(stdout);
        r = grove_server_wait(server);
    }
    fprintf(stderr, "chat_server: %s: %s\n", address, strerror(-r));
    return EXIT_FAILURE;
}
