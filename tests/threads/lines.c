/*
 * A server of lines with a thread a connection, and as many threads that are
 * its clients, all by stdio. Nobody is answered before all have asked. Says how
 * many answers were right, what a program said whose output was read meanwhile,
 * and how many tasks there were.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static pthread_barrier_t all_asked;
static struct sockaddr_in address;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static int right;

static void *answer(void *arg)
{
    int fd = (int)(long)arg, number;
    char line[64];
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    if (fgets(line, sizeof(line), in) && sscanf(line, "ask %d", &number) == 1) {
        pthread_barrier_wait(&all_asked);
        fprintf(out, "answer %d\n", number + 1);
    }
    fclose(out);
    fclose(in);
    return NULL;
}

static void *ask(void *arg)
{
    int number = (int)(long)arg, answered;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return NULL;
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    setvbuf(out, NULL, _IOLBF, 64);
    fprintf(out, "ask %d\n", number);
    if (fscanf(in, "answer %d", &answered) == 1 && answered == number + 1) {
        pthread_mutex_lock(&counting);
        right++;
        pthread_mutex_unlock(&counting);
    }
    fclose(out);
    fclose(in);
    return NULL;
}

static int count_tasks(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int listen_anywhere(void)
{
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, size) < 0 ||
        listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        exit(1);
    return fd;
}

static void tell_what_a_program_says(void)
{
    char said[64] = "";
    FILE *f = popen("sleep 0.01; echo said", "r");
    if (fgets(said, sizeof(said), f))
        said[strcspn(said, "\n")] = '\0';
    printf("%s %d ", said, pclose(f));
}

int main(int argc, char **argv)
{
    int n = argc > 1 ? atoi(argv[1]) : 100, listener = listen_anywhere();
    pthread_t *ids = calloc((size_t)(2 * n), sizeof(*ids));
    pthread_barrier_init(&all_asked, NULL, (unsigned)n);
    for (long i = 0; i < n; i++)
        pthread_create(&ids[i], NULL, ask, (void *)i);
    for (long i = 0; i < n; i++) {
        long fd = accept(listener, NULL, NULL);
        pthread_create(&ids[n + i], NULL, answer, (void *)fd);
    }
    int tasks = count_tasks();
    for (int i = 0; i < 2 * n; i++)
        pthread_join(ids[i], NULL);
    tell_what_a_program_says();
    printf("right %d tasks %d\n", right, tasks);
    free(ids);
    return 0;
}
