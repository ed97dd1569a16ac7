/*
 * The part that queues and channels have in the module.
 */
#include "queue/queue.h"

#include "queue/patience.h"

int queue_init(PyObject *module)
{
    if (queue_locks_init(module) < 0 || queue_types_init(module) < 0)
        return -1;
    return channel_init(module);
}
