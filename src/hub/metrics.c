/*
 * The numbers of all hubs of the process as text, for who gathers them. They
 * are those that grove_each_hub tells; any thread may ask.
 */
#include "hub/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/clock.h"
#include "hub/hub.h"
#include "hub/layout.h"
#include "metrics/text.h"

_Static_assert(GROVE_WAIT_KINDS == METRICS_WAITS, "each kind has a name");
_Static_assert(GROVE_DELAYS <= METRICS_DELAYS, "there is room for the classes");

/* Those that were told so far. */
struct gathered {
    struct metrics_hub *hubs;
    size_t count, room;
    bool failed; /* no memory */
};

static bool make_room(struct gathered *g)
{
    size_t room = g->room ? 2 * g->room : 4;
    struct metrics_hub *hubs = realloc(g->hubs, room * sizeof(hubs[0]));
    if (!hubs)
        return false;
    g->hubs = hubs;
    g->room = room;
    return true;
}

static void gather(const grove_hub_info *info, void *arg)
{
    struct gathered *g = arg;
    if (g->failed || (g->count == g->room && !make_room(g))) {
        g->failed = true;
        return;
    }
    struct metrics_hub *hub = &g->hubs[g->count++];
    *hub = (struct metrics_hub){
        .thread = info->thread,
        .asleep = info->asleep,
        .idle_for = hub_clock() - info->taken,
        .switches = info->switches,
        .spawned = info->spawned,
        .ended = info->ended,
        .polls = info->polls,
        .posts = info->posts,
        .offloads = info->offloads,
        .live = info->live,
        .timers = info->timers,
        .descriptors = info->descriptors,
        .delay_sum = info->delay_sum,
        .delay_longest = info->delay_longest,
        .names_asked = info->names_asked,
        .names_found = info->names_found,
        .names_failed = info->names_failed,
        .names_timed_out = info->names_timed_out,
        .names_time = (int64_t)info->names_time,
        .stalls = info->stalls,
    };
    memcpy(hub->waits, info->waits, sizeof(info->waits));
    memcpy(hub->delays, info->delays, sizeof(info->delays));
    if (hub->idle_for < 0) /* by a clock that is a little behind */
        hub->idle_for = 0;
}

char *hub_metrics_text(size_t *size)
{
    struct gathered g = {.hubs = NULL};
    char *text = NULL;
    if (grove_each_hub(gather, &g) >= 0 && !g.failed) {
        struct metrics m = {
            .release = grove_version(),
            .hubs = g.hubs,
            .hub_count = g.count,
            .delays = GROVE_DELAYS,
            .delay_shortest = hub_layout_numbers.delay_shortest,
        };
        text = metrics_text(&m, size);
    }
    free(g.hubs);
    return text;
}

int grove_metrics_write(int fd)
{
    size_t size, done = 0;
    int r = 0;
    char *text = hub_metrics_text(&size);
    if (!text)
        return -ENOMEM;
    while (done < size && r == 0) {
        ssize_t n = write(fd, text + done, size - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            r = -errno;
    }
    free(text);
    return r;
}
