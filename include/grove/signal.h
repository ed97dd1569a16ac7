/*
 * Signals as events, and main in a fiber. Part of grove.h.
 */
#ifndef GROVE_SIGNAL_H
#define GROVE_SIGNAL_H

#include <grove/base.h>
#include <grove/sync.h>
#include <signal.h>
#include <sys/select.h> /* sigset_t, which <signal.h> hides from strict C */

#ifdef __cplusplus
extern "C" {
#endif

/* Those signals that fibers of one thread wait for together. In place, from
 * grove_signals_open to grove_signals_close. */
typedef struct grove_signals {
    struct grove_signals *next, **back;
    uint64_t wanted;  /* bit n - 1 is signal n */
    uint64_t pending; /* have come and were not taken yet */
    grove_event come;
} grove_signals;

/* From here on the signals in set no longer do what they did: they are kept for
 * grove_signals_wait. Any number of threads may ask for one signal; each gets
 * it. 0, or -EINVAL (a signal that cannot be caught, or an empty set), -ENOMEM,
 * -EAGAIN (too many threads), -EMFILE/-ENFILE. */
GROVE_API int grove_signals_open(grove_signals *s, const sigset_t *set);

/* Wait until one of them comes, or has come since it was last taken; one that
 * came several times meanwhile is told once. Its number, or -ETIMEDOUT,
 * -ECANCELED, -ENOMEM. */
GROVE_API int grove_signals_wait(grove_signals *s);
GROVE_API int grove_signals_wait_until(grove_signals *s, int64_t deadline);

/* The signals do again what they did before, once nobody asks for them. On the
 * thread that opened it, and no fiber may be waiting. */
GROVE_API void grove_signals_close(grove_signals *s);

/* For main: run fn(argc, argv) in a fiber and return what it returns. SIGINT or
 * SIGTERM kills the fiber, once: what it waits in fails with ECANCELED, and 128
 * and the signal's number is returned when it has ended. A second one ends the
 * process, as by default. A signal that was ignored stays so. 125, with a
 * message, if it cannot start. */
GROVE_API int grove_main(int (*fn)(int argc, char **argv), int argc,
                         char **argv);

#ifdef __cplusplus
}
#endif
#endif
