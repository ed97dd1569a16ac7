/* 10,000 POSIX threads that all wait at once; says how many tasks the kernel
 * knows of while they do. Knows nothing of fibers. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER,
                      opened = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_key_t key;
static long waiting, ended;
static int is_open;
static __thread long mine;

static void count_end(void *value)
{
    pthread_mutex_lock(&mutex);
    ended += *(long *)value;
    pthread_mutex_unlock(&mutex);
}

static int count_tasks(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = -2;
    while (readdir(tasks))
        n++;
    closedir(tasks);
    return n;
}

static void *work(void *arg)
{
    mine = 1;
    pthread_setspecific(key, &mine);
    pthread_mutex_lock(&mutex);
    waiting++;
    pthread_cond_signal(&changed);
    while (!is_open)
        pthread_cond_wait(&opened, &mutex);
    pthread_mutex_unlock(&mutex);
    pthread_barrier_wait(&barrier);
    return arg;
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 10000, sum = 0;
    pthread_t *ids = calloc((size_t)n, sizeof(*ids));
    pthread_barrier_init(&barrier, NULL, (unsigned)n);
    pthread_key_create(&key, count_end);
    for (long i = 0; i < n; i++) {
        if (!ids || pthread_create(&ids[i], NULL, work, (void *)i) != 0)
            return 1;
    }
    pthread_mutex_lock(&mutex);
    while (waiting < n)
        pthread_cond_wait(&changed, &mutex);
    int tasks = count_tasks();
    is_open = 1;
    pthread_cond_broadcast(&opened);
    pthread_mutex_unlock(&mutex);
    for (long i = 0; i < n; i++) {
        void *value;
        pthread_join(ids[i], &value);
        sum += (long)value;
    }
    free(ids);
    printf("waiting %ld ended %ld sum %ld\ntasks %d\n", waiting, ended, sum,
           tasks);
}
