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
    char site[300]; /* "http://host:port" */
    char host[256];
    char text[1400]; /* all of it */
};

static struct url pages[PAGES + 1]; /* all that are known, in order */
static size_t known, taken; /* those before `taken` are or were fetched */
static int busy, failed;    /* fetchers at work; pages that failed */
static grove_event news = GROVE_EVENT_INIT; /* a new page, or the end */
static grove_tls_context *tls_context;

/* "http://host:port/path", or a path on the site of base. */
static bool parse_url(struct url *u, const char *text, const struct url *base)
{
    grove_http_url parsed;
    char whole[1400];
    bool path = base && text[0] == '/' && text[1] != '/';
    snprintf(whole, sizeof(whole), "%s%s", path ? base->site : "", text);
    if (grove_http_url_parse(&parsed, whole) < 0)
        return false;
    strcpy(u->host, parsed.host);
    snprintf(u->site, sizeof(u->site), "http%s://%s:%s", parsed.tls ? "s" : "",
             parsed.host, parsed.port);
    snprintf(u->text, sizeof(u->text), "%s%.*s", u->site,
             (int)(parsed.target.size < 1000 ? parsed.target.size : 1000),
             parsed.target.at);
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

static void fetch(const struct url *u)
{
    static const grove_http_attr attr = {.limits.body_size = PAGE_SIZE};
    grove_http_result page;
    char link[1024];
    int links = 0;
    int r = grove_http_get_until(&page, u->text, tls_context, &attr,
                                 grove_now() + PATIENCE);
    if (r < 0) {
        printf("---  %s  %s\n",
               r == -EKEYREJECTED ? "nobody vouches for the certificate"
                                  : strerror(-r),
               u->text);
        failed++;
        return;
    }
    for (const char *at = page.body; (at = strstr(at, "href=\"")); at += 6)
        links += sscanf(at + 6, "%1023[^\"]", link) == 1 && add(link, u);
    failed += page.status != 200;
    printf("%d  %d new links  %s\n", page.status, links, u->text);
    grove_http_result_free(&page);
}

/* A fetcher: takes pages until there are none and nobody could find more. */
static void *fetch_pages(void *arg)
{
    while (taken < known || busy > 0) {
        if (taken == known) {
            grove_event_clear(&news);
            grove_event_wait(&news);
            continue;
        }
        busy++;
        fetch(&pages[taken++]);
        if (--busy == 0)
            grove_event_set(&news);
    }
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
