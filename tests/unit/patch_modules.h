/* The libraries built of patch_module.c, in tests of patching. */
#ifndef TESTS_UNIT_PATCH_MODULES_H
#define TESTS_UNIT_PATCH_MODULES_H

#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>

#include "unit.h"

/* Slots of a module for read, whose address it has in two places; the linker of
 * aarch64 makes one for calls of it as well. */
#if defined(__aarch64__)
#define READS 3
#else
#define READS 2
#endif

struct module {
    void *handle;
    ssize_t (*recv)(int fd, void *buf, size_t len);
    ssize_t (*recv_by_table)(int fd, void *buf, size_t len);
    int (*pause)(void);
    void *(*open_by_name)(const char *name);
    int (*create)(pthread_t *id, void *(*fn)(void *), void *arg);
    int (*join)(pthread_t id);
};

HELPER struct module module_open_as(const char *path, int mode)
{
    struct module m = {.handle = dlopen(path, mode)};
    check(m.handle != NULL, "%s", dlerror());
    m.recv = dlsym(m.handle, "module_recv");
    m.recv_by_table = dlsym(m.handle, "module_recv_by_table");
    m.pause = dlsym(m.handle, "module_pause");
    m.open_by_name = dlsym(m.handle, "module_open_by_name");
    m.create = dlsym(m.handle, "module_create");
    m.join = dlsym(m.handle, "module_join");
    return m;
}

HELPER struct module module_open(const char *path)
{
    return module_open_as(path, RTLD_LAZY);
}

/* How many slots of `symbol` are patched in the objects whose name has
 * `object` in it. */
HELPER int slots_told(const char *object, const char *symbol)
{
    int fd = memfd_create("report", 0), n = 0;
    assert_int_equal(grove_patch_report(fd), 0);
    lseek(fd, 0, SEEK_SET);
    FILE *f = fdopen(fd, "r");
    char line[512], end[128];
    snprintf(end, sizeof(end), ": %s\n", symbol);
    while (fgets(line, sizeof(line), f)) {
        const char *colon = strchr(line, ':');
        n += strstr(line, object) && colon && strcmp(colon, end) == 0;
    }
    fclose(f);
    return n;
}

#endif
