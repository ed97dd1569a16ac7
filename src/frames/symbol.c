/*
 * Addresses in words: what the loader knows of them, and where that does not
 * know the function, the symbols in the file itself, which programs have of
 * their own functions unless they were stripped.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "frames/frames.h"

/* Of a function that is told. */
#define NAME_SIZE 128

/* What addr2line calls the address: an offset in a file that can be loaded
 * anywhere, itself in one that cannot. */
static uintptr_t in_file(const Dl_info *info, uintptr_t address)
{
    const ElfW(Ehdr) *header = info->dli_fbase;
    bool is_fixed = memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
                    header->e_type == ET_EXEC;
    return is_fixed ? address : address - (uintptr_t)info->dli_fbase;
}

static void describe(const Dl_info *info, uintptr_t address, char *text,
                     size_t size)
{
    char name[NAME_SIZE];
    uintptr_t offset = in_file(info, address), begins;
    /* Of the program itself the loader knows the path by which it was begun. */
    const char *path =
        strchr(info->dli_fname, '/') ? info->dli_fname : "/proc/self/exe";
    if (info->dli_sname && info->dli_saddr) {
        snprintf(name, sizeof(name), "%s", info->dli_sname);
        begins = in_file(info, (uintptr_t)info->dli_saddr);
    } else if (!frames_symbol(path, offset, name, sizeof(name), &begins)) {
        snprintf(text, size, "%s+0x%lx", info->dli_fname,
                 (unsigned long)offset);
        return;
    }
    snprintf(text, size, "%s+0x%lx (%s+0x%lx)", name,
             (unsigned long)(offset - begins), info->dli_fname,
             (unsigned long)offset);
}

void frames_describe(const struct frames *frames, size_t i, char *text,
                     size_t size)
{
    Dl_info info;
    /* The instruction after a call may be another function's, or line's: told
     * is the last byte of the call. */
    uintptr_t address = (uintptr_t)frames->at[i] - (i > 0);
    if (dladdr((void *)address, &info) && info.dli_fname && info.dli_fbase)
        describe(&info, address, text, size);
    else
        snprintf(text, size, "0x%lx", (unsigned long)address);
}
