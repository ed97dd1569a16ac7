/*
 * A program's main in a fiber, which SIGINT and SIGTERM end in an orderly way.
 * A second fiber waits for them; whichever ends first ends the other. What both
 * know stands on the stack of grove_main, which outlives them: it has joined
 * each before it returns.
 *
 * To be called on any thread; the fibers are of that thread's hub.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "fiber/log.h"
#include "fiber/root.h"
#include "grove.h"

#define CANNOT_START 125
#define KILLED 128

struct program {
    int (*fn)(int argc, char **argv); /* the user's main */
    int argc;                         /* what fn is called with */
    char **argv;                      /* likewise */
    int status;                       /* what fn has returned */
    grove_fiber *fiber;               /* that fn runs on; a reference */
    grove_signals signals;            /* those that kill it */
    int signum;                       /* that has killed it; 0: none has */
};

static void *run_program(void *arg)
{
    struct program *p = arg;
    keep_frame();
    p->status = p->fn(p->argc, p->argv);
    return NULL;
}

static void *watch_signals(void *arg)
{
    struct program *p = arg;
    int signum = grove_signals_wait(&p->signals);
    if (signum < 0)
        return NULL;
    assert((signum == SIGINT || signum == SIGTERM) && !p->signum);
    p->signum = signum;
    grove_signals_close(&p->signals); /* the next one does what it did */
    grove_kill(p->fiber);
    return NULL;
}

/* Those of SIGINT and SIGTERM that are not ignored, as under nohup. */
static bool wanted_signals(sigset_t *set)
{
    static const int all[] = {SIGINT, SIGTERM};
    bool any = false;
    sigemptyset(set);
    for (int i = 0; i < 2; i++) {
        struct sigaction action;
        if (sigaction(all[i], NULL, &action) == 0 &&
            action.sa_handler != SIG_IGN) {
            sigaddset(set, all[i]);
            any = true;
        }
    }
    return any;
}

/* Runs it to its end, watched over if anything is to be watched for. */
static int run(struct program *p, grove_fiber **watcher)
{
    static const grove_attr program_attr = {.name = "grove_main"};
    static const grove_attr watcher_attr = {.name = "signals"};
    int r = grove_spawn_with(&p->fiber, &program_attr, run_program, p);
    if (r < 0)
        return r;
    if (p->signals.wanted)
        r = grove_spawn_with(watcher, &watcher_attr, watch_signals, p);
    assert((r == 0 && p->signals.wanted) == !!*watcher);
    if (r < 0)
        grove_kill(p->fiber); /* it has not run */
    else
        while (grove_join(p->fiber, NULL) < 0 &&
               grove_result(p->fiber, NULL) == -EAGAIN)
            ; /* a deadlock was reported; a signal may still end it */
    grove_release(p->fiber);
    return r;
}

int grove_main(int (*fn)(int argc, char **argv), int argc, char **argv)
{
    struct program p = {.fn = fn, .argc = argc, .argv = argv};
    grove_fiber *watcher = NULL;
    sigset_t set;
    int r = 0;
    if (wanted_signals(&set))
        r = grove_signals_open(&p.signals, &set);
    if (r == 0)
        r = run(&p, &watcher);
    if (watcher) {
        grove_kill(watcher);
        grove_join(watcher, NULL);
        grove_release(watcher);
    }
    grove_signals_close(&p.signals);
    if (r < 0) {
        log_tell(GROVE_LOG_ERROR, "%s cannot start: %s",
                 argc > 0 ? argv[0] : "the program", strerror(-r));
        return CANNOT_START;
    }
    return p.signum ? KILLED + p.signum : p.status;
}
