/*
 * `grove top`: hubs and fibers of a process, again and again. Between two
 * pictures it looks a few hundred times a second who runs; for each picture it
 * reads all fibers, or, where they are so many that this takes long, those that
 * it shows, and all of them less often.
 */
#include "top.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look/options.h"
#include "look/rows.h"
#include "look/screen.h"
#include "look/session.h"

#define MILLISECOND INT64_C(1000000)
#define SECOND (1000 * MILLISECOND)

/* On average. Never the same for long, or what is done regularly would be seen
 * always or never. */
#define BETWEEN_LOOKS (2 * MILLISECOND)

/* A hub that has not moved for so long is held up. */
#define HELD_UP (100 * MILLISECOND)

/* Reading all fibers takes no more than one part in so many of the time. */
#define WALK_SHARE 4

static const char usage[] =
    "usage: grove top [-b] [-n COUNT] [-d SECONDS] PID\n"
    "\n"
    "Shows what the hubs and fibers of a process do, which uses Grove, again "
    "and again:\n"
    "the processor time of each fiber, how much of the time it could run and "
    "did not,\n"
    "what it waits for, and where greenlets are in Python. The process is not "
    "stopped.\n"
    "\n"
    "Keys: q ends it, s sorts by processor time, by time ready, by time "
    "waited or by\n"
    "number, / asks for a text that rows are to have.\n"
    "\n"
    "  -b           write lines, as where there is no terminal\n"
    "  -n COUNT     end after so many pictures\n"
    "  -d SECONDS   the time between two; 1\n";

static const char *const orders[ROWS_ORDERS] = {"processor time", "time ready",
                                                "time waited", "number"};

struct top {
    struct target t;
    struct symbols symbols;
    struct sampler sampler;
    struct rows rows;
    struct screen screen;
    struct look_hubs hubs; /* as they are now */
    double *cpu;           /* of the threads of those that are sampled */
    bool batch;
    uint64_t pictures; /* that are left */
    int64_t interval;
    int64_t walked; /* when all were read last, and how long it took */
    int64_t walk_took;
    bool typing; /* the filter */
    char filter[64];
};

/* ---- the picture --------------------------------------------------------------------- */

/* The hub as it is now; NULL: it is gone. */
static const struct look_hub *now_of(const struct top *top, size_t hub)
{
    for (size_t i = 0; i < top->hubs.count; i++) {
        if (top->hubs.list[i].at == top->sampler.hubs[hub].before.at)
            return &top->hubs.list[i];
    }
    return NULL;
}

/* What 99 of 100 delays between the two were shorter than, in nanoseconds: a
 * power of two; 0: there were none. */
static uint64_t delay_99(const struct top *top, const struct look_hub *before,
                         const struct look_hub *now)
{
    uint64_t all = 0, seen = 0;
    size_t count = top->t.numbers.delays_count;
    if (count > HUB_DELAYS_MOST)
        count = HUB_DELAYS_MOST;
    for (size_t i = 0; i < count; i++)
        all += now->delays[i] - before->delays[i];
    for (size_t i = 0; i < count; i++) {
        seen += now->delays[i] - before->delays[i];
        if (all && seen * 100 >= all * 99)
            return UINT64_C(1) << (top->t.numbers.delay_shortest + i) % 64;
    }
    return 0;
}

static void write_time(FILE *to, uint64_t ns)
{
    if (ns == 0)
        fprintf(to, " %8s", "-");
    else if (ns < 10 * MILLISECOND)
        fprintf(to, " %5.0f us", (double)ns / 1e3);
    else
        fprintf(to, " %5.0f ms", (double)ns / 1e6);
}

/* Which fiber has held the hub up, and for how long. */
static void write_holder(struct top *top, size_t hub, FILE *to)
{
    const struct sampled_hub *h = &top->sampler.hubs[hub];
    int64_t held = look_clock() - h->before.now;
    struct look_fiber f;
    char name[LABEL_SIZE], where[LABEL_SIZE];
    if (!h->still || h->looks == 0 || held < HELD_UP)
        return;
    fprintf(to, "         held up for %.1f s by ", (double)held / 1e9);
    if (!fibers_at(&top->t, &h->before, h->current, &f)) {
        fputs("the hub itself\n", to);
        return;
    }
    label_name(&top->t, &top->symbols, &f, name);
    label_where(&top->t, &f, where);
    fprintf(to, "fiber %" PRIu64 " %s%s%s\n", f.id, name, *where ? " - " : "",
            where);
}

