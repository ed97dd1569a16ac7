/*
 * The page of `grove trace --html`: trace.html, which the build has made an
 * array of, with the trace in the place of a word. It asks for nothing else, so
 * that it can be sent to somebody.
 */
#include "page.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Made by tools/embed: trace_page and trace_page_size. */
#include "trace_page.h"

static const char place[] = ">TRACE<";

static int cannot(const char *what, const char *name, const char *why)
{
    fprintf(stderr, "grove: trace: cannot %s %s: %s\n", what, name, why);
    return 1;
}

/* JSON has "<" in texts alone, where this stands for it: so nothing in it ends
 * the script. */
static void put_byte(FILE *to, int c)
{
    if (c == '<')
        fputs("\\u003c", to);
    else
        putc(c, to);
}

static void put_trace(FILE *to, FILE *from)
{
    for (int c; (c = getc(from)) != EOF;)
        put_byte(to, c);
}

static void put_page(FILE *to, FILE *from)
{
    const unsigned char *end = trace_page + trace_page_size;
    const unsigned char *at =
        memmem(trace_page, trace_page_size, place, strlen(place));
    const unsigned char *after = at + strlen(place) - 1;
    fwrite(trace_page, 1, (size_t)(at + 1 - trace_page), to);
    put_trace(to, from);
    fwrite(after, 1, (size_t)(end - after), to);
}

/* As they begin; the rest is the page's to read. */
static bool is_trace(FILE *from)
{
    char head[32] = "";
    size_t n = fread(head, 1, sizeof(head) - 1, from);
    rewind(from);
    return n > 0 && strncmp(head, "{\"displayTimeUnit\"", 18) == 0;
}

static int write_from(const char *page, const char *trace, FILE *from)
{
    if (!is_trace(from))
        return cannot("read", trace, "it is no trace of Grove");
    FILE *to = fopen(page, "we");
    if (!to)
        return cannot("write", page, strerror(errno));
    put_page(to, from);
    bool bad = ferror(to);
    if (fclose(to) != 0 || bad)
        return cannot("write", page, strerror(errno));
    return ferror(from) ? cannot("read", trace, strerror(EIO)) : 0;
}

int page_write(const char *page, const char *trace)
{
    FILE *from = fopen(trace, "re");
    if (!from)
        return cannot("read", trace, strerror(errno));
    int status = write_from(page, trace, from);
    fclose(from);
    return status;
}
