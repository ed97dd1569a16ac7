/*
 * What the loader has loaded, and the slots through which it calls others.
 */
#ifndef GROVE_PATCH_OBJECT_H
#define GROVE_PATCH_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>

struct object {
    const char *name; /* of its file, without directories; "": the program */
    const ElfW(Phdr) * headers;  /* tells it from others, while it is loaded */
    size_t header_count;         /* of them */
    uintptr_t base;              /* what its addresses are added to */
    uintptr_t relro, relro_end;  /* whole pages that are read-only by now */
    const ElfW(Sym) * symbols;   /* of its dynamic symbol table */
    const char *strings;         /* their names */
    const ElfW(Half) * versions; /* of each symbol; NULL: they have none */
    const ElfW(Rela) * calls;    /* what JUMP_SLOTs are filled by */
    size_t call_count;           /* of them */
    const ElfW(Rela) * data;     /* other relocations */
    size_t data_count;           /* of them */
    const ElfW(Verneed) * needs; /* versions of others that it asks for */
    size_t need_count;           /* of them */
    bool has_runpath; /* the loader looks for what it opens in places of its
                         own */
};

/* False: it calls nobody by name. Within dl_iterate_phdr's function. */
bool object_describe(struct object *o, const struct dl_phdr_info *info);

/* Whether address is in its memory; in a part that may be written to, or may
 * before it was made read-only. */
bool object_contains(const struct object *o, uintptr_t address);
bool object_may_write(const struct object *o, uintptr_t address);

/* Why it is left alone; NULL: it is not. */
const char *object_exempt(const struct object *o);

/* Calls fn for each slot that is filled with the address of another object's
 * symbol, until it returns false. Whether it never did. */
bool object_each_slot(const struct object *o,
                      bool (*fn)(const struct object *o, void **slot,
                                 const char *symbol, void *arg),
                      void *arg);

#endif