static void write_hub(struct top *top, size_t hub, double seconds, FILE *to)
{
    const struct look_hub *before = &top->sampler.hubs[hub].before;
    const struct look_hub *now = now_of(top, hub);
    if (!now)
        return;
    uint64_t ready = hub < sizeof(top->rows.ready) / sizeof(uint64_t)
                         ? top->rows.ready[hub]
                         : 0;
    fprintf(to,
            "%8ld %5.1f %9.0f %8.0f %8" PRIu64 " %7" PRIu64 " %8" PRIu64
            " %7" PRIu64,
            now->thread, 100 * top->cpu[hub],
            (double)(now->switches - before->switches) / seconds,
            (double)(now->polls - before->polls) / seconds, now->live, ready,
            now->timers, now->descriptors);
    write_time(to, delay_99(top, before, now));
    write_time(to, (uint64_t)now->delay_longest);
    fprintf(to, " %6" PRIu64 "\n", now->stalls);
    write_holder(top, hub, to);
}

static void write_row(const struct top *top, const struct row *row, FILE *to)
{
    const struct look_hub *hub = &top->sampler.hubs[row->hub].before;
    char age[16], fd[16] = "";
    label_time(row->f.since, age);
    if (row->f.fd >= 0)
        snprintf(fd, sizeof(fd), "%d", row->f.fd);
    fprintf(to, "%8ld %8" PRIu64 " %-8s %5.1f %6.1f %8s %-14s %5s %s%s%s\n",
            hub->thread, row->f.id, look_state_names[row->f.state],
            100 * row->cpu, 100 * row->ready, age, row->what, fd, row->name,
            *row->where ? " - " : "", row->where);
}

static void write_picture(struct top *top, double seconds, FILE *to)
{
    fprintf(to, "process %d, by %s", (int)top->t.memory.pid,
            orders[top->rows.order]);
    if (top->typing || *top->filter)
        fprintf(to, ", with: %s%s", top->filter, top->typing ? "_" : "");
    int64_t age = look_clock() - top->walked;
    if (age > SECOND)
        fprintf(to, " (counted %.0f s ago)", (double)age / 1e9);
    fputc('\n', to);
    tally_write(&top->rows.tally, to);
    fprintf(to, "%8s %5s %9s %8s %8s %7s %8s %7s %8s %8s %6s\n", "THREAD",
            "%CPU", "SWITCH/S", "POLL/S", "FIBERS", "READY", "TIMERS", "FDS",
            "DELAY99", "LONGEST", "STALLS");
    for (size_t i = 0; i < top->sampler.hub_count; i++)
        write_hub(top, i, seconds, to);
    fprintf(to, "\n%8s %8s %-8s %5s %6s %8s %-14s %5s %s\n", "THREAD", "FIBER",
            "STATE", "%CPU", "%READY", "FOR", "WAITS FOR", "FD", "NAME");
    for (size_t i = 0; i < top->rows.count; i++)
        write_row(top, &top->rows.list[i], to);
    if (!top->screen.terminal)
        fputc('\n', to);
}

/* Whether it could be shown. */
static bool show(struct top *top, double seconds)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return false;
    write_picture(top, seconds, to);
    bool good = fclose(to) == 0 && screen_show(&top->screen, text);
    free(text);
    return good;
}

/* ---- keys -------------------------------------------------------------------------------- */

enum { KEY_ESCAPE = 27, KEY_DELETE = 127 };

static void type(struct top *top, int key)
{
    size_t n = strlen(top->filter);
    if (key == '\n' || key == '\r') {
        top->typing = false;
    } else if (key == KEY_ESCAPE) {
        top->typing = false;
        top->filter[0] = '\0';
    } else if (key == KEY_DELETE || key == '\b') {
        top->filter[n ? n - 1 : 0] = '\0';
    } else if (key >= ' ' && n + 1 < sizeof(top->filter)) {
        top->filter[n] = (char)key;
        top->filter[n + 1] = '\0';
    }
    top->walked = 0; /* all are to be looked at */
}

/* Whether it goes on; *now is set if there is something new to be shown. */
static bool take_key(struct top *top, int key, bool *now)
{
    *now = key != 0;
    if (key && top->typing)
        type(top, key);
    else if (key == 'q')
        return false;
    else if (key == '/')
        top->typing = true;
    else if (key == 's') {
        top->rows.order = (top->rows.order + 1) % ROWS_ORDERS;
        top->walked = 0;
    }
    return true;
}

