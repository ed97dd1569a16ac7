/*
 * Changing slots and changing them back.
 *
 * A batch is changed in three steps, of which only the first can fail:
 *
 *     read-only pages made writable --> words stored --> pages read-only again
 *              |
 *              +-- fails: those made writable are read-only again
 *
 * A word is stored at once, so that a thread that calls through it at that
 * moment gets one function or the other. Within dl_iterate_phdr.
 */
#include "patch/slots.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

int slots_reserve(struct slots *s, size_t more)
{
    if (s->count + more <= s->room)
        return 0;
    size_t room = 2 * s->room > s->count + more ? 2 * s->room : s->count + more;
    struct slot *slots = realloc(s->slots, room * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    s->slots = slots;
    s->room = room;
    return 0;
}

void slots_free(struct slots *s)
{
    free(s->slots);
    *s = (struct slots){0};
}

size_t slots_own(const struct slots *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += !s->slots[i].in_tables;
    return n;
}

struct slot *slots_find(const struct slots *s, void **at)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->slots[i].at == at)
            return &s->slots[i];
    }
    return NULL;
}

static bool is_read_only(const struct slot *s)
{
    return (uintptr_t)s->at >= s->relro && (uintptr_t)s->at < s->relro_end;
}

/* Slots of an object follow each other: its pages are done once. */
static bool is_first(const struct slots *s, size_t i)
{
    for (size_t j = i; j-- > 0 && s->slots[j].headers == s->slots[i].headers;) {
        if (is_read_only(&s->slots[j]))
            return false;
    }
    return true;
}

static int protect(const struct slots *s, size_t count, int rights)
{
    for (size_t i = 0; i < count; i++) {
        const struct slot *slot = &s->slots[i];
        if (!is_read_only(slot) || !is_first(s, i))
            continue;
        if (mprotect((void *)slot->relro, slot->relro_end - slot->relro,
                     rights) == 0)
            continue;
        int error = errno;
        if (rights & PROT_WRITE)
            protect(s, i, PROT_READ);
        return -error;
    }
    return 0;
}

static void store(void **at, void *value)
{
    atomic_store((void *_Atomic *)at, value);
}

int slots_apply(struct slots *s)
{
    int r = protect(s, s->count, PROT_READ | PROT_WRITE);
    if (r < 0)
        return r;
    for (size_t i = 0; i < s->count; i++)
        store(s->slots[i].at, s->slots[i].function);
    protect(s, s->count, PROT_READ);
    return 0;
}

int slots_restore(struct slots *s)
{
    int r = protect(s, s->count, PROT_READ | PROT_WRITE);
    if (r < 0)
        return r;
    for (size_t i = 0; i < s->count; i++) {
        struct slot *slot = &s->slots[i];
        if (*slot->at == slot->function)
            store(slot->at, slot->before);
    }
    protect(s, s->count, PROT_READ);
    return 0;
}
