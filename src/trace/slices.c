/*
 * Of each fiber there is one open slice at most; what it does next closes that
 * and opens another:
 *
 *     spawn, wake, a yield --> READY     switched to --> RUNS
 *     park --> WAITS                     end --> GONE: no slice
 *
 * Whatever is open at the end is closed there, so each begin has its end. Where
 * the ring has lost the beginning, what a fiber is known to have done until its
 * first event begins with the ring's first.
 */
#include "trace/slices.h"

#include <errno.h>
#include <inttypes.h>

#include "trace/states.h"

/* A name, a blank and the number of a fiber. */
#define ROW_NAME_SIZE (TRACE_NAME_SIZE + 21)

/* One ring while it is written. */
struct slicing {
    struct trace_output *to;
    const struct trace_format *format;
    const struct trace_copy *copy;
    struct trace_states states;
    uint64_t first; /* ticks: what is known begins here */
};

static uint64_t nanoseconds(const struct slicing *s, uint64_t ticks)
{
    return trace_nanoseconds(&s->to->scale, ticks);
}

/* ---- rows ------------------------------------------------------------------------ */

static struct trace_row row_of(const struct slicing *s,
                               const struct trace_state *state)
{
    return (struct trace_row){.hub = s->copy->ring->number,
                              .fiber = state->fiber,
                              .number = state->row};
}

static void name_row(const struct slicing *s, uint64_t fiber,
                     char text[ROW_NAME_SIZE])
{
    char name[TRACE_NAME_SIZE];
    if (fiber == 0)
        snprintf(text, ROW_NAME_SIZE, "hub");
    else if (!trace_copy_name(s->copy, fiber, name) || !*name)
        snprintf(text, ROW_NAME_SIZE, "fiber %" PRIu64, fiber);
    else if (s->format->has_numbers)
        snprintf(text, ROW_NAME_SIZE, "%s %" PRIu64, name, fiber);
    else
        snprintf(text, ROW_NAME_SIZE, "%s", name);
}

static void begin_row(struct slicing *s, struct trace_state *state)
{
    char name[ROW_NAME_SIZE];
    state->row = ++s->to->rows;
    struct trace_row row = row_of(s, state);
    name_row(s, state->fiber, name);
    s->format->row(s->to, &row, name);
}

/* NULL: no memory. */
static struct trace_state *state_of(struct slicing *s, uint64_t fiber)
{
    struct trace_state *state = trace_state_of(&s->states, fiber);
    if (!state)
        s->to->error = -ENOMEM;
    else if (!state->row)
        begin_row(s, state);
    return state;
}

/* ---- slices ---------------------------------------------------------------------- */

static bool has_slice(enum trace_doing doing)
{
    return doing != TRACE_UNKNOWN && doing != TRACE_GONE;
}

static void close_slice(struct slicing *s, const struct trace_state *state,
                        uint64_t ticks)
{
    if (!has_slice(state->doing))
        return;
    struct trace_row row = row_of(s, state);
    s->format->close(s->to, &row, nanoseconds(s, ticks));
}

/* The label is without its category. */
static void open_slice(struct slicing *s, struct trace_state *state,
                       enum trace_doing doing, struct trace_label label,
                       uint64_t ticks)
{
    static const char *const categories[] = {
        [TRACE_READY] = "ready",
        [TRACE_RUNS] = "run",
        [TRACE_WAITS] = "wait",
        [TRACE_SLEEPS] = "sleep",
    };
    close_slice(s, state, ticks);
    state->doing = doing;
    label.category = categories[doing];
    struct trace_row row = row_of(s, state);
    s->format->open(s->to, &row, nanoseconds(s, ticks), &label);
}

/* The fiber does something else from now on. */
static void goes_over(struct slicing *s, uint64_t fiber, enum trace_doing doing,
                      struct trace_label label, uint64_t ticks)
{
    struct trace_state *state = state_of(s, fiber);
    if (state)
        open_slice(s, state, doing, label, ticks);
}

/* What nothing was told of did this until its first event. */
static void did_before(struct slicing *s, uint64_t fiber,
                       enum trace_doing doing, const char *name)
{
    struct trace_state *state = state_of(s, fiber);
    if (state && state->doing == TRACE_UNKNOWN)
        open_slice(s, state, doing, (struct trace_label){.name = name},
                   s->first);
}

/* Its category is its name. */
static void put_moment(struct slicing *s, uint64_t fiber, uint64_t ticks,
                       struct trace_label label)
{
    struct trace_state *state = state_of(s, fiber);
    if (!state)
        return;
    struct trace_row row = row_of(s, state);
    label.category = label.name;
    s->format->moment(s->to, &row, nanoseconds(s, ticks), &label);
}

/* What the event's other did to its fiber. The number of an arrow from there,
 * or 0. */
static uint64_t put_deed(struct slicing *s, const struct trace_event *e,
                         const char *name)
{
    uint64_t arrow = s->format->has_arrows ? ++s->to->arrows : 0;
    put_moment(s, e->other, e->time,
               (struct trace_label){.name = name,
                                    .args = {{"fiber", (int64_t)e->fiber}},
                                    .arrow = arrow});
    return arrow;
}

