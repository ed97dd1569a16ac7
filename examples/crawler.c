/*
 * Follow the links of a site over http and https, several pages at once: of the
 * host given and of those below its name.
 *
 *     $ crawler http://site.test:8000/ [FILE_OF_TRUSTED_CAS]
 *     200  1 new links  http://site.test:8000/
 *     1 pages, 0 failed
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grove.h>

#include "usage.h"

#define FETCHERS 8
#define PAGES 1000            /* looked at, at most */
#define PAGE_SIZE (256 << 10) /* of it, at most */
#define PATIENCE (10 * GROVE_SECOND)
struct url {
    bool tls;
    char host[256], port[16], path[1024], text[1400];
};

static struct url pages[PAGES + 1]; /* all that are known, in order */
static size_t known, taken; /* those before `taken` are or were fetched */
static int busy, failed;    /* fetchers at work; pages that failed */
static grove_event news = GROVE_EVENT_INIT; /* a new page, or the end */
static grove_tls_context *tls_context;

/* "http://host:port/path", or a path on the site of base. */
static bool parse_url(struct url *u, const char *text, const struct url *base)
{
    const char *path = text;
    char authority[300] = "";
    if (base && text[0] == '/' && text[1] != '/') {
        *u = *base;
    } else {
        u->tls = strncmp(text, "https://", 8) == 0;
        if (!u->tls && strncmp(text, "http://", 7) != 0)
            return false;
        sscanf(text + 7 + u->tls, "%299[^/#?]", authority);
        path = text + 7 + u->tls + strlen(authority);
        strcpy(u->port, u->tls ? "443" : "80");
        if (sscanf(authority, "%255[^:]:%15[0-9]", u->host, u->port) < 1)
            return false;
    }
    snprintf(u->path, sizeof(u->path), "%s%.*s", *path == '/' ? "" : "/",
             (int)strcspn(path, "#"), path);
    snprintf(u->text, sizeof(u->text), "http%s://%s:%s%.1000s",
             u->tls ? "s" : "", u->host, u->port, u->path);
    return true;
}

/* The first page's host, or one below it. */
static bool is_ours(const struct url *u)
{
    size_t n = strlen(u->host), m = strlen(pages[0].host);
    return m == 0 || (n >= m && strcmp(u->host + n - m, pages[0].host) == 0 &&
                      (n == m || u->host[n - m - 1] == '.'));
}

/* Whether the link is a new page to be fetched. */
static bool add(const char *link, const struct url *base)
{
    struct url *u = &pages[known];
    bool is_new = known < PAGES && parse_url(u, link, base) && is_ours(u);
    for (size_t i = 0; i < known && is_new; i++)
        is_new = strcmp(pages[i].text, u->text) != 0;
    known += is_new;
    grove_event_set(&news);
    return is_new;
}

/* Ask for a page and read it all, ended by a 0 byte; whether it came. */
static bool get(const struct url *u, int fd, grove_tls *tls, char *page)
{
    int n = snprintf(page, PAGE_SIZE, "GET %s HTTP/1.0\r\nHost: %s:%s\r\n\r\n",
                     u->path, u->host, u->port);
    ssize_t got = 0, r = tls ? grove_tls_write(tls, page, (size_t)n)
                             : grove_send(fd, page, (size_t)n, MSG_NOSIGNAL);
    for (; r > 0 && got<PAGE_SIZE - 1; got += r> 0 ? r : 0) {
        size_t room = (size_t)(PAGE_SIZE - 1 - got);
        r = tls ? grove_tls_read(tls, page + got, room)
                : grove_recv(fd, page + got, room, 0);
    }
    page[got] = '\0';
    return r >= 0;
}

static void fetch(const struct url *u, char *page)
{
    char link[1024];
    int links = 0, status = 0;
    grove_tls *tls = NULL;
    grove_timeout t;
    grove_timeout_begin(&t, grove_now() + PATIENCE);
    int fd = grove_dial(u->host, u->port);
    if (fd < 0 ||
        (u->tls && grove_tls_new(&tls, tls_context, fd, u->host) < 0) ||
        !get(u, fd, tls, page) || sscanf(page, "HTTP/1.%*d %d", &status) != 1)
        printf("---  %s %s  %s\n", strerror(errno),
               tls ? grove_tls_error(tls) : "", u->text);
    grove_timeout_end(&t);
    grove_tls_free(tls);
    if (fd >= 0)
        grove_close(fd);
    for (const char *at = page; status && (at = strstr(at, "href=\"")); at += 6)
        links += sscanf(at + 6, "%1023[^\"]", link) == 1 && add(link, u);
    failed += status != 200;
    if (status)
        printf("%d  %d new links  %s\n", status, links, u->text);
}

/* A fetcher: takes pages until there are none and nobody could find more. */
static void *fetch_pages(void *arg)
{
    char *page = malloc(PAGE_SIZE);
    while (page && (taken < known || busy > 0)) {
        if (taken == known) {
            grove_event_clear(&news);
            grove_event_wait(&news);
            continue;
        }
        busy++;
        fetch(&pages[taken++], page);
        if (--busy == 0)
            grove_event_set(&news);
    }
    free(page);
    return NULL;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 1, 2,
                "usage: crawler URL [FILE_OF_TRUSTED_CAS]\n\nFollow the links "
                "of a site, several pages at once.");
    grove_fiber *fetchers[FETCHERS];
    if (!add(argv[1], NULL) ||
        grove_tls_context_new(&tls_context, GROVE_TLS_CLIENT) < 0 ||
        (argc > 2 && grove_tls_context_trust(tls_context, argv[2]) < 0))
        usage_refuse();
    for (int i = 0; i < FETCHERS; i++) {
        if (grove_spawn(&fetchers[i], fetch_pages, NULL) < 0)
            return EXIT_FAILURE;
    }
    grove_join_all(fetchers, FETCHERS, 0);
    printf("%zu pages, %d failed\n", known, failed);
    return failed != 0;
}
