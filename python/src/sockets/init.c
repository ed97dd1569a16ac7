/*
 * Sockets' part of the module.
 */
#include "sockets/private.h"

int sockets_init(PyObject *module)
{
    if (socket_init(module) < 0 || descriptors_init(module) < 0)
        return -1;
    if (files_init(module) < 0 || unreferenced_init(module) < 0)
        return -1;
    return names_init(module);
}
