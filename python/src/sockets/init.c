/*
 * Sockets' part of the module.
 */
#include "sockets/private.h"

int sockets_init(PyObject *module)
{
    if (call_init(module) < 0 || transfer_init(module) < 0)
        return -1;
    return descriptors_init(module) < 0 ? -1 : files_init(module);
}
