/*
 * `grove ps`: a row for each fiber of a process, and how many there are of
 * which kind. The process goes on meanwhile, so the rows are not of one moment.
 */
#include "ps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "look/json.h"
#include "look/label.h"
#include "look/options.h"
#include "look/session.h"
#include "look/tally.h"

static const char usage[] =
    "usage: grove ps [-n COUNT] [--state STATE] [--json] PID\n"
    "\n"
    "Lists the fibers of a process that uses Grove: in which state each is, "
    "what it\n"
    "waits for and since when, what it is called, and of greenlets where they "
    "are in\n"
    "Python. The process is not stopped. Columns are separated by spaces; the "
    "last\n"
    "line counts all.\n"
    "\n"
    "  -n COUNT        list no more than so many; all are counted\n"
    "  --state STATE   list those that are new, ready, running, parked or "
    "stranded\n"
    "  --json          write it as one object of JSON\n";

struct list {
    struct target t;
    struct symbols symbols;
    struct tally tally;
    const struct look_hub *hub;
    uint64_t most; /* rows */
    uint64_t rows; /* so far */
    int state;     /* that is listed; -1: all */
    bool json;
};

/* ---- rows -------------------------------------------------------------------------- */

struct row {
    const char *what;
    char age[16], fd[16], name[LABEL_SIZE], where[LABEL_SIZE];
};

static void write_row(const struct list *l, const struct look_fiber *f,
                      const struct row *row)
{
    printf("%8ld %8" PRIu64 " %-8s %8s %-14s %5s %s%s%s\n", l->hub->thread,
           f->id, look_state_names[f->state], row->age, row->what, row->fd,
           row->name, row->where[0] ? " - " : "", row->where);
}

static void write_row_json(const struct list *l, const struct look_fiber *f,
                           const struct row *row)
{
    printf("%s\n  {\"thread\": %ld, \"fiber\": %" PRIu64
           ", \"state\": \"%s\", \"name\": ",
           l->rows ? "," : "", l->hub->thread, f->id,
           look_state_names[f->state]);
    json_text(stdout, row->name);
    if (row->what[0]) {
        printf(", \"what\": ");
        json_text(stdout, row->what);
    }
    if (f->fd >= 0)
        printf(", \"descriptor\": %d", f->fd);
    if (f->since)
        printf(", \"since\": %" PRId64, f->since);
    if (row->where[0]) {
        printf(", \"where\": ");
        json_text(stdout, row->where);
    }
    putchar('}');
}

static bool list_fiber(const struct look_fiber *f, void *arg)
{
    struct list *l = arg;
    struct row row = {.what = tally_count(&l->tally, &l->t, f)};
    if (l->rows >= l->most || (l->state >= 0 && f->state != l->state))
        return true;
    label_time(f->since, row.age);
    if (f->fd >= 0)
        snprintf(row.fd, sizeof(row.fd), "%d", f->fd);
    label_name(&l->t, &l->symbols, f, row.name);
    label_where(&l->t, f, row.where);
    (l->json ? write_row_json : write_row)(l, f, &row);
    l->rows++;
    return true;
}

/* ---- the whole ------------------------------------------------------------------------ */

static void write_counts_json(const struct list *l)
{
    const char *between = "";
    printf("\n], \"states\": {");
    for (int i = 0; i < LOOK_STATES; i++) {
        if (l->tally.states[i]) {
            printf("%s\"%s\": %" PRIu64, between, look_state_names[i],
                   l->tally.states[i]);
            between = ", ";
        }
    }
    printf("}, \"waits\": {");
    between = "";
    for (size_t i = 0; i < l->tally.reason_count; i++) {
        printf("%s", between);
        json_text(stdout, l->tally.reasons[i].text);
        printf(": %" PRIu64, l->tally.reasons[i].count);
        between = ", ";
    }
    printf("}}\n");
}

static void write_head(const struct list *l)
{
    if (l->json)
        printf("{\"pid\": %d, \"grove\": \"%s\", \"fibers\": [",
               (int)l->t.memory.pid, l->t.layout.head.release);
    else
        printf("%8s %8s %-8s %8s %-14s %5s %s\n", "THREAD", "FIBER", "STATE",
               "FOR", "WAITS FOR", "FD", "NAME");
}

static int list_all(struct list *l)
{
    struct look_hubs hubs = {NULL, 0};
    int r = hubs_read(&hubs, &l->t);
    write_head(l);
    for (size_t i = 0; i < hubs.count && r == 0; i++) {
        l->hub = &hubs.list[i];
        r = fibers_each(&l->t, l->hub, list_fiber, l);
    }
    hubs_free(&hubs);
    if (l->json)
        write_counts_json(l);
    else
        tally_write(&l->tally, stdout);
    return r;
}

static int run(void *arg, pid_t pid)
{
    struct list *l = arg;
    if (!session_begin(&l->t, &l->symbols, pid))
        return FAILED;
    return session_end(&l->t, &l->symbols, list_all(l)) ? OK : FAILED;
}

/* ---- options ----------------------------------------------------------------------------- */

/* The number of a state; -1: it is none. */
static int parse_state(const char *text)
{
    for (int i = 0; i < LOOK_STATES; i++) {
        if (strcmp(text, look_state_names[i]) == 0)
            return i;
    }
    return -1;
}

enum { STATE = LONG_OPTION, JSON };

/* NULL, or what was expected in the argument's place. */
static const char *take_option(void *arg, int option)
{
    struct list *l = arg;
    if (option == 'n' && !options_count(optarg, &l->most))
        return "a whole number";
    if (option == STATE && (l->state = parse_state(optarg)) < 0)
        return "new, ready, running, parked or stranded";
    if (option == JSON)
        l->json = true;
    return NULL;
}

static const struct option longer[] = {
    {"state", required_argument, NULL, STATE},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const struct command command = {
    .name = "ps",
    .usage = usage,
    .letters = ":n:h",
    .longer = longer,
    .take = take_option,
    .run = run,
};

int list_fibers(int argc, char **argv)
{
    struct list *l = calloc(1, sizeof(*l));
    if (l)
        *l = (struct list){.most = UINT64_MAX, .state = -1};
    return options_run(&command, l, argc, argv);
}
