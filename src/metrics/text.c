/*
 * Prometheus's text format, version 0.0.4: of each metric what it is (HELP), of
 * which kind (TYPE), and a line for each hub. Times are in seconds, and the
 * classes of a histogram are cumulative, as it wants them.
 */
#include "metrics/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void head(FILE *to, const char *name, const char *kind, const char *help)
{
    fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

/* A label's value, in quotes. */
static void label(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", to);
        else if (*text == '"' || *text == '\\')
            fprintf(to, "\\%c", *text);
        else
            fputc(*text, to);
    }
    fputc('"', to);
}

/* The labels of hub i, without the braces. */
static void hub_labels(FILE *to, const struct metrics *m, size_t i)
{
    fprintf(to, "hub=\"%zu\",thread=\"%ld\"", i, m->hubs[i].thread);
}

/* ---- numbers ------------------------------------------------------------------------ */

/* Those that are words of a hub. */
static const struct number {
    const char *name, *kind, *help;
    size_t offset; /* of a uint64_t in struct metrics_hub */
} numbers[] = {
#define NUMBER(name, kind, member, help) \
    { \
        "grove_hub_" name, kind, help, offsetof(struct metrics_hub, member) \
    }
    NUMBER("switches_total", "counter", switches, "Switches between fibers."),
    NUMBER("fibers_spawned_total", "counter", spawned,
           "Fibers that were spawned."),
    NUMBER("fibers_ended_total", "counter", ended, "Fibers that have ended."),
    NUMBER("polls_total", "counter", polls, "System calls for events."),
    NUMBER("posts_total", "counter", posts,
           "Callbacks of other threads that were called."),
    NUMBER("offloads_total", "counter", offloads,
           "Calls that worker threads were given."),
    NUMBER("dns_questions_total", "counter", names_asked,
           "Questions about names, to servers or to libc."),
    NUMBER("dns_answers_total", "counter", names_found,
           "Questions about names that were answered."),
    NUMBER("dns_failures_total", "counter", names_failed,
           "Questions about names that failed, or whose name there is not."),
    NUMBER("dns_timeouts_total", "counter", names_timed_out,
           "Questions about names that were not answered in time."),
    {"grove_stalls_total", "counter",
     "Times that somebody held the hub up for longer than the limit.",
     offsetof(struct metrics_hub, stalls)},
    NUMBER("fibers", "gauge", live, "Fibers that have not ended."),
    NUMBER("timers", "gauge", timers, "Pending deadlines."),
    NUMBER("descriptor_waits", "gauge", descriptors, "Waits for a descriptor."),
#undef NUMBER
};

static void write_numbers(FILE *to, const struct metrics *m)
{
    const struct number *end = numbers + sizeof(numbers) / sizeof(numbers[0]);
    for (const struct number *n = numbers; n < end; n++) {
        head(to, n->name, n->kind, n->help);
        for (size_t i = 0; i < m->hub_count; i++) {
            const char *hub = (const char *)&m->hubs[i];
            fprintf(to, "%s{", n->name);
            hub_labels(to, m, i);
            fprintf(to, "} %" PRIu64 "\n",
                    *(const uint64_t *)(const void *)(hub + n->offset));
        }
    }
}

/* ---- times ---------------------------------------------------------------------------- */

static void write_time(FILE *to, const struct metrics *m, const char *name,
                       size_t hub, int64_t ns)
{
    fprintf(to, "%s{", name);
    hub_labels(to, m, hub);
    fprintf(to, "} %.9f\n", (double)ns / 1e9);
}

static void write_times(FILE *to, const struct metrics *m)
{
    const char *name = "grove_hub_turn_seconds";
    head(to, name, "gauge",
         "How long the hub has not looked around: its fibers hold it up. 0 "
         "while it sleeps.");
    for (size_t i = 0; i < m->hub_count; i++)
        write_time(to, m, name, i, m->hubs[i].asleep ? 0 : m->hubs[i].idle_for);
    name = "grove_hub_run_queue_delay_longest_seconds";
    head(to, name, "gauge",
         "The longest that a fiber that could run has waited for its turn.");
    for (size_t i = 0; i < m->hub_count; i++)
        write_time(to, m, name, i, m->hubs[i].delay_longest);
    name = "grove_hub_dns_seconds_total";
    head(to, name, "counter",
         "What questions about names took that were answered, failed or timed "
         "out.");
    for (size_t i = 0; i < m->hub_count; i++)
        write_time(to, m, name, i, m->hubs[i].names_time);
}

/* By enum grove_wait_kind. */
static const char *const wait_kinds[METRICS_WAITS] = {
    "descriptor", "sleep", "sync", "end", "worker", "name", "other",
};

static void write_waits(FILE *to, const struct metrics *m)
{
    const char *name = "grove_hub_waits_total";
    head(to, name, "counter", "Waits that fibers began, by what for.");
    for (size_t i = 0; i < m->hub_count; i++) {
        for (size_t kind = 0; kind < METRICS_WAITS; kind++) {
            fprintf(to, "%s{", name);
            hub_labels(to, m, i);
            fprintf(to, ",kind=\"%s\"} %" PRIu64 "\n", wait_kinds[kind],
                    m->hubs[i].waits[kind]);
        }
    }
}

#define DELAY "grove_hub_run_queue_delay_seconds"

static void write_delays_of(FILE *to, const struct metrics *m, size_t hub)
{
    uint64_t all = 0;
    for (size_t i = 0; i < m->delays; i++) {
        all += m->hubs[hub].delays[i];
        fputs(DELAY "_bucket{", to);
        hub_labels(to, m, hub);
        if (i + 1 < m->delays)
            fprintf(to, ",le=\"%.9g\"} %" PRIu64 "\n",
                    (double)(UINT64_C(1) << (m->delay_shortest + i) % 64) / 1e9,
                    all);
        else
            fprintf(to, ",le=\"+Inf\"} %" PRIu64 "\n", all);
    }
    write_time(to, m, DELAY "_sum", hub, (int64_t)m->hubs[hub].delay_sum);
    fputs(DELAY "_count{", to);
    hub_labels(to, m, hub);
    fprintf(to, "} %" PRIu64 "\n", all);
}

static void write_delays(FILE *to, const struct metrics *m)
{
    head(to, DELAY, "histogram",
         "How long a fiber that could run waited for its turn: a sample a "
         "millisecond at most, while others were ready.");
    for (size_t i = 0; i < m->hub_count; i++)
        write_delays_of(to, m, i);
}

/* ---- the whole --------------------------------------------------------------------------- */

static void write_counts(FILE *to, const char *name, const char *by,
                         const char *help, const struct metrics_count *counts,
                         size_t n)
{
    if (!counts)
        return;
    head(to, name, "gauge", help);
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "%s{%s=", name, by);
        label(to, counts[i].kind);
        fprintf(to, "} %" PRIu64 "\n", counts[i].count);
    }
}

char *metrics_text(const struct metrics *m, size_t *size)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, size);
    if (!to)
        return NULL;
    head(to, "grove_info", "gauge", "The release of the library.");
    fputs("grove_info{version=", to);
    label(to, m->release);
    fputs("} 1\n", to);
    write_numbers(to, m);
    write_waits(to, m);
    write_times(to, m);
    write_delays(to, m);
    write_counts(to, "grove_fibers", "state", "Fibers by state.", m->states,
                 m->state_count);
    write_counts(to, "grove_fibers_waiting", "reason",
                 "Fibers by what they wait for now.", m->waits, m->wait_count);
    bool good = !ferror(to);
    if (fclose(to) == 0 && good)
        return text;
    free(text);
    return NULL;
}
