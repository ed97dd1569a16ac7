/*
 * `grove bt`: where a fiber is, frame by frame: of a greenlet in Python, of
 * another in C. The process goes on meanwhile: where the fiber went on while
 * its stack was read, that is told.
 */
#include "bt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "look/label.h"
#include "look/options.h"
#include "look/python.h"
#include "look/session.h"
#include "look/tally.h"
#include "look/unwind.h"
#include "look/utf8.h"

static const char usage[] =
    "usage: grove bt [--native] [--thread NUMBER] PID FIBER\n"
    "\n"
    "Shows the stack of a fiber of a process that uses Grove, by its number in "
    "the\n"
    "list of `grove ps`, or of `all`: the innermost frame first. Of greenlets "
    "these are\n"
    "functions and lines of Python. The process is not stopped. What is marked "
    "with a\n"
    "question mark is a guess.\n"
    "\n"
    "  --native          of greenlets show the stack in C, too\n"
    "  --thread NUMBER   only fibers of that thread\n";

struct stacks {
    struct target t;
    struct symbols symbols;
    struct tally tally;
    const struct look_hub *hub;
    uint64_t wanted; /* 0: all */
    long thread;     /* 0: all */
    bool native;
    size_t hubs; /* that were looked at */
    uint64_t found;
    int frames; /* of the one that is shown */
};

/* ---- frames ------------------------------------------------------------------------ */

static bool show_python(const struct python_frame *frame, void *arg)
{
    struct stacks *s = arg;
    printf("#%-3d %s  %s", s->frames++, frame->function, frame->file);
    if (frame->line >= 0)
        printf(":%d", frame->line);
    putchar('\n');
    return true;
}

static void show_native(const struct native_frame *frame, void *arg)
{
    struct stacks *s = arg;
    char name[LABEL_SIZE];
    if (frame->function)
        snprintf(name, sizeof(name), "%s+%#" PRIx64, frame->function,
                 frame->offset);
    else
        symbols_name(&s->symbols, frame->ip, name, sizeof(name));
    utf8_clean(name);
    printf("#%-3d %s%s", s->frames++, name, frame->guessed ? " ?" : "");
    if (frame->file) {
        snprintf(name, sizeof(name), "  %s:%d", frame->file, frame->line);
        utf8_clean(name);
        fputs(name, stdout);
    }
    putchar('\n');
}

/* ---- fibers ------------------------------------------------------------------------- */

static void show_head(struct stacks *s, const struct look_fiber *f)
{
    char name[LABEL_SIZE], age[16];
    const char *what = tally_count(&s->tally, &s->t, f);
    label_name(&s->t, &s->symbols, f, name);
    label_time(f->since, age);
    printf("fiber %" PRIu64 " of thread %ld, \"%s\", %s", f->id, s->hub->thread,
           name, look_state_names[f->state]);
    if (*what)
        printf(" in %s", what);
    if (f->fd >= 0)
        printf(" on descriptor %d", f->fd);
    if (*age)
        printf(" for %s", age);
    putchar('\n');
}

static void show_frames(struct stacks *s, const struct look_fiber *f)
{
    s->frames = 0;
    if (f->state == LOOK_NEW) {
        puts("(it has not begun)");
        return;
    }
    size_t frames = f->host ? python_frames(&s->t, f, show_python, s) : 0;
    if (frames && !s->native)
        return;
    if (frames)
        puts("in C:");
    if (f->state == LOOK_RUNNING)
        puts("(it runs: where it is in C is in its thread's registers)");
    else if (f->ip)
        unwind(&s->t, &s->symbols, f, show_native, s);
    else
        puts("(where it is in C is not known of this machine)");
}

/* What was shown may not belong together. */
static void tell_if_moved(struct stacks *s, const struct look_fiber *f)
{
    struct look_fiber now;
    if (f->state == LOOK_RUNNING)
        return;
    if (!fibers_at(&s->t, s->hub, f->at, &now) || now.id != f->id ||
        now.state != f->state || now.sp != f->sp || now.since != f->since)
        puts("(it went on while this was read)");
}

static bool visit(const struct look_fiber *f, void *arg)
{
    struct stacks *s = arg;
    if (s->wanted && f->id != s->wanted)
        return true;
    memory_forget(&s->t.memory); /* it may have moved since it was listed */
    struct look_fiber now = *f;
    if (!fibers_at(&s->t, s->hub, f->at, &now) || now.id != f->id)
        return true;
    if (s->found++ > 0)
        putchar('\n');
    show_head(s, &now);
    show_frames(s, &now);
    tell_if_moved(s, &now);
    return s->wanted == 0;
}

static int show_all(struct stacks *s)
{
    struct look_hubs hubs = {NULL, 0};
    int r = hubs_read(&hubs, &s->t);
    for (size_t i = 0; i < hubs.count && r == 0; i++) {
        s->hub = &hubs.list[i];
        if (s->thread && s->hub->thread != s->thread)
            continue;
        s->hubs++;
        r = fibers_each(&s->t, s->hub, visit, s);
    }
    hubs_free(&hubs);
    return r;
}

/* What was asked for and is not there. The exit status. */
static int tell_missing(const struct stacks *s, pid_t pid)
{
    if (s->thread && !s->hubs)
        fprintf(stderr, "grove: process %d has no fibers on a thread %ld\n",
                (int)pid, s->thread);
    else if (s->thread)
        fprintf(stderr,
                "grove: process %d has no fiber %" PRIu64 " on thread %ld\n",
                (int)pid, s->wanted, s->thread);
    else
        fprintf(stderr, "grove: process %d has no fiber %" PRIu64 "\n",
                (int)pid, s->wanted);
    return FAILED;
}

static int run(void *arg, pid_t pid)
{
    struct stacks *s = arg;
    if (!session_begin(&s->t, &s->symbols, pid))
        return FAILED;
    if (!session_end(&s->t, &s->symbols, show_all(s)))
        return FAILED;
    bool lacking = s->wanted ? !s->found : s->thread && !s->hubs;
    return lacking ? tell_missing(s, pid) : OK;
}

/* ---- options --------------------------------------------------------------------------- */

/* A number above 0; 0: it is none. */
static uint64_t parse(const char *text)
{
    uint64_t number;
    return options_count(text, &number) ? number : 0;
}

enum { NATIVE = LONG_OPTION, THREAD };

/* NULL, or what was expected in the argument's place. */
static const char *take_option(void *arg, int option)
{
    struct stacks *s = arg;
    if (option == NATIVE)
        s->native = true;
    if (option == THREAD && (s->thread = (long)parse(optarg)) <= 0)
        return "the number of a thread";
    if (option == BEHIND_PID) {
        s->wanted = parse(optarg);
        if (s->wanted == 0 && strcmp(optarg, "all") != 0)
            return "the number of a fiber, or all";
    }
    return NULL;
}

static const struct option longer[] = {
    {"native", no_argument, NULL, NATIVE},
    {"thread", required_argument, NULL, THREAD},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const struct command command = {
    .name = "bt",
    .usage = usage,
    .letters = ":h",
    .longer = longer,
    .behind = "FIBER",
    .take = take_option,
    .run = run,
};

int show_stack(int argc, char **argv)
{
    struct stacks *s = calloc(1, sizeof(*s));
    return options_run(&command, s, argc, argv);
}
