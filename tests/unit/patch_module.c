/*
 * A library that knows nothing of Grove and calls libc in each way there is:
 * built several times, with other options of the linker (meson.build).
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t module_recv(int fd, void *buf, size_t len);
ssize_t module_recv_by_table(int fd, void *buf, size_t len);
int module_pause(void);
void *module_open_by_name(const char *name);
int module_create(pthread_t *id, void *(*fn)(void *), void *arg);
int module_join(pthread_t id);
int module_signal(pthread_cond_t *c);
int module_signal_old(pthread_cond_t *c);

ssize_t module_recv(int fd, void *buf, size_t len)
{
    return recv(fd, buf, len, 0);
}

/* Filled by the loader: the first is read-only afterwards. Which entry is asked
 * for the compiler cannot know. */
static ssize_t (*const table[])(int, void *, size_t) = {read, NULL};
static ssize_t (*volatile variable)(int, void *, size_t) = read;
static volatile unsigned entry;

ssize_t module_recv_by_table(int fd, void *buf, size_t len)
{
    static volatile int which;
    return which++ % 2 ? table[entry](fd, buf, len) : variable(fd, buf, len);
}

int module_pause(void)
{
    return pause();
}

void *module_open_by_name(const char *name)
{
    void *volatile handle = dlopen(name, RTLD_LAZY); /* by a call, no jump */
    return handle;
}

int module_create(pthread_t *id, void *(*fn)(void *), void *arg)
{
    return pthread_create(id, NULL, fn, arg);
}

int module_join(pthread_t id)
{
    return pthread_join(id, NULL);
}

int module_signal(pthread_cond_t *c)
{
    return pthread_cond_signal(c);
}

/* Of another layout, which x86-64 had at first. */
#if defined(__x86_64__) && defined(__GLIBC__)
int old_signal(pthread_cond_t *c);
__asm__(".symver old_signal, pthread_cond_signal@GLIBC_2.2.5");

int module_signal_old(pthread_cond_t *c)
{
    return old_signal(c);
}
#endif
