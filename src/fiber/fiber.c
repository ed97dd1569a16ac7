/*
 * The little that a switch needs to know of its thread, and fibers' names.
 * Everything here is called on the thread that owns the fiber.
 */
#include "fiber/fiber.h"

#include <assert.h>
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "fiber/tls_block.h"

typedef struct eh_globals *get_globals_fn(void);

extern struct eh_globals *__cxa_get_globals(void) __attribute__((weak));

/* How often objects were loaded into this process, to see cheaply whether one
 * was since the last look. */
static int count_loads(struct dl_phdr_info *info, size_t size, void *adds)
{
    (void)size;
    *(unsigned long long *)adds = info->dlpi_adds;
    return 1;
}

/* libstdc++ may come with a library loaded later and out of the global scope
 * (a Python extension), where a weak symbol does not see it. */
static get_globals_fn *find_get_globals(void)
{
    static _Atomic(get_globals_fn *) found;
    static _Atomic unsigned long long looked_at;
    if (__cxa_get_globals)
        return __cxa_get_globals;
    get_globals_fn *fn = atomic_load(&found);
    if (fn)
        return fn;
    unsigned long long adds = 0;
    dl_iterate_phdr(count_loads, &adds);
    if (atomic_load_explicit(&looked_at, memory_order_relaxed) == adds)
        return NULL;
    atomic_store_explicit(&looked_at, adds, memory_order_relaxed);
    static const char *const runtimes[] = {"libstdc++.so.6", "libc++abi.so.1"};
    for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
        void *lib = dlopen(runtimes[i], RTLD_NOLOAD | RTLD_LAZY);
        if (!lib)
            continue;
        *(void **)&fn = dlsym(lib, "__cxa_get_globals");
        if (fn) {
            atomic_store(&found, fn); /* lib stays open: fn lives in it */
            return fn;
        }
        dlclose(lib);
    }
    return NULL;
}

void fiber_thread_refresh(struct fiber_thread *t)
{
    assert(t->errno_location == &errno || tls_block_current());
    /* Where there are blocks it may be a stand-in. */
    if (t->eh && (!tls_block_any || tls_block_current()))
        return;
    get_globals_fn *fn = find_get_globals();
    if (fn)
        t->eh = fn();
}

void fiber_thread_init(struct fiber_thread *t)
{
    *t = (struct fiber_thread){.errno_location = &errno};
    fiber_thread_refresh(t);
}

void fiber_adopt_thread(struct fiber *f)
{
    memset(f, 0, sizeof(*f));
    annotate_birth(&f->annotation, NULL, NULL);
}

void fiber_set_name(struct fiber *f, const char *name)
{
    size_t n = strnlen(name, FIBER_NAME_SIZE - 1);
    memcpy(f->name, name, n);
    f->name[n] = '\0';
}
