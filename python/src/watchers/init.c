/*
 * The watchers' part of the module, and what a thread has to do with them.
 */
#include "watchers/phases.h"
#include "watchers/signals.h"
#include "watchers/watchers.h"

static void thread_begin(struct py_thread *t)
{
    ring_init(&t->watchers.active);
}

static void thread_ending(struct py_thread *t)
{
    watchers_abandon(t);
    asyncs_abandon(t->hub);
    phases_abandon(t);
}

static void thread_dead(struct py_thread *t)
{
    signal_thread_end(t);
    phases_end(t);
}

static void before_poll(struct py_thread *t)
{
    if (t->watchers.phases)
        phases_before_sleep(t->watchers.phases);
}

static void after_poll(struct py_thread *t)
{
    if (t->watchers.phases)
        phases_after_sleep(t->watchers.phases);
}

/* The fork has let go of what held the hub. */
static void forked(struct py_thread *t)
{
    for (size_t i = 0; i < t->watchers.holds; i++)
        grove_hub_hold((grove_hub *)t->hub);
    if (t->watchers.phases)
        phases_forked(t->watchers.phases);
}

static struct raw_hooks hooks = {
    .thread_begin = thread_begin,
    .thread_ending = thread_ending,
    .thread_dead = thread_dead,
    .before_poll = before_poll,
    .after_poll = after_poll,
    .forked = forked,
};

int watchers_init(PyObject *module)
{
    static PyTypeObject *const types[] = {
        &TimerWatcher_Type, &IoWatcher_Type,      &SignalWatcher_Type,
        &AsyncWatcher_Type, &ChildWatcher_Type,   &StatWatcher_Type,
        &IdleWatcher_Type,  &PrepareWatcher_Type, &CheckWatcher_Type,
        &ForkWatcher_Type};
    if (module_add_type(module, &Watcher_Type) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        types[i]->tp_base = &Watcher_Type;
        if (module_add_type(module, types[i]) < 0)
            return -1;
    }
    if (child_init(module) < 0)
        return -1;
    loop_pass = phases_own_pass;
    loop_stop = watchers_stop_of;
    raw_hooks_add(&hooks);
    return watcher_factories_init();
}
