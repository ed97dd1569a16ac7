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

#include "trace/format.h"

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

/* ---- a trace that is cut ------------------------------------------------------------ */

/* What stands after the last event, and ends in two braces. */
static const char last_line[] = "],\"otherData\":{";

/* Bytes within which that is. */
#define TAIL 512

/* Whether its end is missing. */
static bool is_cut(FILE *from)
{
    char tail[TAIL];
    if (fseek(from, -TAIL, SEEK_END) < 0)
        rewind(from);
    size_t n = fread(tail, 1, sizeof(tail), from);
    rewind(from);
    while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' '))
        n--;
    return n < 2 || memcmp(tail + n - 2, "}}", 2) != 0 ||
           !memmem(tail, n, last_line, strlen(last_line));
}

/* The bytes up to the end of the last line that is whole, without the comma
 * after an event; 0: not even the first is. */
static long whole_lines(FILE *from)
{
    long size = 0, at = 0;
    for (int c, before = 0; (c = getc(from)) != EOF; before = c, at++) {
        if (c == '\n')
            size = before == ',' ? at - 1 : at;
    }
    rewind(from);
    return size;
}

/* ---- the page ------------------------------------------------------------------------ */

static void put_lines(FILE *to, FILE *from)
{
    long size = whole_lines(from);
    if (size == 0)
        fputs("{\"traceEvents\":[", to);
    while (size-- > 0)
        put_byte(to, getc(from));
    fprintf(to, "\n%s\"cut\":true}}\n", last_line);
}

static void put_trace(FILE *to, FILE *from, bool cut)
{
    if (cut)
        put_lines(to, from);
    else
        for (int c; (c = getc(from)) != EOF;)
            put_byte(to, c);
}

static void put_page(FILE *to, FILE *from, bool cut)
{
    const unsigned char *end = trace_page + trace_page_size;
    const unsigned char *at =
        memmem(trace_page, trace_page_size, place, strlen(place));
    const unsigned char *after = at + strlen(place) - 1;
    fwrite(trace_page, 1, (size_t)(at + 1 - trace_page), to);
    put_trace(to, from, cut);
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

/* Of a file that is no such trace. */
static int refuse(const char *trace)
{
    return cannot("read", trace,
                  trace_format_is_perfetto(trace)
                      ? "a page is made of JSON; https://ui.perfetto.dev "
                        "shows this"
                      : "it is no trace of Grove");
}

static int write_from(const char *page, const char *trace, FILE *from)
{
    if (!is_trace(from))
        return refuse(trace);
    FILE *to = fopen(page, "we");
    if (!to)
        return cannot("write", page, strerror(errno));
    bool cut = is_cut(from);
    put_page(to, from, cut);
    bool bad = ferror(to);
    if (fclose(to) != 0 || bad)
        return cannot("write", page, strerror(errno));
    if (ferror(from))
        return cannot("read", trace, strerror(EIO));
    if (cut)
        fprintf(stderr,
                "grove: trace: %s is cut: its end is missing on the page\n",
                trace);
    return 0;
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
