/*
 * Where another thread of this process is: its C stack, taken from outside.
 *
 *     frames_doing --> RUNS   --> frames_interrupt: exact, by a signal
 *                  --> WAITS  --> frames_scan: a guess, of what lies on its
 *                                 stack; the thread notices nothing
 *
 * A thread that runs is in no system call that a signal could end early; one
 * that waits in the kernel is never disturbed. One thread at a time may ask.
 */
#ifndef GROVE_FRAMES_FRAMES_H
#define GROVE_FRAMES_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fiber/visibility.h"

/* Frames that are told of, from the innermost. */
#define FRAMES_MOST 32

struct frames {
    size_t count;          /* of at */
    void *at[FRAMES_MOST]; /* the instruction that is next; return addresses */
    bool guessed;          /* those behind the first may be left over from calls
                              that have returned */
};

/* ---- what a thread does: task.c ---------------------------------------------- */

enum frames_doing {
    FRAMES_RUNS,   /* or could, if it had a processor */
    FRAMES_WAITS,  /* in the kernel */
    FRAMES_UNKNOWN /* it is stopped or gone, or /proc is not there */
};

/* The thread is that of this number. Any thread may ask, without an order. */
enum frames_doing frames_doing(long tid);

/* How long a thread has run, and could have run and had no processor, since it
 * began, in nanoseconds. A wait for one that goes on is not in it. */
struct frames_times {
    int64_t ran, preempted;
};

/* False: it is gone, or the kernel does not tell; *times is then all zeros. */
bool frames_times(long tid, struct frames_times *times);

/* A thread that waits in the kernel: which system call, and where it was. */
struct frames_wait {
    long number; /* -1: none, it waits for a page */
    uintptr_t sp, pc;
};

/* False: it does not wait, or cannot be looked at. */
bool frames_waits_in(long tid, struct frames_wait *wait);

/* Whether a debugger has the process: then time passes that nobody spends. */
bool frames_traced(void);

/* ---- taking ------------------------------------------------------------------- */

/* Interrupts the thread by SIGURG and has look(arg) called there, in the signal
 * handler, after *frames was filled in; where either runs into memory that is
 * not there it is left (guarded.h). False: nothing of it was done, for the
 * program has a handler of its own, or the thread has not answered in time. */
bool frames_interrupt(long tid, struct frames *frames, void (*look)(void *arg),
                      void *arg);

/* Fills in *frames from where a thread waits: what looks like a return address
 * from there up to top (0: not known). */
void frames_scan(const struct frames_wait *wait, uintptr_t top,
                 struct frames *frames);

/* ---- telling ------------------------------------------------------------------ */

/* Frame i in words, cut to size bytes: the function, if its name is known, the
 * file and the offset in it that addr2line takes. Reads the file's symbols: on
 * a thread that may wait. */
GROVE_HOST_API void frames_describe(const struct frames *frames, size_t i,
                                    char *text, size_t size);

/* The function of the file at path that holds offset, as it is in the file's
 * own symbols, and where it begins. False: there is none. symtab.c. */
bool frames_symbol(const char *path, uintptr_t offset, char *name, size_t size,
                   uintptr_t *begins);

#endif
