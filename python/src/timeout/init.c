/*
 * Timeout's part of the module, and what a thread has to do with it.
 */
#include "timeout/private.h"

static struct raw_hooks hooks = {.thread_ending = timeouts_abandon};

int timeout_init(PyObject *module)
{
    if (timeout_type_init(module) < 0 || sleep_init(module) < 0 ||
        with_timeout_init(module) < 0)
        return -1;
    raw_hooks_add(&hooks);
    return 0;
}
