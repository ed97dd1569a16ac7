/*
 * The end of run queues: all else about them is in the header. On the thread of
 * the queue's hub.
 */
#include "hub/run_queue.h"

void run_queue_end(struct run *run)
{
    (void)run;
    assert(!"the end of the run queue is nobody's callback");
}
