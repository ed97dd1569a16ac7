/*
 * From events to slices. Of each fiber there is one open slice at most; what it
 * does next closes that and opens another:
 *
 *     spawn, wake, a yield --> READY     switched to --> RUNS
 *     park --> WAITS                     end --> GONE: no slice
 *
 * Whatever is open at the end is closed there, so each begin has its end. Where
 * the ring has lost the beginning, what a fiber is known to have done until its
 * first event begins with the ring's first.
 */
#include "trace/chrome.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "grove.h"
#include "trace/states.h"

/* One ring while it is written. */
struct writing {
    struct trace_chrome *to;
    const struct trace_copy *copy;
    struct trace_states states;
    uint64_t first; /* ticks: what is known begins here */
};

/* ---- JSON ----------------------------------------------------------------------- */

/* Bytes that are not UTF-8 are taken as they are: who names fibers in another
 * encoding reads them so. "<" is escaped for the sake of pages of HTML. */
static void put_text(FILE *file, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < ' ' || c == '"' || c == '\\' || c == '<')
            fprintf(file, "\\u%04x", c);
        else
            putc(c, file);
    }
}

static void begin_object(struct trace_chrome *c, const char *phase,
                         unsigned hub, uint64_t fiber)
{
    fprintf(c->file, "%s{\"ph\":\"%s\",\"pid\":%u,\"tid\":%" PRIu64,
            c->more ? ",\n" : "", phase, hub, fiber);
    c->more = true;
}

static void begin_event(struct writing *w, const char *phase, uint64_t fiber,
                        uint64_t ticks)
{
    struct trace_chrome *c = w->to;
    uint64_t ns = trace_nanoseconds(&c->scale, ticks);
    begin_object(c, phase, w->copy->ring->number, fiber);
    fprintf(c->file, ",\"ts\":%" PRIu64 ".%03u", ns / 1000,
            (unsigned)(ns % 1000));
}

static void put_name(FILE *file, const char *category, const char *name)
{
    fprintf(file, ",\"cat\":\"%s\",\"name\":\"", category);
    put_text(file, name);
    putc('"', file);
}

static void end_event(struct writing *w)
{
    putc('}', w->to->file);
}

/* A moment in a fiber's row. */
static void put_moment(struct writing *w, uint64_t fiber, uint64_t ticks,
                       const char *name)
{
    begin_event(w, "i", fiber, ticks);
    put_name(w->to->file, name, name);
    fputs(",\"s\":\"t\"", w->to->file);
}

/* ---- slices ---------------------------------------------------------------------- */

static struct trace_state *state_of(struct writing *w, uint64_t fiber)
{
    struct trace_state *state = trace_state_of(&w->states, fiber);
    if (!state)
        w->to->error = -ENOMEM;
    return state;
}

static bool has_slice(enum trace_doing doing)
{
    return doing != TRACE_UNKNOWN && doing != TRACE_GONE;
}

static void close_slice(struct writing *w, const struct trace_state *state,
                        uint64_t ticks)
{
    if (!has_slice(state->doing))
        return;
    begin_event(w, "E", state->fiber, ticks);
    end_event(w);
}

/* Leaves the object open for args. */
static void open_slice(struct writing *w, struct trace_state *state,
                       enum trace_doing doing, const char *name, uint64_t ticks)
{
    static const char *const categories[] = {
        [TRACE_READY] = "ready",
        [TRACE_RUNS] = "run",
        [TRACE_WAITS] = "wait",
        [TRACE_SLEEPS] = "sleep",
    };
    close_slice(w, state, ticks);
    state->doing = doing;
    begin_event(w, "B", state->fiber, ticks);
    put_name(w->to->file, categories[doing], name);
}

/* The fiber does something else from now on. False: no memory. */
static bool goes_over(struct writing *w, uint64_t fiber, enum trace_doing doing,
                      const char *name, uint64_t ticks)
{
    struct trace_state *state = state_of(w, fiber);
    if (state)
        open_slice(w, state, doing, name, ticks);
    return state;
}

/* What nothing was told of did this until its first event. */
static void did_before(struct writing *w, uint64_t fiber,
                       enum trace_doing doing, const char *name)
{
    struct trace_state *state = state_of(w, fiber);
    if (!state || state->doing != TRACE_UNKNOWN)
        return;
    open_slice(w, state, doing, name, w->first);
    end_event(w);
}

/* ---- events ----------------------------------------------------------------------- */

static void write_spawn(struct writing *w, const struct trace_event *e)
{
    did_before(w, e->other, TRACE_RUNS, "run");
    put_moment(w, e->other, e->time, "spawn");
    fprintf(w->to->file, ",\"args\":{\"fiber\":%" PRIu64 "}", e->fiber);
    end_event(w);
    if (!goes_over(w, e->fiber, TRACE_READY, "ready", e->time))
        return;
    fprintf(w->to->file, ",\"args\":{\"spawned by\":%" PRIu64 "}", e->other);
    end_event(w);
}

static void write_end(struct writing *w, const struct trace_event *e)
{
    struct trace_state *state = state_of(w, e->fiber);
    if (!state)
        return;
    close_slice(w, state, e->time);
    state->doing = TRACE_GONE;
    put_moment(w, e->fiber, e->time, "end");
    end_event(w);
}

