/*
 * Threads of the library's own, which wake only who waits for them by a hold:
 * that they are there keeps no deadlock from being told. Any thread.
 */
#ifndef GROVE_HUB_LIBRARY_THREADS_H
#define GROVE_HUB_LIBRARY_THREADS_H

/* One is about to begin; has ended, or did not begin. */
void hub_library_thread_begins(void);
void hub_library_thread_ends(void);

/* In the child of a fork there are none. */
void hub_library_threads_forked(void);

/* How many there are. */
unsigned hub_library_threads(void);

#endif
