/*
 * A child process, between the files of os/.
 */
#ifndef GROVE_OS_PROCESS_H
#define GROVE_OS_PROCESS_H

#include <pthread.h>

#include "grove.h"

struct grove_process {
    pid_t pid;      /* not to be used once it is reaped: it may be another's */
    int pidfd;      /* -1: it has ended, and nobody will know how */
    int pipes[3];   /* our ends; -1: none */
    size_t written; /* of the input that communicate was given */
    pthread_mutex_t lock; /* of the following */
    bool reaped;          /* it has ended and was waited for */
    int result;           /* then 0, or -ECHILD */
    int status;           /* and as waitpid has it */
};

#endif
