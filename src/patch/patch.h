/*
 * libc's calls in code that is not ours: a library of its own above libgrove,
 * so that programs which patch nothing do not carry it, so that it can be
 * preloaded, and so that its own slots, and libgrove's, are apart from those of
 * the program.
 *
 *   rows.h         the table: a row a symbol, from which docs/libc.md comes
 *   table.c        the rows by name, and where libc has their functions
 *   object.c       what the loader has loaded: its symbols and slots
 *   slots.c        changing slots and changing them back, all or none
 *   patch.c        the public calls: what is patched, now and later
 *   loader.c       dlopen and dlsym
 *
 * and what is called instead of libc's functions, by kind:
 *
 *   call.c         a call under way, and what a signal does to it
 *   sockets.c      recv, send, and their kin
 *   accept.c       accept, listen, connect
 *   stream.c       read, write, readv, writev
 *   transfer.c     sendfile, splice, tee, copy_file_range
 *   polling.c      poll, select, epoll_wait
 *   sleeping.c     sleep and its kin
 *   signals.c      sigwait and its kin, pause, masks
 *   handlers.c     sigaction: handlers must not park
 *   system_v.c     older calls on signals
 *   descriptors.c  close, dup2: what ends a descriptor
 *   locks.c        flock, fcntl, lockf
 *   queues.c       System V's and POSIX message queues, semaphores
 *   rings.c        io_uring_enter
 *   processes.c    waiting for children, system
 *   vfork_*.S      vfork
 *   names.c        looking names up
 *   requests.c     waiting for what threads of libc's own do
 *   files.c        files at offsets, fsync
 *   fortify.h      what programs call that know how large their buffers are
 *   numbered.c     syscall
 *   stdio/         FILEs
 *   threads/       threads that are fibers
 *   raw/           system calls that are not made by libc
 *
 * A patched call of a thread without a hub, or whose hub runs nobody else, is
 * libc's own. Else it is the function of net/, os/ or hub/ that the public call
 * of Grove is as well, in mode NET_LIBC. A host is asked first whether its
 * fiber may park in code that is not its own, and told when the call begins and
 * ends (call.h; foreign_... in hub/host.h): a call that need not wait costs it
 * no more than that.
 */
#ifndef GROVE_PATCH_PATCH_H
#define GROVE_PATCH_PATCH_H

#include <stdbool.h>
#include <stddef.h>

/* What becomes of calls of a symbol. */
enum patch_way {
    PATCH_PARKS,   /* parks the fiber */
    PATCH_WORKER,  /* parks the fiber while a worker thread makes the call */
    PATCH_NOTED,   /* libc's, and the runtime takes note */
    PATCH_PASSED,  /* libc's: it does not block, or must not be changed */
    PATCH_REFUSED, /* libc's, though it blocks */
    PATCH_THREADS  /* libc's, but where threads are fibers */
};

/* A symbol. */
struct patch_row {
    const char *name;
    void *function; /* called instead; NULL: it is left as it is */
    void *threads; /* called instead where threads are fibers; NULL: as above */
    enum patch_way way;
};

/* All of them, in the order of rows.h. */
extern const struct patch_row patch_rows[];
extern const size_t patch_row_count;

/* The row of a symbol; NULL: it has none, or none that is patched. */
const struct patch_row *patch_row_of(const char *symbol);

/* Finds out where libc has the functions. No lock may be held that the loader
 * may wait for. False: this libc's cannot be patched. */
bool patch_resolve(void);

/* Where callers of the row's symbol end up unpatched; NULL: nowhere, or in
 * another library's own function of that name, which is left alone. */
void *patch_original(const struct patch_row *row);

/* What is to be called instead of the symbol, in whichever objects that was
 * asked for; NULL: it was for none. */
void *patch_wanted(const char *symbol);

/* Objects may have been loaded: those that a call was for are patched. errno is
 * kept. */
void patch_later_objects(void);

#endif
