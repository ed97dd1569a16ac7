/*
 * A pipeline of processes, as the shell's `a | b | c`: what the last one writes
 * is numbered line by line as it comes, and each one's end is told.
 *
 *     pipeline COMMAND [ARGUMENT...] [: COMMAND [ARGUMENT...]]...
 *
 * The exit status is that of the last command. SIGINT ends the lot.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grove.h>

#include "usage.h"

#define MOST 16

struct stage {
    char **argv;
    grove_process *process;
    grove_fiber *watcher;
    int status;
};

static struct stage stages[MOST];
static int count;

/* A fiber a process: tells its end when it comes. */
static void *watch(void *arg)
{
    struct stage *s = arg;
    if (grove_process_wait(s->process, &s->status) < 0)
        return NULL;
    if (WIFSIGNALED(s->status))
        fprintf(stderr, "%s: killed by signal %d\n", s->argv[0],
                WTERMSIG(s->status));
    else
        fprintf(stderr, "%s: ended with %d\n", s->argv[0],
                WEXITSTATUS(s->status));
    return s;
}

/* Each stage's output is a pipe whose reading end is the next one's input. */
static int start(struct stage *s, int in, int *out)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    grove_process_attr attr = {.in = in < 0 ? GROVE_IO_INHERIT : GROVE_IO_FD,
                               .in_fd = in,
                               .out = GROVE_IO_FD,
                               .out_fd = ends[1]};
    int r = grove_process_spawn(&s->process, &attr, s->argv);
    close(ends[1]);
    if (r == 0)
        r = grove_spawn(&s->watcher, watch, s);
    *out = ends[0];
    return r;
}

static int start_all(void)
{
    int in = -1;
    for (int i = 0; i < count; i++) {
        int out = -1;
        int r = start(&stages[i], in, &out);
        if (in >= 0)
            grove_close(in);
        in = out;
        if (r < 0) {
            fprintf(stderr, "%s: %s\n", stages[i].argv[0], strerror(-r));
            if (in >= 0)
                grove_close(in);
            return -1;
        }
    }
    return in;
}

/* 0, or -1 when it was ended by a kill. */
static int number_lines(int fd)
{
    char buf[4096];
    ssize_t n;
    int line = 0;
    int fresh = 1;
    while ((n = grove_read(fd, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (fresh)
                printf("%3d  ", ++line);
            putchar(buf[i]);
            fresh = buf[i] == '\n';
        }
    }
    fflush(stdout);
    grove_close(fd);
    return n < 0 ? -1 : 0;
}

/* Also after a failure or a kill: those that have started are ended. */
static void end_all(int failed)
{
    grove_shield shield;
    grove_shield_begin(&shield);
    for (int i = 0; i < count && stages[i].process; i++) {
        if (failed)
            grove_process_kill(stages[i].process, SIGTERM);
        if (stages[i].watcher) {
            grove_join(stages[i].watcher, NULL);
            grove_release(stages[i].watcher);
        }
        grove_process_release(stages[i].process);
    }
    grove_shield_end(&shield);
}

/* Whether there is a command on each side of each ":". */
static bool has_all_commands(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool first = i == 1 || strcmp(argv[i - 1], ":") == 0;
        if (strcmp(argv[i], ":") == 0 && (first || i == argc - 1))
            return false;
    }
    return true;
}

static int run(int argc, char **argv)
{
    for (int i = 1; i < argc && count < MOST; i++) {
        if (i == 1 || argv[i - 1] == NULL)
            stages[count++].argv = &argv[i];
        if (strcmp(argv[i], ":") == 0)
            argv[i] = NULL;
    }
    int fd = start_all();
    end_all(fd < 0 || number_lines(fd) < 0);
    int status = stages[count - 1].status;
    return fd < 0 ? 127 : WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    usage_check(argc, argv, 1, INT_MAX,
                "usage: pipeline COMMAND [ARGUMENT...] [: COMMAND "
                "[ARGUMENT...]]...\n\nRun commands as a pipeline and number "
                "the lines of the last.");
    if (!has_all_commands(argc, argv))
        usage_refuse();
    return grove_main(run, argc, argv);
}
