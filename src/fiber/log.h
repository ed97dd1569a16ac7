/*
 * What the library has to say to people. Any thread, but no signal handler.
 */
#ifndef GROVE_FIBER_LOG_H
#define GROVE_FIBER_LOG_H

#include "grove.h"

/* Tell a message, made as printf makes it: one line, whose end and "grove: "
 * are added where it is written. What is longer than a kilobyte is cut. Keeps
 * errno. */
void log_tell(grove_log_level level, const char *format, ...)
    GROVE_FORMAT(2, 3);

/* From here on a fork looks after the lock: for who has fork(2) wait for
 * somebody that tells messages, and must be asked before. */
void log_prepare(void);

#endif
