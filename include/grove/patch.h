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

/* Flags: 0, or */
#define GROVE_PATCH_LOADED 1u /* what is loaded later is left alone */

/* Patch the loaded objects, and those to come, all of them. How many slots were
 * changed; or -EINVAL (a flag that there is not), -ENOMEM, -ENOSYS (another
 * libc, another architecture, or Grove is linked statically into the program
 * along with its libc), or what mprotect says: then nothing is changed. */
GROVE_API int grove_patch_all(unsigned flags);

/* The same of objects and symbols whose names match; each is a pattern of
 * fnmatch(3), NULL the same as "*". The name of an object is its file's,
 * without directories, and "" that of the program. What earlier calls have
 * patched stays. */
GROVE_API int grove_patch(const char *objects, const char *symbols,
                          unsigned flags);

/* Undo all of it, and patch no objects that are loaded later. Calls under way
 * end as they have begun. How many slots were changed back; or -ENOMEM, or what
 * mprotect says: then nothing is changed. */
GROVE_API int grove_unpatch_all(void);

/* Write a line for each slot that is patched, and for each object that is left
 * alone, to fd. 0, or a negative errno. */
GROVE_API int grove_patch_report(int fd);

#ifdef __cplusplus
}
#endif
#endif
