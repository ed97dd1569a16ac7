/*
 * The Hub's part of the module, and what the raw greenlet has it do.
 */
#include "hub_object/private.h"

static void thread_ending(struct py_thread *t)
{
    callbacks_abandon(t->hub);
    loop_breaks_abandon(t->hub);
    own_loops_abandon(t);
    thread_results_abandon(t->hub);
    stalls_abandon(t->hub);
}

static struct raw_hooks hooks = {
    .thread_ending = thread_ending,
    .deadlock = hub_object_deadlock,
    .forked = hub_object_forked,
};

int hub_object_init(PyObject *module)
{
    static int (*const parts[])(PyObject *) = {
        hub_exceptions_init, place_init,          hub_init,
        callback_init,       loop_object_init,    waiter_init,
        thread_result_init,  switch_figures_init, stalls_init,
        trace_init};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i](module) < 0)
            return -1;
    }
    raw_report = hub_object_report;
    raw_after_wait = core_after_wait;
    raw_hooks_add(&hooks);
    return 0;
}
