/*
 * Keys and values in memory, by Redis's protocol: GET, SET, DEL, PING; a fiber
 * a connection, and no lock, since nothing is waited for while the table is
 * looked at.
 *
 *     $ key_value_server [ADDRESS:PORT]
 *     listening on 127.0.0.1:4567
 *     $ redis-cli -p 4567 set name value
 *
 * Commands are read where they are, in the stream's buffer. Those that came
 * together are answered together: the stream sends when it has to wait for the
 * next.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <grove.h>

#include "usage.h"

#define COMMAND_MAX 65536 /* bytes of a command; the buffer's size */
#define WORDS_MAX 8

/* ---- the table -------------------------------------------------------------- */

struct word {
    const char *at;
    size_t size;
};

struct entry {
    struct entry *next; /* of the same bucket */
    size_t hash, key_size, value_size;
    char bytes[]; /* the key, then the value */
};

static struct entry **buckets;
static size_t bucket_count, entry_count;

static size_t hash_of(struct word key) /* FNV-1a */
{
    size_t hash = (size_t)14695981039346656037u;
    for (size_t i = 0; i < key.size; i++)
        hash = (hash ^ (unsigned char)key.at[i]) * (size_t)1099511628211u;
    return hash;
}

/* What points to the key's entry, or to where it would be. */
static struct entry **find(struct word key, size_t hash)
{
    struct entry **at = &buckets[hash & (bucket_count - 1)];
    while (*at && !((*at)->hash == hash && (*at)->key_size == key.size &&
                    memcmp((*at)->bytes, key.at, key.size) == 0))
        at = &(*at)->next;
    return at;
}

/* As many buckets as entries, so that each has about one. */
static bool grow(void)
{
    size_t count = bucket_count ? 2 * bucket_count : 1024;
    struct entry **more = calloc(count, sizeof(struct entry *)), *e, *next;
    if (!more)
        return bucket_count > 0; /* the lists get longer */
    for (size_t i = 0; i < bucket_count; i++) {
        for (e = buckets[i]; e; e = next) {
            next = e->next;
            e->next = more[e->hash & (count - 1)];
            more[e->hash & (count - 1)] = e;
        }
    }
    free(buckets);
    buckets = more;
    bucket_count = count;
    return true;
}

static bool set(struct word key, struct word value)
{
    if (entry_count >= bucket_count && !grow())
        return false;
    size_t hash = hash_of(key);
    struct entry **at = find(key, hash), *old = *at;
    if (old && old->value_size == value.size) {
        memcpy(old->bytes + key.size, value.at, value.size);
        return true;
    }
    struct entry *e = malloc(sizeof(*e) + key.size + value.size);
    if (!e)
        return false;
    *e = (struct entry){old ? old->next : NULL, hash, key.size, value.size};
    memcpy(e->bytes, key.at, key.size);
    memcpy(e->bytes + key.size, value.at, value.size);
    *at = e;
    entry_count += !old;
    free(old);
    return true;
}

static const struct entry *get(struct word key)
{
    return bucket_count ? *find(key, hash_of(key)) : NULL;
}

static int del(struct word key)
{
    struct entry **at = bucket_count ? find(key, hash_of(key)) : NULL;
    if (!at || !*at)
        return 0;
    struct entry *e = *at;
    *at = e->next;
    entry_count--;
    free(e);
    return 1;
}

/* ---- the protocol ----------------------------------------------------------- */

struct command {
    struct word words[WORDS_MAX];
    size_t count;
};

/* "<mark><number>\r\n" at *at: the number; -1: there is no whole line yet; -2:
 * it is something else, or out of range. */
static long number(const char **at, const char *end, char mark)
{
    const char *line = *at;
    long n = 0;
    if (line == end)
        return -1;
    if (*line++ != mark)
        return -2;
    for (; line < end && *line >= '0' && *line <= '9'; line++) {
        n = 10 * n + (*line - '0');
        if (n > COMMAND_MAX)
            return -2;
    }
    if (end - line < 2)
        return line < end && *line != '\r' ? -2 : -1;
    if (line == *at + 1 || line[0] != '\r' || line[1] != '\n')
        return -2;
    *at = line + 2;
    return n;
}

/* The command at the beginning of size bytes: its length; 0: it is not whole
 * yet; -1: it is none. */
