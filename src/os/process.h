/*
 * A child process, between the files of os/.
 */
#ifndef GROVE_OS_PROCESS_H
#define GROVE_OS_PROCESS_H

#include <pthread.h>

#include "grove.h"
#include "os/child.h"

struct grove_process {
    struct child child;   /* without an end: it has, and nobody will know how */
    int pipes[3];         /* our ends; -1: none */
    size_t written;       /* of the input that communicate was given */
    pthread_mutex_t lock; /* of the following, and of what is done to child */
    bool reaped;          /* it has ended and was waited for */
    int result;           /* then 0, or -ECHILD */
    int status;           /* and as waitpid has it */
};

#endif