/* ---- events ----------------------------------------------------------------------- */

static void take_spawn(struct slicing *s, const struct trace_event *e)
{
    did_before(s, e->other, TRACE_RUNS, "run");
    uint64_t arrow = put_deed(s, e, "spawn");
    goes_over(s, e->fiber, TRACE_READY,
              (struct trace_label){.name = "ready",
                                   .args = {{"spawned by", (int64_t)e->other}},
                                   .arrow = arrow},
              e->time);
}

static void take_end(struct slicing *s, const struct trace_event *e)
{
    struct trace_state *state = state_of(s, e->fiber);
    if (!state)
        return;
    close_slice(s, state, e->time);
    state->doing = TRACE_GONE;
    put_moment(s, e->fiber, e->time, (struct trace_label){.name = "end"});
}

static void run(struct slicing *s, uint64_t fiber, uint64_t ticks)
{
    goes_over(s, fiber, TRACE_RUNS, (struct trace_label){.name = "run"}, ticks);
}

/* Who is left while it runs, and has not been told to wait or end, has let
 * others run; the hub does neither, and may be left where it is about to
 * sleep. */
static void leave(struct slicing *s, uint64_t fiber, uint64_t ticks)
{
    did_before(s, fiber, TRACE_RUNS, "run");
    struct trace_state *state = state_of(s, fiber);
    if (!state || (state->doing != TRACE_RUNS && state->doing != TRACE_SLEEPS))
        return;
    if (fiber) {
        open_slice(s, state, TRACE_READY, (struct trace_label){.name = "ready"},
                   ticks);
    } else {
        close_slice(s, state, ticks);
        state->doing = TRACE_GONE;
    }
}

static void take_switch(struct slicing *s, const struct trace_event *e)
{
    leave(s, e->fiber, e->time);
    run(s, e->other, e->time);
}

static void take_park(struct slicing *s, const struct trace_event *e)
{
    const char *what = (const char *)(uintptr_t)e->other;
    struct trace_label label = {.name = what ? what : "switch"};
    if (e->value >= 0)
        label.args[0] = (struct trace_arg){"fd", e->value};
    did_before(s, e->fiber, TRACE_RUNS, "run");
    goes_over(s, e->fiber, TRACE_WAITS, label, e->time);
}

static void take_wake(struct slicing *s, const struct trace_event *e)
{
    did_before(s, e->other, TRACE_RUNS, "run");
    did_before(s, e->fiber, TRACE_WAITS, "unknown");
    uint64_t arrow = s->format->has_arrows ? put_deed(s, e, "wake") : 0;
    goes_over(s, e->fiber, TRACE_READY,
              (struct trace_label){.name = "ready",
                                   .args = {{"woken by", (int64_t)e->other},
                                            {"result", e->value}},
                                   .arrow = arrow},
              e->time);
}

static void take_sleep(struct slicing *s, const struct trace_event *e)
{
    did_before(s, e->fiber, TRACE_RUNS, "run");
    goes_over(s, e->fiber, TRACE_SLEEPS, (struct trace_label){.name = "sleep"},
              e->time);
}

static void take_awake(struct slicing *s, const struct trace_event *e)
{
    did_before(s, e->fiber, TRACE_SLEEPS, "sleep");
    run(s, e->fiber, e->time);
}

static void take_begin(struct slicing *s, const struct trace_event *e)
{
    run(s, e->fiber, e->time);
}

static void (*const takers[])(struct slicing *, const struct trace_event *) = {
    [TRACE_BEGIN] = take_begin, [TRACE_SPAWN] = take_spawn,
    [TRACE_END] = take_end,     [TRACE_SWITCH] = take_switch,
    [TRACE_PARK] = take_park,   [TRACE_WAKE] = take_wake,
    [TRACE_SLEEP] = take_sleep, [TRACE_AWAKE] = take_awake,
};

/* ---- a hub ------------------------------------------------------------------------- */

static void close_row(struct trace_state *state, void *arg)
{
    struct slicing *s = arg;
    close_slice(s, state, s->copy->end);
    state->doing = TRACE_GONE;
}

/* Counters of two processors may differ by some ticks, so that the first event
 * may seem to be before the beginning. */
static uint64_t first_of(const struct trace_copy *copy)
{
    uint64_t began = copy->ring->began;
    if (!copy->count)
        return began;
    uint64_t first = copy->events[0].time;
    return copy->lost == 0 && began < first ? began : first;
}

void trace_slices_write(struct trace_output *to, const struct trace_copy *copy)
{
    struct slicing s = {
        .to = to, .format = to->format, .copy = copy, .first = first_of(copy)};
    s.format->hub(to, copy, nanoseconds(&s, s.first));
    for (size_t i = 0; i < copy->count && !to->error; i++)
        takers[copy->events[i].kind](&s, &copy->events[i]);
    trace_states_each(&s.states, close_row, &s);
    trace_states_free(&s.states);
    to->lost += copy->lost;
}
