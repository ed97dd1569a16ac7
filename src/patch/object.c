/*
 * What the loader has loaded: an object's dynamic section taken apart.
 *
 * A slot is a word that a relocation fills with the address of another object's
 * function: for calls (JUMP_SLOT, lazy or not), for calls without a PLT and for
 * function pointers (GLOB_DAT), and in tables of those (R_64).
 *
 * Everything is called within dl_iterate_phdr, so that nothing is unloaded
 * meanwhile.
 */
#include "patch/object.h"

#include <assert.h>
#include <elf.h>
#include <string.h>
#include <unistd.h>

#include "hub/hub.h"

#if defined(__x86_64__)
#define IS_CALL(type) ((type) == R_X86_64_JUMP_SLOT)
#define IS_ADDRESS(type) ((type) == R_X86_64_GLOB_DAT || (type) == R_X86_64_64)
#elif defined(__aarch64__)
#define IS_CALL(type) ((type) == R_AARCH64_JUMP_SLOT)
#define IS_ADDRESS(type) \
    ((type) == R_AARCH64_GLOB_DAT || (type) == R_AARCH64_ABS64)
#else /* grove_patch says ENOSYS */
#define IS_CALL(type) false
#define IS_ADDRESS(type) false
#endif

/* ---- describing --------------------------------------------------------------- */

/* glibc has added the base to some of a dynamic section's addresses, and to
 * none of the vDSO's. */
static const void *at(const struct object *o, ElfW(Addr) address)
{
    return (const void *)(address < o->base ? o->base + address : address);
}

static void take_entry(struct object *o, const ElfW(Dyn) * d)
{
    switch (d->d_tag) {
    case DT_SYMTAB:
        o->symbols = at(o, d->d_un.d_ptr);
        break;
    case DT_STRTAB:
        o->strings = at(o, d->d_un.d_ptr);
        break;
    case DT_JMPREL:
        o->calls = at(o, d->d_un.d_ptr);
        break;
    case DT_PLTRELSZ:
        o->call_count = d->d_un.d_val / sizeof(*o->calls);
        break;
    case DT_RELA:
        o->data = at(o, d->d_un.d_ptr);
        break;
    case DT_RELASZ:
        o->data_count = d->d_un.d_val / sizeof(*o->data);
        break;
    case DT_VERSYM:
        o->versions = at(o, d->d_un.d_ptr);
        break;
    case DT_VERNEED:
        o->needs = at(o, d->d_un.d_ptr);
        break;
    case DT_VERNEEDNUM:
        o->need_count = d->d_un.d_val;
        break;
    case DT_RPATH:
    case DT_RUNPATH:
        o->has_runpath = true;
        break;
    default:
        break;
    }
}

static void take_dynamic(struct object *o, const ElfW(Phdr) * p)
{
    for (const ElfW(Dyn) *d = (const void *)(o->base + p->p_vaddr);
         d->d_tag != DT_NULL; d++)
        take_entry(o, d);
}

/* As the loader does: pages that end within it are left writable. */
static void take_relro(struct object *o, const ElfW(Phdr) * p)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    o->relro = (o->base + p->p_vaddr) & ~(page - 1);
    o->relro_end = (o->base + p->p_vaddr + p->p_memsz) & ~(page - 1);
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool object_describe(struct object *o, const struct dl_phdr_info *info)
{
    *o = (struct object){.name = file_name(info->dlpi_name),
                         .headers = info->dlpi_phdr,
                         .header_count = info->dlpi_phnum,
                         .base = info->dlpi_addr};
    for (size_t i = 0; i < o->header_count; i++) {
        if (o->headers[i].p_type == PT_DYNAMIC)
            take_dynamic(o, &o->headers[i]);
        else if (o->headers[i].p_type == PT_GNU_RELRO)
            take_relro(o, &o->headers[i]);
    }
    return o->symbols && o->strings && (o->calls || o->data);
}

/* The loaded part of it that has address, with these rights. */
static bool has(const struct object *o, uintptr_t address, ElfW(Word) rights)
{
    for (size_t i = 0; i < o->header_count; i++) {
        const ElfW(Phdr) *p = &o->headers[i];
        uintptr_t begin = o->base + p->p_vaddr;
        if (p->p_type == PT_LOAD && address >= begin &&
            address < begin + p->p_memsz)
            return (p->p_flags & rights) == rights;
    }
    return false;
}

bool object_contains(const struct object *o, uintptr_t address)
{
    return has(o, address, 0);
}

