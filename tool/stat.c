/*
 * `grove stat`: the numbers of the hubs of a process and how many fibers wait
 * for what, as Prometheus reads them. They are read where the hubs keep them,
 * so they are of now, whether the program has anybody ask for them or not.
 */
#include "stat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "look/options.h"
#include "look/sample.h"
#include "look/tally.h"
#include "metrics/text.h"

static const char usage[] =
    "usage: grove stat PID\n"
    "\n"
    "Writes the numbers of the hubs of a process that uses Grove, as text "
    "that\n"
    "Prometheus reads: switches, fibers, timers, run-queue delays and the "
    "like, and how\n"
    "many fibers wait for what now. The process is not stopped.\n";

struct numbers {
    struct target t;
    struct look_hubs hubs;
    struct metrics_hub *list;
    struct tally tally;
};

static void take_hub(struct metrics_hub *to, const struct look_hub *hub)
{
    int64_t idle_for = look_clock() - hub->now;
    *to = (struct metrics_hub){
        .thread = hub->thread,
        .asleep = hub->asleep,
        .idle_for = idle_for > 0 ? idle_for : 0,
        .switches = hub->switches,
        .spawned = hub->spawned,
        .ended = hub->spawned - hub->live,
        .polls = hub->polls,
        .posts = hub->posts,
        .offloads = hub->offloads,
        .live = hub->live,
        .timers = hub->timers,
        .descriptors = hub->descriptors,
        .delay_sum = hub->delay_sum,
        .delay_longest = hub->delay_longest,
        .names_asked = hub->names_asked,
        .names_found = hub->names_found,
        .names_failed = hub->names_failed,
        .names_timed_out = hub->names_timed_out,
        .names_time = (int64_t)hub->names_time,
        .stalls = hub->stalls,
    };
    memcpy(to->waits, hub->waits, sizeof(to->waits));
    memcpy(to->delays, hub->delays, sizeof(to->delays));
}

static bool count(const struct look_fiber *f, void *arg)
{
    struct numbers *n = arg;
    tally_count(&n->tally, &n->t, f);
    return true;
}

/* Reads all that is told. 0 or -ENOMEM. */
static int gather(struct numbers *n)
{
    int r = hubs_read(&n->hubs, &n->t);
    n->list = calloc(n->hubs.count + 1, sizeof(n->list[0]));
    if (!n->list)
        return -ENOMEM;
    for (size_t i = 0; i < n->hubs.count && r == 0; i++) {
        take_hub(&n->list[i], &n->hubs.list[i]);
        r = fibers_each(&n->t, &n->hubs.list[i], count, n);
    }
    return r;
}

/* Whether all could be written. */
static bool write_out(const struct numbers *n)
{
    struct metrics_count states[LOOK_STATES], waits[REASONS];
    char release[sizeof(n->t.layout.head.release) + 1] = "";
    size_t size, delays = n->t.numbers.delays_count;
    memcpy(release, n->t.layout.head.release, sizeof(release) - 1);
    for (size_t i = 0; i < LOOK_STATES; i++)
        states[i] =
            (struct metrics_count){look_state_names[i], n->tally.states[i]};
    for (size_t i = 0; i < n->tally.reason_count; i++)
        waits[i] = (struct metrics_count){n->tally.reasons[i].text,
                                          n->tally.reasons[i].count};
    struct metrics m = {
        .release = release,
        .hubs = n->list,
        .hub_count = n->hubs.count,
        .delays = delays < METRICS_DELAYS ? delays : METRICS_DELAYS,
        .delay_shortest = n->t.numbers.delay_shortest,
        .states = states,
        .state_count = LOOK_STATES,
        .waits = waits,
        .wait_count = n->tally.reason_count,
    };
    char *text = metrics_text(&m, &size);
    bool good =
        text && fwrite(text, 1, size, stdout) == size && fflush(stdout) == 0;
    if (!good)
        fprintf(stderr, "grove: cannot write: %s\n", strerror(errno));
    free(text);
    return good;
}

static int run(void *arg, pid_t pid)
{
    struct numbers *n = arg;
    bool good = target_open(&n->t, pid) == 0;
    if (good) {
        int r = gather(n);
        if (r < 0)
            fprintf(stderr, "grove: %s\n", strerror(-r));
        good = r == 0 && target_was_read(&n->t) && write_out(n);
        hubs_free(&n->hubs);
        free(n->list);
        target_close(&n->t);
    }
    return good ? OK : FAILED;
}

/* ---- options ----------------------------------------------------------------------------- */

static const struct option longer[] = {
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const struct command command = {
    .name = "stat",
    .usage = usage,
    .letters = ":h",
    .longer = longer,
    .run = run,
};

int tell_numbers(int argc, char **argv)
{
    struct numbers *n = calloc(1, sizeof(*n));
    return options_run(&command, n, argc, argv);
}
