/*
 * The linkables' part of the module, and what a thread has to do with them.
 */
#include "linkable/object.h"
#include "linkable/threads.h"

static void forked(struct py_thread *t)
{
    loop_exit_forked(t);
    linkable_thread_forked(t);
}

static struct raw_hooks hooks = {
    .thread_begin = linkable_thread_begin,
    .thread_ending = linkable_thread_ending,
    .thread_dead = linkable_thread_end,
    .before_poll = loop_exit_check,
    .deadlock = loop_exit_hold,
    .forked = forked,
};

int linkable_init(PyObject *module)
{
    static int (*const parts[])(PyObject *) = {
        linkable_object_init, loop_exit_init, event_init, async_result_init,
        semaphore_init,       lock_init,      rlock_init};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i](module) < 0)
            return -1;
    }
    raw_hooks_add(&hooks);
    return 0;
}
