/*
 * Greenlet's part of the module, and what a thread has to do with it.
 */
#include "greenlet/greenlet.h"

#include "greenlet/private.h"

static void thread_ending(struct py_thread *t)
{
    green_throws_abandon(t->hub);
    spawned_abandon(t->hub);
}

static struct raw_hooks hooks = {.thread_ending = thread_ending};

int greenlet_init(PyObject *module)
{
    static int (*const parts[])(PyObject *) = {
        green_init,   spawned_init, green_links_init, gather_init,
        joinall_init, local_init,   group_init};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i](module) < 0)
            return -1;
    }
    describe_init();
    raw_hooks_add(&hooks);
    return 0;
}