static ssize_t parse(const char *text, size_t size, struct command *c)
{
    const char *at = text, *end = text + size;
    long count = number(&at, end, '*');
    if (count < 0)
        return count == -1 ? 0 : -1;
    if (count == 0 || count > WORDS_MAX)
        return -1;
    for (c->count = 0; c->count < (size_t)count; c->count++) {
        long len = number(&at, end, '$');
        if (len < 0)
            return len == -1 ? 0 : -1;
        if (end - at < len + 2)
            return 0;
        if (memcmp(at + len, "\r\n", 2) != 0)
            return -1;
        c->words[c->count] = (struct word){at, (size_t)len};
        at += len + 2;
    }
    return at - text;
}

static bool is(const struct command *c, const char *name, size_t count)
{
    return c->count == count && c->words[0].size == strlen(name) &&
           strncasecmp(c->words[0].at, name, strlen(name)) == 0;
}

/* "$<size>\r\n" in head's last bytes: where it begins. By hand, for printf
 * took more of an answer's time than any other function. */
static char *head_of(char head[static 24], size_t size)
{
    char *at = head + 22;
    memcpy(at, "\r\n", 2);
    do {
        *--at = (char)('0' + size % 10);
        size /= 10;
    } while (size);
    *--at = '$';
    return at;
}

static int answer_value(grove_stream *s, const char *at, size_t size)
{
    char head[24], *from = head_of(head, size);
    struct iovec iov[] = {{from, (size_t)(head + sizeof(head) - from)},
                          {(void *)at, size},
                          {(void *)"\r\n", 2}};
    return grove_stream_writev(s, iov, 3);
}

static int answer_text(grove_stream *s, const char *text)
{
    return grove_stream_write(s, text, strlen(text));
}

static int answer(grove_stream *s, const struct command *c)
{
    const struct word *w = c->words;
    if (is(c, "GET", 2)) {
        const struct entry *e = get(w[1]);
        return e ? answer_value(s, e->bytes + e->key_size, e->value_size)
                 : answer_text(s, "$-1\r\n");
    }
    if (is(c, "SET", 3))
        return answer_text(s, set(w[1], w[2]) ? "+OK\r\n"
                                              : "-OOM out of memory\r\n");
    if (is(c, "DEL", 2))
        return grove_stream_printf(s, ":%d\r\n", del(w[1]));
    if (is(c, "PING", 1))
        return answer_text(s, "+PONG\r\n");
    if (is(c, "PING", 2))
        return answer_value(s, w[1].at, w[1].size);
    return answer_text(s, "-ERR unknown command or number of arguments\r\n");
}

/* All the commands that are there; waits for the first. Whether to go on. */
static bool serve_some(grove_stream *s)
{
    struct command c;
    const char *at;
    size_t want = 1;
    ssize_t used, n;
    do {
        n = grove_stream_peek(s, want, &at);
        if (n < (ssize_t)want) { /* the end, or an error: too long, too */
            if (n == -EMSGSIZE)
                answer_text(s, "-ERR the command is too long\r\n");
            return false;
        }
        want = (size_t)n + 1;
    } while ((used = parse(at, (size_t)n, &c)) == 0);
    size_t done = 0;
    int r = 0;
    for (; used > 0 && r == 0; used = parse(at + done, (size_t)n - done, &c)) {
        r = answer(s, &c);
        done += (size_t)used;
    }
    grove_stream_consume(s, done);
    if (used < 0)
        answer_text(s, "-ERR Protocol error\r\n");
    return used >= 0 && r == 0;
}

static void serve(grove_connection *c)
{
    const grove_stream_attr attr = {.read_size = COMMAND_MAX};
    grove_stream *s;
    if (grove_stream_new_connection(&s, c, &attr) < 0)
        return;
    while (serve_some(s))
        ;
    grove_stream_close(s);
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 1,
                "usage: key_value_server [ADDRESS:PORT]\n\nKeep keys and "
                "values by Redis's protocol.");
    grove_server_attr attr = {.address = argc > 1 ? argv[1] : "127.0.0.1:0"};
    grove_server *server;
    int r = grove_server_start(&server, &attr, serve, NULL);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", attr.address, strerror(-r));
        return EXIT_FAILURE;
    }
    printf("listening on 127.0.0.1:%d\n", grove_server_port(server));
    fflush(stdout);
    return grove_server_wait(server) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
