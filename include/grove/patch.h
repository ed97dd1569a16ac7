/*
 * libc's blocking calls in code that is not ours. Part of grove.h; to be linked
 * with libgrove-patch (pkg-config grove-patch).
 */
#ifndef GROVE_PATCH_H
#define GROVE_PATCH_H

#include <grove/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Patching ----------------------------------------------------------- */
/*
 * Libraries that never heard of Grove call libc, and what blocks there holds up
 * the thread and all of its fibers. Patching has them call functions instead
 * that do the same and park the calling fiber. What is called for which symbol
 * is listed in docs/libc.md. Threads without a hub, and those whose hub has no
 * other fibers, get libc's own behaviour.
 */

/* Flags: 0, or of */
#define GROVE_PATCH_LOADED 1u  /* what is loaded later is left alone */
#define GROVE_PATCH_THREADS 2u /* threads created from now on are fibers */
/* System calls made without libc are patched as well, of all objects. */
#define GROVE_PATCH_SYSCALLS 4u

/* Patch the loaded objects, and those to come, all of them. How many slots were
 * changed; or -EINVAL (a flag that there is not), -ENOMEM, -ENOSYS (another
 * libc, another architecture, or Grove is linked statically into the program
 * along with its libc), -ENOTSUP (GROVE_PATCH_THREADS, where no fiber can have
 * storage of its own; GROVE_PATCH_SYSCALLS, where
 * grove_patch_syscalls_refused() says why), or what mprotect says: then nothing
 * is changed. */
GROVE_API int grove_patch_all(unsigned flags);

/* The same of objects and symbols whose names match; each is a pattern of
 * fnmatch(3), NULL the same as "*". The name of an object is its file's,
 * without directories, and "" that of the program. What earlier calls have
 * patched stays. */
GROVE_API int grove_patch(const char *objects, const char *symbols,
                          unsigned flags);

/* Whatever is asked for from now on, objects and symbols whose names match are
 * left alone: slots are, and objects loaded later; who asks dlsym(3) gets what
 * he would get without. 0 or -ENOMEM. */
GROVE_API int grove_patch_except(const char *objects, const char *symbols);

/* NULL, or why GROVE_PATCH_SYSCALLS is refused here. */
GROVE_API const char *grove_patch_syscalls_refused(void);

/* Undo all of it, and patch no objects that are loaded later. Calls under way
 * end as they have begun. How many slots were changed back; or -EBUSY (there
 * are threads that are fibers), -ENOMEM, or what mprotect says: then nothing is
 * changed. */
GROVE_API int grove_unpatch_all(void);

/* Threads that are fibers are dealt over so many hubs from now on, that of the
 * first who creates one and others, which are made then; 1 at first. 0, or
 * -EINVAL (n is 0), -EBUSY (threads were dealt over others already). */
GROVE_API int grove_patch_cores(unsigned n);

/* Threads that are fibers, and are created without attributes, get stacks of so
 * many bytes from now on; 0, as at first: as libc gives them, but 2 MiB at
 * most. 0, or -EINVAL: a size that no fiber can have. */
GROVE_API int grove_patch_stack(size_t size);

/* Write a line for each slot that is patched, and for each object that is left
 * alone, to fd. 0, or a negative errno. */
GROVE_API int grove_patch_report(int fd);

#ifdef __cplusplus
}
#endif
#endif
