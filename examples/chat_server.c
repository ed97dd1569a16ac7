/*
 * A chat server: what one says all the others hear. Try it with several
 * telnets.
 *
 *     $ chat_server [PORT]
 *     listening on 127.0.0.1:4567
 *
 * Two fibers for each who is there: one reads lines and says them to all, the
 * other writes to its client what there is for it to hear. All lines stand
 * once, in a ring of the latest; who reads so slowly that the ring overtakes
 * him is told how many lines he has missed, and holds up nobody.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grove.h>

#define LINES 256
#define LINE_MAX 512

static struct line {
    unsigned speaker;
    char text[LINE_MAX + 32];
} lines[LINES];

static uint64_t said; /* lines in all; the latest is said - 1 */
static unsigned people;

/* Who listens waits for this; each line wakes all. */
static grove_event news = GROVE_EVENT_INIT;

static void say(unsigned speaker, const char *name, const char *text)
{
    struct line *line = &lines[said++ % LINES];
    line->speaker = speaker;
    snprintf(line->text, sizeof(line->text), "%s %.*s\n", name, LINE_MAX, text);
    grove_event_set(&news);
    grove_event_clear(&news);
}

struct person {
    grove_connection *connection;
    unsigned number;
    uint64_t heard;
    char name[24];
};

static bool tell(struct person *p, const char *text)
{
    return grove_connection_write(p->connection, text, strlen(text)) > 0;
}

/* Tell him of all that he has not heard; false: he is gone. */
static bool tell_news(struct person *p)
{
    while (p->heard < said) {
        char text[sizeof(lines[0].text)] = "";
        if (said - p->heard > LINES) {
            snprintf(text, sizeof(text), "* you have missed %llu lines\n",
                     (unsigned long long)(said - LINES - p->heard));
            p->heard = said - LINES;
        } else {
            const struct line *line = &lines[p->heard++ % LINES];
            if (line->speaker != p->number)
                strcpy(text, line->text);
        }
        /* The line is copied: others may be said while this one waits. */
        if (*text && !tell(p, text))
            return false;
    }
    return true;
}

static void *write_news(void *arg)
{
    while (tell_news(arg) && grove_event_wait(&news) == 0)
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

static void serve(grove_connection *c)
{
    struct person p = {.connection = c, .number = ++people, .heard = said};
    char buf[LINE_MAX], line[LINE_MAX];
    size_t have = 0;
    grove_fiber *writer;
    if (!tell(&p, "your name?\n") || !read_line(&p, buf, &have, line))
        return;
    snprintf(p.name, sizeof(p.name), "%.20s:", *line ? line : "somebody");
    p.heard = said;
    if (grove_spawn(&writer, write_news, &p) < 0)
        return;
    say(p.number, p.name, "(is here)");
    while (read_line(&p, buf, &have, line))
        say(p.number, p.name, line);
    say(p.number, p.name, "(has left)");
    grove_kill(writer);
    grove_join(writer, NULL);
    grove_release(writer);
}

int main(int argc, char **argv)
{
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%s",
             argc > 1 ? argv[1] : "0");
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
