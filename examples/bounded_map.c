/*
 * Many jobs, a few at once: the lengths of some pages, "fetched" by fibers that
 * sleep for as long as each takes.
 *
 *     $ bounded_map
 *     fast: 1200 bytes
 *     ...
 *     4 of 5 pages, 3 at once at most, 7000 bytes
 *     together: no such page: Connection refused
 *
 * First each result is used as it comes, failures included. Then the same in a
 * group that is given up as a whole at the first failure.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <grove.h>

#include "usage.h"

#define PAGES 5
#define AT_ONCE 3

struct page {
    const char *name;
    int delay;  /* milliseconds */
    int length; /* bytes; negative: why it cannot be had */
};

static struct page pages[PAGES] = {
    {"slow", 60, 1000},   {"fast", 10, 1200},
    {"medium", 30, 1800}, {"no such page", 5, -ECONNREFUSED},
    {"large", 20, 3000},
};

static int running, most;

/* What is called for each page: its length, or an error. */
static int fetch(void *item, void *unused)
{
    const struct page *page = item;
    (void)unused;
    running++;
    most = running > most ? running : most;
    int r = grove_sleep(page->delay * GROVE_MILLISECOND);
    running--;
    return r < 0 ? r : page->length;
}

static int print_as_they_come(void)
{
    grove_map map;
    size_t index;
    int length, got = 0, total = 0;
    int r = grove_map_begin(&map, pages, PAGES, sizeof(pages[0]), AT_ONCE,
                            fetch, NULL);
    if (r < 0)
        return r;
    while ((r = grove_map_next(&map, &index, &length)) > 0) {
        if (length < 0) {
            printf("%s: %s\n", pages[index].name, strerror(-length));
            continue;
        }
        printf("%s: %d bytes\n", pages[index].name, length);
        total += length;
        got++;
    }
    grove_map_end(&map);
    printf("%d of %d pages, %d at once at most, %d bytes\n", got, PAGES, most,
           total);
    return r;
}

static struct page *failed;

static int fetch_or_fail(void *arg)
{
    int length = fetch(arg, NULL);
    if (length < 0 && length != -ECANCELED) /* that one was killed */
        failed = arg;
    return length;
}

/* All or nothing: the first that fails has the others killed. */
static int fetch_all_or_none(void)
{
    grove_group group;
    grove_group_attr attr = {.limit = AT_ONCE, .kill_on_error = true};
    grove_group_begin(&group, &attr);
    for (int i = 0; i < PAGES; i++) {
        /* Waits for room; -ESHUTDOWN once one has failed. */
        if (grove_group_spawn(&group, NULL, fetch_or_fail, &pages[i]) < 0)
            break;
    }
    return grove_group_end(&group); /* nobody is left running */
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 0, 0,
                "usage: bounded_map\n\nFetch made-up pages, three at once.");
    int r = print_as_they_come();
    if (r < 0) {
        fprintf(stderr, "bounded_map: %s\n", strerror(-r));
        return 1;
    }
    r = fetch_all_or_none();
    if (r < 0)
        printf("together: %s: %s\n", failed ? failed->name : "all",
               strerror(-r));
    return 0;
}
