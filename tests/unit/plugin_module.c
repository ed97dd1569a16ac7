/* A plugin that uses fibers: see test_plugin.c, which loads it. */
#include "grove.h"

#include <stddef.h>

static void *return_arg(void *arg)
{
    return arg;
}

/* arg, which a fiber of the calling thread has given back. */
GROVE_API void *plugin_run(void *arg);
GROVE_API void *plugin_run(void *arg)
{
    grove_fiber *f;
    void *value = NULL;
    if (grove_spawn(&f, return_arg, arg) == 0) {
        grove_join(f, &value);
        grove_release(f);
    }
    return value;
}