static void write_run(struct writing *w, uint64_t fiber, uint64_t ticks)
{
    if (goes_over(w, fiber, TRACE_RUNS, "run", ticks))
        end_event(w);
}

/* Who is left while it runs, and has not been told to wait or end, has let
 * others run; the hub does neither, and may be left where it is about to
 * sleep. */
static void leave(struct writing *w, uint64_t fiber, uint64_t ticks)
{
    did_before(w, fiber, TRACE_RUNS, "run");
    struct trace_state *state = state_of(w, fiber);
    if (!state || (state->doing != TRACE_RUNS && state->doing != TRACE_SLEEPS))
        return;
    if (fiber) {
        open_slice(w, state, TRACE_READY, "ready", ticks);
        end_event(w);
    } else {
        close_slice(w, state, ticks);
        state->doing = TRACE_GONE;
    }
}

static void write_switch(struct writing *w, const struct trace_event *e)
{
    leave(w, e->fiber, e->time);
    write_run(w, e->other, e->time);
}

static void write_park(struct writing *w, const struct trace_event *e)
{
    const char *what = (const char *)(uintptr_t)e->other;
    did_before(w, e->fiber, TRACE_RUNS, "run");
    if (!goes_over(w, e->fiber, TRACE_WAITS, what ? what : "switch", e->time))
        return;
    if (e->value >= 0)
        fprintf(w->to->file, ",\"args\":{\"fd\":%d}", e->value);
    end_event(w);
}

static void write_wake(struct writing *w, const struct trace_event *e)
{
    did_before(w, e->fiber, TRACE_WAITS, "unknown");
    if (!goes_over(w, e->fiber, TRACE_READY, "ready", e->time))
        return;
    fprintf(w->to->file, ",\"args\":{\"woken by\":%" PRIu64 ",\"result\":%d}",
            e->other, e->value);
    end_event(w);
}

static void write_sleep(struct writing *w, const struct trace_event *e)
{
    did_before(w, e->fiber, TRACE_RUNS, "run");
    if (goes_over(w, e->fiber, TRACE_SLEEPS, "sleep", e->time))
        end_event(w);
}

static void write_awake(struct writing *w, const struct trace_event *e)
{
    did_before(w, e->fiber, TRACE_SLEEPS, "sleep");
    write_run(w, e->fiber, e->time);
}

static void write_begin(struct writing *w, const struct trace_event *e)
{
    write_run(w, e->fiber, e->time);
}

static void (*const writers[])(struct writing *, const struct trace_event *) = {
    [TRACE_BEGIN] = write_begin, [TRACE_SPAWN] = write_spawn,
    [TRACE_END] = write_end,     [TRACE_SWITCH] = write_switch,
    [TRACE_PARK] = write_park,   [TRACE_WAKE] = write_wake,
    [TRACE_SLEEP] = write_sleep, [TRACE_AWAKE] = write_awake,
};

/* ---- rows -------------------------------------------------------------------------- */

static void put_metadata(struct trace_chrome *c, const char *what, unsigned hub,
                         uint64_t fiber)
{
    begin_object(c, "M", hub, fiber);
    fprintf(c->file, ",\"name\":\"%s\",\"args\":{\"name\":\"", what);
}

static void name_row(struct trace_state *state, void *arg)
{
    struct writing *w = arg;
    char name[TRACE_NAME_SIZE];
    if (state->fiber == 0)
        strcpy(name, "hub");
    else if (!trace_copy_name(w->copy, state->fiber, name) || !*name)
        snprintf(name, sizeof(name), "fiber %" PRIu64, state->fiber);
    put_metadata(w->to, "thread_name", w->copy->ring->number, state->fiber);
    put_text(w->to->file, name);
    fputs("\"}}", w->to->file);
}

static void close_row(struct trace_state *state, void *arg)
{
    struct writing *w = arg;
    close_slice(w, state, w->copy->end);
    state->doing = TRACE_GONE;
}

static void name_hub(struct trace_chrome *c, const struct trace_ring *ring)
{
    put_metadata(c, "process_name", ring->number, 0);
    fprintf(c->file, "hub %u, thread %ld\"}}", ring->number, ring->thread);
}

void trace_chrome_ring(struct trace_chrome *c, const struct trace_copy *copy)
{
    struct writing w = {.to = c, .copy = copy};
    bool whole = copy->lost == 0;
    w.first = whole || !copy->count ? copy->ring->began : copy->events[0].time;
    name_hub(c, copy->ring);
    for (size_t i = 0; i < copy->count && !c->error; i++)
        writers[copy->events[i].kind](&w, &copy->events[i]);
    trace_states_each(&w.states, close_row, &w);
    trace_states_each(&w.states, name_row, &w);
    trace_states_free(&w.states);
    c->lost += copy->lost;
}

/* ---- the file ---------------------------------------------------------------------- */

void trace_chrome_begin(struct trace_chrome *c, FILE *file)
{
    *c = (struct trace_chrome){.file = file, .scale = trace_scale_now()};
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", file);
}

void trace_chrome_end(struct trace_chrome *c)
{
    fprintf(c->file,
            "\n],\"otherData\":{\"program\":\"grove %s\",\"process\":%ld,"
            "\"lost\":%" PRIu64 "}}\n",
            grove_version(), (long)getpid(), c->lost);
}