bool object_may_write(const struct object *o, uintptr_t address)
{
    return has(o, address, PF_W);
}

/* ---- which are left alone --------------------------------------------------------- */

/* Of their names the beginnings. */
static const struct {
    const char *prefix;
    const char *why;
} exempt[] = {
    {"ld-linux", "the loader"},
    {"linux-vdso", "the kernel's"},
    {"libc.so", "libc itself, but for stdio's tables"},
    {"libpthread.so", "libc itself"},
    {"libresolv.so", "libc itself: it waits with a thread's state in hand"},
    {"libnss_", "libc itself: it waits with a thread's state in hand"},
    {"libgrove-run.so", "Grove's own: its locks are looked at within a park"},
    {"libcares.so", "Grove's own, it never blocks"},
    {"liburing.so", "Grove's own, it never blocks"},
    {"libasan.so", "of the sanitizer"},
    {"libtsan.so", "of the sanitizer"},
    {"libubsan.so", "of the sanitizer"},
    {"liblsan.so", "of the sanitizer"},
};

static const char *exempt_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof(exempt) / sizeof(exempt[0]); i++) {
        if (strncmp(name, exempt[i].prefix, strlen(exempt[i].prefix)) == 0)
            return exempt[i].why;
    }
    return NULL;
}

/* The version of that name that it asks for of others, of that number if it is
 * not 0; NULL: it does not. */
static const ElfW(Vernaux) *
    find_version(const struct object *o, const char *name, unsigned number)
{
    const char *need = (const char *)o->needs;
    for (size_t i = 0; i < o->need_count; i++) {
        const ElfW(Verneed) *n = (const void *)need;
        const char *version = need + n->vn_aux;
        for (size_t j = 0; j < n->vn_cnt; j++) {
            const ElfW(Vernaux) *v = (const void *)version;
            if (strcmp(o->strings + v->vna_name, name) == 0 &&
                (number == 0 || v->vna_other == number))
                return v;
            version += v->vna_next;
        }
        need += n->vn_next;
    }
    return NULL;
}

/* Whether it is made with Grove's inner interface: the other libraries of
 * Grove, and a host. */
static bool is_insider(const struct object *o)
{
    return find_version(o, "GROVE_PRIVATE", 0) != NULL;
}

const char *object_exempt(const struct object *o)
{
    if (object_contains(o, (uintptr_t)object_exempt) ||
        object_contains(o, (uintptr_t)hub_create))
        return "Grove itself";
    if (is_insider(o))
        return "it knows of fibers itself";
    return exempt_by_name(o->name);
}

/* ---- slots -------------------------------------------------------------------------- */

/* Conditions of the oldest version have another layout; other symbols of libc's
 * that are patched mean the same in each version. */
static bool is_another(const struct object *o, size_t symbol)
{
    const char *name = o->strings + o->symbols[symbol].st_name;
    return strncmp(name, "pthread_cond_", 13) == 0 && o->versions &&
           find_version(o, "GLIBC_2.2.5", o->versions[symbol] & 0x7fff);
}

/* The symbol of another object that a relocation is about; NULL: none. */
static const char *symbol_of(const struct object *o, const ElfW(Rela) * r)
{
    size_t i = ELF64_R_SYM(r->r_info);
    const ElfW(Sym) *s = &o->symbols[i];
    if (i == 0 || s->st_shndx != SHN_UNDEF || r->r_addend || is_another(o, i))
        return NULL;
    return o->strings + s->st_name;
}

static bool each(const struct object *o, const ElfW(Rela) * r, size_t n,
                 bool (*fn)(const struct object *o, void **slot,
                            const char *symbol, void *arg),
                 void *arg)
{
    for (size_t i = 0; i < n; i++) {
        unsigned type = (unsigned)ELF64_R_TYPE(r[i].r_info);
        const char *symbol =
            IS_CALL(type) || IS_ADDRESS(type) ? symbol_of(o, &r[i]) : NULL;
        if (symbol && !fn(o, (void **)(o->base + r[i].r_offset), symbol, arg))
            return false;
    }
    return true;
}

bool object_each_slot(const struct object *o,
                      bool (*fn)(const struct object *o, void **slot,
                                 const char *symbol, void *arg),
                      void *arg)
{
    return each(o, o->calls, o->calls ? o->call_count : 0, fn, arg) &&
           each(o, o->data, o->data ? o->data_count : 0, fn, arg);
}
