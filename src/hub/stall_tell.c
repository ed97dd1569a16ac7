/*
 * What people are told of a stall: a line, and one a frame for its stacks, at
 * most once a second for the whole process; and the function of
 * grove_stalls_set.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fiber/log.h"
#include "hub/stall.h"

/* Of a line for a frame. */
#define LINE_SIZE 512

/* Who it was, as in `fiber 3 "name"`. */
static void describe(char *text, size_t size, uint64_t id, const char *name)
{
    if (id == 0)
        snprintf(text, size, "a callback of the hub");
    else
        snprintf(text, size, "fiber %" PRIu64 " \"%s\"", id, name);
}

static int in_milliseconds(int64_t ns)
{
    int64_t ms = ns / GROVE_MILLISECOND;
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

void hub_stall_tell_over(const struct stall *s)
{
    char who[STALL_NAME + 64];
    if (s->turns <= 1)
        describe(who, sizeof(who), s->id, s->name);
    else
        snprintf(who, sizeof(who), "one of its last %" PRIu64 " turns",
                 s->turns);
    log_tell(GROVE_LOG_WARNING,
             "%s has held up thread %ld for %d ms; of the next it will be told "
             "where",
             who, atomic_load(&s->thread), in_milliseconds(s->took));
}

/* ---- one that goes on ------------------------------------------------------------- */

static void tell_head(const struct stall_sight *sight, int64_t length)
{
    char who[STALL_NAME + 64], what[64] = "";
    describe(who, sizeof(who), sight->id, sight->name);
    if (sight->doing == FRAMES_RUNS)
        snprintf(what, sizeof(what), "; it computes");
    else if (sight->doing == FRAMES_WAITS)
        snprintf(what, sizeof(what), "; it waits in system call %ld",
                 sight->call);
    log_tell(GROVE_LOG_WARNING, "%s holds up thread %ld, for %d ms so far%s",
             who, atomic_load(&hub_stall_of(sight->hub)->thread),
             in_milliseconds(length), what);
}

static void tell_frames(const struct frames *frames)
{
    char line[LINE_SIZE];
    for (size_t i = 0; i < frames->count; i++) {
        frames_describe(frames, i, line, sizeof(line));
        log_tell(GROVE_LOG_DETAIL, "  C%s %s",
                 frames->guessed && i > 0 ? "?" : ":", line);
    }
}

/* A line a frame, below one that says what they are. */
static void tell_host(const char *text)
{
    const char *end = strchr(text, '\n');
    while (end && end[1]) {
        const char *begin = end + 1 + strspn(end + 1, " ");
        size_t length = strcspn(begin, "\n");
        log_tell(GROVE_LOG_DETAIL, "  Python: %.*s", (int)length, begin);
        end = begin[length] ? begin + length : NULL;
    }
}

static void call(const grove_stalls *settings, const struct stall_sight *sight,
                 int64_t length)
{
    const grove_stall stall = {
        .size = sizeof(stall),
        .hub = (grove_hub *)(uintptr_t)sight->hub,
        .thread = atomic_load(&hub_stall_of(sight->hub)->thread),
        .fiber = sight->id,
        .name = sight->id ? sight->name : "hub",
        .length = length,
        .waits = sight->doing == FRAMES_WAITS,
        .guessed = sight->frames.guessed,
        .frames = sight->frames.at,
        .count = sight->frames.count,
        .host = sight->host[0] ? sight->host : NULL,
    };
    settings->fn(&stall, settings->arg);
}

void hub_stall_tell(const struct stall_sight *sight, int64_t length)
{
    const grove_stalls settings = hub_stall_settings();
    assert(sight->seen);
    tell_head(sight, length);
    tell_host(sight->host); /* first: it is what its program is written in */
    tell_frames(&sight->frames);
    if (settings.fn)
        call(&settings, sight, length);
}
