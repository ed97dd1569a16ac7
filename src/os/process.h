/*
 * A child process, between the files of os/.
 */
#ifndef GROVE_OS_PROCESS_H
#define GROVE_OS_PROCESS_H

#include <pthread.h>

#include "grove.h"

struct grove_process {
    pid_t pid;
    int pidfd;
    int pipes[3];         /* our ends; -1: none */
    size_t written;       /* of the input that communicate was given */
    pthread_mutex_t lock; /* of the following */
    bool reaped;
    int result; /* then 0, or -ECHILD */
    int status; /* and as waitpid has it */
};

#endif
