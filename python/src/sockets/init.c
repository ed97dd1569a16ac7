/*
 * Sockets' part of the module.
 */
#include "sockets/private.h"

int sockets_init(PyObject *module)
{
    if (call_init(module) < 0 || socket_init(module) < 0)
        return -1;
    if (descriptors_init(module) < 0 || files_init(module) < 0)
        return -1;
    if (unreferenced_init(module) < 0)
        return -1;
    return names_init(module);
}
