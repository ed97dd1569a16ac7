/*
 * An event is an object, on a line of its own.
 */
#include "trace/chrome.h"

#include <inttypes.h>
#include <unistd.h>

#include "grove.h"
#include "trace/utf8.h"

/* ---- JSON ----------------------------------------------------------------------- */

/* JSON is UTF-8 (RFC 8259, 8.1), and whoever reads it may refuse all of a file
 * for a byte that is not, as names that were cut end with. "<" is escaped for
 * the sake of pages of HTML. */
static void put_text(FILE *file, const char *text)
{
    for (size_t n; *text; text += n ? n : 1) {
        unsigned char c = (unsigned char)*text;
        n = utf8_length(text);
        if (n == 0)
            putc('?', file);
        else if (c < ' ' || c == '"' || c == '\\' || c == '<')
            fprintf(file, "\\u%04x", c);
        else
            fwrite(text, 1, n, file);
    }
}

static void begin_object(struct trace_output *to, const char *phase,
                         unsigned hub, uint64_t fiber)
{
    struct trace_chrome *c = (struct trace_chrome *)to;
    fprintf(to->file, "%s{\"ph\":\"%s\",\"pid\":%u,\"tid\":%" PRIu64,
            c->more ? ",\n" : "", phase, hub, fiber);
    c->more = true;
}

static void begin_event(struct trace_output *to, const char *phase,
                        const struct trace_row *row, uint64_t ns)
{
    begin_object(to, phase, row->hub, row->fiber);
    fprintf(to->file, ",\"ts\":%" PRIu64 ".%03u", ns / 1000,
            (unsigned)(ns % 1000));
}

static void put_label(FILE *file, const struct trace_label *label)
{
    fprintf(file, ",\"cat\":\"%s\",\"name\":\"", label->category);
    put_text(file, label->name);
    putc('"', file);
}

static void put_args(FILE *file, const struct trace_arg *args)
{
    if (!args[0].name)
        return;
    for (int i = 0; i < TRACE_ARGS && args[i].name; i++)
        fprintf(file, "%s\"%s\":%" PRId64, i ? "," : ",\"args\":{",
                args[i].name, args[i].value);
    putc('}', file);
}

/* ---- slices and moments ------------------------------------------------------------ */

static void chrome_open(struct trace_output *to, const struct trace_row *row,
                        uint64_t ns, const struct trace_label *label)
{
    begin_event(to, "B", row, ns);
    put_label(to->file, label);
    put_args(to->file, label->args);
    putc('}', to->file);
}

static void chrome_close(struct trace_output *to, const struct trace_row *row,
                         uint64_t ns)
{
    begin_event(to, "E", row, ns);
    putc('}', to->file);
}

static void chrome_moment(struct trace_output *to, const struct trace_row *row,
                          uint64_t ns, const struct trace_label *label)
{
    begin_event(to, "i", row, ns);
    put_label(to->file, label);
    fputs(",\"s\":\"t\"", to->file);
    put_args(to->file, label->args);
    putc('}', to->file);
}

/* ---- rows -------------------------------------------------------------------------- */

static void put_metadata(struct trace_output *to, const char *what,
                         unsigned hub, uint64_t fiber)
{
    begin_object(to, "M", hub, fiber);
    fprintf(to->file, ",\"name\":\"%s\",\"args\":{\"name\":\"", what);
}

static void chrome_hub(struct trace_output *to, const struct trace_copy *copy,
                       uint64_t ns)
{
    (void)ns;
    put_metadata(to, "process_name", copy->ring->number, 0);
    fprintf(to->file, "hub %u, thread %ld\"}}", copy->ring->number,
            copy->ring->thread);
}

static void chrome_row(struct trace_output *to, const struct trace_row *row,
                       const char *name)
{
    put_metadata(to, "thread_name", row->hub, row->fiber);
    put_text(to->file, name);
    fputs("\"}}", to->file);
}

/* ---- the file ---------------------------------------------------------------------- */

static void chrome_end(struct trace_output *to)
{
    fprintf(to->file,
            "\n],\"otherData\":{\"program\":\"grove %s\",\"process\":%ld,"
            "\"lost\":%" PRIu64 "}}\n",
            grove_version(), (long)getpid(), to->lost);
}

static const struct trace_format chrome = {
    .hub = chrome_hub,
    .row = chrome_row,
    .open = chrome_open,
    .close = chrome_close,
    .moment = chrome_moment,
    .end = chrome_end,
};

void trace_chrome_begin(struct trace_chrome *c, FILE *file)
{
    *c = (struct trace_chrome){.output = {.format = &chrome,
                                          .file = file,
                                          .scale = trace_scale_now()}};
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", file);
}
