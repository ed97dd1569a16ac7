/*
 * What is in a block that is used again. Its variables are given the values
 * that a new thread's have; libc's own are kept, for among them is the thread's
 * cache of freed memory, which nothing that libc exports would give back.
 *
 * Most objects have their variables at a fixed distance from the thread
 * pointer. These are copied from a model, a block that was made since the last
 * object was loaded or unloaded, and that nobody uses. The others' are made by
 * their first use in each block, and asked for when its user has finished.
 * Callers of the former hold the lock of tls_block.c.
 */
#include "fiber/tls_modules.h"

#include <assert.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "fiber/tls_libc.h"

static char *model; /* its thread pointer; NULL: none yet */
/* How often objects were loaded, and unloaded, when it was made. */
static unsigned long long loads, unloads;
static size_t libc_begin, libc_end; /* of its variables, both counted from the
                                       thread pointer downward */
static _Atomic bool late;           /* some are made by their first use */

struct module {
    char *data;        /* the calling thread's variables; NULL: not made */
    const void *image; /* what they begin with */
    size_t initialised, size; /* bytes of the image; in all, the rest is 0 */
};

static bool describe(const struct dl_phdr_info *info, struct module *m)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_TLS || segment->p_memsz == 0)
            continue;
        m->data = info->dlpi_tls_data;
        m->image = (const char *)info->dlpi_addr + segment->p_vaddr;
        m->initialised = segment->p_filesz;
        m->size = segment->p_memsz;
        return true;
    }
    return false;
}

static bool is_fixed(const char *data)
{
    return (uintptr_t)tls_pointer() - (uintptr_t)data <= tls_libc.fixed;
}

/* ---- those at a fixed place --------------------------------------------------- */

/* Below the thread pointer; the rest is struct pthread. */
static size_t fixed_size(void)
{
    assert(tls_libc.fixed > tls_libc.size);
    return tls_libc.fixed - tls_libc.size;
}

static int look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct module m;
    (void)size;
    (void)arg;
    if (!describe(info, &m))
        return 0;
    if (!m.data || !is_fixed(m.data)) {
        late = true;
    } else if ((uintptr_t)((char *)&errno - m.data) < m.size) {
        libc_begin = (size_t)((char *)tls_pointer() - m.data);
        libc_end = libc_begin - m.size;
    }
    return 0;
}

static int has_changed(struct dl_phdr_info *info, size_t size, void *changed)
{
    (void)size;
    *(bool *)changed = loads != info->dlpi_adds || unloads != info->dlpi_subs;
    loads = info->dlpi_adds;
    unloads = info->dlpi_subs;
    return 1;
}

/* Cheap if nothing was loaded. */
static bool refresh_model(void)
{
    bool changed = false;
    dl_iterate_phdr(has_changed, &changed);
    if (!changed)
        return model != NULL;
    late = false;
    dl_iterate_phdr(look_at, NULL);
    if (model)
        tls_libc.deallocate(model, true);
    model = tls_libc.allocate(NULL);
    if (!model)
        loads = 0; /* look again */
    return model != NULL;
}

bool tls_modules_renew(void *tp)
{
    if (!refresh_model())
        return false;
    size_t all = fixed_size();
    assert(libc_begin <= all && libc_end <= libc_begin);
    memcpy((char *)tp - all, model - all, all - libc_begin);
    memcpy((char *)tp - libc_end, model - libc_end, libc_end);
    return true;
}

/* ---- the others ---------------------------------------------------------------- */

static int renew(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct module m;
    (void)size;
    (void)arg;
    if (!describe(info, &m) || !m.data || is_fixed(m.data))
        return 0;
    memcpy(m.data, m.image, m.initialised);
    memset(m.data + m.initialised, 0, m.size - m.initialised);
    return 0;
}

void tls_modules_renew_late(void)
{
    if (late)
        dl_iterate_phdr(renew, NULL);
}
