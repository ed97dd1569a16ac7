/*
 * POSIX threads made of fibers.
 *
 *   threads_create   create and join of one that returns at once
 *   threads_mutex    lock and unlock of a mutex that nobody else wants, in a
 *                    process that has another thread
 *   threads_alone    the same in a process of one thread
 *   threads_resident what a thread that waits for a semaphore adds to the
 *                    resident memory, of 10,000
 *   threads_memory   the same with what the kernel keeps for it: page tables
 * and its stack there (which /proc/meminfo tells of all processes together)
 *
 * The peer is what libc has for each.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "grove.h"
#include "patch/threads/threads.h"

#define CREATES 200
#define LOCKS 100000
#define WAITING 10000

static void *nothing(void *arg)
{
    return arg;
}

static double create_turn(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < CREATES; i++) {
        pthread_t id;
        bench_check(patched_pthread_create(&id, NULL, nothing, NULL), "create");
        patched_pthread_join(id, NULL);
    }
    return (double)(bench_now() - start) / CREATES;
}

static double create_peer(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < CREATES; i++) {
        pthread_t id;
        bench_check(pthread_create(&id, NULL, nothing, NULL), "pthread_create");
        pthread_join(id, NULL);
    }
    return (double)(bench_now() - start) / CREATES;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static double lock_turn(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < LOCKS; i++) {
        patched_pthread_mutex_lock(&mutex);
        patched_pthread_mutex_unlock(&mutex);
    }
    return (double)(bench_now() - start) / LOCKS;
}

static double lock_peer(void)
{
    int64_t start = bench_now();
    for (int i = 0; i < LOCKS; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return (double)(bench_now() - start) / LOCKS;
}

/* On a thread made of a fiber, as a program's locks are. */
static void *run_locks(void *name)
{
    bench_run(name, lock_turn, lock_peer, "pthread", 101);
    return NULL;
}

static void measure_locks(const char *name)
{
    pthread_t id;
    bench_check(
        patched_pthread_create(&id, NULL, run_locks, (void *)(uintptr_t)name),
        "create");
    patched_pthread_join(id, NULL);
}

/* ---- memory -------------------------------------------------------------------- */

static sem_t never;

static void *wait_ours(void *arg)
{
    patched_sem_wait(&never);
    return arg;
}

static void *wait_theirs(void *arg)
{
    sem_wait(&never);
    return arg;
}

/* A line of a file of such, in bytes. */
static long line(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    char text[256];
    long kib = 0;
    while (file && fgets(text, sizeof(text), file)) {
        if (strncmp(text, key, strlen(key)) == 0)
            kib = strtol(text + strlen(key), NULL, 10);
    }
    if (file)
        fclose(file);
    return kib * 1024;
}

struct memory {
    long resident, tables, kernel;
};

static struct memory memory(void)
{
    return (struct memory){line("/proc/self/status", "VmRSS:"),
                           line("/proc/self/status", "VmPTE:"),
                           line("/proc/meminfo", "KernelStack:")};
}

static struct memory since(struct memory before)
{
    struct memory now = memory();
    return (struct memory){now.resident - before.resident,
                           now.tables - before.tables,
                           now.kernel - before.kernel};
}

static struct memory add_ours(void)
{
    pthread_t id;
    bench_check(patched_pthread_create(&id, NULL, nothing, NULL), "create");
    patched_pthread_join(id, NULL);
    struct memory before = memory();
    for (int i = 0; i < WAITING; i++)
        bench_check(patched_pthread_create(&id, NULL, wait_ours, NULL),
                    "create");
    grove_sleep(GROVE_MILLISECOND); /* all have begun to wait */
    return since(before);
}

static struct memory add_theirs(void)
{
    pthread_t id;
    struct memory before = memory();
    for (int i = 0; i < WAITING; i++)
        bench_check(pthread_create(&id, NULL, wait_theirs, NULL),
                    "pthread_create");
    usleep(200000);
    return since(before);
}

/* In a process of its own: bytes of all threads. */
static struct memory in_child(struct memory (*add)(void))
{
    int ends[2];
    struct memory m = {0, 0, 0};
    bench_check(pipe(ends), "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        m = add();
        _exit(write(ends[1], &m, sizeof(m)) != sizeof(m));
    }
    if (read(ends[0], &m, sizeof(m)) != sizeof(m))
        bench_check(-1, "read");
    close(ends[0]);
    close(ends[1]);
    waitpid(pid, NULL, 0);
    return m;
}

static void print_memory(const char *name, long ours, long theirs)
{
    bench_print_ratio(name, (double)ours / WAITING, "bytes",
                      (double)ours / (double)theirs, "pthread");
}

static void measure_memory(void)
{
    struct memory ours = in_child(add_ours), theirs = in_child(add_theirs);
    print_memory("threads_resident", ours.resident, theirs.resident);
    print_memory("threads_memory", ours.resident + ours.tables + ours.kernel,
                 theirs.resident + theirs.tables + theirs.kernel);
}

int main(void)
{
    if (grove_own_tls_refused()) {
        printf("no threads of fibers here: %s\n", grove_own_tls_refused());
        return 0;
    }
    sem_init(&never, 0, 0);
    measure_memory();
    measure_locks("threads_alone");
    bench_run("threads_create", create_turn, create_peer, "pthread", 21);
    measure_locks("threads_mutex");
}
