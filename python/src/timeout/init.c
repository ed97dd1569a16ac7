/*
 * Timeout's part of the module.
 */
#include "timeout/private.h"

int timeout_init(PyObject *module)
{
    if (timeout_type_init(module) < 0 || sleep_init(module) < 0)
        return -1;
    return with_timeout_init(module);
}
