/*
 * Watching the runtime from outside: its messages. Part of grove.h.
 */
#ifndef GROVE_OBSERVE_H
#define GROVE_OBSERVE_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Messages ------------------------------------------------------------ */

typedef enum grove_log_level {
    GROVE_LOG_FATAL,   /* the process is about to be aborted */
    GROVE_LOG_ERROR,   /* something does not go on: a deadlock */
    GROVE_LOG_WARNING, /* something is not as was asked for: a setting */
    GROVE_LOG_INFO,    /* what was asked for: a list of fibers */
    GROVE_LOG_DETAIL   /* a line more of the message before it */
} grove_log_level;

/* Have fn(level, text, arg) called with each message that the library would
 * otherwise write on standard error; text is one line, without the end of a
 * line and without "grove: " at its beginning. fn NULL: written there again.
 * Called from any thread, at any time; so is fn, which must not call the
 * runtime. The message of a stack overflow is written there all the same: it
 * comes from a signal handler. */
GROVE_API void grove_log_set(void (*fn)(grove_log_level level, const char *text,
                                        void *arg),
                             void *arg);

#ifdef __cplusplus
}
#endif
#endif
