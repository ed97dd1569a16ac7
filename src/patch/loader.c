/*
 * dlopen and dlsym: what is loaded later is patched before anybody has its
 * symbols, and who asks for the address of a patched function gets ours.
 *
 * The loader takes its caller for who asks: where it looks for a file
 * (RUNPATH, $ORIGIN) and where RTLD_NEXT begins depend on it. Where that
 * matters the call is left by a jump, with the caller's return address on the
 * stack, and there is nothing to be done afterwards: what such a dlopen has
 * loaded is patched by the next call of the loader.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "fiber/visibility.h"
#include "patch/functions.h"
#include "patch/object.h"
#include "patch/patch.h"

/* A call in a function's last place that is a jump, whatever is optimized. */
#if defined(__clang__)
#define LEAVES_BY_JUMP
#define JUMP __attribute__((musttail)) return
#else
#define LEAVES_BY_JUMP \
    __attribute__((optimize("O2"), no_sanitize("address", "thread")))
#define JUMP return
#endif

static int has_runpath(struct dl_phdr_info *info, size_t size, void *caller)
{
    struct object o;
    object_describe(&o, info);
    if (!object_contains(&o, (uintptr_t)caller))
        return 0;
    return o.has_runpath ? 1 : -1;
}

/* Whether the loader finds the same, whoever asks. */
static bool asks_anybody(const char *file, void *caller)
{
    if (!file)
        return true;
    if (strchr(file, '$'))
        return false;
    return strchr(file, '/') || dl_iterate_phdr(has_runpath, caller) < 0;
}

static void *open_and_patch(const char *file, int mode)
{
    void *handle = dlopen(file, mode);
    if (handle)
        patch_later_objects();
    return handle;
}

LEAVES_BY_JUMP void *patch_dlopen(const char *file, int mode)
{
    if (asks_anybody(file, __builtin_return_address(0)))
        return open_and_patch(file, mode);
    JUMP dlopen(file, mode);
}

static void *instead_of(const char *symbol, void *found)
{
    const struct patch_row *row = patch_row_of(symbol);
    if (!row || !found || found != patch_original(row))
        return found;
    void *wanted = patch_wanted(symbol);
    return wanted ? wanted : found;
}

LEAVES_BY_JUMP void *patch_dlsym(void *handle, const char *symbol)
{
    patch_later_objects();
    if (handle == RTLD_NEXT || !patch_wanted(symbol))
        JUMP dlsym(handle, symbol);
    return instead_of(symbol, dlsym(handle, symbol));
}

LEAVES_BY_JUMP void *patch_dlvsym(void *handle, const char *symbol,
                                  const char *version)
{
    patch_later_objects();
    if (handle == RTLD_NEXT || !patch_wanted(symbol))
        JUMP dlvsym(handle, symbol, version);
    return instead_of(symbol, dlvsym(handle, symbol, version));
}
