/*
 * CPython's threads take turns by a lock (the GIL): who computes gives it up
 * when somebody has waited for it for five milliseconds. Where all of them are
 * fibers of one thread, nobody else runs who could wait: the hub is held up. So
 * a thread of the system looks now and then, and asks for the lock where a hub
 * has not turned for that long:
 *
 *     look --> sleeps, or turns          --> look again later
 *          --> held up, others may run   --> takes the lock, gives it back
 *                                            (the fiber that computed waits for
 *                                            its turn, and the others run)
 *
 * It ends when the interpreter does. In a forked child there is none.
 */
#include "gil.h"

#include <dlfcn.h>
#include <grove.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#define HELD_UP (5 * GROVE_MILLISECOND) /* the interpreter's own interval */
#define IDLE (20 * GROVE_MILLISECOND)   /* between looks while nothing runs */

/* The interpreter's functions. */
static struct {
    int (*is_initialized)(void);
    int (*is_finalizing)(void);
    int (*ensure)(void);
    void (*release)(int state);
} python;

static bool find_interpreter(void)
{
    python.is_initialized = dlsym(RTLD_DEFAULT, "Py_IsInitialized");
    python.is_finalizing = dlsym(RTLD_DEFAULT, "Py_IsFinalizing");
    if (!python.is_finalizing) /* up to 3.12 */
        python.is_finalizing = dlsym(RTLD_DEFAULT, "_Py_IsFinalizing");
    python.ensure = dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
    python.release = dlsym(RTLD_DEFAULT, "PyGILState_Release");
    return python.is_initialized && python.is_finalizing && python.ensure &&
           python.release;
}

/* ---- looking ------------------------------------------------------------------- */

/* A look at all hubs. Those that turn write their numbers down every few
 * milliseconds. Of one that is held up they are old: that it had no fibers then
 * does not say that it has none, but it is asked less often. */
struct look {
    int64_t since;   /* when the last one was */
    bool any;        /* a hub runs, and had fibers when it wrote last */
    bool is_held_up; /* one has written nothing down since then */
};

static void look_at(const grove_hub_info *info, void *arg)
{
    struct look *look = arg;
    if (info->asleep)
        return;
    look->any |= info->live > 0;
    look->is_held_up |= info->taken <= look->since;
}

static void pause_for(int64_t ns)
{
    struct timespec time = {.tv_nsec = (long)ns};
    nanosleep(&time, NULL);
}

static void *watch(void *arg)
{
    int64_t since = grove_now();
    while (!python.is_finalizing()) {
        struct look look = {.since = since};
        since = grove_now();
        grove_each_hub(look_at, &look);
        if (look.is_held_up && python.is_initialized())
            python.release(python.ensure());
        pause_for(look.any ? HELD_UP : IDLE);
    }
    return arg;
}

/* ---- beginning --------------------------------------------------------------------- */

bool gil_is_there(void)
{
    return dlsym(RTLD_DEFAULT, "Py_GetVersion") != NULL;
}

void gil_watch(void)
{
    pthread_t id;
    sigset_t all, before;
    if (!find_interpreter())
        return;
    sigfillset(&all); /* they are for the program's threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&id, NULL, watch, NULL) == 0)
        pthread_detach(id);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
