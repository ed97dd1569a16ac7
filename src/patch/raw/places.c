/*
 * Where system calls are made. The kernel lets through those of one stretch of
 * addresses, libc's code; what else is left alone (object.c) has its calls
 * told of all the same, and made as they are: those of the loader, of the vDSO
 * where it has to ask the kernel, of the sanitizers, and of liburing, by which
 * the runtime reads files.
 *
 * A place, once noted, stays, so that a handler can read them without a lock;
 * these objects are not unloaded.
 */
#include "patch/raw/places.h"

#include <assert.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "patch/object.h"

/* Objects that are left alone are a dozen. */
#define MOST 64

static struct place places[MOST];
static _Atomic unsigned count;

static bool is_libc(const struct object *o)
{
    return strncmp(o->name, "libc.so", strlen("libc.so")) == 0;
}

/* Calls fn for each part of it that has code. */
static void each_code(const struct object *o,
                      void (*fn)(struct place place, void *arg), void *arg)
{
    for (size_t i = 0; i < o->header_count; i++) {
        const ElfW(Phdr) *p = &o->headers[i];
        uintptr_t start = o->base + p->p_vaddr;
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X))
            fn((struct place){start, start + p->p_memsz}, arg);
    }
}

/* ---- libc's ------------------------------------------------------------------- */

static void take(struct place place, void *arg)
{
    *(struct place *)arg = place;
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct object o;
    if (!object_describe(&o, info) || !is_libc(&o))
        return 0;
    each_code(&o, take, arg);
    return 1;
}

bool places_libc(struct place *libc)
{
    *libc = (struct place){0, 0};
    return dl_iterate_phdr(find_libc, libc) && libc->end > libc->start;
}

/* ---- those that are left alone -------------------------------------------------- */

bool places_exempt(uintptr_t address)
{
    unsigned n = atomic_load_explicit(&count, memory_order_acquire);
    for (unsigned i = 0; i < n; i++) {
        if (address - places[i].start < places[i].end - places[i].start)
            return true;
    }
    return false;
}

static void note(struct place place, void *arg)
{
    (void)arg;
    unsigned n = atomic_load(&count);
    if (places_exempt(place.start) || n == MOST)
        return;
    places[n] = place;
    atomic_store_explicit(&count, n + 1, memory_order_release);
}

/* The vDSO has no relocations, and is described all the same. */
static int look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct object o;
    object_describe(&o, info);
    if (!is_libc(&o) && object_exempt(&o))
        each_code(&o, note, NULL);
    return 0;
}

void places_look(void)
{
    dl_iterate_phdr(look_at, NULL);
}