/* ---- one after the other ------------------------------------------------------------------- */

static int64_t pause_length(void)
{
    return BETWEEN_LOOKS / 2 + random() % BETWEEN_LOOKS;
}

/* Looks who runs until it is time for a picture. False: it is over. */
static bool look(struct top *top)
{
    bool now = false, goes_on = true;
    while (goes_on && !now && !top->t.memory.error &&
           look_clock() - top->sampler.began < top->interval) {
        sampler_look(&top->sampler);
        goes_on = take_key(top, screen_key(&top->screen, pause_length()), &now);
    }
    return goes_on;
}

static void measure_threads(struct top *top, double seconds)
{
    for (size_t i = 0; i < top->sampler.hub_count; i++) {
        const struct sampled_hub *h = &top->sampler.hubs[i];
        int64_t now = thread_cpu(top->t.memory.pid, h->before.thread);
        int64_t used = now > h->cpu_before ? now - h->cpu_before : 0;
        top->cpu[i] = (double)used / 1e9 / seconds;
    }
}

/* All fibers, if it is time for them. 0 or -ENOMEM. */
static int read_fibers(struct top *top)
{
    int64_t begin = look_clock();
    if (begin - top->walked < WALK_SHARE * top->walk_took) {
        rows_renew(&top->rows);
        return 0;
    }
    int r = rows_walk(&top->rows);
    top->walked = look_clock();
    top->walk_took = top->walked - begin;
    return r;
}

/* Reads everything and shows it. 0, or -errno. */
static int picture(struct top *top)
{
    double seconds = (double)(look_clock() - top->sampler.began) / 1e9;
    int r = hubs_read(&top->hubs, &top->t);
    if (r < 0 || top->t.memory.error)
        return r;
    measure_threads(top, seconds);
    r = read_fibers(top);
    if (r < 0 || top->t.memory.error)
        return r;
    return show(top, seconds) ? 0 : -EIO;
}

/* Begins to sample those hubs that are there. */
static int begin(struct top *top)
{
    int r = top->hubs.list ? 0 : hubs_read(&top->hubs, &top->t);
    sampler_end(&top->sampler);
    free(top->cpu);
    top->cpu = calloc(top->hubs.count + 1, sizeof(*top->cpu));
    top->rows.cpu = top->cpu;
    if (!top->cpu)
        return -ENOMEM;
    return r < 0 ? r : sampler_begin(&top->sampler, &top->t, &top->hubs);
}

static int watch(struct top *top)
{
    int r = 0;
    while (r == 0 && top->pictures > 0) {
        r = begin(top);
        if (r < 0 || !look(top))
            break;
        r = picture(top);
        top->pictures--;
        if (top->t.memory.error)
            break;
    }
    sampler_end(&top->sampler);
    free(top->cpu);
    hubs_free(&top->hubs);
    return r;
}

static int run(void *arg, pid_t pid)
{
    struct top *top = arg;
    if (!session_begin(&top->t, &top->symbols, pid))
        return FAILED;
    top->rows.t = &top->t;
    top->rows.symbols = &top->symbols;
    top->rows.sampler = &top->sampler;
    top->rows.filter = top->filter;
    screen_open(&top->screen, top->batch);
    int r = watch(top);
    screen_close(&top->screen);
    return session_end(&top->t, &top->symbols, r) ? OK : FAILED;
}

/* ---- options --------------------------------------------------------------------------------- */

/* NULL, or what was expected in the argument's place. */
static const char *take_option(void *arg, int option)
{
    struct top *top = arg;
    double seconds;
    if (option == 'b') {
        top->batch = true;
    } else if (option == 'n') {
        if (!options_count(optarg, &top->pictures) || top->pictures == 0)
            return "a whole number above 0";
    } else if (option == 'd') {
        if (!options_number(optarg, 0.01, 86400, &seconds))
            return "0.01 to 86400 seconds";
        top->interval = (int64_t)(seconds * 1e9);
    }
    return NULL;
}

static const struct option longer[] = {
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const struct command command = {
    .name = "top",
    .usage = usage,
    .letters = ":bn:d:h",
    .longer = longer,
    .take = take_option,
    .run = run,
};

int watch_fibers(int argc, char **argv)
{
    struct top *top = calloc(1, sizeof(*top));
    if (top) {
        top->pictures = UINT64_MAX;
        top->interval = SECOND;
    }
    return options_run(&command, top, argc, argv);
}
